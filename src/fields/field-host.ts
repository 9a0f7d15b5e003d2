import type { Storage } from '../core/storage.ts'
import type { FieldFile } from './field-file.ts'
import type { FileScope } from './lifecycle.ts'

/** The row that a file belongs to, as its adapter knows it. */
export interface FieldHost {
  readonly owner: object | null
  /** Name of the property, for messages. Default: the one that the field knows. */
  readonly attribute?: string | undefined
  /** Writes the column of the row in memory; `isChanged`: the database is to be told. */
  setName(name: string | null, isChanged: boolean): void
  /** Writes a further column of the row in memory, such as an image's width. */
  setColumn?(column: string, value: number | null): void
  /** Writes the row to the database, which calls the file's `[beforeWrite]` and `[afterWrite]`. */
  persist?(file: FieldFile): Promise<void>
  /** The scope of the transaction that the row is written in, if one is open. */
  scope?(): FileScope | undefined
  /**
   * Number of rows in the database that name a file of this storage; `isOver`: so is the transaction, and
   * others are to be asked. `undefined` where that cannot be told.
   */
  uses?(name: string, storage: Storage, isOver: boolean): Promise<number | undefined>
  /** Whether the row is in the database, and was read without this column. */
  readonly isUnread?: boolean | undefined
  /**
   * Saves and deletions wait for those of the same line; default: there is one. For a transaction, which
   * may have a lock that the others wait for, where a write that was overtaken looks at the row again.
   */
  readonly line?: object | undefined
  /** Writes that run at once may share one transaction, and overwrite each other unseen. */
  readonly sharesTransactions?: boolean | undefined
}

/** For adapters: stores content that waits. The row can be written then. */
export const beforeWrite: unique symbol = Symbol('stowage.beforeWrite')
/** For adapters: the name that a statement is about to write; whoever asks holds the file. */
export const holdName: unique symbol = Symbol('stowage.holdName')
/** For adapters: the row was written; the name that it had in the database has had its time. */
export const afterWrite: unique symbol = Symbol('stowage.afterWrite')
/** For adapters: the row was deleted; so is its file, unless another row uses it. */
export const afterDelete: unique symbol = Symbol('stowage.afterDelete')
/** For adapters: the database has not answered whether the row was written, or deleted. */
export const afterLoss: unique symbol = Symbol('stowage.afterLoss')
/** For adapters: what the column holds, `null` for nothing. Content that waits is not in it. */
export const columnName: unique symbol = Symbol('stowage.columnName')
/** For adapters without row objects: what goes into further columns with the next write. */
export const changedColumns: unique symbol = Symbol('stowage.changedColumns')
/** For adapters: whether content waits for the row to be written. */
export const isPending: unique symbol = Symbol('stowage.isPending')

/** For adapters: whether the row has to be written, though its column may look as it was loaded. */
export const isUnwritten: unique symbol = Symbol('stowage.isUnwritten')

/** For adapters: whether somebody has given the row another file since it was read or written. */
export const isChanged: unique symbol = Symbol('stowage.isChanged')
/** For adapters: what they have given for its row. */
export const hostOf: unique symbol = Symbol('stowage.hostOf')
/** For adapters: the name that the row has in the database by now. */
export const refresh: unique symbol = Symbol('stowage.refresh')
/** For adapters: the row was read again; what it was given since then is no more. */
export const reread: unique symbol = Symbol('stowage.reread')
/** For adapters: whether anything has happened to the file that the next write of the row has to do with. */
export const hasNews: unique symbol = Symbol('stowage.hasNews')

import { databaseAnswer } from './database-answer.ts'
import type { FieldFile } from './field-file.ts'
import {
  afterDelete,
  afterLoss,
  afterWrite,
  beforeWrite,
  type FieldHost,
  hasNews,
} from './field-host.ts'
import { type FileScope, inScope } from './lifecycle.ts'
import type { FileProperty } from './rows.ts'

/** What the database holds in the file columns of a row. */
export type HeldNames<Row extends object> = ReadonlyMap<FileProperty<Row>, string | null>

/** The files of rows from the moment before a write, which an ORM tells, to the one after it. */
export class RowWrites<Row extends object> {
  readonly #held = new WeakMap<Row, HeldNames<Row>>()

  /** @param names what the row has right before it is changed or deleted */
  begin(row: Row, names: HeldNames<Row>): void {
    this.#held.set(row, names)
  }

  /** Stores the content that waits; nothing stays of it where the transaction ends meanwhile. */
  async store(row: Row, columns: Columns<Row>, scope: FileScope): Promise<void> {
    const work = async (own: FileScope): Promise<void> => {
      for (const column of columns) {
        const file = column.peek(row)
        if (file?.[hasNews] !== true) continue
        await file[beforeWrite](own)
        own.checkOpen()
      }
    }
    await inScope(scope, work, () => false, true)
  }

  /**
   * @param scope of the transaction that the row was written in; `undefined`: of none
   * @param nameIn what was written into a column, where the row may have been given another file meanwhile
   */
  async written(
    row: Row,
    columns: Columns<Row>,
    scope: FileScope | undefined,
    nameIn?: (column: FileProperty<Row>) => string | null | undefined,
  ): Promise<void> {
    const held = this.#held.get(row)
    this.#held.delete(row)
    await inScope(scope, async own => {
      for (const column of columns) {
        const old = held?.get(column) ?? null
        if (column.peek(row) === undefined && old === (column.column(row) ?? old)) continue
        // A file that was never changed has nothing to leave behind.
        await column.get(row)[afterWrite](own, old, nameIn?.(column))
      }
    })
  }

  async deleted(row: Row, columns: Columns<Row>, scope: FileScope | undefined): Promise<void> {
    const held = this.#held.get(row)
    await inScope(scope, async own => {
      for (const column of columns)
        await column.get(row)[afterDelete](own, held?.get(column) ?? null)
    })
  }
}

type Columns<Row extends object> = Iterable<FileProperty<Row>>

/** Names in the file columns of a row, as the database has them. */
export type Names = Readonly<Record<string, string | null | undefined>>

/** Files by the properties of their row. */
export type RowFiles = readonly (readonly [property: string, file: FieldFile])[]

/** Ends a write of files whose row was not written, as the ORM will say. */
class Unwritten<T> extends Error {
  readonly result: T

  constructor(result: T) {
    super('The row was not written.')
    this.result = result
  }
}

/**
 * A write of a row as one call: stores the content that waits, has the row written, and lets the files
 * go that it had before.
 *
 * @param write resolves to its result and to what the row has had, `undefined` if it was not written; and
 *   to what it was written with, where that may not be what its files hold by now
 * @param uses counts for files of no row, which the write was given
 */
export async function writeRow<T>(
  open: FileScope | undefined,
  files: RowFiles,
  write: (
    scope: FileScope,
  ) => Promise<readonly [result: T, previous: Names | undefined, written?: Names]>,
  uses?: FieldHost['uses'],
): Promise<T> {
  try {
    return await inScope(open, async scope => {
      for (const [, file] of files) await file[beforeWrite](scope, uses)
      scope.checkOpen()
      const [result, previous, written] = await write(scope)
      if (previous === undefined) throw new Unwritten(result)
      for (const [property, file] of files) {
        const name = written?.[property]
        await file[afterWrite](
          scope,
          previous[property] ?? null,
          name === undefined ? name : name || null,
        )
      }
      return result
    })
  } catch (error) {
    if (error instanceof Unwritten) return error.result
    throw error
  }
}

/**
 * Has the database write or delete a row by one statement. If it does not answer, the files that the row had
 * go where no row names them.
 *
 * @param files those that the row loses
 */
export async function orLeave<T>(
  open: FileScope | undefined,
  files: RowFiles,
  previous: Names,
  option: 'onDelete' | 'onReplace',
  write: () => Promise<T>,
): Promise<T> {
  try {
    return await write()
  } catch (error) {
    if (databaseAnswer(error) !== 'lost') throw error
    return await inScope(open, async scope => {
      for (const [property, file] of files)
        await file[afterLoss](scope, previous[property] ?? null, option)
      throw error
    })
  }
}

/** The row is deleted: its files go, unless other rows use them. */
export async function leaveRow(
  open: FileScope | undefined,
  files: RowFiles,
  previous: Names,
): Promise<void> {
  await inScope(open, async scope => {
    for (const [property, file] of files) await file[afterDelete](scope, previous[property] ?? null)
  })
}

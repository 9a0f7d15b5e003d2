import type { StoredUpload } from './file-field.ts'
import type { Creation } from './lifecycle.ts'
import type { PendingFile } from './pending-file.ts'
import type { StoredFile } from './stored-file.ts'
import type { Turns } from './turns.ts'

/** What a file and its row showed before something that may fail. */
export interface Snapshot {
  readonly stored: string | null
  readonly pending: PendingFile | undefined
  readonly unsaved: boolean
  readonly unwritten: boolean
  readonly changed: boolean
  readonly unmeasured: boolean
  /** Of the row in memory. */
  readonly shown: StoredUpload['columns']
  /** Those that were still to be written. */
  readonly columns: StoredUpload['columns']
}

export const none: ReadonlySet<string> = new Set()
export const noColumns: StoredUpload['columns'] = {}

/** What happens to a file of a row. Thousands are made when rows are read, and few of them ever do anything. */
export class Activity {
  pending: PendingFile | undefined
  storing: Promise<StoredUpload> | undefined
  /** Whether the stored file was stored here and no row in the database has it yet. */
  unsaved = false
  /**
   * Whether no write of the row has heard of the stored file yet. It may have the name of a file that
   * the row had when it was loaded, and that is gone since.
   */
  unwritten = false
  /** Whether the row in memory was given the stored file, or none, and no write of it has told the database. */
  changed = false
  /** What a transaction is told about the stored file. */
  creation: Creation | undefined
  /** Names whose time has passed, and which leave with the next write of the row. */
  forgotten: ReadonlySet<string> = none
  /**
   * Set from `delete` until the row is written; `before`: what is shown again if that is undone. Without it
   * the row keeps the change.
   */
  deletion: { readonly default: boolean; readonly before: Snapshot | undefined } | undefined
  /** Further columns, to be written with the row. */
  columns: StoredUpload['columns'] = noColumns
  /** Whether nobody has looked at the stored file, whose name came without content. */
  unmeasured = false
  /** What is read of the stored file. */
  reading: StoredFile | undefined
  turns: Turns | undefined
  assignments = 0
}

export const idle: Activity = Object.freeze(new Activity())

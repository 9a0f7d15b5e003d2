import { ImproperlyConfigured, PreconditionFailedError, UnsupportedError } from '../core/errors.ts'

/** What an adapter throws for a way that goes past its rows, and so past their files. */
export function bypass(
  method: string,
  columns: readonly string[],
  instead: string,
): UnsupportedError {
  return new UnsupportedError(
    `${method} would leave files of ${[...new Set(columns)].join(', ')} behind, or store them for no row: use ${instead}.`,
    { operation: method },
  )
}

/** What an adapter throws for a row that is to be written and is no longer there: nobody would have its file. */
export function vanished(table: string): PreconditionFailedError {
  return new PreconditionFailedError(
    `The row of "${table}" was deleted by others in the meantime.`,
    { operation: 'save' },
  )
}

/** What an adapter throws for rows that the database deletes without telling anybody. */
export function cascades(table: string, column: string, instead: string): ImproperlyConfigured {
  return new ImproperlyConfigured(
    `The database deletes rows of ${table} by itself (ON DELETE CASCADE), and nobody would delete their files: ${instead}, or give the field of "${column}" onDelete: 'keep' and run stowage gc.`,
    { setting: 'onDelete' },
  )
}

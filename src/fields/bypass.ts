import { PreconditionFailedError, UnsupportedError } from '../core/errors.ts'

/** What an adapter throws for a way that goes past its rows, and so past their files. */
export function bypass(
  method: string,
  columns: readonly string[],
  instead: string,
): UnsupportedError {
  return new UnsupportedError(
    `${method} would leave files of ${columns.join(', ')} behind, or store them for no row: use ${instead}.`,
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

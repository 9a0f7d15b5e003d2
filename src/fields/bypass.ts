import { UnsupportedError } from '../core/errors.ts'

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

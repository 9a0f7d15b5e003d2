import { PreconditionFailedError } from '../../core/errors.ts'
import type { Name } from '../../core/names.ts'

/** The name was taken while the content was uploaded, which can be read once more. */
export class TakenError extends PreconditionFailedError {
  readonly taken: Name

  constructor(taken: Name, cause: unknown) {
    super('The name was taken while the content was uploaded.', { cause })
    this.taken = taken
  }
}

import type { StorageError } from '../../../core/errors.ts'

/** What an answer of failure says beside its error. */
export interface ErrorHints {
  readonly status: number
  /** Empty where the answer named none. */
  readonly code: string
  /** Region of the bucket, where the service named it. */
  readonly region: string | undefined
  /** The service's clock, in milliseconds since 1970; `NaN` where it did not say. */
  readonly date: number
}

/** The service refused a request. Never leaves the engine: `error` is what a caller gets. */
export class Refusal extends Error {
  readonly error: StorageError
  readonly hints: ErrorHints

  constructor(error: StorageError, hints: ErrorHints) {
    super(error.message)
    this.error = error
    this.hints = hints
  }
}

import { StorageError, UnavailableError } from '../../../core/errors.ts'
import { delayBefore, pause, RetryBudget, type RetryLimits } from '../native/retry.ts'

/**
 * Pauses before what an SDK does not make again by itself: the rest of a body, a stream that can be
 * read twice, the keys of a DeleteObjects that failed each for itself.
 */
export class Patience {
  readonly #limits: RetryLimits
  readonly #budget = new RetryBudget()

  constructor(limits: RetryLimits) {
    this.#limits = limits
  }

  /**
   * Waits before the attempt that follows `attempts` of them.
   *
   * @throws the failure, when there is no further attempt
   */
  async pauseAfter(
    failure: unknown,
    attempts: number,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    signal?.throwIfAborted()
    if (!(failure instanceof StorageError) || !failure.retryable) throw failure
    if (attempts >= this.#limits.maxAttempts) throw failure
    const retryAfter = failure instanceof UnavailableError ? failure.retryAfter : undefined
    const delay = delayBefore(attempts, { retryAfter, overloaded: false }, this.#limits)
    if (delay === undefined || !this.#budget.spend()) throw failure
    await pause(delay, signal)
  }
}

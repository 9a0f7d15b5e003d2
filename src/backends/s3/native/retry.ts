import { whenAborted } from '../../../core/abort.ts'
/** Attempts at most, and the longest pauses in milliseconds: see the option `retries`. */
export interface RetryLimits {
  readonly maxAttempts: number
  readonly baseDelay: number
  readonly maxDelay: number
}

/** A service that says it is overloaded gets this many times the pause of a lost connection. */
const overloadFactor = 5

/** What a failure says about when to try again. */
export interface RetryHint {
  /** Seconds that the service asked for. */
  readonly retryAfter: number | undefined
  /** Whether the service said that it gets more requests than it can answer. */
  readonly overloaded: boolean
}

/**
 * Milliseconds to wait before the attempt after `attempts` of them: a random part of a time that
 * doubles ("full jitter", https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/),
 * and no less than the service asked for; `undefined` when that is longer than anybody waits.
 */
export function delayBefore(
  attempts: number,
  hint: RetryHint,
  config: RetryLimits,
): number | undefined {
  const asked = (hint.retryAfter ?? 0) * 1000
  if (asked > config.maxDelay) return undefined
  const base = hint.overloaded ? config.baseDelay * overloadFactor : config.baseDelay
  const longest = Math.min(config.maxDelay, base * 2 ** (attempts - 1))
  return Math.max(asked, Math.random() * longest)
}

/**
 * What all requests of a storage may spend on further attempts, so that an outage is not
 * multiplied by five: each costs a token, each success gives a part of one back.
 */
export class RetryBudget {
  #tokens = budgetSize

  /** Whether a further attempt may be made; counts it. */
  spend(): boolean {
    if (this.#tokens < 1) return false
    this.#tokens -= 1
    return true
  }

  /** After a request that succeeded. */
  refill(): void {
    if (this.#tokens < budgetSize) this.#tokens = Math.min(budgetSize, this.#tokens + refillPart)
  }
}

/** Attempts in store at the beginning, and at most. */
const budgetSize = 100
/** Of a token, per success: one request in ten may fail for good without the budget running dry. */
const refillPart = 0.1

/** Resolves after so many milliseconds; rejects with `signal.reason` as soon as that aborts. */
export function pause(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      release()
      resolve()
    }, milliseconds)
    const release = whenAborted(signal, () => {
      clearTimeout(timer)
      reject(signal?.reason)
    })
  })
}

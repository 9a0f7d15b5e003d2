import { setImmediate, setTimeout } from 'node:timers/promises'
import { hasCode, isStorageError, StorageError, withContext } from '../core/errors.ts'

/** A piece of work of a known weight. */
export interface Job {
  /** For messages: the name of the file. */
  readonly name: string
  /** Bytes that it holds in memory while it runs. */
  readonly weight: number
  run(): Promise<void>
}

export interface PoolOptions {
  readonly signal: AbortSignal | undefined
  readonly onDone?: ((job: Job) => void) | undefined
  /** Jobs at a time to begin with, default 16. */
  readonly start?: number | undefined
  /** Jobs at a time at most, default 64. */
  readonly most?: number | undefined
  /** Milliseconds before the first repetition, doubled at each further one. Default 100. */
  readonly pause?: number | undefined
}

/** How often a job is tried before it is named. */
const maxAttempts = 8
/** Milliseconds between two attempts at most. */
const longestPause = 10_000
/** Bytes in memory at a time. */
const weightLimit = 64 * 1024 * 1024
/** Jobs that may fail for good before no further ones are begun. */
const maxFailures = 10

/**
 * Does jobs at a rate that the service takes: more at a time as long as all goes well, half as
 * many when it says that it is overloaded (503, 429, a broken connection); such jobs are repeated.
 *
 * @throws StorageError whose `errors` names every job that failed for good
 */
export async function runAdaptively(jobs: Iterable<Job>, options: PoolOptions): Promise<void> {
  await new AdaptivePool(options).run(jobs)
}

/**
 * Milliseconds after which everything else gets its turn: jobs on disk wait for nothing, so that
 * neither a timer nor a signal of the system could end them.
 */
const longestTurn = 20

class AdaptivePool {
  readonly #options: PoolOptions
  readonly #running = new Set<Promise<void>>()
  readonly #errors: StorageError[] = []
  #limit: number
  readonly #most: number
  #weight = 0
  /** Jobs that went well since the limit was changed. */
  #streak = 0
  #cutAt = 0
  #wasCut = false
  #wake: (() => void) | undefined

  constructor(options: PoolOptions) {
    this.#options = options
    this.#most = options.most ?? 64
    this.#limit = Math.min(options.start ?? 16, this.#most)
  }

  async run(jobs: Iterable<Job>): Promise<void> {
    const { signal } = this.#options
    let turned = performance.now()
    for (const job of jobs) {
      while (this.#isFull(job.weight)) await this.#oneDone()
      if (performance.now() - turned > longestTurn) {
        await setImmediate()
        turned = performance.now()
      }
      if (this.#errors.length >= maxFailures || signal?.aborted === true) break
      const task = this.#attempt(job).finally(() => {
        this.#running.delete(task)
        this.#weight -= job.weight
        this.#wake?.()
      })
      this.#running.add(task)
      this.#weight += job.weight
    }
    await Promise.all(this.#running)
    signal?.throwIfAborted()
    this.#throwErrors()
  }

  /** One promise for all that run: a race among them would listen to each of them again. */
  #oneDone(): Promise<void> {
    return new Promise(resolve => {
      this.#wake = resolve
    })
  }

  /** A job that is heavier than the limit runs alone. */
  #isFull(weight: number): boolean {
    if (this.#running.size === 0) return false
    return this.#running.size >= this.#limit || this.#weight + weight > weightLimit
  }

  async #attempt(job: Job): Promise<void> {
    const { signal, onDone } = this.#options
    for (let attempt = 1; ; attempt++) {
      const begun = performance.now()
      try {
        await job.run()
        this.#succeed()
        onDone?.(job)
        return
      } catch (error) {
        if (signal?.aborted === true) return
        const failure = withContext(error, { operation: 'collectStatic', file: job.name })
        if (!failure.retryable || attempt === maxAttempts) {
          this.#errors.push(failure)
          return
        }
        this.#slowDown(begun)
        await this.#pause(failure, attempt)
      }
    }
  }

  #succeed(): void {
    if (++this.#streak < this.#limit || this.#limit >= this.#most) return
    // Fast until the service complained for the first time, then carefully.
    this.#limit = Math.min(this.#most, this.#limit + (this.#wasCut ? 1 : 8))
    this.#streak = 0
  }

  /** One overload hits many jobs at once: what began before the cut says nothing new. */
  #slowDown(begun: number): void {
    this.#streak = 0
    if (begun < this.#cutAt) return
    this.#limit = Math.max(1, Math.floor(this.#limit / 2))
    this.#wasCut = true
    this.#cutAt = performance.now()
  }

  async #pause(error: StorageError, attempt: number): Promise<void> {
    const wanted = hasCode(error, 'ERR_STORAGE_UNAVAILABLE') ? (error.retryAfter ?? 0) * 1000 : 0
    const doubled = (this.#options.pause ?? 100) * 2 ** (attempt - 1) * (0.5 + Math.random() / 2)
    const time = Math.min(longestPause, Math.max(wanted, doubled))
    const { signal } = this.#options
    await setTimeout(time, undefined, signal === undefined ? {} : { signal }).catch(() => {})
  }

  #throwErrors(): void {
    const [first] = this.#errors
    if (first === undefined) return
    const lines = this.#errors.map(({ file, message }) => `\n  ${file}: ${message}`)
    const failed = new StorageError(
      `${this.#errors.length} files could not be stored, and the manifest was left as it was:${lines.join('')}`,
      { operation: 'collectStatic', file: first.file, cause: first, errors: this.#errors },
    )
    throw this.#errors.length === 1 && isStorageError(first) ? first : failed
  }
}

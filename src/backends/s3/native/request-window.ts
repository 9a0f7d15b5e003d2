import { whenAborted } from '../../../core/abort.ts'

/** Requests in flight at the beginning. */
const firstLimit = 64
/** How much faster a wider window has to be, to be worth it. */
const worthIt = 1.03

/**
 * Whether a request's body is read while it is sent, from what may be the same storage: such a
 * request may have to wait for one that is not.
 */
export type RequestKind = 'streamed' | 'plain'

/**
 * How many requests of a storage are in flight at a time. The window widens while that makes more
 * of them per second succeed, and is halved when the service says that there are too many.
 *
 * Streamed requests take half of the places at most, and where they have all that there are (there is
 * but one, or the window was halved), one plain request goes beside them: else both might wait for
 * ever, the one for what its body is read from, the other for its place.
 */
export class RequestWindow {
  readonly #max: number
  #limit: number
  #inFlight = 0
  #streamed = 0
  readonly #waiting: Readonly<Record<RequestKind, Turn[]>> = { streamed: [], plain: [] }
  #turns = 0
  /** Since the last look at the rate. */
  #done = 0
  #since = 0
  #wasFull = false
  #bestRate = 0
  #cuts = 0

  constructor(max: number) {
    this.#max = max
    this.#limit = Math.min(firstLimit, max)
  }

  get limit(): number {
    return this.#limit
  }

  /** How often it was halved: to be noted with each request that goes. */
  get cuts(): number {
    return this.#cuts
  }

  get inFlight(): number {
    return this.#inFlight
  }

  /**
   * Takes a place. `undefined` when one was free; else it is taken when the promise resolves.
   * An abort rejects it with `signal.reason`, and takes no place.
   */
  enter(signal: AbortSignal | undefined, kind: RequestKind = 'plain'): Promise<void> | undefined {
    if (this.#hasPlace(kind)) {
      this.#take(kind)
      return undefined
    }
    this.#wasFull = true
    return this.#wait(signal, kind)
  }

  /**
   * Gives the place back, after an answer or a failure of any kind. Of an overload that hits many
   * requests at once only those say something new that went after the last cut.
   *
   * @param cuts what {@link cuts} was when the request went
   */
  leave(overloaded: boolean, cuts: number, kind: RequestKind = 'plain'): void {
    this.#inFlight--
    if (kind === 'streamed') this.#streamed--
    if (overloaded && cuts === this.#cuts) this.#halve()
    else if (!overloaded && ++this.#done >= this.#limit) this.#adapt()
    for (let next = this.#next(); next !== undefined; next = this.#next()) {
      this.#waiting[next.kind].shift()
      this.#take(next.kind)
      next.start()
    }
  }

  /** Who waits longest of those that have a place now. Thousands may wait: nobody walks through them. */
  #next(): Turn | undefined {
    if (!this.#hasPlace('plain')) return undefined
    const [plain] = this.#waiting.plain
    const [streamed] = this.#hasPlace('streamed') ? this.#waiting.streamed : []
    return (plain?.order ?? this.#turns) < (streamed?.order ?? this.#turns) ? plain : streamed
  }

  #hasPlace(kind: RequestKind): boolean {
    const isFree = this.#inFlight < this.#limit
    if (kind === 'plain') return isFree || this.#inFlight === this.#streamed
    return isFree && this.#streamed < Math.max(1, this.#limit >> 1)
  }

  #take(kind: RequestKind): void {
    this.#inFlight++
    if (kind === 'streamed') this.#streamed++
  }

  #wait(signal: AbortSignal | undefined, kind: RequestKind): Promise<void> {
    return new Promise((resolve, reject) => {
      const turn: Turn = {
        kind,
        order: this.#turns++,
        start() {
          release()
          resolve()
        },
      }
      this.#waiting[kind].push(turn)
      const release = whenAborted(signal, () => {
        this.#waiting[kind].splice(this.#waiting[kind].indexOf(turn), 1)
        reject(signal?.reason)
      })
    })
  }

  #halve(): void {
    this.#cuts++
    this.#limit = Math.max(1, Math.floor(this.#limit / 2))
    this.#bestRate = 0
    this.#restart(performance.now())
  }

  /** Looks at the rate of the last window: only a full one says something about its width. */
  #adapt(): void {
    const now = performance.now()
    const rate = this.#done / Math.max(now - this.#since, 0.01)
    if (this.#wasFull && rate > this.#bestRate * worthIt) {
      this.#bestRate = rate
      this.#limit = Math.min(this.#max, this.#limit + Math.max(1, this.#limit >> 2))
    } else {
      // Forgets slowly, so that a service that became faster is found out.
      this.#bestRate *= 0.99
    }
    this.#restart(now)
  }

  #restart(now: number): void {
    this.#done = 0
    this.#since = now
    this.#wasFull = false
  }
}

interface Turn {
  /** Of all that have waited. */
  readonly order: number
  readonly kind: RequestKind
  start(): void
}

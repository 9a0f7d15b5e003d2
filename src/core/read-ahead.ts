import { type Bytes, copyBytes } from './bytes.ts'
import { RangeDownload, type RangeRequest, receiveRange } from './range-download.ts'

/**
 * First window, in bytes: what `open` brings along, so that a small file is one request, and what
 * a jump reads ahead. Opening a file and reading its end stay below 64 KiB together.
 */
export const firstWindow: number = 32 * 1024
/** Where the windows of a sequential reader stop growing; it holds two at most. */
const largestWindow = 4 * 1024 * 1024

/**
 * The bytes of a file, fetched in windows: each twice as large as the one before while reading is
 * sequential, the smallest again after a jump. Once reading is seen to be sequential, the next
 * window is asked for when half of this one is there: the wait for its answer costs nothing then. A
 * window is fetched whole, so that no reader, however slow, holds a connection.
 */
export class ReadAhead {
  readonly #request: RangeRequest
  readonly #size: number
  readonly #largestWindow: number
  readonly #signal: AbortSignal | undefined
  #windows: RangeDownload[]
  #windowSize = firstWindow
  /** Where the last fetch ends: who goes on there reads sequentially. */
  #fetched: number
  #sequential = false

  /**
   * @param first what came with the opening
   * @param memory bytes that the windows may take together, as far as the first one allows
   */
  constructor(
    request: RangeRequest,
    size: number,
    first: Bytes,
    signal: AbortSignal | undefined,
    memory: number = 2 * largestWindow,
  ) {
    this.#largestWindow = Math.max(firstWindow, Math.min(largestWindow, Math.floor(memory / 2)))
    this.#request = request
    this.#size = size
    this.#signal = signal
    this.#windows = [RangeDownload.of(0, first)]
    this.#fetched = first.byteLength
  }

  /** As {@link read}, where that needs no waiting. */
  readAtHand(start: number, length: number): Bytes | undefined {
    if (length === 0) return new Uint8Array(0)
    const [window] = this.#windows
    const piece = window?.viewAtHand(start, length)
    if (window === undefined || piece?.byteLength !== length) return undefined
    if (this.#isRestOf(window, start, piece)) {
      // All of it to the end of the file: given away instead of copied.
      this.#windows = []
      return piece
    }
    const bytes = copyBytes(piece)
    this.#prefetch(window)
    return bytes
  }

  #isRestOf(window: RangeDownload, start: number, { buffer, byteLength }: Bytes): boolean {
    const isWhole = start === window.start && start + byteLength === this.#size
    // The rest of the memory that the piece is a view of would stay with it.
    return isWhole && buffer.byteLength <= byteLength * 2
  }

  /** `length` bytes, which are the caller's. The file has them. */
  async read(start: number, length: number): Promise<Bytes> {
    const piece = length === 0 ? new Uint8Array(0) : await this.#within(start, length)
    if (piece?.byteLength === length) return copyBytes(piece)
    const whole = new Assembly(length)
    if (piece !== undefined) whole.add(piece)
    for (let at = start + whole.filled; at < start + length; at = start + whole.filled) {
      const wanted = start + length - at
      const next = whole.filled === 0 ? undefined : await this.#within(at, wanted)
      if (next !== undefined) whole.add(next)
      else await this.#receive(at, at + wanted, chunk => whole.take(chunk))
    }
    return whole.bytes
  }

  /** At most `limit` bytes that lie in one piece. They stay here: not to be changed or kept. */
  async view(at: number, limit: number): Promise<Bytes> {
    if (at >= this.#size) return new Uint8Array(0)
    return await this.#from(this.#windowAt(at) ?? this.#begin(at), window => window.view(at, limit))
  }

  /** The next piece as it came, which is the caller's: bytes that pass are not copied. */
  async take(at: number): Promise<Bytes> {
    if (at >= this.#size) return new Uint8Array(0)
    return await this.#from(this.#windowAt(at) ?? this.#begin(at), window => window.take(at))
  }

  /** Whether something is on its way. */
  get busy(): boolean {
    return this.#windows.some(window => !window.complete)
  }

  /** Lets go of all windows, and of what is on its way. */
  close(reason?: unknown): void {
    for (const window of this.#windows) window.cancel(reason)
    this.#windows = []
  }

  /** What is larger than a window goes straight to where it is wanted. */
  async #receive(at: number, end: number, add: (piece: Bytes) => void): Promise<void> {
    this.close()
    await receiveRange(this.#request, at, this.#goOn(at, end), this.#signal, add)
  }

  /** A piece of the window that covers `at`; opens one, unless more is wanted than that would hold. */
  async #within(at: number, wanted: number): Promise<Bytes | undefined> {
    const window = this.#windowAt(at)
    if (window === undefined && wanted >= this.#nextSize(at)) return undefined
    return await this.#from(window ?? this.#begin(at), found => found.view(at, wanted))
  }

  async #from(
    window: RangeDownload,
    work: (window: RangeDownload) => Promise<Bytes>,
  ): Promise<Bytes> {
    try {
      const bytes = await work(window)
      this.#prefetch(window)
      return bytes
    } catch (error) {
      // The next call asks again.
      this.close(error)
      throw error
    }
  }

  /** The window that covers a byte; those before are no longer needed. */
  #windowAt(at: number): RangeDownload | undefined {
    const index = this.#windows.findIndex(window => window.covers(at))
    if (index > 0) this.#windows.splice(0, index)
    const [window] = this.#windows
    if (index < 0 || window === undefined) return undefined
    if (!window.failed || index === 0) return window
    // It failed before anybody wanted it: worth another request.
    this.#windows = []
    this.#fetched = window.start
    return undefined
  }

  #nextSize(at: number): number {
    return at === this.#fetched ? Math.min(this.#windowSize * 2, this.#largestWindow) : firstWindow
  }

  /** Notes that bytes from `at` to `end` are fetched next. Gives `end`. */
  #goOn(at: number, end: number): number {
    this.#sequential = at === this.#fetched
    this.#windowSize = this.#nextSize(at)
    this.#fetched = end
    return end
  }

  /** Begins a window where none is. */
  #begin(at: number): RangeDownload {
    const end = this.#goOn(at, Math.min(at + this.#nextSize(at), this.#size))
    this.close()
    const window = RangeDownload.begin(this.#request, at, end, this.#signal)
    this.#windows = [window]
    return window
  }

  /** Begins the window behind one that has come by half, when reading goes straight on. */
  #prefetch(window: RangeDownload): void {
    const isLast = this.#windows.at(-1) === window && window.end === this.#fetched
    if (!this.#sequential || !isLast || !window.halfway || window.end >= this.#size) return
    const { end } = window
    const next = this.#goOn(end, Math.min(end + this.#nextSize(end), this.#size))
    this.#windows.push(RangeDownload.begin(this.#request, end, next, this.#signal))
  }
}

/** Bytes of a known number, put together from pieces. */
class Assembly {
  filled = 0
  readonly #length: number
  #bytes: Bytes | undefined

  constructor(length: number) {
    this.#length = length
  }

  get bytes(): Bytes {
    this.#bytes ??= new Uint8Array(this.#length)
    return this.#bytes
  }

  /** Copies the piece. */
  add(piece: Bytes): void {
    this.bytes.set(piece, this.filled)
    this.filled += piece.byteLength
  }

  /** As {@link add}, for a piece that nobody else has: if it is all of it, it is not copied. */
  take(piece: Bytes): void {
    if (piece.byteLength !== this.#length || piece.buffer.byteLength !== this.#length) {
      this.add(piece)
      return
    }
    this.#bytes = piece
    this.filled = this.#length
  }
}

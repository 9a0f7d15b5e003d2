import { whenAborted } from './abort.ts'
import type { ReadBody } from './backend.ts'
import { type Bytes, copyBytes, plainBytes } from './bytes.ts'
import { isStorageError } from './errors.ts'
import { checkLength } from './stored-file.ts'

/** Asks for a range of the version that was opened. */
export type RangeRequest = (
  start: number,
  end: number,
  signal: AbortSignal | undefined,
) => Promise<ReadBody>

/** Up to here a range comes in one piece, in bytes: cheaper than as a stream. */
const onePiece = 64 * 1024

/**
 * Gives the bytes of a range to `add`, in order. A body that breaks off is taken up at the byte
 * where it broke, as long as each request brings something and nobody below has tried again.
 *
 * @throws IntegrityError when another number of bytes comes
 */
export async function receiveRange(
  request: RangeRequest,
  start: number,
  end: number,
  signal: AbortSignal | undefined,
  add: (chunk: Bytes) => void,
): Promise<void> {
  for (let at = start; at < end; ) {
    const before = at
    try {
      const body = await request(at, end, signal)
      for await (const chunk of piecesOf(body, end - at)) {
        at += chunk.byteLength
        if (at > end) checkLength(at - start, end - start)
        add(plainBytes(chunk))
      }
      checkLength(at - start, end - start)
    } catch (error) {
      if (at === before || signal?.aborted === true || !isFirstFailure(error)) throw error
    }
  }
}

async function* piecesOf(body: ReadBody, length: number): AsyncGenerator<Bytes> {
  if (length > onePiece) yield* body.chunks()
  else yield await body.bytes()
}

/** An engine that retries says how often it did; what it gave up is not begun anew. */
function isFirstFailure(error: unknown): boolean {
  if (!isStorageError(error) || !error.retryable) return false
  return !('attempts' in error) || Number(error.attempts ?? 1) <= 1
}

/** A range that comes while its first bytes are read already. */
export class RangeDownload {
  readonly start: number
  readonly end: number
  readonly #pieces: { readonly at: number; readonly bytes: Bytes }[] = []
  /** Where the first byte that is held lies, and where the next one will. */
  #first: number
  #arrived: number
  /** Of the piece that was looked at last: the next look is there or close behind. */
  #last = 0
  #failure: { readonly error: unknown } | undefined
  #wake: (() => void) | undefined
  readonly #cancel: AbortController | undefined

  /** What came already. */
  static of(start: number, bytes: Bytes): RangeDownload {
    const download = new RangeDownload(start, start + bytes.byteLength, undefined)
    if (bytes.byteLength > 0) download.#add(bytes)
    return download
  }

  static begin(
    request: RangeRequest,
    start: number,
    end: number,
    signal: AbortSignal | undefined,
  ): RangeDownload {
    const cancel = new AbortController()
    const download = new RangeDownload(start, end, cancel)
    void download.#receive(request, cancel, signal)
    return download
  }

  private constructor(start: number, end: number, cancel: AbortController | undefined) {
    this.start = start
    this.end = end
    this.#first = start
    this.#arrived = start
    this.#cancel = cancel
  }

  get complete(): boolean {
    return this.#arrived === this.end
  }

  get halfway(): boolean {
    return (this.#arrived - this.start) * 2 >= this.end - this.start
  }

  get failed(): boolean {
    return this.#failure !== undefined
  }

  /** Whether the byte is here, or will be. */
  covers(at: number): boolean {
    return at >= this.#first && at < this.end
  }

  /** Bytes from a covered place on that lie in one piece, at most `limit`. They stay here. */
  async view(at: number, limit: number): Promise<Bytes> {
    const piece = await this.#piece(at)
    return piece.bytes.subarray(at - piece.at, at - piece.at + limit)
  }

  /** As {@link view}, where that needs no waiting. */
  viewAtHand(at: number, limit: number): Bytes | undefined {
    const piece = at < this.#arrived ? this.#find(at) : undefined
    return piece?.bytes.subarray(at - piece.at, at - piece.at + limit)
  }

  /** The piece from a covered place on, which is the caller's; it and all before are let go. */
  async take(at: number): Promise<Bytes> {
    const { at: start, bytes } = await this.#piece(at)
    this.#pieces.splice(0, this.#last + 1)
    this.#last = 0
    this.#first = start + bytes.byteLength
    return at === start ? bytes : copyBytes(bytes.subarray(at - start))
  }

  /** Ends the transfer; who waits for bytes gets the reason. */
  cancel(reason: unknown): void {
    if (this.complete) return
    this.#fail(reason)
    this.#cancel?.abort(reason)
  }

  async #piece(at: number): Promise<{ readonly at: number; readonly bytes: Bytes }> {
    while (at >= this.#arrived) {
      if (this.#failure !== undefined) throw this.#failure.error
      await new Promise<void>(resolve => {
        this.#wake = resolve
      })
    }
    const piece = this.#find(at)
    if (piece === undefined) throw new RangeError(`Byte ${at} was given away.`)
    return piece
  }

  #find(at: number): { readonly at: number; readonly bytes: Bytes } | undefined {
    if ((this.#pieces[this.#last]?.at ?? 0) > at) this.#last = 0
    for (; this.#last < this.#pieces.length; this.#last++) {
      const piece = this.#pieces[this.#last]
      if (piece !== undefined && at < piece.at + piece.bytes.byteLength) return piece
    }
    this.#last = 0
    return undefined
  }

  async #receive(
    request: RangeRequest,
    cancel: AbortController,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const release = whenAborted(signal, () => this.cancel(signal?.reason))
    try {
      await receiveRange(request, this.start, this.end, cancel.signal, chunk => this.#add(chunk))
    } catch (error) {
      this.#fail(error)
    } finally {
      release()
    }
  }

  #add(bytes: Bytes): void {
    if (bytes.byteLength === 0) return
    this.#pieces.push({ at: this.#arrived, bytes })
    this.#arrived += bytes.byteLength
    this.#notify()
  }

  #fail(error: unknown): void {
    this.#failure ??= { error }
    this.#notify()
  }

  #notify(): void {
    this.#wake?.()
    this.#wake = undefined
  }
}

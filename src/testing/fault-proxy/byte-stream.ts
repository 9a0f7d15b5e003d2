import type { Socket } from 'node:net'

/** Bytes that are read ahead of a consumer before the socket is paused. */
const highWaterMark = 256 * 1024

/**
 * The bytes that a socket receives, pulled piece by piece. It goes on reading while nobody asks,
 * up to a bound, so that the other side's end is noticed at once.
 */
export class ByteStream {
  readonly #socket: Socket
  readonly #pieces: Buffer[] = []
  #buffered = 0
  #ended = false
  #wake: (() => void) | undefined

  constructor(socket: Socket) {
    this.#socket = socket
    socket.on('data', piece => this.#add(piece))
    socket.on('end', () => this.#end())
    socket.on('close', () => this.#end())
  }

  /** The next bytes, at most `limit` of them; `undefined` at the end. */
  async read(limit: number = Number.POSITIVE_INFINITY): Promise<Buffer | undefined> {
    for (;;) {
      const piece = this.#pieces.shift()
      if (piece !== undefined) {
        this.#buffered -= piece.byteLength
        if (piece.byteLength > limit) this.unread(piece.subarray(limit))
        if (this.#buffered < highWaterMark) this.#socket.resume()
        return piece.subarray(0, limit)
      }
      if (this.#ended) return undefined
      await new Promise<void>(resolve => {
        this.#wake = resolve
      })
    }
  }

  /** Puts bytes back in front. */
  unread(piece: Buffer): void {
    if (piece.byteLength === 0) return
    this.#pieces.unshift(piece)
    this.#buffered += piece.byteLength
  }

  #add(piece: Buffer): void {
    this.#pieces.push(piece)
    this.#buffered += piece.byteLength
    if (this.#buffered >= highWaterMark) this.#socket.pause()
    this.#notify()
  }

  #end(): void {
    this.#ended = true
    this.#notify()
  }

  #notify(): void {
    this.#wake?.()
    this.#wake = undefined
  }
}

import { untilAborted } from './abort.ts'
import type { Backend, ReadOptions } from './backend.ts'
import { type Bytes, concatBytes, copyBytes, plainBytes } from './bytes.ts'
import { ClosedFileError, ValidationError } from './errors.ts'
import type { FileStat } from './file-stat.ts'
import type { Name } from './names.ts'
import {
  type BinaryReader,
  defaultChunkSize,
  refuseOtherMode,
  type SeekOrigin,
} from './open-file.ts'
import { checkLength, explainChange, pinnedBody } from './stored-file.ts'
import { toWebStream } from './web-stream.ts'

/** First read-ahead, in bytes: what `open` brings along, so that a small file is one request. */
const firstWindow = 64 * 1024
/** Where the read-ahead of a sequential reader stops growing. */
const largestWindow = 4 * 1024 * 1024

/**
 * A file opened for reading, over ranged reads of its backend. It holds no socket and no
 * descriptor between two calls. Calls that are not awaited are answered in their order.
 */
export class FileReader implements BinaryReader {
  readonly name: string
  readonly mode: string
  readonly #backend: Backend
  readonly #stat: FileStat
  readonly #signal: AbortSignal | undefined
  #position = 0
  #window: Bytes
  #windowStart = 0
  #windowSize = firstWindow
  #closed = false
  #turn: Promise<unknown> = Promise.resolve()

  /** Opens the file with one request, which brings the first bytes along. */
  static async open(
    backend: Backend,
    name: Name,
    mode: string,
    signal: AbortSignal | undefined,
  ): Promise<FileReader> {
    const result = await backend.read(name, { start: 0, end: firstWindow, signal })
    const window = plainBytes(await result.body.bytes())
    checkLength(window.byteLength, result.end - result.start)
    return new FileReader(backend, result.stat, mode, window, signal)
  }

  private constructor(
    backend: Backend,
    stat: FileStat,
    mode: string,
    window: Bytes,
    signal: AbortSignal | undefined,
  ) {
    this.name = stat.name
    this.mode = mode
    this.#backend = backend
    this.#stat = stat
    this.#window = window
    this.#signal = signal
  }

  get closed(): boolean {
    return this.#closed
  }

  async size(): Promise<number> {
    this.checkOpen('size')
    return this.#stat.size
  }

  tell(): number {
    this.checkOpen('tell')
    return this.#position
  }

  read(n?: number): Promise<Bytes> {
    return this.#inTurn('read', () => this.#read(n))
  }

  readline(): Promise<Bytes> {
    return this.#inTurn('readline', () => this.#readline())
  }

  seek(offset: number, whence: SeekOrigin = 'start'): Promise<number> {
    return this.#inTurn('seek', async () => {
      this.#position = this.#target(offset, whence)
      return this.#position
    })
  }

  async *chunks(chunkSize: number = defaultChunkSize): AsyncGenerator<Bytes> {
    if (!Number.isSafeInteger(chunkSize) || chunkSize < 1) {
      throw this.#invalid('chunks', `chunkSize is a whole number of at least 1, not ${chunkSize}`)
    }
    for (;;) {
      const chunk = await this.read(chunkSize)
      if (chunk.byteLength === 0) return
      yield chunk
    }
  }

  async *lines(): AsyncGenerator<Bytes> {
    for (;;) {
      const line = await this.readline()
      if (line.byteLength === 0) return
      yield line.subarray(0, line.byteLength - lineEndLength(line))
    }
  }

  readable(): ReadableStream<Bytes> {
    this.checkOpen('readable')
    return toWebStream(() => this.chunks())
  }

  [Symbol.asyncIterator](): AsyncGenerator<Bytes> {
    return this.chunks()
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#window = new Uint8Array(0)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  /** @throws ClosedFileError after `close`, naming the method that was called */
  checkOpen(operation: string): void {
    if (!this.#closed) return
    throw new ClosedFileError('The file is closed.', {
      operation,
      file: this.name,
      backend: this.#backend.name,
    })
  }

  async #read(n: number | undefined): Promise<Bytes> {
    if (n !== undefined && (!Number.isSafeInteger(n) || n < 0)) {
      throw this.#invalid('read', `the number of bytes is a whole number of at least 0, not ${n}`)
    }
    const rest = Math.max(0, this.#stat.size - this.#position)
    const wanted = n === undefined ? rest : Math.min(n, rest)
    const start = this.#position
    const buffered = this.#buffered(wanted)
    if (buffered.byteLength === wanted) {
      this.#position += wanted
      // A copy: a slice would keep the whole window alive.
      return copyBytes(buffered)
    }
    const missing = await this.#fetch(start + buffered.byteLength, wanted - buffered.byteLength)
    this.#position = start + wanted
    return concatBytes([buffered, missing], wanted)
  }

  /** What the window holds from the position on, at most `length` bytes. */
  #buffered(length: number): Bytes {
    const from = this.#position - this.#windowStart
    if (from < 0 || from >= this.#window.byteLength) return this.#window.subarray(0, 0)
    return this.#window.subarray(from, from + length)
  }

  /** `length` bytes from `start`, and the read-ahead behind them into the window. */
  async #fetch(start: number, length: number): Promise<Bytes> {
    const sequential = start === this.#windowStart + this.#window.byteLength
    this.#windowSize = sequential ? Math.min(this.#windowSize * 2, largestWindow) : firstWindow
    if (length >= this.#windowSize) return this.#request(start, start + length)
    const window = await this.#request(start, Math.min(start + this.#windowSize, this.#stat.size))
    this.#window = window
    this.#windowStart = start
    return window.subarray(0, length)
  }

  async #request(start: number, end: number): Promise<Bytes> {
    const options: ReadOptions = { start, end, ifMatch: this.#stat.etag, signal: this.#signal }
    const body = pinnedBody(await this.#backend.read(this.name as Name, options), this.#stat)
    const bytes = plainBytes(await body.bytes())
    checkLength(bytes.byteLength, end - start)
    return bytes
  }

  async #readline(): Promise<Bytes> {
    const pieces: Bytes[] = []
    let length = 0
    for (;;) {
      const piece = await this.#read(this.#lineStep())
      const end = endOfLine(piece)
      const taken = end === -1 ? piece : piece.subarray(0, end)
      this.#position -= piece.byteLength - taken.byteLength
      pieces.push(taken)
      length += taken.byteLength
      if (end !== -1 || piece.byteLength === 0) return await this.#joinLine(pieces, length)
    }
  }

  /** How far to look for the end of a line: what is buffered, or one more window. */
  #lineStep(): number {
    const buffered = this.#buffered(this.#window.byteLength).byteLength
    return buffered > 0 ? Math.min(buffered, 8192) : 8192
  }

  /** A `\r` at the end of a piece may be the first half of `\r\n`. */
  async #joinLine(pieces: readonly Bytes[], length: number): Promise<Bytes> {
    const line = concatBytes(pieces, length)
    if (line.at(-1) !== carriageReturn) return line
    const next = await this.#read(1)
    if (next[0] === lineFeed) return concatBytes([line, next], length + 1)
    this.#position -= next.byteLength
    return line
  }

  #target(offset: number, whence: SeekOrigin): number {
    if (!Number.isSafeInteger(offset)) {
      throw this.#invalid('seek', `the offset is a whole number, not ${offset}`)
    }
    const bases = { start: 0, current: this.#position, end: this.#stat.size }
    if (!Object.hasOwn(bases, whence)) {
      throw this.#invalid('seek', `whence is 'start', 'current' or 'end', not ${String(whence)}`)
    }
    const target = bases[whence] + offset
    if (target < 0) throw this.#invalid('seek', `position ${target} lies before the start`)
    if (!Number.isSafeInteger(target))
      throw this.#invalid('seek', `position ${target} is more than a number can tell exactly`)
    return target
  }

  #inTurn<T>(operation: string, work: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(() => this.#guarded(operation, work))
    this.#turn = result.catch(() => {})
    return result
  }

  async #guarded<T>(operation: string, work: () => Promise<T>): Promise<T> {
    this.checkOpen(operation)
    this.#signal?.throwIfAborted()
    try {
      return await untilAborted(work(), this.#signal)
    } catch (error) {
      if (this.#signal?.aborted === true) throw this.#signal.reason
      throw explainChange(error, { operation, file: this.name, backend: this.#backend.name })
    }
  }

  #invalid(operation: string, problem: string): ValidationError {
    return new ValidationError(`${operation}(): ${problem}.`, { operation, file: this.name })
  }
}

refuseOtherMode(FileReader.prototype, 'reader')

const lineFeed = 0x0a
const carriageReturn = 0x0d

/** Position behind the first `\n`, `\r\n` or `\r`; -1 if there is none. */
function endOfLine(bytes: Bytes): number {
  const feed = bytes.indexOf(lineFeed)
  const searched = feed === -1 ? bytes : bytes.subarray(0, feed)
  const carriage = searched.indexOf(carriageReturn)
  if (carriage === -1) return feed === -1 ? -1 : feed + 1
  return bytes[carriage + 1] === lineFeed ? carriage + 2 : carriage + 1
}

function lineEndLength(line: Bytes): number {
  const last = line.at(-1)
  if (last === carriageReturn) return 1
  if (last !== lineFeed) return 0
  return line.at(-2) === carriageReturn ? 2 : 1
}

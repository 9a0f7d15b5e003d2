import { untilAborted, whenAborted } from './abort.ts'
import type { Backend, ReadBody, ReadOptions } from './backend.ts'
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
import { showArgument } from './options.ts'
import type { RangeRequest } from './range-download.ts'
import { firstWindow, ReadAhead } from './read-ahead.ts'
import { checkLength, explainChange, pinnedBody } from './stored-file.ts'
import { toWebStream } from './web-stream.ts'

/**
 * A file opened for reading, over ranged reads of its backend (see {@link ReadAhead}). However
 * long nobody reads on, it holds no socket and no descriptor. Calls that are not awaited are
 * answered in their order.
 */
export class FileReader implements BinaryReader {
  readonly name: string
  readonly mode: string
  readonly #backend: Backend
  readonly #stat: FileStat
  readonly #signal: AbortSignal | undefined
  readonly #bytes: ReadAhead
  #position = 0
  #closed = false
  #turn: Promise<unknown> = Promise.resolve()
  /** Calls that are not answered yet. */
  #pending = 0

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
    this.#signal = signal
    const request: RangeRequest = (start, end, own) => this.#request(start, end, own)
    this.#bytes = new ReadAhead(request, stat.size, window, signal, backend.maxMemorySize)
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
    const bytes = this.#atHand(n)
    return bytes === undefined ? this.#inTurn('read', () => this.#read(n)) : Promise.resolve(bytes)
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
      throw this.#invalid(
        'chunks',
        `chunkSize is a whole number of at least 1, not ${showArgument(chunkSize)}`,
      )
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
    return toWebStream(cancelled => this.#pieces(cancelled))
  }

  [Symbol.asyncIterator](): AsyncGenerator<Bytes> {
    return this.#pieces(undefined)
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    // An error costs more than all the rest of a small file's reading.
    this.#bytes.close(this.#bytes.busy ? this.#closedError('close') : undefined)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  /**
   * Does the work, which waits for bytes of this file, until the signal aborts: that ends the
   * transfer, too. The reader stays usable.
   */
  async untilCancelled<T>(work: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    if (signal === undefined) return await work()
    signal.throwIfAborted()
    const release = whenAborted(signal, () => this.#bytes.close(signal.reason))
    try {
      return await work()
    } finally {
      release()
    }
  }

  /** @throws ClosedFileError after `close`, naming the method that was called */
  checkOpen(operation: string): void {
    if (this.#closed) throw this.#closedError(operation)
  }

  #closedError(operation: string): ClosedFileError {
    return new ClosedFileError('The file is closed.', {
      operation,
      file: this.name,
      backend: this.#backend.name,
    })
  }

  async *#pieces(cancelled: AbortSignal | undefined): AsyncGenerator<Bytes> {
    const take = (): Promise<Bytes> => this.untilCancelled(() => this.#take(), cancelled)
    for (;;) {
      const piece = await untilAborted(this.#inTurn('read', take), cancelled)
      if (piece.byteLength === 0) return
      yield piece
    }
  }

  /** What a call of `read` resolves to, where nothing has to be waited for. */
  #atHand(n: number | undefined): Bytes | undefined {
    const isOrdinary = !this.#closed && this.#pending === 0 && this.#signal?.aborted !== true
    if (!isOrdinary || !isLength(n)) return undefined
    const wanted = this.#wanted(n)
    const bytes = this.#bytes.readAtHand(this.#position, wanted)
    if (bytes !== undefined) this.#position += wanted
    return bytes
  }

  async #read(n: number | undefined): Promise<Bytes> {
    if (!isLength(n)) {
      throw this.#invalid(
        'read',
        `the number of bytes is a whole number of at least 0, not ${showArgument(n)}`,
      )
    }
    const wanted = this.#wanted(n)
    const bytes = await this.#bytes.read(this.#position, wanted)
    this.#position += wanted
    return bytes
  }

  #wanted(n: number | undefined): number {
    const rest = Math.max(0, this.#stat.size - this.#position)
    return n === undefined ? rest : Math.min(n, rest)
  }

  async #take(): Promise<Bytes> {
    const piece = await this.#bytes.take(this.#position)
    this.#position += piece.byteLength
    return piece
  }

  async #request(start: number, end: number, signal: AbortSignal | undefined): Promise<ReadBody> {
    const options: ReadOptions = { start, end, ifMatch: this.#stat.etag, signal }
    return pinnedBody(await this.#backend.read(this.name as Name, options), this.#stat)
  }

  async #readline(): Promise<Bytes> {
    const pieces: Bytes[] = []
    let at = this.#position
    for (;;) {
      const view = await this.#bytes.view(at, lineStep)
      const end = endOfLine(view)
      const taken = end === -1 ? view : view.subarray(0, end)
      pieces.push(taken)
      at += taken.byteLength
      if (end !== -1 || view.byteLength === 0) break
    }
    // A `\r` at the end of a piece may be the first half of `\r\n`.
    if (pieces.at(-1)?.at(-1) === carriageReturn) {
      const next = await this.#bytes.view(at, 1)
      if (next[0] === lineFeed) pieces.push(next)
    }
    const line = joined(pieces)
    this.#position += line.byteLength
    return line
  }

  #target(offset: number, whence: SeekOrigin): number {
    if (!Number.isSafeInteger(offset)) {
      throw this.#invalid('seek', `the offset is a whole number, not ${showArgument(offset)}`)
    }
    const bases = { start: 0, current: this.#position, end: this.#stat.size }
    if (typeof whence !== 'string' || !Object.hasOwn(bases, whence)) {
      throw this.#invalid(
        'seek',
        `whence is 'start', 'current' or 'end', not ${showArgument(whence)}`,
      )
    }
    const target = bases[whence] + offset
    if (target < 0) throw this.#invalid('seek', `position ${target} lies before the start`)
    if (!Number.isSafeInteger(target))
      throw this.#invalid('seek', `position ${target} is more than a number can tell exactly`)
    return target
  }

  #inTurn<T>(operation: string, work: () => Promise<T>): Promise<T> {
    const done = (): void => {
      this.#pending--
    }
    this.#pending++
    const result = this.#turn.then(() => this.#guarded(operation, work))
    this.#turn = result.then(done, done)
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

/** Whether `read` takes it: a number of bytes, or nothing for all of them. */
function isLength(n: number | undefined): boolean {
  return n === undefined || (Number.isSafeInteger(n) && n >= 0)
}

/** How far to look for the end of a line at a time, in bytes. */
const lineStep = 8192
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

/** A copy: the pieces stay with the read-ahead. */
function joined(pieces: readonly Bytes[]): Bytes {
  const [first] = pieces
  if (pieces.length === 1 && first !== undefined) return copyBytes(first)
  return concatBytes(
    pieces,
    pieces.reduce((length, piece) => length + piece.byteLength, 0),
  )
}

function lineEndLength(line: Bytes): number {
  const last = line.at(-1)
  if (last === carriageReturn) return 1
  if (last !== lineFeed) return 0
  return line.at(-2) === carriageReturn ? 2 : 1
}

import { untilAborted } from './abort.ts'
import { type Bytes, concatBytes } from './bytes.ts'
import { ValidationError } from './errors.ts'
import type { FileReader } from './file-reader.ts'
import { defaultChunkSize, refuseOtherMode, type SeekOrigin, type TextReader } from './open-file.ts'
import { showArgument } from './options.ts'
import { toWebStream } from './web-stream.ts'

/** A file opened for reading text: bytes of a {@link FileReader}, cut between characters. */
export class TextFileReader implements TextReader {
  readonly #file: FileReader
  #turn: Promise<unknown> = Promise.resolve()

  constructor(file: FileReader) {
    this.#file = file
  }

  get name(): string {
    return this.#file.name
  }

  get mode(): string {
    return this.#file.mode
  }

  get closed(): boolean {
    return this.#file.closed
  }

  size(): Promise<number> {
    return this.#file.size()
  }

  tell(): number {
    return this.#file.tell()
  }

  seek(offset: number, whence?: SeekOrigin): Promise<number> {
    return this.#inTurn(() => this.#file.seek(offset, whence))
  }

  read(n?: number): Promise<string> {
    return this.#inTurn(async () =>
      decode(n === undefined ? await this.#file.read() : await this.#characters(n)),
    )
  }

  readline(): Promise<string> {
    return this.#inTurn(async () => decode(await this.#file.readline()))
  }

  async *chunks(chunkSize: number = defaultChunkSize): AsyncGenerator<string> {
    for (;;) {
      const chunk = await this.read(checkCount('chunks', chunkSize, 1))
      if (chunk === '') return
      yield chunk
    }
  }

  async *lines(): AsyncGenerator<string> {
    for await (const line of this.#file.lines()) yield decode(line)
  }

  readable(): ReadableStream<string> {
    this.#file.checkOpen('readable')
    return toWebStream(cancelled => this.#pieces(cancelled))
  }

  [Symbol.asyncIterator](): AsyncGenerator<string> {
    return this.chunks()
  }

  close(): Promise<void> {
    return this.#file.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async *#pieces(cancelled: AbortSignal): AsyncGenerator<string> {
    const take = (): Promise<Bytes> =>
      this.#file.untilCancelled(() => this.#characters(defaultChunkSize), cancelled)
    for (;;) {
      const chunk = decode(await untilAborted(this.#inTurn(take), cancelled))
      if (chunk === '') return
      yield chunk
    }
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(work)
    this.#turn = result.catch(() => {})
    return result
  }

  /** The bytes of the next `n` characters. */
  async #characters(n: number): Promise<Bytes> {
    const count = checkCount('read', n, 0)
    this.#file.checkOpen('read')
    const start = this.#file.tell()
    try {
      return await this.#nextCharacters(count)
    } catch (error) {
      // What was read of them before is read again by the next call.
      await this.#file.seek(start).catch(() => {})
      throw error
    }
  }

  async #nextCharacters(count: number): Promise<Bytes> {
    let missing = count
    const pieces: Bytes[] = []
    let length = 0
    while (missing > 0) {
      // A character is one byte at least, so this never reads too far but for its last bytes.
      const piece = await this.#file.read(missing)
      if (piece.byteLength === 0) break
      pieces.push(piece)
      length += piece.byteLength
      missing -= countStarts(piece)
    }
    const rest = await this.#restOfCharacter(pieces, length)
    return concatBytes([...pieces, rest], length + rest.byteLength)
  }

  /** The continuation bytes that the last character still lacks. */
  async #restOfCharacter(pieces: readonly Bytes[], length: number): Promise<Bytes> {
    const missing = missingContinuations(concatBytes(pieces, length))
    if (missing === 0) return new Uint8Array(0)
    const next = await this.#file.read(missing)
    const end = next.findIndex(byte => !isContinuation(byte))
    if (end === -1) return next
    await this.#file.seek(end - next.byteLength, 'current')
    return next.subarray(0, end)
  }
}

refuseOtherMode(TextFileReader.prototype, 'reader')

function decode(bytes: Bytes): string {
  // ignoreBOM keeps a byte order mark: nothing is translated.
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes)
}

function isContinuation(byte: number): boolean {
  return (byte & 0xc0) === 0x80
}

/** How many characters begin in `bytes`. */
function countStarts(bytes: Bytes): number {
  let count = 0
  for (const byte of bytes) if (!isContinuation(byte)) count++
  return count
}

/** How many bytes the last character of `bytes` lacks, going by its first byte. */
function missingContinuations(bytes: Bytes): number {
  for (let back = 1; back <= Math.min(3, bytes.byteLength); back++) {
    const byte = bytes[bytes.byteLength - back] ?? 0
    if (isContinuation(byte)) continue
    const length = byte < 0xc0 ? 1 : byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4
    return Math.max(0, length - back)
  }
  return 0
}

function checkCount(operation: string, n: number, least: number): number {
  if (Number.isSafeInteger(n) && n >= least) return n
  throw new ValidationError(
    `${operation}(): the number of characters is a whole number of at least ${least}, not ${showArgument(n)}.`,
    { operation },
  )
}

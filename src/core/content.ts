import { itemsUntilAborted } from './abort.ts'
import { type Bytes, isDetached, ownBytes } from './bytes.ts'
import { type ContentFile, isContentFile } from './content-file.ts'
import { encodeContent, TextPieces } from './content-text.ts'
import { FileTooLargeError, ValidationError } from './errors.ts'
import { isStoredFile, type StoredFile } from './stored-file.ts'
import { WebStreamChunks } from './web-stream.ts'

/** Everything that can be stored. `File` is a `Blob`; Node streams and open files are async iterables. */
export type Content =
  | string
  | Uint8Array
  | ArrayBuffer
  | Blob
  | ReadableStream<Uint8Array>
  | AsyncIterable<Uint8Array | string>
  | ContentFile
  | StoredFile

/** What every kind of {@link Content} becomes before a backend sees it. */
export interface ContentSource {
  /** Length in bytes; `undefined` when only the end of the stream will tell. */
  readonly size: number | undefined
  /** Whether {@link chunks} may be called again, so that a failed attempt can be repeated. */
  readonly replayable: boolean
  /** MIME type that the content itself carries. */
  readonly type: string | undefined
  /** Name that the content itself carries. */
  readonly name: string | undefined
  /** The whole content where it is in memory already; then {@link chunks} is not needed. */
  readonly bytes: Bytes | undefined
  /** Set when the source itself threw; `Storage` rejects with that error as it is. */
  readonly failure: { readonly error: unknown } | undefined
  /**
   * The bytes; a chunk is the reader's until the next is asked for. Leaving the loop early ends
   * the source; an abort of the signal that `Storage` was given ends it at once.
   */
  chunks(): AsyncIterable<Uint8Array>
  /** Ends the source without reading it (further): what failed leaves no stream open. */
  destroy(reason: unknown): void
}

/**
 * The one conversion of contents. After an abort of `signal` the chunks reject with its reason.
 *
 * @throws ValidationError for anything else than a {@link Content}, for lone surrogates, and for a
 *   stream that somebody else reads, or has read to its end: it would be stored as nothing
 */
export function toContent(content: Content, signal?: AbortSignal | undefined): ContentSource {
  if (typeof content === 'string') return new MemoryContent(encodeContent(content))
  if (content instanceof Uint8Array) return new MemoryContent(ownBytes(present(content)))
  if (content instanceof ArrayBuffer)
    return new MemoryContent(new Uint8Array(presentBuffer(content)))
  if (isContentFile(content))
    return new MemoryContent(ownBytes(present(content.bytes)), content.name)
  if (content instanceof Blob || isStoredFile(content)) return new FileContent(content, signal)
  if (content instanceof ReadableStream)
    return new StreamContent(new WebStreamChunks(unread(content)), signal)
  if (isAsyncIterable(content)) return new StreamContent(unread(content), signal)
  throw new ValidationError(
    `The content is ${describe(content)}; give a string, bytes, an ArrayBuffer, a Blob or File, a web or Node stream, an async iterable of bytes, a ContentFile or a stored file.`,
  )
}

/** Bytes of a content in memory that are given out at a time: between two it is looked after. */
const pieceSize = 256 * 1024

/** Content that is in memory. */
export class MemoryContent implements ContentSource {
  readonly size: number
  readonly replayable = true
  readonly type = undefined
  readonly failure = undefined
  readonly name: string | undefined
  readonly #bytes: Bytes

  constructor(bytes: Bytes, name?: string | undefined) {
    this.size = bytes.byteLength
    this.#bytes = bytes
    this.name = name
  }

  /** @throws ValidationError when the memory was given away, or resized, after the save began */
  get bytes(): Bytes {
    checkLength(this.#bytes, this.size)
    return this.#bytes
  }

  async *chunks(): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < this.size; at += pieceSize) {
      yield this.bytes.subarray(at, at + pieceSize)
      // Once more behind the last piece, too: it may have been read short.
      checkLength(this.#bytes, this.size)
    }
  }

  destroy(): void {}
}

/** A `Blob`, a `File` or a stored file: of known size, and readable again. */
class FileContent implements ContentSource {
  readonly replayable = true
  readonly bytes = undefined
  readonly size: number
  readonly type: string | undefined
  readonly name: string | undefined
  failure: { readonly error: unknown } | undefined
  readonly #file: Blob | StoredFile
  readonly #signal: AbortSignal | undefined

  constructor(file: Blob | StoredFile, signal: AbortSignal | undefined) {
    this.size = checkSize(file.size)
    this.type = file.type === '' ? undefined : file.type
    this.name = file instanceof File || isStoredFile(file) ? file.name : undefined
    this.#file = file
    this.#signal = signal
  }

  async *chunks(): AsyncGenerator<Uint8Array> {
    const stream = new WebStreamChunks(this.#file.stream())
    let left = this.size
    try {
      const items = itemsUntilAborted(stream, this.#signal, reason => stream.destroy(reason))
      for await (const item of items) {
        left -= checkChunk(item).byteLength
        // What is read and sent was chosen by the size, and limits were checked against it.
        if (left < 0) throw wrongSize(this.size, `at least ${this.size - left}`)
        yield item
      }
      if (left > 0) throw wrongSize(this.size, String(this.size - left))
    } catch (error) {
      this.failure = { error }
      throw error
    }
  }

  destroy(): void {}
}

/** A stream: of unknown size, and read once. */
class StreamContent implements ContentSource {
  readonly size = undefined
  readonly replayable = false
  readonly type = undefined
  readonly bytes = undefined
  readonly name: string | undefined
  failure: { readonly error: unknown } | undefined
  readonly #source: AsyncIterable<Uint8Array | string>
  readonly #signal: AbortSignal | undefined

  constructor(source: AsyncIterable<Uint8Array | string>, signal: AbortSignal | undefined) {
    // A Node stream that fails before a backend reads it would end the process: nobody listens
    // yet. Reading it then gives the error.
    if (isEmitter(source)) source.on('error', ignore)
    this.#source = source
    this.#signal = signal
    this.name = 'name' in source && typeof source.name === 'string' ? source.name : undefined
  }

  async *chunks(): AsyncGenerator<Uint8Array> {
    const text = new TextPieces()
    const items = itemsUntilAborted(this.#source, this.#signal, reason => this.destroy(reason))
    try {
      for await (const item of items) {
        const bytes = typeof item === 'string' ? text.encode(item) : checkChunk(item)
        if (bytes.byteLength > 0) yield bytes
      }
      text.end()
      checkWhole(this.#source)
    } catch (error) {
      this.failure = { error }
      throw error
    } finally {
      if (this.failure === undefined && isEmitter(this.#source)) this.#source.off('error', ignore)
    }
  }

  destroy(reason: unknown): void {
    const source: object = this.#source
    if (!('destroy' in source) || typeof source.destroy !== 'function') {
      endUnread(this.#source).catch(() => {})
      return
    }
    try {
      // Without an error: Node would emit it, and nobody may listen.
      source.destroy(source instanceof WebStreamChunks ? reason : undefined)
    } catch {
      // What failed before is what the caller must learn.
    }
  }
}

/** busboy, and what stands on it, ends a stream at a limit without an error, and says so only here. */
function checkWhole(stream: object): void {
  if (!('truncated' in stream) || stream.truncated !== true) return
  throw new FileTooLargeError(
    'The stream of the content was cut off at a limit of what reads the form (fileSize), so nothing of it is stored.',
  )
}

/** @throws ValidationError for a stream of which nothing is left */
function unread<T extends object>(stream: T): T {
  if (stream instanceof ReadableStream && stream.locked)
    throw new ValidationError(
      'The stream of the content is locked: somebody else reads it, or has read it.',
    )
  if (!isReadToItsEnd(stream)) return stream
  throw new ValidationError(
    'The stream of the content was read to its end before; give another one, or what was read.',
  )
}

function isReadToItsEnd(stream: object): boolean {
  if (!(stream instanceof ReadableStream))
    return 'readableEnded' in stream && stream.readableEnded === true
  // What Node's `stream.isDisturbed` and the like look at; elsewhere nothing is known.
  const tells = (what: string): unknown => Reflect.get(stream, Symbol.for(`nodejs.stream.${what}`))
  return tells('disturbed') === true && tells('readable') === false && tells('errored') === false
}

/** Of a Node stream, as much as is needed here. */
interface Emitter {
  on(event: 'error', listener: () => void): unknown
  off(event: 'error', listener: () => void): unknown
}

function isEmitter(source: object): source is Emitter {
  return (
    'on' in source &&
    typeof source.on === 'function' &&
    'off' in source &&
    typeof source.off === 'function'
  )
}

function ignore(): void {}

async function endUnread(source: AsyncIterable<unknown>): Promise<void> {
  await source[Symbol.asyncIterator]().return?.()
}

/** @throws ValidationError for memory that is no longer there: it would be stored as nothing */
export function present<T extends Uint8Array>(bytes: T): T {
  presentBuffer(bytes.buffer)
  return bytes
}

function presentBuffer<T extends ArrayBufferLike>(buffer: T): T {
  if (isDetached(buffer)) throw goneBytes()
  return buffer
}

/** @throws ValidationError for bytes that are no longer as many as they were */
export function checkLength(bytes: Uint8Array, length: number): void {
  if (bytes.byteLength !== length) throw goneBytes()
}

/** What is said of memory that is no longer there: it would be stored as nothing. */
export function goneBytes(): ValidationError {
  return new ValidationError(
    'The bytes of the content are no longer there: their ArrayBuffer was transferred to somebody else, or resized.',
  )
}

/** @throws ValidationError for what is no number of bytes: a `Blob` of a program's own may say anything */
function checkSize(size: unknown): number {
  if (typeof size === 'number' && Number.isSafeInteger(size) && size >= 0) return size
  const said = typeof size === 'number' ? size : describe(size)
  throw new ValidationError(`The size of the content is ${said}, which is no number of bytes.`)
}

function wrongSize(size: number, came: string): ValidationError {
  return new ValidationError(
    `The content says that it has ${size} bytes, and gives ${came}: its size must be that of its stream.`,
  )
}

function checkChunk(chunk: unknown): Uint8Array {
  if (chunk instanceof Uint8Array) return chunk.byteLength === 0 ? present(chunk) : chunk
  throw new ValidationError(
    `The content yields ${describe(chunk)}; its chunks are bytes or strings.`,
  )
}

function isAsyncIterable(content: unknown): content is AsyncIterable<Uint8Array | string> {
  return (
    typeof content === 'object' &&
    content !== null &&
    typeof Reflect.get(content, Symbol.asyncIterator) === 'function'
  )
}

function describe(value: unknown): string {
  if (value === null || value === undefined) return String(value)
  if (typeof value !== 'object') return `a ${typeof value}`
  if (value instanceof Promise) return 'a promise (await it)'
  return `an object of class ${value.constructor?.name ?? 'null'}`
}

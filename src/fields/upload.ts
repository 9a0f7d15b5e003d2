import { type Bytes, concatBytes, copyBytes } from '../core/bytes.ts'
import { type Content, type ContentSource, toContent } from '../core/content.ts'
import { type ContentFile, isContentFile } from '../core/content-file.ts'
import { encodeContent } from '../core/content-text.ts'
import { contentTypeOf } from '../core/content-type.ts'
import { FileTooLargeError, ValidationError } from '../core/errors.ts'
import { isStoredFile } from '../core/stored-file.ts'

/** A file that is about to be stored, as validators see it: nothing of it has been stored yet. */
export interface UploadedFile {
  /** The name that it came with. */
  readonly name: string
  /** The name that it is to be stored under, of `uploadTo` and the storage; the storage may add to its root. */
  readonly target?: string | undefined
  /** Bytes; `undefined` for a stream. */
  readonly size: number | undefined
  /** MIME type that the content claims, else the one of its name. */
  readonly type: string
  /** The first bytes, at most as many as asked for; a stream keeps them for the storage. */
  head(bytes: number): Promise<Bytes>
  /** Bytes from anywhere, fewer where it ends; of a stream only those that can be kept in memory. */
  part?(start: number, end: number): Promise<Bytes>
}

/** MIME types of the names that a file came with and will have. */
export function namedTypes({ name, target = name }: UploadedFile): readonly string[] {
  const types = [contentTypeOf(name), contentTypeOf(target)]
  return [...new Set(types.filter(type => type !== undefined))]
}

/** How much of a stream is kept to look at its {@link UploadedFile.part}s, in bytes. */
const keptOfStream = 8_388_608

/** A content on its way into a storage whose first bytes can be looked at. */
export class Upload implements UploadedFile {
  readonly name: string
  target: string
  readonly size: number | undefined
  readonly type: string
  readonly #content: Content
  readonly #stream: PeekedStream | undefined

  constructor(name: string, content: Content) {
    this.name = name
    this.target = name
    this.#content = typeof content === 'string' ? encodeContent(content) : content
    this.#stream = isStream(content) ? new PeekedStream(content) : undefined
    this.size = sizeOf(this.#content)
    this.type = claimedType(content) || contentTypeOf(name) || 'application/octet-stream'
  }

  async head(bytes: number): Promise<Bytes> {
    if (!(Number.isSafeInteger(bytes) && bytes >= 0))
      throw new ValidationError(`head() takes a whole number of bytes of at least 0, not ${bytes}.`)
    if (this.#stream !== undefined) return await this.#stream.head(bytes)
    return await bytesBetween(this.#content, 0, bytes)
  }

  async part(start: number, end: number): Promise<Bytes> {
    if (this.#stream === undefined) return await bytesBetween(this.#content, start, end)
    return end <= keptOfStream ? (await this.#stream.head(end)).subarray(start) : noBytes
  }

  /** Rejects the rest of a stream that turns out longer; others have a size to look at. */
  limit(bytes: number): void {
    this.#stream?.limit(bytes)
  }

  /** What the storage is given: the content itself unless it was looked at. */
  content(): Content {
    return this.#stream?.touched === true ? this.#stream : this.#content
  }

  /** Ends a stream that will not be stored. */
  async discard(): Promise<void> {
    await this.#stream?.return()
  }
}

function isStream(content: Content): content is AsyncIterable<Uint8Array | string> {
  if (content instanceof ReadableStream) return true
  return typeof content === 'object' && content !== null && Symbol.asyncIterator in content
}

function sizeOf(content: Content): number | undefined {
  if (content instanceof Uint8Array || content instanceof ArrayBuffer) return content.byteLength
  const size: unknown = isStream(content) ? undefined : Reflect.get(Object(content), 'size')
  // What is no content may have a method of that name; the storage refuses it.
  return typeof size === 'number' ? size : undefined
}

function claimedType(content: Content): string {
  return content instanceof Blob || isStoredFile(content) ? content.type : ''
}

async function bytesBetween(content: Content, start: number, end: number): Promise<Bytes> {
  if (isInMemory(content)) return toContent(content).bytes?.subarray(start, end) ?? noBytes
  if (content instanceof Blob) return new Uint8Array(await content.slice(start, end).arrayBuffer())
  if (isStoredFile(content)) return await content.slice(start, end).bytes()
  // Not a content: the storage says so, with the list of what is one.
  return noBytes
}

const noBytes = new Uint8Array(0)

function isInMemory(content: Content): content is Uint8Array | ArrayBuffer | ContentFile {
  return content instanceof Uint8Array || content instanceof ArrayBuffer || isContentFile(content)
}

/** A stream whose first chunks were read ahead, and that may not exceed a length. */
class PeekedStream implements AsyncIterableIterator<Uint8Array> {
  /** Also listens to a Node stream that fails while nobody reads it yet. */
  readonly #source: ContentSource
  #chunks: AsyncIterator<Uint8Array> | undefined
  #ahead: Uint8Array[] = []
  #aheadLength = 0
  #ended = false
  #limit = Number.POSITIVE_INFINITY
  #given = 0
  touched = false

  constructor(content: AsyncIterable<Uint8Array | string>) {
    this.#source = toContent(content)
  }

  limit(bytes: number): void {
    this.touched = true
    this.#limit = Math.min(this.#limit, bytes)
  }

  async head(bytes: number): Promise<Bytes> {
    this.touched = true
    while (this.#aheadLength < bytes && !this.#ended) {
      const chunk = await this.#pull()
      if (chunk === undefined) break
      // It is ours only until we ask for the next.
      this.#ahead.push(copyBytes(chunk))
      this.#aheadLength += chunk.byteLength
    }
    return concatBytes(this.#ahead, this.#aheadLength).slice(0, bytes)
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async next(): Promise<IteratorResult<Uint8Array>> {
    const chunk = this.#ahead.shift() ?? (await this.#pull())
    if (chunk === undefined) return { done: true, value: undefined }
    this.#given += chunk.byteLength
    if (this.#given <= this.#limit) return { done: false, value: chunk }
    await this.return()
    throw new FileTooLargeError(`The file is larger than ${this.#limit} bytes.`)
  }

  async return(): Promise<IteratorResult<Uint8Array>> {
    this.#ahead = []
    if (!this.#ended) {
      this.#ended = true
      if (this.#chunks === undefined) this.#source.destroy(undefined)
      else await this.#chunks.return?.()
    }
    return { done: true, value: undefined }
  }

  async #pull(): Promise<Uint8Array | undefined> {
    if (this.#ended) return undefined
    this.#chunks ??= this.#source.chunks()[Symbol.asyncIterator]()
    const result = await this.#chunks.next()
    if (result.done !== true) return result.value
    this.#ended = true
    return undefined
  }
}

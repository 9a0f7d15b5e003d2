import type { Bytes } from '../core/bytes.ts'
import { type ContentFile, isContentFile } from '../core/content-file.ts'
import { ClosedFileError, ValidationError } from '../core/errors.ts'
import { defaultChunkSize } from '../core/open-file.ts'
import { showArgument } from '../core/options.ts'

const keepMark = { ignoreBOM: true }

/** Content that waits for its row to be saved, read from memory as an open file is. */
export class PendingFile {
  readonly name: string
  readonly content: File | ContentFile
  #mode: 'r' | 'rb' = 'rb'
  #position = 0
  #closed = false

  /** @throws ValidationError for content without a name */
  constructor(content: File | ContentFile) {
    if (content.name === undefined || content.name === '') {
      throw new ValidationError(
        'The content has no name; a row could not refer to it. Give it one: new ContentFile(content, name).',
      )
    }
    this.name = content.name
    this.content = content
  }

  get size(): number {
    return this.content.size
  }

  get closed(): boolean {
    return this.#closed
  }

  open(mode: 'r' | 'rb'): void {
    this.#mode = mode
    this.#position = 0
    this.#closed = false
  }

  close(): void {
    this.#closed = true
  }

  async read(n: number | undefined): Promise<Bytes | string> {
    if (this.#closed) throw new ClosedFileError('The file is closed.', { operation: 'read' })
    if (n !== undefined && !(Number.isSafeInteger(n) && n >= 0)) {
      throw new ValidationError(
        `read(): the length is a whole number of at least 0, not ${showArgument(n)}.`,
        { operation: 'read', file: this.name },
      )
    }
    const bytes = await this.bytes()
    // As a stored file that is open: a byte order mark is a character.
    const rest = this.#mode === 'rb' ? bytes : [...new TextDecoder('utf-8', keepMark).decode(bytes)]
    const start = this.#position
    const end = n === undefined ? rest.length : Math.min(rest.length, start + n)
    this.#position = Math.max(start, end)
    const piece = rest.slice(start, end)
    return piece instanceof Uint8Array ? piece : piece.join('')
  }

  async bytes(): Promise<Bytes> {
    if (isContentFile(this.content)) return this.content.bytes.slice()
    return new Uint8Array(await this.content.arrayBuffer())
  }

  async text(): Promise<string> {
    return new TextDecoder().decode(await this.bytes())
  }

  async *chunks(chunkSize: number = defaultChunkSize): AsyncGenerator<Bytes> {
    if (!(Number.isSafeInteger(chunkSize) && chunkSize >= 1))
      throw new ValidationError(`chunkSize is a whole number of at least 1, not ${chunkSize}.`)
    for (let at = 0; at < this.size; at += chunkSize) {
      if (isContentFile(this.content)) yield this.content.bytes.slice(at, at + chunkSize)
      else yield new Uint8Array(await this.content.slice(at, at + chunkSize).arrayBuffer())
    }
  }
}

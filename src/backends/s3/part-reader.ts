import type { ContentSource } from '../../core/content.ts'
import { PartBuffers } from './part-buffers.ts'

/** A piece of a content, ready to be sent. */
export interface Part {
  readonly bytes: Uint8Array
  /** Whether nothing follows. */
  readonly last: boolean
  /** To be called when the bytes are no longer needed. */
  release(): void
}

/** Cuts a content into parts of given sizes; no more than one part is read ahead. */
export class PartReader {
  readonly #content: ContentSource
  readonly #buffers = new PartBuffers()
  #iterator: AsyncIterator<Uint8Array> | undefined
  #rest: Uint8Array = new Uint8Array(0)
  #position = 0
  #ended = false
  #reading = false

  constructor(content: ContentSource) {
    this.#content = content
  }

  /** The next part of `size` bytes, or what is left. */
  async next(size: number): Promise<Part> {
    const { bytes } = this.#content
    if (bytes !== undefined) return this.#slice(bytes, size)
    this.#reading = true
    try {
      return await this.#fill(size)
    } finally {
      this.#reading = false
    }
  }

  /** Ends the content's source, when not all of it was read. */
  async stop(): Promise<void> {
    const ending = this.#ended ? undefined : this.#iterator?.return?.()
    this.#ended = true
    // What waits for a source that hangs ends when that does; nobody waits for it.
    if (this.#reading) ending?.catch(() => {})
    else await ending
  }

  #slice(bytes: Uint8Array, size: number): Part {
    const start = this.#position
    this.#position = Math.min(bytes.byteLength, start + size)
    this.#ended = this.#position === bytes.byteLength
    return { bytes: bytes.subarray(start, this.#position), last: this.#ended, release() {} }
  }

  async #fill(size: number): Promise<Part> {
    const buffer = this.#buffers.take(size)
    let filled = 0
    while (filled < size && (await this.#more())) {
      const taken = Math.min(size - filled, this.#rest.byteLength)
      buffer.set(this.#rest.subarray(0, taken), filled)
      this.#rest = this.#rest.subarray(taken)
      filled += taken
    }
    const release = (): void => this.#buffers.giveBack(buffer)
    return { bytes: buffer.subarray(0, filled), last: !(await this.#more()), release }
  }

  /** Whether there are bytes left to take. */
  async #more(): Promise<boolean> {
    this.#iterator ??= this.#content.chunks()[Symbol.asyncIterator]()
    while (this.#rest.byteLength === 0 && !this.#ended) {
      const result = await this.#iterator.next()
      if (result.done === true) this.#ended = true
      else this.#rest = result.value
    }
    return this.#rest.byteLength > 0
  }
}

import type { Bytes } from '../../core/bytes.ts'
import { type ContentSource, MemoryContent } from '../../core/content.ts'
import { gzipBytes, gzipChunks } from './platform/gzip.ts'

/**
 * A content compressed: in one piece where it is in memory, else while it is read, with a length
 * that nobody knows before its end.
 *
 * @param largest bytes that are compressed in one piece
 */
export async function gzipped(content: ContentSource, largest: number): Promise<GzipContent> {
  const { bytes } = content
  const compressed =
    bytes !== undefined && bytes.byteLength <= largest ? await gzipBytes(bytes) : undefined
  return new GzipContent(content, compressed)
}

/** Compressed content. What it carries besides is the original's. */
export class GzipContent implements ContentSource {
  readonly size: number | undefined
  readonly replayable: boolean
  readonly type: string | undefined
  readonly name: string | undefined
  readonly bytes: Bytes | undefined
  readonly #content: ContentSource
  #read = 0

  constructor(content: ContentSource, compressed: Bytes | undefined) {
    this.#content = content
    this.bytes = compressed === undefined ? undefined : new MemoryContent(compressed).bytes
    this.size = compressed?.byteLength
    this.replayable = content.replayable
    this.type = content.type
    this.name = content.name
  }

  get failure(): ContentSource['failure'] {
    return this.#content.failure
  }

  /** Bytes of the original that were taken so far: what tells of progress. */
  get consumed(): number {
    return this.bytes === undefined ? this.#read : (this.#content.size ?? 0)
  }

  async *chunks(): AsyncGenerator<Uint8Array> {
    this.#read = 0
    yield* gzipChunks(this.#counted())
  }

  destroy(reason: unknown): void {
    this.#content.destroy(reason)
  }

  async *#counted(): AsyncGenerator<Uint8Array> {
    for await (const chunk of this.#content.chunks()) {
      this.#read += chunk.byteLength
      yield chunk
    }
  }
}

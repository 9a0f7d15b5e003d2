import type { BodyStream } from './message.ts'

/** Bytes that were stored and never change. Held by objects, parts and readers, freed with the last. */
export interface Blob {
  readonly size: number
  retain(): void
  release(): void
  /** Bytes `start` to `end`, the end not included. The caller holds the blob meanwhile. */
  read(start: number, end: number): AsyncIterable<Uint8Array>
}

/** Takes the bytes of one blob. Nothing remains of it unless `commit` was called. */
export interface BlobWriter {
  write(chunk: Uint8Array): void | Promise<void>
  commit(): Promise<Blob>
  abort(): Promise<void>
}

/** Where blobs are kept. */
export interface BlobStore {
  /** `size`: how many bytes are announced. */
  writer(size: number): BlobWriter
  close(): Promise<void>
}

/** Small chunks are gathered in blocks of this size. */
const BLOCK = 1 << 16

/** Keeps blobs in memory, as the chunks in which they came. */
export class MemoryBlobs implements BlobStore {
  writer(size: number): BlobWriter {
    return new MemoryWriter(size)
  }

  async close(): Promise<void> {}
}

class MemoryWriter implements BlobWriter {
  readonly #expected: number
  readonly #chunks: Uint8Array[] = []
  #size = 0
  #block: Buffer = Buffer.alloc(0)
  #used = 0

  constructor(expected: number) {
    this.#expected = expected
  }

  /**
   * Keeps a chunk that fills its buffer, which a socket's do, and copies others, so that a few bytes
   * never hold a large buffer. Whoever writes does not use the chunk again.
   */
  write(chunk: Uint8Array): void {
    const fills = chunk.byteLength >= BLOCK / 4 && chunk.byteLength * 2 >= chunk.buffer.byteLength
    if (fills) {
      this.#endBlock()
      this.#chunks.push(chunk)
    } else this.#copy(chunk)
    this.#size += chunk.byteLength
  }

  async commit(): Promise<Blob> {
    this.#endBlock()
    return new MemoryBlob(this.#chunks, this.#size)
  }

  async abort(): Promise<void> {
    this.#chunks.length = 0
  }

  #copy(chunk: Uint8Array): void {
    for (let at = 0; at < chunk.byteLength; ) {
      if (this.#used === this.#block.byteLength) this.#startBlock(at)
      const piece = chunk.subarray(at, at + this.#block.byteLength - this.#used)
      this.#block.set(piece, this.#used)
      this.#used += piece.byteLength
      at += piece.byteLength
    }
  }

  #startBlock(copied: number): void {
    this.#endBlock()
    const left = this.#expected - this.#size - copied
    this.#block = Buffer.allocUnsafeSlow(left > 0 ? Math.min(left, BLOCK) : BLOCK)
  }

  #endBlock(): void {
    if (this.#used > 0) this.#chunks.push(this.#block.subarray(0, this.#used))
    this.#block = Buffer.alloc(0)
    this.#used = 0
  }
}

class MemoryBlob implements Blob {
  readonly size: number
  readonly #chunks: readonly Uint8Array[]
  /** Where each chunk ends. */
  readonly #ends: readonly number[]

  constructor(chunks: readonly Uint8Array[], size: number) {
    this.#chunks = chunks
    this.size = size
    let end = 0
    this.#ends = chunks.map(chunk => {
      end += chunk.byteLength
      return end
    })
  }

  retain(): void {}

  release(): void {}

  async *read(start: number, end: number): AsyncIterable<Uint8Array> {
    for (let index = this.#chunkAt(start), at = start; at < end; index += 1) {
      const chunk = this.#chunks[index]
      const chunkEnd = this.#ends[index]
      if (chunk === undefined || chunkEnd === undefined) return
      const from = at - (chunkEnd - chunk.byteLength)
      const bytes = chunk.subarray(from, from + end - at)
      at += bytes.byteLength
      yield bytes
    }
  }

  #chunkAt(offset: number): number {
    let low = 0
    let high = this.#ends.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#ends[middle] ?? 0) > offset) high = middle
      else low = middle + 1
    }
    return low
  }
}

/** Several blobs as one: a completed multipart upload, without copying its parts. */
export class JoinedBlob implements Blob {
  readonly size: number
  readonly parts: readonly Blob[]

  /** Takes over the hold on its parts. */
  constructor(parts: readonly Blob[]) {
    this.parts = parts
    this.size = parts.reduce((sum, part) => sum + part.size, 0)
  }

  retain(): void {
    for (const part of this.parts) part.retain()
  }

  release(): void {
    for (const part of this.parts) part.release()
  }

  async *read(start: number, end: number): AsyncIterable<Uint8Array> {
    let offset = 0
    for (const part of this.parts) {
      const from = Math.max(start - offset, 0)
      const to = Math.min(end - offset, part.size)
      if (from < to) yield* part.read(from, to)
      offset += part.size
    }
  }
}

/** A part of a blob as an answer's body; holds the blob until it is closed. */
export class BlobBody implements BodyStream {
  readonly size: number
  readonly #blob: Blob
  readonly #start: number
  #open = true

  constructor(blob: Blob, start: number, end: number) {
    blob.retain()
    this.#blob = blob
    this.#start = start
    this.size = end - start
  }

  stream(): AsyncIterable<Uint8Array> {
    return this.#blob.read(this.#start, this.#start + this.size)
  }

  close(): void {
    if (this.#open) this.#blob.release()
    this.#open = false
  }
}

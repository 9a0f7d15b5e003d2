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

const BLOCK = 1 << 20

/** Keeps blobs in memory, in blocks of 1 MiB. */
export class MemoryBlobs implements BlobStore {
  writer(size: number): BlobWriter {
    return new MemoryWriter(size)
  }

  async close(): Promise<void> {}
}

class MemoryWriter implements BlobWriter {
  readonly #expected: number
  readonly #blocks: Buffer[] = []
  #size = 0
  #block: Buffer = Buffer.alloc(0)
  #used = 0

  constructor(expected: number) {
    this.#expected = expected
  }

  /** Copies, so that neither a caller's buffer nor a socket's large one is held. */
  write(chunk: Uint8Array): void {
    let at = 0
    while (at < chunk.byteLength) {
      if (this.#used === this.#block.byteLength) this.#nextBlock()
      const piece = chunk.subarray(at, at + this.#block.byteLength - this.#used)
      this.#block.set(piece, this.#used)
      this.#used += piece.byteLength
      at += piece.byteLength
    }
    this.#size += chunk.byteLength
  }

  async commit(): Promise<Blob> {
    return new MemoryBlob(this.#blocks, this.#size)
  }

  async abort(): Promise<void> {
    this.#blocks.length = 0
  }

  #nextBlock(): void {
    const left = this.#expected - this.#blocks.length * BLOCK
    this.#block = Buffer.allocUnsafeSlow(left > 0 ? Math.min(left, BLOCK) : BLOCK)
    this.#blocks.push(this.#block)
    this.#used = 0
  }
}

class MemoryBlob implements Blob {
  readonly size: number
  readonly #blocks: readonly Buffer[]

  constructor(blocks: readonly Buffer[], size: number) {
    this.#blocks = blocks
    this.size = size
  }

  retain(): void {}

  release(): void {}

  async *read(start: number, end: number): AsyncIterable<Uint8Array> {
    for (let at = start; at < end; ) {
      const index = Math.floor(at / BLOCK)
      const block = this.#blocks[index]
      if (block === undefined) return
      const from = at - index * BLOCK
      const bytes = block.subarray(from, Math.min(BLOCK, from + end - at))
      at += bytes.byteLength
      yield bytes
    }
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

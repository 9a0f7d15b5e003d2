import { randomUUID } from 'node:crypto'
import { type FileHandle, open, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import type { Blob, BlobStore, BlobWriter } from './blobs.ts'

/** Bytes that are gathered before they are written, and read at once. */
const CHUNK = 1 << 18

/** Keeps blobs as files of one folder. Bodies are streamed to and from them. */
export class FileBlobs implements BlobStore {
  readonly #folder: string
  readonly #known = new Map<string, FileBlob>()
  readonly #removals = new Set<Promise<void>>()

  constructor(folder: string) {
    this.#folder = folder
  }

  writer(): BlobWriter {
    const file = randomUUID()
    return new FileWriter(join(this.#folder, file), size => this.#add(file, size))
  }

  /** A blob that was stored by an earlier server; each call is one hold on it. */
  reopen(file: string, size: number): Blob {
    const known = this.#known.get(file)
    if (known === undefined) return this.#add(file, size)
    known.retain()
    return known
  }

  /** Waits until nothing is being removed any more. */
  async close(): Promise<void> {
    await Promise.all(this.#removals)
  }

  #add(file: string, size: number): FileBlob {
    const path = join(this.#folder, file)
    const blob = new FileBlob(file, path, size, () => this.#remove(file, path))
    this.#known.set(file, blob)
    return blob
  }

  #remove(file: string, path: string): void {
    this.#known.delete(file)
    const removal = removeFile(path).finally(() => this.#removals.delete(removal))
    this.#removals.add(removal)
  }
}

/** A blob in a file. It is removed with its last hold. */
export class FileBlob implements Blob {
  /** The file's name in its folder. */
  readonly file: string
  readonly size: number
  readonly #path: string
  readonly #unused: () => void
  #holds = 1

  constructor(file: string, path: string, size: number, unused: () => void) {
    this.file = file
    this.size = size
    this.#path = path
    this.#unused = unused
  }

  retain(): void {
    this.#holds += 1
  }

  release(): void {
    this.#holds -= 1
    if (this.#holds === 0) this.#unused()
  }

  async *read(start: number, end: number): AsyncIterable<Uint8Array> {
    if (start >= end) return
    const handle = await open(this.#path, 'r')
    try {
      for (let at = start; at < end; ) {
        const buffer = Buffer.allocUnsafeSlow(Math.min(CHUNK, end - at))
        const { bytesRead } = await handle.read(buffer, 0, buffer.byteLength, at)
        if (bytesRead === 0) throw new Error(`${this.#path} is shorter than it was`)
        at += bytesRead
        yield buffer.subarray(0, bytesRead)
      }
    } finally {
      await handle.close()
    }
  }
}

class FileWriter implements BlobWriter {
  readonly #path: string
  readonly #done: (size: number) => Blob
  #handle: FileHandle | undefined
  #pending: Uint8Array[] = []
  #pendingSize = 0
  #size = 0

  constructor(path: string, done: (size: number) => Blob) {
    this.#path = path
    this.#done = done
  }

  write(chunk: Uint8Array): void | Promise<void> {
    this.#pending.push(chunk)
    this.#pendingSize += chunk.byteLength
    if (this.#pendingSize >= CHUNK) return this.#flush()
  }

  async commit(): Promise<Blob> {
    await this.#flush()
    await this.#handle?.close()
    return this.#done(this.#size)
  }

  async abort(): Promise<void> {
    await this.#handle?.close()
    await removeFile(this.#path)
  }

  async #flush(): Promise<void> {
    this.#handle ??= await open(this.#path, 'wx')
    const chunks = this.#pending
    this.#pending = []
    this.#size += this.#pendingSize
    this.#pendingSize = 0
    for (const chunk of chunks) await writeAll(this.#handle, chunk)
  }
}

async function writeAll(handle: FileHandle, chunk: Uint8Array): Promise<void> {
  for (let at = 0; at < chunk.byteLength; ) {
    const { bytesWritten } = await handle.write(chunk, at)
    at += bytesWritten
  }
}

async function removeFile(path: string): Promise<void> {
  try {
    await unlink(path)
  } catch (error) {
    const isMissing = error instanceof Error && 'code' in error && error.code === 'ENOENT'
    if (!isMissing) throw error
  }
}

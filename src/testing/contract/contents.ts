import type { Bytes } from '../../core/bytes.ts'
import type { Storage } from '../../core/storage.ts'
import { within } from './expect.ts'

/** Bytes of which no two neighbourhoods are alike, so that a shift, a gap or a swap shows. */
export function pattern(size: number, seed = 0): Bytes {
  const bytes = new Uint8Array(size)
  for (let i = 0; i < size; i++) bytes[i] = (Math.imul(i + seed, 0x9e3779b1) >>> 24) ^ seed
  return bytes
}

export function utf8(text: string): Bytes {
  return new TextEncoder().encode(text)
}

/** The bytes in pieces of `size`. */
export async function* inChunks(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.byteLength; at += size) yield bytes.subarray(at, at + size)
}

/** A web stream of these chunks that notes whether it was cancelled, and why. */
export class NotingStream {
  cancelled: { readonly reason: unknown } | undefined
  pulls = 0
  readonly stream: ReadableStream<Uint8Array>

  constructor(chunks: AsyncIterator<Uint8Array>) {
    this.stream = new ReadableStream<Uint8Array>(
      {
        pull: async controller => {
          this.pulls++
          const next = await chunks.next()
          if (next.done === true) controller.close()
          else controller.enqueue(next.value)
        },
        cancel: reason => {
          this.cancelled = { reason }
        },
      },
      { highWaterMark: 0 },
    )
  }
}

/** An async iterable of these chunks that notes whether it was begun and whether it was ended. */
export class NotingChunks<T> implements AsyncIterableIterator<T> {
  begun = false
  ended = false
  readonly #chunks: AsyncIterator<T>

  constructor(chunks: AsyncIterator<T>) {
    this.#chunks = chunks
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async next(): Promise<IteratorResult<T>> {
    this.begun = true
    const next = await this.#chunks.next()
    if (next.done === true) this.ended = true
    return next
  }

  async return(): Promise<IteratorResult<T>> {
    this.ended = true
    return { done: true, value: undefined }
  }
}

/** `size` bytes in pieces, then this error. */
export async function* failingAfter(size: number, error: unknown): AsyncGenerator<Uint8Array> {
  yield* inChunks(pattern(size), 64 * 1024)
  throw error
}

/** `size` bytes in pieces, then nothing ever; `stuck` is called when the wait begins. */
export async function* stuckAfter(size: number, stuck: () => void): AsyncGenerator<Uint8Array> {
  yield* inChunks(pattern(size), 64 * 1024)
  stuck()
  await new Promise<never>(() => {})
}

/** The whole file, of the version that is there now. */
export async function bytesOf(storage: Storage, name: string): Promise<Bytes> {
  return await (await storage.file(name)).bytes()
}

export async function textOf(storage: Storage, name: string): Promise<string> {
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(await bytesOf(storage, name))
}

/** All items, but no more than 10,000: a storage that repeats itself must not hang the suite. */
export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  return await within(collectItems(items), 'the end of what is iterated')
}

async function collectItems<T>(items: AsyncIterable<T>): Promise<T[]> {
  const collected: T[] = []
  for await (const item of items) {
    collected.push(item)
    if (collected.length === 10_000) return collected
  }
  return collected
}

/** All bytes of a stream or of chunks, joined. */
export async function joined(chunks: AsyncIterable<Uint8Array>): Promise<Bytes> {
  const pieces = await collect(chunks)
  const whole = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.byteLength, 0))
  let at = 0
  for (const piece of pieces) {
    whole.set(piece, at)
    at += piece.byteLength
  }
  return whole
}

/** The chunks of a web stream; leaving the loop early cancels it. */
export async function* streamed<T>(stream: ReadableStream<T>): AsyncGenerator<T> {
  const reader = stream.getReader()
  let done = false
  try {
    for (;;) {
      const result = await reader.read()
      done = result.done
      if (result.done) return
      yield result.value
    }
  } finally {
    if (!done) await reader.cancel()
  }
}

/** Names below a folder, in the order of the listing. */
export async function namesIn(storage: Storage, folder = '', recursive = true): Promise<string[]> {
  return (await collect(storage.list(folder, { recursive }))).map(({ name }) => name)
}

/** Saves many small files, 16 at a time, each holding its own name. */
export async function saveAll(storage: Storage, names: readonly string[]): Promise<void> {
  for (let at = 0; at < names.length; at += 16) {
    const portion = names.slice(at, at + 16)
    await Promise.all(portion.map(name => storage.save(name, name, { overwrite: true })))
  }
}

/** Sorted by the bytes of their UTF-8 form, found by comparing those bytes. */
export function inUtf8Order(names: readonly string[]): string[] {
  return [...names].sort((a, b) => compareBytes(utf8(a), utf8(b)))
}

function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const at = a.findIndex((byte, index) => byte !== b[index])
  if (at === -1) return a.byteLength - b.byteLength
  return (a[at] ?? 0) - (b[at] ?? -1)
}

/** Lets go of the event loop for a moment, so that what must not happen has its chance to. */
export async function pause(milliseconds = 30): Promise<void> {
  await new Promise(resolve => setTimeout(resolve, milliseconds))
}

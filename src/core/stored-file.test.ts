import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MemoryBackend } from '../backends/memory/memory-backend.ts'
import { Layer } from '../layers/layer.ts'
import type { ReadBody, ReadOptions, ReadResult } from './backend.ts'
import type { Bytes } from './bytes.ts'
import type { Name } from './names.ts'
import { Storage } from './storage.ts'

/** Counts bodies that are still held: neither read to their end, nor left, nor cancelled. */
class HeldBodies extends Layer {
  reads = 0
  held = 0

  override async read(name: Name, options: ReadOptions): Promise<ReadResult> {
    const result = await this.inner.read(name, options)
    this.reads++
    this.held++
    return { ...result, body: new CountedBody(result.body, () => this.held--) }
  }
}

class CountedBody implements ReadBody {
  readonly #body: ReadBody
  readonly #release: () => void

  constructor(body: ReadBody, release: () => void) {
    this.#body = body
    this.#release = release
  }

  async bytes(): Promise<Bytes> {
    this.#release()
    // As a Node client gives them: a piece of a pool.
    return Buffer.concat([Buffer.from('pool'), await this.#body.bytes()]).subarray(4)
  }

  async *chunks(): AsyncGenerator<Bytes> {
    try {
      for await (const chunk of this.#body.chunks()) yield Buffer.from(chunk)
    } finally {
      this.#release()
    }
  }

  cancel(): void {
    this.#release()
  }
}

async function place(
  content: string | Uint8Array,
): Promise<{ storage: Storage; seen: HeldBodies }> {
  const seen = new HeldBodies(new MemoryBackend())
  const storage = new Storage(seen)
  await storage.save('a.txt', content)
  return { storage, seen }
}

describe('a stored file', () => {
  it('slices as Blob does', async () => {
    const { storage } = await place('0123456789')
    const file = await storage.file('a.txt')
    const blob = new Blob(['0123456789'])
    // Whole numbers: Node 20 dies of other ones in Blob.slice.
    const offset = fc.option(fc.integer({ min: -15, max: 15 }), { nil: undefined })
    await fc.assert(
      fc.asyncProperty(offset, offset, offset, async (start, end, again) => {
        const expected = blob.slice(start, end).slice(again)
        const slice = file.slice(start, end).slice(again)
        expect(slice.size).toBe(expected.size)
        expect(await slice.text()).toBe(await expected.text())
      }),
    )
  })

  it('takes the whole part of other offsets', async () => {
    const { storage } = await place('0123456789')
    const file = await storage.file('a.txt')
    expect(await file.slice(1.9, 3.9).text()).toBe('12')
    expect(await file.slice(-1.9).text()).toBe('9')
    expect(await file.slice(Number.NaN, Number.POSITIVE_INFINITY).text()).toBe('0123456789')
  })

  it('asks for nothing before it is read, nor for what is empty', async () => {
    const { storage, seen } = await place('0123456789')
    const file = await storage.file('a.txt')
    const stream = file.stream()
    expect(await file.slice(3, 3).bytes()).toEqual(new Uint8Array(0))
    expect(seen.reads).toBe(0)
    await stream.cancel()
    expect([seen.reads, seen.held]).toEqual([0, 0])
  })

  it('lets go of a body that is left half-way', async () => {
    const { storage, seen } = await place(new Uint8Array(300_000))
    const reader = (await storage.file('a.txt')).stream().getReader()
    await reader.read()
    expect(seen.held).toBe(1)
    await reader.cancel()
    expect(seen.held).toBe(0)
  })

  it('lets go of a body when the signal aborts', async () => {
    const { storage, seen } = await place(new Uint8Array(300_000))
    const controller = new AbortController()
    const file = await storage.file('a.txt', { signal: controller.signal })
    const reader = file.stream().getReader()
    await reader.read()
    controller.abort('enough')
    await expect(reader.read()).rejects.toBe('enough')
    await new Promise(resolve => setTimeout(resolve, 1))
    expect(seen.held).toBe(0)
    await expect(file.bytes()).rejects.toBe('enough')
  })

  it('gives plain bytes and a buffer of its own, whatever the backend gives', async () => {
    const { storage } = await place('0123456789')
    const file = await storage.file('a.txt')
    expect((await file.bytes()).constructor).toBe(Uint8Array)
    const buffer = await file.arrayBuffer()
    expect(buffer.byteLength).toBe(10)
    for await (const chunk of file.stream()) expect(chunk.constructor).toBe(Uint8Array)
    const reader = await storage.open('a.txt')
    expect((await reader.read(3)).constructor).toBe(Uint8Array)
  })
})

describe('a copy through the storage', () => {
  it('lets go of the source when the target is refused', async () => {
    const seen = new HeldBodies(new MemoryBackend())
    // Without a copy of its own.
    Object.defineProperties(seen, { copy: { value: undefined }, move: { value: undefined } })
    const storage = new Storage(seen)
    await storage.save('a', 'x')
    await storage.save('file', 'x')
    expect(await storage.copy('a', 'file')).toMatch(/^file_/)
    await expect(storage.copy('a', 'file/below')).rejects.toMatchObject({ name: 'FileExistsError' })
    expect(seen.held).toBe(0)
  })
})

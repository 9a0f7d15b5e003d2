import { describe, expect, it } from 'vitest'
import { MemoryBackend } from '../backends/memory/memory-backend.ts'
import { type BackendCall, Layer } from '../layers/layer.ts'
import type { ReadOptions, ReadResult } from './backend.ts'
import type { Bytes } from './bytes.ts'
import { ValidationError } from './errors.ts'
import type { Name } from './names.ts'
import { Storage } from './storage.ts'

/** Notes the ranges that are asked for. */
class RangesSeen extends Layer {
  readonly ranges: (readonly [number | undefined, number | undefined])[] = []
  readonly calls: BackendCall[] = []

  override read(name: Name, options: ReadOptions): Promise<ReadResult> {
    this.ranges.push([options.start, options.end])
    return this.inner.read(name, options)
  }
}

/** Streams give their second half when the window behind them was asked for. */
class HalvesFirst extends Layer {
  readonly #asked = new Map<number, () => void>()

  override async read(name: Name, options: ReadOptions): Promise<ReadResult> {
    const result = await this.inner.read(name, options)
    this.#asked.get(result.start)?.()
    const { body, end, stat } = result
    const next = new Promise<void>(resolve => {
      if (end === stat.size) resolve()
      else this.#asked.set(end, resolve)
    })
    async function* chunks(): AsyncGenerator<Bytes> {
      const bytes = await body.bytes()
      yield bytes.subarray(0, bytes.byteLength / 2)
      await next
      yield bytes.subarray(bytes.byteLength / 2)
    }
    return { ...result, body: { bytes: () => body.bytes(), chunks, cancel: () => body.cancel() } }
  }
}

async function place(
  content: string | Uint8Array,
): Promise<{ storage: Storage; seen: RangesSeen }> {
  const seen = new RangesSeen(new MemoryBackend())
  const storage = new Storage(seen)
  await storage.save('a', content)
  return { storage, seen }
}

const kibi = 1024

describe('an open reader', () => {
  it('reads a small file with one request', async () => {
    const { storage, seen } = await place('small')
    const reader = await storage.open('a', 'r')
    expect(await reader.read(2)).toBe('sm')
    expect(await reader.read()).toBe('all')
    await reader.seek(1)
    expect(await reader.read()).toBe('mall')
    expect(seen.ranges).toEqual([[0, 32 * kibi]])
  })

  it('gives a small file away as it came, and asks again after that', async () => {
    const { storage, seen } = await place('small')
    const reader = await storage.open('a')
    const bytes = await reader.read()
    bytes.fill(0)
    await reader.seek(2)
    expect(String.fromCharCode(...(await reader.read()))).toBe('all')
    expect(seen.ranges).toEqual([
      [0, 32 * kibi],
      [2, 5],
    ])
  })

  it('keeps the order of reads of which some are at hand', async () => {
    const { storage } = await place('0123456789')
    const reader = await storage.open('a')
    const pieces = await Promise.all([
      reader.read(2),
      reader.seek(1, 'current').then(() => new Uint8Array(0)),
      reader.read(3),
      reader.read(),
    ])
    expect(pieces.map(piece => String.fromCharCode(...piece))).toEqual(['01', '', '345', '6789'])
    expect(reader.tell()).toBe(10)
  })

  it('reads ahead more and more while it reads on', async () => {
    const { storage, seen } = await place(new Uint8Array(8 * kibi * kibi))
    const reader = await storage.open('a')
    for await (const chunk of reader.chunks(32 * kibi)) expect(chunk.byteLength).toBe(32 * kibi)
    const sizes = seen.ranges.map(([start = 0, end = 0]) => (end - start) / kibi)
    expect(sizes).toEqual([32, 64, 128, 256, 512, 1024, 2048, 4096, 32])
  })

  it('asks for the next window when half of this one is there', async () => {
    const seen = new HalvesFirst(new MemoryBackend())
    const storage = new Storage(seen)
    await storage.save('a', new Uint8Array(kibi * kibi))
    const reader = await storage.open('a')
    let length = 0
    for await (const piece of reader) length += piece.byteLength
    expect(length).toBe(kibi * kibi)
  })

  it('fetches only what a jump needs, and the window behind it', async () => {
    const { storage, seen } = await place(new Uint8Array(kibi * kibi))
    const reader = await storage.open('a')
    await reader.seek(500 * kibi)
    await reader.read(10)
    await reader.read(10)
    await reader.seek(-5, 'end')
    await reader.read()
    expect(seen.ranges.slice(1)).toEqual([
      [500 * kibi, 532 * kibi],
      [1024 * kibi - 5, 1024 * kibi],
    ])
  })

  it('fetches a large piece as it is asked for', async () => {
    const { storage, seen } = await place(new Uint8Array(kibi * kibi))
    const reader = await storage.open('a')
    await reader.read()
    expect(seen.ranges.slice(1)).toEqual([[32 * kibi, 1024 * kibi]])
  })

  it('gives pieces that keep no window alive', async () => {
    const { storage } = await place('0123456789')
    const reader = await storage.open('a')
    const piece = await reader.read(3)
    expect(piece.buffer.byteLength).toBe(3)
    piece.fill(0)
    await reader.seek(0)
    expect(String(Buffer.from(await reader.read(3)))).toBe('012')
  })

  it('refuses positions that no number tells exactly', async () => {
    const { storage } = await place('0123456789')
    const reader = await storage.open('a')
    await reader.seek(1)
    await expect(reader.seek(Number.MAX_SAFE_INTEGER, 'current')).rejects.toThrow(ValidationError)
    expect(await reader.seek(Number.MAX_SAFE_INTEGER)).toBe(Number.MAX_SAFE_INTEGER)
    expect((await reader.read(10)).byteLength).toBe(0)
    expect(reader.tell()).toBe(Number.MAX_SAFE_INTEGER)
  })

  it('stays usable after a refused call', async () => {
    const { storage } = await place('0123456789')
    const reader = await storage.open('a')
    const results = await Promise.allSettled([reader.read(2), reader.read(-1), reader.read(2)])
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    expect(reader.tell()).toBe(4)
  })
})

describe('text', () => {
  const texts = [
    '',
    'a',
    'a\r\nb',
    'grüße\r\n日本\r👪\n\n',
    '\ufeff\r\r\n\n\r',
    'é\u2028\u0085\v👨‍👩‍👧‍👦',
  ]

  /** Puts every byte of the text in turn at the border between the first window and the next. */
  it.each(texts)('%j is read alike wherever the first window ends in it', async text => {
    const bytes = new TextEncoder().encode(text)
    for (let before = 0; before <= bytes.byteLength; before++) {
      const filler = 'x'.repeat(32 * kibi - before)
      const { storage } = await place(filler + text)
      const reader = await storage.open('a', 'r')
      const lines: string[] = []
      for await (const line of reader.lines()) lines.push(line)
      const expected = (filler + text).split(/\r\n|\r|\n/)
      if (expected.at(-1) === '') expected.pop()
      expect(lines.length).toBe(expected.length)
      expect(lines.every((line, index) => line === expected[index])).toBe(true)
      await reader.seek(32 * kibi - before)
      expect(await reader.read()).toBe(text)
    }
  })

  it.each(texts)('%j is read alike by every number of characters', async text => {
    const { storage } = await place(text)
    const points = [...text]
    for (let n = 1; n <= points.length + 1; n++) {
      const reader = await storage.open('a', 'r')
      const pieces: string[] = []
      for await (const piece of reader.chunks(n)) pieces.push(piece)
      expect(pieces.join('')).toBe(text)
      expect(pieces.slice(0, -1).every(piece => [...piece].length === n)).toBe(true)
    }
  })

  it('is read again by the next call where a read failed between two windows', async () => {
    const text = 'é'.repeat(60 * kibi)
    const { storage } = await place(text)
    let failures = 1
    class Failing extends Layer {
      override async read(name: Name, options: ReadOptions): Promise<ReadResult> {
        if (options.start !== 0 && failures-- > 0) throw new ValidationError('no bytes')
        return await this.inner.read(name, options)
      }
    }
    const reader = await new Storage(new Failing(storage.backend)).open('a', 'r')
    await expect(reader.read(30 * kibi)).rejects.toThrow('no bytes')
    expect(await reader.read()).toBe(text)
  })

  it('replaces what is no UTF-8 and loses nothing behind it', async () => {
    const { storage } = await place(new Uint8Array([0xe2, 0x82, 0x41, 0xff, 0x42]))
    const reader = await storage.open('a', 'r')
    expect(await reader.read(1)).toBe('\ufffd')
    expect(await reader.read()).toBe('A\ufffdB')
  })
})

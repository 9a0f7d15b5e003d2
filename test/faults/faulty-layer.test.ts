import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { FileSystemBackend } from '../../src/backends/filesystem/filesystem-backend.ts'
import { MemoryBackend } from '../../src/backends/memory/memory-backend.ts'
import type { Backend } from '../../src/core/backend.ts'
import { UnavailableError } from '../../src/core/errors.ts'
import { Storage } from '../../src/core/storage.ts'
import { type Fault, faulty } from '../../src/layers/faulty.ts'
import { pattern, same } from './contents.ts'

const seeds = Array.from({ length: 200 }, (_, n) => n + 1)
/** Several windows of a reader, several buffers of a writer. */
const content = pattern(700_000, 6)
const old = pattern(1_000, 7)
const ends = ['\n', '\r\n', '\r']
const text = Array.from({ length: 3_000 }, (_, n) => `${n} grüße 👪${ends[n % 3]}`).join('')
const lines = text.split(/\r\n|\r|\n/).slice(0, -1)

/** A number from 0 to below `limit` that follows from the seed. */
function pick(seed: number, limit: number, salt: number): number {
  const mixed = Math.imul(seed * 31 + salt + 1, 0x9e3779b1) >>> 0
  return Math.floor((mixed / 2 ** 32) * limit)
}

/** What a call meets under a seed: nothing, a refusal, a lost answer, a broken body, a wait. */
function faultOf(seed: number, index: number): Fault | undefined {
  const salt = index * 7
  if (pick(seed, 3, salt) > 0) return undefined
  const faults: readonly Fault[] = [
    { when: 'before' },
    { when: 'after' },
    { cut: pick(seed, content.byteLength, salt + 1) },
    { cut: pick(seed, 40_000, salt + 2) },
    { delay: 0 },
  ]
  return faults[pick(seed, faults.length, salt + 3)]
}

interface Place {
  readonly seed: number
  /** Meets faults. */
  readonly storage: Storage
  readonly direct: Storage
  /** How many calls failed. */
  readonly failures: () => number
}

/** Plays all seeds; what they leave behind is looked for at the end. */
async function play(
  backend: Backend,
  act: (place: Place) => Promise<void>,
): Promise<{ readonly good: number; readonly failed: number }> {
  const direct = new Storage(backend)
  let good = 0
  for (const seed of seeds) {
    let failures = 0
    const fail = ({ index }: { readonly index: number }): Fault | undefined => {
      const fault = faultOf(seed, index)
      if (fault !== undefined && fault.delay === undefined) failures++
      return fault
    }
    const storage = new Storage(faulty(backend, { seed, fail }))
    try {
      await act({ seed, storage, direct, failures: () => failures })
      good++
    } catch (error) {
      // Whatever is not the layer's own failure fails the test.
      if (!(error instanceof UnavailableError)) throw error
      expect(failures, `failures under seed ${seed}`).toBeGreaterThan(0)
    }
  }
  return { good, failed: seeds.length - good }
}

async function withBackends(work: (backend: Backend) => Promise<void>): Promise<void> {
  const location = mkdtempSync(join(tmpdir(), 'stowage-layer-'))
  try {
    await work(new MemoryBackend())
    const descriptors = openDescriptors()
    await work(new FileSystemBackend({ location }))
    expect(readdirSync(location).filter(name => !/^[ab]$/.test(name))).toEqual([])
    expect(openDescriptors()).toBeLessThanOrEqual(descriptors)
  } finally {
    rmSync(location, { recursive: true })
  }
}

function openDescriptors(): number {
  return readdirSync('/proc/self/fd').length
}

function expectBoth(outcomes: { readonly good: number; readonly failed: number }): void {
  expect(outcomes.good).toBeGreaterThan(10)
  expect(outcomes.failed).toBeGreaterThan(10)
}

describe('under 200 schedules of a layer that fails', { timeout: 60_000 }, () => {
  it('a sequential read gives every byte once and in order, or an error', () =>
    withBackends(async backend => {
      await new Storage(backend).save('a', content, { overwrite: true })
      const outcomes = await play(backend, async ({ seed, storage }) => {
        await using reader = await storage.open('a')
        const source = [reader, reader.chunks(50_000), reader.readable()][pick(seed, 3, 1)]
        const pieces: Uint8Array[] = []
        for await (const piece of source ?? reader) pieces.push(piece)
        expect(same(Buffer.concat(pieces), content), `the bytes under seed ${seed}`).toBe(true)
      })
      expectBoth(outcomes)
    }))

  it('a random read gives the bytes of its place, and can be repeated', () =>
    withBackends(async backend => {
      await new Storage(backend).save('a', content, { overwrite: true })
      const outcomes = await play(backend, async ({ seed, storage }) => {
        await using reader = await storage.open('a')
        for (let n = 0; n < 12; n++) {
          const at = pick(seed, content.byteLength, n + 10)
          const length = [10, 5_000, 100_000][n % 3] ?? 1
          await reader.seek(at)
          // A reader is as good as new after a failed call.
          const read = () => reader.read(length)
          const bytes = await read().catch(() => read())
          expect(same(bytes, content.subarray(at, at + length)), `at ${at}`).toBe(true)
        }
      })
      expectBoth(outcomes)
    }))

  it('lines are the lines of the text, or an error', () =>
    withBackends(async backend => {
      await new Storage(backend).save('a', text, { overwrite: true })
      const outcomes = await play(backend, async ({ storage }) => {
        await using reader = await storage.open('a', 'r')
        const found: string[] = []
        for await (const line of reader.lines()) found.push(line)
        expect(found).toEqual(lines)
      })
      expectBoth(outcomes)
    }))

  it('a writer leaves the old file or the new one', () =>
    withBackends(async backend => {
      const outcomes = await play(backend, async ({ seed, storage, direct }) => {
        await direct.save('a', old, { overwrite: true })
        const bytes = content.subarray(0, 1 + pick(seed, content.byteLength, 1))
        try {
          await using writer = await storage.open('a', 'wb')
          for (let at = 0; at < bytes.byteLength; at += 90_001)
            await writer.write(bytes.subarray(at, at + 90_001))
          await writer.close()
          const now = await (await direct.file('a')).bytes()
          expect(same(now, bytes), `the new file under seed ${seed}`).toBe(true)
        } catch (error) {
          const now = await (await direct.file('a')).bytes()
          expect(same(now, bytes) || same(now, old), `one of them under seed ${seed}`).toBe(true)
          throw error
        }
      })
      expectBoth(outcomes)
    }))
})

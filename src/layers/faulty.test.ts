import { describe, expect, it } from 'vitest'
import { MemoryBackend } from '../backends/memory/memory-backend.ts'
import { UnavailableError } from '../core/errors.ts'
import { Storage } from '../core/storage.ts'
import { type FaultyCall, type FaultySchedule, faulty } from './faulty.ts'

interface Pair {
  /** Through the layer. */
  readonly storage: Storage
  /** Beside the layer: what is really there. */
  readonly truth: Storage
}

function pair(schedule: FaultySchedule): Pair {
  const backend = new MemoryBackend()
  return { storage: new Storage(faulty(backend, schedule)), truth: new Storage(backend) }
}

describe('faulty', () => {
  it('tells the schedule each call with its number', async () => {
    const calls: FaultyCall[] = []
    const { storage } = pair({
      fail: call => {
        calls.push(call)
        return undefined
      },
    })
    await storage.save('d/a', 'x')
    await storage.exists('d/a')
    await storage.copy('d/a', 'd/b')
    await storage.listdir('d')
    await (await storage.file('d/b')).bytes()
    await storage.delete('d/a')
    expect(calls.map(({ operation, name }) => `${operation} ${name}`)).toEqual([
      'write d/a',
      'head d/a',
      'copy d/a',
      'list d/',
      'list d/',
      'head d/b',
      'read d/b',
      'delete d/a',
    ])
    expect(calls.map(({ index }) => index)).toEqual([0, 1, 2, 3, 4, 5, 6, 7])
  })

  it('fails a call before it does anything, with the given error', async () => {
    const error = new UnavailableError('503 Slow Down', { retryAfter: 2 })
    const { storage, truth } = pair({
      fail: ({ operation }) =>
        operation === 'write' || operation === 'delete' ? error : undefined,
    })
    await truth.save('a', 'old')
    await expect(storage.save('b', 'new')).rejects.toBe(error)
    await expect(storage.delete('a')).rejects.toBe(error)
    expect(await truth.listdir('')).toEqual([[], ['a']])
  })

  it('loses the answer of a call that was carried out', async () => {
    const { storage, truth } = pair({
      fail: ({ index }) => (index < 2 ? { when: 'after' } : undefined),
    })
    await truth.save('a', 'old')
    await expect(storage.save('b', 'new')).rejects.toBeInstanceOf(UnavailableError)
    await expect(storage.delete('a')).rejects.toBeInstanceOf(UnavailableError)
    expect(await truth.listdir('')).toEqual([[], ['b']])
    expect(await storage.exists('b')).toBe(true)
  })

  it('breaks a body off after so many bytes', async () => {
    const error = new UnavailableError('socket hang up')
    const { storage, truth } = pair({
      fail: ({ operation }) => (operation === 'read' ? { cut: 100_000, error } : undefined),
    })
    await truth.save('a', new Uint8Array(100_001))
    const file = await storage.file('a')
    await expect(file.bytes()).rejects.toBe(error)
    let got = 0
    const reading = (async () => {
      for await (const chunk of file.stream()) got += chunk.byteLength
    })()
    await expect(reading).rejects.toBe(error)
    expect(got).toBe(100_000)
    expect((await file.slice(1).bytes()).byteLength).toBe(100_000)
  })

  it('breaks a content off, of which nothing is stored', async () => {
    const { storage, truth } = pair({
      fail: ({ operation }) => (operation === 'write' ? { cut: 10 } : undefined),
    })
    await truth.save('a', 'old')
    const content = new Uint8Array(11)
    await expect(storage.save('a', content, { overwrite: true })).rejects.toBeInstanceOf(
      UnavailableError,
    )
    expect(await (await truth.file('a')).text()).toBe('old')
    await storage.save('b', 'short')
    expect(await (await truth.file('b')).text()).toBe('short')
  })

  it('fails whole calls that have no body to cut', async () => {
    const { storage } = pair({ fail: () => ({ cut: 10 }) })
    await expect(storage.delete('a')).rejects.toBeInstanceOf(UnavailableError)
  })

  it('delays a call until it is cancelled', async () => {
    const { storage, truth } = pair({ fail: () => ({ delay: 60_000 }) })
    const controller = new AbortController()
    const saving = storage.save('a', 'x', { signal: controller.signal })
    controller.abort('enough')
    await expect(saving).rejects.toBe('enough')
    expect(await truth.exists('a')).toBe(false)
  })

  it('only delays where nothing else is asked for', async () => {
    const { storage, truth } = pair({ fail: () => ({ delay: 1 }) })
    await storage.save('a', 'x')
    expect(await truth.exists('a')).toBe(true)
  })

  it('fails pages of a listing, one by one', async () => {
    const { storage, truth } = pair({
      fail: ({ operation, index }) =>
        operation === 'list' && index === 1 ? new UnavailableError('down') : undefined,
    })
    for (let n = 0; n < 1_001; n++) await truth.save(`f${n}`, '')
    let seen = 0
    const listing = (async () => {
      for await (const { name } of storage.list()) seen += name === '' ? 0 : 1
    })()
    await expect(listing).rejects.toBeInstanceOf(UnavailableError)
    expect(seen).toBe(1_000)
  })

  it('fails a share of the calls at random, the same ones for the same seed', async () => {
    const outcomes = async (seed: number): Promise<string> => {
      const { storage } = pair({ seed, rate: 0.3 })
      let line = ''
      for (let n = 0; n < 400; n++) {
        line += await storage.exists('a').then(
          () => '.',
          () => '!',
        )
      }
      return line
    }
    const first = await outcomes(7)
    expect(await outcomes(7)).toBe(first)
    expect(await outcomes(8)).not.toBe(first)
    const share = [...first].filter(outcome => outcome === '!').length / 400
    expect(share).toBeGreaterThan(0.2)
    expect(share).toBeLessThan(0.4)
  })

  it('loses some answers and refuses some calls when it fails at random', async () => {
    const { storage, truth } = pair({ rate: 1 })
    for (let n = 0; n < 50; n++) await storage.save(`f${n}`, 'x').catch(() => {})
    const [, files] = await truth.listdir('')
    expect(files.length).toBeGreaterThan(5)
    expect(files.length).toBeLessThan(45)
  })

  it('has the optional methods of the backend below, and no others', () => {
    const layered = faulty(new MemoryBackend(), {})
    expect(layered.copy).toBeDefined()
    expect(layered.move).toBeDefined()
    expect(layered.url).toBeDefined()
    expect(layered.deleteMany).toBeUndefined()
    expect(layered.path).toBeUndefined()
  })
})

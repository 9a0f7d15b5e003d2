import { randomInt } from 'node:crypto'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { FileSystemStorage } from '../../src/backends/filesystem/filesystem-storage.ts'
import { type Contender, contentOf, Runner, race } from './contest.ts'

const module = fileURLToPath(
  new URL('../../src/backends/filesystem/filesystem-storage.ts', import.meta.url),
)

let location = ''
let storage = new FileSystemStorage()

beforeEach(async () => {
  location = await mkdtemp(join(tmpdir(), 'stowage-race-'))
  storage = new FileSystemStorage({ location })
})

afterEach(() => rm(location, { recursive: true, force: true }))

function contender(id: number, work: Omit<Contender, 'id' | 'module' | 'className' | 'options'>) {
  return { id, module, className: 'FileSystemStorage', options: { location }, ...work }
}

describe('processes on one disk', () => {
  it('give 1,000 saves of one name 1,000 names and keep each content', async () => {
    const ids = [0, 1, 2, 3, 4, 5, 6, 7]
    const work = { task: 'save', name: 'new/report.tar.gz', count: 125 } as const

    const names = await race(ids.map(id => contender(id, work)))

    expect(new Set(names.flat()).size).toBe(1000)
    for (const id of ids) {
      const own = names[id] ?? []
      for (const [turn, name] of own.entries()) {
        const file = await storage.file(String(name))
        expect(await file.text()).toBe(contentOf(id, turn))
      }
    }
    expect((await readdir(join(location, 'new'))).length).toBe(1000)
  }, 240_000)

  it('give each of 300 names to one of those that want it at the same moment', async () => {
    const ids = [0, 1, 2]
    const work = { task: 'save', name: '%.txt', count: 300, pace: 4 } as const

    const names = await race(ids.map(id => contender(id, work)))

    expect(new Set(names.flat()).size).toBe(900)
    for (const id of ids) {
      for (const [turn, name] of (names[id] ?? []).entries())
        expect(await (await storage.file(String(name))).text()).toBe(contentOf(id, turn))
    }
  }, 240_000)

  it('lose no conditional save, also when one of them is killed again and again', async () => {
    await storage.save('counter', '0')
    const work = { task: 'increment', name: 'counter' } as const
    const counting = race([0, 1, 2].map(id => contender(id, { ...work, count: 60 })))

    let killed = 0
    let said = 0
    for (let round = 0; round < 6; round++) {
      const victim = new Runner(contender(3, { ...work, count: 0 }))
      await victim.ready()
      victim.begin()
      await victim.next()
      await sleep(randomInt(20))
      said += 1 + (await victim.kill()).length
      killed++
    }
    const results = await counting
    const counted = said + results.flat().length

    const reader = await storage.open('counter', 'r')
    const value = Number(await reader.read())
    // A victim may die between its commit and its word about it.
    expect(value).toBeGreaterThanOrEqual(counted)
    expect(value).toBeLessThanOrEqual(counted + killed)
    expect(new Set(results.flat()).size).toBe(180)
  }, 240_000)
})

describe('a process that is killed while it overwrites', () => {
  it('leaves the old file or the new one, whole, and nothing that cannot be cleaned up', async () => {
    const size = 2_000_000
    for (let round = 0; round < 20; round++) {
      const victim = new Runner(
        contender(round, { task: 'overwrite', name: 'a/file.bin', count: 0, size }),
      )
      await victim.ready()
      victim.begin()
      await victim.next()
      // Anywhere in the two ways to save that take turns.
      const begun = performance.now()
      for (let turn = 0; turn < 2; turn++) await victim.next()
      await sleep(Math.random() * (performance.now() - begun))
      await victim.kill()

      const file = await storage.file('a/file.bin')
      const bytes = await file.bytes()
      expect(bytes.byteLength).toBe(size)
      expect(Buffer.compare(bytes, Buffer.alloc(size, bytes[0]))).toBe(0)
    }

    expect(await storage.listdir('a')).toEqual([[], ['file.bin']])
    const left = (await readdir(join(location, 'a'))).filter(name => name !== 'file.bin')
    const removed = await storage.cleanupUploads({ olderThan: 0 })
    expect(removed).toEqual(left.map(name => `a/${name}`).sort())
    expect(await readdir(join(location, 'a'))).toEqual(['file.bin'])
  }, 240_000)
})

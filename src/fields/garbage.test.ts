import { mkdtemp, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { FileSystemStorage } from '../backends/filesystem/filesystem-storage.ts'
import { MemoryStorage } from '../backends/memory/memory-storage.ts'
import { StorageError, ValidationError } from '../core/errors.ts'
import { FileField } from './file-field.ts'
import { collectGarbage, type GarbageFinding, type GarbageOptions } from './garbage.ts'
import { NameSet } from './name-set.ts'

const day = 86_400_000

describe('collectGarbage', () => {
  let storage: MemoryStorage

  beforeEach(async () => {
    vi.useFakeTimers({ toFake: ['Date'], now: 10 * day })
    storage = new MemoryStorage({})
    for (const name of ['a/used.txt', 'a/orphan.txt', 'ab/orphan.txt'])
      await storage.save(name, 'x')
    vi.setSystemTime(20 * day)
    await storage.save('a/young.txt', 'x')
  })

  afterEach(() => {
    vi.useRealTimers()
  })

  const collect = async (options: Partial<GarbageOptions> = {}): Promise<GarbageFinding[]> => {
    const found: GarbageFinding[] = []
    const used = ['a/used.txt', '', null, 'a/gone.txt']
    for await (const finding of collectGarbage({ storage, used, ...options })) found.push(finding)
    return found
  }

  it('reports orphans and missing files, and removes nothing by itself', async () => {
    expect(await collect()).toEqual([
      { name: 'a/gone.txt', state: 'missing' },
      { name: 'a/orphan.txt', state: 'orphan' },
      { name: 'ab/orphan.txt', state: 'orphan' },
    ])
    expect(await storage.exists('a/orphan.txt')).toBe(true)
  })

  it('removes orphans when told, and leaves what is young or used', async () => {
    expect(await collect({ delete: true })).toContainEqual({
      name: 'a/orphan.txt',
      state: 'deleted',
    })
    expect(await storage.listdir('a')).toEqual([[], ['used.txt', 'young.txt']])
  })

  it('takes young files, too, without an age', async () => {
    expect(await collect({ olderThan: 0 })).toContainEqual({ name: 'a/young.txt', state: 'orphan' })
  })

  it('looks at one folder, never at its siblings', async () => {
    expect(await collect({ folder: 'a', used: ['a/used.txt', 'ab/missing.txt'] })).toEqual([
      { name: 'a/orphan.txt', state: 'orphan' },
    ])
  })

  it('takes a file that is stored and named meanwhile for what it is', async () => {
    async function* used() {
      yield 'a/used.txt'
      await storage.save('new.txt', 'x')
      yield 'new.txt'
    }
    const states = (await collect({ used: used(), olderThan: 0 })).map(({ name }) => name)
    expect(states).not.toContain('new.txt')
  })

  it('goes on when a file cannot be removed, and says so at the end', async () => {
    const remove = storage.deleteMany.bind(storage)
    storage.deleteMany = async names => {
      const others = [...(names as string[])].filter(name => name !== 'a/orphan.txt')
      await remove(others)
      const failure = new StorageError('gone', { file: 'a/orphan.txt' })
      throw new StorageError('1 failed', { errors: [failure] })
    }
    const found: GarbageFinding[] = []
    const run = async () => {
      for await (const finding of collectGarbage({ storage, used: ['a/used.txt'], delete: true }))
        found.push(finding)
    }
    await expect(run()).rejects.toMatchObject({ errors: [{ file: 'a/orphan.txt' }] })
    expect(found).toEqual([
      { name: 'a/orphan.txt', state: 'orphan' },
      { name: 'ab/orphan.txt', state: 'deleted' },
    ])
  })

  it('reports a name that no storage would take as missing', async () => {
    expect(await collect({ used: ['../etc/passwd'] })).toContainEqual({
      name: '../etc/passwd',
      state: 'missing',
    })
  })

  it('takes the defaults of fields for used, also of fields that are made meanwhile', async () => {
    new FileField({ storage: () => storage, default: 'a/orphan.txt' })
    new FileField({ storage: new MemoryStorage({}), default: 'ab/orphan.txt' })
    async function* used() {
      yield 'a/used.txt'
      new FileField({ storage, default: 'a/young.txt' })
    }
    expect(await collect({ used: used(), olderThan: 0 })).toEqual([
      { name: 'ab/orphan.txt', state: 'orphan' },
    ])
  })

  it.each<[string, (string | null)[]]>([
    ['no names', []],
    ['no rows that have a file', [null, '']],
  ])('removes nothing for %s, unless that is allowed', async (_what, used) => {
    await expect(collect({ used, delete: true })).rejects.toThrow('allowEmpty')
    expect(await storage.exists('a/used.txt')).toBe(true)
    expect(await collect({ used })).toHaveLength(3)
    expect(await collect({ used, delete: true, allowEmpty: true })).toHaveLength(3)
    expect(await storage.exists('a/used.txt')).toBe(false)
  })

  it('removes nothing when names came and not one of them has a file here', async () => {
    // As a client for terminals prints a column.
    const used = [' avatar ', '--------', ' a/used.txt', '(1 row)']
    await expect(collect({ used, delete: true })).rejects.toThrow('allowEmpty')
    await expect(collect({ used: ['a/used.txt'], folder: 'ab', delete: true })).rejects.toThrow(
      'allowEmpty',
    )
    expect(await storage.exists('a/used.txt')).toBe(true)
    expect(await storage.exists('ab/orphan.txt')).toBe(true)
  })

  it.each([undefined, 7, {}, ['a/used.txt'], new FileField().file('a/used.txt')])(
    'removes nothing when %j comes for a name',
    async name => {
      const used = ['a/used.txt', name] as string[]
      await expect(collect({ used, delete: true })).rejects.toBeInstanceOf(ValidationError)
      expect(await storage.exists('a/orphan.txt')).toBe(true)
    },
  )

  it.each([{ used: 'a/used.txt' }, { olderThan: -1 }, { olderthan: 1 }])(
    'refuses %j',
    async options => {
      await expect(collect(options)).rejects.toBeInstanceOf(ValidationError)
    },
  )
})

describe('collectGarbage on disk', () => {
  let location: string

  beforeEach(async () => {
    location = await mkdtemp(join(tmpdir(), 'stowage-garbage-'))
  })

  afterEach(async () => {
    await rm(location, { recursive: true })
  })

  it('removes no file that a row names by another name, which a link gives it', async () => {
    const storage = new FileSystemStorage({ location })
    for (const name of ['2026/me.png', '2026/orphan.png', 'old.png', 'twin.png'])
      await storage.save(name, 'the same')
    await symlink('2026', join(location, 'latest'))
    await symlink('old.png', join(location, 'new.png'))
    const used = ['2026/me.png', 'new.png']
    const found: GarbageFinding[] = []
    for await (const finding of collectGarbage({ storage, used, olderThan: 0, delete: true }))
      found.push(finding)
    expect(found).toEqual([{ name: 'twin.png', state: 'deleted' }])
    expect(await storage.exists('2026/me.png')).toBe(true)
    expect(await storage.exists('new.png')).toBe(true)
  })
})

describe('NameSet', () => {
  it('knows what was added, and what was marked since', () => {
    const names = new NameSet()
    for (let i = 0; i < 5000; i++) names.add(`uploads/${i}.txt`)
    names.add('uploads/0.txt')
    expect(names.count).toBe(5000)
    for (let i = 0; i < 5000; i += 2) expect(names.mark(`uploads/${i}.txt`)).toBe(true)
    expect(names.mark('uploads/5000.txt')).toBe(false)
    for (let i = 0; i < 5000; i++) {
      expect(names.has(`uploads/${i}.txt`)).toBe(true)
      expect(names.isMarked(`uploads/${i}.txt`)).toBe(i % 2 === 0)
    }
  })
})

import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { MemoryStorage } from '../backends/memory/memory-storage.ts'
import { configure } from '../config/active-configuration.ts'
import { settingsKey } from '../core/settings.ts'
import { Storage } from '../core/storage.ts'
import { FileField } from '../fields/file-field.ts'
import { faulty } from '../layers/faulty.ts'
import { gc } from './gc.ts'

describe('gc', () => {
  let storage: MemoryStorage
  let folder: string
  let lines: string[]

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'stowage-gc-'))
    storage = new MemoryStorage({})
    configure({ storages: { default: storage } })
    await storage.save('used.txt', 'x', { overwrite: true })
    await storage.save('orphan.txt', 'x', { overwrite: true })
    lines = []
    vi.spyOn(process.stdout, 'write').mockImplementation(line => {
      lines.push(String(line).trim())
      return true
    })
  })

  afterEach(async () => {
    vi.restoreAllMocks()
    Reflect.deleteProperty(globalThis, settingsKey)
    await rm(folder, { recursive: true })
  })

  const used = async (name: string, text: string | Uint8Array): Promise<string> => {
    await writeFile(join(folder, name), text)
    return join(folder, name)
  }

  it('reads names from a file, a line each, and prints what it finds', async () => {
    const options = { storage: 'default', olderThan: 0 }
    expect(await gc({ ...options, used: await used('names', 'used.txt\r\ngone.txt\n') })).toBe(
      false,
    )
    expect(lines).toEqual(['missing gone.txt', 'orphan orphan.txt'])
  })

  it('reads names from a module', async () => {
    const module = await used('names.mjs', `export default async function* () { yield 'used.txt' }`)
    expect(
      await gc({ storage: 'default', olderThan: 0, used: module, delete: true, json: true }),
    ).toBe(true)
    expect(lines).toEqual(['{"name":"orphan.txt","state":"deleted"}'])
  })

  it('removes nothing when not one name is in use', async () => {
    const run = gc({
      storage: 'default',
      olderThan: 0,
      used: await used('none', '\n'),
      delete: true,
    })
    await expect(run).rejects.toThrow('--allow-empty')
    expect(await storage.exists('orphan.txt')).toBe(true)
  })

  it('takes the default of a field for used, which is one of the configured storage', async () => {
    new FileField({ default: 'shown.txt' })
    await storage.save('shown.txt', 'x')
    const names = await used('names', 'used.txt\n')
    expect(await gc({ storage: 'default', olderThan: 0, used: names, delete: true })).toBe(true)
    expect(lines).toEqual(['deleted orphan.txt'])
  })

  it('loses no name that comes while the storage is still being listed', async () => {
    const slow = faulty(storage.backend, {
      fail: ({ operation }) => (operation === 'list' ? { delay: 50 } : undefined),
    })
    configure({ storages: { default: new Storage(slow) } })
    const names = await used('names', 'used.txt\n')
    expect(await gc({ storage: 'default', olderThan: 0, used: names, delete: true })).toBe(true)
    expect(lines).toEqual(['deleted orphan.txt'])
  })

  it.each([
    ['a byte order mark', '\ufeffused.txt\nline\u2028separator.txt'],
    ['ends of Windows', 'line\u2028separator.txt\r\nused.txt\r\n'],
  ])('takes names with %s as they are', async (_, text) => {
    await storage.save('line\u2028separator.txt', 'x', { overwrite: true })
    const names = await used('names', text)
    expect(await gc({ storage: 'default', olderThan: 0, used: names, delete: true })).toBe(true)
    expect(await storage.listdir('')).toEqual([[], ['line\u2028separator.txt', 'used.txt']])
  })

  it('removes nothing when the names cannot be read', async () => {
    const options = { storage: 'default', olderThan: 0, delete: true, allowEmpty: true }
    const latin = await used('latin', Buffer.from('us\xe9d.txt\n', 'latin1'))
    await expect(gc({ ...options, used: latin })).rejects.toThrow('latin is no UTF-8')
    const missing = join(folder, 'missing')
    await expect(gc({ ...options, used: missing })).rejects.toThrow(missing)
    expect(await storage.exists('orphan.txt')).toBe(true)
  })
})

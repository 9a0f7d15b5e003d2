import { createReadStream } from 'node:fs'
import { mkdtemp, realpath, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest'
import { MemoryStorage } from '../backends/memory/memory-storage.ts'
import { settingsKey } from '../core/settings.ts'
import { Storage } from '../core/storage.ts'
import { configure } from './active-configuration.ts'
import { StorageStandIn } from './stand-in.ts'

let folder: string | undefined
const memoryModule = new URL('../backends/memory/memory-storage.ts', import.meta.url).href

afterAll(async () => {
  if (folder !== undefined) await rm(folder, { recursive: true, force: true })
})

afterEach(() => {
  Reflect.deleteProperty(globalThis, settingsKey)
  vi.restoreAllMocks()
})

const media = new StorageStandIn('media')
const lazyS3 = { storages: { media: { backend: 'stowage/s3#S3Storage' } } }

/** Where it is not the options object alone. */
const optionalArguments: Readonly<Record<string, number>> = {
  open: 2,
  list: 2,
  path: 0,
  getValidName: 0,
  getAlternativeName: 0,
  generateFilename: 0,
}

describe('a stand-in', () => {
  const methods = Object.getOwnPropertyNames(Storage.prototype).filter(
    name => name !== 'constructor',
  )

  it.each(methods)('passes %s on, with every argument and the result', async name => {
    const target = new MemoryStorage()
    const list = name === 'list'
    const spy = vi.fn(
      list
        ? async function* () {
            yield 'result'
          }
        : () => 'result',
    )
    Object.defineProperty(target, name, { value: spy })
    configure({ storages: { media: target } })
    const signal = new AbortController().signal
    const result: unknown = Reflect.apply(Reflect.get(media, name), media, ['a', 'b', { signal }])
    const answer = list ? await first(result) : await result
    expect(answer).toBe(name.startsWith('delete') ? undefined : 'result')
    expect(spy).toHaveBeenCalledOnce()
    const required: unknown = Reflect.get(Reflect.get(Storage.prototype, name), 'length')
    const count = Number(required) + (optionalArguments[name] ?? 1)
    expect(spy).toHaveBeenCalledWith(...['a', 'b', { signal }].slice(0, count))
    expect(spy.mock.contexts[0]).toBe(target)
  })

  it('overrides every method of Storage', () => {
    const overridden = Object.getOwnPropertyNames(StorageStandIn.prototype)
    expect(methods.filter(name => !overridden.includes(name))).toEqual([])
    expect(media).toBeInstanceOf(Storage)
  })

  it('follows every later configure', async () => {
    configure({ storages: { media: new MemoryStorage() } })
    await media.save('a', 'one')
    configure({ storages: { media: new MemoryStorage() } })
    expect(await media.exists('a')).toBe(false)
    await media.save('b', 'two')
    expect(await media.listdir('')).toEqual([[], ['b']])
  })

  it('saves, opens and lists in the storage it stands for', async () => {
    configure({ storages: { media: { backend: 'stowage#MemoryStorage' } } })
    expect(await media.save('a.txt', 'text')).toBe('a.txt')
    const writer = await media.open('b.txt', 'w')
    await writer.write('more')
    await writer.close()
    const names: string[] = []
    for await (const { name } of media.list()) names.push(name)
    expect(names).toEqual(['a.txt', 'b.txt'])
    const reader = await media.open('b.txt', 'r')
    expect(await reader.read()).toBe('more')
  })

  it('answers at once where the class belongs to stowage itself', () => {
    configure({ storages: { media: { backend: 'stowage#MemoryStorage' } } })
    expect(media.getValidName('a b')).toBe('a_b')
    expect(media.generateFilename('d/a b')).toBe('d/a_b')
    expect(media.getAlternativeName('a', '.txt')).toMatch(/^a_\w{7}\.txt$/)
    expect(media.backend.capabilities.acl).toBe(false)
  })

  it('tells to await loadConfig() where another module is not loaded yet', async () => {
    configure(lazyS3)
    const early = [
      () => media.path('a'),
      () => media.getValidName('a'),
      () => media.getAlternativeName('a', ''),
      () => media.generateFilename('a'),
      () => media.backend,
    ]
    for (const call of early) expect(call).toThrow('call await loadConfig() first')
    await media.getAvailableName('a').catch(() => undefined)
    expect(media.getValidName('a b')).toBe('a_b')
  })

  it('rejects with the reason of an aborted signal before anything is loaded', async () => {
    configure(lazyS3)
    const reason = new Error('enough')
    await expect(media.exists('a', { signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
  })

  it('lets a stream fail before the storage is loaded, and rejects with its error', async () => {
    const lines = [
      'await globalThis.stowageTestEnded',
      `export { MemoryStorage as Media } from ${JSON.stringify(memoryModule)}`,
    ]
    const backend = `${await writeModule(lines)}#Media`
    configure({ storages: { media: { backend } } })
    const missing = createReadStream('/nonexistent/file')
    Object.assign(globalThis, {
      stowageTestEnded: new Promise(resolve => missing.on('close', () => resolve(undefined))),
    })
    await expect(media.save('a', missing)).rejects.toMatchObject({ code: 'ENOENT' })
  })

  it('ends the stream that it cannot store', async () => {
    configure({})
    const stream = createReadStream(import.meta.filename)
    await expect(media.save('a', stream)).rejects.toThrow('There is no storage "media"')
    expect(stream.destroyed).toBe(true)
  })

  it('can be printed and compared while nothing is loaded', () => {
    configure(lazyS3)
    expect(inspect(media)).toBe("StorageStandIn { alias: 'media' }")
    expect(JSON.stringify(media)).toBe('{"alias":"media"}')
  })
})

async function writeModule(lines: readonly string[]): Promise<string> {
  folder ??= await realpath(await mkdtemp(join(tmpdir(), 'stowage-stand-in-')))
  const file = join(folder, 'media.mjs')
  await writeFile(file, lines.join('\n'))
  return file
}

async function first(items: unknown): Promise<unknown> {
  for await (const item of items as AsyncIterable<unknown>) return item
  return undefined
}

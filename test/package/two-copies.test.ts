import { afterEach, describe, expect, it, vi } from 'vitest'
import { diagnose } from '../../src/doctor.ts'
import { FileField, maxSize } from '../../src/fields.ts'
import * as stowage from '../../src/index.ts'
import { collectStatic, ManifestStaticStorage } from '../../src/staticfiles.ts'
import { Folders } from '../static/folders.ts'

/** The package as a library brings it along: the same code, with classes of its own. */
vi.resetModules()
const copy = await import('../../src/index.ts')

afterEach(() => stowage.configure({}))

describe('two installed copies of the package', () => {
  it('are two', () => {
    expect(copy.Storage).not.toBe(stowage.Storage)
    expect(copy.ContentFile).not.toBe(stowage.ContentFile)
  })

  it('share one configuration, and the storages made of it', async () => {
    const entry = { backend: 'stowage#MemoryStorage', options: { baseUrl: '/shared/' } }
    copy.configure({ storages: { default: entry } })
    await copy.defaultStorage.save('a', 'x')
    expect(await stowage.defaultStorage.exists('a')).toBe(true)
    expect(await stowage.defaultStorage.exists('missing')).toBe(false)
    expect(await stowage.defaultStorage.url('a')).toBe('/shared/a')
    expect(Object.keys(stowage.storages)).toEqual(Object.keys(copy.storages))
  })

  it('tell their errors apart alike', async () => {
    const error: unknown = await new copy.MemoryStorage().stat('missing').catch(reason => reason)
    expect(stowage.isStorageError(error)).toBe(true)
    expect(error).toMatchObject({
      name: 'FileNotFoundError',
      code: 'ERR_STORAGE_FILE_NOT_FOUND',
      operation: 'stat',
    })
  })

  it('store contents of each other', async () => {
    const media = new stowage.MemoryStorage()
    expect(await media.save(null, new copy.ContentFile('x', 'named.txt'))).toBe('named.txt')
    const theirs = new copy.MemoryStorage()
    await theirs.save('stored.txt', 'y')
    expect(await media.save(null, await theirs.file('stored.txt'))).toBe('stored.txt')
    expect(await media.save(null, await theirs.open('stored.txt'))).not.toBe('stored.txt')
    expect(await (await media.file('stored.txt')).text()).toBe('y')
  })

  it('take a backend of each other', async () => {
    const theirs = new copy.MemoryStorage()
    const media = new stowage.Storage(theirs.backend)
    expect(await media.exists('missing')).toBe(false)
    expect(await media.save('a', 'x')).toBe('a')
    expect(await media.save('a', 'y')).toMatch(/^a_\w{7}$/)
    expect(await media.copy('a', 'b')).toBe('b')
    expect(await media.copy('a', 'b')).toMatch(/^b_\w{7}$/)
    const exclusive = await Promise.all(
      [1, 2].map(() => media.open('c', 'w', { overwrite: false })),
    )
    await exclusive[0]?.close()
    await expect(exclusive[1]?.close()).rejects.toThrow(stowage.FileExistsError)
    const file = await media.file('a')
    await theirs.save('a', 'z', { overwrite: true })
    await expect(file.text()).rejects.toThrow(stowage.FileChangedError)
    await expect(media.deleteMany(['a', '../a'])).rejects.toMatchObject({ errors: [{}] })
  })

  it('collect static files into a storage of each other', async () => {
    using folders = new Folders()
    const source = folders.make('source', { 'a.css': 'b{}' })
    const theirs = new copy.MemoryStorage({ baseUrl: '/static/' })
    const collect = () =>
      collectStatic({ storage: new ManifestStaticStorage(theirs), dirs: [source] })
    expect((await collect()).postProcessed).toEqual(['a.css'])
    expect((await collect()).unchanged).toEqual(['a.css'])
  })

  it('hang contents of each other on rows', async () => {
    const theirs = new copy.MemoryStorage()
    const field = new FileField({ storage: theirs, validators: [maxSize(10)] })
    const file = field.file(null).assign(new copy.ContentFile('content', 'a.txt'))
    expect([await file.size(), await file.text()]).toEqual([7, 'content'])
    await theirs.save('b.txt', 'stored')
    await file.save('c.txt', await theirs.file('b.txt'), { save: false })
    expect(await file.text()).toBe('stored')
  })

  it('look at a storage of each other', async () => {
    const { checks } = await diagnose(new copy.MemoryStorage())
    expect(checks.find(({ step }) => step === 'url')?.outcome).toBe('skipped')
  })
})

import { mkdtemp, realpath, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { FileSystemStorage } from '../backends/filesystem/filesystem-storage.ts'
import { MemoryStorage } from '../backends/memory/memory-storage.ts'
import { ImproperlyConfigured } from '../core/errors.ts'
import { settingsKey } from '../core/settings.ts'
import { configure } from './active-configuration.ts'
import type { Configuration } from './configuration.ts'
import { configuredStorage, loadConfig, loadedStorage } from './configured-storage.ts'
import { historicalClassNames } from './historical-names.ts'

let folder: string
const storageModule = new URL('../core/storage.ts', import.meta.url).href
const memoryModule = new URL('../backends/memory/memory-storage.ts', import.meta.url).href

beforeEach(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), 'stowage-configured-')))
  vi.spyOn(process, 'cwd').mockReturnValue(folder)
})

afterEach(async () => {
  Reflect.deleteProperty(globalThis, settingsKey)
  vi.restoreAllMocks()
  vi.unstubAllEnvs()
  await rm(folder, { recursive: true, force: true })
})

async function refusalOf(configuration: Configuration, alias = 'default'): Promise<unknown> {
  configure(configuration)
  return await configuredStorage(alias).catch((error: unknown) => error)
}

async function writeModule(name: string, lines: readonly string[]): Promise<void> {
  await writeFile(join(folder, name), lines.join('\n'))
}

describe('a configured storage', () => {
  it('is a FileSystemStorage in ./media with the URL /media/ when nothing is configured', async () => {
    const storage = await configuredStorage('default')
    expect(storage).toBeInstanceOf(FileSystemStorage)
    expect(storage.path('a')).toBe(resolve('media/a'))
    expect(await storage.url('a')).toBe('/media/a')
  })

  it('takes MEDIA_ROOT and MEDIA_URL where there is no entry', async () => {
    configure({ MEDIA_ROOT: join(folder, 'uploads') })
    vi.stubEnv('MEDIA_URL', 'https://cdn.example.com/')
    const storage = await configuredStorage('default')
    expect(storage.path('a')).toBe(join(folder, 'uploads', 'a'))
    expect(await storage.url('a')).toBe('https://cdn.example.com/a')
  })

  it('is made once per configuration, also for calls at the same time', async () => {
    configure({ storages: { default: { backend: 'stowage/s3#S3Storage' } } })
    const [one, two] = await Promise.all([
      configuredStorage('default'),
      configuredStorage('default'),
    ])
    expect(one).toBe(two)
    configure({ storages: { default: { backend: 'stowage/s3#S3Storage' } } })
    expect(await configuredStorage('default')).not.toBe(one)
  })

  it('is the given one where the entry is a Storage', async () => {
    const archive = new MemoryStorage()
    configure({ storages: { archive } })
    expect(await configuredStorage('archive')).toBe(archive)
  })

  it('gets its options before settings, those before the environment, that before defaults', async () => {
    vi.stubEnv('MEDIA_URL', '/environment/')
    const backend = 'stowage#MemoryStorage'
    configure({
      storages: { default: { backend, options: { baseUrl: '/option/' } }, other: { backend } },
      MEDIA_URL: '/setting/',
    })
    expect(await (await configuredStorage('default')).url('a')).toBe('/option/a')
    expect(await (await configuredStorage('other')).url('a')).toBe('/setting/a')
    configure({ storages: { other: { backend } } })
    expect(await (await configuredStorage('other')).url('a')).toBe('/environment/a')
  })

  it('is made of the configuration that was asked, though another one came meanwhile', async () => {
    await writeModule('stowage.config.mjs', ['export default { MEDIA_URL: "/one/" }'])
    await loadConfig()
    configure({ storages: { default: { backend: 'stowage/s3#S3Storage' } }, AWS_LOCATION: 'one' })
    const asked = configuredStorage('default')
    configure({ AWS_LOCATION: '/not valid/' })
    await expect(asked).resolves.toBeDefined()
  })

  it.each([
    ['DEFAULT_FILE_STORAGE', 'default'],
    ['STATICFILES_STORAGE', 'staticfiles'],
  ])(
    'has the class that %s names, in the configuration or in the environment',
    async (name, alias) => {
      configure({ [name]: 'django.core.files.storage.InMemoryStorage' })
      expect(await configuredStorage(alias)).toBeInstanceOf(MemoryStorage)
      configure({})
      vi.stubEnv(name, 'stowage#MemoryStorage')
      expect(await configuredStorage(alias)).toBeInstanceOf(MemoryStorage)
    },
  )

  it('finds the classes of S3 under their historical names', async () => {
    const { S3Boto3Storage, S3Storage } = await import('../s3.ts')
    configure({ DEFAULT_FILE_STORAGE: 'storages.backends.s3boto.S3Boto3Storage' })
    expect(await configuredStorage('default')).toBeInstanceOf(S3Boto3Storage)
    configure({ DEFAULT_FILE_STORAGE: 'storages.backends.s3.S3Storage' })
    const storage = await configuredStorage('default')
    expect(storage).toBeInstanceOf(S3Storage)
    expect(storage).not.toBeInstanceOf(S3Boto3Storage)
  })

  it.each(historicalClassNames)('%s names a class that is there', async name => {
    configure({ DEFAULT_FILE_STORAGE: name })
    await expect(loadConfig()).resolves.toBeUndefined()
  })

  it('may be a class of a module beside the config file, which is run once', async () => {
    await writeModule('storages.mjs', [
      'globalThis.stowageModuleRuns = (globalThis.stowageModuleRuns ?? 0) + 1',
      `import { MemoryStorage } from ${JSON.stringify(memoryModule)}`,
      'export class Media extends MemoryStorage {',
      '  constructor(options) { super({ baseUrl: "/run-" + globalThis.stowageModuleRuns, ...options }) }',
      '}',
    ])
    const backend = './storages.mjs#Media'
    configure({ storages: { default: { backend }, other: { backend } } })
    const [one, other] = await Promise.all([
      configuredStorage('default'),
      configuredStorage('other'),
    ])
    expect(await one.url('a')).toBe('/run-1/a')
    expect(await other.url('a')).toBe('/run-1/a')
    expect(one).not.toBe(other)
  })
})

describe('the storage of static files', () => {
  it('lies in STATIC_ROOT, never in MEDIA_ROOT', async () => {
    const root = join(folder, 'static')
    const given: Configuration = { MEDIA_ROOT: folder, MEDIA_URL: '/m/', STATIC_ROOT: root }
    for (const more of [
      {},
      { STATIC_URL: '/static/' },
      { storages: { staticfiles: { backend: 'stowage#FileSystemStorage' } } },
      { STATICFILES_STORAGE: 'django.contrib.staticfiles.storage.StaticFilesStorage' },
    ]) {
      configure({ ...given, ...more })
      const storage = await configuredStorage('staticfiles')
      expect(storage.path('a')).toBe(join(root, 'a'))
      expect(await storage.url('a')).toBe('/static/a')
    }
  })

  it('says what to set when there is no folder', async () => {
    expect(await refusalOf({ MEDIA_ROOT: folder }, 'staticfiles')).toMatchObject({
      name: 'ImproperlyConfigured',
      setting: 'STATIC_ROOT',
      message:
        'The storage of static files has no folder: set STATIC_ROOT, or storages.staticfiles with a location.',
    })
  })

  it('keeps the options of its entry', async () => {
    const options = { location: folder, baseUrl: '/x/' }
    configure({ storages: { staticfiles: { backend: 'stowage#FileSystemStorage', options } } })
    const storage = await configuredStorage('staticfiles')
    expect([storage.path('a'), await storage.url('a')]).toEqual([join(folder, 'a'), '/x/a'])
  })
})

describe('a storage that cannot be made', () => {
  const entry = (backend: string, options?: Record<string, unknown>): Configuration => ({
    storages: { default: { backend, options } },
  })

  it.each<[configuration: Configuration, message: string]>([
    [
      entry('stowage#FileSytemStorage'),
      'storages.default in configure() names stowage#FileSytemStorage, but this version of stowage has no class FileSytemStorage. Did you mean "FileSystemStorage"?',
    ],
    [
      entry('stowage/s4#S3Storage'),
      'storages.default in configure() names stowage/s4#S3Storage, but this version of stowage has no stowage/s4 with storages. Did you mean "stowage/s3"?',
    ],
    [
      { DEFAULT_FILE_STORAGE: 'storages.backends.s3boto3.S3ManifestStatikStorage' },
      'DEFAULT_FILE_STORAGE in configure() names "storages.backends.s3boto3.S3ManifestStatikStorage", which is no storage known here. Did you mean "storages.backends.s3boto3.S3ManifestStaticStorage"? A class of your own is named \'module#ClassName\'.',
    ],
    [
      { DEFAULT_FILE_STORAGE: 'stowage/s5#Storage' },
      'DEFAULT_FILE_STORAGE in configure() names stowage/s5#Storage, but this version of stowage has no stowage/s5 with storages. Did you mean "stowage/s3"?',
    ],
    [
      entry('stowage#MemoryStorage', { baseUlr: '/secret/' }),
      'MemoryStorage (storages.default in configure()) has no option "baseUlr". Did you mean "baseUrl"?',
    ],
    [
      entry('stowage#MemoryStorage', { baseUrl: 5 }),
      'Option "baseUrl" of MemoryStorage (storages.default in configure()) must be a string or null, not a number.',
    ],
    [
      { ...entry('stowage#MemoryStorage'), MEDIA_URL: JSON.parse('5') },
      'MEDIA_URL in configure() must be a string or null, not a number.',
    ],
  ])('says why: %j', async (configuration, message) => {
    const refusal = await refusalOf(configuration)
    expect(refusal).toBeInstanceOf(ImproperlyConfigured)
    expect(refusal).toMatchObject({ message })
  })

  it('names the environment variable that is wrong', async () => {
    vi.stubEnv('AWS_QUERYSTRING_EXPIRE', 'tomorrow')
    expect(await refusalOf(entry('stowage/s3#S3Storage'))).toMatchObject({
      message:
        'The environment variable AWS_QUERYSTRING_EXPIRE must be a whole number, not a string.',
      setting: 'querystringExpire',
    })
  })

  it('names the alias and the string of a module that is missing, broken or has no such class', async () => {
    await writeModule('broken.mjs', ['throw new Error("no database")'])
    await writeModule('other.mjs', [
      `import { Storage } from ${JSON.stringify(storageModule)}`,
      'export class Media extends Storage { constructor() { throw new TypeError("no bucket") } }',
      'export const text = "x"',
      'export { Storage }',
    ])
    const place = 'storages.default in configure()'
    expect(await refusalOf(entry('./missing.mjs#Media'))).toMatchObject({
      message: expect.stringContaining(
        `${place} names ./missing.mjs#Media, whose module could not`,
      ),
      setting: 'storages.default',
      cause: expect.any(Error),
    })
    expect(await refusalOf(entry('./broken.mjs#Media'))).toMatchObject({
      message: `${place} names ./broken.mjs#Media, whose module could not be loaded: no database`,
    })
    expect(await refusalOf(entry('./other.mjs#Medea'))).toMatchObject({
      message: `${place} names ./other.mjs#Medea, but ./other.mjs has no class Medea. Did you mean "Media"?`,
    })
    for (const name of ['text', 'Storage']) {
      expect(await refusalOf(entry(`./other.mjs#${name}`))).toMatchObject({
        message: expect.stringContaining(`but ${name} is no class of storages`),
      })
    }
    expect(await refusalOf(entry('./other.mjs#Media'))).toMatchObject({
      message: `${place} could not be constructed (./other.mjs#Media): no bucket`,
      cause: expect.any(TypeError),
    })
  })

  it('names the known aliases when the alias is not configured', async () => {
    expect(
      await refusalOf({ storages: { archive: new MemoryStorage() } }, 'archives'),
    ).toMatchObject({
      message:
        'There is no storage "archives"; configure() has default, staticfiles, archive. Did you mean "archive"?',
      setting: 'storages.archives',
    })
  })

  it('does not stand in the way of the next configuration', async () => {
    expect(await refusalOf(entry('stowage#Nothing'))).toBeInstanceOf(ImproperlyConfigured)
    configure(entry('stowage#MemoryStorage'))
    expect(await configuredStorage('default')).toBeInstanceOf(MemoryStorage)
  })
})

describe('loadConfig', () => {
  it('makes storages of other modules available without waiting', async () => {
    configure({ storages: { media: { backend: 'stowage/s3#S3Storage' } } })
    expect(() => loadedStorage('media')).toThrow(
      'storages.media in configure() is not loaded yet (stowage/s3#S3Storage): call await loadConfig() first.',
    )
    await loadConfig()
    expect(loadedStorage('media')).toBe(await configuredStorage('media'))
  })

  it.each<[options: unknown, message: string]>([
    [{ fil: 'x.mjs' }, 'loadConfig() has no option "fil". Did you mean "file"?'],
    [{ file: 1 }, 'Option "file" of loadConfig() must be a string, not a number.'],
    [null, 'The options of loadConfig() are an object, not null.'],
    ['x.mjs', 'The options of loadConfig() are an object, not a string.'],
  ])('refuses %j', async (options, message) => {
    const loading = loadConfig(options as Parameters<typeof loadConfig>[0])
    await expect(loading).rejects.toMatchObject({ name: 'ValidationError', message })
  })

  it('rejects where a class is missing, and constructs none', async () => {
    configure({ storages: { old: { backend: 'stowage/s3-old#S3Storage' } } })
    const loading = loadConfig()
    await expect(loading).rejects.toThrow('has no stowage/s3-old with storages')
    configure({ storages: { media: { backend: 'stowage#MemoryStorage', options: { wrong: 1 } } } })
    await loadConfig()
    expect(() => loadedStorage('media')).toThrow('has no option "wrong"')
  })
})

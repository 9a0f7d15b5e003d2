import { mkdtemp, realpath, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { MemoryStorage } from '../backends/memory/memory-storage.ts'
import { settingsKey } from '../core/settings.ts'
import {
  configure,
  currentConfiguration,
  loadConfigFile,
  loadedConfiguration,
} from './active-configuration.ts'

let folder: string

beforeEach(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), 'stowage-registry-')))
  vi.spyOn(process, 'cwd').mockReturnValue(folder)
})

afterEach(async () => {
  Reflect.deleteProperty(globalThis, settingsKey)
  vi.restoreAllMocks()
  vi.unstubAllEnvs()
  await rm(folder, { recursive: true, force: true })
})

describe('configure', () => {
  it('replaces the whole configuration', () => {
    configure({ MEDIA_URL: '/one/', MEDIA_ROOT: 'one' })
    configure({ MEDIA_URL: '/two/' })
    expect(currentConfiguration().values).toEqual({ MEDIA_URL: '/two/' })
    configure({})
    expect(currentConfiguration().values).toEqual({})
  })

  it('is what a storage constructed directly takes its settings from', async () => {
    configure({ MEDIA_URL: '/from-configure/' })
    expect(await new MemoryStorage().url('a')).toBe('/from-configure/a')
  })

  it('keeps the old configuration when the new one is refused', () => {
    configure({ MEDIA_URL: '/one/' })
    expect(() => configure({ MEDIA_URL: '/two/', storages: JSON.parse('[]') })).toThrow(
      'storages in configure() must be an object',
    )
    expect(currentConfiguration().values).toEqual({ MEDIA_URL: '/one/' })
  })

  it('keeps a config file from being searched for', async () => {
    await writeFile(join(folder, 'stowage.config.json'), '{"MEDIA_URL": "/file/"}')
    configure({})
    expect((await loadedConfiguration()).values).toEqual({})
  })

  it.each([
    ['DEFAULT_FILE_STORAGE', 'default'],
    ['STATICFILES_STORAGE', 'staticfiles'],
  ])(
    'refuses %s beside storages.%s, in the configuration and in the environment',
    (name, alias) => {
      const storages = { [alias]: new MemoryStorage() }
      expect(() =>
        configure({ storages, [name]: 'django.core.files.storage.InMemoryStorage' }),
      ).toThrow(
        `${name} in configure() contradicts storages.${alias} in configure(): set only one of them.`,
      )
      vi.stubEnv(name, 'django.core.files.storage.InMemoryStorage')
      expect(() => configure({ storages })).toThrow(
        `The environment variable ${name} contradicts storages.${alias} in configure(): set only one of them.`,
      )
    },
  )
})

describe('staticfiles.dirs', () => {
  it('can be given as STATICFILES_DIRS, which the configuration decides before the environment', () => {
    vi.stubEnv('STATICFILES_DIRS', '["c", ["vendor", "d"]]')
    configure({ staticfiles: { missing: 'warn' } })
    expect(currentConfiguration().staticfiles).toEqual({
      missing: 'warn',
      dirs: ['c', ['vendor', 'd']],
    })
    configure({ STATICFILES_DIRS: ['b'] })
    expect(currentConfiguration().staticfiles.dirs).toEqual(['b'])
    configure({ staticfiles: { dirs: ['a'] } })
    expect(currentConfiguration().staticfiles.dirs).toEqual(['a'])
  })

  it('cannot be given under both names in one configuration', () => {
    expect(() => configure({ staticfiles: { dirs: ['a'] }, STATICFILES_DIRS: ['b'] })).toThrow(
      'STATICFILES_DIRS in configure() contradicts staticfiles.dirs: set only one of them.',
    )
  })

  it('must be a JSON list in the environment', () => {
    vi.stubEnv('STATICFILES_DIRS', 'a,b')
    expect(() => configure({})).toThrow(
      'The environment variable STATICFILES_DIRS must be a list of folders and [prefix, folder] pairs.',
    )
  })
})

describe('the config file', () => {
  it('is run once, however many ask for it at a time', async () => {
    const file = join(folder, 'stowage.config.mjs')
    const count = 'globalThis.stowageTestRuns = (globalThis.stowageTestRuns ?? 0) + 1'
    await writeFile(
      file,
      `${count}\nexport default { MEDIA_URL: '/' + globalThis.stowageTestRuns }`,
    )
    const found = await Promise.all([1, 2, 3].map(() => loadedConfiguration()))
    expect(found.map(({ values }) => values['MEDIA_URL'])).toEqual(['/1', '/1', '/1'])
    expect(currentConfiguration()).toBe(found[0])
  })

  it('gives way to a configure() that came while it was running', async () => {
    await writeFile(join(folder, 'stowage.config.mjs'), `export default { MEDIA_URL: '/file/' }`)
    const loading = loadedConfiguration()
    configure({ MEDIA_URL: '/code/' })
    expect((await loading).values).toEqual({ MEDIA_URL: '/code/' })
    expect(currentConfiguration().values).toEqual({ MEDIA_URL: '/code/' })
  })

  it('says what is missing while it has not been run', async () => {
    await writeFile(join(folder, 'stowage.config.mjs'), 'export default {}')
    expect(() => currentConfiguration()).toThrow('call await loadConfig() first')
    await loadedConfiguration()
    expect(currentConfiguration().origin).toBe('stowage.config.mjs')
  })

  it('needs no waiting when it is JSON, or when there is none', async () => {
    expect(currentConfiguration().values).toEqual({})
    Reflect.deleteProperty(globalThis, settingsKey)
    await writeFile(join(folder, 'stowage.config.json'), '{"MEDIA_URL": "/json/"}')
    expect(currentConfiguration().values).toEqual({ MEDIA_URL: '/json/' })
  })

  it('is searched for once: one that is written later is not seen', async () => {
    await loadedConfiguration()
    await writeFile(join(folder, 'stowage.config.json'), '{"MEDIA_URL": "/late/"}')
    expect((await loadedConfiguration()).values).toEqual({})
  })

  it('can be tried again after it has failed', async () => {
    const file = join(folder, 'stowage.config.json')
    await writeFile(file, '{')
    await expect(loadedConfiguration()).rejects.toThrow(`${file} is not valid JSON`)
    await writeFile(file, '{}')
    expect((await loadedConfiguration()).file).toBe(file)
  })

  it('can be tried again also when it has to be run', async () => {
    await writeFile(join(folder, 'stowage.config.mjs'), 'export default {}')
    vi.stubEnv('STATICFILES_DIRS', 'no list')
    await expect(loadedConfiguration()).rejects.toThrow('STATICFILES_DIRS')
    vi.stubEnv('STATICFILES_DIRS', '["a"]')
    expect((await loadedConfiguration()).staticfiles.dirs).toEqual(['a'])
  })

  it('that is named replaces what was configured', async () => {
    const file = join(folder, 'other.json')
    await writeFile(file, '{"MEDIA_URL": "/other/"}')
    configure({ MEDIA_URL: '/code/' })
    await loadConfigFile(file)
    expect(currentConfiguration()).toMatchObject({ values: { MEDIA_URL: '/other/' }, file })
    await expect(loadConfigFile(join(folder, 'missing.mjs'))).rejects.toThrow(
      `There is no config file ${join(folder, 'missing.mjs')}.`,
    )
  })
})

import { describe, expect, it } from 'vitest'
import { MemoryStorage } from '../backends/memory/memory-storage.ts'
import { ImproperlyConfigured } from '../core/errors.ts'
import { checkConfiguration } from './checked-configuration.ts'
import { historicalSettings, supportedSettings } from './historical-names.ts'
import { storages } from './registry.ts'

describe('checkConfiguration', () => {
  it('splits a configuration into storages, static files and historical settings', () => {
    const memory = new MemoryStorage()
    const checked = checkConfiguration(
      {
        storages: {
          default: memory,
          media: { backend: 'stowage#MemoryStorage', options: { a: 1 } },
        },
        staticfiles: { dirs: ['assets', ['vendor', 'lib']], missing: 'warn' },
        MEDIA_ROOT: 'uploads',
        MEDIA_URL: undefined,
      },
      'stowage.config.ts',
    )
    expect([...checked.storages]).toEqual([
      ['default', memory],
      ['media', { backend: 'stowage#MemoryStorage', options: { a: 1 } }],
    ])
    expect(checked.staticfiles).toEqual({ dirs: ['assets', ['vendor', 'lib']], missing: 'warn' })
    expect(checked.values).toEqual({ MEDIA_ROOT: 'uploads' })
  })

  it.each<[given: unknown, setting: string | undefined, message: string]>([
    [null, undefined, 'The configuration in stowage.config.ts is an object, not null.'],
    [['a'], undefined, 'The configuration in stowage.config.ts is an object, not a list.'],
    [() => ({}), undefined, 'The configuration in stowage.config.ts is an object, not a function.'],
    [
      Promise.resolve({}),
      undefined,
      'The configuration in stowage.config.ts is an object, not a promise (await it).',
    ],
    [
      new MemoryStorage(),
      undefined,
      'The configuration in stowage.config.ts is an object, not a Storage.',
    ],
    [
      { storage: {} },
      'storage',
      'There is no setting storage, found in stowage.config.ts. Did you mean "storages"?',
    ],
    [
      { AWS_STORAGE_BUCKETNAME: 'secret' },
      'AWS_STORAGE_BUCKETNAME',
      'There is no setting AWS_STORAGE_BUCKETNAME, found in stowage.config.ts. Did you mean "AWS_STORAGE_BUCKET_NAME"?',
    ],
    [
      { AWS_S3_CLIENT_CONFIG: {} },
      'AWS_S3_CLIENT_CONFIG',
      'There is no setting AWS_S3_CLIENT_CONFIG, found in stowage.config.ts. Give S3Storage the option "client" instead.',
    ],
    [
      { DEFAULT_FILE_STORAGE: 7 },
      'DEFAULT_FILE_STORAGE',
      'DEFAULT_FILE_STORAGE in stowage.config.ts must be the name of a storage class, not a number.',
    ],
    [
      { storages: ['a'] },
      'storages',
      'storages in stowage.config.ts must be an object of storages by alias.',
    ],
    [
      { storages: { media: 'secret' } },
      'storages.media',
      'storages.media in stowage.config.ts must be a Storage or { backend, options }.',
    ],
    [
      { storages: { media: { backend: 'S3Storage' } } },
      'storages.media.backend',
      "storages.media in stowage.config.ts needs a backend in the form 'module#ClassName', such as 'stowage/s3#S3Storage'.",
    ],
    [
      { storages: { media: { backend: 'a#B', option: {} } } },
      'storages.media.option',
      'storages.media in stowage.config.ts has no member "option". Did you mean "options"?',
    ],
    [
      { storages: { media: { backend: 'a#B', options: null } } },
      'storages.media.options',
      'options of storages.media in stowage.config.ts must be an object, not null.',
    ],
    [
      { storages: Object.fromEntries([['then', { backend: 'a#B' }]]) },
      'storages.then',
      '"then" in stowage.config.ts cannot be the alias of a storage.',
    ],
    [
      JSON.parse('{"storages":{"__proto__":{"backend":"a#B"}}}'),
      'storages.__proto__',
      '"__proto__" in stowage.config.ts cannot be the alias of a storage.',
    ],
    [
      { storages: { default: storages.media } },
      'storages.default',
      'storages.default in stowage.config.ts is one of the stand-ins that follow the configuration; give a storage of its own or { backend, options }.',
    ],
    [
      { staticfiles: { dir: [] } },
      'staticfiles.dir',
      'staticfiles in stowage.config.ts has no member "dir". Did you mean "dirs"?',
    ],
    [
      { staticfiles: { dirs: ['a', ['b']] } },
      'staticfiles.dirs',
      'staticfiles.dirs in stowage.config.ts must be a list of folders and [prefix, folder] pairs.',
    ],
    [
      { staticfiles: { ignore: '*.md' } },
      'staticfiles.ignore',
      'staticfiles.ignore in stowage.config.ts must be a list of patterns.',
    ],
    [
      { staticfiles: { missing: 'warning' } },
      'staticfiles.missing',
      "staticfiles.missing in stowage.config.ts must be 'error', 'warn' or 'ignore', or an object of these by pattern.",
    ],
    [
      { staticfiles: { modules: 1 } },
      'staticfiles.modules',
      'staticfiles.modules in stowage.config.ts must be true or false, not a number.',
    ],
  ])('refuses %j', (given, setting, message) => {
    const refusal = caught(() => checkConfiguration(given, 'stowage.config.ts'))
    expect(refusal).toBeInstanceOf(ImproperlyConfigured)
    expect(refusal).toMatchObject({ message, setting })
  })
})

describe('a historical setting', () => {
  it.each(historicalSettings)('%s is taken, or refused where it would be ignored', name => {
    const check = (): unknown => checkConfiguration({ [name]: 'x' }, 'configure()')
    if (supportedSettings.includes(name)) expect(check()).toMatchObject({ values: { [name]: 'x' } })
    else
      expect(check).toThrow(`This version of stowage does not take ${name}, found in configure().`)
  })
})

function caught(work: () => unknown): unknown {
  try {
    work()
  } catch (error) {
    return error
  }
  return undefined
}

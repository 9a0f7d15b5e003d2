import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { configure, defaultStorage, loadConfig, staticfilesStorage } from '../../src/index.ts'
import { S3Boto3Storage, S3Storage, type S3StorageOptions } from '../../src/s3.ts'
import { Stage } from './stage.ts'

let stage: Stage

beforeAll(async () => {
  stage = await Stage.start()
})

afterAll(() => stage.close())

afterEach(() => {
  configure({})
  vi.unstubAllEnvs()
  stage.seen.length = 0
})

function connect(options: S3StorageOptions = {}): S3Storage {
  const { accessKey, secretKey } = stage.server
  const own = { endpointUrl: stage.endpoint, accessKey, secretKey, bucketName: 'media' }
  return new S3Storage({ ...own, ...options })
}

type Settings = Parameters<typeof configure>[0]

/** Gives settings in the configuration, or in the environment. */
function give(way: 'configuration' | 'environment', settings: Settings): void {
  if (way === 'configuration') configure(settings)
  else for (const [name, value] of Object.entries(settings)) vi.stubEnv(name, String(value))
}

describe.each(['configuration', 'environment'] as const)(
  'settings of the old page in the %s',
  way => {
    it('AWS_REDUCED_REDUNDANCY is a storage class', async () => {
      give(way, { AWS_REDUCED_REDUNDANCY: true })
      await connect({ headers: { Expires: 'never' } }).save('a.txt', 'content')
      expect(stage.last('PUT').headers).toMatchObject({
        'x-amz-storage-class': 'REDUCED_REDUNDANCY',
        expires: 'never',
      })
    })

    it.each([
      [true, 'https://cdn.example.com/a'],
      [false, 'http://cdn.example.com/a'],
    ])('AWS_S3_SECURE_URLS %s is a protocol', async (secure, url) => {
      give(way, { AWS_S3_SECURE_URLS: secure })
      expect(await connect({ customDomain: 'cdn.example.com' }).url('a')).toBe(url)
    })

    it('AWS_S3_FILE_BUFFER_SIZE is the size of parts', async () => {
      give(way, { AWS_S3_FILE_BUFFER_SIZE: 6 * 1024 * 1024 })
      const storage = connect({ transferConfig: { concurrency: 2 } })
      const writer = await storage.open('large.bin', 'wb')
      for (let i = 0; i < 10; i++) await writer.write(new Uint8Array(1024 * 1024))
      await writer.close()
      const sizes = stage.seen.map(({ body }) => body.byteLength)
      expect(Math.max(...sizes)).toBe(6 * 1024 * 1024)
    })

    it('AWS_PRELOAD_METADATA is fine when it is off, and refused when it is on', () => {
      give(way, { AWS_PRELOAD_METADATA: false })
      expect(() => connect()).not.toThrow()
      give(way, { AWS_PRELOAD_METADATA: true })
      expect(() => connect()).toThrow('would be out of date')
    })
  },
)

describe('settings of the older backend alone', () => {
  it.each([
    ['AWS_S3_HOST', 's3.example.com', 'AWS_S3_ENDPOINT_URL'],
    ['AWS_S3_PORT', 9000, 'AWS_S3_ENDPOINT_URL'],
    ['AWS_S3_CALLING_FORMAT', 'OrdinaryCallingFormat', 'AWS_S3_ADDRESSING_STYLE'],
    ['AWS_S3_PROXY_HOST', 'proxy', 'AWS_S3_PROXIES'],
    ['AWS_S3_PROXY_PORT', 3128, 'AWS_S3_PROXIES'],
    ['AWS_ORIGIN', 'EU', 'AWS_S3_REGION_NAME'],
    ['S3_USE_SIGV4', true, 'AWS_S3_SIGNATURE_VERSION'],
  ])('%s is refused with what to set instead', (name, value, instead) => {
    configure({ [name]: value })
    expect(() => connect()).toThrow(instead)
    expect(() => connect()).toThrow(`does not take ${name}, found in configure()`)
  })

  it.each([
    ['acl', 'its name is "defaultAcl"'],
    ['bucket', 'its name is "bucketName"'],
    ['host', 'set "endpointUrl", or "regionName"'],
    ['port', 'set "endpointUrl"'],
    ['origin', 'set "regionName"'],
    ['callingFormat', 'set "addressingStyle"'],
    ['proxy', 'set "proxies"'],
    ['proxyPort', 'set "proxies"'],
    ['useSigv4', 'set "signatureVersion"'],
    ['reducedRedundancy', 'set StorageClass: "REDUCED_REDUNDANCY"'],
    ['secureUrls', 'set "urlProtocol"'],
    ['preloadMetadata', 'out of date'],
    ['fileBufferSize', 'set partSize in "transferConfig"'],
    ['clientConfig', 'give a client of the AWS SDK as "client"'],
    ['useThreads', 'set concurrency in "transferConfig"'],
    ['fileNameCharset', 'always UTF-8'],
  ])('the option %s is refused with what to do instead', (old, instead) => {
    const options = { [old]: 'x' } as S3StorageOptions
    const make = (): S3Storage => new S3Boto3Storage(options)
    expect(make).toThrow(expect.objectContaining({ name: 'ImproperlyConfigured', setting: old }))
    expect(make).toThrow(`S3Boto3Storage has no option "${old}": `)
    expect(make).toThrow(instead)
  })
})

describe('settings that nobody takes', () => {
  it.each([
    ['AWS_S3_CLIENT_CONFIG', 'the option "client"'],
    ['AWS_S3_USE_THREADS', '"concurrency" in AWS_S3_TRANSFER_CONFIG'],
    ['AWS_S3_FILE_NAME_CHARSET', 'always UTF-8'],
    ['AWS_STORAGE_BUCKET', 'Did you mean "AWS_STORAGE_BUCKET_NAME"?'],
    ['AWS_S3_REGION', 'Did you mean "AWS_S3_REGION_NAME"?'],
  ])('%s is refused with the reason', (name, reason) => {
    expect(() => configure({ [name]: 'x' } as Settings)).toThrow(reason)
  })
})

describe('a setting of the old page beside the one of today', () => {
  it.each<[Settings, S3StorageOptions, string]>([
    [
      { AWS_S3_SECURE_URLS: true, AWS_S3_URL_PROTOCOL: 'http:' },
      {},
      'AWS_S3_SECURE_URLS contradicts "urlProtocol" (AWS_S3_URL_PROTOCOL)',
    ],
    [
      { AWS_REDUCED_REDUNDANCY: true },
      { objectParameters: { StorageClass: 'STANDARD_IA' } },
      'AWS_REDUCED_REDUNDANCY contradicts StorageClass in "objectParameters"',
    ],
    [
      { AWS_S3_FILE_BUFFER_SIZE: 6e6, AWS_S3_TRANSFER_CONFIG: { partSize: 7e6 } },
      {},
      'AWS_S3_FILE_BUFFER_SIZE contradicts partSize in "transferConfig"',
    ],
    [
      { AWS_S3_FILE_BUFFER_SIZE: 4096 },
      {},
      'AWS_S3_FILE_BUFFER_SIZE in configure() must be at least',
    ],
  ])('%j contradicts it, and both are named', (settings, options, message) => {
    configure(settings)
    expect(() => connect(options)).toThrow(message)
  })
})

/** Each dotted path that CONTRACT of this package promises, with the defaults of its class. */
const historical = [
  ['storages.backends.s3boto3.S3Boto3Storage', 'public-read', true],
  ['storages.backends.s3boto.S3Boto3Storage', 'public-read', true],
  ['storages.backends.s3boto.S3BotoStorage', 'public-read', true],
  ['storages.backends.s3.S3Storage', undefined, true],
  ['storages.backends.s3boto3.S3StaticStorage', undefined, false],
  ['storages.backends.s3.S3StaticStorage', undefined, false],
  ['storages.backends.s3boto3.S3ManifestStaticStorage', undefined, false],
  ['storages.backends.s3.S3ManifestStaticStorage', undefined, false],
] as const

describe.each(historical)('the historical class %s', (path, acl, signed) => {
  function settings(name: 'DEFAULT_FILE_STORAGE' | 'STATICFILES_STORAGE'): Settings {
    const { accessKey, secretKey } = stage.server
    return {
      [name]: path,
      AWS_ACCESS_KEY_ID: accessKey,
      AWS_SECRET_ACCESS_KEY: secretKey,
      AWS_STORAGE_BUCKET_NAME: 'media',
      AWS_S3_ENDPOINT_URL: stage.endpoint,
      AWS_LOCATION: 'uploads',
    }
  }

  it.each([
    ['configuration', 'DEFAULT_FILE_STORAGE', defaultStorage],
    ['environment', 'DEFAULT_FILE_STORAGE', defaultStorage],
    ['configuration', 'STATICFILES_STORAGE', staticfilesStorage],
    ['environment', 'STATICFILES_STORAGE', staticfilesStorage],
  ] as const)(
    'in the %s, as %s, gives that class with the defaults of its time',
    async (way, name, storage) => {
      configure({})
      give(way, settings(name))
      await loadConfig()
      await storage.save('a.txt', 'content')
      const { headers, path: key } = stage.last('PUT')
      expect(key).toBe('/media/uploads/a.txt')
      expect(headers['x-amz-acl']).toBe(acl)
      if (!path.includes('Manifest'))
        expect((await storage.url('a.txt')).includes('X-Amz-Signature=')).toBe(signed)
    },
  )
})

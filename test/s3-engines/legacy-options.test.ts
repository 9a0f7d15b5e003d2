import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { configure, storages } from '../../src/index.ts'
import { S3BotoStorage, type S3BotoStorageOptions } from '../../src/s3-legacy.ts'
import { S3Server } from '../../src/testing/s3-server/s3-server.ts'

const bucketName = 'media'
const keys = { accessKey: 'AKIAIOSFODNN7EXAMPLE', secretKey: 'secret' }

let server: S3Server

beforeAll(async () => {
  server = await S3Server.start({ buckets: [bucketName] })
})

afterAll(() => server.close())

afterEach(() => {
  configure({})
  vi.unstubAllEnvs()
})

function connect(options: S3BotoStorageOptions = {}): S3BotoStorage {
  const { endpoint: endpointUrl, accessKey, secretKey } = server
  return new S3BotoStorage({ endpointUrl, accessKey, secretKey, bucketName, ...options })
}

/** A storage of which only URLs are asked. */
function urls(options: S3BotoStorageOptions): Promise<string> {
  return new S3BotoStorage({ ...keys, querystringAuth: false, ...options }).url('a b.txt')
}

/** The lines of an answer's headers that a plain GET shows. */
async function headersOf(name: string): Promise<Headers> {
  const response = await fetch(await connect().url(name))
  await response.body?.cancel()
  return response.headers
}

describe('options of the old page', () => {
  it.each<[S3BotoStorageOptions, string]>([
    [{ bucket: 'old' }, 'https://old.s3.amazonaws.com/a%20b.txt'],
    [{ bucketName, origin: 'EU' }, 'https://media.s3.eu-west-1.amazonaws.com/a%20b.txt'],
    [{ bucketName, origin: 'us-west-2' }, 'https://media.s3.us-west-2.amazonaws.com/a%20b.txt'],
    [{ bucketName, host: 's3.amazonaws.com' }, 'https://media.s3.amazonaws.com/a%20b.txt'],
    [
      { bucketName, host: 's3-eu-west-1.amazonaws.com' },
      'https://media.s3.eu-west-1.amazonaws.com/a%20b.txt',
    ],
    [{ bucketName, host: 's3.example.com' }, 'https://s3.example.com/media/a%20b.txt'],
    [
      { bucketName, host: 's3.example.com', port: 8080, useSsl: false },
      'http://s3.example.com:8080/media/a%20b.txt',
    ],
    [
      { bucketName, host: 's3.example.com', callingFormat: 'SubdomainCallingFormat' },
      'https://media.s3.example.com/a%20b.txt',
    ],
    [
      { bucketName, callingFormat: 'boto.s3.connection.OrdinaryCallingFormat' },
      'https://s3.amazonaws.com/media/a%20b.txt',
    ],
    [
      { bucketName, customDomain: 'cdn.example.com', secureUrls: false },
      'http://cdn.example.com/a%20b.txt',
    ],
  ])('say where files are: %j', async (options, url) => {
    expect(await urls(options)).toBe(url)
  })

  it('are taken from settings, too', async () => {
    configure({
      DEFAULT_FILE_STORAGE: 'storages.backends.s3boto.S3BotoStorage',
      AWS_ACCESS_KEY_ID: server.accessKey,
      AWS_SECRET_ACCESS_KEY: server.secretKey,
      AWS_STORAGE_BUCKET_NAME: bucketName,
      AWS_S3_HOST: '127.0.0.1',
      AWS_S3_PORT: Number(new URL(server.endpoint).port),
      AWS_S3_USE_SSL: false,
      AWS_S3_CALLING_FORMAT: 'boto.s3.connection.OrdinaryCallingFormat',
      S3_USE_SIGV4: false,
    })
    const name = await storages.default.save('from settings.txt', 'x')
    expect(await storages.default.url(name)).toMatch(/\?AWSAccessKeyId=.*&Signature=.*&Expires=/)
    expect((await fetch(await storages.default.url(name))).status).toBe(200)
  })

  it('are taken from the environment, too', async () => {
    vi.stubEnv('DEFAULT_FILE_STORAGE', 'storages.backends.s3boto.S3BotoStorage')
    vi.stubEnv('AWS_ACCESS_KEY_ID', server.accessKey)
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', server.secretKey)
    vi.stubEnv('AWS_STORAGE_BUCKET_NAME', bucketName)
    vi.stubEnv('AWS_S3_ENDPOINT_URL', server.endpoint)
    vi.stubEnv('S3_USE_SIGV4', 'no')
    expect(await storages.default.url('a')).toContain('AWSAccessKeyId=')
  })

  it('store with the historical defaults: public, and with the encoding of the name', async () => {
    await connect().save('page.html.gz', 'packed')
    const plain = await fetch(`${server.endpoint}/${bucketName}/page.html.gz`, {
      headers: { 'accept-encoding': 'identity' },
      method: 'HEAD',
    })
    expect(plain.status).toBe(200)
    expect(plain.headers.get('content-encoding')).toBe('gzip')
    await connect({ acl: 'private' }).save('own.txt', 'x')
    expect((await fetch(`${server.endpoint}/${bucketName}/own.txt`)).status).toBe(403)
  })

  it('choose the storage class', async () => {
    await connect({ reducedRedundancy: true }).save('cheap.txt', 'x')
    expect((await headersOf('cheap.txt')).get('x-amz-storage-class')).toBe('REDUCED_REDUNDANCY')
  })

  it('choose the size of parts', async () => {
    const fileBufferSize = 5 * 1024 * 1024
    const writer = await connect({ fileBufferSize }).open('parts.bin', 'wb')
    await writer.write(new Uint8Array(fileBufferSize + 1))
    await writer.write(new Uint8Array(fileBufferSize))
    await writer.close()
    expect((await headersOf('parts.bin')).get('etag')).toMatch(/-3"$/)
  })

  it('answer from one listing with preloadMetadata, and know of own changes', async () => {
    const place = { location: 'preloaded' }
    await connect(place).save('there.txt', 'four')
    const storage = connect({ ...place, preloadMetadata: true })
    expect([await storage.exists('there.txt'), await storage.size('there.txt')]).toEqual([true, 4])
    const before = server.requests.length
    expect(await storage.exists('missing.txt')).toBe(false)
    await storage.stat('there.txt')
    expect(server.requests.length).toBe(before)
    await storage.save('missing.txt', 'x')
    await storage.copy('there.txt', 'copy.txt')
    await storage.delete('there.txt')
    const names = ['missing.txt', 'copy.txt', 'there.txt']
    expect(await Promise.all(names.map(name => storage.exists(name)))).toEqual([true, true, false])
    await connect(place).save('later.txt', 'x')
    expect(await storage.exists('later.txt')).toBe(false)
    expect(await (await storage.file('copy.txt')).text()).toBe('four')
  })

  it.each<[S3BotoStorageOptions, string, RegExp]>([
    [{ bucket: 'a', bucketName: 'b' }, 'bucketName', /"bucket" and "bucketName"/],
    [{ acl: 'private', defaultAcl: null }, 'defaultAcl', /"acl" and "defaultAcl"/],
    [
      { host: 'a.example.com', endpointUrl: 'http://b.example.com' },
      'endpointUrl',
      /"host" \(AWS_S3_HOST\) and "endpointUrl"/,
    ],
    [{ origin: 'EU', regionName: 'eu-west-1' }, 'regionName', /"origin"/],
    [{ useSigv4: true, signatureVersion: 's3v4' }, 'signatureVersion', /"useSigv4"/],
    [{ callingFormat: 'OrdinaryCallingFormat', addressingStyle: 'path' }, 'addressingStyle', /./],
    [{ proxyPort: 3128 }, 'proxy', /no "proxy"/],
    [{ callingFormat: 'VHostCallingFormat' }, 'callingFormat', /SubdomainCallingFormat/],
    [{ querystringExpire: 700_000 }, 'querystringExpire', /"signatureVersion" s3/],
  ])('are refused where they contradict others: %j', (options, setting, message) => {
    const construct = (): S3BotoStorage => new S3BotoStorage(options)
    expect(construct).toThrow(expect.objectContaining({ name: 'ImproperlyConfigured', setting }))
    expect(construct).toThrow(message)
  })

  it.each<[object, RegExp]>([
    [{ client: { send() {}, config: {} } }, /"client".*is for S3Storage/],
    [{ checksumAlgorithm: 'CRC32' }, /"checksumAlgorithm".*is for S3Storage/],
    [{ timeouts: { idle: 5 } }, /"timeouts".*headers/],
    [{ signatureVersion: 's4' }, /must be s3 or s3v4/],
    [{ bucketNam: 'a' }, /Did you mean "bucketName"/],
  ])('that the older SDK cannot keep are refused: %j', (options, message) => {
    expect(() => new S3BotoStorage(options as S3BotoStorageOptions)).toThrow(message)
  })

  it('let URLs of version 2 be valid for longer than seven days', async () => {
    const storage = connect({ signatureVersion: 's3', querystringExpire: 2_592_000 })
    await storage.save('long.txt', 'x')
    expect((await fetch(await storage.url('long.txt'))).status).toBe(200)
    await expect(connect().url('long.txt', { expiresIn: 2_592_000 })).rejects.toMatchObject({
      name: 'ValidationError',
    })
  })
})

it('is a class to be extended, as on the page', async () => {
  class Media extends S3BotoStorage {
    constructor() {
      const { endpoint: endpointUrl, accessKey, secretKey } = server
      super({ endpointUrl, accessKey, secretKey, bucketName, location: 'extended' })
    }
  }
  expect(await new Media().url('a')).toContain('/media/extended/a?X-Amz-')
})

import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { S3Storage, type S3StorageOptions } from '../../src/s3.ts'
import { Stage } from './stage.ts'

const foreign = { accessKey: 'AKIAFOREIGN', secretKey: 'foreign-secret', id: 'foreign' }

let stage: Stage
let later: Stage

beforeAll(async () => {
  stage = await Stage.start({ accounts: [foreign] })
  later = await Stage.start({ now: () => new Date(Date.now() + 3_600_000) })
})

afterAll(async () => {
  await stage.close()
  await later.close()
})

function connect(options: S3StorageOptions = {}): S3Storage {
  const { accessKey, secretKey } = stage.server
  const own = { endpointUrl: stage.endpoint, accessKey, secretKey, bucketName: 'media' }
  return new S3Storage({ ...own, retries: { maxAttempts: 1 }, ...options })
}

const operations: readonly [string, (storage: S3Storage) => Promise<unknown>][] = [
  ['save', storage => storage.save('a.txt', 'content')],
  ['open', storage => storage.open('a.txt')],
  ['listdir', storage => storage.listdir('')],
]

describe.each(operations)('%s', (_operation, perform) => {
  it.each<[string, () => S3StorageOptions, string, RegExp]>([
    [
      'an unknown access key',
      () => ({ accessKey: 'AKIAUNKNOWN' }),
      'PermissionDeniedError',
      /the access key is unknown; check "accessKey"/,
    ],
    [
      'a wrong secret',
      () => ({ secretKey: 'wrong' }),
      'PermissionDeniedError',
      /the signature is wrong; check "accessKey" and "secretKey"/,
    ],
    [
      'a token that is none',
      () => ({ securityToken: 'wrong' }),
      'PermissionDeniedError',
      /check "securityToken"|"accessKey"/,
    ],
    [
      'a bucket of another owner',
      () => ({ accessKey: foreign.accessKey, secretKey: foreign.secretKey }),
      'PermissionDeniedError',
      /bucket "media".*(policy or the permissions|"accessKey" and "secretKey")/,
    ],
    [
      'a missing bucket',
      () => ({ bucketName: 'missing' }),
      'ImproperlyConfigured',
      /check "bucketName", "endpointUrl" and "regionName"/,
    ],
    [
      'an endpoint where nobody is',
      () => ({ endpointUrl: 'http://127.0.0.1:9' }),
      'UnavailableError',
      /127\.0\.0\.1:9/,
    ],
    [
      'a host that does not exist',
      () => ({ endpointUrl: 'http://s3.does-not-exist.invalid' }),
      'UnavailableError',
      /is "endpointUrl" or "regionName" right\?/,
    ],
  ])('with %s says what to look at', async (_what, options, name, message) => {
    await expect(perform(connect(options()))).rejects.toMatchObject({
      name,
      message: expect.stringMatching(message),
    })
  })

  it('with a clock that is an hour off goes by the service’s', async () => {
    const { accessKey, secretKey } = later.server
    const storage = connect({ endpointUrl: later.endpoint, accessKey, secretKey })
    await storage.save('a.txt', 'content')
    await expect(perform(storage)).resolves.toBeDefined()
  })

  it('with a region that is another one goes by the service’s', async () => {
    const storage = connect({ regionName: 'nowhere-1' })
    await storage.save('a.txt', 'content')
    await expect(perform(storage)).resolves.toBeDefined()
  })
})

describe('a clock that stays wrong', () => {
  it('is named, with what to do', async () => {
    stage.server.failNext({ status: 403, code: 'RequestTimeTooSkewed', times: 5 })
    const failure = await connect()
      .save('a.txt', 'x')
      .catch(error => error)
    expect(failure.message).toContain(
      'the clock of this machine is more than 15 minutes off; set it',
    )
  })
})

afterEach(() => {
  stage.seen.length = 0
  vi.unstubAllEnvs()
})

describe('proxies', () => {
  it('need no scheme, as on the page', async () => {
    const host = stage.endpoint.replace('http://', '')
    const endpointUrl = 'http://s3.test'
    await connect({ endpointUrl, proxies: { http: host } })
      .exists('a')
      .catch(() => undefined)
    expect(stage.last('CONNECT').path).toBe('s3.test:80')
    stage.seen.length = 0
    vi.stubEnv('HTTP_PROXY', host)
    await connect({ endpointUrl })
      .exists('a')
      .catch(() => undefined)
    expect(stage.last('CONNECT').path).toBe('s3.test:80')
  })

  it.each(['HTTP_PROXY', 'HTTPS_PROXY'])('that are none are told by their name: %s', async name => {
    vi.stubEnv(name, 'http://me:secret@[not a host')
    const failure = await connect()
      .exists('a')
      .catch(error => error)
    expect(failure).toMatchObject({ name: 'ImproperlyConfigured', setting: 'proxies' })
    expect(failure.message).toContain(`${name} of the environment is no URL of a proxy`)
    expect(failure.message).not.toContain('secret')
  })

  it.each(['', 'http://', 'ftp://proxy', 'a b'])('%j is no proxy', http => {
    expect(() => connect({ proxies: { http } })).toThrow(
      'needs http as the URL of a proxy, such as http://proxy.example.com:3128',
    )
  })
})

describe('options that are wrong are refused when the storage is made', () => {
  it.each<[string, object, string, RegExp]>([
    [
      'a leading slash',
      { location: '/media' },
      'location',
      /cannot begin with a slash; use "media" instead/,
    ],
    [
      'a region with a dot',
      { regionName: 'eu.central' },
      'regionName',
      /a region such as eu-central-1/,
    ],
    ['a bucket with a slash', { bucketName: 'a/b' }, 'bucketName', /a bucket name without "\/"/],
    [
      'a PEM that is none',
      {
        customDomain: 'cdn',
        cloudfrontKeyId: 'K',
        cloudfrontKey: '-----BEGIN PRIVATE KEY-----\nnone',
      },
      'cloudfrontKey',
      /PEM|private key/,
    ],
    [
      'a file of a key that is not there',
      { customDomain: 'cdn', cloudfrontKeyId: 'K', cloudfrontKey: '/nowhere/key.pem' },
      'cloudfrontKey',
      /no private key in PEM, nor the path of a file with one/,
    ],
    ['a style', { addressingStyle: 'host' }, 'addressingStyle', /auto, virtual or path/],
    [
      'version 2 of the signature',
      { signatureVersion: 's3' },
      'signatureVersion',
      /must be s3v4; .* S3BotoStorage of stowage\/s3-legacy/,
    ],
    [
      'a signer beside keys',
      { customDomain: 'cdn', cloudfrontSigner: (url: string) => url, cloudfrontKey: 'x' },
      'cloudfrontSigner',
      /"cloudfrontSigner" and "cloudfrontKey".*set only one/,
    ],
    ['a word before its last part', { region: 'eu' }, 'region', /Did you mean "regionName"\?/],
    ['types in a text', { gzipContentTypes: 'text/css' }, 'gzipContentTypes', /a list of strings/],
    ['memory below nothing', { maxMemorySize: -1 }, 'maxMemorySize', /a number of bytes, or 0/],
    [
      'a flag as a text',
      { autoCreateBucket: 'yes' },
      'autoCreateBucket',
      /true or false, not a string/,
    ],
  ])('%s', (_what, options, setting, message) => {
    const make = (): S3Storage => connect(options as S3StorageOptions)
    expect(make).toThrow(expect.objectContaining({ name: 'ImproperlyConfigured', setting }))
    expect(make).toThrow(message)
  })

  it('a URL of a service is checked at the first use', async () => {
    await expect(connect({ endpointUrl: 's3.example.com' }).exists('a')).rejects.toMatchObject({
      name: 'ImproperlyConfigured',
      setting: 'endpointUrl',
    })
  })
})

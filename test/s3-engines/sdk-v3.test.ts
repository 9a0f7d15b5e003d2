import type { Readable } from 'node:stream'
import { S3Client, type S3ClientConfig } from '@aws-sdk/client-s3'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { S3Boto3Storage, S3Storage, type S3StorageOptions } from '../../src/s3.ts'
import { FaultProxy } from '../../src/testing/fault-proxy/fault-proxy.ts'
import type { ProxyFault } from '../../src/testing/fault-proxy/proxy-fault.ts'
import { S3Server } from '../../src/testing/s3-server/s3-server.ts'
import { type Place, testSdkEngine } from './engine-suite.ts'

const clients: S3Client[] = []

afterEach(() => {
  vi.unstubAllEnvs()
  for (const client of clients.splice(0)) client.destroy()
})

function clientFor(place: Place, config: S3ClientConfig = {}): S3Client {
  const {
    endpoint,
    accessKey: accessKeyId,
    secretKey: secretAccessKey,
    region = 'us-east-1',
  } = place
  const client = new S3Client({
    endpoint,
    region,
    forcePathStyle: true,
    credentials: { accessKeyId, secretAccessKey },
    ...config,
  })
  clients.push(client)
  return client
}

testSdkEngine((place, options) => new S3Storage({ client: clientFor(place), ...options }))

describe('a client of one’s own', () => {
  const keys = { credentials: { accessKeyId: 'AKIAIOSFODNN7EXAMPLE', secretAccessKey: 'secret' } }

  it('makes the requests, with its middleware, and is not destroyed', async () => {
    const server = await S3Server.start({ buckets: ['media'] })
    const client = clientFor(server)
    const seen: object[] = []
    client.middlewareStack.add(
      (next, { commandName }) =>
        args => {
          seen.push({ commandName, ...args.input })
          return next(args)
        },
      { step: 'initialize' },
    )
    const destroy = vi.spyOn(client, 'destroy')
    const storage = new S3Boto3Storage({ client, bucketName: 'media', fileOverwrite: false })
    await storage.save('a.txt', 'x', { cacheControl: 'no-cache' })
    expect(seen.at(-1)).toMatchObject({
      commandName: 'PutObjectCommand',
      Bucket: 'media',
      Key: 'a.txt',
      ACL: 'public-read',
      CacheControl: 'no-cache',
      ContentType: 'text/plain',
      IfNoneMatch: '*',
    })
    expect(destroy).not.toHaveBeenCalled()
    await server.close()
  })

  it('has no body left open that brings another range than was asked for', async () => {
    await using server = await S3Server.start({ buckets: ['media'] })
    await using proxy = await FaultProxy.start({ target: server.endpoint })
    const { accessKey, secretKey } = server
    const client = clientFor({ endpoint: proxy.endpoint, accessKey, secretKey })
    const bodies: Readable[] = []
    client.middlewareStack.add(
      (next, { commandName }) =>
        async args => {
          const result = await next(args)
          if (commandName !== 'GetObjectCommand') return result
          const output = result.output as { Body: Readable; ContentRange?: string }
          // The first breaks off, and what follows is not the rest of it.
          if (bodies.push(output.Body) > 1) output.ContentRange = 'bytes 5-9/2000000'
          return result
        },
      { step: 'initialize', priority: 'low' },
    )
    const cut: ProxyFault = { kind: 'cut', at: 'answer-body', how: 'reset' }
    let cuts = 1
    const isCut = (method: string): boolean => method === 'GET' && cuts-- > 0
    proxy.begin({ seed: 0, next: ({ method }) => (isCut(method) ? cut : undefined) })
    const storage = new S3Storage({ client, bucketName: 'media' })
    await storage.save('a.bin', new Uint8Array(2_000_000))
    const file = await storage.file('a.bin')
    await expect(file.bytes()).rejects.toThrow('another part of the object')
    expect(bodies.length).toBeGreaterThan(1)
    await vi.waitFor(() => expect(bodies.every(body => body.destroyed)).toBe(true))
  })

  it.each<[string, S3StorageOptions]>([
    ['accessKey', { accessKey: 'a', secretKey: 'b' }],
    ['securityToken', { securityToken: 'a' }],
    ['sessionProfile', { sessionProfile: 'work' }],
    ['credentials', { credentials: async () => ({ accessKey: 'a', secretKey: 'b' }) }],
    ['regionName', { regionName: 'eu-central-1' }],
    ['endpointUrl', { endpointUrl: 'http://127.0.0.1:9' }],
    ['addressingStyle', { addressingStyle: 'path' }],
    ['signatureVersion', { signatureVersion: 's3v4' }],
    ['useSsl', { useSsl: false }],
    ['verify', { verify: false }],
    ['clientCertificate', { clientCertificate: { cert: 'a', key: 'b' } }],
    ['proxies', { proxies: null }],
    ['checksumAlgorithm', { checksumAlgorithm: null }],
    ['retries', { retries: {} }],
    ['timeouts', { timeouts: {} }],
    ['transferConfig.maxRequests', { transferConfig: { maxRequests: 5 } }],
  ])('is configured by itself: %s is refused beside it, naming both', (setting, options) => {
    const client = new S3Client({})
    const construct = (): S3Storage => new S3Storage({ client, bucketName: 'media', ...options })
    expect(construct).toThrow(expect.objectContaining({ name: 'ImproperlyConfigured', setting }))
    expect(construct).toThrow(new RegExp(`"${setting}" beside "client"`))
  })

  it('stands above settings of the environment, which are for storages without one', async () => {
    vi.stubEnv('AWS_S3_ENDPOINT_URL', 'http://127.0.0.1:9')
    vi.stubEnv('AWS_S3_ACCESS_KEY_ID', 'somebody')
    const client = new S3Client({ region: 'eu-central-1', ...keys })
    const url = await new S3Storage({ client, bucketName: 'media' }).url('a.txt')
    expect(url).toMatch(/^https:\/\/media\.s3\.eu-central-1\.amazonaws\.com\/a\.txt\?/)
    expect(url).toContain('AKIAIOSFODNN7EXAMPLE')
  })

  it.each([
    [{ useDualstackEndpoint: true }, 'https://media.s3.dualstack.eu-central-1.amazonaws.com/a'],
    [{ useAccelerateEndpoint: true }, 'https://media.s3-accelerate.amazonaws.com/a'],
    [{ forcePathStyle: true }, 'https://s3.eu-central-1.amazonaws.com/media/a'],
    [{ endpoint: 'http://127.0.0.1:9/s3' }, 'http://127.0.0.1:9/s3/media/a'],
  ])('says where URLs lead: %j', async (config, url) => {
    const client = new S3Client({ region: 'eu-central-1', ...keys, ...config })
    const options = { client, bucketName: 'media', querystringAuth: false }
    expect(await new S3Storage(options).url('a')).toBe(url)
  })

  it('tells which service it talks to by its endpoint', async () => {
    const client = new S3Client({
      region: 'auto',
      endpoint: 'https://abc.r2.cloudflarestorage.com',
      ...keys,
    })
    const { openSdkV3Engine } = await import('../../src/backends/s3/sdk-v3/open-engine.ts')
    const engine = await openSdkV3Engine('S3Storage', { bucketName: 'media' }, client)
    expect(engine.profile?.name).toBe('r2')
  })

  it('without keys is told apart from a service that refuses them', async () => {
    const client = new S3Client({
      region: 'us-east-1',
      credentials: async () => {
        throw Object.assign(new Error('none here'), { name: 'CredentialsProviderError' })
      },
    })
    await expect(new S3Storage({ client, bucketName: 'media' }).stat('a')).rejects.toMatchObject({
      name: 'ImproperlyConfigured',
      setting: 'client',
    })
  })

  it.each<[string, Partial<Place>, S3ClientConfig, string | undefined, RegExp]>([
    ['wrong keys', { secretKey: 'wrong' }, {}, undefined, /check the keys of the "client"\.$/],
    ['an unknown key', { accessKey: 'AKIAWRONG' }, {}, undefined, /check the keys of the "client"/],
    [
      'another region',
      { region: 'us-west-2' },
      {},
      'client',
      /is in region eu-central-1: set the region of the "client"\.$/,
    ],
    [
      'an endpoint where nobody is',
      { endpoint: 'http://127.0.0.1:9' },
      { maxAttempts: 1 },
      undefined,
      /is the endpoint of the "client" right\?/,
    ],
  ])(
    'with %s is told what to do to the client, which holds what options say elsewhere',
    async (_what, place, config, setting, message) => {
      const region = 'eu-central-1'
      await using server = await S3Server.start({ buckets: ['media'], region })
      const { endpoint, accessKey, secretKey } = server
      const client = clientFor({ endpoint, accessKey, secretKey, region, ...place }, config)
      const storage = new S3Storage({ client, bucketName: 'media' })
      const failure = await storage.listdir('').catch(error => error)
      expect(failure.message).toMatch(message)
      expect(failure.message).not.toMatch(/accessKey|secretKey|regionName|endpointUrl/)
      expect(failure.setting).toBe(setting)
    },
  )

  it('whose HEAD is refused without a word is told where the bucket is', async () => {
    await using server = await S3Server.start({ buckets: ['media'], region: 'eu-central-1' })
    const { endpoint, accessKey, secretKey } = server
    const client = clientFor({ endpoint, accessKey, secretKey, region: 'us-west-2' })
    const storage = new S3Storage({ client, bucketName: 'media' })
    await expect(storage.stat('a')).rejects.toThrow(
      'did not say why: check the keys of the "client", and the region of the "client" (the bucket is in eu-central-1).',
    )
  })

  it('whose own middleware fails gives that error as the cause', async () => {
    const client = new S3Client({ region: 'us-east-1', ...keys })
    const own = new RangeError('of the middleware')
    client.middlewareStack.add(() => () => Promise.reject(own), { step: 'finalizeRequest' })
    await expect(new S3Storage({ client, bucketName: 'media' }).stat('a')).rejects.toMatchObject({
      name: 'StorageError',
      cause: own,
    })
  })

  it('is checked when it is given', () => {
    const options = { client: { send: 'it' }, bucketName: 'media' } as never
    expect(() => new S3Storage(options)).toThrow('must be a client of the AWS SDK v3')
  })
})

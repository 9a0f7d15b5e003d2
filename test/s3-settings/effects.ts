import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { expect } from 'vitest'
import type { S3Storage, S3StorageOptions } from '../../src/s3.ts'
import { pem, type Stage } from './stage.ts'

/** The ways in which a setting can be given. */
export type Way = 'constructor' | 'configuration' | 'environment'

/** How the effect of an option is seen. */
export interface Effect {
  /** The option, and those without which it means nothing. */
  given(stage: Stage): S3StorageOptions | Promise<S3StorageOptions>
  /** What the constructor gets in any case, beside endpoint, keys and bucket. */
  readonly base?: S3StorageOptions
  /** Whether the service is behind TLS. */
  readonly tls?: true
  /** Of these the base has none. */
  readonly without?: readonly (keyof S3StorageOptions)[]
  /** Further variables of the environment. */
  environment?(): Promise<Record<string, string>>
  /** Fails when the effect is not there, as it is not without the option. */
  check(storage: S3Storage, stage: Stage): Promise<void>
  /** Why the effect is there without the option, too: it is the default. */
  readonly always?: string
}

const keys = ['accessKey', 'secretKey'] as const
/** Of a second account, and of temporary keys. */
export const accounts = [
  { accessKey: 'AKIASECOND', secretKey: 'second-secret', id: 'second' },
  {
    accessKey: 'ASIATEMPORARY',
    secretKey: 'temporary-secret',
    id: 'test',
    sessionToken: 'temporary-token',
  },
]
const [second, temporary] = accounts as [(typeof accounts)[0], (typeof accounts)[1]]

const css = 'a{color:red}\n'.repeat(100)
const cloudfrontKey = `-----BEGIN EC PRIVATE KEY-----
MHcCAQEEIIrYSSNQFaA2Hwf1duRSxKtLYX5CB04fSeQ6tF1aY/PuoAoGCCqGSM49
AwEHoUQDQgAEPR3tU2Fta9ktY+6P9G0cWO+0kETA6SFs38GecTyudlHz6xvCdz8q
EKTcWGekdmdDPsHloRNtsiCa697B2O9IFA==
-----END EC PRIVATE KEY-----`
const domain = { customDomain: 'cdn.example.com' }
let buckets = 0

async function savedHeader(storage: S3Storage, stage: Stage, header: string): Promise<unknown> {
  await storage.save('a.txt', 'content')
  return stage.last('PUT').headers[header]
}

async function* twentyMiB(): AsyncGenerator<Uint8Array> {
  for (let i = 0; i < 20; i++) yield new Uint8Array(1024 * 1024)
}

async function largestPart(storage: S3Storage, stage: Stage): Promise<number> {
  stage.seen.length = 0
  await storage.save('large.bin', twentyMiB())
  return Math.max(...stage.seen.map(({ body }) => body.byteLength))
}

async function profileFile(): Promise<Record<string, string>> {
  const file = join(await mkdtemp(join(tmpdir(), 'stowage-profile-')), 'credentials')
  const { accessKey, secretKey } = second
  await writeFile(
    file,
    `[work]\naws_access_key_id = ${accessKey}\naws_secret_access_key = ${secretKey}\n`,
  )
  return { AWS_SHARED_CREDENTIALS_FILE: file }
}

/** What a storage gets beside `given`: that without which there is no service to be asked. */
export function baseOf(
  { base, tls, without = [] }: Effect,
  given: object,
  stage: Stage,
): S3StorageOptions {
  const { accessKey, secretKey } = stage.server
  const all: Record<string, unknown> = {
    endpointUrl: tls === true ? stage.tlsEndpoint : stage.endpoint,
    accessKey,
    secretKey,
    bucketName: 'media',
    retries: { maxAttempts: 2, baseDelay: 1 },
    ...base,
  }
  for (const name of [...without, ...Object.keys(given)]) delete all[name]
  return all
}

/** One for each option of `S3Storage`: what it does, seen from outside. */
export const effects: Readonly<Record<string, Effect>> = {
  accessKey: {
    without: keys,
    given: () => ({ accessKey: second.accessKey, secretKey: second.secretKey }),
    async check(storage, stage) {
      await storage.exists('a.txt').catch(() => undefined)
      expect(stage.last('HEAD').headers.authorization).toContain(`Credential=${second.accessKey}/`)
    },
  },
  secretKey: {
    without: keys,
    given: () => ({ accessKey: second.accessKey, secretKey: 'wrong' }),
    async check(storage) {
      // The right key with a wrong secret: it is the secret that signs.
      await expect(storage.listdir('')).rejects.toMatchObject({
        name: 'PermissionDeniedError',
        message: expect.stringContaining('signature is wrong'),
      })
    },
  },
  securityToken: {
    without: keys,
    given: () => ({
      accessKey: temporary.accessKey,
      secretKey: temporary.secretKey,
      securityToken: 'temporary-token',
    }),
    async check(storage, stage) {
      await storage.listdir('')
      expect(stage.last('GET').headers['x-amz-security-token']).toBe('temporary-token')
    },
  },
  sessionProfile: {
    without: keys,
    given: () => ({ sessionProfile: 'work' }),
    environment: profileFile,
    async check(storage, stage) {
      await storage.exists('a.txt').catch(() => undefined)
      expect(stage.last('HEAD').headers.authorization).toContain(`Credential=${second.accessKey}/`)
    },
  },
  credentials: {
    without: keys,
    given: () => ({ credentials: async () => second }),
    async check(storage, stage) {
      await storage.exists('a.txt').catch(() => undefined)
      expect(stage.last('HEAD').headers.authorization).toContain(`Credential=${second.accessKey}/`)
    },
  },
  bucketName: {
    without: ['bucketName'],
    given: () => ({ bucketName: 'other' }),
    async check(storage, stage) {
      await storage.save('a.txt', 'content')
      expect(stage.last('PUT').path).toBe('/other/a.txt')
    },
  },
  regionName: {
    given: () => ({ regionName: 'eu-central-1' }),
    async check(storage, stage) {
      stage.seen.length = 0
      await storage.listdir('')
      // The embedded server names its own region; what was signed first is the setting's.
      expect(stage.seen[0]?.headers.authorization).toContain('/eu-central-1/s3/')
    },
  },
  endpointUrl: {
    without: ['endpointUrl'],
    // Without the option: nowhere, rather than to AWS.
    base: { regionName: 'us-east-1', proxies: { https: 'http://127.0.0.1:9' } },
    given: ({ endpoint }) => ({ endpointUrl: `${endpoint}` }),
    async check(storage, stage) {
      stage.seen.length = 0
      await storage.listdir('')
      expect(stage.seen).toHaveLength(1)
    },
  },
  addressingStyle: {
    base: { endpointUrl: 'http://s3.example.com:9000' },
    given: () => ({ addressingStyle: 'virtual' }),
    async check(storage) {
      expect(await storage.url('a')).toMatch(/^http:\/\/media\.s3\.example\.com:9000\/a\?/)
    },
  },
  signatureVersion: {
    given: () => ({ signatureVersion: 's3v4' }),
    always: 'this engine signs with version 4 alone, and refuses others',
    async check(storage, stage) {
      await storage.listdir('')
      expect(stage.last('GET').headers.authorization).toMatch(/^AWS4-HMAC-SHA256 /)
    },
  },
  useSsl: {
    without: ['endpointUrl'],
    base: { regionName: 'eu-west-1' },
    given: () => ({ useSsl: false }),
    async check(storage) {
      expect(await storage.url('a')).toMatch(/^http:\/\/media\.s3\.eu-west-1\.amazonaws\.com\/a\?/)
    },
  },
  verify: {
    tls: true,
    given: () => ({ verify: pem('ca') }),
    async check(storage, stage) {
      stage.seen.length = 0
      await storage.listdir('')
      expect(stage.seen).toHaveLength(1)
    },
  },
  clientCertificate: {
    tls: true,
    base: { verify: false },
    given: () => ({ clientCertificate: { cert: pem('client'), key: pem('client-key') } }),
    async check(storage, stage) {
      await storage.listdir('')
      expect(stage.last('GET').peer).toBe('client')
    },
  },
  proxies: {
    base: { endpointUrl: 'http://s3.test', regionName: 'us-east-1' },
    given: ({ endpoint }) => ({ proxies: { http: endpoint } }),
    async check(storage, stage) {
      stage.seen.length = 0
      await storage.listdir('').catch(() => undefined)
      expect(stage.last('CONNECT').path).toBe('s3.test:80')
    },
  },
  profile: {
    given: () => ({ profile: 'r2' }),
    async check(storage) {
      // R2 has no ACLs, so asking for one is refused before any request.
      await expect(storage.save('a', 'x', { acl: 'private' })).rejects.toMatchObject({
        name: 'UnsupportedError',
      })
    },
  },
  checksumAlgorithm: {
    given: () => ({ checksumAlgorithm: 'SHA256' }),
    async check(storage, stage) {
      expect(await savedHeader(storage, stage, 'x-amz-checksum-sha256')).toBe(
        '7XACtDnprIRfIjV9giusFERzD722AW0+yUMil7nsn3M=',
      )
    },
  },
  retries: {
    given: () => ({ retries: { maxAttempts: 1 } }),
    base: { retries: { baseDelay: 1 } },
    async check(storage, stage) {
      stage.server.failNext({ status: 503 })
      await expect(storage.listdir('')).rejects.toMatchObject({ name: 'UnavailableError' })
    },
  },
  timeouts: {
    given: () => ({ timeouts: { headers: 50 } }),
    base: { retries: { maxAttempts: 1 } },
    async check(storage, stage) {
      stage.server.failNext({ delay: 1000 })
      await expect(storage.listdir('')).rejects.toMatchObject({
        name: 'UnavailableError',
        message: expect.stringContaining('no answer in time'),
      })
    },
  },
  defaultAcl: {
    given: () => ({ defaultAcl: 'public-read' }),
    async check(storage, stage) {
      await storage.save('public.txt', 'for all')
      const plain = await fetch(`${stage.endpoint}/media/public.txt`)
      await storage.delete('public.txt')
      expect([plain.status, await plain.text()]).toEqual([200, 'for all'])
    },
  },
  bucketAcl: {
    without: ['bucketName'],
    base: { autoCreateBucket: true },
    given: () => ({ bucketName: `listed-${buckets++}`, bucketAcl: 'public-read' }),
    async check(storage, stage) {
      await storage.listdir('')
      const { path } = stage.last('GET')
      const plain = await fetch(`${stage.endpoint}${path}?list-type=2`)
      expect([plain.status, await plain.text()]).toEqual([
        200,
        expect.stringContaining('<ListBucketResult'),
      ])
    },
  },
  autoCreateBucket: {
    base: { bucketName: 'not-there' },
    given: () => ({ bucketName: `made-${buckets++}`, autoCreateBucket: true }),
    async check(storage) {
      expect(await storage.save('a.txt', 'content')).toBe('a.txt')
    },
  },
  encryption: {
    given: () => ({ encryption: true }),
    async check(storage, stage) {
      const header = await savedHeader(storage, stage, 'x-amz-server-side-encryption')
      expect(header).toBe('AES256')
    },
  },
  objectParameters: {
    given: () => ({ objectParameters: { CacheControl: 'max-age=86400' } }),
    async check(storage) {
      await storage.save('a.txt', 'content')
      expect((await storage.stat('a.txt')).cacheControl).toBe('max-age=86400')
    },
  },
  headers: {
    given: () => ({ headers: { 'Cache-Control': 'max-age=86400' } }),
    async check(storage) {
      await storage.save('a.txt', 'content')
      expect((await storage.stat('a.txt')).cacheControl).toBe('max-age=86400')
    },
  },
  querystringAuth: {
    given: () => ({ querystringAuth: false }),
    async check(storage, stage) {
      expect(await storage.url('a b.txt')).toBe(`${stage.endpoint}/media/a%20b.txt`)
    },
  },
  querystringExpire: {
    given: () => ({ querystringExpire: 60 }),
    async check(storage) {
      expect(await storage.url('a')).toContain('&X-Amz-Expires=60&')
    },
  },
  fileOverwrite: {
    given: () => ({ fileOverwrite: false }),
    async check(storage) {
      await storage.save('taken.txt', 'first')
      expect(await storage.save('taken.txt', 'second')).toMatch(/^taken_[A-Za-z0-9]{7}\.txt$/)
    },
  },
  location: {
    given: () => ({ location: 'uploads/2026' }),
    async check(storage, stage) {
      await storage.save('a.txt', 'content')
      expect(stage.last('PUT').path).toBe('/media/uploads/2026/a.txt')
    },
  },
  customDomain: {
    given: () => ({ customDomain: 'cdn.example.com' }),
    async check(storage) {
      expect(await storage.url('a b.txt')).toBe('https://cdn.example.com/a%20b.txt')
    },
  },
  urlProtocol: {
    base: domain,
    given: () => ({ urlProtocol: 'http:' }),
    async check(storage) {
      expect(await storage.url('a')).toBe('http://cdn.example.com/a')
    },
  },
  cloudfrontKeyId: {
    base: domain,
    given: () => ({ cloudfrontKeyId: 'K2JCJMDEHXQW5F', cloudfrontKey }),
    async check(storage) {
      expect(await storage.url('a')).toMatch(/&Key-Pair-Id=K2JCJMDEHXQW5F/)
    },
  },
  cloudfrontKey: {
    base: domain,
    given: () => ({ cloudfrontKeyId: 'K2JCJMDEHXQW5F', cloudfrontKey }),
    async check(storage) {
      expect(await storage.url('a')).toMatch(/[?&]Signature=[\w~-]+/)
    },
  },
  cloudfrontSigner: {
    base: domain,
    given: () => ({ cloudfrontSigner: (url: string) => `${url}?signed` }),
    async check(storage) {
      expect(await storage.url('a')).toBe('https://cdn.example.com/a?signed')
    },
  },
  gzip: {
    given: () => ({ gzip: true }),
    async check(storage, stage) {
      await storage.save('site.css', css)
      const { headers, body } = stage.last('PUT')
      expect(headers['content-encoding']).toBe('gzip')
      expect(headers['content-length']).toBe(String(body.byteLength))
      expect(gunzipSync(body).toString()).toBe(css)
    },
  },
  gzipContentTypes: {
    base: { gzip: true },
    given: () => ({ gzipContentTypes: ['text/plain'] }),
    async check(storage, stage) {
      expect(await savedHeader(storage, stage, 'content-encoding')).toBe('gzip')
    },
  },
  contentEncodingFromName: {
    given: () => ({ contentEncodingFromName: true }),
    async check(storage) {
      await storage.save('archive.tar.gz', 'content')
      const { contentEncoding, contentType } = await storage.stat('archive.tar.gz')
      expect([contentType, contentEncoding]).toEqual(['application/x-tar', 'gzip'])
    },
  },
  maxMemorySize: {
    given: () => ({ maxMemorySize: 10 * 1024 * 1024 }),
    async check(storage, stage) {
      expect(await largestPart(storage, stage)).toBe(5 * 1024 * 1024)
    },
  },
  transferConfig: {
    given: () => ({ transferConfig: { partSize: 6 * 1024 * 1024 } }),
    async check(storage, stage) {
      expect(await largestPart(storage, stage)).toBe(6 * 1024 * 1024)
    },
  },
  maxNameLength: {
    given: () => ({ maxNameLength: 12 }),
    async check(storage) {
      expect(await storage.save('a-long-name.txt', 'content')).toBe('a-long-n.txt')
    },
  },
}

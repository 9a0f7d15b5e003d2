import { inspect } from 'node:util'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { isStorageError } from '../../src/index.ts'
import type { S3Storage, S3StorageOptions } from '../../src/s3.ts'
import { FaultProxy } from '../../src/testing/fault-proxy/fault-proxy.ts'
import type { ProxiedRequest, ProxyFault } from '../../src/testing/fault-proxy/proxy-fault.ts'
import { S3Server } from '../../src/testing/s3-server/s3-server.ts'
import { CarelessService } from './careless-service.ts'

/** Where a storage under test goes, and with which keys. */
export interface Place {
  readonly endpoint: string
  readonly accessKey: string
  readonly secretKey: string
  /** Default us-east-1. */
  readonly region?: string | undefined
}

/** Options that every engine takes. */
export type CommonOptions = Pick<
  S3StorageOptions,
  | 'bucketName'
  | 'fileOverwrite'
  | 'objectParameters'
  | 'querystringAuth'
  | 'transferConfig'
  | 'profile'
  | 'autoCreateBucket'
  | 'location'
>

type Connect = (place: Place, options: CommonOptions) => S3Storage
type Decide = (request: ProxiedRequest) => ProxyFault | undefined

const MiB = 1024 ** 2
const parts = { partSize: 5 * MiB, multipartThreshold: 5 * MiB }
const large = Uint8Array.from({ length: 6 * MiB }, (_, index) => index % 251)
const lost: ProxyFault = { kind: 'cut', at: 'answer', how: 'reset' }

/**
 * What an SDK leaves undone and our engine over it makes good: on real sockets, with a proxy that
 * does what networks do. `retries` says how often the SDK itself makes a request.
 */
export function testSdkEngine(connect: Connect): void {
  let server: S3Server
  let proxy: FaultProxy

  beforeEach(async () => {
    server = await S3Server.start({ buckets: ['media'] })
    proxy = await FaultProxy.start({ target: server.endpoint })
  })

  afterEach(async () => {
    await proxy.close()
    await server.close()
  })

  function through(next: Decide, options: CommonOptions = {}): S3Storage {
    proxy.begin({ seed: 0, next })
    const place = { ...placeOf(server), endpoint: proxy.endpoint }
    return connect(place, { bucketName: 'media', transferConfig: parts, ...options })
  }

  function direct(options: CommonOptions = {}, place: Partial<Place> = {}): S3Storage {
    return connect({ ...placeOf(server), ...place }, { bucketName: 'media', ...options })
  }

  describe('an answer that is lost', () => {
    it('of a save without overwriting is no conflict with what that save did', async () => {
      const storage = through(first(1, lost, isPut), { fileOverwrite: false })
      expect(await storage.save('a.txt', 'mine')).toBe('a.txt')
      expect((await storage.listdir(''))[1]).toEqual(['a.txt'])
      expect(proxy.story).toHaveLength(1)
    })

    it('does not make the file of another ours', async () => {
      await direct().save('a.txt', 'theirs')
      const cut: ProxyFault = { kind: 'cut', at: 'before', how: 'reset' }
      const storage = through(first(1, cut, isPut), { fileOverwrite: false })
      expect(await storage.save('a.txt', 'mine')).toMatch(/^a_\w{7}\.txt$/)
      expect(await (await storage.file('a.txt')).text()).toBe('theirs')
    })

    it('of the beginning of an upload leaves no other upload behind', async () => {
      const isCreate = ({ method, path }: ProxiedRequest): boolean =>
        method === 'POST' && /[?&]uploads\b/.test(path)
      const storage = through(first(1, lost, isCreate))
      await storage.save('a.bin', large)
      expect([proxy.story.length, server.openUploads()]).toEqual([1, 0])
    })

    it('of the end of an upload leaves the file stored', async () => {
      const isComplete = ({ method, path }: ProxiedRequest): boolean =>
        method === 'POST' && path.includes('uploadId=')
      const storage = through(first(1, lost, isComplete), { fileOverwrite: false })
      expect(await storage.save('a.bin', large)).toBe('a.bin')
      expect((await storage.stat('a.bin')).size).toBe(large.byteLength)
      expect([proxy.story.length, server.openUploads()]).toEqual([1, 0])
    })
  })

  describe('a body that breaks off', () => {
    it('is taken up at the byte where it broke, in the same version', async () => {
      await direct({ transferConfig: parts }).save('a.bin', large)
      const cut: ProxyFault = { kind: 'cut', at: 'answer-body', how: 'reset' }
      const isWhole = ({ method, index }: ProxiedRequest): boolean => method === 'GET' && index > 0
      const storage = through(first(2, cut, isWhole))
      const bytes = await (await storage.file('a.bin')).bytes()
      expect(Buffer.compare(bytes, large)).toBe(0)
      expect(proxy.story.length).toBeGreaterThan(0)
    })

    it('is not taken up in another version by a service that ignores conditions', async () => {
      await using service = await CarelessService.start()
      const storage = direct({}, { endpoint: service.endpoint })
      const file = await storage.file('a.bin')
      await expect(file.bytes()).rejects.toMatchObject({ name: 'FileChangedError' })
    })
  })

  describe('content that is sent while it is read', () => {
    // Ceph's profile: a large save without overwriting goes out with one conditional request.
    const options = { fileOverwrite: false, profile: 'ceph' } as const

    it('is sent again when it can be read again', async () => {
      // Of a body with trailers the length is not told.
      const isLarge = ({ method, size = large.byteLength }: ProxiedRequest): boolean =>
        method === 'PUT' && size > MiB
      const cut: ProxyFault = { kind: 'cut', at: 'request-body', how: 'reset' }
      const storage = through(first(1, cut, isLarge), options)
      expect(await storage.save('a.bin', new Blob([large]))).toBe('a.bin')
      expect(Buffer.compare(await (await storage.file('a.bin')).bytes(), large)).toBe(0)
      expect(proxy.story).toHaveLength(1)
    })

    it('is no conflict with itself when the answer is lost', async () => {
      const isLarge = ({ method, size = large.byteLength }: ProxiedRequest): boolean =>
        method === 'PUT' && size > MiB
      const storage = through(first(1, lost, isLarge), options)
      expect(await storage.save('a.bin', new Blob([large]))).toBe('a.bin')
      expect((await storage.listdir(''))[1]).toEqual(['a.bin'])
      expect(proxy.story).toHaveLength(1)
    })

    it('gives way to a file that is there', async () => {
      const storage = direct({ ...options, transferConfig: parts })
      await storage.save('a.bin', 'there')
      expect(await storage.save('a.bin', new Blob([large]))).toMatch(/^a_\w{7}\.bin$/)
      expect(await (await storage.file('a.bin')).text()).toBe('there')
    })
  })

  describe('copies', () => {
    it('go by parts where they are too large for one request, with type, metadata and tags', async () => {
      const objectParameters = { Tagging: 'a=b&c=d%20e', ContentLanguage: 'de' }
      const transferConfig = { ...parts, copyThreshold: 5 * MiB }
      const storage = direct({ objectParameters, transferConfig })
      const metadata = { author: 'Zoë' }
      await storage.save('a.bin', large, { contentType: 'image/x-special', metadata })
      await storage.copy('a.bin', 'b.bin', {})
      expect(await storage.stat('b.bin')).toMatchObject({
        size: large.byteLength,
        contentType: 'image/x-special',
        metadata,
      })
      const { requests } = server
      expect(requests.some(({ path }) => path.includes('b.bin?partNumber=2'))).toBe(true)
      const plain = await fetch(await storage.url('b.bin'))
      expect(plain.headers.get('x-amz-tagging-count')).toBe('2')
      expect(plain.headers.get('content-language')).toBe('de')
      await plain.body?.cancel()
    })
  })

  describe('keys that cannot be deleted', () => {
    it('are named, and the others are deleted', async () => {
      const storage = direct()
      for (const name of ['a', 'b', 'c']) await storage.save(name, name)
      server.failNext({
        match: { method: 'POST', path: /\?delete/ },
        status: 503,
        times: 20,
      })
      const failed = await storage.deleteMany(['a', 'b']).catch((error: unknown) => error)
      expect(failed).toMatchObject({ name: 'StorageError' })
      expect(isStorageError(failed) && failed.errors?.map(({ file }) => file)).toEqual(['a', 'b'])
    })
  })

  describe('a bucket', () => {
    it('that is missing is named, also where S3 answers a bare 404', async () => {
      const storage = direct({ bucketName: 'elsewhere' })
      const calls = [
        () => storage.stat('a'),
        () => storage.save('a', 'x'),
        () => storage.listdir(''),
      ]
      for (const call of calls)
        await expect(call()).rejects.toMatchObject({
          name: 'ImproperlyConfigured',
          setting: 'bucketName',
        })
    })

    it('is made at the first use when that is wanted', async () => {
      const storage = direct({ bucketName: 'made-here', autoCreateBucket: true })
      await storage.save('a', 'x')
      expect(await storage.exists('a')).toBe(true)
    })

    it('is made without a region that the service does not know', async () => {
      await using elsewhere = await S3Server.start({ profile: 'minimal', region: 'default' })
      const isBucket = /^\/made-here\/?(?:\?|$)/
      elsewhere.failNext({
        match: { method: 'PUT', path: isBucket },
        status: 400,
        code: 'InvalidLocationConstraint',
      })
      const options = { bucketName: 'made-here', autoCreateBucket: true }
      const storage = connect({ ...placeOf(elsewhere), region: 'default' }, options)
      expect(await storage.save('a', 'x')).toBe('a')
      const made = elsewhere.requests.filter(
        ({ method, path }) => method === 'PUT' && isBucket.test(path),
      )
      expect(made.map(({ status }) => status)).toEqual([400, 200])
    })
  })

  describe('a form for an upload', () => {
    it('is signed with the same keys', async () => {
      const storage = direct({ location: 'uploads' })
      const { url, fields } = await storage.postForm('a.txt')
      const form = new FormData()
      for (const [name, value] of Object.entries(fields)) form.append(name, value)
      form.append('file', new Blob(['posted']))
      const { status } = await fetch(url, { method: 'POST', body: form })
      expect(status).toBe(204)
      expect(await (await storage.file('a.txt')).text()).toBe('posted')
    })
  })

  describe('a customer’s key', () => {
    it('stands in no URL, which works with the headers that it is signed for', async () => {
      const key = '0123456789abcdef0123456789abcdef'
      const storage = direct({ objectParameters: { SSECustomerKey: key } })
      await storage.save('sealed.txt', 'under my key')
      const headers = {
        'x-amz-server-side-encryption-customer-algorithm': 'AES256',
        'x-amz-server-side-encryption-customer-key': btoa(key),
        'x-amz-server-side-encryption-customer-key-md5': 'hRasmdxgYDKV3nvbahU1MA==',
      }
      const url = await storage.url('sealed.txt')
      expect(decodeURIComponent(url)).not.toContain(btoa(key))
      expect((await fetch(url)).ok).toBe(false)
      expect(await (await fetch(url, { headers })).text()).toBe('under my key')
    })
  })

  describe('plain URLs', () => {
    it('have no signature', async () => {
      const storage = direct({ querystringAuth: false })
      expect(await storage.url('ä b.txt')).toBe(`${server.endpoint}/media/%C3%A4%20b.txt`)
    })
  })

  describe('errors', () => {
    it('of the service are told by kind, with the error of the SDK as their cause', async () => {
      const error = await direct()
        .open('missing')
        .catch((thrown: unknown) => thrown)
      expect(error).toMatchObject({ name: 'FileNotFoundError', file: 'missing' })
      expect((error as Error).cause).toMatchObject({ name: 'NoSuchKey' })
    })

    it('of a service that is down say so, and how often it was asked', async () => {
      server.failNext({ status: 503, times: 100 })
      const error = await direct()
        .stat('a')
        .catch((thrown: unknown) => thrown)
      expect(error).toMatchObject({ name: 'UnavailableError', retryable: true })
      expect(error).toMatchObject({ attempts: 3 })
    })

    it('of a service that is not there say what to look at', async () => {
      const storage = direct({}, { endpoint: 'http://127.0.0.1:9' })
      await expect(storage.stat('a')).rejects.toMatchObject({
        name: 'UnavailableError',
        message: expect.stringContaining('the connection was refused'),
      })
    })

    it('repeat no key, signature or what was signed', async () => {
      const secretKey = 'a-secret-that-nobody-may-see-1234'
      const calls = [
        () => direct({}, { secretKey }).listdir(''),
        () => direct({}, { secretKey }).save('a', 'x'),
        () => direct({}, { accessKey: 'AKIAUNKNOWN000000000', secretKey }).listdir(''),
      ]
      for (const call of calls) {
        const error = await call().catch((thrown: unknown) => thrown)
        expect(error).toMatchObject({ name: 'PermissionDeniedError' })
        const shown = inspect(error, { depth: 10, showHidden: true, getters: false })
        expect(shown).not.toMatch(/secret-that-nobody|StringToSign|CanonicalRequest|Signature=/)
        expect(shown).not.toMatch(/SignatureProvided|AKIA/)
      }
    })
  })
}

/** The fault, for the first so many requests that are meant. */
function first(
  count: number,
  fault: ProxyFault,
  isMeant: (request: ProxiedRequest) => boolean,
): Decide {
  let left = count
  return request => (isMeant(request) && left-- > 0 ? fault : undefined)
}

function placeOf({ endpoint, accessKey, secretKey }: S3Server): Place {
  return { endpoint, accessKey, secretKey }
}

function isPut({ method }: ProxiedRequest): boolean {
  return method === 'PUT'
}

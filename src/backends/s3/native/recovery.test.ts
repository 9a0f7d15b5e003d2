import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { FaultProxy } from '../../../testing/fault-proxy/fault-proxy.ts'
import type { ProxiedRequest, ProxyFault } from '../../../testing/fault-proxy/proxy-fault.ts'
import { S3Server } from '../../../testing/s3-server/s3-server.ts'
import type { CredentialFunction } from '../credential-function.ts'
import type { S3StorageOptions } from '../options.ts'
import { S3Storage } from '../s3-storage.ts'

type Decide = (request: ProxiedRequest) => ProxyFault | undefined

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

/** A storage whose requests meet what `next` says; pauses are short. */
function connect(next: Decide = () => undefined, options: S3StorageOptions = {}): S3Storage {
  proxy.begin({ seed: 0, next })
  return new S3Storage({
    endpointUrl: proxy.endpoint,
    accessKey: server.accessKey,
    secretKey: server.secretKey,
    bucketName: 'media',
    retries: { baseDelay: 1 },
    ...options,
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

const lost: ProxyFault = { kind: 'cut', at: 'answer', how: 'reset' }
const isPut = ({ method }: ProxiedRequest): boolean => method === 'PUT'
const large = new Uint8Array(9 * 1024 * 1024).fill(7)

describe('an answer that is lost', () => {
  it('of a save without overwriting is no conflict with what that save did', async () => {
    const storage = connect(first(1, lost, isPut), { fileOverwrite: false })
    expect(await storage.save('a.txt', 'mine')).toBe('a.txt')
    expect((await storage.listdir(''))[1]).toEqual(['a.txt'])
    expect(proxy.story).toHaveLength(1)
  })

  it('of a save under a version leaves that save done', async () => {
    const storage = connect(first(1, lost, ({ index }) => index === 2))
    await storage.save('a.txt', 'old')
    const { etag = '' } = await storage.stat('a.txt')
    expect(await storage.save('a.txt', 'new', { ifMatch: etag })).toBe('a.txt')
    expect(proxy.story).toHaveLength(1)
  })

  it('does not make the file of another ours', async () => {
    const other = connect()
    await other.save('a.txt', 'theirs')
    // Nothing was carried out, and nobody knows that.
    const cut: ProxyFault = { kind: 'cut', at: 'before', how: 'reset' }
    const storage = connect(first(1, cut, isPut), { fileOverwrite: false })
    expect(await storage.save('a.txt', 'mine')).toMatch(/^a_\w{7}\.txt$/)
    expect(await (await storage.file('a.txt')).text()).toBe('theirs')
  })

  it('of the end of an upload leaves the file stored', async () => {
    const isComplete = ({ method, path }: ProxiedRequest): boolean =>
      method === 'POST' && path.includes('uploadId=')
    const storage = connect(first(1, lost, isComplete), { fileOverwrite: false })
    expect(await storage.save('a.bin', large)).toBe('a.bin')
    expect((await storage.stat('a.bin')).size).toBe(large.byteLength)
    expect([proxy.story.length, server.openUploads()]).toEqual([1, 0])
  })

  it('of the beginning of an upload leaves no other upload behind', async () => {
    const isCreate = ({ path }: ProxiedRequest): boolean => path.includes('uploads=')
    const storage = connect(
      first(2, lost, request => request.method === 'POST' && isCreate(request)),
    )
    await storage.save('a.bin', large)
    expect([proxy.story.length, server.openUploads()]).toEqual([2, 0])
  })

  it('of a deletion, a copy and a move leaves them done', async () => {
    const storage = connect()
    for (const name of ['a', 'b', 'c']) await storage.save(name, name)
    proxy.begin({ seed: 0, next: first(1, lost, ({ method }) => method === 'DELETE') })
    await storage.delete('a')
    proxy.begin({ seed: 0, next: first(1, lost, isPut) })
    await storage.copy('b', 'd')
    proxy.begin({ seed: 0, next: first(1, lost, ({ method }) => method === 'DELETE') })
    await storage.move('c', 'e')
    expect((await storage.listdir(''))[1]).toEqual(['b', 'd', 'e'])
  })
})

describe('a caller that leaves', () => {
  const left = new Error('left')
  const transferConfig = { copyThreshold: 5 * 1024 * 1024 }
  /** Long enough that the caller is gone before the answer is there. */
  const late: ProxyFault = { kind: 'slow', delay: 500, pieces: 1 }
  const isCreate = ({ method, path }: ProxiedRequest): boolean =>
    method === 'POST' && path.includes('?uploads=')
  const isLook = ({ method, path }: ProxiedRequest): boolean =>
    method === 'GET' && path.includes('uploads=')

  /** The work on a storage whose caller leaves once an upload is open, and before it hears of it. */
  async function leaving(
    isMeant: (request: ProxiedRequest) => boolean,
    work: (storage: S3Storage, signal: AbortSignal) => Promise<unknown>,
    options: S3StorageOptions = {},
  ): Promise<void> {
    const caller = new AbortController()
    const leave = (): unknown =>
      server.openUploads() > 0 ? caller.abort(left) : setImmediate(leave)
    const next: Decide = request => {
      if (!isMeant(request)) return undefined
      leave()
      return late
    }
    await expect(work(connect(next, options), caller.signal)).rejects.toBe(left)
    await expect.poll(() => server.openUploads(), { timeout: 10_000 }).toBe(0)
  }

  it('while an upload begins leaves no upload behind', () =>
    leaving(isCreate, (storage, signal) => storage.save('a.bin', large, { signal })))

  it('while an upload of copies begins leaves no upload behind', async () => {
    await connect().save('a.bin', large)
    const options = { transferConfig }
    await leaving(
      isCreate,
      (storage, signal) => storage.copy('a.bin', 'b.bin', { signal }),
      options,
    )
  })

  it('while it is found out which upload began first leaves none behind', async () => {
    const save = (storage: S3Storage, signal: AbortSignal): Promise<unknown> =>
      storage.save('a.bin', new Response(large).body ?? '', { signal })
    await leaving(isLook, save, { profile: 'aws', fileOverwrite: false })
  })
})

describe('a stream that goes to its name by way of a temporary key', () => {
  it('leaves nothing there when all answers to the end of its upload are lost', async () => {
    const isComplete = ({ method, path }: ProxiedRequest): boolean =>
      method === 'POST' && path.includes('uploadId=')
    const options: S3StorageOptions = { profile: 'ceph', fileOverwrite: false, location: 'site' }
    const storage = connect(request => (isComplete(request) ? lost : undefined), options)
    const saving = storage.save('a.bin', new Response(large).body ?? '')
    await expect(saving).rejects.toMatchObject({ name: 'UnavailableError' })
    const found: string[] = []
    // Temporary keys of the location are files for whoever looks from outside of it.
    for await (const { name } of connect().list('', { recursive: true })) found.push(name)
    expect([found, server.openUploads()]).toEqual([[], 0])
  })
})

describe('a content that is read from the same storage while it is sent', () => {
  it.each(['stream', 'stored file'])('is saved by one request at a time, too (%s)', async kind => {
    // On such a service large contents go out with one request, which is begun before they are read.
    const transferConfig = { maxRequests: 1 }
    const storage = connect(undefined, { profile: 'ceph', fileOverwrite: false, transferConfig })
    await connect().save('source', large)
    const stream = new Response(large).body ?? ''
    await storage.save('a.bin', kind === 'stream' ? stream : await storage.file('source'))
    expect(Buffer.compare(await (await storage.file('a.bin')).bytes(), large)).toBe(0)
  })
})

describe('a failure that stays', () => {
  it('ends after the attempts, and says how many there were', async () => {
    const down: ProxyFault = { kind: 'answer', status: 500 }
    const storage = connect(() => down, { retries: { baseDelay: 1, maxAttempts: 3 } })
    await expect(storage.stat('a')).rejects.toMatchObject({
      name: 'UnavailableError',
      attempts: 3,
      retryable: true,
      message: expect.stringContaining('after 3 attempts'),
    })
    expect(proxy.requests).toBe(3)
  })

  it('is not waited for longer than anybody waits', async () => {
    const busy: ProxyFault = { kind: 'answer', status: 503, retryAfter: 3600 }
    const storage = connect(() => busy)
    await expect(storage.stat('a')).rejects.toMatchObject({ retryAfter: 3600, attempts: 1 })
    expect(proxy.requests).toBe(1)
  })

  it('costs a storage no more than its budget', async () => {
    const down: ProxyFault = { kind: 'answer', status: 500 }
    const storage = connect(() => down)
    const saves = Array.from({ length: 200 }, (_, index) => storage.save(`f${index}`, 'x'))
    const results = await Promise.allSettled(saves)
    expect(results.every(({ status }) => status === 'rejected')).toBe(true)
    expect(proxy.requests).toBe(300)
  })

  it('of a kind that does not pass is not tried again', async () => {
    const storage = connect(() => ({ kind: 'answer', status: 403, code: 'AccessDenied' }))
    await expect(storage.stat('a')).rejects.toMatchObject({ name: 'PermissionDeniedError' })
    expect(proxy.requests).toBeLessThanOrEqual(1)
  })
})

describe('a connection that the service closed while it was idle', () => {
  it.each(['reset', 'half-close'] as const)('costs no attempt (%s)', async how => {
    const storage = connect(() => ({ kind: 'close-idle', how }), { retries: { maxAttempts: 1 } })
    for (let i = 0; i < 20; i++) await storage.save(`f${i}`, 'x')
    expect((await storage.listdir(''))[1]).toHaveLength(20)
  })
})

describe('bytes that are spoilt on their way', () => {
  it('to the service are sent again', async () => {
    const spoil: ProxyFault = { kind: 'corrupt', at: 'request-body' }
    const storage = connect(first(2, spoil, isPut), { profile: 'aws' })
    await storage.save('a.bin', large)
    expect(Buffer.compare(await (await storage.file('a.bin')).bytes(), large)).toBe(0)
    expect(proxy.story).toHaveLength(2)
  })

  it('from the service are asked for again, as long as nobody has them', async () => {
    const storage = connect(undefined, { profile: 'aws' })
    await storage.save('a.txt', 'some text')
    const spoil: ProxyFault = { kind: 'corrupt', at: 'answer-body' }
    proxy.begin({ seed: 0, next: first(1, spoil, ({ method }) => method === 'GET') })
    expect(await (await storage.file('a.txt')).text()).toBe('some text')
    expect(proxy.story).toHaveLength(1)
  })

  it.each(['CRC32', 'SHA256'] as const)('are found in a file that is streamed (%s)', async sum => {
    const storage = connect(undefined, { profile: 'aws', checksumAlgorithm: sum })
    await storage.save('a.bin', large.subarray(0, 300_000))
    const spoil: ProxyFault = { kind: 'corrupt', at: 'answer-body' }
    proxy.begin({ seed: 0, next: first(1, spoil, ({ method }) => method === 'GET') })
    const stream = (await storage.file('a.bin')).stream()
    await expect(new Response(stream).arrayBuffer()).rejects.toMatchObject({
      name: 'IntegrityError',
    })
    expect(await (await storage.file('a.bin')).bytes()).toHaveLength(300_000)
  })

  it('from the service are an error when they stay so', async () => {
    const storage = connect(undefined, { profile: 'aws' })
    await storage.save('a.txt', 'some text')
    proxy.begin({ seed: 0, next: () => ({ kind: 'corrupt', at: 'answer-body' }) })
    const file = await storage.file('a.txt')
    await expect(file.bytes()).rejects.toMatchObject({ name: 'IntegrityError' })
  })

  it('are told by SHA-256 where that is asked for, in both directions', async () => {
    const spoil: ProxyFault = { kind: 'corrupt', at: 'request-body' }
    const storage = connect(first(1, spoil, isPut), { checksumAlgorithm: 'SHA256' })
    await storage.save('a.txt', 'some text')
    expect(await (await storage.file('a.txt')).text()).toBe('some text')
    const back: ProxyFault = { kind: 'corrupt', at: 'answer-body' }
    proxy.begin({ seed: 0, next: first(1, back, ({ method }) => method === 'GET') })
    expect(await (await storage.file('a.txt')).text()).toBe('some text')
    expect(proxy.story).toHaveLength(1)
  })
})

describe('a service that is elsewhere in place or time', () => {
  async function at(options: Parameters<typeof S3Server.start>[0]): Promise<S3Server> {
    await server.close()
    server = await S3Server.start({ buckets: ['media'], ...options })
    return server
  }

  function direct(options: S3StorageOptions = {}): S3Storage {
    const { endpoint: endpointUrl, accessKey, secretKey } = server
    return new S3Storage({ endpointUrl, accessKey, secretKey, bucketName: 'media', ...options })
  }

  it('names its region, which is remembered', async () => {
    await at({ region: 'eu-central-1' })
    const storage = direct({ regionName: 'us-east-1' })
    expect(await storage.exists('a.txt')).toBe(false)
    await storage.save('a.txt', 'x')
    const refused = server.requests.filter(({ status }) => status === 400)
    expect(refused.length).toBe(1)
    expect((await fetch(await storage.url('a.txt'))).status).toBe(200)
  })

  it.each([3_600_000, -3_600_000])('tells the time by its clock, %i ms off', async offset => {
    await at({ now: () => new Date(Date.now() + offset) })
    const storage = direct()
    expect(await storage.exists('a.txt')).toBe(false)
    await storage.save('a.txt', 'x')
    expect(server.requests.filter(({ status }) => status === 403)).toHaveLength(1)
    expect((await fetch(await storage.url('a.txt'))).status).toBe(200)
  })
})

describe('many requests that the service refuses for one reason', () => {
  const names = Array.from({ length: 20 }, (_, index) => `f${index}.txt`)

  /** All at once, on a storage that knows nothing of its service yet. */
  async function saveAll(options: S3StorageOptions & { credentials?: CredentialFunction }) {
    const { endpoint: endpointUrl } = server
    const storage = new S3Storage({ endpointUrl, bucketName: 'media', ...options })
    await Promise.all(names.map(name => storage.save(name, name)))
    expect((await storage.listdir(''))[1]).toHaveLength(names.length)
  }

  async function restart(options: Parameters<typeof S3Server.start>[0]): Promise<S3Server> {
    await server.close()
    server = await S3Server.start({ buckets: ['media'], ...options })
    return server
  }

  it('all go to the region that it names', async () => {
    const { accessKey, secretKey } = await restart({ region: 'eu-central-1' })
    await saveAll({ accessKey, secretKey, regionName: 'us-east-1' })
  })

  it('all go by its clock', async () => {
    const { accessKey, secretKey } = await restart({ now: () => new Date(Date.now() + 3_600_000) })
    await saveAll({ accessKey, secretKey })
  })

  it('all wait for the same new keys', async () => {
    const { accessKey, secretKey } = server
    const expired: ProxyFault = { kind: 'answer', status: 400, code: 'ExpiredToken' }
    const asked = new Set<string>()
    const next: Decide = ({ path }) => {
      if (asked.has(path) || path.includes('list-type')) return undefined
      asked.add(path)
      return expired
    }
    proxy.begin({ seed: 0, next })
    let calls = 0
    const credentials = async (): Promise<{ accessKey: string; secretKey: string }> => {
      calls++
      return { accessKey, secretKey }
    }
    await saveAll({ endpointUrl: proxy.endpoint, credentials })
    expect([proxy.story.length, calls]).toEqual([names.length, 2])
  })
})

describe('copies of objects that are too large for one request', () => {
  const transferConfig = { copyThreshold: 5 * 1024 * 1024 }

  it('go by parts, with type and metadata', async () => {
    const storage = connect(undefined, { transferConfig })
    const options = { contentType: 'video/mp4', metadata: { a: 'é' }, cacheControl: 'no-store' }
    await storage.save('a.mp4', large, options)
    await storage.copy('a.mp4', 'b.mp4')
    const { contentType, metadata, cacheControl, size } = await storage.stat('b.mp4')
    expect({ contentType, metadata, cacheControl, size }).toEqual({
      ...options,
      size: large.byteLength,
    })
    const { requests } = server
    expect(requests.filter(({ path }) => path.includes('b.mp4?partNumber='))).toHaveLength(2)
  })

  it.each<readonly ['aws' | 'r2', S3StorageOptions]>([
    ['aws', { profile: 'aws' }],
    ['aws', { profile: 'aws', checksumAlgorithm: 'SHA256' }],
    ['aws', { profile: 'generic', checksumAlgorithm: 'CRC32' }],
    ['r2', { profile: 'r2' }],
    ['r2', { profile: 'r2', checksumAlgorithm: 'SHA256' }],
  ])('go by parts with the checksums that the service (%s) wants: %o', async (profile, options) => {
    await server.close()
    server = await S3Server.start({ buckets: ['media'], profile })
    const { endpoint: endpointUrl, accessKey, secretKey } = server
    const place = { endpointUrl, accessKey, secretKey, bucketName: 'media' }
    const storage = new S3Storage({ ...place, transferConfig, ...options })
    await storage.save('a.bin', large)
    await storage.copy('a.bin', 'b.bin')
    expect(Buffer.compare(await (await storage.file('b.bin')).bytes(), large)).toBe(0)
  })

  it('leave no other upload behind when the answer to their beginning is lost', async () => {
    const isCreate = ({ path }: ProxiedRequest): boolean => path.includes('b.bin?uploads=')
    const storage = connect(first(1, lost, isCreate), { transferConfig })
    await storage.save('a.bin', large)
    await storage.copy('a.bin', 'b.bin')
    expect([proxy.story.length, server.openUploads()]).toEqual([1, 0])
  })

  it('leave no upload when they fail, and the source where it was', async () => {
    const denied: ProxyFault = { kind: 'answer', status: 403, code: 'AccessDenied' }
    const isCopy = ({ path }: ProxiedRequest): boolean => path.includes('b.mp4?partNumber=2')
    const storage = connect(first(9, denied, isCopy), { transferConfig })
    await storage.save('a.mp4', large)
    await expect(storage.move('a.mp4', 'b.mp4')).rejects.toMatchObject({
      name: 'PermissionDeniedError',
    })
    expect([(await storage.listdir(''))[1], server.openUploads()]).toEqual([['a.mp4'], 0])
  })
})

import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { FileSystemStorage } from '../backends/filesystem/filesystem-storage.ts'
import { MemoryStorage } from '../backends/memory/memory-storage.ts'
import { CredentialCache } from '../backends/s3/credential-cache.ts'
import type {
  Transport,
  TransportRequest,
  TransportResponse,
} from '../backends/s3/native/transport.ts'
import { S3Probe } from '../backends/s3/probe.ts'
import { offerProbe } from '../backends/s3/probe-offer.ts'
import { type ProviderName, profileOf } from '../backends/s3/profiles.ts'
import { resolveAddress } from '../backends/s3/url.ts'
import { configure } from '../config/active-configuration.ts'
import { defaultStorage } from '../config/registry.ts'
import { UnavailableError } from '../core/errors.ts'
import { settingsKey } from '../core/settings.ts'
import { S3Storage, type S3StorageOptions } from '../s3.ts'
import { ManifestStaticStorage } from '../static/manifest-static-storage.ts'
import { S3Server } from '../testing/s3-server/s3-server.ts'
import { diagnose } from './diagnose.ts'
import type { Check, Diagnosis, Step } from './diagnosis.ts'

type ServerOptions = NonNullable<Parameters<typeof S3Server.start>[0]>

let server: S3Server

beforeEach(async () => {
  server = await S3Server.start({ buckets: ['media'] })
})

afterEach(() => server.close())

async function restart(options: ServerOptions): Promise<void> {
  await server.close()
  server = await S3Server.start({ buckets: ['media'], ...options })
}

/** A transport that has no more than it needs. */
class FetchTransport implements Transport {
  async request(request: TransportRequest): Promise<TransportResponse> {
    const { method, origin, path, headers, body, signal = null } = request
    const list: [string, string][] = []
    for (let i = 0; i < headers.length; i += 2) list.push([headers[i] ?? '', headers[i + 1] ?? ''])
    const init = {
      method,
      headers: list,
      signal,
      body: body as Uint8Array<ArrayBuffer> | undefined,
    }
    const response = await fetch(origin + path, { ...init, body: init.body ?? null }).catch(
      cause => {
        throw new UnavailableError('The service cannot be reached.', { cause })
      },
    )
    const bytes = new Uint8Array(await response.arrayBuffer())
    return {
      status: response.status,
      header: name => response.headers.get(name) ?? undefined,
      headersWith: () => ({}),
      body: {
        bytes: async () => bytes,
        async *chunks() {
          yield bytes
        },
        cancel() {},
      },
    }
  }

  async close(): Promise<void> {}
}

/** A storage on the server, with a probe under the same options and a clock that may be wrong. */
function s3(options: S3StorageOptions & { clock?: number } = {}): S3Storage {
  const { clock = 0, ...given } = options
  const { endpoint: endpointUrl, accessKey, secretKey } = server
  const all = { endpointUrl, accessKey, secretKey, bucketName: 'media', ...given }
  const { bucketName = '' } = all
  const storage = new S3Storage(all)
  const keys = { accessKey: all.accessKey ?? '', secretKey: all.secretKey ?? '' }
  offerProbe(storage.backend, async () => {
    const setup = {
      bucketName,
      prefix: all.location === undefined ? '' : `${all.location}/`,
      profile: profileOf(all),
      defaultAcl: all.defaultAcl,
      credentials: new CredentialCache(async () => keys),
      transport: new FetchTransport(),
      locate: async (named: string | undefined) => {
        const regionName = named ?? all.regionName
        const { endpointUrl: url } = all
        const address = resolveAddress({
          bucketName,
          regionName,
          endpointUrl: url,
          addressingStyle: undefined,
          useSsl: true,
        })
        return { address, region: regionName ?? 'us-east-1' }
      },
    }
    return new S3Probe(setup, () => Date.now() + clock)
  })
  return storage
}

function found({ checks }: Diagnosis, step: Step): Check | undefined {
  return checks.find(check => check.step === step)
}

function outcomes({ checks }: Diagnosis): Record<string, string> {
  return Object.fromEntries(checks.map(({ step, outcome }) => [step, outcome]))
}

/** Keys and open uploads that are left on the server. */
async function left(): Promise<string[]> {
  const keys: string[] = []
  const storage = new S3Storage({
    endpointUrl: server.endpoint,
    accessKey: server.accessKey,
    secretKey: server.secretKey,
    bucketName: 'media',
  })
  for await (const { name } of storage.list('', { recursive: true })) keys.push(name)
  return [...keys, ...(server.openUploads() === 0 ? [] : ['uploads'])]
}

describe('the doctor, on S3', () => {
  it('finds nothing wrong with a storage that is right, and leaves nothing', async () => {
    const seen: Step[] = []
    const diagnosis = await diagnose(s3({ profile: 'aws', location: 'below/here' }), {
      onCheck: ({ step }) => seen.push(step),
    })
    expect(diagnosis).toMatchObject({ storage: 's3(media)', ok: true })
    expect(new Set(Object.values(outcomes(diagnosis)))).toEqual(new Set(['ok']))
    expect(Object.keys(outcomes(diagnosis)).sort()).toEqual([...new Set(seen)].sort())
    expect(seen).toHaveLength(15)
    expect(await left()).toEqual([])
  })

  it('changes nothing that was there', async () => {
    const storage = s3({ profile: 'aws' })
    await storage.save('mine/a.txt', 'x')
    await diagnose(storage)
    expect(await left()).toEqual(['mine/a.txt'])
    const written = server.requests.filter(({ method }) => method !== 'GET' && method !== 'HEAD')
    const others = written.filter(
      ({ path }) => !/^\/media(?:\/stowage-doctor-|\?delete)/.test(path),
    )
    expect(others.map(({ path }) => path)).toEqual(['/media/mine/a.txt'])
  })

  it.each([
    [{ accessKey: 'AKIAWRONG' }, /does not know "accessKey"/],
    [{ secretKey: 'wrong' }, /Correct "secretKey"/],
  ])('tells of wrong keys: %j', async (options, advice) => {
    const diagnosis = await diagnose(s3(options))
    expect(diagnosis.ok).toBe(false)
    expect(found(diagnosis, 'credentials')).toMatchObject({ outcome: 'failed' })
    expect(found(diagnosis, 'credentials')?.advice).toMatch(advice)
    expect(found(diagnosis, 'write')?.outcome).toBe('skipped')
    expect(JSON.stringify(diagnosis)).not.toContain('wrong')
  })

  it('tells of missing keys', async () => {
    const storage = new S3Storage({ bucketName: 'media' })
    const none = new CredentialCache(async () => undefined)
    offerProbe(storage.backend, async () => {
      const { setup } = await probeOfOther()
      return new S3Probe({ ...setup, credentials: none })
    })
    const diagnosis = await diagnose(storage)
    expect(found(diagnosis, 'credentials')).toMatchObject({
      outcome: 'failed',
      advice: 'Correct the option "accessKey".',
    })
  })

  it('tells what the settings lack', async () => {
    const storage = new S3Storage({})
    offerProbe(storage.backend, async () => {
      await storage.exists('a')
      return await probeOfOther()
    })
    const diagnosis = await diagnose(storage)
    expect(found(diagnosis, 'bucket')).toMatchObject({
      outcome: 'failed',
      advice: 'Correct the option "bucketName".',
    })
  })

  it.each([
    [20 * 60_000, 'failed', 'ahead of'],
    [-20 * 60_000, 'failed', 'behind'],
    [5 * 60_000, 'warning', 'ahead of'],
    [10_000, 'ok', 'right'],
  ] as const)('measures a clock that is off by %d ms', async (clock, outcome, words) => {
    const diagnosis = await diagnose(s3({ profile: 'aws', clock }))
    expect(found(diagnosis, 'clock')).toMatchObject({ outcome })
    expect(found(diagnosis, 'clock')?.found).toContain(words)
    // The rest is looked at by the right time.
    expect(found(diagnosis, 'multipart')?.outcome).toBe('ok')
    expect(await left()).toEqual([])
  })

  it('names the region of the bucket, and looks on there', async () => {
    await restart({ region: 'eu-central-1' })
    const diagnosis = await diagnose(s3({ regionName: 'us-west-2', profile: 'aws' }))
    expect(found(diagnosis, 'region')).toMatchObject({
      outcome: 'failed',
      advice: 'Set "regionName" (AWS_S3_REGION_NAME) to "eu-central-1".',
    })
    expect(found(diagnosis, 'bucket')?.outcome).toBe('ok')
    expect(found(diagnosis, 'multipart')?.outcome).toBe('ok')
  })

  it('tells of a bucket that is missing', async () => {
    const diagnosis = await diagnose(s3({ bucketName: 'gone' }))
    expect(found(diagnosis, 'bucket')).toMatchObject({
      outcome: 'failed',
      found: 'There is no bucket "gone".',
    })
    expect(found(diagnosis, 'credentials')?.outcome).toBe('ok')
    expect(found(diagnosis, 'delete')?.found).toBe('Not looked at: see bucket.')
  })

  it('tells of keys that may not list the bucket', async () => {
    await restart({ accounts: [{ accessKey: 'other', secretKey: 'other-secret', id: 'other' }] })
    const diagnosis = await diagnose(s3({ accessKey: 'other', secretKey: 'other-secret' }))
    expect(found(diagnosis, 'bucket')?.outcome).toBe('warning')
    expect(found(diagnosis, 'write')).toMatchObject({
      outcome: 'failed',
      advice: 'Allow s3:PutObject.',
    })
  })

  it('tells of a service that cannot be reached', async () => {
    const storage = s3()
    await server.close()
    const diagnosis = await diagnose(storage)
    expect(found(diagnosis, 'bucket')).toMatchObject({ outcome: 'failed' })
    expect(found(diagnosis, 'bucket')?.advice).toContain('"endpointUrl"')
    server = await S3Server.start()
  })

  it('tells of something else than S3', async () => {
    server.failNext({ match: { method: 'GET' }, status: 405 })
    const diagnosis = await diagnose(s3())
    expect(found(diagnosis, 'bucket')).toMatchObject({ outcome: 'failed' })
    expect(found(diagnosis, 'bucket')?.found).toContain('status 405')
  })

  it('tells of an ACL that a bucket does not take', async () => {
    await restart({ objectOwnership: 'BucketOwnerEnforced' })
    const right = await diagnose(s3({ profile: 'aws' }))
    expect(found(right, 'acl')).toMatchObject({ outcome: 'ok' })
    expect(found(right, 'acl')?.found).toContain('BucketOwnerEnforced')
    expect(right.ok).toBe(true)
    const wrong = await diagnose(s3({ profile: 'aws', defaultAcl: 'public-read' }))
    expect(found(wrong, 'acl')?.advice).toContain('Set "defaultAcl" (AWS_DEFAULT_ACL) to null')
    expect(found(wrong, 'write')).toMatchObject({
      outcome: 'failed',
      advice: 'Correct the option "defaultAcl".',
    })
  })

  it('tells that files are public', async () => {
    const diagnosis = await diagnose(s3({ profile: 'aws', defaultAcl: 'public-read' }))
    expect(diagnosis.ok).toBe(true)
    expect(found(diagnosis, 'public')).toMatchObject({ outcome: 'warning' })
  })

  it('tells of URLs that are not signed, to files that are private', async () => {
    const diagnosis = await diagnose(s3({ profile: 'aws', querystringAuth: false }))
    expect(found(diagnosis, 'url')).toMatchObject({ outcome: 'failed' })
    expect(found(diagnosis, 'url')?.found).toContain('status 403')
    expect(found(diagnosis, 'url')?.advice).toContain('"querystringAuth"')
  })

  it('leaves URLs out that need headers', async () => {
    const objectParameters = { SSECustomerAlgorithm: 'AES256', SSECustomerKey: 'k'.repeat(32) }
    const diagnosis = await diagnose(s3({ profile: 'aws', objectParameters }))
    expect(diagnosis.ok).toBe(true)
    expect(found(diagnosis, 'url')).toMatchObject({ outcome: 'skipped' })
    expect(found(diagnosis, 'url')?.found).toContain('x-amz-server-side-encryption-customer-key')
    expect(JSON.stringify(diagnosis)).not.toContain('kkk')
  })

  it('tells of a service that is another than its profile says', async () => {
    await restart({ profile: 'minimal' })
    const diagnosis = await diagnose(s3({ profile: 'aws' as ProviderName }))
    expect(found(diagnosis, 'conditional write')).toMatchObject({ outcome: 'failed' })
    expect(found(diagnosis, 'conditional write')?.found).toContain(
      'If-None-Match on PutObject is ignored, where the profile "aws" says honoured',
    )
    expect(await left()).toEqual([])
  })

  it('counts uploads that were left, and lets them be', async () => {
    const old = new Date(Date.now() - 2 * 24 * 60 * 60_000)
    let now = old
    await restart({ now: () => now })
    const probe = await probeOfOther(old)
    await probe.ask({ method: 'POST', key: 'left', query: 'uploads=' })
    now = new Date()
    const diagnosis = await diagnose(s3({ profile: 'aws' }))
    expect(found(diagnosis, 'uploads')).toMatchObject({
      outcome: 'warning',
      found: '1 upload was left unfinished for more than a day, and costs storage.',
    })
    expect(server.openUploads()).toBe(1)
  })

  it('counts CORS rules', async () => {
    const probe = await probeOfOther()
    const rule =
      '<CORSRule><AllowedOrigin>*</AllowedOrigin><AllowedMethod>GET</AllowedMethod></CORSRule>'
    await probe.ask({
      method: 'PUT',
      query: 'cors=',
      body: `<CORSConfiguration>${rule}</CORSConfiguration>`,
    })
    const diagnosis = await diagnose(s3({ profile: 'aws' }))
    expect(found(diagnosis, 'cors')?.found).toBe('The bucket has 1 CORS rule.')
  })

  it('tells of uploads in parts that fail, and leaves none', async () => {
    server.failNext({
      match: { method: 'PUT', path: 'partNumber=1' },
      status: 501,
      code: 'NotImplemented',
    })
    const diagnosis = await diagnose(s3({ profile: 'aws' }))
    expect(found(diagnosis, 'multipart')).toMatchObject({ outcome: 'failed' })
    expect(found(diagnosis, 'multipart')?.found).toContain('NotImplemented')
    expect(await left()).toEqual([])
  })

  it.each<[Step, string, string, outcome: string, advice: RegExp]>([
    ['acl', 'GET', 'ownershipControls', 'skipped', /^$/],
    ['cors', 'GET', 'cors', 'skipped', /^$/],
    ['write', 'PUT', 'probe.txt', 'failed', /^Allow s3:PutObject\.$/],
    ['read', 'GET', 'probe.txt', 'failed', /^Allow s3:GetObject\.$/],
    ['list', 'GET', 'prefix=stowage-doctor', 'failed', /^Allow s3:ListBucket\.$/],
    ['multipart', 'POST', 'uploads=', 'failed', /s3:PutObject and s3:AbortMultipartUpload/],
    ['uploads', 'GET', 'uploads=', 'skipped', /^$/],
  ])(
    'tells that %s is denied, and of nothing else',
    async (step, method, path, outcome, advice) => {
      server.failNext({ match: { method, path }, status: 403, code: 'AccessDenied' })
      const diagnosis = await diagnose(s3({ profile: 'aws' }))
      expect(found(diagnosis, step)?.outcome).toBe(outcome)
      expect(found(diagnosis, step)?.advice ?? '').toMatch(advice)
      const failed = diagnosis.checks.filter(check => check.outcome === 'failed')
      expect(failed.map(check => check.step)).toEqual(outcome === 'failed' ? [step] : [])
      expect(await left()).toEqual([])
    },
  )

  it('tells of a file that comes back as another one, and of a URL that leads elsewhere', async () => {
    const storage = s3({ profile: 'aws' })
    const elsewhere = async (): Promise<Response> => new Response('<html>hello</html>')
    const diagnosis = await diagnose(storage, { fetch: elsewhere })
    expect(found(diagnosis, 'url')).toMatchObject({ outcome: 'failed' })
    expect(found(diagnosis, 'url')?.found).toContain('something else')
    const unreachable = async (): Promise<Response> => {
      throw new TypeError('fetch failed', { cause: new Error('no route to host') })
    }
    const other = await diagnose(storage, { fetch: unreachable })
    expect(found(other, 'url')).toMatchObject({ outcome: 'failed' })
    expect(found(other, 'url')?.found).toContain('no route to host')
    expect(await left()).toEqual([])
  })

  it('says what remains when deleting fails', async () => {
    server.failNext({ match: { method: 'DELETE' }, times: 9, status: 403, code: 'AccessDenied' })
    server.failNext({
      match: { method: 'POST', path: '?delete' },
      times: 9,
      status: 403,
      code: 'AccessDenied',
    })
    const diagnosis = await diagnose(s3({ profile: 'aws' }))
    expect(found(diagnosis, 'delete')).toMatchObject({ outcome: 'failed' })
    expect(found(diagnosis, 'delete')?.advice).toMatch(/s3:DeleteObject.*stowage-doctor-/)
  })

  it('removes its file when it is cancelled, and rejects with the reason', async () => {
    const cancel = new AbortController()
    const reason = new Error('enough')
    const diagnosis = diagnose(s3({ profile: 'aws' }), {
      signal: cancel.signal,
      onCheck: ({ step }) => {
        if (step === 'read') cancel.abort(reason)
      },
    })
    await expect(diagnosis).rejects.toBe(reason)
    expect(await left()).toEqual([])
  })
})

/** A probe with the right settings, for what a test prepares. */
async function probeOfOther(time = new Date()): Promise<S3Probe> {
  const { endpoint: endpointUrl, accessKey, secretKey } = server
  return new S3Probe(
    {
      bucketName: 'media',
      prefix: '',
      profile: profileOf({ endpointUrl }),
      defaultAcl: undefined,
      credentials: new CredentialCache(async () => ({ accessKey, secretKey })),
      transport: new FetchTransport(),
      locate: async () => ({
        address: resolveAddress({
          bucketName: 'media',
          regionName: undefined,
          endpointUrl,
          addressingStyle: undefined,
          useSsl: true,
        }),
        region: 'us-east-1',
      }),
    },
    () => time.getTime(),
  )
}

describe('the doctor, elsewhere', () => {
  let folder: string

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'stowage-doctor-'))
  })

  afterEach(() => rm(folder, { recursive: true, force: true }))

  it('finds nothing wrong with a folder, and leaves nothing there', async () => {
    await writeFile(join(folder, 'mine.txt'), 'x')
    const diagnosis = await diagnose(
      new FileSystemStorage({ location: folder, baseUrl: '/media/' }),
    )
    expect(diagnosis.ok).toBe(true)
    expect(outcomes(diagnosis)).toEqual({
      write: 'ok',
      read: 'ok',
      list: 'ok',
      'conditional write': 'ok',
      url: 'skipped',
      delete: 'ok',
    })
    expect(await readdir(folder)).toEqual(['mine.txt'])
  })

  it('finds nothing wrong with memory, which has no URLs', async () => {
    const diagnosis = await diagnose(new MemoryStorage())
    expect(diagnosis.ok).toBe(true)
    expect(outcomes(diagnosis)['url']).toBe('skipped')
  })

  it('tells of a folder that is a file', async () => {
    await mkdir(join(folder, 'x'))
    await writeFile(join(folder, 'x', 'media'), '')
    const diagnosis = await diagnose(
      new FileSystemStorage({ location: join(folder, 'x', 'media') }),
    )
    expect(diagnosis.ok).toBe(false)
    expect(found(diagnosis, 'write')?.outcome).toBe('failed')
    expect(found(diagnosis, 'delete')?.found).toBe('Not looked at: see write.')
  })

  it('asks for the plain URL of its file, where a manifest has those of others', async () => {
    const files = new MemoryStorage({ baseUrl: '/static/' })
    const diagnosis = await diagnose(new ManifestStaticStorage(files))
    expect(found(diagnosis, 'url')).toMatchObject({
      outcome: 'skipped',
      found: expect.stringContaining('/static/stowage-doctor-'),
    })
    expect(diagnosis.ok).toBe(true)
  })

  it('looks at the storage that a stand-in stands for, also at one that is not loaded', async () => {
    const module = new URL('../backends/memory/memory-storage.ts', import.meta.url).href
    configure({ storages: { default: { backend: `${module}#MemoryStorage` } } })
    try {
      expect(await diagnose(defaultStorage)).toMatchObject({ storage: 'memory', ok: true })
      configure({ storages: { default: { backend: './none.ts#None' } } })
      const { ok, checks } = await diagnose(defaultStorage)
      expect([ok, checks[0]?.found]).toEqual([false, expect.stringContaining('./none.ts#None')])
    } finally {
      Reflect.deleteProperty(globalThis, settingsKey)
    }
  })

  it('fetches URLs that lead somewhere', async () => {
    const storage = new FileSystemStorage({ location: folder, baseUrl: 'https://cdn.example.com/' })
    const served = async (url: string): Promise<Response> => {
      const name = new URL(url).pathname.slice(1)
      return new Response(await (await storage.file(name)).text())
    }
    expect(found(await diagnose(storage, { fetch: served }), 'url')?.outcome).toBe('ok')
    const gone = async (): Promise<Response> => new Response('', { status: 404 })
    expect(found(await diagnose(storage, { fetch: gone }), 'url')).toMatchObject({
      outcome: 'failed',
      found: 'The URL of a file gives status 404.',
    })
  })
})

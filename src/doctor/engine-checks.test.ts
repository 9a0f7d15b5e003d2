import { S3Client } from '@aws-sdk/client-s3'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { S3Backend } from '../backends/s3/s3-backend.ts'
import { S3Storage } from '../s3.ts'
import { S3BotoStorage } from '../s3-legacy.ts'
import { S3Server } from '../testing/s3-server/s3-server.ts'
import { diagnose } from './diagnose.ts'
import type { Check, Diagnosis, Step } from './diagnosis.ts'

type ServerOptions = NonNullable<Parameters<typeof S3Server.start>[0]>

interface Given {
  readonly bucketName?: string
  readonly accessKey?: string
  readonly secretKey?: string
  readonly regionName?: string
  readonly defaultAcl?: string | null
  readonly objectParameters?: {
    readonly SSECustomerKey?: string
    readonly RequestPayer?: 'requester'
  }
}

let server: S3Server

beforeEach(async () => {
  server = await S3Server.start({ buckets: ['media'] })
})

afterEach(() => server.close())

async function restart(options: ServerOptions): Promise<void> {
  await server.close()
  server = await S3Server.start({ buckets: ['media'], ...options })
}

function withClient(given: Given = {}): S3Storage {
  const { accessKey, secretKey, regionName: region = 'us-east-1', ...options } = given
  const client = new S3Client({
    endpoint: server.endpoint,
    forcePathStyle: true,
    region,
    maxAttempts: 1,
    credentials: {
      accessKeyId: accessKey ?? server.accessKey,
      secretAccessKey: secretKey ?? server.secretKey,
    },
  })
  return new S3Storage({ client, bucketName: 'media', location: 'below', ...options })
}

function oldWay(given: Given = {}): S3BotoStorage {
  const { endpoint: endpointUrl, accessKey, secretKey } = server
  return new S3BotoStorage({
    endpointUrl,
    accessKey,
    secretKey,
    bucketName: 'media',
    location: 'below',
    signatureVersion: 's3',
    defaultAcl: null,
    retries: { maxAttempts: 1 },
    ...given,
  })
}

const storages: readonly [string, (given?: Given) => S3Storage][] = [
  ['with a client of the SDK', withClient],
  ['with version 2 of the signature', oldWay],
]

function outcomes({ checks }: Diagnosis): Record<string, string> {
  return Object.fromEntries(checks.map(({ step, outcome }) => [step, outcome]))
}

function found({ checks }: Diagnosis, step: Step): Check | undefined {
  return checks.find(check => check.step === step)
}

/** Keys that are left on the server, and uploads. */
async function left(): Promise<(string | number)[]> {
  const { endpoint: endpointUrl, accessKey, secretKey } = server
  const storage = new S3Storage({ endpointUrl, accessKey, secretKey, bucketName: 'media' })
  const names: (string | number)[] = []
  for await (const { name } of storage.list('', { recursive: true })) names.push(name)
  return [...names, server.openUploads()]
}

describe.each(storages)('the doctor, on a storage %s', (_kind, connect) => {
  it('looks at all that its own client can ask, and leaves nothing', async () => {
    const diagnosis = await diagnose(connect())
    expect(outcomes(diagnosis)).toEqual({
      credentials: 'ok',
      clock: 'skipped',
      region: 'skipped',
      bucket: 'ok',
      acl: 'skipped',
      cors: 'skipped',
      write: 'ok',
      read: 'ok',
      list: 'ok',
      'conditional write': 'ok',
      multipart: 'ok',
      uploads: 'ok',
      url: 'ok',
      public: 'ok',
      delete: 'ok',
    })
    expect(diagnosis.ok).toBe(true)
    expect(await left()).toEqual([0])
  })

  it.each([
    [{ accessKey: 'AKIAWRONG' }, /access key/],
    [{ secretKey: 'wrong' }, /signature is wrong/],
  ])('tells of wrong keys: %j', async (keys, words) => {
    const diagnosis = await diagnose(connect(keys))
    expect(found(diagnosis, 'credentials')).toMatchObject({ outcome: 'failed' })
    expect(found(diagnosis, 'credentials')?.found).toMatch(words)
    expect(found(diagnosis, 'write')?.found).toBe('Not looked at: see credentials.')
  })

  it('tells of a bucket that is missing', async () => {
    const diagnosis = await diagnose(connect({ bucketName: 'gone' }))
    expect(found(diagnosis, 'bucket')).toMatchObject({
      outcome: 'failed',
      advice: 'Correct the option "bucketName".',
    })
    expect(found(diagnosis, 'write')?.outcome).toBe('skipped')
  })

  it('tells of keys that may not list, and what has to be allowed', async () => {
    await restart({ accounts: [{ accessKey: 'other', secretKey: 'other-secret', id: 'other' }] })
    const diagnosis = await diagnose(connect({ accessKey: 'other', secretKey: 'other-secret' }))
    expect(found(diagnosis, 'credentials')?.outcome).toBe('ok')
    expect(found(diagnosis, 'bucket')).toMatchObject({ outcome: 'warning' })
    expect(found(diagnosis, 'write')).toMatchObject({
      outcome: 'failed',
      advice: 'Allow s3:PutObject.',
    })
  })

  it('tells of a service that cannot be reached', async () => {
    const storage = connect()
    await server.close()
    const diagnosis = await diagnose(storage)
    expect(found(diagnosis, 'bucket')).toMatchObject({ outcome: 'failed' })
    expect(found(diagnosis, 'bucket')?.advice).toContain('the network')
    server = await S3Server.start()
  })

  it('tells of uploads in parts that fail, and leaves none', async () => {
    server.failNext({
      match: { method: 'PUT', path: 'partNumber=1' },
      status: 501,
      code: 'NotImplemented',
    })
    const diagnosis = await diagnose(connect())
    expect(found(diagnosis, 'multipart')).toMatchObject({ outcome: 'failed' })
    expect(await left()).toEqual([0])
  })

  it('counts uploads that were left, below the location', async () => {
    let now = new Date(Date.now() - 2 * 24 * 60 * 60_000)
    await restart({ now: () => now })
    const { endpoint: endpointUrl, accessKey, secretKey } = server
    const own = { endpointUrl, accessKey, secretKey, bucketName: 'media' }
    for (const location of ['below', 'elsewhere']) {
      const { engine, prefix } = await new OpenStorage({ ...own, location }).subject()
      await engine.createUpload(`${prefix}left`, { parameters: {} })
    }
    now = new Date()
    expect(found(await diagnose(connect()), 'uploads')).toMatchObject({
      outcome: 'warning',
      found: '1 upload was left unfinished for more than a day, and costs storage.',
    })
  })

  it('tells that files are public', async () => {
    const diagnosis = await diagnose(connect({ defaultAcl: 'public-read' }))
    expect(diagnosis.ok).toBe(true)
    expect(found(diagnosis, 'public')).toMatchObject({ outcome: 'warning' })
  })

  it('asks with what every request has to say', async () => {
    const objectParameters = {
      SSECustomerKey: '0123456789abcdef0123456789abcdef',
      RequestPayer: 'requester',
    } as const
    const diagnosis = await diagnose(connect({ objectParameters }))
    expect(found(diagnosis, 'multipart')?.outcome).toBe('ok')
    expect(found(diagnosis, 'delete')?.outcome).toBe('ok')
    expect(await left()).toEqual([0])
  })
})

it('tells a client of the SDK in which region the bucket is', async () => {
  await restart({ region: 'eu-central-1' })
  const diagnosis = await diagnose(withClient({ regionName: 'us-west-2' }))
  expect(found(diagnosis, 'region')).toMatchObject({ outcome: 'failed' })
  expect(found(diagnosis, 'region')?.found).toContain('eu-central-1')
  expect(found(diagnosis, 'write')?.found).toBe('Not looked at: see region.')
})

/** A storage whose engine a test may use. */
class OpenStorage extends S3Storage {
  async subject(): Promise<Awaited<ReturnType<S3Backend['subject']>>> {
    if (!(this.backend instanceof S3Backend)) throw new Error('no S3')
    return await this.backend.subject()
  }
}

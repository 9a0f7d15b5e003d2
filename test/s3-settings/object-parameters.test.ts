import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { PermissionDeniedError } from '../../src/index.ts'
import { type ObjectParameters, S3Storage, type S3StorageOptions } from '../../src/s3.ts'
import { Stage } from './stage.ts'

let stage: Stage

beforeAll(async () => {
  stage = await Stage.start({ id: 'owner-of-media' })
})

beforeEach(() => {
  stage.seen.length = 0
})

afterAll(() => stage.close())

function connect(options: S3StorageOptions = {}): S3Storage {
  const { accessKey, secretKey } = stage.server
  return new S3Storage({
    endpointUrl: stage.endpoint,
    accessKey,
    secretKey,
    bucketName: 'media',
    ...options,
  })
}

async function readText(storage: S3Storage, name: string): Promise<string> {
  await using reader = await storage.open(name, 'r')
  return await reader.read()
}

const customerKey = '0123456789abcdef0123456789abcdef'
const customer = 'x-amz-server-side-encryption-customer-'

/** Bytes that no service stores in one part. */
function large(): Uint8Array {
  return Uint8Array.from({ length: 17 * 1024 * 1024 }, (_, index) => index % 251)
}

describe("a customer's key", () => {
  const options = { objectParameters: { SSECustomerKey: customerKey } }

  it.each([
    ['text', customerKey],
    ['bytes', new TextEncoder().encode(customerKey)],
    ['base64', btoa(customerKey)],
  ])('as %s comes with every request about the object', async (_form, SSECustomerKey) => {
    const storage = connect({ objectParameters: { SSECustomerKey } })
    await storage.save('secret.txt', 'under my key')
    expect(await storage.exists('secret.txt')).toBe(true)
    expect(await readText(storage, 'secret.txt')).toBe('under my key')
    expect(await (await storage.file('secret.txt')).text()).toBe('under my key')
    for (const { headers } of stage.seen) {
      expect(headers).toMatchObject({
        [`${customer}algorithm`]: 'AES256',
        [`${customer}key`]: btoa(customerKey),
        [`${customer}key-md5`]: 'hRasmdxgYDKV3nvbahU1MA==',
      })
    }
  })

  it('is wanted again for what is read, also when another one is tried', async () => {
    await connect(options).save('locked.txt', 'under my key')
    await expect(connect().stat('locked.txt')).rejects.toThrow()
    const other = connect({ objectParameters: { SSECustomerKey: 'x'.repeat(32) } })
    await expect(other.stat('locked.txt')).rejects.toMatchObject({
      name: 'PermissionDeniedError',
      message: expect.stringContaining('Check SSECustomerKey in "objectParameters", too.'),
    })
  })

  it('comes with the parts of a large file, and with reading them', async () => {
    const storage = connect({ ...options, objectParameters: { SSECustomerKey: customerKey } })
    const bytes = large()
    await storage.save('large.bin', bytes)
    const parts = stage.seen.filter(({ query }) => query.includes('partNumber='))
    expect(parts.length).toBe(3)
    expect(parts.every(({ headers }) => headers[`${customer}key`] === btoa(customerKey))).toBe(true)
    expect(Buffer.from(await (await storage.file('large.bin')).bytes()).equals(bytes)).toBe(true)
  })

  it('of the source and of the target comes with a copy, whole and by parts', async () => {
    const storage = connect(options)
    await storage.save('from.bin', large())
    await storage.copy('from.bin', 'to.bin')
    expect(stage.last('PUT').headers).toMatchObject({
      'x-amz-copy-source-server-side-encryption-customer-key': btoa(customerKey),
      [`${customer}key`]: btoa(customerKey),
    })
    const inParts = connect({ ...options, transferConfig: { copyThreshold: 5 * 1024 * 1024 } })
    await inParts.copy('from.bin', 'parts.bin')
    expect(await storage.size('parts.bin')).toBe(17 * 1024 * 1024)
    const keep = connect({ ...options, fileOverwrite: false })
    expect(await keep.copy('from.bin', 'to.bin')).toMatch(/^to_/)
  })

  it('is part of what a URL is signed for, and never part of the URL', async () => {
    const storage = connect(options)
    await storage.save('linked.txt', 'under my key')
    const url = await storage.url('linked.txt')
    expect(decodeURIComponent(url)).toContain(
      `SignedHeaders=host;${customer}algorithm;${customer}key`,
    )
    expect(decodeURIComponent(url)).not.toContain(btoa(customerKey))
    expect((await fetch(url)).ok).toBe(false)
    const headers = {
      [`${customer}algorithm`]: 'AES256',
      [`${customer}key`]: btoa(customerKey),
      [`${customer}key-md5`]: 'hRasmdxgYDKV3nvbahU1MA==',
    }
    expect(await (await fetch(url, { headers })).text()).toBe('under my key')
    const upload = await storage.url('uploaded.txt', { method: 'PUT' })
    expect((await fetch(upload, { method: 'PUT', headers, body: 'sent' })).status).toBe(200)
    expect(await readText(storage, 'uploaded.txt')).toBe('sent')
  })

  it('is no part of deletions and listings', async () => {
    const storage = connect(options)
    await storage.save('gone.txt', 'x')
    stage.seen.length = 0
    await storage.deleteMany(['gone.txt', 'other.txt'])
    await storage.delete('gone.txt')
    await storage.listdir('')
    expect(stage.seen.length).toBe(3)
    for (const { headers } of stage.seen) expect(headers[`${customer}key`]).toBeUndefined()
  })

  it('may depend on the name', async () => {
    const storage = connect({
      location: 'mixed',
      objectParameters: name => (name.startsWith('secret/') ? { SSECustomerKey: customerKey } : {}),
    })
    await storage.save('secret/a.txt', 'hidden')
    await storage.save('open/a.txt', 'shown')
    expect(await readText(storage, 'secret/a.txt')).toBe('hidden')
    expect(await readText(storage, 'open/a.txt')).toBe('shown')
    await storage.copy('secret/a.txt', 'open/b.txt')
    expect(await readText(storage, 'open/b.txt')).toBe('hidden')
    await expect(connect({ location: 'mixed' }).stat('secret/a.txt')).rejects.toThrow()
    expect(await connect({ location: 'mixed' }).exists('open/b.txt')).toBe(true)
  })
})

describe('who pays, and whose bucket it has to be,', () => {
  const objectParameters = {
    RequestPayer: 'requester',
    ExpectedBucketOwner: 'owner-of-media',
  } as const

  it('is said by every request', async () => {
    const storage = connect({
      objectParameters,
      transferConfig: { copyThreshold: 5 * 1024 * 1024 },
    })
    await storage.save('a.txt', 'content')
    await storage.save('large.bin', large())
    await readText(storage, 'a.txt')
    await storage.stat('a.txt')
    await storage.copy('a.txt', 'b.txt')
    await storage.copy('large.bin', 'copy.bin')
    await storage.listdir('')
    await storage.deleteMany(['b.txt'])
    await storage.delete('a.txt')
    await storage.cleanupUploads()
    expect(stage.seen.length).toBeGreaterThan(15)
    for (const { headers } of stage.seen) {
      expect(headers).toMatchObject({
        'x-amz-request-payer': 'requester',
        'x-amz-expected-bucket-owner': 'owner-of-media',
      })
    }
    const copies = stage.seen.filter(({ headers }) => headers['x-amz-copy-source'] !== undefined)
    expect(copies.length).toBeGreaterThan(1)
    for (const { headers } of copies)
      expect(headers['x-amz-source-expected-bucket-owner']).toBe('owner-of-media')
  })

  it('stands in URLs, so that a link needs no headers', async () => {
    const storage = connect({ objectParameters })
    await storage.save('a.txt', 'content')
    const url = await storage.url('a.txt')
    expect(new URL(url).searchParams.get('x-amz-request-payer')).toBe('requester')
    expect(await (await fetch(url)).text()).toBe('content')
  })

  it('is named when the bucket belongs to somebody else', async () => {
    const storage = connect({ objectParameters: { ExpectedBucketOwner: 'somebody-else' } })
    const failure = await storage.save('a.txt', 'content').catch(error => error)
    expect(failure).toBeInstanceOf(PermissionDeniedError)
    expect(failure.message).toContain('Check ExpectedBucketOwner in "objectParameters", too.')
    await expect(storage.listdir('')).rejects.toThrow('ExpectedBucketOwner')
    await expect(storage.deleteMany(['a'])).rejects.toThrow()
  })
})

describe('what is stored with an object', () => {
  const until = new Date('2030-01-02T03:04:05Z')
  const cases: [string, ObjectParameters, Record<string, string>][] = [
    ['an ACL', { ACL: 'public-read' }, { 'x-amz-acl': 'public-read' }],
    [
      'grants',
      { GrantRead: 'id="owner-of-media"', GrantFullControl: 'id="owner-of-media"' },
      {
        'x-amz-grant-read': 'id="owner-of-media"',
        'x-amz-grant-full-control': 'id="owner-of-media"',
      },
    ],
    ['a storage class', { StorageClass: 'STANDARD_IA' }, { 'x-amz-storage-class': 'STANDARD_IA' }],
    ['tags', { Tagging: 'a=b&c=d%20e' }, { 'x-amz-tagging': 'a=b&c=d%20e' }],
    [
      'a redirect of a website',
      { WebsiteRedirectLocation: '/elsewhere' },
      { 'x-amz-website-redirect-location': '/elsewhere' },
    ],
    [
      'a lock',
      {
        ObjectLockMode: 'GOVERNANCE',
        ObjectLockRetainUntilDate: until,
        ObjectLockLegalHoldStatus: 'ON',
      },
      {
        'x-amz-object-lock-mode': 'GOVERNANCE',
        'x-amz-object-lock-retain-until-date': '2030-01-02T03:04:05.000Z',
        'x-amz-object-lock-legal-hold': 'ON',
      },
    ],
    [
      'a key of KMS with its context',
      {
        ServerSideEncryption: 'aws:kms',
        SSEKMSKeyId: 'key-1',
        SSEKMSEncryptionContext: { purpose: 'tést' },
        BucketKeyEnabled: true,
      },
      {
        'x-amz-server-side-encryption': 'aws:kms',
        'x-amz-server-side-encryption-aws-kms-key-id': 'key-1',
        'x-amz-server-side-encryption-context':
          Buffer.from('{"purpose":"tést"}').toString('base64'),
        'x-amz-server-side-encryption-bucket-key-enabled': 'true',
      },
    ],
    ['an expiry', { Expires: until }, { expires: 'Wed, 02 Jan 2030 03:04:05 GMT' }],
    ['a language', { ContentLanguage: 'de' }, { 'content-language': 'de' }],
  ]

  it.each(cases)('%s: at once', async (_what, objectParameters, headers) => {
    await connect({ objectParameters }).save('a.txt', 'content')
    expect(stage.last('PUT').headers).toMatchObject(headers)
  })

  it.each(cases)('%s: in parts', async (_what, objectParameters, headers) => {
    const transferConfig = { partSize: 5 * 1024 * 1024, multipartThreshold: 5 * 1024 * 1024 }
    await connect({ objectParameters, transferConfig }).save('b.bin', new Uint8Array(6e6))
    expect(stage.seen[0]?.query).toBe('uploads=')
    expect(stage.seen[0]?.headers).toMatchObject(headers)
  })

  it.each(cases)('%s: by the name', async (_what, objectParameters, headers) => {
    const storage = connect({
      objectParameters: name => (name === 'with' ? objectParameters : {}),
    })
    await storage.save('with', 'content')
    expect(stage.last('PUT').headers).toMatchObject(headers)
    await storage.save('without', 'content')
    expect(stage.last('PUT').headers).not.toMatchObject(headers)
  })

  it('metadata comes back in any script, as it was', async () => {
    const metadata = {
      greek: 'Καλημέρα',
      arabic: 'مرحبا',
      hindi: 'नमस्ते',
      thai: 'สวัสดี',
      chinese: '你好，世界',
      emoji: '👩‍👩‍👧‍👦',
      combining: 'e\u0301',
      empty: '',
    }
    const storage = connect({ objectParameters: { Metadata: metadata } })
    await storage.save('a.txt', 'content')
    expect((await storage.stat('a.txt')).metadata).toEqual(metadata)
  })
})

describe('a copy by parts', () => {
  it('keeps tags, headers and metadata, as a copy at once does', async () => {
    const storage = connect({
      transferConfig: { copyThreshold: 5 * 1024 * 1024 },
      objectParameters: {
        Tagging: 'project=a%20%26%20b&owner=z%C3%B6e',
        Expires: 'Thu, 15 Apr 2010 20:00:00 GMT',
        ContentLanguage: 'fr',
        CacheControl: 'no-cache',
        Metadata: { author: 'Zoë' },
      },
    })
    await storage.save('from.bin', large(), { contentType: 'video/x-own' })
    // With another storage, so that nothing comes from its own parameters.
    const plain = connect({ transferConfig: { copyThreshold: 5 * 1024 * 1024 } })
    await plain.copy('from.bin', 'to.bin')
    expect(stage.seen.some(({ query }) => query.includes('partNumber=3'))).toBe(true)
    const answer = await fetch(await plain.url('to.bin', { method: 'HEAD' }), { method: 'HEAD' })
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      'content-type': 'video/x-own',
      'content-language': 'fr',
      'cache-control': 'no-cache',
      expires: 'Thu, 15 Apr 2010 20:00:00 GMT',
      'x-amz-tagging-count': '2',
    })
    const created = stage.seen.findLast(({ query }) => query === 'uploads=')
    expect(created?.headers['x-amz-tagging']).toBe('project=a%20%26%20b&owner=z%C3%B6e')
    expect((await plain.stat('to.bin')).metadata).toEqual({ author: 'Zoë' })
  })
})

describe('headers', () => {
  it('of the old page become what S3 stores', async () => {
    const storage = connect({
      headers: {
        Expires: 'Thu, 15 Apr 2010 20:00:00 GMT',
        'Cache-Control': 'max-age=86400',
        'x-amz-storage-class': 'STANDARD_IA',
        'X-Amz-Meta-Author': 'Zoë',
      },
      objectParameters: { ContentLanguage: 'de', Metadata: { title: 'Wörter' } },
    })
    await storage.save('a.txt', 'content')
    expect(stage.last('PUT').headers).toMatchObject({
      expires: 'Thu, 15 Apr 2010 20:00:00 GMT',
      'cache-control': 'max-age=86400',
      'content-language': 'de',
      'x-amz-storage-class': 'STANDARD_IA',
    })
    expect((await storage.stat('a.txt')).metadata).toEqual({ author: 'Zoë', title: 'Wörter' })
  })

  it('give way to what a function says, and to what save says', async () => {
    const storage = connect({
      headers: { 'Cache-Control': 'max-age=1' },
      objectParameters: name => (name.endsWith('.html') ? { CacheControl: 'no-cache' } : {}),
    })
    await storage.save('a.html', 'x')
    await storage.save('a.txt', 'x')
    await storage.save('b.txt', 'x', { cacheControl: 'private' })
    const sent = stage.seen.map(({ headers }) => headers['cache-control'])
    expect(sent).toEqual(['no-cache', 'max-age=1', 'private'])
  })
})

describe('what contradicts itself is refused, and both are named', () => {
  it.each<[S3StorageOptions, string]>([
    [
      { headers: { 'Cache-Control': 'a' }, objectParameters: { CacheControl: 'b' } },
      'CacheControl in "objectParameters" contradicts "Cache-Control" in "headers"',
    ],
    [{ headers: { Expires: 'a', expires: 'b' } }, '"Expires" and "expires", which are one'],
    [
      { defaultAcl: 'private', objectParameters: { GrantRead: 'id="a"' } },
      'GrantRead in "objectParameters" contradicts "defaultAcl" (AWS_DEFAULT_ACL)',
    ],
    [
      { objectParameters: { ACL: 'private', GrantRead: 'id="a"' } },
      'GrantRead in "objectParameters" contradicts ACL',
    ],
    [
      { encryption: true, objectParameters: { SSECustomerKey: customerKey } },
      'SSECustomerKey in "objectParameters" contradicts "encryption" (AWS_S3_ENCRYPTION)',
    ],
    [
      { encryption: true, objectParameters: { ServerSideEncryption: 'aws:kms' } },
      'ServerSideEncryption in "objectParameters" contradicts "encryption" (AWS_S3_ENCRYPTION)',
    ],
    [
      { encryption: true, headers: { 'x-amz-server-side-encryption': 'aws:kms' } },
      '"x-amz-server-side-encryption" in "headers" contradicts "encryption" (AWS_S3_ENCRYPTION)',
    ],
    [
      { objectParameters: { ServerSideEncryption: 'AES256', SSEKMSKeyId: 'k' } },
      'has SSEKMSKeyId, which needs ServerSideEncryption: "aws:kms"',
    ],
    [
      { objectParameters: { ObjectLockMode: 'GOVERNANCE' } },
      'has ObjectLockMode, which needs ObjectLockRetainUntilDate',
    ],
    [{ objectParameters: { SSECustomerAlgorithm: 'AES256' } }, 'without SSECustomerKey'],
  ])('%j', (options, message) => {
    expect(() => connect(options)).toThrow(message)
  })
})

describe('what S3 does not have is refused', () => {
  it.each<[S3StorageOptions | Record<string, unknown>, string]>([
    [{ headers: { 'Cache-Contrl': 'x' } }, 'Did you mean "Cache-Control"?'],
    [{ headers: { Vary: 'Accept' } }, '"Vary", which S3 does not store'],
    [{ headers: { CacheControl: 'x' } }, 'which belongs into "objectParameters"'],
    [{ headers: { Expires: 5 } }, 'needs a string for each header, also for "Expires"'],
    [{ objectParameters: { VersionId: 'v' } }, 'a storage reads what is there now'],
    [{ objectParameters: { ChecksumAlgorithm: 'CRC32' } }, 'Set the option "checksumAlgorithm"'],
    [{ objectParameters: { SSECustomerKey: 'too short' } }, 'needs SSECustomerKey as 32 bytes'],
    [
      { objectParameters: { SSECustomerKey: customerKey, SSECustomerAlgorithm: 'AES128' } },
      'needs SSECustomerAlgorithm as "AES256"',
    ],
    [
      { objectParameters: { SSECustomerKey: customerKey, SSECustomerKeyMD5: 'x' } },
      'an SSECustomerKeyMD5 that is not that of SSECustomerKey',
    ],
    [
      { objectParameters: { ServerSideEncryption: 'aws:kms', SSEKMSEncryptionContext: 'plain' } },
      'needs SSEKMSEncryptionContext as an object of strings',
    ],
    [{ objectParameters: { RequestPayer: 'me' } }, 'needs RequestPayer as "requester"'],
    [{ objectParameters: { Expires: new Date(Number.NaN) } }, 'a Date in Expires that is no time'],
    [{ objectParameters: { Metadata: { a: 'x', A: 'y' } } }, 'case does not count'],
    [{ objectParameters: [] }, 'must be an object'],
  ])('%j', (options, message) => {
    const failing = (): S3Storage => connect(options as S3StorageOptions)
    expect(failing).toThrow(message)
    expect(failing).not.toThrow(customerKey)
  })

  it('also in what a function gives, before any request', async () => {
    const wrong = { CacheContrl: 'x' } as ObjectParameters
    const storage = connect({ objectParameters: () => wrong })
    await expect(storage.save('a.txt', 'x')).rejects.toThrow('Did you mean "CacheControl"?')
    expect(stage.seen).toEqual([])
  })
})

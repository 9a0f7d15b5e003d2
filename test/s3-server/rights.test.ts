import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { S3Server } from '../../src/testing/s3-server/s3-server.ts'
import { RawClient, type RawRequest } from './raw-client.ts'

const other = { accessKey: 'OTHER', secretKey: 'secret', id: 'other', email: 'other@example.com' }

let server: S3Server
let owner: RawClient
let stranger: RawClient

beforeEach(async () => {
  server = await S3Server.start({ buckets: ['media'], accounts: [other] })
  owner = new RawClient(server)
  stranger = new RawClient(server, other)
})

afterEach(async () => {
  owner.close()
  stranger.close()
  await server.close()
})

const ask = async (
  client: RawClient,
  method: string,
  path: string,
  request: RawRequest = {},
): Promise<string> => {
  const { code, status } = await client.send(method, path, request)
  return code ?? String(status)
}
const nobody = { by: 'nobody' } as const

describe('access', () => {
  it('is for the owner alone unless an ACL says otherwise', async () => {
    await owner.send('PUT', '/media/a', { body: 'x' })
    for (const request of [{}, nobody]) {
      expect(await ask(stranger, 'GET', '/media/a', request)).toBe('AccessDenied')
      expect(await ask(stranger, 'GET', '/media/missing', request)).toBe('AccessDenied')
      expect(await ask(stranger, 'PUT', '/media/b', { ...request, body: 'x' })).toBe('AccessDenied')
      expect(await ask(stranger, 'GET', '/media', request)).toBe('AccessDenied')
      expect(await ask(stranger, 'DELETE', '/media/a', request)).toBe('AccessDenied')
      expect(await ask(stranger, 'DELETE', '/media', request)).toBe('AccessDenied')
    }
  })

  it('follows canned ACLs', async () => {
    const headers = { 'x-amz-acl': 'public-read' }
    await owner.send('PUT', '/media/public', { headers, body: 'x' })
    expect(await ask(stranger, 'GET', '/media/public', nobody)).toBe('200')
    const signedOnly = { 'x-amz-acl': 'authenticated-read' }
    await owner.send('PUT', '/media/known', { headers: signedOnly, body: 'x' })
    expect(await ask(stranger, 'GET', '/media/known', nobody)).toBe('AccessDenied')
    expect(await ask(stranger, 'GET', '/media/known')).toBe('200')
  })

  it('follows grants by id, by e-mail and in XML', async () => {
    const headers = { 'x-amz-grant-read': 'emailAddress="other@example.com"' }
    await owner.send('PUT', '/media/granted', { headers, body: 'x' })
    expect(await ask(stranger, 'GET', '/media/granted')).toBe('200')
    expect(await ask(stranger, 'GET', '/media/granted', nobody)).toBe('AccessDenied')
    const { text } = await owner.send('GET', '/media/granted', { query: { acl: '' } })
    await owner.send('PUT', '/media/private', { body: 'x' })
    const body = text.replace('<AccessControlList>', '$&')
    await owner.send('PUT', '/media/private', { query: { acl: '' }, body })
    expect(await ask(stranger, 'GET', '/media/private')).toBe('200')
    const unknown = { headers: { 'x-amz-grant-read': 'id="nobody"' }, body: 'x' }
    expect(await ask(owner, 'PUT', '/media/x', unknown)).toBe('InvalidArgument')
    const noMail = { headers: { 'x-amz-grant-read': 'emailAddress="no@example.com"' }, body: 'x' }
    expect(await ask(owner, 'PUT', '/media/x', noMail)).toBe('UnresolvableGrantByEmailAddress')
  })

  it('to a bucket lets others list and write, and what they write is theirs', async () => {
    const open = { query: { acl: '' }, headers: { 'x-amz-acl': 'public-read-write' } }
    await owner.send('PUT', '/media', open)
    expect(await ask(stranger, 'PUT', '/media/theirs', { body: 'x' })).toBe('200')
    expect(await ask(stranger, 'GET', '/media/missing', nobody)).toBe('NoSuchKey')
    expect(await ask(owner, 'GET', '/media/theirs')).toBe('AccessDenied')
    expect((await owner.send('GET', '/media')).text).toContain('<ID>other</ID>')
    expect(await ask(owner, 'DELETE', '/media/theirs')).toBe('204')
  })

  it('reports a key that may not be deleted, one by one', async () => {
    await owner.send('PUT', '/media/a', { body: 'x' })
    const body = '<Delete><Object><Key>a</Key></Object></Delete>'
    const headers = { 'x-amz-checksum-crc32': crcOf(body) }
    const answer = await stranger.send('POST', '/media', { query: { delete: '' }, body, headers })
    expect(answer.status).toBe(200)
    expect(answer.text).toContain('<Error><Key>a</Key><Code>AccessDenied</Code>')
  })

  it('allows response headers to who signs only', async () => {
    await owner.send('PUT', '/media/a', { headers: { 'x-amz-acl': 'public-read' }, body: 'x' })
    const query = { 'response-content-type': 'text/x' }
    expect(await ask(stranger, 'GET', '/media/a', { ...nobody, query })).toBe('InvalidRequest')
    const { headers } = await owner.send('GET', '/media/a', { by: 'v4-query', query })
    expect(headers['content-type']).toBe('text/x')
  })

  it('to a bucket of another is no way to make it again', async () => {
    expect(await ask(stranger, 'PUT', '/media')).toBe('BucketAlreadyExists')
    expect(await ask(owner, 'PUT', '/media')).toBe('200')
  })
})

describe('a server whose buckets are enforced, as new ones of AWS are', () => {
  let today: S3Server
  let client: RawClient

  beforeEach(async () => {
    today = await S3Server.start({ buckets: ['media'], objectOwnership: 'BucketOwnerEnforced' })
    client = new RawClient(today)
  })

  afterEach(async () => {
    client.close()
    await today.close()
  })

  it.each(['media', 'made-later'])('refuses ACLs in %s', async bucket => {
    await client.send('PUT', `/${bucket}`)
    const headers = { 'x-amz-acl': 'public-read' }
    const put = { body: 'x', headers }
    expect(await ask(client, 'PUT', `/${bucket}/a`, put)).toBe('AccessControlListNotSupported')
    expect(await ask(client, 'PUT', `/${bucket}/a`, { body: 'x' })).toBe('200')
    expect(await ask(client, 'GET', `/${bucket}/a`, { by: 'nobody' })).toBe('AccessDenied')
  })

  it('lets a bucket say otherwise', async () => {
    const ownership = { 'x-amz-object-ownership': 'ObjectWriter' }
    await client.send('PUT', '/other', { headers: ownership })
    const headers = { 'x-amz-acl': 'public-read' }
    expect(await ask(client, 'PUT', '/other/a', { body: 'x', headers })).toBe('200')
  })
})

describe('a bucket whose owner is enforced', () => {
  beforeEach(async () => {
    const headers = { 'x-amz-object-ownership': 'BucketOwnerEnforced' }
    await owner.send('PUT', '/enforced', { headers })
  })

  it('refuses ACLs, but for the one that says so anyway', async () => {
    const put = (acl: string) =>
      ask(owner, 'PUT', '/enforced/a', { headers: { 'x-amz-acl': acl }, body: 'x' })
    expect(await put('public-read')).toBe('AccessControlListNotSupported')
    expect(await put('private')).toBe('AccessControlListNotSupported')
    expect(await put('bucket-owner-full-control')).toBe('200')
    const change = { query: { acl: '' }, headers: { 'x-amz-acl': 'public-read' } }
    expect(await ask(owner, 'PUT', '/enforced/a', change)).toBe('AccessControlListNotSupported')
  })

  it('tells its ownership, and takes another', async () => {
    const query = { ownershipControls: '' }
    const told = await owner.send('GET', '/enforced', { query })
    expect(told.text).toContain('<ObjectOwnership>BucketOwnerEnforced</ObjectOwnership>')
    const rule = '<Rule><ObjectOwnership>ObjectWriter</ObjectOwnership></Rule>'
    const body = `<OwnershipControls>${rule}</OwnershipControls>`
    expect(await ask(owner, 'PUT', '/enforced', { query, body })).toBe('200')
    const headers = { 'x-amz-acl': 'public-read' }
    expect(await ask(owner, 'PUT', '/enforced/a', { headers, body: 'x' })).toBe('200')
    expect(await ask(stranger, 'GET', '/enforced/a', nobody)).toBe('200')
    expect(await ask(owner, 'DELETE', '/enforced', { query })).toBe('204')
    expect(await ask(owner, 'GET', '/enforced', { query })).toBe('OwnershipControlsNotFoundError')
  })
})

describe('a customer key', () => {
  const key = Buffer.alloc(32, 7)
  const headersFor = (prefix: string, bytes: Buffer): Record<string, string> => ({
    [`${prefix}algorithm`]: 'AES256',
    [`${prefix}key`]: bytes.toString('base64'),
    [`${prefix}key-md5`]: md5(bytes),
  })
  const prefix = 'x-amz-server-side-encryption-customer-'

  it('has to come with every read', async () => {
    const headers = headersFor(prefix, key)
    expect(await ask(owner, 'PUT', '/media/a', { headers, body: 'x' })).toBe('200')
    expect(await ask(owner, 'GET', '/media/a', { headers })).toBe('200')
    expect(await ask(owner, 'GET', '/media/a')).toBe('InvalidRequest')
    const wrong = headersFor(prefix, Buffer.alloc(32, 8))
    expect(await ask(owner, 'GET', '/media/a', { headers: wrong })).toBe('AccessDenied')
    await owner.send('PUT', '/media/plain', { body: 'x' })
    expect(await ask(owner, 'GET', '/media/plain', { headers })).toBe('InvalidRequest')
  })

  it('has to come with a copy from it', async () => {
    await owner.send('PUT', '/media/a', { headers: headersFor(prefix, key), body: 'x' })
    const copy = { 'x-amz-copy-source': 'media/a' }
    expect(await ask(owner, 'PUT', '/media/b', { headers: copy })).toBe('InvalidRequest')
    const source = headersFor('x-amz-copy-source-server-side-encryption-customer-', key)
    const headers = { ...copy, ...source }
    expect(await ask(owner, 'PUT', '/media/b', { headers })).toBe('200')
    expect(await ask(owner, 'GET', '/media/b')).toBe('200')
  })

  it('is told from others by its MD5', async () => {
    const headers = { ...headersFor(prefix, key), [`${prefix}key-md5`]: md5(Buffer.from('x')) }
    expect(await ask(owner, 'PUT', '/media/a', { headers, body: 'x' })).toBe('InvalidArgument')
  })
})

function md5(bytes: Buffer): string {
  return createHash('md5').update(bytes).digest('base64')
}

function crcOf(text: string): string {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(crc32(text))
  return bytes.toString('base64')
}

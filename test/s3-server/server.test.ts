import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import type { S3ServerOptions } from '../../src/testing/s3-server/options.ts'
import { S3Server } from '../../src/testing/s3-server/s3-server.ts'
import { RawClient } from './raw-client.ts'

const endings: (() => unknown)[] = []

afterEach(async () => {
  for (const end of endings.splice(0).reverse()) await end()
})

async function open(
  options: S3ServerOptions = {},
): Promise<{ server: S3Server; client: RawClient }> {
  const server = await S3Server.start({ buckets: ['media'], ...options })
  const client = new RawClient(server)
  endings.push(
    () => server.close(),
    () => client.close(),
  )
  return { server, client }
}

async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 's3-server-'))
  endings.push(() => rm(path, { recursive: true }))
  return path
}

describe('options', () => {
  it.each([
    ['port', { port: '80' }],
    ['buckets', { buckets: ['a b'] }],
    ['profile', { profile: 'gcs' }],
    ['accounts', { accounts: [{ accessKey: 'a' }] }],
    ['now', { now: new Date() }],
    ['prot', { prot: 80 }],
  ])('names %s when it is wrong', async (name, options) => {
    const start = async (): Promise<unknown> => Reflect.apply(S3Server.start, S3Server, [options])
    await expect(start()).rejects.toThrow(TypeError)
    await expect(start()).rejects.toThrow(`'${name}'`)
  })

  it('takes what is undefined as not given', async () => {
    const { server } = await open({ port: undefined, now: undefined, accounts: undefined })
    expect(server.endpoint).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/)
  })
})

describe('the server', () => {
  it('logs what it answered', async () => {
    const { server, client } = await open()
    await client.send('PUT', '/media/a', { body: 'x' })
    await client.send('GET', '/media/b', { query: { versionId: 'null' } })
    expect(server.requests).toEqual([
      { method: 'PUT', path: '/media/a', status: 200 },
      { method: 'GET', path: '/media/b?versionId=null', status: 404 },
    ])
    expect(server.connections).toBe(1)
  })

  it('answers without a socket, to any host that names a bucket', async () => {
    const { server, client } = await open({ buckets: ['media', 'with.dots'] })
    await client.send('PUT', '/media/a%20b', { body: 'x', headers: { 'x-amz-acl': 'public-read' } })
    for (const url of [
      'https://media.s3.us-east-1.amazonaws.com/a%20b',
      'https://media.s3.amazonaws.com/a%20b',
      'http://media.localhost:9000/a%20b',
      `${server.endpoint}/media/a%20b`,
    ]) {
      const answer = await server.fetch(new Request(url))
      expect(await answer.text()).toBe('x')
    }
    const dots = await client.send('GET', '/', { host: 'with.dots.localhost' })
    expect(dots.text).toContain('<Name>with.dots</Name>')
  })

  it('lives by the clock it is given', async () => {
    const now = new Date('2024-02-29T12:00:00Z')
    const { server } = await open({ now: () => now })
    const client = new RawClient(server)
    endings.push(() => client.close())
    const signing = { now: now.getTime() }
    const put = await client.send('PUT', '/media/a', { body: 'x', signing })
    expect(put.headers['date']).toBe('Thu, 29 Feb 2024 12:00:00 GMT')
    const head = await client.send('HEAD', '/media/a', { signing })
    expect(head.headers['last-modified']).toBe('Thu, 29 Feb 2024 12:00:00 GMT')
    expect((await client.send('GET', '/media/a')).code).toBe('RequestTimeTooSkewed')
  })

  it('tells errors as S3 does, and none in the body of a HEAD', async () => {
    const { client } = await open()
    const got = await client.send('GET', '/media/missing')
    expect(got.text).toMatch(
      /<Error><Code>NoSuchKey<\/Code><Message>.+<\/Message><Key>missing<\/Key><Resource>\/media\/missing<\/Resource><RequestId>.+<\/RequestId><HostId>.+<\/HostId><\/Error>$/,
    )
    expect(got.headers['x-amz-request-id']).toMatch(/^[0-9A-F]{16}$/)
    const head = await client.send('HEAD', '/media/missing')
    expect([head.status, head.text]).toEqual([404, ''])
  })

  it('keeps metadata as S3 does: encoded words are decoded, and encoded when they are read', async () => {
    const { client } = await open()
    const word = `=?UTF-8?B?${Buffer.from('grün').toString('base64')}?=`
    const sent = {
      'x-amz-meta-a': word,
      'x-amz-meta-b': '=?UTF-8?Q?gr=C3=BCn?=',
      'x-amz-meta-c': '=?utf-8?q?plain_text?=',
    }
    await client.send('PUT', '/media/a', { body: 'x', headers: sent })
    const { headers } = await client.send('HEAD', '/media/a')
    expect(headers['x-amz-meta-a']).toBe(word)
    expect(headers['x-amz-meta-b']).toBe(word)
    expect(headers['x-amz-meta-c']).toBe('plain text')
  })

  it('reads the bytes of raw metadata as ISO 8859-1, as S3 does', async () => {
    const { client } = await open()
    const acl = { query: { acl: '' }, headers: { 'x-amz-acl': 'public-read-write' } }
    await client.send('PUT', '/media', acl)
    const wire = Buffer.from('grün').toString('latin1')
    const headers = { 'x-amz-meta-a': wire, 'x-amz-acl': 'public-read' }
    await client.send('PUT', '/media/a', { by: 'nobody', body: 'x', headers })
    const head = await client.send('HEAD', '/media/a', { by: 'nobody' })
    expect(head.headers['x-amz-meta-a']).toBe(`=?UTF-8?B?${Buffer.from(wire).toString('base64')}?=`)
  })

  it('has limits for keys and metadata, in bytes', async () => {
    const { client } = await open()
    const code = async (path: string, headers = {}): Promise<string | number> => {
      const answer = await client.send('PUT', path, { body: 'x', headers })
      return answer.code ?? answer.status
    }
    expect(await code(`/media/${'%C3%A9'.repeat(512)}`)).toBe(200)
    expect(await code(`/media/${'%C3%A9'.repeat(512)}x`)).toBe('KeyTooLongError')
    expect(await code('/media/a', { 'x-amz-meta-a': 'x'.repeat(2047) })).toBe(200)
    expect(await code('/media/a', { 'x-amz-meta-a': 'x'.repeat(2048) })).toBe('MetadataTooLarge')
    expect(await code('/media/%E9')).toBe('InvalidURI')
  })

  it('keeps redirects, storage classes and tags', async () => {
    const { client } = await open()
    const headers = {
      'x-amz-website-redirect-location': '/other',
      'x-amz-storage-class': 'GLACIER',
      'x-amz-tagging': 'a=1&b=2',
      'x-amz-server-side-encryption': 'aws:kms',
      'content-encoding': 'gzip,aws-chunked',
    }
    await client.send('PUT', '/media/a', { body: 'x', headers })
    const head = await client.send('HEAD', '/media/a')
    expect(head.headers).toMatchObject({
      'x-amz-website-redirect-location': '/other',
      'x-amz-storage-class': 'GLACIER',
      'x-amz-tagging-count': '2',
      'x-amz-server-side-encryption': 'aws:kms',
      'content-encoding': 'gzip',
    })
    expect((await client.send('GET', '/media/a')).code).toBe('InvalidObjectState')
    const tags = await client.send('GET', '/media/a', { query: { tagging: '' } })
    expect(tags.text).toContain('<Tag><Key>a</Key><Value>1</Value></Tag>')
  })

  it('refuses what it does not offer, rather than do something else', async () => {
    const { client } = await open()
    for (const query of [{ policy: '' }, { lifecycle: '' }, { versions: '' }]) {
      expect((await client.send('GET', '/media', { query })).code).toBe('NotImplemented')
    }
    const versioning = { query: { versioning: '' }, body: '<VersioningConfiguration/>' }
    expect((await client.send('PUT', '/media', versioning)).code).toBe('NotImplemented')
  })
})

describe('the profile', () => {
  it('r2 has no ACLs, no forms, no tags, no older signature, and parts of one size', async () => {
    const { client } = await open({ profile: 'r2' })
    const signing = { region: 'auto' }
    const code = async (method: string, path: string, request = {}): Promise<string | number> => {
      const answer = await client.send(method, path, { signing, ...request })
      return answer.code ?? answer.status
    }
    expect(await code('PUT', '/media/a', { body: 'x' })).toBe(200)
    expect(await code('GET', '/media/a', { signing: { region: 'us-east-1' } })).toBe(200)
    const acl = { body: 'x', headers: { 'x-amz-acl': 'private' } }
    expect(await code('PUT', '/media/a', acl)).toBe('NotImplemented')
    expect(await code('GET', '/media/a', { query: { acl: '' } })).toBe('NotImplemented')
    expect(await code('GET', '/media/a', { query: { tagging: '' } })).toBe('NotImplemented')
    expect(await code('GET', '/media/a', { by: 'v2' })).toBe('InvalidRequest')
    const form = { body: 'x', headers: { 'content-type': 'multipart/form-data; boundary=x' } }
    expect(await code('POST', '/media', form)).toBe('NotImplemented')
    const headers = { 'if-none-match': '*' }
    expect(await code('PUT', '/media/a', { body: 'x', headers })).toBe('PreconditionFailed')
  })

  it('r2 has its own names for conditions on the target of a copy', async () => {
    const { client } = await open({ profile: 'r2' })
    const signing = { region: 'auto' }
    await client.send('PUT', '/media/a', { signing, body: 'x' })
    const copy = async (header: string): Promise<number> => {
      const headers = { 'x-amz-copy-source': 'media/a', [header]: '*' }
      return (await client.send('PUT', '/media/b', { signing, headers })).status
    }
    expect(await copy('cf-copy-destination-if-none-match')).toBe(200)
    expect(await copy('cf-copy-destination-if-none-match')).toBe(412)
    expect(await copy('if-none-match')).toBe(200)
  })

  it('r2 sums up whole uploads by CRC-64 alone, and adds no checksum of its own', async () => {
    const { client } = await open({ profile: 'r2' })
    const signing = { region: 'auto' }
    const start = async (algorithm: string): Promise<number> => {
      const headers = {
        'x-amz-checksum-algorithm': algorithm,
        'x-amz-checksum-type': 'FULL_OBJECT',
      }
      return (await client.send('POST', '/media/a', { signing, query: { uploads: '' }, headers }))
        .status
    }
    expect(await start('CRC64NVME')).toBe(200)
    expect(await start('CRC32')).toBe(400)
    const stored = await client.send('PUT', '/media/a', { signing, body: 'x' })
    expect(Object.keys(stored.headers).filter(name => name.includes('checksum'))).toEqual([])
  })

  it('minimal ignores conditions on writes and checksums', async () => {
    const { client } = await open({ profile: 'minimal' })
    const headers = { 'if-none-match': '*', 'x-amz-checksum-crc32': 'AAAAAA==' }
    for (const body of ['1', '2']) {
      expect((await client.send('PUT', '/media/a', { body, headers })).status).toBe(200)
    }
    const got = await client.send('GET', '/media/a', {
      headers: { 'x-amz-checksum-mode': 'ENABLED' },
    })
    expect(got.text).toBe('2')
    expect(got.headers['x-amz-checksum-crc32']).toBeUndefined()
    expect(got.headers['x-amz-server-side-encryption']).toBeUndefined()
    const streaming = { payload: 'STREAMING-UNSIGNED-PAYLOAD-TRAILER' }
    const chunked = {
      body: '0\r\n\r\n',
      signing: streaming,
      headers: { 'x-amz-decoded-content-length': '0' },
    }
    expect((await client.send('PUT', '/media/b', chunked)).code).toBe('InvalidArgument')
  })
})

describe.each(['memory', 'a folder'])('kept in %s', where => {
  const keep = async (): Promise<S3ServerOptions> =>
    where === 'memory' ? {} : { dataDir: await folder() }

  it('an upload that breaks off leaves the object as it was, and nothing else', async () => {
    const options = await keep()
    const { server, client } = await open(options)
    await client.send('PUT', '/media/a', { body: 'before' })
    const { port } = new URL(server.endpoint)
    const body = 'x'.repeat(100_000)
    const signed = client.sign('PUT', '/media/a', { body, headers: { 'content-length': '100000' } })
    const head = Object.entries(signed.headers).map(([name, value]) => `${name}: ${value}\r\n`)
    const socket = connect(Number(port), '127.0.0.1')
    socket.write(`PUT /media/a HTTP/1.1\r\n${head.join('')}\r\n${body.slice(0, 70_000)}`)
    await until(() => server.connections === 2)
    socket.destroy()
    await until(() =>
      server.requests.some(({ status, method }) => method === 'PUT' && status === 400),
    )
    expect((await client.send('GET', '/media/a')).text).toBe('before')
    if (options.dataDir !== undefined) {
      expect(await readdir(join(options.dataDir, 'blobs'))).toHaveLength(1)
    }
  })

  it('large bodies come back whole and in any range, also after a copy over the original', async () => {
    const { client } = await open(await keep())
    const body = Buffer.alloc(3 * 1024 ** 2 + 17, '0123456789')
    await client.send('PUT', '/media/a', { body })
    await client.send('PUT', '/media/b', { headers: { 'x-amz-copy-source': '/media/a' } })
    await client.send('PUT', '/media/a', { body: 'small' })
    expect((await client.send('GET', '/media/b')).text === body.toString()).toBe(true)
    const headers = { range: 'bytes=1048570-1048590' }
    const { text } = await client.send('GET', '/media/b', { headers })
    expect(text).toBe(body.toString('latin1', 1_048_570, 1_048_591))
    const replaced = { 'x-amz-copy-source': '/media/b', 'x-amz-metadata-directive': 'REPLACE' }
    await client.send('PUT', '/media/b', { headers: replaced })
    expect((await client.send('GET', '/media/b')).text.length).toBe(body.byteLength)
  })
})

describe('a folder', () => {
  it('keeps buckets, objects and their settings over a restart, and no open uploads', async () => {
    const dataDir = await folder()
    const first = await open({ dataDir })
    const headers = { 'x-amz-meta-colour': 'blue', 'x-amz-acl': 'public-read' }
    await first.client.send('PUT', '/media/kept', { body: 'kept', headers })
    await first.client.send('PUT', '/media/copy', {
      headers: { 'x-amz-copy-source': 'media/kept' },
    })
    await first.client.send('PUT', '/media/gone', { body: 'gone' })
    await first.client.send('DELETE', '/media/gone')
    const ownership = { query: { ownershipControls: '' } }
    await first.client.send('DELETE', '/media', ownership)
    const { text } = await first.client.send('POST', '/media/up', { query: { uploads: '' } })
    const uploadId = /<UploadId>(.*)<\/UploadId>/.exec(text)?.[1] ?? ''
    const query = { uploadId, partNumber: '1' }
    await first.client.send('PUT', '/media/up', { query, body: 'part' })
    await first.server.close()
    const { server, client } = await open({ dataDir })
    const kept = await client.send('GET', '/media/kept', { by: 'nobody' })
    expect([kept.text, kept.headers['x-amz-meta-colour']]).toEqual(['kept', 'blue'])
    expect((await client.send('GET', '/media/copy')).text).toBe('kept')
    expect((await client.send('GET', '/media/gone')).code).toBe('NoSuchKey')
    expect(server.openUploads()).toBe(0)
    const removed = await client.send('GET', '/media', ownership)
    expect(removed.code).toBe('OwnershipControlsNotFoundError')
    expect(await readdir(join(dataDir, 'blobs'))).toHaveLength(1)
    await client.send('DELETE', '/media/kept')
    expect((await client.send('GET', '/media/copy')).text).toBe('kept')
    await client.send('DELETE', '/media/copy')
    await server.close()
    expect(await readdir(join(dataDir, 'blobs'))).toEqual([])
  })
})

describe('faults', () => {
  it('answer with a status, as often as told, for what matches', async () => {
    const { server, client } = await open()
    const match = { method: 'PUT', path: '/media/a' }
    server.failNext({ match, status: 503, times: 2, headers: { 'retry-after': '1' } })
    expect((await client.send('PUT', '/media/b', { body: 'x' })).status).toBe(200)
    for (let i = 0; i < 2; i += 1) {
      const answer = await client.send('PUT', '/media/a', { body: 'x' })
      expect([answer.status, answer.code, answer.headers['retry-after']]).toEqual([
        503,
        'SlowDown',
        '1',
      ])
    }
    expect((await client.send('PUT', '/media/a', { body: 'x' })).status).toBe(200)
  })

  it('carry the request out and lose the answer', async () => {
    const { server, client } = await open()
    server.failNext({ connection: 'reset', applied: true })
    await expect(client.send('PUT', '/media/a', { body: 'x' })).rejects.toThrow('ECONNRESET')
    expect((await client.send('GET', '/media/a')).text).toBe('x')
    server.failNext({ connection: 'reset' })
    await expect(client.send('PUT', '/media/b', { body: 'x' })).rejects.toThrow()
    expect((await client.send('GET', '/media/b')).code).toBe('NoSuchKey')
  })

  it('cut a body short', async () => {
    const { server, client } = await open()
    await client.send('PUT', '/media/a', { body: '0123456789' })
    server.failNext({ truncate: 4 })
    await expect(client.send('GET', '/media/a')).rejects.toThrow('aborted')
    expect((await client.send('GET', '/media/a')).text).toBe('0123456789')
  })

  it('keep a client waiting until the server ends', async () => {
    const { server, client } = await open()
    server.failNext({ connection: 'stall' })
    const waiting = client.send('GET', '/media/a')
    const ended = expect(waiting).rejects.toThrow()
    await until(() => server.requests.length === 1)
    await server.close()
    await ended
  })

  it('refuse a code that S3 does not have', async () => {
    const { server } = await open()
    expect(() => server.failNext({ status: 500, code: 'Nonsense' })).toThrow(TypeError)
  })
})

async function until(holds: () => boolean): Promise<void> {
  for (let i = 0; i < 1000 && !holds(); i += 1) await new Promise(resolve => setTimeout(resolve, 5))
  if (!holds()) throw new Error('what was waited for did not happen')
}

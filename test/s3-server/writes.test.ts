import { createHash } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { S3Server } from '../../src/testing/s3-server/s3-server.ts'
import { RawClient, type RawRequest } from './raw-client.ts'

const MiB = 1024 ** 2
const md5 = (text: string | Buffer): string => createHash('md5').update(text).digest('hex')

let server: S3Server
let client: RawClient

beforeEach(async () => {
  server = await S3Server.start({ buckets: ['media'] })
  client = new RawClient(server)
})

afterEach(async () => {
  client.close()
  await server.close()
})

async function put(key: string, body: string, request: RawRequest = {}): Promise<string> {
  const { code, status } = await client.send('PUT', `/media/${key}`, { ...request, body })
  return code ?? String(status)
}

async function start(key: string, headers: Record<string, string> = {}): Promise<string> {
  const { text } = await client.send('POST', `/media/${key}`, { query: { uploads: '' }, headers })
  return /<UploadId>(.*)<\/UploadId>/.exec(text)?.[1] ?? ''
}

function part(
  key: string,
  uploadId: string,
  number: number,
  body: string | Buffer,
  headers: Record<string, string> = {},
) {
  const query = { partNumber: String(number), uploadId }
  return client.send('PUT', `/media/${key}`, { query, body, headers })
}

function complete(
  key: string,
  uploadId: string,
  parts: readonly string[],
  headers: Record<string, string> = {},
) {
  const body = `<CompleteMultipartUpload>${parts
    .map((content, i) => `<Part><PartNumber>${i + 1}</PartNumber>${content}</Part>`)
    .join('')}</CompleteMultipartUpload>`
  return client.send('POST', `/media/${key}`, { query: { uploadId }, body, headers })
}

const tag = (body: string | Buffer): string => `<ETag>"${md5(body)}"</ETag>`

describe('conditional writes', () => {
  it('refuses a PUT over an object when there should be none', async () => {
    expect(await put('a', '1', { headers: { 'if-none-match': '*' } })).toBe('200')
    expect(await put('a', '2', { headers: { 'if-none-match': '*' } })).toBe('PreconditionFailed')
    expect((await client.send('GET', '/media/a')).text).toBe('1')
  })

  it('lets a PUT pass only over the version it names', async () => {
    await put('a', '1')
    expect(await put('a', '2', { headers: { 'if-match': '"other"' } })).toBe('PreconditionFailed')
    expect(await put('a', '2', { headers: { 'if-match': `"${md5('1')}"` } })).toBe('200')
    expect(await put('gone', '2', { headers: { 'if-match': '"any"' } })).toBe('NoSuchKey')
  })

  it('knows no other condition on a PUT', async () => {
    expect(await put('a', '1', { headers: { 'if-none-match': '"tag"' } })).toBe('NotImplemented')
  })

  it('holds on a copy and on a completion', async () => {
    await put('a', '1')
    await put('b', '2')
    const copy = await client.send('PUT', '/media/b', {
      headers: { 'x-amz-copy-source': 'media/a', 'if-none-match': '*' },
    })
    expect(copy.code).toBe('PreconditionFailed')
    const id = await start('b')
    await part('b', id, 1, 'parts')
    const refused = await complete('b', id, [tag('parts')], { 'if-none-match': '*' })
    expect(refused.code).toBe('PreconditionFailed')
    expect((await client.send('GET', '/media/b')).text).toBe('2')
    const match = { 'if-match': `"${md5('2')}"` }
    expect((await complete('b', id, [tag('parts')], match)).status).toBe(200)
  })

  it('holds on the source of a copy', async () => {
    await put('a', '1')
    const copy = async (name: string, value: string): Promise<string | number> => {
      const headers = { 'x-amz-copy-source': 'media/a', [`x-amz-copy-source-${name}`]: value }
      const answer = await client.send('PUT', '/media/copy', { headers })
      return answer.code ?? answer.status
    }
    const past = 'Mon, 01 Jan 2001 00:00:00 GMT'
    expect(await copy('if-match', '"other"')).toBe('PreconditionFailed')
    expect(await copy('if-none-match', `"${md5('1')}"`)).toBe('PreconditionFailed')
    expect(await copy('if-unmodified-since', past)).toBe('PreconditionFailed')
    expect(await copy('if-modified-since', past)).toBe(200)
    expect(await copy('if-match', `"${md5('1')}"`)).toBe(200)
  })

  it('holds on a DELETE', async () => {
    await put('a', '1')
    const remove = (etag: string) =>
      client.send('DELETE', '/media/a', { headers: { 'if-match': etag } })
    expect((await remove('"other"')).code).toBe('PreconditionFailed')
    expect((await remove(`"${md5('1')}"`)).status).toBe(204)
    expect((await remove(`"${md5('1')}"`)).code).toBe('NoSuchKey')
  })

  it('answers 409 to a conditional write whose object is deleted while it runs', async () => {
    await put('a', '1')
    const headers = { 'if-match': `"${md5('1')}"`, 'content-length': '4' }
    const signed = client.sign('PUT', '/media/a', { body: 'late', headers })
    let sendRest: (() => void) | undefined
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        controller.enqueue(Buffer.from('la'))
        sendRest = () => {
          controller.enqueue(Buffer.from('te'))
          controller.close()
        }
      },
    })
    const init = { method: 'PUT', headers: signed.headers, body, duplex: 'half' as const }
    const answer = server.fetch(new Request(`${server.endpoint}/media/a`, init))
    await new Promise(resolve => setImmediate(resolve))
    await client.send('DELETE', '/media/a')
    sendRest?.()
    const { status } = await answer
    expect(status).toBe(409)
    expect((await client.send('HEAD', '/media/a')).status).toBe(404)
  })
})

const modeEnabled = { headers: { 'x-amz-checksum-mode': 'ENABLED' } }

describe('checksums', () => {
  const known = [
    ['crc32', 'y/Q5Jg=='],
    ['crc32c', '4waSgw=='],
    ['crc64nvme', 'rosUhgp5mIg='],
    ['sha1', sha('sha1', '123456789')],
    ['sha256', sha('sha256', '123456789')],
  ]

  it.each(known)('keeps and returns %s of a PUT', async (name = '', value = '') => {
    const header = `x-amz-checksum-${name}`
    expect(await put('a', '123456789', { headers: { [header]: value } })).toBe('200')
    const plain = await client.send('HEAD', '/media/a')
    expect(plain.headers[header]).toBeUndefined()
    const asked = await client.send('HEAD', '/media/a', {
      headers: { 'x-amz-checksum-mode': 'ENABLED' },
    })
    expect(asked.headers[header]).toBe(value)
    expect(asked.headers['x-amz-checksum-type']).toBe('FULL_OBJECT')
  })

  it.each(known)('refuses a PUT whose %s is of other content', async (name, value = '') => {
    expect(await put('a', 'other', { headers: { [`x-amz-checksum-${name}`]: value } })).toBe(
      'BadDigest',
    )
    expect((await client.send('HEAD', '/media/a')).status).toBe(404)
  })

  it('refuses a checksum that is none, two of them, and one that was announced only', async () => {
    const refused = (headers: Record<string, string>) => put('a', '123456789', { headers })
    expect(await refused({ 'x-amz-checksum-crc32': 'nonsense' })).toBe('InvalidRequest')
    const two = { 'x-amz-checksum-crc32': 'y/Q5Jg==', 'x-amz-checksum-crc32c': '4waSgw==' }
    expect(await refused(two)).toBe('InvalidRequest')
    expect(await refused({ 'x-amz-sdk-checksum-algorithm': 'CRC32' })).toBe('InvalidRequest')
  })

  it('refuses content that is not what was signed, or of another length', async () => {
    const payload = createHash('sha256').update('other').digest('hex')
    expect(await put('a', 'content', { signing: { payload } })).toBe('XAmzContentSHA256Mismatch')
    expect(await put('a', 'x', { unsized: true })).toBe('MissingContentLength')
    expect(await put('a', 'x', { headers: { 'content-md5': 'bm9uc2Vuc2U=' } })).toBe(
      'InvalidDigest',
    )
  })

  it.each(['crc32', 'crc32c', 'crc64nvme'])(
    'gives an upload in parts the %s of the whole',
    async name => {
      const bodies = [Buffer.alloc(5 * MiB, 'one'), Buffer.from('two')]
      const header = `x-amz-checksum-${name}`
      const id = await start('a', {
        'x-amz-checksum-algorithm': name.toUpperCase(),
        'x-amz-checksum-type': 'FULL_OBJECT',
      })
      const whole = await wholeChecksum(header, bodies)
      const parts: string[] = []
      for (const [i, body] of bodies.entries()) {
        const value = await wholeChecksum(header, [body])
        await part('a', id, i + 1, body, { [header]: value })
        parts.push(tag(body))
      }
      const refused = await complete('a', id, parts, { [header]: await wholeChecksum(header, []) })
      expect(refused.code).toBe('BadDigest')
      const done = await complete('a', id, parts, { [header]: whole })
      expect(done.text).toContain(`>${whole}<`)
      const head = { headers: { 'x-amz-checksum-mode': 'ENABLED' } }
      expect((await client.send('HEAD', '/media/a', head)).headers[header]).toBe(whole)
    },
  )

  it('gives an upload in parts a checksum of its checksums', async () => {
    const id = await start('a', { 'x-amz-checksum-algorithm': 'SHA256' })
    const value = sha('sha256', 'parts')
    const without = await part('a', id, 1, 'parts')
    expect(without.code).toBe('InvalidRequest')
    await part('a', id, 1, 'parts', { 'x-amz-checksum-sha256': value })
    expect((await complete('a', id, [tag('parts')])).code).toBe('InvalidRequest')
    const listed = `${tag('parts')}<ChecksumSHA256>${value}</ChecksumSHA256>`
    const done = await complete('a', id, [listed])
    const composite = createHash('sha256').update(Buffer.from(value, 'base64')).digest('base64')
    expect(done.text).toContain(`<ChecksumSHA256>${composite}-1</ChecksumSHA256>`)
    expect(done.text).toContain('<ChecksumType>COMPOSITE</ChecksumType>')
  })

  it('computes a CRC-64 for an object that comes without a checksum, as AWS does', async () => {
    const stored = await client.send('PUT', '/media/a', { body: '123456789' })
    expect(stored.headers['x-amz-checksum-crc64nvme']).toBe('rosUhgp5mIg=')
    const got = await client.send('GET', '/media/a', modeEnabled)
    expect(got.headers).toMatchObject({
      'x-amz-checksum-crc64nvme': 'rosUhgp5mIg=',
      'x-amz-checksum-type': 'FULL_OBJECT',
    })
    const copied = await client.send('PUT', '/media/b', {
      headers: { 'x-amz-copy-source': 'media/a' },
    })
    expect(copied.text).toContain('<ChecksumCRC64NVME>rosUhgp5mIg=</ChecksumCRC64NVME>')
  })

  it('computes a CRC-64 of the whole for parts that come without a checksum', async () => {
    const bodies = [Buffer.alloc(5 * MiB, 'one'), Buffer.from('two')]
    const id = await start('a')
    for (const [i, body] of bodies.entries()) await part('a', id, i + 1, body)
    const done = await complete('a', id, bodies.map(tag))
    const whole = await wholeChecksum('x-amz-checksum-crc64nvme', bodies)
    expect(done.text).toContain(`<ChecksumCRC64NVME>${whole}</ChecksumCRC64NVME>`)
    const head = await client.send('HEAD', '/media/a', modeEnabled)
    expect(head.headers['x-amz-checksum-crc64nvme']).toBe(whole)
  })

  it('has no checksum of the whole where parts brought others', async () => {
    const id = await start('a')
    await part('a', id, 1, '123456789', { 'x-amz-checksum-crc32': 'y/Q5Jg==' })
    const done = await complete('a', id, [tag('123456789')])
    expect(done.status).toBe(200)
    expect(done.text).not.toContain('Checksum')
  })

  /** The server's own checksum of one PUT, which the known values above vouch for. */
  async function wholeChecksum(header: string, bodies: readonly Buffer[]): Promise<string> {
    const name = header.replace('x-amz-checksum-', '').toUpperCase()
    await put('source', '')
    await client.send('PUT', '/media/source', { body: Buffer.concat(bodies) })
    const copied = await client.send('PUT', '/media/copy', {
      headers: { 'x-amz-copy-source': 'media/source', 'x-amz-checksum-algorithm': name },
    })
    return new RegExp(`<Checksum${name}>(.*)</Checksum${name}>`).exec(copied.text)?.[1] ?? ''
  }
})

function sha(name: string, text: string): string {
  return createHash(name).update(text).digest('base64')
}

describe('uploads in parts', () => {
  it('takes parts in any order and replaces one that comes again', async () => {
    const id = await start('a')
    const large = Buffer.alloc(5 * MiB, 1)
    await part('a', id, 2, 'old')
    await part('a', id, 1, large)
    await part('a', id, 2, 'new')
    expect((await complete('a', id, [tag(large), tag('old')])).code).toBe('InvalidPart')
    expect((await complete('a', id, [tag(large), tag('new')])).status).toBe(200)
    expect(server.openUploads()).toBe(0)
  })

  it('answers a completion that is sent again as the first time', async () => {
    const id = await start('a')
    await part('a', id, 1, 'x')
    const first = await complete('a', id, [tag('x')])
    const again = await complete('a', id, [tag('x')])
    expect(again.status).toBe(200)
    expect(again.text).toBe(first.text)
  })

  it('leaves the object as it was until it is complete', async () => {
    await put('a', 'before')
    const id = await start('a')
    await part('a', id, 1, 'after')
    expect((await client.send('GET', '/media/a')).text).toBe('before')
    await complete('a', id, [tag('after')])
    expect((await client.send('GET', '/media/a')).text).toBe('after')
  })

  it('refuses a small part in the middle, a wrong order and a number out of range', async () => {
    const id = await start('a')
    await part('a', id, 1, 'small')
    await part('a', id, 2, 'last')
    expect((await complete('a', id, [tag('small'), tag('last')])).code).toBe('EntityTooSmall')
    expect((await part('a', id, 0, 'x')).code).toBe('InvalidArgument')
    expect((await part('a', id, 10_001, 'x')).code).toBe('InvalidArgument')
    expect((await part('other-key', id, 1, 'x')).code).toBe('NoSuchUpload')
  })
})

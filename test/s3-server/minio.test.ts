import { Readable } from 'node:stream'
import { Client, CopyDestinationOptions, CopySourceOptions } from 'minio'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { S3Server } from '../../src/testing/s3-server/s3-server.ts'
import { ODD_KEYS } from './odd-keys.ts'

const bucket = 'media'
const MiB = 1024 ** 2

describe('the minio client', () => {
  let server: S3Server
  let client: Client

  beforeAll(async () => {
    server = await S3Server.start({ region: 'eu-west-1' })
    client = clientOf(server)
    await client.makeBucket(bucket, 'eu-west-1')
  })

  afterAll(() => server.close())

  it('creates, finds, lists and removes buckets', async () => {
    await client.makeBucket('made-here', 'eu-west-1')
    expect(await client.bucketExists('made-here')).toBe(true)
    const buckets = await client.listBuckets()
    expect(buckets.map(({ name }) => name)).toEqual(['made-here', bucket])
    await client.removeBucket('made-here')
    expect(await client.bucketExists('made-here')).toBe(false)
  })

  it('puts and stats with metadata', async () => {
    const sent = { 'Content-Type': 'text/plain', 'X-Amz-Meta-Colour': 'blue' }
    await client.putObject(bucket, 'a.txt', 'hello', 5, sent)
    const stat = await client.statObject(bucket, 'a.txt')
    expect(stat).toMatchObject({ size: 5, etag: '5d41402abc4b2a76b9719d911017c592' })
    expect(stat.metaData).toMatchObject({ 'content-type': 'text/plain', colour: 'blue' })
    const part = await client.getPartialObject(bucket, 'a.txt', 1, 3)
    expect(await textOf(part)).toBe('ell')
    await expect(client.statObject(bucket, 'missing')).rejects.toMatchObject({ code: 'NotFound' })
  })

  // It does not encode `+` and `?` in the source of a copy, see below.
  const copied = ODD_KEYS.filter(key => !/[+?]/.test(key))

  it.each(copied)('keeps the key %j through put, get, list, copy and delete', async key => {
    const name = `odd/${key}`
    const copy = `copied/${key}`
    await client.putObject(bucket, name, key)
    await client.copyObject(
      new CopySourceOptions({ Bucket: bucket, Object: name }),
      new CopyDestinationOptions({ Bucket: bucket, Object: copy }),
    )
    expect(await textOf(await client.getObject(bucket, copy))).toBe(key)
    for (const prefix of [name, copy]) {
      expect(await keysOf(client, prefix)).toEqual([prefix])
      await client.removeObject(bucket, prefix)
    }
  })

  it.each(['plus+plus', 'what?'])('keeps the key %j through put and get', async key => {
    await client.putObject(bucket, key, key)
    expect(await textOf(await client.getObject(bucket, key))).toBe(key)
    expect(await keysOf(client, key)).toEqual([key])
  })

  it('does not find the source of a copy whose + it left unencoded, as on AWS', async () => {
    await client.putObject(bucket, 'a+b', 'x')
    const copy = client.copyObject(
      new CopySourceOptions({ Bucket: bucket, Object: 'a+b' }),
      new CopyDestinationOptions({ Bucket: bucket, Object: 'copy' }),
    )
    await expect(copy).rejects.toMatchObject({ code: 'NoSuchKey' })
  })

  it('lists more than 1,000 keys and removes them in bulk', async () => {
    const keys = Array.from({ length: 1003 }, (_, i) => `many/${String(i).padStart(4, '0')}`)
    for (let at = 0; at < keys.length; at += 16) {
      await Promise.all(keys.slice(at, at + 16).map(key => client.putObject(bucket, key, '-')))
    }
    expect(await keysOf(client, 'many/')).toEqual(keys)
    await client.removeObjects(bucket, keys)
    expect(await keysOf(client, 'many/')).toEqual([])
  })

  it('uploads a stream of unknown length as an upload in parts', async () => {
    const body = Buffer.alloc(6 * MiB, 'stream ')
    const sent = await client.putObject(bucket, 'streamed', Readable.from([body]))
    expect(sent.etag).toMatch(/-1$/)
    expect((await client.statObject(bucket, 'streamed')).size).toBe(body.byteLength)
    expect(server.openUploads()).toBe(0)
  })

  it('presigns GET and PUT', async () => {
    const name = 'signed +?#.txt'
    const put = await client.presignedPutObject(bucket, name, 60)
    expect((await fetch(put, { method: 'PUT', body: 'by url' })).status).toBe(200)
    const get = await client.presignedGetObject(bucket, name, 60)
    expect(await (await fetch(get)).text()).toBe('by url')
  })

  it('posts a form under a policy, and is refused what the policy does not allow', async () => {
    const policy = client.newPostPolicy()
    policy.setBucket(bucket)
    policy.setKey('posted.txt')
    policy.setExpires(new Date(Date.now() + 60_000))
    policy.setContentType('text/plain')
    policy.setContentLengthRange(1, 10)
    const { postURL, formData } = await client.presignedPostPolicy(policy)
    const post = async (text: string, change: Record<string, string> = {}): Promise<string> => {
      const form = new FormData()
      for (const [name, value] of Object.entries({ ...formData, ...change })) {
        form.append(name, String(value))
      }
      form.append('file', new Blob([text]), 'posted.txt')
      const answer = await fetch(postURL, { method: 'POST', body: form })
      const code = /<Code>(.*)<\/Code>/.exec(await answer.text())?.[1]
      return code ?? String(answer.status)
    }
    expect(await post('by form')).toBe('204')
    expect(await textOf(await client.getObject(bucket, 'posted.txt'))).toBe('by form')
    expect((await client.statObject(bucket, 'posted.txt')).metaData).toMatchObject({
      'content-type': 'text/plain',
    })
    expect(await post('longer than ten')).toBe('EntityTooLarge')
    expect(await post('')).toBe('EntityTooSmall')
    expect(await post('x', { key: 'other.txt' })).toBe('AccessDenied')
    expect(await post('x', { acl: 'public-read' })).toBe('AccessDenied')
    expect(await post('x', { 'x-amz-signature': '0'.repeat(64) })).toBe('SignatureDoesNotMatch')
  })

  it('is refused with a wrong secret', async () => {
    const other = clientOf(server, { secretKey: 'wrong' })
    const answer = other.putObject(bucket, 'x', 'x')
    await expect(answer).rejects.toMatchObject({ code: 'SignatureDoesNotMatch' })
  })
})

function clientOf(server: S3Server, change: { secretKey?: string } = {}): Client {
  const { hostname, port } = new URL(server.endpoint)
  return new Client({
    endPoint: hostname,
    port: Number(port),
    useSSL: false,
    region: 'eu-west-1',
    accessKey: server.accessKey,
    secretKey: server.secretKey,
    ...change,
  })
}

async function textOf(stream: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}

async function keysOf(client: Client, prefix: string): Promise<(string | undefined)[]> {
  const keys: (string | undefined)[] = []
  for await (const entry of client.listObjectsV2(bucket, prefix, true)) keys.push(entry.name)
  return keys
}

import AWS from 'aws-sdk'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { S3Server } from '../../src/testing/s3-server/s3-server.ts'
import { ODD_KEYS } from './odd-keys.ts'

const Bucket = 'media'
const MiB = 1024 ** 2

describe.each([
  ['version 4', 'v4'],
  ['version 2', 's3'],
])('the older SDK with signature %s', (_, signatureVersion) => {
  let server: S3Server
  let client: AWS.S3

  beforeAll(async () => {
    server = await S3Server.start({ buckets: [Bucket] })
    client = clientOf(server, signatureVersion)
  })

  afterAll(() => server.close())

  it('creates, lists and removes buckets', async () => {
    await client.createBucket({ Bucket: 'made-here' }).promise()
    await client.headBucket({ Bucket: 'made-here' }).promise()
    const { Buckets } = await client.listBuckets().promise()
    expect(Buckets?.map(bucket => bucket.Name)).toEqual(['made-here', Bucket])
    await client.deleteBucket({ Bucket: 'made-here' }).promise()
    const gone = client.headBucket({ Bucket: 'made-here' }).promise()
    await expect(gone).rejects.toMatchObject({ code: 'NotFound', statusCode: 404 })
  })

  it('puts with an ACL, a type and metadata, and reads all of it', async () => {
    const Key = 'folder/a b.txt'
    const sent = { ContentType: 'text/plain', Metadata: { colour: 'blue' }, ACL: 'public-read' }
    await client.putObject({ Bucket, Key, Body: 'hello', ...sent }).promise()
    const got = await client.getObject({ Bucket, Key }).promise()
    expect(got.Body?.toString()).toBe('hello')
    expect(got).toMatchObject({ ContentType: 'text/plain', Metadata: { colour: 'blue' } })
    const head = await client.headObject({ Bucket, Key }).promise()
    expect(head.ContentLength).toBe(5)
    const { Grants } = await client.getObjectAcl({ Bucket, Key }).promise()
    expect(Grants?.map(grant => grant.Permission)).toEqual(['FULL_CONTROL', 'READ'])
    const anybody = await fetch(`${server.endpoint}/${Bucket}/folder/a%20b.txt`)
    expect(await anybody.text()).toBe('hello')
  })

  it('reads ranges', async () => {
    await client.putObject({ Bucket, Key: 'range', Body: '0123456789' }).promise()
    const got = await client.getObject({ Bucket, Key: 'range', Range: 'bytes=3-5' }).promise()
    expect(got.Body?.toString()).toBe('345')
    expect(got.ContentRange).toBe('bytes 3-5/10')
    const beyond = client.getObject({ Bucket, Key: 'range', Range: 'bytes=99-' }).promise()
    await expect(beyond).rejects.toMatchObject({ code: 'InvalidRange', statusCode: 416 })
  })

  it.each(ODD_KEYS)('keeps the key %j through put, get, list, copy and delete', async key => {
    const Key = `odd/${key}`
    const copy = `copied/${key}`
    await client.putObject({ Bucket, Key, Body: key }).promise()
    const CopySource = `${Bucket}/${encodeURIComponent(Key)}`
    await client.copyObject({ Bucket, Key: copy, CopySource }).promise()
    expect((await client.getObject({ Bucket, Key: copy }).promise()).Body?.toString()).toBe(key)
    for (const Prefix of [Key, copy]) {
      const { Contents } = await client.listObjectsV2({ Bucket, Prefix }).promise()
      expect(Contents?.map(entry => entry.Key)).toEqual([Prefix])
      await client.deleteObject({ Bucket, Key: Prefix }).promise()
    }
  })

  it('lists over 1,000 keys by marker and by token', async () => {
    const keys = Array.from({ length: 1003 }, (_, i) => `many/${String(i).padStart(4, '0')}`)
    for (let at = 0; at < keys.length; at += 16) {
      await Promise.all(
        keys.slice(at, at + 16).map(Key => client.putObject({ Bucket, Key, Body: '-' }).promise()),
      )
    }
    const first = await client.listObjects({ Bucket, Prefix: 'many/' }).promise()
    const last = first.Contents?.at(-1)?.Key ?? ''
    const next = await client.listObjects({ Bucket, Prefix: 'many/', Marker: last }).promise()
    const listed = [...(first.Contents ?? []), ...(next.Contents ?? [])].map(entry => entry.Key)
    expect(listed).toEqual(keys)
    const page = await client.listObjectsV2({ Bucket, Prefix: 'many/', MaxKeys: 1001 }).promise()
    expect(page.KeyCount).toBe(1000)
    const rest = await client
      .listObjectsV2({
        Bucket,
        Prefix: 'many/',
        ContinuationToken: page.NextContinuationToken ?? '',
      })
      .promise()
    expect(rest.Contents?.map(entry => entry.Key)).toEqual(keys.slice(1000))
    const folders = await client.listObjects({ Bucket, Delimiter: '/' }).promise()
    expect(folders.CommonPrefixes).toContainEqual({ Prefix: 'many/' })
  })

  it('deletes many keys with the errors of single ones', async () => {
    await client.putObject({ Bucket, Key: 'bulk', Body: '-' }).promise()
    const Objects = [{ Key: 'bulk' }, { Key: 'x'.repeat(1025) }]
    const { Deleted, Errors } = await client
      .deleteObjects({ Bucket, Delete: { Objects } })
      .promise()
    expect(Deleted).toMatchObject([{ Key: 'bulk' }])
    expect(Errors).toMatchObject([{ Code: 'KeyTooLongError' }])
  })

  it('uploads a large body in parts', async () => {
    const Body = Buffer.alloc(11 * MiB, 'large ')
    const sent = await client.upload({ Bucket, Key: 'large', Body }).promise()
    expect(sent.ETag).toMatch(/-3"$/)
    const got = await client.getObject({ Bucket, Key: 'large' }).promise()
    expect(Buffer.isBuffer(got.Body) && got.Body.equals(Body)).toBe(true)
    expect(server.openUploads()).toBe(0)
  })

  it('presigns GET and PUT, and the URL ends with its expiry', async () => {
    const Key = 'signed +?#.txt'
    const put = client.getSignedUrl('putObject', { Bucket, Key, Expires: 60 })
    expect((await fetch(put, { method: 'PUT', body: Buffer.from('by url') })).status).toBe(200)
    const get = client.getSignedUrl('getObject', {
      Bucket,
      Key,
      Expires: 60,
      ResponseContentType: 'text/x-special',
    })
    const got = await fetch(get)
    expect(await got.text()).toBe('by url')
    expect(got.headers.get('content-type')).toBe('text/x-special')
    const later = await S3Server.start({ now: () => new Date(Date.now() + 120_000) })
    const expired = await later.fetch(new Request(get))
    expect(expired.status).toBe(403)
    expect(await expired.text()).toContain('Request has expired')
    await later.close()
  })

  it('is refused with a wrong secret', async () => {
    const other = clientOf(server, signatureVersion, 'wrong')
    const answer = other.listObjectsV2({ Bucket }).promise()
    await expect(answer).rejects.toMatchObject({ code: 'SignatureDoesNotMatch', statusCode: 403 })
  })
})

function clientOf(server: S3Server, signatureVersion: string, secret?: string): AWS.S3 {
  return new AWS.S3({
    endpoint: server.endpoint,
    region: 'us-east-1',
    s3ForcePathStyle: true,
    signatureVersion,
    maxRetries: 0,
    accessKeyId: server.accessKey,
    secretAccessKey: secret ?? server.secretKey,
  })
}

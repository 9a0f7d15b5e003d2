import { Readable } from 'node:stream'
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetBucketLocationCommand,
  GetObjectCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListBucketsCommand,
  ListMultipartUploadsCommand,
  ListObjectsCommand,
  ListObjectsV2Command,
  ListPartsCommand,
  PutObjectCommand,
  S3Client,
  S3ServiceException,
  UploadPartCommand,
  UploadPartCopyCommand,
} from '@aws-sdk/client-s3'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { S3Server } from '../../src/testing/s3-server/s3-server.ts'
import { ODD_KEYS } from './odd-keys.ts'

const Bucket = 'media'
const MiB = 1024 ** 2

describe('the official SDK v3', () => {
  let server: S3Server
  let client: S3Client

  beforeAll(async () => {
    server = await S3Server.start({ buckets: [Bucket], region: 'eu-central-1' })
    client = clientOf(server)
  })

  afterAll(async () => {
    client.destroy()
    await server.close()
  })

  it('creates, finds, lists and removes buckets', async () => {
    await client.send(new CreateBucketCommand({ Bucket: 'made-here' }))
    await client.send(new HeadBucketCommand({ Bucket: 'made-here' }))
    const location = await client.send(new GetBucketLocationCommand({ Bucket: 'made-here' }))
    expect(location.LocationConstraint).toBe('eu-central-1')
    const { Buckets, Owner } = await client.send(new ListBucketsCommand({}))
    expect(Buckets?.map(bucket => bucket.Name)).toEqual(['made-here', Bucket])
    expect(Owner?.ID).toBe('test')
    await client.send(new DeleteBucketCommand({ Bucket: 'made-here' }))
    await expect(client.send(new HeadBucketCommand({ Bucket: 'made-here' }))).rejects.toMatchObject(
      {
        name: 'NotFound',
      },
    )
  })

  it('stores a body with its default checksum and reads it back verified', async () => {
    await client.send(
      new PutObjectCommand({
        Bucket,
        Key: 'a.txt',
        Body: 'hello',
        ContentType: 'text/plain',
        CacheControl: 'no-cache',
        Metadata: { colour: 'blue' },
      }),
    )
    const got = await client.send(new GetObjectCommand({ Bucket, Key: 'a.txt' }))
    expect(await got.Body?.transformToString()).toBe('hello')
    expect(got).toMatchObject({
      ContentType: 'text/plain',
      CacheControl: 'no-cache',
      Metadata: { colour: 'blue' },
      ETag: '"5d41402abc4b2a76b9719d911017c592"',
      ChecksumCRC32: 'NhCmhg==',
      ChecksumType: 'FULL_OBJECT',
      ServerSideEncryption: 'AES256',
    })
  })

  it('streams a body in aws-chunked framing with a trailer and stores it without', async () => {
    const body = Buffer.alloc(3 * MiB, 'streamed ')
    await client.send(
      new PutObjectCommand({
        Bucket,
        Key: 'streamed',
        Body: Readable.from(pieces(body)),
        ContentLength: body.byteLength,
        ChecksumAlgorithm: 'CRC32C',
      }),
    )
    const got = await client.send(
      new GetObjectCommand({ Bucket, Key: 'streamed', ChecksumMode: 'ENABLED' }),
    )
    expect(got.ContentEncoding).toBeUndefined()
    expect(got.ChecksumCRC32C).toBeDefined()
    expect(Buffer.from((await got.Body?.transformToByteArray()) ?? []).equals(body)).toBe(true)
  })

  it.each(['SHA1', 'SHA256', 'CRC32', 'CRC32C'] as const)('sends and gets %s', async algorithm => {
    const Key = `checksum-${algorithm}`
    const sent = { Bucket, Key, Body: 'content', ChecksumAlgorithm: algorithm }
    const put = await client.send(new PutObjectCommand(sent))
    expect(put[`Checksum${algorithm}`]).toBeDefined()
    const head = await client.send(new HeadObjectCommand({ Bucket, Key, ChecksumMode: 'ENABLED' }))
    expect(head[`Checksum${algorithm}`]).toBe(put[`Checksum${algorithm}`])
  })

  it('reads ranges', async () => {
    await client.send(new PutObjectCommand({ Bucket, Key: 'range', Body: '0123456789' }))
    const range = async (Range: string): Promise<string | undefined> => {
      const got = await client.send(new GetObjectCommand({ Bucket, Key: 'range', Range }))
      return got.Body?.transformToString()
    }
    expect(await range('bytes=2-4')).toBe('234')
    expect(await range('bytes=-3')).toBe('789')
    await expect(range('bytes=10-')).rejects.toMatchObject({ name: 'InvalidRange' })
  })

  it('learns from HEAD that a key is missing', async () => {
    const missing = client.send(new HeadObjectCommand({ Bucket, Key: 'missing' }))
    await expect(missing).rejects.toMatchObject({ name: 'NotFound' })
    const got = client.send(new GetObjectCommand({ Bucket, Key: 'missing' }))
    await expect(got).rejects.toMatchObject({ name: 'NoSuchKey' })
  })

  it.each(ODD_KEYS)('keeps the key %j through put, get, list, copy and delete', async key => {
    const Key = `odd/${key}`
    const copy = `copied/${key}`
    await client.send(new PutObjectCommand({ Bucket, Key, Body: key }))
    const CopySource = `${Bucket}/${encodeURIComponent(Key)}`
    await client.send(new CopyObjectCommand({ Bucket, Key: copy, CopySource }))
    const got = await client.send(new GetObjectCommand({ Bucket, Key: copy }))
    expect(await got.Body?.transformToString()).toBe(key)
    for (const Prefix of [Key, copy]) {
      const list = await client.send(new ListObjectsV2Command({ Bucket, Prefix }))
      expect(list.Contents?.map(entry => entry.Key)).toEqual([Prefix])
      await client.send(new DeleteObjectCommand({ Bucket, Key: Prefix }))
    }
    const left = await client.send(new ListObjectsV2Command({ Bucket, Prefix: Key }))
    expect(left.KeyCount).toBe(0)
  })

  it('lists more than 1,000 keys in pages, and folders by delimiter', async () => {
    const keys = Array.from({ length: 1005 }, (_, i) => `many/${String(i).padStart(4, '0')}`)
    await inTurns(keys, Key => client.send(new PutObjectCommand({ Bucket, Key, Body: '-' })))
    const listed: string[] = []
    let ContinuationToken: string | undefined
    for (let page = 0; page < 2; page += 1) {
      const list = await client.send(
        new ListObjectsV2Command({ Bucket, Prefix: 'many/', ContinuationToken }),
      )
      for (const { Key } of list.Contents ?? []) listed.push(Key ?? '')
      ContinuationToken = list.NextContinuationToken
    }
    expect(ContinuationToken).toBeUndefined()
    expect(listed).toEqual(keys)
    const top = await client.send(new ListObjectsV2Command({ Bucket, Delimiter: '/' }))
    expect(top.CommonPrefixes).toContainEqual({ Prefix: 'many/' })
    const v1 = await client.send(new ListObjectsCommand({ Bucket, Prefix: 'many/' }))
    expect(v1.IsTruncated).toBe(true)
    expect(v1.Contents).toHaveLength(1000)
  })

  it('deletes many keys, and says which ones it could not', async () => {
    await client.send(new PutObjectCommand({ Bucket, Key: 'bulk', Body: '-' }))
    const long = 'x'.repeat(1025)
    const { Deleted, Errors } = await client.send(
      new DeleteObjectsCommand({
        Bucket,
        Delete: { Objects: [{ Key: 'bulk' }, { Key: 'never' }, { Key: long }] },
      }),
    )
    expect(Deleted?.map(entry => entry.Key)).toEqual(['bulk', 'never'])
    expect(Errors).toMatchObject([{ Key: long, Code: 'KeyTooLongError' }])
    const Objects = Array.from({ length: 1001 }, (_, i) => ({ Key: `k${i}` }))
    const tooMany = client.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects } }))
    await expect(tooMany).rejects.toMatchObject({ name: 'MalformedXML' })
  })

  it('uploads in parts, copies into a part, and completes', async () => {
    const first = Buffer.alloc(5 * MiB, 1)
    await client.send(new PutObjectCommand({ Bucket, Key: 'source', Body: 'abcdef' }))
    const created = await client.send(new CreateMultipartUploadCommand({ Bucket, Key: 'parts' }))
    const upload = { Bucket, Key: 'parts', UploadId: created.UploadId }
    const open = await client.send(new ListMultipartUploadsCommand({ Bucket }))
    expect(open.Uploads?.map(({ UploadId }) => UploadId)).toEqual([created.UploadId])
    const one = await client.send(new UploadPartCommand({ ...upload, PartNumber: 1, Body: first }))
    const two = await client.send(
      new UploadPartCopyCommand({
        ...upload,
        PartNumber: 2,
        CopySource: `${Bucket}/source`,
        CopySourceRange: 'bytes=1-3',
      }),
    )
    const listed = await client.send(new ListPartsCommand(upload))
    expect(listed.Parts?.map(part => part.Size)).toEqual([5 * MiB, 3])
    const Parts = [
      { ...one, PartNumber: 1 },
      { ...two.CopyPartResult, PartNumber: 2 },
    ]
    const done = await client.send(
      new CompleteMultipartUploadCommand({ ...upload, MultipartUpload: { Parts } }),
    )
    expect(done.ETag).toMatch(/^"[0-9a-f]{32}-2"$/)
    const got = await client.send(new GetObjectCommand({ Bucket, Key: 'parts' }))
    const expected = Buffer.concat([first, Buffer.from('bcd')])
    expect(Buffer.from((await got.Body?.transformToByteArray()) ?? []).equals(expected)).toBe(true)
    const part = await client.send(new GetObjectCommand({ Bucket, Key: 'parts', PartNumber: 2 }))
    expect(await part.Body?.transformToString()).toBe('bcd')
    expect(part.PartsCount).toBe(2)
  })

  it('aborts an upload, after which it is gone', async () => {
    const { UploadId } = await client.send(new CreateMultipartUploadCommand({ Bucket, Key: 'x' }))
    const before = server.openUploads(Bucket)
    await client.send(new AbortMultipartUploadCommand({ Bucket, Key: 'x', UploadId }))
    expect(server.openUploads(Bucket)).toBe(before - 1)
    const part = client.send(
      new UploadPartCommand({ Bucket, Key: 'x', UploadId, PartNumber: 1, Body: 'late' }),
    )
    await expect(part).rejects.toMatchObject({ name: 'NoSuchUpload' })
  })

  it('lets one of twenty conditional writers win', async () => {
    const results = await Promise.allSettled(
      Array.from({ length: 20 }, (_, i) =>
        client.send(new PutObjectCommand({ Bucket, Key: 'once', Body: `${i}`, IfNoneMatch: '*' })),
      ),
    )
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    const codes = results.flatMap(result =>
      result.status === 'rejected' && result.reason instanceof S3ServiceException
        ? [result.reason.name]
        : [],
    )
    expect(new Set(codes)).toEqual(new Set(['PreconditionFailed']))
    expect(codes).toHaveLength(19)
  })

  it('is refused with a wrong secret, an unknown key and a wrong region', async () => {
    const asked = async (change: Parameters<typeof clientOf>[1]): Promise<unknown> => {
      const other = clientOf(server, change)
      const answer = other.send(new ListObjectsV2Command({ Bucket }))
      return answer.finally(() => other.destroy())
    }
    const { accessKey: accessKeyId } = server
    const wrong = { credentials: { accessKeyId, secretAccessKey: 'wrong' } }
    await expect(asked(wrong)).rejects.toMatchObject({ name: 'SignatureDoesNotMatch' })
    const unknown = { credentials: { accessKeyId: 'nobody', secretAccessKey: 'wrong' } }
    await expect(asked(unknown)).rejects.toMatchObject({ name: 'InvalidAccessKeyId' })
    await expect(asked({ region: 'us-west-2' })).rejects.toMatchObject({
      name: 'AuthorizationHeaderMalformed',
      Region: 'eu-central-1',
    })
  })
})

function clientOf(
  server: S3Server,
  change: ConstructorParameters<typeof S3Client>[0] = {},
): S3Client {
  return new S3Client({
    endpoint: server.endpoint,
    region: 'eu-central-1',
    forcePathStyle: true,
    maxAttempts: 1,
    credentials: { accessKeyId: server.accessKey, secretAccessKey: server.secretKey },
    ...change,
  })
}

function* pieces(body: Buffer): Generator<Buffer> {
  for (let at = 0; at < body.byteLength; at += 70_000) yield body.subarray(at, at + 70_000)
}

async function inTurns(
  keys: readonly string[],
  send: (key: string) => Promise<unknown>,
): Promise<void> {
  for (let at = 0; at < keys.length; at += 16) {
    await Promise.all(keys.slice(at, at + 16).map(send))
  }
}

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import type { S3StorageOptions } from './options.ts'
import { S3Storage } from './s3-storage.ts'

/** What a service that does not keep to the rules answers. */
type Answer = (request: IncomingMessage, response: ServerResponse) => void

let service: Server | undefined
let requests: string[] = []

afterEach(async () => {
  const ending = service
  service = undefined
  await new Promise<void>(resolve => {
    if (ending === undefined) return resolve()
    ending.close(() => resolve())
    ending.closeAllConnections()
  })
})

async function connect(answer: Answer, options: S3StorageOptions = {}): Promise<S3Storage> {
  requests = []
  const opened = createServer((request, response) => {
    requests.push(`${request.method} ${request.url}`)
    request.resume()
    answer(request, response)
  })
  service = opened
  await new Promise<void>(resolve => opened.listen(0, '127.0.0.1', resolve))
  return new S3Storage({
    endpointUrl: `http://127.0.0.1:${(opened.address() as AddressInfo).port}`,
    bucketName: 'bucket',
    location: 'media',
    accessKey: 'key',
    secretKey: 'secret',
    ...options,
  })
}

const modified = { 'last-modified': 'Wed, 25 Nov 2026 02:00:00 GMT' }

function listing(...elements: string[]): Answer {
  return (_request, response) =>
    response.end(`<ListBucketResult>${elements.join('')}</ListBucketResult>`)
}

function object(key: string): string {
  return `<Contents><Key>${key}</Key><Size>1</Size><LastModified>2026-01-01T00:00:00Z</LastModified></Contents>`
}

async function namesOf(storage: S3Storage, folder = ''): Promise<string[]> {
  const names: string[] = []
  for await (const { name } of storage.list(folder, { recursive: true })) names.push(name)
  return names
}

describe('a service that lists what was not asked for', () => {
  it('gives nobody a key from outside the location as one inside it', async () => {
    const storage = await connect(listing(object('media/a'), object('private/secret')))
    await expect(namesOf(storage)).rejects.toMatchObject({ name: 'IntegrityError' })
  })

  it('gives nobody a key of a folder beside the one that is listed', async () => {
    const storage = await connect(listing(object('media/user/10/a')))
    await expect(namesOf(storage, 'user/1')).rejects.toMatchObject({ name: 'IntegrityError' })
  })

  it('gives nobody a folder from outside the one that is listed', async () => {
    const storage = await connect(
      listing('<CommonPrefixes><Prefix>private/</Prefix></CommonPrefixes>'),
    )
    await expect(storage.listdir('')).rejects.toMatchObject({ name: 'IntegrityError' })
  })

  it('leaves the uploads of other locations alone', async () => {
    const storage = await connect((request, response) => {
      if (request.method === 'DELETE') response.writeHead(204).end()
      else if (request.url?.includes('list-type=2')) listing('')(request, response)
      else response.end(`<ListMultipartUploadsResult>${upload}</ListMultipartUploadsResult>`)
    })
    const upload = ['private/a', 'media/b']
      .map(
        key =>
          `<Upload><Key>${key}</Key><UploadId>1</UploadId><Initiated>2020-01-01T00:00:00Z</Initiated></Upload>`,
      )
      .join('')
    expect(await storage.cleanupUploads()).toEqual(['upload 1 of b'])
    expect(requests.filter(request => request.startsWith('DELETE'))).toEqual([
      'DELETE /bucket/media/b?uploadId=1',
    ])
  })
})

describe('a service that never comes to the end of a listing', () => {
  it('is asked no third time for the page that it gave twice', async () => {
    const storage = await connect((request, response) => {
      // Ends a loop that this test is there to find.
      if (requests.length > 10) response.destroy()
      else
        listing(
          object('media/a'),
          '<IsTruncated>true</IsTruncated><NextContinuationToken>again</NextContinuationToken>',
        )(request, response)
    })
    await expect(namesOf(storage)).rejects.toMatchObject({ name: 'IntegrityError' })
    expect(requests).toHaveLength(2)
  })
})

describe('a service that never comes to the end of its uploads', () => {
  it('is asked no third time for the page that it gave twice', async () => {
    const storage = await connect((_request, response) => {
      // Ends a loop that this test is there to find.
      if (requests.length > 10) response.destroy()
      else
        response.end(
          '<ListMultipartUploadsResult><IsTruncated>true</IsTruncated><NextKeyMarker>a</NextKeyMarker></ListMultipartUploadsResult>',
        )
    })
    await expect(storage.cleanupUploads()).rejects.toMatchObject({ name: 'IntegrityError' })
    expect(requests).toHaveLength(2)
  })
})

describe('a service whose answers have no end', () => {
  const limit = 64 * 1024 * 1024

  /** Sends until nobody listens; no test waits for more than the limit. */
  function sendOn(response: ServerResponse): void {
    let sent = 0
    total = undefined
    const go = (): void => {
      while (sent < limit && response.write(new Uint8Array(65_536))) sent += 65_536
      if (sent >= limit) response.end()
    }
    response.on('drain', go).on('close', () => {
      total = sent
    })
    go()
  }
  let total: number | undefined

  it('fills no memory behind the range that was asked for', async () => {
    const storage = await connect((_request, response) => {
      response.writeHead(206, { ...modified, etag: '"1"', 'content-range': 'bytes 0-2/3' })
      sendOn(response)
    })
    const file = await storage.open('a')
    expect(await file.read()).toHaveLength(3)
    await expect.poll(() => total).toBeLessThan(limit / 2)
  })

  it('fills no memory behind a file that was saved', async () => {
    const storage = await connect((_request, response) => {
      response.writeHead(200, { etag: '"1"' })
      sendOn(response)
    })
    await expect(storage.save('a', 'b')).rejects.toMatchObject({ name: 'IntegrityError' })
    await expect.poll(() => total).toBeLessThan(limit / 2)
  })
})

describe('a service whose headers make no sense', () => {
  it('is no source of invalid times', async () => {
    const storage = await connect((_request, response) =>
      response.writeHead(200, { 'last-modified': 'yesterday', 'content-length': 1 }).end(),
    )
    await expect(storage.stat('a')).rejects.toMatchObject({ name: 'IntegrityError' })
  })

  it('cannot send more of an object than there is', async () => {
    const storage = await connect((_request, response) =>
      response
        .writeHead(206, { ...modified, 'content-range': 'bytes 0-9/5', 'content-length': 10 })
        .end('0123456789'),
    )
    await expect(storage.open('a')).rejects.toMatchObject({ name: 'IntegrityError' })
  })

  it('keeps no connection with an answer that nobody reads', async () => {
    let open = 0
    const storage = await connect((_request, response) => {
      open++
      response.on('close', () => open--)
      // Neither size nor time, and a body without an end.
      response.writeHead(200).write(new Uint8Array(1024))
    })
    for (let i = 0; i < 3; i++)
      await expect(storage.open('a')).rejects.toMatchObject({ name: 'IntegrityError' })
    await expect.poll(() => open).toBe(0)
  })

  it('may name its metadata as members of every object are named', async () => {
    const storage = await connect((_request, response) =>
      response
        .writeHead(200, {
          ...modified,
          'content-length': 1,
          'x-amz-meta-__proto__': 'a',
          'x-amz-meta-constructor': 'b',
        })
        .end(),
    )
    const { metadata = {} } = await storage.stat('a')
    expect(Object.entries(metadata).sort()).toEqual([
      ['__proto__', 'a'],
      ['constructor', 'b'],
    ])
  })
})

describe('a service that ignores If-Match', () => {
  const size = 200_000

  /** A file whose second range is another version's. */
  function replaced(version: (start: number) => Record<string, string>): Answer {
    return (request, response) => {
      const [, from, to] = /bytes=(\d+)-(\d+)/.exec(request.headers.range ?? '') ?? []
      const [start, end] = [Number(from), Math.min(Number(to) + 1, size)]
      const range = { 'content-range': `bytes ${start}-${end - 1}/${size}` }
      response
        .writeHead(206, { ...modified, ...range, ...version(start) })
        .end(new Uint8Array(end - start).fill(start === 0 ? 1 : 2))
    }
  }

  it('mixes no bytes of two versions in an open file', async () => {
    const storage = await connect(replaced(start => ({ etag: start === 0 ? '"1"' : '"2"' })))
    const file = await storage.open('a')
    await expect(file.read()).rejects.toMatchObject({ name: 'FileChangedError' })
  })

  it('mixes no bytes of two versions that it gives no name, but a time', async () => {
    const storage = await connect(
      replaced(start => (start === 0 ? {} : { 'last-modified': 'Wed, 25 Nov 2026 03:00:00 GMT' })),
    )
    const file = await storage.open('a')
    await expect(file.read()).rejects.toMatchObject({ name: 'FileChangedError' })
  })
})

describe('header values that no request can carry', () => {
  const refuse: Answer = (_request, response) => response.writeHead(500).end()

  it('are refused as an ACL', async () => {
    const storage = await connect(refuse)
    const saving = storage.save('a', 'b', { acl: 'private\r\nx: y' })
    await expect(saving).rejects.toMatchObject({ name: 'ValidationError' })
    expect(requests).toEqual([])
  })

  it.each([
    [{ CacheControl: 'a\r\nx: y' }],
    [{ Metadata: { name: 'a\nb' } }],
    [{ Metadata: { 'a b': 'c' } }],
  ])('are refused as object parameters: %j', async objectParameters => {
    const { origin } = new URL('http://127.0.0.1:9')
    const options = { endpointUrl: origin, bucketName: 'bucket' }
    const expected = { name: 'ImproperlyConfigured', setting: 'objectParameters' }
    expect(() => new S3Storage({ ...options, objectParameters })).toThrow(
      expect.objectContaining(expected),
    )
    const storage = new S3Storage({ ...options, objectParameters: () => objectParameters })
    await expect(storage.save('a', 'b')).rejects.toMatchObject(expected)
  })

  it('are refused as object parameters that are still to come', async () => {
    const later = async (): Promise<object> => ({ CacheControl: 'no-store' })
    const storage = await connect(refuse, { objectParameters: later as () => object })
    await expect(storage.save('a', 'b')).rejects.toMatchObject({ setting: 'objectParameters' })
    expect(requests).toEqual([])
  })

  it('are not worth another try as an access key', async () => {
    const storage = await connect(refuse, { accessKey: 'key\n' })
    await expect(storage.save('a', 'b')).rejects.toMatchObject({
      name: 'ImproperlyConfigured',
      retryable: false,
    })
    expect(requests).toEqual([])
  })

  it.each([
    ['GET', { Range: 'bytes=0-1\r\nx: y' }],
    ['PUT', { CacheControl: 'a\nb' }],
    ['PUT', { Metadata: { 'a\nb': 'c' } }],
    ['PUT', { Metadata: { a: 'b\nc' } }],
    ['GET', { constructor: 'a' }],
    ['GET', { toString: 'a' }],
  ] as const)('are refused as parameters of a URL: %s %j', async (method, parameters) => {
    const storage = await connect(refuse)
    await expect(storage.url('a', { method, parameters })).rejects.toMatchObject({
      name: 'ValidationError',
    })
  })

  it.each(['a\nb', 'a", "b'])('are no version that anything has: %j', async ifMatch => {
    const storage = await connect(refuse)
    const saving = storage.save('a', 'b', { ifMatch })
    await expect(saving).rejects.toMatchObject({ name: 'PreconditionFailedError' })
    expect(requests).toEqual([])
  })
})

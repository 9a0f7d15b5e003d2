import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { S3StorageOptions } from '../options.ts'
import { S3Storage } from '../s3-storage.ts'

interface Answer {
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}

let server: Server
/** Method and path of each request. */
let asked: string[]
let answer: (request: IncomingMessage) => Answer

beforeEach(async () => {
  asked = []
  server = createServer((request, response) => {
    request.resume().on('end', () => {
      asked.push(`${request.method} ${request.url}`)
      const { status = 200, headers = {}, body = '' } = answer(request)
      response.writeHead(status, headers).end(body)
    })
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
})

afterEach(() => {
  server.closeAllConnections()
  server.close()
})

/** A storage whose service answers as told. */
function connect(options: S3StorageOptions = {}): S3Storage {
  return new S3Storage({
    endpointUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    accessKey: 'a',
    secretKey: 'b',
    bucketName: 'media',
    regionName: 'us-east-1',
    retries: { baseDelay: 1 },
    ...options,
  })
}

const found: Answer = {
  headers: { 'content-length': '3', 'last-modified': new Date(0).toUTCString(), etag: '"x"' },
}

describe('a HEAD that is sent on to another region', () => {
  const isThere = ({ headers }: IncomingMessage): boolean =>
    headers.authorization?.includes('/eu-west-3/') === true
  const named = { 'x-amz-bucket-region': 'eu-west-3' }

  it.each([301, 307, 308, 400, 403])('goes where the answer says (%i)', async status => {
    answer = request => (isThere(request) ? found : { status, headers: named })
    const storage = connect()
    expect(await storage.size('a')).toBe(3)
    expect(await storage.size('b')).toBe(3)
    expect(asked).toEqual(['HEAD /media/a', 'HEAD /media/a', 'HEAD /media/b'])
  })

  it.each([301, 307, 400])(
    'asks for the bucket where the answer says nothing (%i)',
    async status => {
      answer = request => {
        if (isThere(request)) return found
        return { status, headers: request.url === '/media' ? named : {} }
      }
      expect(await connect().size('a')).toBe(3)
      expect(asked).toEqual(['HEAD /media/a', 'HEAD /media', 'HEAD /media/a'])
    },
  )

  it.each([
    ['no region', () => undefined],
    ['what is no region', () => 'evil.example/'],
    ['one region after the other', () => `eu-west-${asked.length}`],
  ])('ends with the setting when the service names %s', async (_what, region) => {
    answer = () => {
      const name = region()
      return { status: 301, headers: name === undefined ? {} : { 'x-amz-bucket-region': name } }
    }
    await expect(connect().size('a')).rejects.toMatchObject({
      name: 'ImproperlyConfigured',
      setting: 'regionName',
    })
    expect(asked.length).toBeLessThanOrEqual(2)
  })
})

describe('Retry-After', () => {
  const once503 = (retryAfter: string): void => {
    answer = () =>
      asked.length === 1 ? { status: 503, headers: { 'retry-after': retryAfter } } : found
  }

  it.each([
    ['in seconds', () => '3600', 3600],
    ['as a date', () => new Date(Date.now() + 3_600_000).toUTCString(), 3600],
  ])('%s is not waited for when it is long, and told', async (_form, value, seconds) => {
    once503(value())
    const error = await connect()
      .size('a')
      .catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ name: 'UnavailableError', attempts: 1 })
    const told = (error as { retryAfter?: number }).retryAfter ?? 0
    expect(Math.abs(told - seconds)).toBeLessThanOrEqual(2)
    expect(asked).toHaveLength(1)
  })

  it.each(['0', 'Sun, 06 Nov 1994 08:49:37 GMT', '-5', 'soon'])(
    'that asks for no time (%s) leaves the usual pause',
    async value => {
      once503(value)
      expect(await connect().size('a')).toBe(3)
    },
  )
})

describe('pages that go in circles', () => {
  const listing = (next: string, entries = ''): Answer => ({
    body: `<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>${next}</NextContinuationToken>${entries}</ListBucketResult>`,
  })

  it.each([1, 2, 3, 7])('end a listing (%i pages)', async pages => {
    answer = () => listing(`page-${asked.length % pages}`)
    await expect(connect().listdir('')).rejects.toMatchObject({
      name: 'IntegrityError',
      message: 'The service sends the same page of a listing again and again.',
    })
    expect(asked.length).toBeLessThan(4 * pages + 4)
  })

  it('are not found in a long listing', async () => {
    answer = () =>
      asked.length < 300 ? listing(`page-${asked.length}`) : { body: '<ListBucketResult/>' }
    expect(await connect().listdir('')).toEqual([[], []])
  })

  it('end the search for uploads', async () => {
    answer = () => ({
      body: `<ListMultipartUploadsResult><IsTruncated>true</IsTruncated><NextKeyMarker>${asked.length % 3}</NextKeyMarker></ListMultipartUploadsResult>`,
    })
    await expect(connect().cleanupUploads()).rejects.toMatchObject({
      name: 'IntegrityError',
      message: 'The service sends the same page of uploads again and again.',
    })
  })
})

describe('a folder that does not end with a slash', () => {
  it('is none', async () => {
    const folders = '<CommonPrefixes><Prefix>x</Prefix></CommonPrefixes>'
    answer = () => ({ body: `<ListBucketResult>${folders}</ListBucketResult>` })
    await expect(connect().listdir('')).rejects.toMatchObject({ name: 'IntegrityError' })
  })
})

describe('a page of HTML', () => {
  const page: Answer = {
    headers: { 'content-type': 'text/html', etag: '"x"' },
    body: '\n<!DOCTYPE html><html><body>Please log in</body></html>',
  }

  it.each<[operation: string, run: (storage: S3Storage) => Promise<unknown>]>([
    ['delete', storage => storage.delete('a')],
    ['save', storage => storage.save('a', 'x')],
  ])('that comes instead of the answer is no success (%s)', async (_operation, run) => {
    answer = () => page
    await expect(run(connect())).rejects.toMatchObject({
      name: 'IntegrityError',
      message: expect.stringContaining('page of HTML'),
    })
  })

  it('that is long does not hide the status', async () => {
    answer = () => ({ status: 403, body: `<html>${' '.repeat(300 * 1024)}` })
    await expect(connect().listdir('')).rejects.toMatchObject({ name: 'PermissionDeniedError' })
    expect(asked).toHaveLength(1)
  })
})

describe('an error within a 200', () => {
  const md5 = createHash('md5').digest('hex')
  const composite = createHash('md5')
    .update(Buffer.from(md5 + md5, 'hex'))
    .digest('hex')
  const error = (code: string): Answer => ({ body: `<Error><Code>${code}</Code></Error>` })
  const transferConfig = { partSize: 5 * 1024 ** 2, multipartThreshold: 5 * 1024 ** 2 }
  const content = new Uint8Array(6 * 1024 ** 2)

  /** What becomes of an upload in two parts whose completion is answered as told, in turn. */
  async function complete(...answers: readonly Answer[]): Promise<string> {
    const left = [...answers]
    answer = ({ method, url = '' }) => {
      if (method === 'HEAD')
        return {
          headers: {
            ...found.headers,
            etag: `"${composite}-2"`,
            'content-length': String(content.byteLength),
          },
        }
      if (method === 'DELETE') return { status: 204 }
      if (url.includes('uploads'))
        return {
          body: '<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>',
        }
      if (method === 'PUT') return { headers: { etag: `"${md5}"` } }
      return left.shift() ?? { status: 500 }
    }
    return await connect({ transferConfig }).save('a', content)
  }

  const done: Answer = {
    body: '<CompleteMultipartUploadResult><ETag>"x-2"</ETag></CompleteMultipartUploadResult>',
  }
  const gone: Answer = { status: 404, body: '<Error><Code>NoSuchUpload</Code></Error>' }

  it.each(['SlowDown', 'InternalError'])('that passes is tried again (%s)', async code => {
    expect(await complete(error(code), error(code), done)).toBe('a')
  })

  it('may be one of an upload that was put together all the same', async () => {
    expect(await complete(error('InternalError'), gone)).toBe('a')
  })

  it('that stays is an error, and the upload is removed', async () => {
    await expect(complete(error('AccessDenied'))).rejects.toMatchObject({
      name: 'PermissionDeniedError',
    })
    expect(asked.at(-1)).toBe('DELETE /media/a?uploadId=u')
  })
})

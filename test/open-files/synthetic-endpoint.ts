import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

const etag = '"0123456789abcdef0123456789abcdef"'
const filler = Buffer.alloc(1024 * 1024)
for (let at = 0; at < filler.byteLength; at++) filler[at] = byteAt(at)

/** What lies at a place of every object. */
export function byteAt(at: number): number {
  const place = at % (1024 * 1024)
  return (place ^ (place >> 8) ^ (place >> 16)) & 0xff
}

export interface SyntheticOptions {
  /** Bytes of every object. */
  readonly size: number
  /** Pages of 1,000 keys in the bucket, named by {@link keyOf}. Default none. */
  readonly pages?: number | undefined
  /** As a service that knows no ranges does: whole objects with 200. */
  readonly ignoresRanges?: boolean | undefined
}

/** An S3 endpoint whose objects and listings are made as they are read, and what goes over its wire is counted. */
export class SyntheticEndpoint {
  readonly url: string
  readonly ranges: string[] = []
  requests = 0
  readonly #server: Server
  #bytes = 0
  readonly #options: SyntheticOptions

  private constructor(server: Server, options: SyntheticOptions) {
    this.#server = server
    this.#options = options
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    server.on('connection', socket => {
      socket.on('close', () => {
        this.#bytes += socket.bytesWritten
      })
    })
    server.on('request', (request, response) => this.#answer(request, response))
  }

  static async start(options: SyntheticOptions): Promise<SyntheticEndpoint> {
    const server = createServer({ noDelay: true })
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', () => resolve()))
    return new SyntheticEndpoint(server, options)
  }

  /** Ends all connections. @returns the bytes that were sent, headers and all */
  async close(): Promise<number> {
    this.#server.closeAllConnections()
    await new Promise(resolve => this.#server.close(resolve))
    return this.#bytes
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    this.requests++
    response.on('error', () => {})
    const url = new URL(request.url ?? '/', this.url)
    if (url.searchParams.has('list-type')) this.#list(url, response)
    else this.#give(request, response)
  }

  #give(request: IncomingMessage, response: ServerResponse): void {
    const { size, ignoresRanges = false } = this.#options
    const [, from = 0, to = size - 1] =
      /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? []
    const start = ignoresRanges ? 0 : Number(from)
    const end = ignoresRanges ? size : Math.min(size, Number(to) + 1)
    if (request.headers.range !== undefined) this.ranges.push(request.headers.range)
    response.writeHead(ignoresRanges ? 200 : 206, {
      etag,
      'last-modified': 'Tue, 24 Nov 2026 12:00:00 GMT',
      'content-length': end - start,
      ...(ignoresRanges ? {} : { 'content-range': `bytes ${start}-${end - 1}/${size}` }),
    })
    if (request.method === 'HEAD') response.end()
    else send(response, start, end)
  }

  #list(url: URL, response: ServerResponse): void {
    const { pages = 0 } = this.#options
    const page = Number(url.searchParams.get('continuation-token') ?? 0)
    const rest =
      page + 1 < pages
        ? `<IsTruncated>true</IsTruncated><NextContinuationToken>${page + 1}</NextContinuationToken>`
        : '<IsTruncated>false</IsTruncated>'
    response.end(
      `<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>media</Name><Prefix></Prefix><KeyCount>1000</KeyCount><MaxKeys>1000</MaxKeys><EncodingType>url</EncodingType>${rest}${pageOfKeys.replaceAll('page', String(page).padStart(4, '0'))}</ListBucketResult>`,
    )
  }
}

/** The key of a number, of eight digits with its page in front. */
export function keyOf(number: number): string {
  return keyOn(String(Math.floor(number / 1000)).padStart(4, '0'), number % 1000)
}

function keyOn(page: string, number: number): string {
  return `a-folder-of-keys/file-${page}${String(number).padStart(4, '0')}.jpeg`
}

const pageOfKeys = Array.from(
  { length: 1000 },
  (_, n) =>
    `<Contents><Key>${keyOn('page', n)}</Key><LastModified>2026-11-24T12:00:00.000Z</LastModified><ETag>&quot;0123456789abcdef0123456789abcdef&quot;</ETag><ChecksumAlgorithm>CRC64NVME</ChecksumAlgorithm><ChecksumType>FULL_OBJECT</ChecksumType><Size>${n}</Size><StorageClass>STANDARD</StorageClass></Contents>`,
).join('')

function send(response: ServerResponse, start: number, end: number): void {
  for (let at = start; at < end; ) {
    const place = at % filler.byteLength
    const piece = filler.subarray(place, place + Math.min(end - at, filler.byteLength - place))
    at += piece.byteLength
    const next = at
    if (!response.write(piece) && at < end) {
      response.once('drain', () => send(response, next, end))
      return
    }
  }
  response.end()
}

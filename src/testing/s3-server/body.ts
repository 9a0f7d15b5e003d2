import { createHash } from 'node:crypto'
import type { Payload } from './auth/authentication.ts'
import { AwsChunkedDecoder } from './auth/aws-chunked.ts'
import type { Blob, BlobWriter } from './blobs.ts'
import {
  type Checksum,
  type ChecksumName,
  checksumMismatch,
  checkValue,
  createChecksum,
  type ExpectedChecksum,
  expectedChecksum,
  type RunningChecksum,
} from './checksums.ts'
import { S3Error } from './errors.ts'
import type { HeaderMap } from './message.ts'

/** The largest body of one request: https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html */
export const MAX_UPLOAD: number = 5 * 1024 ** 3
/** The largest XML body: a DeleteObjects of 1,000 long keys needs 1 to 2 MiB. */
const MAX_DOCUMENT = 8 * 1024 ** 2

/** A body that is still to be read, with all that was promised about it. */
export interface IncomingBody {
  readonly source: AsyncIterable<Uint8Array>
  readonly headers: HeaderMap
  readonly payload: Payload
  /** False on a server that knows no `x-amz-checksum-…`. */
  readonly checksums: boolean
  /** A form does not tell how long its file is. */
  readonly unsized?: boolean | undefined
}

/** What came, once all promises about it were kept. */
export interface ReceivedBody {
  readonly blob: Blob
  readonly md5: string
  readonly checksum: Checksum | undefined
}

/** The number of bytes of content that the request announces. */
export function announcedLength(body: Pick<IncomingBody, 'headers' | 'payload'>): number {
  const chunked = body.payload.kind === 'chunked'
  const name = chunked ? 'x-amz-decoded-content-length' : 'content-length'
  const text = body.headers.get(name)
  if (text === undefined || !/^\d{1,15}$/.test(text)) throw new S3Error('MissingContentLength')
  return Number(text)
}

/**
 * Reads a body into a blob: takes the framing off, then checks length, SHA-256, MD5 and checksum.
 * On any failure the writer is aborted and nothing remains.
 * @param wanted a checksum to compute although the request brings none
 */
export async function receiveBody(
  body: IncomingBody,
  writer: BlobWriter,
  wanted?: ChecksumName,
): Promise<ReceivedBody> {
  try {
    const checks = new BodyChecks(body, wanted)
    for await (const chunk of checks.content()) {
      checks.update(chunk)
      const pending = writer.write(chunk)
      if (pending !== undefined) await pending
    }
    const { md5, checksum } = checks.finish()
    return { blob: await writer.commit(), md5, checksum }
  } catch (error) {
    await writer.abort()
    throw error
  }
}

/** Reads a small body, such as XML, whole; `limit` bytes at most. */
export async function receiveBytes(
  body: IncomingBody,
  limit: number = MAX_DOCUMENT,
): Promise<Uint8Array> {
  if (!hasBody(body.headers)) return new Uint8Array(0)
  if (announcedLength(body) > limit) throw new S3Error('MaxMessageLengthExceeded')
  const checks = new BodyChecks(body)
  const chunks: Uint8Array[] = []
  for await (const chunk of checks.content()) {
    checks.update(chunk)
    chunks.push(chunk)
  }
  checks.finish()
  return Buffer.concat(chunks)
}

function hasBody(headers: HeaderMap): boolean {
  return headers.has('content-length') || headers.has('transfer-encoding')
}

/** All that is checked about one body. */
class BodyChecks {
  readonly #body: IncomingBody
  readonly #length: number | undefined
  readonly #expected: ExpectedChecksum | undefined
  readonly #md5 = createHash('md5')
  readonly #sha256: RunningChecksum | undefined
  readonly #checksum: { name: ChecksumName; running: RunningChecksum } | undefined
  #decoder: AwsChunkedDecoder | undefined
  #size = 0

  constructor(body: IncomingBody, wanted?: ChecksumName) {
    this.#body = body
    this.#length = body.unsized ? undefined : announcedLength(body)
    this.#expected = body.checksums ? expectedChecksum(body.headers) : undefined
    checkMd5Form(body.headers.get('content-md5'))
    if (body.payload.kind === 'hashed') this.#sha256 = createHash('sha256')
    const name = this.#expected?.name ?? wanted
    if (name !== undefined) this.#checksum = { name, running: createChecksum(name) }
  }

  /** The content without its framing. */
  content(): AsyncIterable<Uint8Array> {
    const { payload, source, headers } = this.#body
    if (payload.kind !== 'chunked') return source
    if (payload.trailer !== headers.has('x-amz-trailer')) throw new S3Error('MalformedTrailerError')
    const framing = {
      trailer: payload.trailer,
      signing: payload.signing,
      length: this.#length ?? 0,
    }
    this.#decoder = new AwsChunkedDecoder(source, framing)
    return this.#decoder.decode()
  }

  update(chunk: Uint8Array): void {
    this.#size += chunk.byteLength
    if (this.#length !== undefined && this.#size > this.#length) throw new S3Error('IncompleteBody')
    this.#md5.update(chunk)
    this.#sha256?.update(chunk)
    this.#checksum?.running.update(chunk)
  }

  finish(): { md5: string; checksum: Checksum | undefined } {
    if (this.#length !== undefined && this.#size !== this.#length)
      throw new S3Error('IncompleteBody')
    this.#checkSha256()
    const md5 = this.#md5.digest()
    this.#checkMd5(md5)
    return { md5: md5.toString('hex'), checksum: this.#checkChecksum() }
  }

  #checkSha256(): void {
    if (this.#body.payload.kind !== 'hashed' || this.#sha256 === undefined) return
    const computed = Buffer.from(this.#sha256.digest()).toString('hex')
    const { sha256 } = this.#body.payload
    if (computed === sha256) return
    throw new S3Error('XAmzContentSHA256Mismatch', undefined, {
      elements: { ClientComputedContentSHA256: sha256, S3ComputedContentSHA256: computed },
    })
  }

  #checkMd5(md5: Buffer): void {
    const expected = this.#body.headers.get('content-md5')
    const calculated = md5.toString('base64')
    if (expected === undefined || expected === calculated) return
    throw new S3Error('BadDigest', undefined, {
      elements: { ExpectedDigest: expected, CalculatedDigest: calculated },
    })
  }

  #checkChecksum(): Checksum | undefined {
    if (this.#checksum === undefined) return undefined
    const { name, running } = this.#checksum
    const value = Buffer.from(running.digest()).toString('base64')
    if (this.#expected !== undefined && this.#promised(this.#expected) !== value) {
      throw checksumMismatch(name)
    }
    return { name, value, type: 'FULL_OBJECT' }
  }

  #promised(expected: ExpectedChecksum): string {
    if (expected.value !== undefined) return expected.value
    const value = this.#decoder?.trailers.get(`x-amz-checksum-${expected.name}`)
    if (value === undefined || this.#decoder?.trailers.size !== 1) {
      throw new S3Error('MalformedTrailerError')
    }
    return checkValue(expected.name, value)
  }
}

function checkMd5Form(header: string | undefined): void {
  if (header === undefined) return
  const bytes = Buffer.from(header, 'base64')
  if (bytes.byteLength !== 16 || bytes.toString('base64') !== header) {
    throw new S3Error('InvalidDigest', undefined, { elements: { 'Content-MD5': header } })
  }
}

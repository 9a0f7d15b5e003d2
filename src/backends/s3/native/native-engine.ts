import type { OperationOptions, WriteCondition } from '../../../core/backend.ts'
import { encodeUtf8 } from '../../../core/bytes.ts'
import {
  FileNotFoundError,
  IntegrityError,
  PreconditionFailedError,
  type StorageError,
} from '../../../core/errors.ts'
import { encodeKey, encodeRfc3986 } from '../encoding.ts'
import type {
  GetOptions,
  GetResult,
  ListRequest,
  ListResult,
  ObjectHead,
  OpenUpload,
  PresignOptions,
  PutOptions,
  S3Engine,
  UploadedPart,
} from '../engine.ts'
import { s3Error } from '../errors.ts'
import {
  completeDocument,
  deleteDocument,
  parseCompleteUpload,
  parseCopyResult,
  parseDeleteResult,
  parseErrorDocument,
  parseInitiateUpload,
  parseListing,
  parseListUploads,
} from '../list-xml.ts'
import { type ObjectParameters, parameterHeaders } from '../object-parameters.ts'
import { md5Base64, sha256Hex } from '../platform/hashes.ts'
import type { Credentials } from '../sigv4.ts'
import { SigV4Signer } from '../sigv4.ts'
import type { S3Address } from '../url.ts'
import { readBounded } from './body.ts'
import { contentRange, objectHead } from './object-head.ts'
import { partOfBody } from './part-of-body.ts'
import type { Transport, TransportRequest, TransportResponse } from './transport.ts'

/** A request before it is signed. */
interface S3Request extends OperationOptions {
  readonly method: TransportRequest['method']
  /** Absent: the bucket. */
  readonly key?: string | undefined
  /** Encoded. */
  readonly query?: string | undefined
  /** Name, value, name, value; the signer appends to it. */
  readonly headers?: string[] | undefined
  readonly body?: Uint8Array | undefined
}

/** What an error is about: chooses between "no file" and "no bucket" where S3 does not say. */
type Subject = 'object' | 'bucket' | 'upload'

export interface NativeEngineOptions {
  readonly bucketName: string
  /** Asked at the first use, once. */
  readonly locate: () => Promise<Location>
  readonly credentials: () => Promise<Credentials>
  readonly transport: Transport
}

/** Where the bucket is, and the region that requests are signed for. */
export interface Location {
  readonly address: S3Address
  readonly region: string
}

/** What signing and sending a request needs, once it is known. */
interface Connection {
  readonly address: S3Address
  readonly signer: SigV4Signer
  readonly tls: boolean
}

const emptyHash = sha256Hex('')
/** Largest document that is read: an error, or a page of a listing. */
const maxErrorBytes = 256 * 1024
const maxDocumentBytes = 64 * 1024 * 1024

/** Our own S3 client: REST requests, signed here, over a {@link Transport}. */
export class NativeEngine implements S3Engine {
  readonly #bucketName: string
  readonly #locate: () => Promise<Location>
  readonly #credentials: () => Promise<Credentials>
  readonly #transport: Transport
  #connection: Connection | undefined
  #bucketSeen = false
  /** Set when the service was seen to know versions only without their quotes (Ceph). */
  #bareIfMatch = false

  constructor(options: NativeEngineOptions) {
    this.#bucketName = options.bucketName
    this.#locate = options.locate
    this.#credentials = options.credentials
    this.#transport = options.transport
  }

  async headObject(key: string, { signal }: OperationOptions): Promise<ObjectHead> {
    const response = await this.#send({ method: 'HEAD', key, signal })
    if (response.status !== 200) throw await this.#missingOr(response, 'object', 'HEAD', signal)
    return objectHead(response, Number(response.header('content-length')))
  }

  async getObject(key: string, options: GetOptions): Promise<GetResult> {
    const { range, ifMatch, signal } = options
    const headers: string[] = []
    if (range !== undefined)
      headers.push('range', `bytes=${range.start}-${range.end === undefined ? '' : range.end - 1}`)
    if (ifMatch !== undefined) headers.push('if-match', `"${ifMatch}"`)
    const response = await this.#send({ method: 'GET', key, headers, signal })
    if (response.status === 206) return partialResult(response, range)
    if (response.status === 200) return wholeResult(response, range)
    if (response.status === 416) return await this.#emptyResult(key, response, signal)
    throw await this.#missingOr(response, 'object', 'GET', signal)
  }

  async putObject(key: string, body: Uint8Array, options: PutOptions): Promise<void> {
    const { parameters, condition, signal } = options
    await this.#conditionally(key, condition, signal, async conditionHeaders => {
      const headers = [...parameterHeaders(parameters), ...conditionHeaders]
      const response = await this.#perform({ method: 'PUT', key, headers, body, signal }, 'bucket')
      // A proxy's page of HTML comes with 200, too, but has stored nothing.
      if (response.header('etag') === undefined)
        throw new IntegrityError('The service took the object without an ETag.')
    })
  }

  async createUpload(
    key: string,
    options: OperationOptions & { readonly parameters: ObjectParameters },
  ): Promise<string> {
    const headers = parameterHeaders(options.parameters)
    const request: S3Request = {
      method: 'POST',
      key,
      query: 'uploads=',
      headers,
      body: noBody,
      signal: options.signal,
    }
    return parseInitiateUpload(await this.#document(request, 'bucket'))
  }

  async uploadPart(
    key: string,
    uploadId: string,
    partNumber: number,
    body: Uint8Array,
    { signal }: OperationOptions,
  ): Promise<UploadedPart> {
    const query = `partNumber=${partNumber}&uploadId=${encodeRfc3986(uploadId)}`
    const response = await this.#perform({ method: 'PUT', key, query, body, signal }, 'upload')
    const etag = response.header('etag')
    if (etag === undefined)
      throw new IntegrityError(`The service took part ${partNumber} without an ETag.`)
    return { partNumber, etag }
  }

  async completeUpload(
    key: string,
    uploadId: string,
    parts: readonly UploadedPart[],
    options: OperationOptions & { readonly condition: WriteCondition },
  ): Promise<void> {
    const { condition, signal } = options
    const query = `uploadId=${encodeRfc3986(uploadId)}`
    const body = encodeUtf8(completeDocument(parts))
    await this.#conditionally(key, condition, signal, async conditionHeaders => {
      const headers = ['content-type', 'application/xml', ...conditionHeaders]
      const request: S3Request = { method: 'POST', key, query, headers, body, signal }
      parseCompleteUpload(await this.#document(request, 'upload'))
    })
  }

  async abortUpload(key: string, uploadId: string, { signal }: OperationOptions): Promise<void> {
    const query = `uploadId=${encodeRfc3986(uploadId)}`
    try {
      await this.#perform({ method: 'DELETE', key, query, signal }, 'upload')
    } catch (error) {
      // Gone already: what was wanted.
      if (!(error instanceof FileNotFoundError)) throw error
    }
  }

  async *listUploads(prefix: string, { signal }: OperationOptions): AsyncGenerator<OpenUpload> {
    let marker = ''
    for (;;) {
      const query = `encoding-type=url&prefix=${encodeRfc3986(prefix)}${marker}&uploads=`
      const page = parseListUploads(
        await this.#document({ method: 'GET', query, signal }, 'bucket'),
      )
      yield* page.uploads
      if (!page.truncated) return
      const { nextKeyMarker = '', nextUploadIdMarker = '' } = page
      const next = `&key-marker=${encodeRfc3986(nextKeyMarker)}&upload-id-marker=${encodeRfc3986(nextUploadIdMarker)}`
      if (next === marker)
        throw new IntegrityError('The service sends the same page of uploads again and again.')
      marker = next
    }
  }

  async copyObject(
    from: string,
    to: string,
    options: OperationOptions & { readonly parameters: ObjectParameters },
  ): Promise<void> {
    const source = `/${encodeRfc3986(this.#bucketName)}/${encodeKey(from)}`
    const headers = ['x-amz-copy-source', source, ...parameterHeaders(options.parameters)]
    const request: S3Request = { method: 'PUT', key: to, headers, signal: options.signal }
    parseCopyResult(await this.#document(request, 'object'))
  }

  async deleteObject(key: string, { signal }: OperationOptions): Promise<void> {
    try {
      await this.#perform({ method: 'DELETE', key, signal }, 'object')
    } catch (error) {
      // S3 answers 204 for a missing key; some services answer 404.
      if (!(error instanceof FileNotFoundError)) throw error
    }
  }

  async deleteObjects(
    keys: readonly string[],
    { signal }: OperationOptions,
  ): Promise<ReadonlyMap<string, Error>> {
    const errors = new Map<string, Error>()
    const listed = keys.filter(fitsXml)
    if (listed.length > 0) await this.#deleteListed(listed, signal, errors)
    for (const key of keys.filter(each => !fitsXml(each))) {
      await this.deleteObject(key, { signal }).catch(error => errors.set(key, error))
    }
    return errors
  }

  async listObjects(request: ListRequest): Promise<ListResult> {
    const { prefix, delimiter, token, signal } = request
    // In the order of their names, as the signature wants them.
    const query = [
      token === undefined ? '' : `continuation-token=${encodeRfc3986(token)}&`,
      delimiter === undefined ? '' : 'delimiter=%2F&',
      `encoding-type=url&list-type=2&prefix=${encodeRfc3986(prefix)}`,
    ].join('')
    const listing = parseListing(await this.#document({ method: 'GET', query, signal }, 'bucket'))
    if (listing.truncated && listing.nextToken === undefined) {
      throw new IntegrityError('The service cut a listing without saying where it goes on.')
    }
    return { ...listing, nextToken: listing.truncated ? listing.nextToken : undefined }
  }

  async presign(key: string, options: PresignOptions): Promise<string> {
    const { method, expiresIn, query, headers } = options
    if (expiresIn === undefined) return unsignedUrl((await this.#locate()).address, key, query)
    const { signer, address } = this.#connection ?? (await this.#connect())
    const { origin, host, prefix } = address
    const path = `${prefix}/${encodeKey(key)}`
    const request = { method, host, path, query, signedHeaders: headers, expiresIn }
    return `${origin}${path}?${signer.presign(request, new Date())}`
  }

  async #deleteListed(
    keys: readonly string[],
    signal: AbortSignal | undefined,
    errors: Map<string, Error>,
  ): Promise<void> {
    const body = encodeUtf8(deleteDocument(keys))
    const headers = ['content-md5', md5Base64(body), 'content-type', 'application/xml']
    const request: S3Request = { method: 'POST', query: 'delete=', headers, body, signal }
    const result = parseDeleteResult(await this.#document(request, 'bucket'))
    for (const { key, code, message } of result.errors) {
      if (code === 'NoSuchKey') continue
      errors.set(key, this.#error({ status: 0, method: 'POST', code, message }, 'object'))
    }
  }

  /** The answer of a request that must succeed, its body read. */
  async #document(request: S3Request, subject: Subject): Promise<string> {
    const response = await this.#send(request)
    if (response.status >= 300) throw await this.#failure(response, subject, request.method)
    const text = await readBounded(response.body, maxDocumentBytes)
    // Complete, Copy and Delete begin their answer with 200 and may still fail.
    const error = /<Error[\s>]/.test(text) ? parseErrorDocument(text) : undefined
    if (error !== undefined)
      throw this.#error({ status: response.status, method: request.method, ...error }, subject)
    return text
  }

  /** The answer of a request that must succeed and has no body of interest. */
  async #perform(request: S3Request, subject: Subject): Promise<TransportResponse> {
    const response = await this.#send(request)
    if (response.status >= 300) throw await this.#failure(response, subject, request.method)
    // An answer of unknown length may be one without an end.
    if (lengthOf(response) <= maxErrorBytes) await response.body.bytes()
    else await readBounded(response.body, maxErrorBytes)
    return response
  }

  /** The one function through which every request goes: signs it and sends it. */
  #send(request: S3Request): Promise<TransportResponse> {
    // No `async`: with a connection at hand, the transport's promise is the only one.
    return this.#connection === undefined
      ? this.#sendFirst(request)
      : this.#sendSigned(this.#connection, request)
  }

  async #sendFirst(request: S3Request): Promise<TransportResponse> {
    return await this.#sendSigned(await this.#connect(), request)
  }

  #sendSigned(connection: Connection, request: S3Request): Promise<TransportResponse> {
    const { method, key, query = '', headers = [], body, signal } = request
    const { signer, tls } = connection
    const { origin, host, prefix } = connection.address
    const path = key === undefined ? prefix || '/' : `${prefix}/${encodeKey(key)}`
    signer.signHeaders(
      { method, host, path, query, headers, payload: payloadOf(body, tls) },
      new Date(),
    )
    return this.#transport.request({
      method,
      origin,
      path: query === '' ? path : `${path}?${query}`,
      headers,
      body,
      signal,
    })
  }

  async #connect(): Promise<Connection> {
    const { address, region } = await this.#locate()
    const signer = new SigV4Signer(await this.#credentials(), region)
    this.#connection = { address, signer, tls: address.origin.startsWith('https:') }
    return this.#connection
  }

  /** Makes a request under a condition, in the form that the service understands. */
  #conditionally(
    key: string,
    condition: WriteCondition,
    signal: AbortSignal | undefined,
    attempt: (headers: readonly string[]) => Promise<void>,
  ): Promise<void> {
    if (condition === undefined) return attempt([])
    if (condition === 'absent') return attempt(['if-none-match', '*'])
    return this.#ifMatching(key, condition.ifMatch, signal, attempt)
  }

  async #ifMatching(
    key: string,
    ifMatch: string,
    signal: AbortSignal | undefined,
    attempt: (headers: readonly string[]) => Promise<void>,
  ): Promise<void> {
    try {
      await attempt(['if-match', this.#bareIfMatch ? ifMatch : `"${ifMatch}"`])
    } catch (error) {
      // S3 answers 404 where there is nothing to match: that is another version, too.
      if (error instanceof FileNotFoundError) throw anotherVersion(error)
      if (this.#bareIfMatch || !(error instanceof PreconditionFailedError)) throw error
      if (!(await this.#isVersion(key, ifMatch, signal))) throw error
      // The version is there and was refused all the same: Ceph compares with the quotes.
      await attempt(['if-match', ifMatch])
      this.#bareIfMatch = true
    }
  }

  async #isVersion(key: string, etag: string, signal: AbortSignal | undefined): Promise<boolean> {
    try {
      return (await this.headObject(key, { signal })).etag === etag
    } catch (error) {
      if (error instanceof FileNotFoundError) return false
      throw error
    }
  }

  /** A range behind the end, which an empty object answers to every range. */
  async #emptyResult(
    key: string,
    response: TransportResponse,
    signal: AbortSignal | undefined,
  ): Promise<GetResult> {
    response.body.cancel()
    const head = await this.headObject(key, { signal })
    return {
      head,
      start: head.size,
      end: head.size,
      body: { bytes: async () => noBody, chunks: noChunks, cancel() {} },
    }
  }

  async #failure(
    response: TransportResponse,
    subject: Subject,
    method: string,
  ): Promise<StorageError> {
    const text = await readBounded(response.body, maxErrorBytes)
    const error = parseErrorDocument(text)
    const { status } = response
    return this.#error(
      { status, method, ...error, retryAfter: response.header('retry-after') },
      subject,
    )
  }

  /** As {@link #failure}, where a bare 404 may mean the bucket. */
  async #missingOr(
    response: TransportResponse,
    subject: Subject,
    method: string,
    signal: AbortSignal | undefined,
  ): Promise<StorageError> {
    const error = await this.#failure(response, subject, method)
    if (error instanceof FileNotFoundError && method === 'HEAD') await this.#checkBucket(signal)
    return error
  }

  /**
   * Asks for the bucket, once: the 404 of a HEAD has no body that says what is missing.
   *
   * @throws ImproperlyConfigured when the bucket is missing
   */
  async #checkBucket(signal: AbortSignal | undefined): Promise<void> {
    if (this.#bucketSeen) return
    const response = await this.#send({ method: 'HEAD', signal })
    response.body.cancel()
    if (response.status === 404)
      throw this.#error({ status: 404, method: 'HEAD', code: 'NoSuchBucket' }, 'bucket')
    this.#bucketSeen = true
  }

  #error(
    answer: {
      readonly status: number
      readonly method: string
      readonly code?: string | undefined
      readonly message?: string | undefined
      readonly region?: string | undefined
      readonly requestId?: string | undefined
      readonly retryAfter?: string | undefined
    },
    subject: Subject,
  ): StorageError {
    const { code, message, region, requestId, retryAfter, status, method } = answer
    return s3Error(
      {
        status,
        method,
        code,
        message,
        region,
        requestId,
        retryAfter,
        bucketName: this.#bucketName,
      },
      subject,
    )
  }
}

const noBody = new Uint8Array(0)

/** Over TLS the connection guards the body; over plain HTTP its hash is signed. */
function payloadOf(body: Uint8Array | undefined, tls: boolean): string {
  if (body === undefined || body.byteLength === 0) return emptyHash
  return tls ? 'UNSIGNED-PAYLOAD' : sha256Hex(body)
}

function unsignedUrl(address: S3Address, key: string, query: PresignOptions['query']): string {
  const pairs = query.map(([name, value]) => `${encodeRfc3986(name)}=${encodeRfc3986(value)}`)
  const search = pairs.length === 0 ? '' : `?${pairs.join('&')}`
  return `${address.origin}${address.prefix}/${encodeKey(key)}${search}`
}

/** Whether an XML document can hold the key: not with characters that XML 1.0 does not have. */
function fitsXml(key: string): boolean {
  return !/[\u0000-\u001f\u007f\ufffe\uffff]/.test(key)
}

function anotherVersion(cause: unknown): PreconditionFailedError {
  return new PreconditionFailedError('The file is not the version that "ifMatch" asks for.', {
    cause,
  })
}

async function* noChunks(): AsyncGenerator<never> {}

function partialResult(response: TransportResponse, range: GetOptions['range']): GetResult {
  const { start, end, size } = contentRange(response)
  if (start !== range?.start || end > (range.end ?? size)) {
    response.body.cancel()
    throw new IntegrityError('The service sent another part of the object than was asked for.')
  }
  const head = objectHead(response, size)
  const exact = lengthOf(response) === end - start
  return {
    head,
    start,
    end,
    body: exact ? response.body : partOfBody(response.body, 0, end - start),
  }
}

/** Length of the body as the service gives it, else infinite. */
function lengthOf(response: TransportResponse): number {
  return Number(response.header('content-length') ?? Number.POSITIVE_INFINITY)
}

/** The answer to a request without a range, or of a service that ignored the range. */
function wholeResult(response: TransportResponse, range: GetOptions['range']): GetResult {
  const size = Number(response.header('content-length'))
  const head = objectHead(response, size)
  const start = Math.min(range?.start ?? 0, size)
  const end = Math.min(range?.end ?? size, size)
  const body = start === 0 && end === size ? response.body : partOfBody(response.body, start, end)
  return { head, start, end, body }
}

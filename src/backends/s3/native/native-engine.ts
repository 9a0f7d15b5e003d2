import type { WriteCondition } from '../../../core/backend.ts'
import { encodeUtf8 } from '../../../core/bytes.ts'
import {
  FileNotFoundError,
  IntegrityError,
  PreconditionFailedError,
  type StorageError,
} from '../../../core/errors.ts'
import { inRegion } from '../bucket.ts'
import { WriteConditions } from '../conditions.ts'
import { deleteKeys, deletionErrors } from '../delete-keys.ts'
import { emptyResult } from '../empty-result.ts'
import { encodeKey, encodeRfc3986 } from '../encoding.ts'
import type {
  CopyRequest,
  CreateBucketOptions,
  GetOptions,
  GetResult,
  ListRequest,
  ListResult,
  ObjectHead,
  OpenUpload,
  PostFormRequest,
  PresignOptions,
  PutOptions,
  RequestOptions,
  S3Engine,
  StrayOptions,
  StreamContent,
  Upload,
  UploadedPart,
  UploadOptions,
} from '../engine.ts'
import { unlessMissing } from '../errors.ts'
import {
  completeDocument,
  deleteDocument,
  listsParts,
  locationDocument,
  parseCompleteUpload,
  parseCopyResult,
  parseDeleteResult,
  parseErrorDocument,
  parseInitiateUpload,
  parseListing,
  parseListUploads,
  parseTagging,
} from '../list-xml.ts'
import { accessHeaders, type ObjectParameters, parameterHeaders } from '../object-parameters.ts'
import { signedUrl, unsignedUrl } from '../object-url.ts'
import { PageCircle } from '../page-circle.ts'
import { md5Base64 } from '../platform/hashes.ts'
import { type PostForm, signPostForm } from '../post-policy.ts'
import type { ProviderProfile } from '../profiles.ts'
import { abortStrayUploads, forgetStrays } from '../stray-uploads.ts'
import { withoutUndefined } from '../without-undefined.ts'
import { readBounded } from './body.ts'
import { type ChecksumPlan, checksumOf } from './checksums.ts'
import { copyInParts, copyPartSize, isTooLargeToCopy } from './copy-in-parts.ts'
import { ObjectBody } from './object-body.ts'
import { behindTheEnd, ObjectDownload, readObject } from './object-download.ts'
import { lengthOf, objectHead } from './object-head.ts'
import { compositeETag, HashedStream, matchesContent, wholeChecksum } from './own-work.ts'
import type { Connection, Requester, S3Request } from './requester.ts'
import type { TransportResponse } from './transport.ts'

export interface NativeEngineOptions {
  readonly requester: Requester
  readonly checksums: ChecksumPlan
  /** What the service is. */
  readonly profile: ProviderProfile
  /** Largest object that is copied with one request; `undefined`: whatever the service takes. */
  readonly copyThreshold: number | undefined
}

/** Largest document that is read: a page of a listing. */
const maxDocumentBytes = 64 * 1024 * 1024
/** Largest body of an answer that has none of interest. */
const maxIdleBytes = 256 * 1024

/** Our own S3 client: the operations of the REST API over a {@link Requester}. */
export class NativeEngine implements S3Engine {
  readonly #requester: Requester
  readonly #checksums: ChecksumPlan
  readonly #copyThreshold: number | undefined
  readonly #maxParts: number
  readonly #conditions: WriteConditions
  #bucketSeen = false

  constructor(options: NativeEngineOptions) {
    this.#requester = options.requester
    this.#checksums = options.checksums
    this.#copyThreshold = options.copyThreshold
    const { limits, conditions } = options.profile
    this.#maxParts = limits.maxParts
    this.#conditions = new WriteConditions(conditions.quotedIfMatch, async (key, request) => {
      const { signal, access } = request
      return (await this.headObject(key, { signal, access }).catch(unlessMissing))?.etag
    })
  }

  headObject(key: string, options: RequestOptions): Promise<ObjectHead> {
    const { signal, access } = options
    const headers = accessHeaders(access, 'object')
    const request = this.#objectRequest('HeadObject', 'HEAD', key, headers, signal)
    return this.#requester.run(request, readHead).catch(error => this.#missing(error, options))
  }

  async getObject(key: string, options: GetOptions): Promise<GetResult> {
    const { range, ifMatch, signal, access } = options
    const headers = accessHeaders(access, 'object')
    if (range !== undefined)
      headers.push('range', `bytes=${range.start}-${range.end === undefined ? '' : range.end - 1}`)
    if (ifMatch !== undefined) headers.push('if-match', `"${ifMatch}"`)
    if (this.#checksums.returned && (range?.start ?? 0) === 0)
      headers.push('x-amz-checksum-mode', 'ENABLED')
    const request: S3Request = {
      operation: 'GetObject',
      method: 'GET',
      subject: 'object',
      key,
      headers,
      signal,
      accepted: behindTheEnd,
    }
    const found = await this.#requester.run(request, response => readObject(response, range))
    if (found === undefined) return emptyResult(await this.headObject(key, options))
    const { head, start, end } = found
    const plan = new ObjectDownload(this.#requester, key, found, options)
    return { head, start, end, body: new ObjectBody(found.body, plan) }
  }

  async putObject(key: string, body: Uint8Array, options: PutOptions): Promise<void> {
    const { put } = this.#checksums
    const headers = parameterHeaders(options.parameters)
    if (put !== undefined) headers.push(`x-amz-checksum-${put}`, checksumOf(put, body))
    await this.#put(key, headers, body, options, head => matchesContent(head, body))
  }

  async putStream(key: string, content: StreamContent, options: PutOptions): Promise<void> {
    const stream = new HashedStream(content)
    const headers = parameterHeaders(options.parameters)
    await this.#put(key, headers, stream, options, head => stream.isIn(head))
  }

  async createUpload(key: string, options: UploadOptions): Promise<Upload> {
    const { signal, access } = options
    const headers = parameterHeaders(options.parameters)
    const { parts, copies, fullObject } = this.#checksums
    const algorithm = options.ofCopies === true ? copies : parts
    if (algorithm !== undefined) {
      headers.push('x-amz-checksum-algorithm', algorithm.toUpperCase())
      if (fullObject) headers.push('x-amz-checksum-type', 'FULL_OBJECT')
    }
    const request: S3Request = {
      operation: 'CreateMultipartUpload',
      method: 'POST',
      subject: 'bucket',
      key,
      query: 'uploads=',
      headers,
      body: noBody,
      signal,
    }
    const from = this.#requester.now().getTime()
    try {
      const uploadId = await this.#document(request, parseInitiateUpload)
      return { uploadId, strayFrom: request.uncertain === true ? from : undefined }
    } catch (error) {
      if (request.uncertain === true)
        await forgetStrays(this, key, { from, but: undefined, access })
      throw error
    }
  }

  abortStrays(key: string, options: StrayOptions): Promise<void> {
    return abortStrayUploads(this, key, options, upload => this.#hasParts(upload, options))
  }

  async uploadPart(
    key: string,
    uploadId: string,
    partNumber: number,
    body: Uint8Array,
    { signal, access }: RequestOptions,
  ): Promise<UploadedPart> {
    const { parts } = this.#checksums
    // Once it is sent, the memory may be given away.
    const size = body.byteLength
    const checksum = parts === undefined ? undefined : checksumOf(parts, body)
    const headers = accessHeaders(access, 'object')
    if (checksum !== undefined) headers.push(`x-amz-checksum-${parts}`, checksum)
    const request: S3Request = {
      operation: 'UploadPart',
      method: 'PUT',
      subject: 'upload',
      key,
      query: `partNumber=${partNumber}&uploadId=${encodeRfc3986(uploadId)}`,
      headers,
      body,
      signal,
    }
    const etag = await this.#requester.run(request, async response => {
      await readNothing(response)
      return requiredETag(response, `part ${partNumber}`)
    })
    return { partNumber, etag, size, checksum }
  }

  async completeUpload(
    key: string,
    uploadId: string,
    parts: readonly UploadedPart[],
    options: RequestOptions & { readonly condition: WriteCondition },
  ): Promise<void> {
    const { condition, signal, access } = options
    const isOwn = (head: ObjectHead): boolean => head.etag === compositeETag(parts)
    await this.#conditions.apply(key, condition, options, async conditionHeaders => {
      const request: S3Request = {
        operation: 'CompleteMultipartUpload',
        method: 'POST',
        subject: 'upload',
        key,
        query: `uploadId=${encodeRfc3986(uploadId)}`,
        headers: [
          'content-type',
          'application/xml',
          ...this.#wholeChecksum(parts),
          ...accessHeaders(access, 'object'),
          ...conditionHeaders,
        ],
        body: encodeUtf8(completeDocument(parts.map(part => this.#namedPart(part)))),
        signal,
      }
      const send = (): Promise<unknown> => this.#document(request, parseCompleteUpload)
      await this.#orOwnWork(request, access, isOwn, send)
    })
  }

  async abortUpload(key: string, uploadId: string, options: RequestOptions): Promise<void> {
    const { signal, access } = options
    const request: S3Request = {
      operation: 'AbortMultipartUpload',
      method: 'DELETE',
      subject: 'upload',
      key,
      query: `uploadId=${encodeRfc3986(uploadId)}`,
      headers: accessHeaders(access, 'bucket'),
      signal,
    }
    // Gone already: what was wanted.
    await this.#requester.run(request, readNothing).catch(unlessMissing)
  }

  async *listUploads(prefix: string, options: RequestOptions): AsyncGenerator<OpenUpload> {
    const circle = new PageCircle('uploads')
    let marker = ''
    for (;;) {
      const query = `encoding-type=url${marker}&prefix=${encodeRfc3986(prefix)}&uploads=`
      const page = await this.#document(
        this.#bucketRequest('ListMultipartUploads', 'GET', query, options),
        parseListUploads,
      )
      yield* page.uploads
      if (!page.truncated) return
      const { nextKeyMarker = '', nextUploadIdMarker = '' } = page
      marker = `&key-marker=${encodeRfc3986(nextKeyMarker)}&upload-id-marker=${encodeRfc3986(nextUploadIdMarker)}`
      circle.check(marker)
    }
  }

  async copyObject(from: string, to: string, options: CopyRequest): Promise<void> {
    const { signal, sourceAccess } = options
    const source = { signal, access: sourceAccess }
    if (this.#copyThreshold !== undefined) {
      const { size } = await this.headObject(from, source)
      if (size > this.#copyThreshold) return await this.#copyLarge(from, to, options)
    }
    const headers = [
      'x-amz-copy-source',
      this.#source(from),
      ...accessHeaders(sourceAccess, 'source'),
      ...parameterHeaders(options.parameters),
    ]
    const request = this.#objectRequest('CopyObject', 'PUT', to, headers, signal)
    try {
      await this.#document(request, parseCopyResult)
    } catch (error) {
      // S3 says no more than "invalid" of a source that is too large for one request.
      if (error instanceof FileNotFoundError || !(await isTooLargeToCopy(this, from, source)))
        throw error
      await this.#copyLarge(from, to, options)
    }
  }

  async deleteObject(key: string, { signal, access }: RequestOptions): Promise<void> {
    const headers = accessHeaders(access, 'bucket')
    const request = this.#objectRequest('DeleteObject', 'DELETE', key, headers, signal)
    // S3 answers 204 for a missing key; some services answer 404.
    await this.#requester.run(request, readNothing).catch(unlessMissing)
  }

  deleteObjects(
    keys: readonly string[],
    options: RequestOptions,
  ): Promise<ReadonlyMap<string, Error>> {
    return deleteKeys(keys, options, {
      listed: listed => this.#deleteListed(listed, options),
      one: key => this.deleteObject(key, options),
      pauseAfter: (failure, attempts) =>
        this.#requester.pauseAfter(failure, attempts, options.signal),
    })
  }

  async listObjects(request: ListRequest): Promise<ListResult> {
    const { prefix, delimiter, token } = request
    // In the order of their names, as the signature wants them.
    const query = [
      token === undefined ? '' : `continuation-token=${encodeRfc3986(token)}&`,
      delimiter === undefined ? '' : 'delimiter=%2F&',
      `encoding-type=url&list-type=2&prefix=${encodeRfc3986(prefix)}`,
    ].join('')
    const listing = await this.#document(
      this.#bucketRequest('ListObjectsV2', 'GET', query, request),
      parseListing,
    )
    if (listing.truncated && listing.nextToken === undefined) {
      throw new IntegrityError('The service cut a listing without saying where it goes on.')
    }
    return { ...listing, nextToken: listing.truncated ? listing.nextToken : undefined }
  }

  /** Without a promise of its own once the connection is there. */
  presign(key: string, options: PresignOptions): Promise<string> {
    if (options.expiresIn === undefined) {
      const { query } = options
      return this.#requester.address().then(address => unsignedUrl(address, key, query))
    }
    const connection = this.#requester.connection()
    return connection instanceof Promise
      ? connection.then(opened => this.#signedUrl(opened, key, options))
      : Promise.resolve(this.#signedUrl(connection, key, options))
  }

  #signedUrl({ address, signer }: Connection, key: string, options: PresignOptions): string {
    return signedUrl(address, signer, key, options, this.#requester.now())
  }

  async postForm(key: string, options: PostFormRequest): Promise<PostForm> {
    const connection = await this.#requester.connection()
    const { bucketName } = this.#requester
    return signPostForm({ ...options, bucketName, key }, connection, this.#requester.now())
  }

  async bucketExists(options: RequestOptions): Promise<boolean> {
    const request = this.#bucketRequest('HeadBucket', 'HEAD', '', options)
    try {
      await this.#requester.run({ ...request, subject: 'object' }, readNothing)
      return true
    } catch (error) {
      if (error instanceof FileNotFoundError) return false
      throw error
    }
  }

  async createBucket(options: CreateBucketOptions): Promise<void> {
    const { region } = await this.#requester.connection()
    await inRegion(region, location => this.#createBucket(location, options))
  }

  async #createBucket(
    location: string | undefined,
    { acl, acls, signal }: CreateBucketOptions,
  ): Promise<void> {
    const request = this.#bucketRequest('CreateBucket', 'PUT', '', { signal })
    if (acl !== undefined) request.headers.push('x-amz-acl', acl)
    if (acls) request.headers.push('x-amz-object-ownership', 'ObjectWriter')
    const body = location === undefined ? noBody : encodeUtf8(locationDocument(location))
    if (location !== undefined) request.headers.push('content-type', 'application/xml')
    await this.#requester.run({ ...request, body }, readNothing)
  }

  #objectRequest(
    operation: string,
    method: S3Request['method'],
    key: string,
    headers: string[],
    signal: AbortSignal | undefined,
  ): S3Request {
    return { operation, method, subject: 'object', key, headers, signal }
  }

  #bucketRequest(
    operation: string,
    method: S3Request['method'],
    query: string,
    { signal, access }: RequestOptions,
  ): S3Request {
    const headers = accessHeaders(access, 'bucket')
    return { operation, method, subject: 'bucket', query, headers, signal }
  }

  /** The answer of a request that must succeed, its document read by `parse`. */
  #document<T>(request: S3Request, parse: (text: string) => T): Promise<T> {
    return this.#requester.run(request, async response => {
      const text = await readBounded(response.body, maxDocumentBytes, 'strict')
      // Complete, Copy and Delete begin their answer with 200 and may still fail.
      const error = /<Error[\s>]/.test(text) ? parseErrorDocument(text) : undefined
      if (error !== undefined) throw this.#requester.refusal(response, request, error)
      return parse(text)
    })
  }

  /** Stores an object with one request, under a condition. */
  async #put(
    key: string,
    headers: readonly string[],
    body: NonNullable<S3Request['body']>,
    options: PutOptions,
    isOwn: (head: ObjectHead) => boolean,
  ): Promise<void> {
    const { condition, signal, access } = options
    await this.#conditions.apply(key, condition, options, async conditionHeaders => {
      const request: S3Request = {
        operation: 'PutObject',
        method: 'PUT',
        subject: 'bucket',
        key,
        headers: [...headers, ...conditionHeaders],
        body,
        signal,
      }
      const sent = this.#requester.run(request, readStored)
      if (condition === undefined) await sent
      else await this.#orOwnWork(request, access, isOwn, () => sent)
    })
  }

  /**
   * A request that changes what it depends on. When its first answer was lost, the second attempt
   * meets what the first did: then it succeeded, and is no conflict.
   */
  async #orOwnWork(
    request: S3Request & { readonly key?: string | undefined },
    access: RequestOptions['access'],
    isOwn: (head: ObjectHead) => boolean,
    send: () => Promise<unknown>,
  ): Promise<void> {
    try {
      await send()
    } catch (error) {
      const met = error instanceof PreconditionFailedError || error instanceof FileNotFoundError
      if (!met || request.uncertain !== true || request.key === undefined) throw error
      const { signal } = request
      const head = await this.headObject(request.key, { signal, access }).catch(unlessMissing)
      if (head === undefined || !isOwn(head)) throw error
    }
  }

  async #hasParts(upload: OpenUpload, { signal, access }: RequestOptions): Promise<boolean> {
    const request: S3Request = {
      operation: 'ListParts',
      method: 'GET',
      subject: 'upload',
      key: upload.key,
      query: `max-parts=1&uploadId=${encodeRfc3986(upload.uploadId)}`,
      headers: accessHeaders(access, 'object'),
      signal,
    }
    return (await this.#document(request, listsParts).catch(unlessMissing)) ?? true
  }

  #namedPart(part: UploadedPart): Parameters<typeof completeDocument>[0][number] {
    const { partNumber, etag, checksum } = part
    const { parts } = this.#checksums
    if (checksum === undefined || parts === undefined) return { partNumber, etag }
    return { partNumber, etag, checksum: [`Checksum${parts.toUpperCase()}`, checksum] }
  }

  #wholeChecksum(parts: readonly UploadedPart[]): readonly string[] {
    const { parts: algorithm, fullObject } = this.#checksums
    if (algorithm !== 'crc32' || !fullObject) return []
    const whole = wholeChecksum(parts)
    return whole === undefined
      ? []
      : ['x-amz-checksum-crc32', whole, 'x-amz-checksum-type', 'FULL_OBJECT']
  }

  #source(key: string): string {
    return `/${encodeRfc3986(this.#requester.bucketName)}/${encodeKey(key)}`
  }

  async #copyLarge(from: string, to: string, options: CopyRequest): Promise<void> {
    const { access, sourceAccess } = options
    const { head, parameters } = await this.#copySource(from, options)
    const { etag } = head
    const { copies } = this.#checksums
    const own = accessHeaders(access, 'object')
    const copyPart = async (
      uploadId: string,
      partNumber: number,
      start: number,
      end: number,
      signal: AbortSignal,
    ): Promise<UploadedPart> => {
      const headers = ['x-amz-copy-source', this.#source(from), ...own]
      headers.push(...accessHeaders(sourceAccess, 'source'))
      headers.push('x-amz-copy-source-range', `bytes=${start}-${end - 1}`)
      // All parts of one version: a source that is replaced meanwhile fails.
      if (etag !== undefined) headers.push('x-amz-copy-source-if-match', `"${etag}"`)
      const request: S3Request = {
        operation: 'UploadPartCopy',
        method: 'PUT',
        subject: 'object',
        key: to,
        query: `partNumber=${partNumber}&uploadId=${encodeRfc3986(uploadId)}`,
        headers,
        signal,
      }
      const copied = await this.#document(request, parseCopyResult)
      if (copied.etag === undefined)
        throw new IntegrityError(`The service copied part ${partNumber} without an ETag.`)
      const checksum = copies && copied.checksums[copies]
      return { partNumber, etag: `"${copied.etag}"`, size: end - start, checksum }
    }
    await copyInParts(this, copyPart, to, head.size, {
      ...options,
      parameters: { ...parameters, ...withoutUndefined(options.parameters) },
      partSize: copyPartSize(head.size, this.#maxParts, this.#copyThreshold),
    })
  }

  /** The source of a copy by parts, which takes nothing over by itself. */
  async #copySource(
    key: string,
    { signal, sourceAccess: access }: CopyRequest,
  ): Promise<{ readonly head: ObjectHead; readonly parameters: ObjectParameters }> {
    const headers = accessHeaders(access, 'object')
    const request = this.#objectRequest('HeadObject', 'HEAD', key, headers, signal)
    const source = await this.#requester.run(request, readCopySource)
    const Tagging = source.tagged ? await this.#tagsOf(key, { signal, access }) : undefined
    return { head: source.head, parameters: withoutUndefined({ ...source.parameters, Tagging }) }
  }

  /** The tags of an object, as `x-amz-tagging` has them. */
  async #tagsOf(key: string, { signal, access }: RequestOptions): Promise<string> {
    const headers = accessHeaders(access, 'bucket')
    const request = this.#objectRequest('GetObjectTagging', 'GET', key, headers, signal)
    const tags = await this.#document({ ...request, query: 'tagging=' }, parseTagging)
    return tags.map(pair => pair.map(encodeRfc3986).join('=')).join('&')
  }

  async #deleteListed(
    keys: readonly string[],
    options: RequestOptions,
  ): Promise<ReadonlyMap<string, StorageError>> {
    const body = encodeUtf8(deleteDocument(keys))
    const request = this.#bucketRequest('DeleteObjects', 'POST', 'delete=', options)
    request.headers.push('content-md5', md5Base64(body), 'content-type', 'application/xml')
    const result = await this.#document({ ...request, body }, parseDeleteResult)
    return deletionErrors(result.errors, this.#requester.bucketName)
  }

  /** Rethrows, with the bucket named where it is that which is missing: a HEAD does not say. */
  async #missing(error: unknown, options: RequestOptions): Promise<never> {
    if (error instanceof FileNotFoundError && !this.#bucketSeen) {
      const request = this.#bucketRequest('HeadBucket', 'HEAD', '', options)
      await this.#requester.run({ ...request, accepted: 403 }, readNothing)
      this.#bucketSeen = true
    }
    throw error
  }
}

const noBody = new Uint8Array(0)

function readHead(response: TransportResponse): ObjectHead {
  return objectHead(response, Number(response.header('content-length')))
}

/** What a copy by parts has to be given, and whether there are tags besides. */
function readCopySource(response: TransportResponse): {
  readonly head: ObjectHead
  readonly parameters: ObjectParameters
  readonly tagged: boolean
} {
  const head = readHead(response)
  const { contentType, contentEncoding, cacheControl, contentDisposition, metadata } = head
  return {
    head,
    parameters: {
      ContentType: contentType,
      ContentEncoding: contentEncoding,
      ContentLanguage: response.header('content-language'),
      CacheControl: cacheControl,
      ContentDisposition: contentDisposition,
      Expires: response.header('expires'),
      Metadata: metadata,
    },
    tagged: Number(response.header('x-amz-tagging-count') ?? 0) > 0,
  }
}

async function readNothing(response: TransportResponse): Promise<void> {
  if (lengthOf(response) === 0) {
    await response.body.bytes()
    return
  }
  // An answer of unknown length may be one without an end.
  const text = await readBounded(response.body, maxIdleBytes)
  if (/^\s*<(?:!doctype html|html)\b/i.test(text)) throw pageOfHtml()
}

/** A proxy's page, such as that of a login, comes with 200, too, but the service was not asked. */
function pageOfHtml(): IntegrityError {
  return new IntegrityError(
    'The answer is a page of HTML: something on the way to the service answered in its place.',
  )
}

async function readStored(response: TransportResponse): Promise<void> {
  await readNothing(response)
  requiredETag(response, 'the object')
}

function requiredETag(response: TransportResponse, what: string): string {
  const etag = response.header('etag')
  if (etag === undefined) throw new IntegrityError(`The service took ${what} without an ETag.`)
  return etag
}

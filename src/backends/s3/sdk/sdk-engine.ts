import { untilAborted } from '../../../core/abort.ts'
import type { ReadBody, WriteCondition } from '../../../core/backend.ts'
import {
  FileNotFoundError,
  IntegrityError,
  PermissionDeniedError,
  PreconditionFailedError,
  type StorageError,
  UnsupportedError,
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
import { decodeListedKey } from '../list-xml.ts'
import { copyInParts, copyPartSize, isTooLargeToCopy } from '../native/copy-in-parts.ts'
import { ObjectBody } from '../native/object-body.ts'
import { compositeETag, HashedStream, matchesContent } from '../native/own-work.ts'
import { partOfBody } from '../native/part-of-body.ts'
import { accessHeaders, type ObjectParameters, parameterHeaders } from '../object-parameters.ts'
import { PageCircle } from '../page-circle.ts'
import type { PostForm } from '../post-policy.ts'
import type { ProviderProfile } from '../profiles.ts'
import { abortStrayUploads, forgetStrays } from '../stray-uploads.ts'
import { withoutUndefined } from '../without-undefined.ts'
import {
  type DeliveredRange,
  deliveredRange,
  isTime,
  outputHead,
  unquoted,
} from './object-output.ts'
import type { Patience } from './patience.ts'
import { isSdkStream, streamBody } from './sdk-body.ts'
import type { SdkCall, SdkClient, SdkInput, SdkListedObject, SdkOutput } from './sdk-client.ts'

export interface SdkEngineOptions {
  readonly client: SdkClient
  readonly bucketName: string
  /** What the service can, as far as the client's own settings tell which one it is. */
  readonly profile: ProviderProfile
  readonly patience: Patience
  /** Largest object that is copied with one request; `undefined`: whatever the service takes. */
  readonly copyThreshold: number | undefined
}

/**
 * An S3 client over an SDK of somebody else, which makes the requests, signs them, and makes them
 * again. What it leaves undone is done here: conditions, lengths, names in listings, what was lost.
 */
export class SdkEngine implements S3Engine {
  readonly profile: ProviderProfile
  readonly #client: SdkClient
  readonly #bucketName: string
  readonly #patience: Patience
  readonly #copyThreshold: number | undefined
  readonly #conditions: WriteConditions
  #bucketSeen = false

  constructor(options: SdkEngineOptions) {
    this.profile = options.profile
    this.#client = options.client
    this.#bucketName = options.bucketName
    this.#patience = options.patience
    this.#copyThreshold = options.copyThreshold
    this.#conditions = new WriteConditions(
      options.profile.conditions.quotedIfMatch,
      async (key, { signal, access }) =>
        (await this.headObject(key, { signal, access }).catch(unlessMissing))?.etag,
    )
  }

  async headObject(key: string, options: RequestOptions): Promise<ObjectHead> {
    try {
      const output = await this.#send(objectCall('HeadObject', { Key: key }, options))
      return outputHead(output, output.ContentLength)
    } catch (error) {
      throw await this.#missing(error, options)
    }
  }

  async getObject(key: string, options: GetOptions): Promise<GetResult> {
    const { range, ifMatch, signal } = options
    const call = getCall(key, range, ifMatch, options)
    const output = await this.#send(call).catch(error => {
      if (call.course.status === behindTheEnd) return undefined
      throw error
    })
    if (output === undefined) return emptyResult(await this.headObject(key, options))
    const { source, delivered } = this.#delivery(output, range, signal)
    try {
      const start = Math.min(range?.start ?? 0, delivered.size)
      const end = Math.min(range?.end ?? delivered.size, delivered.end)
      const head = outputHead(output, delivered.size)
      return {
        head,
        start,
        end,
        body: this.#objectBody(key, source, delivered, start, end, options, head),
      }
    } catch (error) {
      source.cancel()
      throw error
    }
  }

  async putObject(key: string, body: Uint8Array, options: PutOptions): Promise<void> {
    await this.#put(key, body, options, head => matchesContent(head, body))
  }

  async putStream(key: string, content: StreamContent, options: PutOptions): Promise<void> {
    const stream = new HashedStream(content)
    for (let attempts = 1; ; attempts++) {
      try {
        return await this.#put(key, stream, options, head => stream.isIn(head), attempts)
      } catch (error) {
        // An SDK sends no stream twice: it cannot know that this one can be read again.
        if (!content.replayable) throw error
        await this.#patience.pauseAfter(error, attempts, options.signal)
      }
    }
  }

  async createUpload(key: string, options: UploadOptions): Promise<Upload> {
    const { parameters, signal, access } = options
    const call: SdkCall = {
      operation: 'CreateMultipartUpload',
      subject: 'bucket',
      input: { Key: key },
      shown: shownParameters(parameters),
      headers: parameterHeaders(parameters),
      signal,
      course: newCourse(),
    }
    const from = Date.now()
    const lost = (): boolean => call.course.attempts > 1
    try {
      const { UploadId } = await this.#send(call)
      if (UploadId === undefined) throw incomplete('UploadId')
      return { uploadId: UploadId, strayFrom: lost() ? from : undefined }
    } catch (error) {
      if (lost()) await forgetStrays(this, key, { from, but: undefined, access })
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
    // Once it is sent, the memory may be given away.
    const size = body.byteLength
    const { ETag: etag, ChecksumCRC32: checksum } = await this.#send({
      operation: 'UploadPart',
      subject: 'upload',
      input: { Key: key, UploadId: uploadId, PartNumber: partNumber },
      headers: accessHeaders(access, 'object'),
      body,
      signal,
      course: newCourse(),
    })
    if (etag === undefined)
      throw new IntegrityError(`The service took part ${partNumber} without an ETag.`)
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
    await this.#conditions.apply(key, condition, options, async headers => {
      const call: SdkCall = {
        operation: 'CompleteMultipartUpload',
        subject: 'upload',
        input: {
          Key: key,
          UploadId: uploadId,
          MultipartUpload: { Parts: parts.map(namedPart) },
        },
        shown: shownCondition(headers),
        headers: [...headers, ...accessHeaders(access, 'object')],
        signal,
        course: newCourse(),
      }
      await this.#orOwnWork(call, key, access, isOwn)
    })
  }

  async abortUpload(key: string, uploadId: string, options: RequestOptions): Promise<void> {
    const input = { Key: key, UploadId: uploadId }
    const call = bucketCall('AbortMultipartUpload', input, options)
    // Gone already: what was wanted.
    await this.#send({ ...call, subject: 'upload' }).catch(unlessMissing)
  }

  async *listUploads(prefix: string, options: RequestOptions): AsyncGenerator<OpenUpload> {
    const circle = new PageCircle('uploads')
    let markers: SdkInput = {}
    for (;;) {
      const input = { Prefix: prefix, EncodingType: 'url', ...markers }
      const page = await this.#send(bucketCall('ListMultipartUploads', input, options))
      const decode = decoderOf(page)
      for (const { Key, UploadId, Initiated } of page.Uploads ?? []) {
        if (Key === undefined || UploadId === undefined || !isTime(Initiated))
          throw incomplete('Key, UploadId or Initiated')
        yield { key: decode(Key), uploadId: UploadId, initiated: Initiated.getTime() }
      }
      if (isLastPage(page)) return
      const { NextKeyMarker = '', NextUploadIdMarker = '' } = page
      markers = { KeyMarker: decode(NextKeyMarker), UploadIdMarker: NextUploadIdMarker }
      circle.check(JSON.stringify([NextKeyMarker, NextUploadIdMarker]))
    }
  }

  async copyObject(from: string, to: string, options: CopyRequest): Promise<void> {
    const { parameters, signal, sourceAccess } = options
    const source = { signal, access: sourceAccess }
    if (this.#copyThreshold !== undefined) {
      const { size } = await this.headObject(from, source)
      if (size > this.#copyThreshold) return await this.#copyLarge(from, to, options)
    }
    const call: SdkCall = {
      operation: 'CopyObject',
      subject: 'object',
      input: { Key: to, CopySource: this.#source(from) },
      shown: shownParameters(parameters),
      headers: [...accessHeaders(sourceAccess, 'source'), ...parameterHeaders(parameters)],
      signal,
      course: newCourse(),
    }
    try {
      const output = await this.#send(call)
      if (output.CopyObjectResult === undefined) throw incomplete('CopyObjectResult')
    } catch (error) {
      // S3 says no more than "invalid" of a source that is too large for one request.
      if (error instanceof FileNotFoundError || !(await isTooLargeToCopy(this, from, source)))
        throw error
      await this.#copyLarge(from, to, options)
    }
  }

  async deleteObject(key: string, options: RequestOptions): Promise<void> {
    const call = bucketCall('DeleteObject', { Key: key }, options)
    // S3 answers 204 for a missing key; some services answer 404.
    await this.#send({ ...call, subject: 'object' }).catch(unlessMissing)
  }

  deleteObjects(
    keys: readonly string[],
    options: RequestOptions,
  ): Promise<ReadonlyMap<string, Error>> {
    return deleteKeys(keys, options, {
      listed: listed => this.#deleteListed(listed, options),
      one: key => this.deleteObject(key, options),
      pauseAfter: (failure, attempts) =>
        this.#patience.pauseAfter(failure, attempts, options.signal),
    })
  }

  async listObjects(request: ListRequest): Promise<ListResult> {
    const { prefix, delimiter, token } = request
    const input = {
      Prefix: prefix,
      EncodingType: 'url',
      ...(delimiter === undefined ? {} : { Delimiter: delimiter }),
      ...(token === undefined ? {} : { ContinuationToken: token }),
    }
    const page = await this.#send(bucketCall('ListObjectsV2', input, request))
    const decode = decoderOf(page)
    const last = isLastPage(page)
    if (!last && page.NextContinuationToken === undefined)
      throw new IntegrityError('The service cut a listing without saying where it goes on.')
    return {
      objects: (page.Contents ?? []).map(entry => listedObject(entry, decode)),
      prefixes: (page.CommonPrefixes ?? []).map(({ Prefix }) => {
        if (Prefix === undefined) throw incomplete('Prefix')
        return decode(Prefix)
      }),
      nextToken: last ? undefined : page.NextContinuationToken,
    }
  }

  presign(key: string, options: PresignOptions): Promise<string> {
    return this.#client.presign(key, options)
  }

  postForm(key: string, options: PostFormRequest): Promise<PostForm> {
    return this.#client.postForm({ ...options, bucketName: this.#bucketName, key })
  }

  async bucketExists(options: RequestOptions): Promise<boolean> {
    try {
      await this.#send({ ...bucketCall('HeadBucket', {}, options), subject: 'object' })
      return true
    } catch (error) {
      if (error instanceof FileNotFoundError) return false
      throw error
    }
  }

  async createBucket({ acl, acls, signal }: CreateBucketOptions): Promise<void> {
    const headers = acls ? ['x-amz-object-ownership', 'ObjectWriter'] : []
    await inRegion(await this.#client.region(), async location => {
      const input = {
        ...(acl === undefined ? {} : { ACL: acl }),
        ...(location === undefined
          ? {}
          : { CreateBucketConfiguration: { LocationConstraint: location } }),
      }
      await this.#send({ ...bucketCall('CreateBucket', input, { signal }), headers })
    })
  }

  /** Whatever an SDK still does after an abort, the caller hears of it at once. */
  async #send(call: SdkCall): Promise<SdkOutput> {
    const { signal } = call
    try {
      signal?.throwIfAborted()
      return await untilAborted(this.#client.send(call), signal)
    } catch (error) {
      throw signal?.aborted === true ? signal.reason : error
    }
  }

  /** Stores an object with one request, under a condition. */
  async #put(
    key: string,
    body: NonNullable<SdkCall['body']>,
    options: PutOptions,
    isOwn: (head: ObjectHead) => boolean,
    attempt = 1,
  ): Promise<void> {
    const { parameters, condition, signal, access } = options
    await this.#conditions.apply(key, condition, options, async headers => {
      const call: SdkCall = {
        operation: 'PutObject',
        subject: 'bucket',
        input: { Key: key },
        shown: { ...shownParameters(parameters), ...shownCondition(headers) },
        headers: [...parameterHeaders(parameters), ...headers],
        body,
        signal,
        course: newCourse(),
      }
      const output = await this.#orOwnWork(call, key, access, isOwn, attempt)
      // A proxy's page of HTML comes with 200, too, but has stored nothing.
      if (output !== undefined && output.ETag === undefined)
        throw new IntegrityError('The service took the object without an ETag.')
    })
  }

  /**
   * A request that changes what it depends on. When its first answer was lost, the second attempt
   * meets what the first did: then it succeeded, and is no conflict.
   *
   * @param attempt which one the call is, where not the SDK makes the others
   */
  async #orOwnWork(
    call: SdkCall,
    key: string,
    access: RequestOptions['access'],
    isOwn: (head: ObjectHead) => boolean,
    attempt = 1,
  ): Promise<SdkOutput | undefined> {
    try {
      return await this.#send(call)
    } catch (error) {
      const met = error instanceof PreconditionFailedError || error instanceof FileNotFoundError
      if (!met || (call.course.attempts < 2 && attempt < 2)) throw error
      const head = await this.headObject(key, { signal: call.signal, access }).catch(unlessMissing)
      if (head === undefined || !isOwn(head)) throw error
      return undefined
    }
  }

  /** The body of an answer and its range. One that is not what was asked for is closed. */
  #delivery(
    output: SdkOutput,
    asked: GetOptions['range'],
    signal: AbortSignal | undefined,
  ): { readonly source: ReadBody; readonly delivered: DeliveredRange } {
    const { Body } = output
    if (!isSdkStream(Body)) throw new IntegrityError('The service answered without a body.')
    const source = streamBody(Body, signal, error => this.#client.explain(error))
    try {
      return { source, delivered: deliveredRange(output, asked) }
    } catch (error) {
      source.cancel()
      throw error
    }
  }

  /** What was asked for of what is delivered, in its length, and taken up where it breaks off. */
  #objectBody(
    key: string,
    source: ReadBody,
    delivered: DeliveredRange,
    start: number,
    end: number,
    { signal, access }: GetOptions,
    { etag, size }: ObjectHead,
  ): ReadBody {
    const whole = start === delivered.start && end === delivered.end
    const body = whole ? source : partOfBody(source, start - delivered.start, end - delivered.start)
    const resume = async (at: number): Promise<ReadBody> => {
      const range = { start: at, end }
      const output = await this.#send(getCall(key, range, etag, { signal, access }))
      const { source: rest, delivered: own } = this.#delivery(output, range, signal)
      const { start: from, end: to } = own
      // Not every service heeds the condition: bytes of two versions must not be mixed.
      if (unquoted(output.ETag) !== etag || own.size !== size) {
        rest.cancel()
        throw new PreconditionFailedError('The object was replaced while it was read.')
      }
      return from === at && to === end ? rest : partOfBody(rest, at - from, end - from)
    }
    return new ObjectBody(body, {
      start,
      end,
      checksum: undefined,
      resumable: etag !== undefined && end > start,
      resume,
      pause: (failure, failures) => this.#patience.pauseAfter(failure, failures, signal),
    })
  }

  async #hasParts({ key, uploadId }: OpenUpload, options: RequestOptions): Promise<boolean> {
    const input = { Key: key, UploadId: uploadId, MaxParts: 1 }
    const call = objectCall('ListParts', input, options)
    const output = await this.#send({ ...call, subject: 'upload' }).catch(unlessMissing)
    return output === undefined || (output.Parts ?? []).length > 0
  }

  #source(key: string): string {
    return `${encodeRfc3986(this.#bucketName)}/${encodeKey(key)}`
  }

  async #copyLarge(from: string, to: string, options: CopyRequest): Promise<void> {
    const { access, sourceAccess } = options
    const { head, parameters } = await this.#copySource(from, options)
    const { etag } = head
    const headers = [...accessHeaders(access, 'object'), ...accessHeaders(sourceAccess, 'source')]
    const copyPart = async (
      uploadId: string,
      partNumber: number,
      start: number,
      end: number,
      signal: AbortSignal,
    ): Promise<UploadedPart> => {
      const input = {
        Key: to,
        UploadId: uploadId,
        PartNumber: partNumber,
        CopySource: this.#source(from),
        CopySourceRange: `bytes=${start}-${end - 1}`,
        // All parts of one version: a source that is replaced meanwhile fails.
        ...(etag === undefined ? {} : { CopySourceIfMatch: `"${etag}"` }),
      }
      const call = objectCall('UploadPartCopy', input, { signal })
      const { CopyPartResult } = await this.#send({ ...call, headers })
      const copied = CopyPartResult?.ETag
      if (copied === undefined)
        throw new IntegrityError(`The service copied part ${partNumber} without an ETag.`)
      return { partNumber, etag: copied, size: end - start, checksum: undefined }
    }
    await copyInParts(this, copyPart, to, head.size, {
      ...options,
      parameters: { ...parameters, ...withoutUndefined(options.parameters) },
      partSize: copyPartSize(head.size, this.profile.limits.maxParts, this.#copyThreshold),
    })
  }

  /** The source of a copy by parts, which takes nothing over by itself. */
  async #copySource(
    key: string,
    { signal, sourceAccess: access }: CopyRequest,
  ): Promise<{ readonly head: ObjectHead; readonly parameters: ObjectParameters }> {
    const output = await this.#send(objectCall('HeadObject', { Key: key }, { signal, access }))
    const head = outputHead(output, output.ContentLength)
    const { contentType, contentEncoding, cacheControl, contentDisposition, metadata } = head
    const parameters = {
      ContentType: contentType,
      ContentEncoding: contentEncoding,
      ContentLanguage: output.ContentLanguage,
      CacheControl: cacheControl,
      ContentDisposition: contentDisposition,
      Expires: output.ExpiresString,
      Metadata: metadata,
      Tagging: await this.#tagsOf(key, output.TagCount, { signal, access }),
    }
    return { head, parameters: withoutUndefined(parameters) }
  }

  /**
   * The tags of an object, as `x-amz-tagging` has them. Not every SDK tells with the object how many
   * there are; where nobody says that there are some, not being allowed to look is no failure.
   */
  async #tagsOf(
    key: string,
    count: number | undefined,
    options: RequestOptions,
  ): Promise<string | undefined> {
    const call = bucketCall('GetObjectTagging', { Key: key }, options)
    try {
      const { TagSet = [] } = await this.#send({ ...call, subject: 'object' })
      const pairs = TagSet.map(({ Key = '', Value = '' }) => [Key, Value].map(encodeRfc3986))
      return pairs.length === 0 ? undefined : pairs.map(pair => pair.join('=')).join('&')
    } catch (error) {
      const refused = error instanceof PermissionDeniedError || error instanceof UnsupportedError
      if (!refused || (count ?? 0) > 0) throw error
      return undefined
    }
  }

  async #deleteListed(
    keys: readonly string[],
    options: RequestOptions,
  ): Promise<ReadonlyMap<string, StorageError>> {
    const input = { Delete: { Quiet: true, Objects: keys.map(Key => ({ Key })) } }
    const { Errors = [] } = await this.#send(bucketCall('DeleteObjects', input, options))
    const errors = Errors.map(({ Key: key, Code: code, Message: message }) => {
      if (key === undefined) throw incomplete('Key')
      return { key, code, message }
    })
    return deletionErrors(errors, this.#bucketName)
  }

  /** The error, or that the bucket is missing: a HEAD does not say. */
  async #missing(error: unknown, options: RequestOptions): Promise<unknown> {
    if (!(error instanceof FileNotFoundError) || this.#bucketSeen) return error
    const call = bucketCall('HeadBucket', {}, options)
    await this.#send(call).catch(failure => {
      if (call.course.status !== 403) throw failure
    })
    this.#bucketSeen = true
    return error
  }
}

const behindTheEnd = 416

function newCourse(): SdkCall['course'] {
  return { attempts: 0, status: 0 }
}

function objectCall(
  operation: SdkCall['operation'],
  input: SdkInput,
  { signal, access }: RequestOptions,
): SdkCall {
  const headers = accessHeaders(access, 'object')
  return { operation, subject: 'object', input, headers, signal, course: newCourse() }
}

function bucketCall(
  operation: SdkCall['operation'],
  input: SdkInput,
  { signal, access }: RequestOptions,
): SdkCall {
  const headers = accessHeaders(access, 'bucket')
  return { operation, subject: 'bucket', input, headers, signal, course: newCourse() }
}

function getCall(
  key: string,
  range: GetOptions['range'],
  ifMatch: string | undefined,
  options: RequestOptions,
): SdkCall {
  const input = {
    Key: key,
    ...(range === undefined
      ? {}
      : { Range: `bytes=${range.start}-${range.end === undefined ? '' : range.end - 1}` }),
    ...(ifMatch === undefined ? {} : { IfMatch: `"${ifMatch}"` }),
  }
  return objectCall('GetObject', input, options)
}

/**
 * Parameters as members of the input, for middleware that looks there. What goes on the wire is
 * what the headers say: the SDKs want times as a `Date`, which holds fewer than the text does, and
 * keys of customers in a form of their own.
 */
function shownParameters(parameters: ObjectParameters): SdkInput {
  const members = Object.entries(parameters).filter(
    ([name, value]) => value !== undefined && !onlyAsHeader.has(name),
  )
  return Object.fromEntries(members)
}

const onlyAsHeader: ReadonlySet<string> = new Set([
  'Expires',
  'Metadata',
  'ObjectLockRetainUntilDate',
  'SSECustomerAlgorithm',
  'SSECustomerKey',
  'SSECustomerKeyMD5',
])

/** The condition as a member of the input: `IfMatch` or `IfNoneMatch`. */
function shownCondition([name, value]: readonly string[]): SdkInput {
  if (name === undefined) return {}
  return { [name === 'if-match' ? 'IfMatch' : 'IfNoneMatch']: value }
}

function namedPart({ partNumber, etag, checksum }: UploadedPart): SdkInput {
  const named = { PartNumber: partNumber, ETag: etag }
  return checksum === undefined ? named : { ...named, ChecksumCRC32: checksum }
}

function decoderOf({ EncodingType }: SdkOutput): (text: string) => string {
  return EncodingType === 'url' ? decodeListedKey : text => text
}

/** @throws IntegrityError for an answer that is no listing, such as a proxy's page of HTML */
function isLastPage({ IsTruncated }: SdkOutput): boolean {
  if (IsTruncated === undefined) throw incomplete('IsTruncated')
  return !IsTruncated
}

function listedObject(
  entry: SdkListedObject,
  decode: (text: string) => string,
): ListResult['objects'][number] {
  const { Key, Size, LastModified, ETag, StorageClass } = entry
  if (
    Key === undefined ||
    Size === undefined ||
    !Number.isSafeInteger(Size) ||
    !isTime(LastModified)
  )
    throw incomplete('Key, Size or LastModified')
  return {
    key: decode(Key),
    size: Size,
    lastModified: LastModified.getTime(),
    etag: unquoted(ETag),
    storageClass: StorageClass,
  }
}

function incomplete(name: string): IntegrityError {
  return new IntegrityError(`The service sent an answer without <${name}>.`)
}

import type { OperationOptions, ReadBody, WriteCondition } from '../../core/backend.ts'
import type { FileStat } from '../../core/file-stat.ts'
import type { ListedObject } from './list-xml.ts'
import type { AccessParameters, ObjectParameters } from './object-parameters.ts'
import type { PostForm, PostPolicyRequest } from './post-policy.ts'
import type { ProviderProfile } from './profiles.ts'

/** What S3 knows of an object. */
export type ObjectHead = Omit<FileStat, 'name'>

/** Of every operation on objects. */
export interface RequestOptions extends OperationOptions {
  /**
   * What the request has to say besides: the customer's key, who pays, and whose bucket it has to
   * be. Writes say it in their parameters. The key is none of requests about buckets and deletions.
   */
  readonly access?: AccessParameters | undefined
}

export interface GetOptions extends RequestOptions {
  /** Half-open, not empty; `undefined`: the whole object. */
  readonly range: { readonly start: number; readonly end: number | undefined } | undefined
  readonly ifMatch: string | undefined
}

export interface GetResult {
  readonly head: ObjectHead
  /** The range that `body` delivers; the service may ignore what was asked for. */
  readonly start: number
  readonly end: number
  readonly body: ReadBody
}

export interface PutOptions extends RequestOptions {
  readonly parameters: ObjectParameters
  readonly condition: WriteCondition
}

export interface UploadOptions extends RequestOptions {
  readonly parameters: ObjectParameters
  /** Whether its parts will be copies, of which only the service can tell a checksum. */
  readonly ofCopies?: boolean | undefined
}

/** Content that is sent while it is read. */
export interface StreamContent {
  readonly size: number
  /** Whether {@link chunks} can be called again and gives the same bytes. */
  readonly replayable: boolean
  chunks(): AsyncIterable<Uint8Array>
}

/** A multipart upload that was begun. */
export interface Upload {
  readonly uploadId: string
  /**
   * Milliseconds since 1970, by the service's clock, of a first attempt whose answer was lost:
   * there may be another upload, which nobody knows.
   */
  readonly strayFrom: number | undefined
}

export interface UploadedPart {
  readonly partNumber: number
  readonly etag: string
  readonly size: number
  /** CRC-32 or SHA-256 in base64, as far as the engine sent one. */
  readonly checksum: string | undefined
}

export interface ListRequest extends RequestOptions {
  readonly prefix: string
  readonly delimiter: '/' | undefined
  /** Of the page before. */
  readonly token: string | undefined
}

export interface ListResult {
  readonly objects: readonly ListedObject[]
  readonly prefixes: readonly string[]
  /** Absent on the last page. */
  readonly nextToken: string | undefined
}

export interface OpenUpload {
  readonly key: string
  readonly uploadId: string
  /** Milliseconds since 1970. */
  readonly initiated: number
}

export interface PresignOptions {
  readonly method: 'GET' | 'HEAD' | 'PUT'
  /** Seconds; `undefined`: a URL without a signature. */
  readonly expiresIn: number | undefined
  readonly query: readonly (readonly [string, string])[]
  readonly headers: readonly (readonly [string, string])[]
}

/** Of a form for an upload by POST, all but the bucket and the key. */
export type PostFormRequest = Omit<PostPolicyRequest, 'bucketName' | 'key'>

export interface CopyRequest extends RequestOptions {
  /** What the copy does not take over from its source. */
  readonly parameters: ObjectParameters
  /** As {@link RequestOptions.access}, for the source. */
  readonly sourceAccess?: AccessParameters | undefined
}

export interface CreateBucketOptions extends OperationOptions {
  /** Canned ACL of the bucket. */
  readonly acl: string | undefined
  /** Whether ACLs shall have an effect in the bucket, which on AWS they have only when asked for. */
  readonly acls: boolean
}

/** Which uploads are strays. */
export interface StrayOptions extends RequestOptions {
  /** Milliseconds since 1970, by the service's clock. */
  readonly from: number
  /** The one that is no stray. */
  readonly but: string | undefined
}

/**
 * One implementation of an S3 client, by the operations of the S3 API. Keys are whole keys. Errors
 * are those of `core/errors.ts`: a missing object is `FileNotFoundError`, a missing bucket
 * `ImproperlyConfigured`, a condition that does not hold `PreconditionFailedError`.
 */
export interface S3Engine {
  /** What the service can, where the engine knows better than the options which one it is. */
  readonly profile?: ProviderProfile | undefined
  headObject(key: string, options: RequestOptions): Promise<ObjectHead>
  /** A range that starts behind the end gives an empty body. */
  getObject(key: string, options: GetOptions): Promise<GetResult>
  putObject(key: string, body: Uint8Array, options: PutOptions): Promise<void>
  /** As {@link putObject}, for what is larger than memory should hold. */
  putStream(key: string, content: StreamContent, options: PutOptions): Promise<void>
  createUpload(key: string, options: UploadOptions): Promise<Upload>
  /**
   * Aborts what a lost answer of {@link createUpload} may have left: uploads of the key, begun
   * since `from`, to which nothing was sent.
   */
  abortStrays(key: string, options: StrayOptions): Promise<void>
  uploadPart(
    key: string,
    uploadId: string,
    partNumber: number,
    body: Uint8Array,
    options: RequestOptions,
  ): Promise<UploadedPart>
  completeUpload(
    key: string,
    uploadId: string,
    parts: readonly UploadedPart[],
    options: RequestOptions & { readonly condition: WriteCondition },
  ): Promise<void>
  abortUpload(key: string, uploadId: string, options: RequestOptions): Promise<void>
  listUploads(prefix: string, options: RequestOptions): AsyncIterable<OpenUpload>
  /** Replaces what is at `to`. By parts where the service takes no such copy at once. */
  copyObject(from: string, to: string, options: CopyRequest): Promise<void>
  deleteObject(key: string, options: RequestOptions): Promise<void>
  /** At most 1,000 keys. Resolves to the errors of those that failed. */
  deleteObjects(
    keys: readonly string[],
    options: RequestOptions,
  ): Promise<ReadonlyMap<string, Error>>
  listObjects(request: ListRequest): Promise<ListResult>
  presign(key: string, options: PresignOptions): Promise<string>
  /** Signs a form for an upload by POST. @throws UnsupportedError */
  postForm(key: string, options: PostFormRequest): Promise<PostForm>
  /** Whether there is the bucket. One that only others may use is a `PermissionDeniedError`. */
  bucketExists(options: RequestOptions): Promise<boolean>
  /** In the region that the storage works in. */
  createBucket(options: CreateBucketOptions): Promise<void>
}

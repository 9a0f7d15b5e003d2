import type { OperationOptions } from '../../../core/backend.ts'
import type { PresignOptions, StreamContent } from '../engine.ts'
import type { ErrorSubject } from '../errors.ts'
import type { PostForm, PostPolicyRequest } from '../post-policy.ts'

/** Operations of the S3 API, by its own names. */
export type SdkOperation =
  | 'AbortMultipartUpload'
  | 'CompleteMultipartUpload'
  | 'CopyObject'
  | 'CreateBucket'
  | 'CreateMultipartUpload'
  | 'DeleteObject'
  | 'DeleteObjects'
  | 'GetObject'
  | 'GetObjectTagging'
  | 'HeadBucket'
  | 'HeadObject'
  | 'ListMultipartUploads'
  | 'ListObjectsV2'
  | 'ListParts'
  | 'PutObject'
  | 'UploadPart'
  | 'UploadPartCopy'

/** Members of an operation's input, by the names of the S3 API. `Bucket` is added by the client. */
export type SdkInput = Readonly<Record<string, unknown>>

/** One call of an SDK. */
export interface SdkCall extends OperationOptions {
  readonly operation: SdkOperation
  /** What an error is about, where the service does not say. */
  readonly subject: ErrorSubject
  readonly input: SdkInput
  /** What {@link headers} say, as members of the input: for middleware that looks there. */
  readonly shown?: SdkInput | undefined
  /**
   * Name, value, name, value; names in lower case. On the wire they stand as they are, signed, in
   * place of what the SDK made of the input: its types know not all of them, and not all values.
   */
  readonly headers?: readonly string[] | undefined
  readonly body?: Uint8Array | StreamContent | undefined
  /** Filled in by the client, also where the call fails. */
  readonly course: SdkCourse
}

/** How a call went. */
export interface SdkCourse {
  /** Times that the SDK made the request; with more than one, a first answer may have been lost. */
  attempts: number
  /** Of the answer; 0 without one. */
  status: number
}

/** Members of outputs that the engine reads, as both SDKs have them. */
export interface SdkOutput {
  /** An async iterable of bytes. */
  readonly Body?: unknown
  readonly CacheControl?: string | undefined
  readonly ChecksumCRC32?: string | undefined
  readonly CommonPrefixes?: readonly { readonly Prefix?: string | undefined }[] | undefined
  readonly ContentDisposition?: string | undefined
  readonly ContentEncoding?: string | undefined
  readonly ContentLanguage?: string | undefined
  readonly ContentLength?: number | undefined
  readonly ContentRange?: string | undefined
  readonly ContentType?: string | undefined
  readonly Contents?: readonly SdkListedObject[] | undefined
  readonly CopyObjectResult?: { readonly ETag?: string | undefined } | undefined
  readonly CopyPartResult?: { readonly ETag?: string | undefined } | undefined
  readonly ETag?: string | undefined
  readonly EncodingType?: string | undefined
  readonly Errors?: readonly SdkKeyError[] | undefined
  readonly ExpiresString?: string | undefined
  readonly IsTruncated?: boolean | undefined
  readonly LastModified?: Date | undefined
  readonly Metadata?: Readonly<Record<string, string>> | undefined
  readonly NextContinuationToken?: string | undefined
  readonly NextKeyMarker?: string | undefined
  readonly NextUploadIdMarker?: string | undefined
  readonly Parts?: readonly unknown[] | undefined
  readonly TagCount?: number | undefined
  readonly TagSet?:
    | readonly { readonly Key?: string | undefined; readonly Value?: string | undefined }[]
    | undefined
  readonly UploadId?: string | undefined
  readonly Uploads?: readonly SdkListedUpload[] | undefined
}

export interface SdkListedObject {
  readonly Key?: string | undefined
  readonly Size?: number | undefined
  readonly LastModified?: Date | undefined
  readonly ETag?: string | undefined
  readonly StorageClass?: string | undefined
}

export interface SdkListedUpload {
  readonly Key?: string | undefined
  readonly UploadId?: string | undefined
  readonly Initiated?: Date | undefined
}

export interface SdkKeyError {
  readonly Key?: string | undefined
  readonly Code?: string | undefined
  readonly Message?: string | undefined
}

/** What an SDK is to {@link SdkEngine}. */
export interface SdkClient {
  /** Errors are those of the engine's interface; those of the SDK are their causes. */
  send(call: SdkCall): Promise<SdkOutput>
  presign(key: string, options: PresignOptions): Promise<string>
  postForm(request: PostPolicyRequest): Promise<PostForm>
  /** The region that requests are signed for. */
  region(): Promise<string>
  /** What an error means that breaks off a body. */
  explain(error: unknown): unknown
}

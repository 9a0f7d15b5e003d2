import type { OperationOptions, ReadBody, WriteCondition } from '../../core/backend.ts'
import type { FileStat } from '../../core/file-stat.ts'
import type { ListedObject } from './list-xml.ts'
import type { ObjectParameters } from './object-parameters.ts'

/** What S3 knows of an object. */
export type ObjectHead = Omit<FileStat, 'name'>

export interface GetOptions extends OperationOptions {
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

export interface PutOptions extends OperationOptions {
  readonly parameters: ObjectParameters
  readonly condition: WriteCondition
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

export interface ListRequest extends OperationOptions {
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

/**
 * One implementation of an S3 client, by the operations of the S3 API. Keys are whole keys. Errors
 * are those of `core/errors.ts`: a missing object is `FileNotFoundError`, a missing bucket
 * `ImproperlyConfigured`, a condition that does not hold `PreconditionFailedError`.
 */
export interface S3Engine {
  headObject(key: string, options: OperationOptions): Promise<ObjectHead>
  /** A range that starts behind the end gives an empty body. */
  getObject(key: string, options: GetOptions): Promise<GetResult>
  putObject(key: string, body: Uint8Array, options: PutOptions): Promise<void>
  /** As {@link putObject}, for what is larger than memory should hold. */
  putStream(key: string, content: StreamContent, options: PutOptions): Promise<void>
  createUpload(
    key: string,
    options: OperationOptions & { readonly parameters: ObjectParameters },
  ): Promise<Upload>
  /**
   * Aborts what a lost answer of {@link createUpload} may have left: uploads of the key, begun
   * since `from`, to which nothing was sent.
   */
  abortStrays(
    key: string,
    options: OperationOptions & { readonly from: number; readonly but: string | undefined },
  ): Promise<void>
  uploadPart(
    key: string,
    uploadId: string,
    partNumber: number,
    body: Uint8Array,
    options: OperationOptions,
  ): Promise<UploadedPart>
  completeUpload(
    key: string,
    uploadId: string,
    parts: readonly UploadedPart[],
    options: OperationOptions & { readonly condition: WriteCondition },
  ): Promise<void>
  abortUpload(key: string, uploadId: string, options: OperationOptions): Promise<void>
  listUploads(prefix: string, options: OperationOptions): AsyncIterable<OpenUpload>
  /** Replaces what is at `to`. By parts where the service takes no such copy at once. */
  copyObject(
    from: string,
    to: string,
    options: OperationOptions & { readonly parameters: ObjectParameters },
  ): Promise<void>
  deleteObject(key: string, options: OperationOptions): Promise<void>
  /** At most 1,000 keys. Resolves to the errors of those that failed. */
  deleteObjects(
    keys: readonly string[],
    options: OperationOptions,
  ): Promise<ReadonlyMap<string, Error>>
  listObjects(request: ListRequest): Promise<ListResult>
  presign(key: string, options: PresignOptions): Promise<string>
}

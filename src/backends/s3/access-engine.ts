import type { WriteCondition } from '../../core/backend.ts'
import { PermissionDeniedError, StorageError } from '../../core/errors.ts'
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
} from './engine.ts'
import type { AccessParameters } from './object-parameters.ts'
import type { PostForm } from './post-policy.ts'
import type { ProviderProfile } from './profiles.ts'

/** What requests about a key have to say besides; of requests about the bucket, of any key. */
export type AccessOf = (key: string) => AccessParameters | undefined

/**
 * An engine whose requests carry the customer's key, who pays for them and whose bucket it has to
 * be. Storages without such parameters have none of it.
 */
export function withAccess(engine: S3Engine, accessOf: AccessOf): S3Engine {
  return new AccessEngine(engine, accessOf)
}

class AccessEngine implements S3Engine {
  readonly #engine: S3Engine
  readonly #accessOf: AccessOf

  constructor(engine: S3Engine, accessOf: AccessOf) {
    this.#engine = engine
    this.#accessOf = accessOf
  }

  get profile(): ProviderProfile | undefined {
    return this.#engine.profile
  }

  headObject(key: string, options: RequestOptions): Promise<ObjectHead> {
    return this.#about(key, access => this.#engine.headObject(key, { ...options, access }))
  }

  getObject(key: string, options: GetOptions): Promise<GetResult> {
    return this.#about(key, access => this.#engine.getObject(key, { ...options, access }))
  }

  putObject(key: string, body: Uint8Array, options: PutOptions): Promise<void> {
    return this.#about(key, access => this.#engine.putObject(key, body, { ...options, access }))
  }

  putStream(key: string, content: StreamContent, options: PutOptions): Promise<void> {
    return this.#about(key, access => this.#engine.putStream(key, content, { ...options, access }))
  }

  createUpload(key: string, options: UploadOptions): Promise<Upload> {
    return this.#about(key, access => this.#engine.createUpload(key, { ...options, access }))
  }

  abortStrays(key: string, options: StrayOptions): Promise<void> {
    return this.#about(key, access => this.#engine.abortStrays(key, { ...options, access }))
  }

  uploadPart(
    key: string,
    uploadId: string,
    partNumber: number,
    body: Uint8Array,
    options: RequestOptions,
  ): Promise<UploadedPart> {
    return this.#about(key, access =>
      this.#engine.uploadPart(key, uploadId, partNumber, body, { ...options, access }),
    )
  }

  completeUpload(
    key: string,
    uploadId: string,
    parts: readonly UploadedPart[],
    options: RequestOptions & { readonly condition: WriteCondition },
  ): Promise<void> {
    return this.#about(key, access =>
      this.#engine.completeUpload(key, uploadId, parts, { ...options, access }),
    )
  }

  abortUpload(key: string, uploadId: string, options: RequestOptions): Promise<void> {
    return this.#about(key, access =>
      this.#engine.abortUpload(key, uploadId, { ...options, access }),
    )
  }

  listUploads(prefix: string, options: RequestOptions): AsyncIterable<OpenUpload> {
    return this.#engine.listUploads(prefix, { ...options, access: this.#accessOf(prefix) })
  }

  copyObject(from: string, to: string, options: CopyRequest): Promise<void> {
    return this.#about(to, access =>
      this.#engine.copyObject(from, to, { ...options, access, sourceAccess: this.#accessOf(from) }),
    )
  }

  deleteObject(key: string, options: RequestOptions): Promise<void> {
    return this.#about(key, access => this.#engine.deleteObject(key, { ...options, access }))
  }

  /** Who pays and whose bucket it is cannot differ within one bucket: any key tells. */
  deleteObjects(
    keys: readonly string[],
    options: RequestOptions,
  ): Promise<ReadonlyMap<string, Error>> {
    return this.#about(keys[0] ?? '', access =>
      this.#engine.deleteObjects(keys, { ...options, access }),
    )
  }

  listObjects(request: ListRequest): Promise<ListResult> {
    return this.#about(request.prefix, access => this.#engine.listObjects({ ...request, access }))
  }

  presign(key: string, options: PresignOptions): Promise<string> {
    return this.#engine.presign(key, options)
  }

  postForm(key: string, options: PostFormRequest): Promise<PostForm> {
    return this.#engine.postForm(key, options)
  }

  bucketExists(options: RequestOptions): Promise<boolean> {
    return this.#about('', access => this.#engine.bucketExists({ ...options, access }))
  }

  createBucket(options: CreateBucketOptions): Promise<void> {
    return this.#engine.createBucket(options)
  }

  async #about<T>(
    key: string,
    request: (access: AccessParameters | undefined) => Promise<T>,
  ): Promise<T> {
    const access = this.#accessOf(key)
    try {
      return await request(access)
    } catch (error) {
      throw withAdvice(error, access)
    }
  }
}

/** S3 does not say whether it is the owner or the key that is another one. */
function withAdvice(error: unknown, access: AccessParameters | undefined): unknown {
  const suspects = [
    access?.ExpectedBucketOwner === undefined ? '' : 'ExpectedBucketOwner',
    access?.SSECustomerKey === undefined ? '' : 'SSECustomerKey',
  ].filter(name => name !== '')
  if (suspects.length === 0) return error
  const message = (text: string): string =>
    `${text} Check ${suspects.join(' and ')} in "objectParameters", too.`
  if (error instanceof PermissionDeniedError)
    return new PermissionDeniedError(message(error.message), { cause: error.cause })
  // A wrong key may be answered with "invalid request", and to a HEAD with a bare 400.
  if (error instanceof Error && Object.getPrototypeOf(error) === StorageError.prototype)
    return new StorageError(message(error.message), { cause: error.cause })
  return error
}

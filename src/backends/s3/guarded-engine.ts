import { untilAborted } from '../../core/abort.ts'
import type { WriteCondition } from '../../core/backend.ts'
import { FileNotFoundError, PreconditionFailedError } from '../../core/errors.ts'
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
import type { PostForm } from './post-policy.ts'
import type { ConditionSupport, ProviderProfile } from './profiles.ts'

/**
 * The engine for a service that ignores or refuses conditions of writes: it looks at the object
 * right before it writes, one such write of a key at a time. So no two writers of one engine take
 * the same name; between processes a window of one round trip remains (decisions/0012).
 * The engine itself where the service honours them, or may.
 */
export function guardConditions(
  engine: S3Engine,
  conditions: ProviderProfile['conditions'],
): S3Engine {
  const { putIfNoneMatch, putIfMatch, completeIfNoneMatch, completeIfMatch } = conditions
  const all = [putIfNoneMatch, putIfMatch, completeIfNoneMatch, completeIfMatch]
  return all.some(isNoGuard) ? new GuardedEngine(engine, conditions) : engine
}

/** Whether the service does nothing for a condition. What it does is not known: let it try. */
function isNoGuard(support: ConditionSupport): boolean {
  return support === 'ignored' || support === 'refused'
}

class GuardedEngine implements S3Engine {
  readonly #engine: S3Engine
  readonly #conditions: ProviderProfile['conditions']
  readonly #turns = new Turns()

  constructor(engine: S3Engine, conditions: ProviderProfile['conditions']) {
    this.#engine = engine
    this.#conditions = conditions
  }

  get profile(): ProviderProfile | undefined {
    return this.#engine.profile
  }

  putObject(key: string, body: Uint8Array, options: PutOptions): Promise<void> {
    const { putIfNoneMatch, putIfMatch } = this.#conditions
    return this.#guarded(key, options, putIfNoneMatch, putIfMatch, condition =>
      this.#engine.putObject(key, body, { ...options, condition }),
    )
  }

  putStream(key: string, content: StreamContent, options: PutOptions): Promise<void> {
    const { putIfNoneMatch, putIfMatch } = this.#conditions
    return this.#guarded(key, options, putIfNoneMatch, putIfMatch, condition =>
      this.#engine.putStream(key, content, { ...options, condition }),
    )
  }

  completeUpload(
    key: string,
    uploadId: string,
    parts: readonly UploadedPart[],
    options: RequestOptions & { readonly condition: WriteCondition },
  ): Promise<void> {
    const { completeIfNoneMatch, completeIfMatch } = this.#conditions
    return this.#guarded(key, options, completeIfNoneMatch, completeIfMatch, condition =>
      this.#engine.completeUpload(key, uploadId, parts, { ...options, condition }),
    )
  }

  headObject(key: string, options: RequestOptions): Promise<ObjectHead> {
    return this.#engine.headObject(key, options)
  }

  getObject(key: string, options: GetOptions): Promise<GetResult> {
    return this.#engine.getObject(key, options)
  }

  createUpload(key: string, options: UploadOptions): Promise<Upload> {
    return this.#engine.createUpload(key, options)
  }

  abortStrays(key: string, options: StrayOptions): Promise<void> {
    return this.#engine.abortStrays(key, options)
  }

  uploadPart(
    key: string,
    uploadId: string,
    partNumber: number,
    body: Uint8Array,
    options: RequestOptions,
  ): Promise<UploadedPart> {
    return this.#engine.uploadPart(key, uploadId, partNumber, body, options)
  }

  abortUpload(key: string, uploadId: string, options: RequestOptions): Promise<void> {
    return this.#engine.abortUpload(key, uploadId, options)
  }

  listUploads(prefix: string, options: RequestOptions): AsyncIterable<OpenUpload> {
    return this.#engine.listUploads(prefix, options)
  }

  copyObject(from: string, to: string, options: CopyRequest): Promise<void> {
    return this.#engine.copyObject(from, to, options)
  }

  deleteObject(key: string, options: RequestOptions): Promise<void> {
    return this.#engine.deleteObject(key, options)
  }

  deleteObjects(
    keys: readonly string[],
    options: RequestOptions,
  ): Promise<ReadonlyMap<string, Error>> {
    return this.#engine.deleteObjects(keys, options)
  }

  listObjects(request: ListRequest): Promise<ListResult> {
    return this.#engine.listObjects(request)
  }

  presign(key: string, options: PresignOptions): Promise<string> {
    return this.#engine.presign(key, options)
  }

  postForm(key: string, options: PostFormRequest): Promise<PostForm> {
    return this.#engine.postForm(key, options)
  }

  bucketExists(options: RequestOptions): Promise<boolean> {
    return this.#engine.bucketExists(options)
  }

  createBucket(options: CreateBucketOptions): Promise<void> {
    return this.#engine.createBucket(options)
  }

  /** Writes with the condition where the service looks at it, else after a look of our own. */
  async #guarded(
    key: string,
    options: { readonly condition: WriteCondition } & RequestOptions,
    absent: ConditionSupport,
    match: ConditionSupport,
    write: (condition: WriteCondition) => Promise<void>,
  ): Promise<void> {
    const { condition, signal } = options
    if (condition === undefined || !isNoGuard(condition === 'absent' ? absent : match))
      return await write(condition)
    await this.#turns.take(key, signal, async () => {
      const etag = await this.#etag(key, options)
      if (condition === 'absent' && etag !== undefined)
        throw new PreconditionFailedError('The name is taken.')
      if (condition !== 'absent' && etag !== condition.ifMatch)
        throw new PreconditionFailedError('The file is not the version that "ifMatch" asks for.')
      await write(undefined)
    })
  }

  async #etag(key: string, { signal, access }: RequestOptions): Promise<string | undefined> {
    try {
      return (await this.#engine.headObject(key, { signal, access })).etag ?? ''
    } catch (error) {
      if (error instanceof FileNotFoundError) return undefined
      throw error
    }
  }
}

/** Lets one work on a key at a time, in the order in which they came. */
class Turns {
  /** The last of those who wait for a key. */
  readonly #last = new Map<string, Promise<void>>()

  async take<T>(key: string, signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
    const before = this.#last.get(key) ?? Promise.resolve()
    const { promise: finished, resolve: finish } = withResolve()
    // Whoever gives up waiting still ends no sooner than those before.
    const mine = before.then(() => finished)
    this.#last.set(key, mine)
    void mine.then(() => {
      if (this.#last.get(key) === mine) this.#last.delete(key)
    })
    try {
      await untilAborted(before, signal)
      return await work()
    } finally {
      finish()
    }
  }
}

/** What `Promise.withResolvers` gives from Node 22 on. */
function withResolve(): { readonly promise: Promise<void>; readonly resolve: () => void } {
  let resolve = (): void => undefined
  const promise = new Promise<void>(done => {
    resolve = done
  })
  return { promise, resolve }
}

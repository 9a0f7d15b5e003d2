import type { Acl } from './acl.ts'
import type { Blob } from './blobs.ts'
import type { Checksum, ChecksumName, ChecksumType } from './checksums.ts'
import type { CorsRule } from './cors.ts'
import type { Encryption } from './encryption.ts'
import { KeyIndex } from './key-index.ts'
import type { Ownership } from './ownership.ts'

/** What the writer of an object says about it. */
export interface ObjectSettings {
  /** System metadata under their header names: `content-type`, `cache-control`, … */
  readonly headers: Readonly<Record<string, string>>
  /** User metadata without `x-amz-meta-`. */
  readonly metadata: Readonly<Record<string, string>>
  readonly storageClass: string
  readonly encryption: Encryption | undefined
  readonly tags: Readonly<Record<string, string>>
}

/** One part of an object that was uploaded in parts. */
export interface PartSummary {
  readonly number: number
  readonly size: number
  readonly checksum: string | undefined
}

/** An object as it is stored. It never changes; what changes it puts another in its place. */
export interface StoredObject {
  readonly key: string
  readonly blob: Blob
  /** Without quotes. */
  readonly etag: string
  readonly lastModified: Date
  /** Canonical id. */
  readonly owner: string
  readonly acl: Acl
  readonly settings: ObjectSettings
  readonly checksum: Checksum | undefined
  readonly parts: readonly PartSummary[] | undefined
}

/** One uploaded part. */
export interface UploadedPart {
  readonly number: number
  readonly blob: Blob
  readonly etag: string
  readonly lastModified: Date
  readonly checksum: Checksum | undefined
}

/** What is computed of an upload's parts, and of the object that they become. */
export interface UploadChecksum {
  readonly name: ChecksumName
  readonly type: ChecksumType
  /** Whether the start of the upload asked for it; else parts may bring what they like. */
  readonly asked: boolean
}

/** A multipart upload that was started and neither completed nor aborted. */
export interface Upload {
  readonly id: string
  readonly key: string
  readonly initiated: Date
  readonly initiator: string
  readonly owner: string
  readonly acl: Acl
  readonly settings: ObjectSettings
  readonly checksum: UploadChecksum | undefined
  readonly parts: Map<number, UploadedPart>
}

/** A look at one key from the start of a conditional write to its end. */
export interface KeyWatch {
  readonly key: string
  /** The object was deleted meanwhile. */
  deleted: boolean
}

/** What of a bucket is not its content. */
export interface BucketState {
  readonly name: string
  readonly owner: string
  readonly created: Date
  ownership: Ownership | undefined
  acl: Acl
  cors: readonly CorsRule[] | undefined
}

/** What is told of every change that lasts. */
export interface ChangeListener {
  bucketChanged(bucket: BucketState): void
  bucketDeleted(name: string): void
  objectStored(bucket: string, object: StoredObject): void
  objectDeleted(bucket: string, key: string): void
}

/** What an upload has become. */
export type CompletedUpload = Pick<StoredObject, 'key' | 'etag' | 'checksum'>

/** How many completed uploads a bucket remembers, for a client that asks again. */
const REMEMBERED_UPLOADS = 1000

/** A bucket, its objects and its open uploads. */
export class Bucket {
  readonly state: BucketState
  readonly objects: KeyIndex<StoredObject> = new KeyIndex()
  readonly uploads: Map<string, Upload> = new Map()
  readonly #completed = new Map<string, CompletedUpload>()
  readonly #watches = new Set<KeyWatch>()
  readonly #listener: ChangeListener

  constructor(state: BucketState, listener: ChangeListener) {
    this.state = state
    this.#listener = listener
  }

  get name(): string {
    return this.state.name
  }

  get owner(): string {
    return this.state.owner
  }

  /** ACLs do not count: everything is the bucket owner's. */
  get enforced(): boolean {
    return this.state.ownership === 'BucketOwnerEnforced'
  }

  update(change: Partial<Pick<BucketState, 'acl' | 'ownership' | 'cors'>>): void {
    Object.assign(this.state, change)
    this.#listener.bucketChanged(this.state)
  }

  /** Puts an object in its place, at once and whole; takes over the hold on its blob. */
  store(object: StoredObject): void {
    const old = this.objects.get(object.key)
    this.amend(object)
    old?.blob.release()
  }

  /** Puts the same object with other settings in its place; the blob stays held. */
  amend(object: StoredObject): void {
    this.objects.set(object.key, object)
    this.#listener.objectStored(this.name, object)
  }

  /** Removes an object; a missing one is no error. */
  remove(key: string): void {
    const old = this.objects.get(key)
    if (old === undefined) return
    this.objects.delete(key)
    for (const watch of this.#watches) if (watch.key === key) watch.deleted = true
    this.#listener.objectDeleted(this.name, key)
    old.blob.release()
  }

  watch(key: string): KeyWatch {
    const watch = { key, deleted: false }
    this.#watches.add(watch)
    return watch
  }

  unwatch(watch: KeyWatch): void {
    this.#watches.delete(watch)
  }

  /** Ends an upload and frees the parts that no object took over. */
  closeUpload(upload: Upload, used: ReadonlySet<UploadedPart> = new Set()): void {
    this.uploads.delete(upload.id)
    for (const part of upload.parts.values()) if (!used.has(part)) part.blob.release()
  }

  rememberCompleted(id: string, { key, etag, checksum }: CompletedUpload): void {
    this.#completed.set(id, { key, etag, checksum })
    const oldest = this.#completed.keys().next().value
    if (this.#completed.size > REMEMBERED_UPLOADS && oldest !== undefined) {
      this.#completed.delete(oldest)
    }
  }

  /** What an upload of that key has become. */
  completed(id: string, key: string): CompletedUpload | undefined {
    const found = this.#completed.get(id)
    return found?.key === key ? found : undefined
  }
}

import type { Bucket, KeyWatch, StoredObject } from './bucket.ts'
import { type Call, findBucket } from './call.ts'
import { checkWriteConditions, type WriteConditions, writeConditions } from './conditions.ts'
import { S3Error } from './errors.ts'

/**
 * One write from its first byte to the moment it shows. The conditions are checked at the start, to
 * refuse early, and again when the object is put in place, which is one step that nothing interrupts:
 * of any number of writers under `If-None-Match: *` one wins and the others get 412. A write whose
 * object was deleted while it ran gets 409, as S3 documents it
 * (https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html).
 */
export class ConditionalWrite {
  readonly #call: Call
  readonly #bucket: Bucket
  readonly #key: string
  readonly #conditions: WriteConditions | undefined
  readonly #watch: KeyWatch | undefined

  /** @param prefix in front of the names of the conditional headers */
  constructor(call: Call, bucket: Bucket, key: string, prefix = '') {
    this.#call = call
    this.#bucket = bucket
    this.#key = key
    if (!call.server.profile.conditionalWrites) return
    this.#conditions = writeConditions(call.headers, prefix)
    if (this.#conditions === undefined) return
    checkWriteConditions(this.#conditions, bucket.objects.get(key), key)
    this.#watch = bucket.watch(key)
  }

  /** Puts the object in place, or throws; then its blob is the caller's to free. */
  commit(object: StoredObject): void {
    if (findBucket(this.#call, this.#bucket.name) !== this.#bucket)
      throw new S3Error('NoSuchBucket')
    if (this.#conditions !== undefined) {
      if (this.#watch?.deleted) throw this.#conflict()
      checkWriteConditions(this.#conditions, this.#bucket.objects.get(this.#key), this.#key)
    }
    this.#bucket.store(object)
  }

  /** To be called once, whatever happened. */
  end(): void {
    if (this.#watch !== undefined) this.#bucket.unwatch(this.#watch)
  }

  #conflict(): S3Error {
    const header = this.#conditions?.ifNoneMatch ? 'If-None-Match' : 'If-Match'
    return new S3Error('ConditionalRequestConflict', undefined, {
      elements: { Condition: header, Key: this.#key },
    })
  }
}

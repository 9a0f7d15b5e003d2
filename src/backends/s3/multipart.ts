import { untilAborted, whenAborted } from '../../core/abort.ts'
import type { WriteCondition } from '../../core/backend.ts'
import { checkLength } from '../../core/content.ts'
import { cleanupSignal } from './cleanup-signal.ts'
import type { S3Engine, Upload, UploadedPart } from './engine.ts'
import { openPartSize } from './part-buffers.ts'
import type { Part, PartReader } from './part-reader.ts'
import { forgetStrays } from './stray-uploads.ts'

export interface MultipartOptions {
  readonly condition: WriteCondition
  readonly signal: AbortSignal | undefined
  /** Of the parts, when the content's length is known; else they grow from `partSize`. */
  readonly evenSize: number | undefined
  readonly partSize: number
  /** That the service takes in an upload. */
  readonly maxParts: number
  readonly inFlight: number
  readonly onProgress: ((loaded: number) => void) | undefined
  /** Called before the parts are put together; may still refuse. */
  readonly beforeComplete: () => Promise<void>
}

/**
 * Sends `first` and everything that `reader` still has to an upload and ends it. A failure aborts the
 * upload on the server before it is thrown.
 */
export async function uploadInParts(
  engine: S3Engine,
  key: string,
  { uploadId, strayFrom }: Upload,
  first: Part,
  reader: PartReader,
  options: MultipartOptions,
): Promise<void> {
  const upload = new MultipartUpload(engine, key, uploadId, options)
  try {
    await upload.send(first, reader)
    await options.beforeComplete()
    await engine.completeUpload(key, uploadId, upload.parts, options)
  } catch (error) {
    await upload.abort(error)
    throw error
  } finally {
    // Only now, when whoever else uploads to this key has sent something.
    if (strayFrom !== undefined) await forgetStrays(engine, key, { from: strayFrom, but: uploadId })
  }
}

/** The parts of one upload that are on their way. */
class MultipartUpload {
  readonly #engine: S3Engine
  readonly #key: string
  readonly #uploadId: string
  readonly #options: MultipartOptions
  readonly #cancel = new AbortController()
  readonly #inFlight = new Set<Promise<void>>()
  readonly #parts: UploadedPart[] = []
  #loaded = 0
  #failure: { readonly error: unknown } | undefined

  constructor(engine: S3Engine, key: string, uploadId: string, options: MultipartOptions) {
    this.#engine = engine
    this.#key = key
    this.#uploadId = uploadId
    this.#options = options
  }

  /** In the order of their numbers. */
  get parts(): readonly UploadedPart[] {
    return this.#parts.filter(part => part !== undefined)
  }

  async send(first: Part, reader: PartReader): Promise<void> {
    const { signal } = this.#options
    const release = whenAborted(signal, () => this.#cancel.abort(signal?.reason))
    try {
      await this.#sendAll(first, reader)
    } catch (error) {
      this.#cancel.abort(error)
      throw error
    } finally {
      // Behind the last part there is nothing more to start, and still something to cancel.
      await Promise.all(this.#inFlight)
      release()
    }
    if (this.#failure !== undefined) throw this.#failure.error
  }

  /** Stops what is on its way and removes the upload from the server. */
  async abort(reason: unknown): Promise<void> {
    this.#cancel.abort(reason)
    await Promise.all(this.#inFlight)
    try {
      await this.#engine.abortUpload(this.#key, this.#uploadId, {
        signal: cleanupSignal(),
      })
    } catch {
      // The first error is the one to tell; `cleanupUploads` removes what stays.
    }
  }

  async #sendAll(first: Part, reader: PartReader): Promise<void> {
    let part = first
    for (let number = 1; ; number++) {
      this.#start(part, number)
      if (part.last) return
      while (this.#inFlight.size >= this.#options.inFlight) await Promise.race(this.#inFlight)
      if (this.#failure !== undefined) return
      // A part that was refused ends the upload, also while the source keeps us waiting.
      part = await untilAborted(reader.next(this.#sizeOf(number + 1)), this.#cancel.signal)
    }
  }

  #sizeOf(number: number): number {
    const { evenSize, partSize, maxParts } = this.#options
    return evenSize ?? openPartSize(number, partSize, maxParts)
  }

  #start(part: Part, number: number): void {
    const task = this.#upload(part, number)
      .catch(error => {
        this.#failure ??= { error }
        this.#cancel.abort(error)
      })
      .finally(() => this.#inFlight.delete(task))
    this.#inFlight.add(task)
  }

  async #upload(part: Part, number: number): Promise<void> {
    const options = { signal: this.#cancel.signal }
    const { byteLength } = part.bytes
    try {
      this.#parts[number - 1] = await this.#engine.uploadPart(
        this.#key,
        this.#uploadId,
        number,
        part.bytes,
        options,
      )
    } catch (error) {
      checkLength(part.bytes, byteLength)
      throw error
    }
    this.#loaded += byteLength
    part.release()
    this.#options.onProgress?.(this.#loaded)
  }
}

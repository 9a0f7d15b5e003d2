import type { WriteOptions } from '../../core/backend.ts'
import type { ContentSource } from '../../core/content.ts'
import {
  FileExistsError,
  FileNotFoundError,
  FileTooLargeError,
  PreconditionFailedError,
} from '../../core/errors.ts'
import type { Name } from '../../core/names.ts'
import { quoteName } from '../../core/quote.ts'
import { abandonUpload, beginUpload } from './begin-upload.ts'
import { cleanupSignal } from './cleanup-signal.ts'
import type { S3Engine, StreamContent, Upload } from './engine.ts'
import { type MultipartOptions, uploadInParts } from './multipart.ts'
import type { ObjectParameters } from './object-parameters.ts'
import { partsInFlight } from './part-buffers.ts'
import type { Part, PartReader } from './part-reader.ts'
import type { ProviderProfile } from './profiles.ts'
import { TakenError } from './taken-error.ts'
import { temporaryKey } from './temporary-key.ts'

/** What a write needs to know of its storage. */
export interface LargeWriteSetup {
  readonly engine: S3Engine
  /** In front of every key. */
  readonly prefix: string
  readonly profile: ProviderProfile
  readonly partSize: number
  readonly concurrency: number
  /** Bytes that the parts may take together; `undefined`: the usual limit. */
  readonly memory: number | undefined
  /** What is stored with the object of that name. */
  readonly parametersOf: (name: Name) => ObjectParameters
}

/** Uploads of dead processes reserve no name for longer, in milliseconds. */
const staleAfter = 24 * 60 * 60_000

/**
 * Writes of contents that are uploaded in parts. Under the condition `absent` they take no name
 * that exists, on services that check the condition when the parts are put together, and on those
 * that do not. See decisions/0006-large-exclusive-saves.md.
 */
export class LargeWrite {
  readonly #setup: LargeWriteSetup
  readonly #content: ContentSource
  readonly #options: WriteOptions
  /** Of each part but the last; `undefined`: they grow, since nobody knows how many there will be. */
  readonly #evenSize: number | undefined

  constructor(
    setup: LargeWriteSetup,
    content: ContentSource,
    options: WriteOptions,
    evenSize: number | undefined,
  ) {
    this.#setup = setup
    this.#content = content
    this.#options = options
    this.#evenSize = evenSize
  }

  /**
   * Whether the content goes out with one request, which is read while it is sent: where only such
   * a request is sure to take no name that exists.
   */
  get fitsOneRequest(): boolean {
    const { size, replayable } = this.#content
    return this.#needsPut && replayable && size !== undefined && size <= this.#maxPutSize
  }

  /** @throws FileTooLargeError when only one request would be sure, and takes no such content */
  async putAtOnce(name: Name, content: StreamContent): Promise<Name> {
    const { condition, nextName, signal } = this.#options
    const { engine, prefix, parametersOf } = this.#setup
    let candidate = await this.#freeName(name)
    for (;;) {
      const parameters = parametersOf(candidate)
      try {
        await engine.putStream(prefix + candidate, content, { parameters, condition, signal })
        return candidate
      } catch (error) {
        if (!(error instanceof PreconditionFailedError) || nextName === undefined) throw error
        candidate = nextName()
      }
    }
  }

  /** @param reader has read `first` */
  async upload(name: Name, first: Part, reader: PartReader): Promise<Name> {
    return this.#needsPut
      ? await this.#throughTemporary(name, first, reader)
      : await this.#toName(name, first, reader)
  }

  get #needsPut(): boolean {
    const { completeIfNoneMatch, putIfNoneMatch } = this.#setup.profile.conditions
    return (
      this.#options.condition === 'absent' &&
      completeIfNoneMatch !== 'honoured' &&
      putIfNoneMatch === 'honoured'
    )
  }

  get #maxPutSize(): number {
    return this.#setup.profile.limits.maxPutSize
  }

  /** In parts, under the name itself; the condition is checked when they are put together. */
  async #toName(name: Name, first: Part, reader: PartReader): Promise<Name> {
    const { engine, prefix } = this.#setup
    const { target, upload } = await this.#reserve(name)
    try {
      await uploadInParts(engine, prefix + target, upload, first, reader, {
        ...this.#multipart(),
        condition: this.#options.condition,
        beforeComplete: () => this.#checkCondition(target),
      })
      return target
    } catch (error) {
      if (!(error instanceof PreconditionFailedError) || this.#options.nextName === undefined)
        throw error
      throw this.#content.replayable ? new TakenError(target, error) : takenMeanwhile(target, error)
    }
  }

  /**
   * A free name, and an upload to it. Content that cannot be read twice gives way to uploads that
   * were begun before: whoever comes second would find the name taken when all is sent.
   */
  async #reserve(name: Name): Promise<{ target: Name; upload: Upload }> {
    const { engine, prefix, parametersOf } = this.#setup
    const { condition, nextName, signal } = this.#options
    let target = await this.#freeName(name)
    for (;;) {
      const key = prefix + target
      const upload = await beginUpload(engine, key, { parameters: parametersOf(target), signal })
      if (condition !== 'absent' || nextName === undefined || this.#content.replayable)
        return { target, upload }
      if (await this.#isFirst(key, upload)) return { target, upload }
      await abandonUpload(engine, key, upload)
      signal?.throwIfAborted()
      target = await this.#freeName(nextName())
    }
  }

  /** Of two that were begun in the same moment, neither is; nor is one that nobody wants any more. */
  async #isFirst(key: string, upload: Upload): Promise<boolean> {
    const { engine } = this.#setup
    const { signal } = this.#options
    try {
      const others: number[] = []
      let own = Number.POSITIVE_INFINITY
      for await (const each of engine.listUploads(key, { signal })) {
        if (each.key !== key) continue
        if (each.uploadId === upload.uploadId) own = each.initiated
        else others.push(each.initiated)
      }
      return !others.some(initiated => initiated <= own && initiated > own - staleAfter)
    } catch {
      // A service that does not list uploads: the condition of Complete remains.
      return signal?.aborted !== true
    }
  }

  /** In parts under a key that nobody looks for, then with one request under the name. */
  async #throughTemporary(name: Name, first: Part, reader: PartReader): Promise<Name> {
    const { engine, prefix, parametersOf } = this.#setup
    const { signal } = this.#options
    const free = await this.#freeName(name)
    const key = temporaryKey(prefix)
    const parameters = { ...parametersOf(free), Metadata: undefined }
    const upload = await beginUpload(engine, key, { parameters, signal })
    try {
      // One that fails may have been put together all the same: the answer got lost.
      await uploadInParts(engine, key, upload, first, reader, {
        ...this.#multipart(),
        condition: undefined,
        beforeComplete: async () => undefined,
      })
      return await this.putAtOnce(free, await this.#storedContent(key))
    } finally {
      const cleanup = { signal: cleanupSignal() }
      await engine.deleteObject(key, cleanup).catch(() => undefined)
    }
  }

  async #storedContent(key: string): Promise<StreamContent> {
    const { engine, profile } = this.#setup
    const { signal } = this.#options
    const { size, etag } = await engine.headObject(key, { signal })
    if (size > this.#maxPutSize) {
      throw new FileTooLargeError(
        `${profile.title} checks no condition when the parts of an upload are put together, and takes ${this.#maxPutSize} bytes with one request: larger files can only be saved overwriting (fileOverwrite).`,
      )
    }
    return {
      size,
      replayable: true,
      async *chunks() {
        const { body } = await engine.getObject(key, { range: undefined, ifMatch: etag, signal })
        yield* body.chunks()
      },
    }
  }

  #multipart(): Omit<MultipartOptions, 'condition' | 'beforeComplete'> {
    const { partSize, concurrency, memory, profile } = this.#setup
    const { signal, onProgress } = this.#options
    const evenSize = this.#evenSize
    return {
      signal,
      evenSize,
      partSize,
      maxParts: profile.limits.maxParts,
      inFlight: partsInFlight(evenSize ?? partSize, concurrency, memory),
      onProgress,
    }
  }

  async #freeName(name: Name): Promise<Name> {
    const { condition, nextName } = this.#options
    if (condition !== 'absent') {
      await this.#checkCondition(name)
      return name
    }
    for (let candidate = name; ; ) {
      if ((await this.#etag(candidate)) === undefined) return candidate
      if (nextName === undefined) throw new PreconditionFailedError('The name is taken.')
      candidate = nextName()
    }
  }

  /** Looks whether the condition of a write (still) holds: nothing is sent in vain. */
  async #checkCondition(name: Name): Promise<void> {
    const { condition } = this.#options
    if (condition === undefined) return
    const etag = await this.#etag(name)
    if (condition === 'absent') {
      if (etag !== undefined) throw new PreconditionFailedError('The name is taken.')
    } else if (etag !== condition.ifMatch) {
      throw new PreconditionFailedError('The file is not the version that "ifMatch" asks for.')
    }
  }

  async #etag(name: Name): Promise<string | undefined> {
    const { engine, prefix } = this.#setup
    const { signal } = this.#options
    try {
      return (await engine.headObject(prefix + name, { signal })).etag ?? ''
    } catch (error) {
      if (error instanceof FileNotFoundError) return undefined
      throw error
    }
  }
}

function takenMeanwhile(name: Name, cause: unknown): FileExistsError {
  return new FileExistsError(
    `Another file was stored as ${quoteName(name)} while this stream was uploaded, and a stream cannot be read again; save it once more.`,
    { cause },
  )
}

import { itemsUntilAborted, linkSignals, untilAborted } from './abort.ts'
import type { Backend, ReadBody, ReadResult } from './backend.ts'
import type { Bytes } from './bytes.ts'
import { copyBytes, plainBytes } from './bytes.ts'
import {
  type ErrorContext,
  FileChangedError,
  hasCode,
  IntegrityError,
  ValidationError,
  withContext,
} from './errors.ts'
import type { FileStat } from './file-stat.ts'
import type { Name } from './names.ts'
import { showArgument } from './options.ts'
import { toWebStream } from './web-stream.ts'

/** On every stored file, whichever installed copy of the package made it. */
const brand = Symbol.for('stowage.StoredFile')

/**
 * A stored file with the methods of a web `File` (it is none: nothing is read before it is asked
 * for). It stays at the version that it was made from: once the file is replaced or removed,
 * reading rejects with `FileChangedError`.
 */
export class StoredFile {
  readonly name: string
  /** Bytes. */
  readonly size: number
  /** MIME type, `''` if unknown. */
  readonly type: string
  /** Milliseconds since 1970, as `File.lastModified`. */
  readonly lastModified: number
  readonly #backend: Backend
  readonly #stat: FileStat
  readonly #start: number
  readonly #signal: AbortSignal | undefined

  /** Applications get one from `Storage.file`. */
  constructor(
    backend: Backend,
    stat: FileStat,
    part: {
      readonly start?: number | undefined
      readonly size?: number | undefined
      readonly type?: string | undefined
      readonly signal?: AbortSignal | undefined
    } = {},
  ) {
    this.name = stat.name
    this.size = part.size ?? stat.size
    this.type = part.type ?? stat.contentType ?? ''
    this.lastModified = stat.modifiedTime.getTime()
    this.#backend = backend
    this.#stat = stat
    this.#start = part.start ?? 0
    this.#signal = part.signal
    Object.defineProperty(this, brand, { value: true })
  }

  /** As `Blob.slice`: half-open, negative offsets count from the end, nothing is read yet. */
  slice(start = 0, end: number = this.size, type = ''): StoredFile {
    const from = clamp(checkOffset(start), this.size)
    const size = Math.max(0, clamp(checkOffset(end), this.size) - from)
    return new StoredFile(this.#backend, this.#stat, {
      start: this.#start + from,
      size,
      type,
      signal: this.#signal,
    })
  }

  /** The bytes as they arrive. Nothing is requested before the first read. */
  stream(): ReadableStream<Bytes> {
    return toWebStream(cancelled => this.#chunks(cancelled))
  }

  /** All bytes in memory. @throws FileChangedError */
  async bytes(): Promise<Bytes> {
    if (this.size === 0) return new Uint8Array(0)
    try {
      const body = await untilAborted(this.#read(this.#signal), this.#signal)
      const bytes = plainBytes(await untilAborted(body.bytes(), this.#signal))
      checkLength(bytes.byteLength, this.size)
      return bytes
    } catch (error) {
      throw this.#explain(error)
    }
  }

  async arrayBuffer(): Promise<ArrayBuffer> {
    const bytes = await this.bytes()
    const whole = bytes.byteLength === bytes.buffer.byteLength
    return whole ? bytes.buffer : copyBytes(bytes).buffer
  }

  /** The bytes as UTF-8. */
  async text(): Promise<string> {
    return new TextDecoder().decode(await this.bytes())
  }

  async *#chunks(cancelled: AbortSignal): AsyncGenerator<Bytes> {
    if (this.size === 0) return
    const { signal, release } = linkSignals(this.#signal, cancelled)
    try {
      const body = await untilAborted(this.#read(signal), signal)
      let length = 0
      for await (const chunk of itemsUntilAborted(body.chunks(), signal)) {
        length += chunk.byteLength
        yield plainBytes(chunk)
      }
      checkLength(length, this.size)
    } catch (error) {
      throw this.#explain(error)
    } finally {
      release()
    }
  }

  async #read(signal: AbortSignal | undefined): Promise<ReadBody> {
    signal?.throwIfAborted()
    // Asked for as a whole, what is whole comes with a checksum where the service has one.
    const whole = this.#start === 0 && this.size === this.#stat.size
    const result = await this.#backend.read(this.name as Name, {
      ...(whole ? {} : { start: this.#start, end: this.#start + this.size }),
      ifMatch: this.#stat.etag,
      signal,
    })
    return pinnedBody(result, this.#stat)
  }

  #explain(error: unknown): unknown {
    if (this.#signal?.aborted === true) return this.#signal.reason
    return explainChange(error, { operation: 'file', file: this.name, backend: this.#backend.name })
  }
}

/**
 * The body of the version that was pinned: a service may ignore the condition of a read, or give
 * its versions no name.
 *
 * @throws FileChangedError
 */
export function pinnedBody({ stat, body }: ReadResult, pinned: FileStat): ReadBody {
  const same =
    pinned.etag === undefined
      ? stat.size === pinned.size && stat.modifiedTime.getTime() === pinned.modifiedTime.getTime()
      : stat.etag === pinned.etag
  if (same) return body
  body.cancel()
  throw changed('replaced')
}

/** Whether `value` is a stored file, also one of another installed copy of the package. */
export function isStoredFile(value: unknown): value is StoredFile {
  return typeof value === 'object' && value !== null && brand in value
}

/** An error met while reading a pinned version, with its context. */
export function explainChange(
  error: unknown,
  context: { readonly operation: string; readonly file: string; readonly backend: string },
): Error {
  const gone = hasCode(error, 'ERR_STORAGE_FILE_NOT_FOUND')
  if (!gone && !hasCode(error, 'ERR_STORAGE_PRECONDITION_FAILED'))
    return withContext(error, context)
  return changed(gone ? 'removed' : 'replaced', { ...context, cause: error })
}

function changed(how: 'removed' | 'replaced', context?: ErrorContext): FileChangedError {
  return new FileChangedError(
    `The file was ${how} after it had been opened; open it again.`,
    context,
  )
}

/**
 * Whether a body had the length that was promised: what is missing must not look like an end.
 *
 * @throws IntegrityError
 */
export function checkLength(actual: number, expected: number): void {
  if (actual === expected) return
  throw new IntegrityError(`${expected} bytes were to come, ${actual} came.`)
}

function checkOffset(offset: number): number {
  if (typeof offset === 'number') return offset
  throw new ValidationError(`slice(): start and end are numbers, not ${showArgument(offset)}.`, {
    operation: 'slice',
  })
}

function clamp(offset: number, size: number): number {
  const whole = Math.trunc(offset) || 0
  return whole < 0 ? Math.max(0, size + whole) : Math.min(whole, size)
}

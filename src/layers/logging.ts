import type {
  Backend,
  ListOptions,
  ListPage,
  OperationOptions,
  ReadBody,
  ReadOptions,
  ReadResult,
  WriteOptions,
} from '../core/backend.ts'
import type { Bytes } from '../core/bytes.ts'
import type { ContentSource } from '../core/content.ts'
import { ImproperlyConfigured } from '../core/errors.ts'
import type { Name } from '../core/names.ts'
import { kindOf } from '../core/options.ts'
import { type BackendCall, type BackendOperation, Layer } from './layer.ts'

/** What became of one call of a backend. Holds no secret: a signed URL is not in it. */
export interface LogEntry {
  readonly operation: BackendOperation
  /** Name of the backend, such as `s3(media)`. */
  readonly backend: string
  /** The file or folder; the source of a copy; `''` where there is no single one. */
  readonly name: string
  /** `cancelled`: by the `signal`, or a body that nobody read to its end. */
  readonly outcome: 'done' | 'failed' | 'cancelled'
  /** Milliseconds. Of a `read`: until its last byte was taken. */
  readonly duration: number
  /** Bytes that a `read` delivered or a `write` was given, as far as they are known. */
  readonly bytes?: number | undefined
  /** Files of a page of a listing. */
  readonly count?: number | undefined
  /** Why it failed: one of this package's errors, or that of a content. */
  readonly error?: unknown
}

/** Takes an entry. What it throws is its own affair: the call goes on. */
export type Log = (entry: LogEntry) => void

/**
 * A layer that tells `log` of every call of a backend, once it is over. It changes nothing else.
 * A page of a listing is a call of its own.
 *
 * @throws ImproperlyConfigured for what is no backend, and for a log that is no function
 */
export function logging(backend: Backend, log: Log): Backend {
  if (typeof log !== 'function')
    throw new ImproperlyConfigured(`The log of logging() is a function, not ${kindOf(log)}.`)
  return new LoggingBackend(checkedBackend(backend), log)
}

function checkedBackend(backend: unknown): Backend {
  if (typeof backend === 'object' && backend !== null && 'head' in backend)
    return backend as Backend
  throw new ImproperlyConfigured(
    `logging() stands over a backend, not ${kindOf(backend)}; that of a storage is storage.backend.`,
  )
}

class LoggingBackend extends Layer {
  readonly #log: Log

  constructor(inner: Backend, log: Log) {
    super(inner)
    this.#log = log
  }

  override async read(name: Name, options: ReadOptions): Promise<ReadResult> {
    const call = this.#begin({ operation: 'read', name }, options)
    try {
      const result = await this.inner.read(name, options)
      return { ...result, body: new LoggedBody(result.body, call) }
    } catch (error) {
      call.fail(error)
      throw error
    }
  }

  override async write(name: Name, content: ContentSource, options: WriteOptions): Promise<Name> {
    const call = this.#begin({ operation: 'write', name }, options)
    call.bytes = content.size
    const onProgress = (loaded: number): void => {
      call.bytes = loaded
      options.onProgress?.(loaded)
    }
    return await call.through(() => this.inner.write(name, content, { ...options, onProgress }))
  }

  override async *list(options: ListOptions): AsyncGenerator<ListPage> {
    const pages = this.inner.list(options)[Symbol.asyncIterator]()
    try {
      for (;;) {
        const call = this.#begin({ operation: 'list', name: options.folder }, options)
        const page = await call.through(async () => {
          const next = await pages.next()
          if (next.done !== true) call.count = next.value.files.length
          return next
        })
        if (page.done === true) return
        yield page.value
      }
    } finally {
      await pages.return?.()
    }
  }

  protected override around<T>(
    call: BackendCall,
    options: OperationOptions,
    work: () => Promise<T>,
  ): Promise<T> {
    return this.#begin(call, options).through(work)
  }

  #begin(call: BackendCall, { signal }: OperationOptions): OpenCall {
    return new OpenCall({ ...call, backend: this.name }, signal, this.#log)
  }
}

/** A call that is under way; it is told once, when it is over. */
class OpenCall {
  bytes: number | undefined
  count: number | undefined
  readonly #about: Pick<LogEntry, 'operation' | 'name' | 'backend'>
  readonly #signal: AbortSignal | undefined
  readonly #log: Log
  readonly #started = performance.now()
  #told = false

  constructor(
    about: Pick<LogEntry, 'operation' | 'name' | 'backend'>,
    signal: AbortSignal | undefined,
    log: Log,
  ) {
    this.#about = about
    this.#signal = signal
    this.#log = log
  }

  async through<T>(work: () => Promise<T>): Promise<T> {
    try {
      const result = await work()
      this.end('done')
      return result
    } catch (error) {
      this.fail(error)
      throw error
    }
  }

  fail(error: unknown): void {
    const cancelled = this.#signal?.aborted === true && error === this.#signal.reason
    this.end(cancelled ? 'cancelled' : 'failed', cancelled ? undefined : error)
  }

  end(outcome: LogEntry['outcome'], error?: unknown): void {
    if (this.#told) return
    this.#told = true
    const { bytes, count } = this
    const duration = performance.now() - this.#started
    try {
      this.#log({ ...this.#about, outcome, duration, bytes, count, error })
    } catch {
      // A log that fails must not fail what it tells of.
    }
  }
}

/** Tells of its call when its last byte was taken. */
class LoggedBody implements ReadBody {
  readonly #inner: ReadBody
  readonly #call: OpenCall

  constructor(inner: ReadBody, call: OpenCall) {
    this.#inner = inner
    this.#call = call
  }

  async bytes(): Promise<Bytes> {
    return await this.#call.through(async () => {
      const bytes = await this.#inner.bytes()
      this.#call.bytes = bytes.byteLength
      return bytes
    })
  }

  async *chunks(): AsyncGenerator<Bytes> {
    this.#call.bytes = 0
    try {
      for await (const chunk of this.#inner.chunks()) {
        this.#call.bytes += chunk.byteLength
        yield chunk
      }
      this.#call.end('done')
    } catch (error) {
      this.#call.fail(error)
      throw error
    } finally {
      // A loop that was left.
      this.#call.end('cancelled')
    }
  }

  cancel(): void {
    this.#inner.cancel()
    this.#call.end('cancelled')
  }
}

import type { Dispatcher, Pool } from 'undici'
import type { ReadBody } from '../../../core/backend.ts'
import { type Bytes, concatBytes, copyBytes } from '../../../core/bytes.ts'
import { ImproperlyConfigured, type StorageError, UnavailableError } from '../../../core/errors.ts'
import type { Transport, TransportRequest, TransportResponse } from '../native/transport.ts'
import { RawHeaders } from './raw-headers.ts'

/** Connections to one host; further requests wait for a free one. */
const maxConnections = 256
/** Bytes that are read ahead of a consumer before the socket is paused. */
const highWaterMark = 256 * 1024

/** HTTP/1.1 over undici's pools, one per origin. undici itself is loaded at the first request. */
export class UndiciTransport implements Transport {
  readonly #pools = new Map<string, Pool>()
  #undici: Promise<typeof import('undici')> | undefined

  request(request: TransportRequest): Promise<TransportResponse> {
    const pool = this.#pools.get(request.origin)
    // No `async`: once the pool is there, a request is one promise and no more.
    return pool === undefined ? this.#requestFirst(request) : dispatch(pool, request)
  }

  async close(): Promise<void> {
    const pools = [...this.#pools.values()]
    this.#pools.clear()
    await Promise.all(pools.map(pool => pool.close()))
  }

  async #requestFirst(request: TransportRequest): Promise<TransportResponse> {
    return await dispatch(await this.#open(request.origin), request)
  }

  async #open(origin: string): Promise<Pool> {
    this.#undici ??= import('undici')
    const { Pool } = await this.#undici
    const opened = this.#pools.get(origin) ?? new Pool(origin, { connections: maxConnections })
    this.#pools.set(origin, opened)
    return opened
  }
}

function dispatch(pool: Pool, request: TransportRequest): Promise<TransportResponse> {
  return new Promise((resolve, reject) => {
    request.signal?.throwIfAborted()
    pool.dispatch(optionsOf(request), new Exchange(request, resolve, reject))
  })
}

/** One literal for all methods: objects of several shapes slow undici's `Request` down. */
function optionsOf(request: TransportRequest): Dispatcher.DispatchOptions {
  const { method, path, headers, body } = request
  // Without `reset: false` undici closes the connection after every HEAD.
  return { method, path, headers: headers as string[], body: body ?? null, reset: false }
}

const noBytes = new Uint8Array(0)

/** One request and its answer: undici's handler, and the body that a backend reads. */
class Exchange implements Dispatcher.DispatchHandler, TransportResponse, ReadBody {
  status = 0
  readonly #request: TransportRequest
  readonly #resolve: (response: TransportResponse) => void
  readonly #reject: (error: unknown) => void
  #headers: RawHeaders | undefined
  #chunks: Uint8Array[] = []
  #buffered = 0
  #collecting = false
  #paused = false
  #ended = false
  #failure: { readonly error: unknown } | undefined
  #wake: (() => void) | undefined
  #resume: (() => void) | undefined
  #abort: ((reason?: Error) => void) | undefined
  #onSignal: (() => void) | undefined

  constructor(
    request: TransportRequest,
    resolve: (response: TransportResponse) => void,
    reject: (error: unknown) => void,
  ) {
    this.#request = request
    this.#resolve = resolve
    this.#reject = reject
    if (request.signal !== undefined) this.#listen(request.signal)
  }

  get body(): ReadBody {
    return this
  }

  header(name: string): string | undefined {
    return this.#headers?.get(name)
  }

  headersWith(prefix: string): Record<string, string> {
    return this.#headers?.withPrefix(prefix) ?? {}
  }

  async bytes(): Promise<Bytes> {
    this.#collecting = true
    this.#goOn()
    while (!this.#settled()) await this.#change()
    if (this.#failure !== undefined) throw this.#failure.error
    if (this.#buffered === 0) return noBytes
    const bytes = concatBytes(this.#chunks, this.#buffered)
    // A small body is a view of a whole socket buffer: a copy lets go of that.
    return bytes.buffer.byteLength > bytes.byteLength * 2 ? copyBytes(bytes) : bytes
  }

  async *chunks(): AsyncGenerator<Bytes> {
    try {
      for (;;) {
        const chunk = this.#chunks.shift()
        if (chunk !== undefined) {
          this.#buffered -= chunk.byteLength
          if (this.#buffered < highWaterMark) this.#goOn()
          yield concatBytes([chunk], chunk.byteLength)
        } else if (this.#failure !== undefined) {
          throw this.#failure.error
        } else if (this.#ended) {
          return
        } else {
          await this.#change()
        }
      }
    } finally {
      this.cancel()
    }
  }

  cancel(): void {
    this.#chunks = []
    if (!this.#settled()) this.#abort?.()
  }

  onConnect(abort: (reason?: Error) => void): void {
    this.#abort = abort
    if (this.#request.signal?.aborted === true) abort()
  }

  onHeaders(status: number, rawHeaders: Buffer[], resume: () => void): boolean {
    if (status < 200) return true
    this.status = status
    this.#headers = new RawHeaders(rawHeaders)
    this.#resume = resume
    this.#resolve(this)
    return true
  }

  onData(chunk: Buffer): boolean {
    this.#chunks.push(chunk)
    this.#buffered += chunk.byteLength
    this.#notify()
    this.#paused = !this.#collecting && this.#buffered >= highWaterMark
    return !this.#paused
  }

  onComplete(): void {
    this.#ended = true
    this.#settle()
  }

  onError(error: Error): void {
    const { signal, origin } = this.#request
    this.#fail(signal?.aborted === true ? signal.reason : explain(error, origin))
  }

  #fail(error: unknown): void {
    this.#failure ??= { error }
    this.#reject(error)
    this.#settle()
  }

  #listen(signal: AbortSignal): void {
    this.#onSignal = () => {
      // A request that still waits for a connection has no `abort` yet; `onConnect` sees to it.
      this.#abort?.()
      this.#fail(signal.reason)
    }
    signal.addEventListener('abort', this.#onSignal, { once: true })
  }

  #goOn(): void {
    if (!this.#paused) return
    this.#paused = false
    this.#resume?.()
  }

  #settle(): void {
    if (this.#onSignal !== undefined)
      this.#request.signal?.removeEventListener('abort', this.#onSignal)
    this.#notify()
  }

  #settled(): boolean {
    return this.#ended || this.#failure !== undefined
  }

  #change(): Promise<void> {
    return new Promise(resolve => {
      this.#wake = resolve
    })
  }

  #notify(): void {
    this.#wake?.()
    this.#wake = undefined
  }
}

/** Says which host could not be reached and why; undici's messages do not. */
function explain(error: Error & { code?: string }, origin: string): StorageError {
  // Arguments were checked before. The message names the header and does not quote it.
  if (error.code === 'UND_ERR_INVALID_ARG')
    return new ImproperlyConfigured(
      `A setting holds what no request can carry: ${error.message}.`,
      { cause: error },
    )
  const reason = reasons[error.code ?? ''] ?? error.message
  return new UnavailableError(`No answer from ${origin}: ${reason}.`, { cause: error, attempts: 1 })
}

const reasons: Readonly<Record<string, string | undefined>> = {
  ECONNREFUSED: 'the connection was refused (is the service running, is "endpointUrl" right?)',
  ECONNRESET: 'the connection was reset',
  ENOTFOUND: 'the host name is unknown (is "endpointUrl" or "regionName" right?)',
  UND_ERR_CONNECT_TIMEOUT: 'the connection timed out',
  UND_ERR_HEADERS_TIMEOUT: 'no answer in time',
  UND_ERR_BODY_TIMEOUT: 'the answer stalled',
  UND_ERR_SOCKET: 'the connection was closed before the answer was complete',
}

import type { Client, Dispatcher } from 'undici'
import { whenAborted } from '../../../core/abort.ts'
import type { ReadBody } from '../../../core/backend.ts'
import { type Bytes, concatBytes, copyBytes } from '../../../core/bytes.ts'
import { goneBytes } from '../../../core/content.ts'
import { ImproperlyConfigured, type StorageError } from '../../../core/errors.ts'
import {
  ConnectionError,
  type ConnectionState,
  type StreamBody,
  sizeOf,
  type Transport,
  type TransportRequest,
  type TransportResponse,
} from '../native/transport.ts'
import { isDistrust, networkReasons } from '../network-reasons.ts'
import { type ProxySettings, proxyAuthorization, proxyFor } from '../proxies.ts'
import { withoutUndefined } from '../without-undefined.ts'
import { RawHeaders } from './raw-headers.ts'

/** What a connection needs to know beside the address. */
export interface ConnectionSettings {
  /** In milliseconds; 0 for no limit. */
  readonly timeouts: {
    readonly connect: number
    readonly headers: number
    readonly idle: number
  }
  /** Certificates that are trusted besides the usual ones, and the own one. Read at the first use. */
  readonly tls: () => Promise<TlsSettings>
  /** URLs of the proxies by scheme; `undefined`: none. */
  readonly proxies: ProxySettings | undefined
}

export interface TlsSettings {
  /** Trusted certificates in PEM, instead of those that Node trusts. */
  readonly ca?: string | undefined
  readonly rejectUnauthorized?: boolean | undefined
  /** Certificate and key of the client, in PEM. */
  readonly cert?: string | undefined
  readonly key?: string | undefined
}

/** Bytes that are read ahead of a consumer before the socket is paused. */
const highWaterMark = 256 * 1024
/** A body above this is sent piece by piece: its progress then keeps the time-out away. */
const pieceSize = 256 * 1024

/** HTTP/1.1 over undici's clients, some per origin. undici itself is loaded at the first request. */
export class UndiciTransport implements Transport {
  readonly #settings: ConnectionSettings
  readonly #origins = new Map<string, Origin>()

  constructor(settings: ConnectionSettings) {
    this.#settings = settings
  }

  request(request: TransportRequest): Promise<TransportResponse> {
    const origin = this.#origins.get(request.origin)
    // No `async`: once the pool is there, a request is one promise and no more.
    return origin === undefined ? this.#requestFirst(request) : dispatch(origin, request)
  }

  async close(): Promise<void> {
    const origins = [...this.#origins.values()]
    this.#origins.clear()
    await Promise.all(origins.map(origin => origin.close()))
  }

  async #requestFirst(request: TransportRequest): Promise<TransportResponse> {
    const opened = await openOrigin(request.origin, this.#settings)
    // Another request may have opened it meanwhile.
    const origin = this.#origins.get(request.origin) ?? opened
    this.#origins.set(request.origin, origin)
    return await dispatch(origin, request)
  }
}

/** What sends the requests to one host. */
interface Origin {
  /** Milliseconds that an answer may take; 0 for no limit. */
  readonly patience: number
  /** A connection that nobody uses, to be opened where it is not. */
  take(): Connection
  give(connection: Connection): void
  close(): Promise<void>
}

interface Connection {
  readonly dispatcher: Dispatcher
  /** How often it was opened: it closes when it was idle for too long. */
  opened: number
}

type Undici = typeof import('undici')

async function openOrigin(url: string, settings: ConnectionSettings): Promise<Origin> {
  const undici = await import('undici')
  const { timeouts, proxies } = settings
  const tls = url.startsWith('https:') ? withoutUndefined(await settings.tls()) : {}
  const connect = { ...tls, timeout: timeouts.connect }
  const limits = { headersTimeout: timeouts.headers, bodyTimeout: timeouts.idle }
  const proxy = proxyFor(new URL(url), proxies)
  if (proxy !== undefined) return new ProxiedOrigin(undici, proxy, { connect, limits })
  const connector = undici.buildConnector(connect)
  return new OwnConnections(
    timeouts.headers,
    connection =>
      new undici.Client(url, {
        ...limits,
        connect(options, callback) {
          connection.opened++
          connector(options, callback)
        },
      }),
  )
}

/**
 * As many connections as requests were in flight at a time: the engine has the limit. undici's Pool
 * opens up to twice as many, for it takes a connection for busy in the turn in which it becomes free.
 */
class OwnConnections implements Origin {
  readonly patience: number
  readonly #clientOf: (connection: { opened: number }) => Client
  readonly #all: Client[] = []
  /** The one that was used last comes first: those that are too many close in time. */
  readonly #free: Connection[] = []

  constructor(patience: number, clientOf: (connection: { opened: number }) => Client) {
    this.patience = patience
    this.#clientOf = clientOf
  }

  take(): Connection {
    return this.#free.pop() ?? this.#add()
  }

  give(connection: Connection): void {
    this.#free.push(connection)
  }

  async close(): Promise<void> {
    await Promise.all(this.#all.map(client => client.close()))
  }

  #add(): Connection {
    const count = { opened: 0 }
    const dispatcher = this.#clientOf(count)
    this.#all.push(dispatcher)
    return Object.assign(count, { dispatcher })
  }
}

/** Behind a proxy, through tunnels that undici's agent keeps. */
class ProxiedOrigin implements Origin {
  readonly patience: number
  readonly #connection: Connection

  constructor(
    { ProxyAgent, Pool }: Undici,
    proxy: URL,
    {
      connect,
      limits,
    }: {
      readonly connect: { readonly timeout: number }
      readonly limits: { readonly headersTimeout: number; readonly bodyTimeout: number }
    },
  ) {
    this.patience = limits.headersTimeout
    const token = proxyAuthorization(proxy)
    // The way to the service is open when the proxy has answered.
    const opening = { headersTimeout: connect.timeout, bodyTimeout: connect.timeout }
    const dispatcher = new ProxyAgent({
      ...limits,
      uri: proxy.href,
      // undici takes no name without a password from the URL, and no `%` that encodes nothing.
      ...(token === undefined ? {} : { token }),
      connect,
      requestTls: connect,
      proxyTls: { timeout: connect.timeout },
      clientFactory: (url, options) => endingTunnels(new Pool(url, { ...options, ...opening })),
    })
    this.#connection = { dispatcher, opened: 0 }
  }

  take(): Connection {
    return this.#connection
  }

  give(): void {}

  async close(): Promise<void> {
    await this.#connection.dispatcher.close()
  }
}

/**
 * A proxy that closes the connection instead of answering: undici takes that for a dead connection,
 * and would ask it again without an end.
 */
function endingTunnels<T extends Dispatcher>(proxy: T): T {
  const connect = (options: Dispatcher.ConnectOptions): Promise<Dispatcher.ConnectData> =>
    Object.getPrototypeOf(proxy)
      .connect.call(proxy, options)
      .catch((cause: Error & { readonly code?: unknown }) => {
        if (cause.code !== 'UND_ERR_SOCKET') throw cause
        const closed = new Error('The proxy closed the connection.', { cause })
        throw Object.assign(closed, { code: 'ECONNRESET' })
      })
  return Object.assign(proxy, { connect })
}

function dispatch(origin: Origin, request: TransportRequest): Promise<TransportResponse> {
  return new Promise((resolve, reject) => {
    request.signal?.throwIfAborted()
    const connection = origin.take()
    const exchange = new Exchange(origin, connection, request, resolve, reject)
    connection.dispatcher.dispatch(optionsOf(request, exchange), exchange)
  })
}

/** One literal for all methods: objects of several shapes slow undici's `Request` down. */
function optionsOf(request: TransportRequest, exchange: Exchange): Dispatcher.DispatchOptions {
  const { method, path, body, origin } = request
  const headers = isInPieces(body) ? withLength(request.headers, body) : request.headers
  // Without `reset: false` undici closes the connection after every HEAD.
  const options = { origin, method, path, headers, body: wireBody(body, exchange), reset: false }
  return options as Dispatcher.DispatchOptions
}

function isInPieces(body: TransportRequest['body']): body is StreamBody | Uint8Array {
  return body !== undefined && !(body instanceof Uint8Array && body.byteLength <= pieceSize)
}

/** S3 takes no body without its length. */
function withLength(headers: readonly string[], body: StreamBody | Uint8Array): string[] {
  return [...headers, 'content-length', String(sizeOf(body))]
}

/** An async iterable, which undici takes and its types lack, for what is sent in pieces. */
function wireBody(body: TransportRequest['body'], exchange: Exchange): unknown {
  if (body === undefined) return null
  if (!(body instanceof Uint8Array)) return exchange.send(body)
  return body.byteLength <= pieceSize ? body : exchange.send(inPieces(body))
}

function inPieces(bytes: Uint8Array): StreamBody {
  return {
    size: bytes.byteLength,
    replayable: true,
    async *chunks() {
      for (let at = 0; at < bytes.byteLength; at += pieceSize)
        yield bytes.subarray(at, at + pieceSize)
    },
  }
}

const noBytes = new Uint8Array(0)

/** One request and its answer: undici's handler, and the body that a backend reads. */
class Exchange implements Dispatcher.DispatchHandler, TransportResponse, ReadBody {
  status = 0
  readonly #origin: Origin
  readonly #connection: Connection
  readonly #request: TransportRequest
  readonly #resolve: (response: TransportResponse) => void
  readonly #reject: (error: unknown) => void
  /** If it was not opened again since, this request met an old connection. */
  readonly #openedBefore: number
  readonly #size: number
  #headers: RawHeaders | undefined
  #chunks: Uint8Array[] = []
  #buffered = 0
  #connected = false
  #given = false
  #collecting = false
  #paused = false
  #ended = false
  #failure: { readonly error: unknown } | undefined
  #wake: (() => void) | undefined
  #resume: (() => void) | undefined
  #abort: ((reason?: Error) => void) | undefined
  readonly #release: (() => void) | undefined
  /** When the last of the request went, as far as it did. */
  #sent = performance.now()

  constructor(
    origin: Origin,
    connection: Connection,
    request: TransportRequest,
    resolve: (response: TransportResponse) => void,
    reject: (error: unknown) => void,
  ) {
    this.#origin = origin
    this.#connection = connection
    this.#request = request
    this.#resolve = resolve
    this.#reject = reject
    this.#openedBefore = connection.opened
    this.#size = sizeOf(request.body)
    const { signal } = request
    this.#release = whenAborted(signal, () => {
      // A request that still waits for a connection has no `abort` yet; `onConnect` sees to it.
      this.#abort?.()
      this.#fail(signal?.reason)
    })
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

  /**
   * The body as undici sends it. What its source throws is the failure of the request, unwrapped;
   * it ends when the request does.
   */
  async *send(body: StreamBody): AsyncGenerator<Uint8Array> {
    try {
      for await (const chunk of body.chunks()) {
        if (this.#settled()) return
        this.#sent = performance.now()
        yield chunk
      }
      this.#sent = performance.now()
    } catch (error) {
      this.#fail(error)
      throw error
    }
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
    this.#connected = true
    this.#sent = performance.now()
    if (!this.#isWhole()) this.#fail(goneBytes())
    if (this.#settled() || this.#request.signal?.aborted === true) abort()
  }

  onHeaders(status: number, rawHeaders: Buffer[], resume: () => void): boolean {
    if (status < 200) {
      this.#waitOn()
      return true
    }
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
    this.#giveBack()
    this.#settle()
  }

  onError(error: Error): void {
    const { signal, origin } = this.#request
    this.#giveBack()
    this.#fail(signal?.aborted === true ? signal.reason : explain(error, origin, this.#state()))
  }

  /** undici begins to wait anew with each interim answer, and they may go on for ever. */
  #waitOn(): void {
    const { patience } = this.#origin
    if (patience === 0 || performance.now() - this.#sent <= patience) return
    this.#abort?.(Object.assign(new Error(), { code: 'UND_ERR_HEADERS_TIMEOUT' }))
  }

  /** Memory that was given away while the request waited for a connection would be sent as nothing. */
  #isWhole(): boolean {
    return sizeOf(this.#request.body) === this.#size
  }

  #giveBack(): void {
    if (!this.#given) this.#origin.give(this.#connection)
    this.#given = true
  }

  #state(): ConnectionState {
    return {
      sent: this.#connected,
      reused:
        this.#connected &&
        this.status === 0 &&
        this.#openedBefore > 0 &&
        this.#openedBefore === this.#connection.opened,
    }
  }

  #fail(error: unknown): void {
    this.#failure ??= { error }
    this.#reject(error)
    this.#settle()
  }

  #goOn(): void {
    if (!this.#paused) return
    this.#paused = false
    this.#resume?.()
  }

  #settle(): void {
    this.#release?.()
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
function explain(
  error: Error & { code?: string },
  origin: string,
  connection: ConnectionState,
): StorageError {
  const { code = '' } = error
  // Arguments were checked before. The message names the header and does not quote it.
  if (code === 'UND_ERR_INVALID_ARG')
    return new ImproperlyConfigured(
      `A setting holds what no request can carry: ${error.message}.`,
      { cause: error },
    )
  if (isDistrust(code))
    return new ImproperlyConfigured(
      `The certificate of ${origin} is not trusted (${code}): set "verify" (AWS_S3_VERIFY) to a file with the certificates of its authority.`,
      { setting: 'verify', cause: error },
    )
  const reason = reasons[code] ?? networkReasons[code] ?? error.message
  // A connection that stalls is no idle one that was closed, and a new one may stall as well.
  const state = stalled.has(code) ? { ...connection, reused: false } : connection
  return new ConnectionError(`No answer from ${origin}: ${reason}.`, {
    cause: error,
    connection: state,
  })
}

const stalled: ReadonlySet<string> = new Set(['UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT'])

const reasons: Readonly<Record<string, string | undefined>> = {
  UND_ERR_CONNECT_TIMEOUT: 'the connection timed out',
  UND_ERR_HEADERS_TIMEOUT: 'no answer in time',
  UND_ERR_BODY_TIMEOUT: 'the answer stalled',
  UND_ERR_SOCKET: 'the connection was closed before the answer was complete',
}

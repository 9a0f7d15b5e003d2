import type { OperationOptions } from '../../../core/backend.ts'
import { checkLength } from '../../../core/content.ts'
import { IntegrityError, UnavailableError } from '../../../core/errors.ts'
import type { CredentialSource } from '../credentials.ts'
import { encodeKey } from '../encoding.ts'
import { s3Error } from '../errors.ts'
import { parseErrorDocument } from '../list-xml.ts'
import { sha256Hex } from '../platform/hashes.ts'
import { publishRequest, requestEvents } from '../platform/request-events.ts'
import type { Credentials } from '../sigv4.ts'
import { SigV4Signer } from '../sigv4.ts'
import type { S3Address } from '../url.ts'
import { readBounded } from './body.ts'
import { Refusal } from './refusal.ts'
import { RequestWindow } from './request-window.ts'
import { delayBefore, pause, RetryBudget, type RetryLimits } from './retry.ts'
import {
  ConnectionError,
  type StreamBody,
  sizeOf,
  type Transport,
  type TransportRequest,
  type TransportResponse,
} from './transport.ts'

/** What an error is about: chooses between "no file" and "no bucket" where S3 does not say. */
export type Subject = 'object' | 'bucket' | 'upload'

/** A request before it is signed. */
export interface S3Request extends OperationOptions {
  /** Name in the S3 API, for events. */
  readonly operation: string
  readonly method: TransportRequest['method']
  readonly subject: Subject
  /** Absent: the bucket. */
  readonly key?: string | undefined
  /** Encoded, in the order of the signature. */
  readonly query?: string | undefined
  /** Name, value, name, value. The signature is appended for an attempt, and cut off for the next. */
  readonly headers: string[]
  readonly body?: Uint8Array | StreamBody | undefined
  /** A status of 300 and more that is an answer all the same. */
  readonly accepted?: number | undefined
  /**
   * Set when an attempt failed in a way that leaves open whether the service carried it out: what
   * the next attempt meets may be its own work.
   */
  uncertain?: boolean | undefined
  /** What the last attempt went with. Others may have put the present connection right since. */
  sentWith?: Connection | undefined
  /** Bytes of the body when the request was made: memory can be given away while it waits. */
  size?: number | undefined
}

/** Where the bucket is, and the region that requests are signed for. */
export interface Location {
  readonly address: S3Address
  readonly region: string
}

export interface RequesterOptions {
  readonly bucketName: string
  /**
   * Asked at the first use, and again with the region that the service named, where that is
   * another.
   */
  readonly locate: (region: string | undefined) => Promise<Location>
  readonly credentials: CredentialSource
  readonly transport: Transport
  readonly retries: RetryLimits
  /** Requests in flight at a time, at most. */
  readonly maxRequests: number
}

/** What signing and sending a request needs, once it is known. */
export interface Connection {
  readonly address: S3Address
  readonly region: string
  readonly credentials: Credentials
  readonly signer: SigV4Signer
  readonly tls: boolean
  /** Milliseconds that the service's clock is ahead of ours. */
  readonly clockOffset: number
}

/** Reads an answer of success; what it throws is the failure of the attempt. */
export type ReadAnswer<T> = (response: TransportResponse) => T | Promise<T>

const emptyHash = sha256Hex('')
/** Largest error document that is read. */
const maxErrorBytes = 256 * 1024
/** A signature is valid for 15 minutes; a clock that is off by this much is worth a correction. */
const skewLimit = 5 * 60_000
/** Connections that may turn out to be dead before it counts as an attempt. */
const maxDeadConnections = 3

/**
 * Sends the requests of one storage: signed for the right place, by the service's clock, with the
 * present credentials, no more at a time than the service takes, and again when that helps.
 */
export class Requester {
  readonly #options: RequesterOptions
  readonly #transport: Transport
  readonly #window: RequestWindow
  readonly #budget = new RetryBudget()
  #connection: Connection | undefined
  #opening: Promise<Connection> | undefined

  constructor(options: RequesterOptions) {
    this.#options = options
    this.#transport = options.transport
    this.#window = new RequestWindow(options.maxRequests)
  }

  get bucketName(): string {
    return this.#options.bucketName
  }

  /** The time by the service's clock. */
  now(): Date {
    return timeOf(this.#connection)
  }

  /**
   * Makes a request until it succeeds, fails for good, or has been tried often enough.
   *
   * @throws the error of the last attempt, by the kinds of `core/errors.ts`
   */
  async run<T>(request: S3Request, read: ReadAnswer<T>): Promise<T> {
    const { length } = request.headers
    request.size = sizeOf(request.body)
    try {
      return await this.#once(request, read, 1)
    } catch (failure) {
      return await this.#again(request, read, length, failure)
    }
  }

  /**
   * Waits before the attempt that follows `attempts` of them.
   *
   * @throws the failure, when there is no further attempt
   */
  async pauseAfter(
    failure: unknown,
    attempts: number,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const { retries } = this.#options
    signal?.throwIfAborted()
    const hint = hintsOf(failure)
    const delay =
      hint === undefined || attempts >= retries.maxAttempts
        ? undefined
        : delayBefore(attempts, hint, retries)
    if (delay === undefined || !this.#budget.spend()) throw plainError(failure, attempts)
    await pause(delay, signal)
  }

  /** The present connection: location, credentials, signer. */
  connection(): Connection | Promise<Connection> {
    const connection = this.#connection
    if (connection === undefined) return this.#connect()
    const credentials = this.#options.credentials.get()
    return credentials === connection.credentials ? connection : this.#renew(credentials)
  }

  /** Where the bucket is: what a URL without a signature needs. Asks for no keys. */
  async address(): Promise<S3Address> {
    return this.#connection?.address ?? (await this.#options.locate(undefined)).address
  }

  /** One attempt. The way of nearly all requests, with no promise more than it needs. */
  async #once<T>(request: S3Request, read: ReadAnswer<T>, attempt: number): Promise<T> {
    const started = requestEvents.hasSubscribers ? performance.now() : 0
    try {
      const window = this.#window
      const kind = isStreamed(request) ? 'streamed' : 'plain'
      const busy = window.enter(request.signal, kind)
      if (busy !== undefined) await busy
      const { cuts } = window
      let response: TransportResponse | undefined
      try {
        response = await this.#send(request)
      } finally {
        // The place is free as soon as there is an answer, or none to come.
        window.leave(response !== undefined && isOverload(response.status), cuts, kind)
      }
      if (isRefused(response, request)) throw await this.#refusal(response, request)
      const result = await read(response)
      if (attempt === 1) this.#budget.refill()
      if (started !== 0) this.#publish(request, attempt, started, response)
      return result
    } catch (error) {
      if (started !== 0) this.#publish(request, attempt, started, undefined, error)
      throw error
    }
  }

  /** What follows a first attempt that failed. */
  async #again<T>(
    request: S3Request,
    read: ReadAnswer<T>,
    headerCount: number,
    first: unknown,
  ): Promise<T> {
    const corrected = new Set<string>()
    let failure = first
    let dead = 0
    for (let attempts = 1; ; ) {
      request.signal?.throwIfAborted()
      if (isUncertain(failure)) request.uncertain = true
      if (await this.#correct(failure, request, corrected)) {
        // What was wrong with the request itself is put right: the same attempt once more.
      } else if (isDeadConnection(failure) && dead < maxDeadConnections && isReplayable(request)) {
        dead++
      } else if (isReplayable(request)) {
        await this.pauseAfter(failure, attempts, request.signal)
        attempts++
      } else {
        throw plainError(failure, attempts)
      }
      request.headers.length = headerCount
      try {
        return await this.#once(request, read, attempts)
      } catch (error) {
        failure = error
      }
    }
  }

  /**
   * Puts right what a refusal shows to be wrong with what the attempt went with: each kind once per
   * request. Of many requests that are refused for one reason, the first puts it right for all.
   */
  async #correct(failure: unknown, request: S3Request, corrected: Set<string>): Promise<boolean> {
    const { sentWith } = request
    if (!(failure instanceof Refusal) || sentWith === undefined) return false
    const { hints } = failure
    const kind = correctionOf(hints, sentWith)
    if (kind === undefined || corrected.has(kind)) return false
    corrected.add(kind)
    if (kind === 'region') return await this.#correctRegion(hints.region, sentWith, request)
    if (kind === 'credentials') await this.#replaceCredentials(sentWith)
    else if (this.#connection !== undefined)
      this.#connection = { ...this.#connection, clockOffset: hints.date - Date.now() }
    return true
  }

  async #correctRegion(
    named: string | undefined,
    sentWith: Connection,
    { signal }: S3Request,
  ): Promise<boolean> {
    const present = this.#connection?.region
    if (named === undefined && present !== sentWith.region) return true
    const region = named ?? (await this.#findRegion(signal))
    if (region === undefined || region === sentWith.region) return false
    if (region !== this.#connection?.region) await this.#moveTo(region)
    return true
  }

  /** Asks for the bucket, whose answer names its region whatever its status: a HEAD has no document. */
  async #findRegion(signal: AbortSignal | undefined): Promise<string | undefined> {
    const request: S3Request = {
      operation: 'HeadBucket',
      method: 'HEAD',
      subject: 'bucket',
      headers: [],
      signal,
    }
    const response = await this.#send(request)
    response.body.cancel()
    return response.header('x-amz-bucket-region')
  }

  async #replaceCredentials({ credentials }: Connection): Promise<void> {
    this.#options.credentials.invalidate(credentials)
    await this.#renew(this.#options.credentials.get())
  }

  async #moveTo(region: string | undefined): Promise<void> {
    const location = await this.#options.locate(region)
    this.#connection = this.#connectionTo(location, await this.#options.credentials.get())
  }

  /** Signs and sends. Without a promise of its own once the connection is there. */
  #send(request: S3Request): Promise<TransportResponse> {
    const connection = this.connection()
    try {
      const sent =
        connection instanceof Promise
          ? connection.then(opened => this.#sendSigned(opened, request))
          : this.#sendSigned(connection, request)
      return sent
    } catch (error) {
      return Promise.reject(error)
    }
  }

  #sendSigned(connection: Connection, request: S3Request): Promise<TransportResponse> {
    const { method, key, query = '', headers, body, size = 0, signal } = request
    const { signer, tls } = connection
    if (body instanceof Uint8Array) checkLength(body, size)
    const { origin, host, prefix } = connection.address
    const path = key === undefined ? prefix || '/' : `${prefix}/${encodeKey(key)}`
    const payload = payloadOf(body, tls)
    request.sentWith = connection
    signer.signHeaders({ method, host, path, query, headers, payload }, timeOf(connection))
    return this.#transport.request({
      method,
      origin,
      path: query === '' ? path : `${path}?${query}`,
      headers,
      body,
      signal,
    })
  }

  async #connect(): Promise<Connection> {
    this.#opening ??= this.#open().finally(() => {
      this.#opening = undefined
    })
    return await this.#opening
  }

  async #open(): Promise<Connection> {
    const location = await this.#options.locate(undefined)
    this.#connection = this.#connectionTo(location, await this.#options.credentials.get())
    return this.#connection
  }

  async #renew(credentials: Credentials | Promise<Credentials>): Promise<Connection> {
    const present = await credentials
    const connection = this.#connection ?? (await this.#connect())
    if (connection.credentials === present) return connection
    const { address, region } = connection
    this.#connection = this.#connectionTo({ address, region }, present)
    return this.#connection
  }

  #connectionTo({ address, region }: Location, credentials: Credentials): Connection {
    return {
      address,
      region,
      credentials,
      signer: new SigV4Signer(credentials, region),
      tls: address.origin.startsWith('https:'),
      clockOffset: this.#connection?.clockOffset ?? 0,
    }
  }

  async #refusal(response: TransportResponse, request: S3Request): Promise<Refusal> {
    // What is too long is no document of S3; the status says what it can.
    const text = await readBounded(response.body, maxErrorBytes).catch(withoutText)
    return this.refusal(response, request, parseErrorDocument(text))
  }

  /** The failure that an answer tells of, in its status or in its document. */
  refusal(
    response: TransportResponse,
    request: Pick<S3Request, 'method' | 'subject'>,
    document: ReturnType<typeof parseErrorDocument>,
  ): Refusal {
    const { method, subject } = request
    const { status } = response
    const retryAfter = response.header('retry-after')
    const region = response.header('x-amz-bucket-region') ?? document?.region
    const { bucketName } = this.#options
    const error = s3Error(
      {
        status,
        method,
        code: document?.code,
        message: document?.message,
        requestId: document?.requestId ?? response.header('x-amz-request-id'),
        region,
        retryAfter,
        bucketName,
      },
      subject,
    )
    const date = Date.parse(response.header('date') ?? '')
    return new Refusal(error, { status, code: document?.code ?? '', region, date })
  }

  #publish(
    request: S3Request,
    attempt: number,
    started: number,
    response: TransportResponse | undefined,
    error?: unknown,
  ): void {
    publishRequest({
      operation: request.operation,
      bucket: this.#options.bucketName,
      key: request.key,
      attempt,
      status: response?.status ?? statusOf(error),
      bytesSent: sizeOf(request.body),
      bytesReceived: announcedSize(request, response),
      duration: performance.now() - started,
      error: error === undefined ? undefined : plainError(error, attempt),
    })
  }
}

const expiredCodes: ReadonlySet<string> = new Set(['ExpiredToken', 'TokenRefreshRequired'])
const skewCodes: ReadonlySet<string> = new Set(['RequestTimeTooSkewed', 'RequestExpired'])
/** With these a service says that the bucket, or the signature's region, is another one. */
const regionStatuses: ReadonlySet<number> = new Set([301, 307, 308, 400, 403])

/** What of a connection a refusal shows to be wrong. */
function correctionOf(
  hints: Refusal['hints'],
  sentWith: Connection,
): 'clock' | 'credentials' | 'region' | undefined {
  const { code, status, region, date } = hints
  if (expiredCodes.has(code)) return 'credentials'
  const skewed = Math.abs(date - timeOf(sentWith).getTime()) > skewLimit
  // A HEAD is refused without a code.
  if (skewed && (skewCodes.has(code) || (code === '' && status === 403))) return 'clock'
  if (!regionStatuses.has(status)) return undefined
  if (region !== undefined) return region === sentWith.region ? undefined : 'region'
  return code === '' && status !== 403 ? 'region' : undefined
}

/** The time by the service's clock, as far as it is known. */
function timeOf(connection: Connection | undefined): Date {
  return new Date(Date.now() + (connection?.clockOffset ?? 0))
}

function isRefused({ status }: TransportResponse, { accepted }: S3Request): boolean {
  return status >= 300 && status !== accepted
}

function withoutText(error: unknown): string {
  if (error instanceof IntegrityError) return ''
  throw error
}

function isOverload(status: number): boolean {
  return status === 503 || status === 429
}

/** Over TLS the connection guards the body; over plain HTTP its hash is signed, where it is known. */
function payloadOf(body: S3Request['body'], tls: boolean): string {
  if (body === undefined) return emptyHash
  if (!(body instanceof Uint8Array)) return 'UNSIGNED-PAYLOAD'
  if (body.byteLength === 0) return emptyHash
  return tls ? 'UNSIGNED-PAYLOAD' : sha256Hex(body)
}

/** The length in the answer to a HEAD is that of a body that does not come. */
function announcedSize(
  { method }: S3Request,
  response: TransportResponse | undefined,
): number | undefined {
  if (response === undefined) return undefined
  if (method === 'HEAD' || response.status === 204) return 0
  const length = response.header('content-length')
  return length === undefined ? undefined : Number(length)
}

function isStreamed({ body }: S3Request): boolean {
  return body !== undefined && !(body instanceof Uint8Array)
}

function isReplayable({ body }: S3Request): boolean {
  return body === undefined || body instanceof Uint8Array || body.replayable
}

function isDeadConnection(failure: unknown): boolean {
  return failure instanceof ConnectionError && failure.connection.reused
}

/** Whether the service may have done what was asked for, though it did not say so. */
function isUncertain(failure: unknown): boolean {
  if (failure instanceof ConnectionError) return failure.connection.sent
  if (failure instanceof Refusal) {
    const { status } = failure.hints
    // Within a 200, an error came while it was being done.
    return status < 300 || (status >= 500 && !isOverload(status))
  }
  return failure instanceof IntegrityError
}

/** When to try again; `undefined` for what fails the same way each time. */
function hintsOf(
  failure: unknown,
): { readonly retryAfter: number | undefined; readonly overloaded: boolean } | undefined {
  const error = failure instanceof Refusal ? failure.error : failure
  const overloaded = failure instanceof Refusal && isOverload(failure.hints.status)
  if (error instanceof UnavailableError) return { retryAfter: error.retryAfter, overloaded }
  // Bytes that were spoilt on their way, in either direction.
  return error instanceof IntegrityError ? { retryAfter: undefined, overloaded } : undefined
}

function statusOf(failure: unknown): number | undefined {
  return failure instanceof Refusal ? failure.hints.status : undefined
}

/** The error that a caller gets: with the number of attempts, where there was more than one. */
function plainError(failure: unknown, attempts: number): unknown {
  const error = failure instanceof Refusal ? failure.error : failure
  if (!(error instanceof UnavailableError)) return error
  if (attempts === 1 && !(error instanceof ConnectionError)) return error
  const { message, cause, retryAfter } = error
  const tried =
    attempts === 1 ? message : `${message.replace(/\.$/, '')}, after ${attempts} attempts.`
  return new UnavailableError(tried, { cause, retryAfter, attempts })
}

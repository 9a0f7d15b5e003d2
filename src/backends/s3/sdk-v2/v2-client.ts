import { whenAborted } from '../../../core/abort.ts'
import type { CredentialSource } from '../credentials.ts'
import type { PresignOptions, StreamContent } from '../engine.ts'
import type { Location } from '../native/requester.ts'
import { delayBefore, type RetryLimits } from '../native/retry.ts'
import { signedUrl, type UrlSigner, unsignedUrl } from '../object-url.ts'
import { nodeStream } from '../platform/node-stream.ts'
import {
  type PostForm,
  type PostPolicyRequest,
  signPostForm,
  signPostFormV2,
} from '../post-policy.ts'
import type { SdkCall, SdkClient, SdkOutput } from '../sdk/sdk-client.ts'
import { bodyError, sdkError } from '../sdk/sdk-error.ts'
import { SigV2Signer } from '../sigv2.ts'
import { type Credentials, SigV4Signer } from '../sigv4.ts'
import type { S3Address } from '../url.ts'
import { streamedOutput } from './streamed-output.ts'

/** What is used of the SDK: its service class, and the listener that hashes bodies. */
export interface V2Sdk {
  /** Makes a {@link V2Service}. */
  readonly S3: new (
    config: never,
  ) => Pick<V2Service, 'makeRequest'>
  /** Reads a body whole, which cannot be done with a stream. */
  readonly computeSha256: unknown
}

/** With members that the SDK's types do not have. */
interface V2Service {
  /** Regions of buckets by their names, as the service said them. */
  bucketRegionCache: Readonly<Record<string, string | undefined>>
  /** Makes a {@link V2Request}, of whose members the SDK's types have only some. */
  makeRequest(operation: string, params: object): object
  /** By the clock of the service, once an answer told that this machine's is off. */
  getSkewCorrectedDate(): Date
}

interface V2Request {
  readonly httpRequest: { readonly headers: Record<string, string> }
  on(event: 'build', listener: () => void): void
  on(event: 'afterBuild', listener: () => void): void
  on(event: 'httpError', listener: (error: V2Error) => void): void
  on(
    event: 'retry',
    listener: (response: V2Response & { readonly error: V2Error | null }) => void,
  ): void
  on(event: 'httpHeaders', listener: V2HeadersListener): void
  removeListener(event: 'afterBuild', listener: unknown): void
  send(done: (this: V2Response, error: V2Error | null, data: SdkOutput | null) => void): void
  abort(): void
}

type V2HeadersListener = (
  status: number,
  headers: Readonly<Record<string, string>>,
  response: V2Response,
) => void

interface V2Response {
  readonly retryCount: number
  readonly httpResponse: {
    readonly statusCode?: number | undefined
    readonly headers?: Readonly<Record<string, string>> | undefined
    createUnbufferedStream(): unknown
  }
}

interface V2Error extends Error {
  readonly code?: string | undefined
  readonly region?: string | null | undefined
  readonly requestId?: string | null | undefined
  readonly originalError?: { readonly message?: string | undefined } | undefined
  retryable?: boolean | undefined
}

export interface V2ClientOptions {
  readonly sdk: V2Sdk
  readonly bucketName: string
  readonly signatureVersion: 's3' | 's3v4'
  /** @param region that the service named, where it is another than the settings say */
  readonly locate: (region: string | undefined) => Promise<Location>
  readonly credentials: CredentialSource
  /** Configuration of the SDK's service beside address, region, keys and retries. */
  readonly config: object
  readonly retries: RetryLimits
}

/** The service and what signs URLs, for one set of keys. */
interface V2Connection {
  readonly credentials: Credentials
  readonly location: Location
  readonly service: V2Service
  readonly signer: UrlSigner
}

/** A client of the older SDK, made for the options of a storage, and anew when its keys change. */
export class V2Client implements SdkClient {
  readonly #options: V2ClientOptions
  #location: Promise<Location> | undefined
  #connection: V2Connection | undefined

  constructor(options: V2ClientOptions) {
    this.#options = options
  }

  async send(call: SdkCall): Promise<SdkOutput> {
    const { service, credentials } = await this.#connect()
    call.signal?.throwIfAborted()
    try {
      return await new V2Exchange(this.#options, service, call).outcome
    } catch (error) {
      if (!isExpired(error)) throw error
      this.#options.credentials.invalidate(credentials)
      const renewed = await this.#connect()
      const sendable = call.body === undefined || call.body instanceof Uint8Array
      if (renewed.credentials === credentials || !sendable) throw error
      return await new V2Exchange(this.#options, renewed.service, call).outcome
    }
  }

  async presign(key: string, options: PresignOptions): Promise<string> {
    const { expiresIn, query } = options
    const { address } = await this.#locate()
    if (expiresIn === undefined) return unsignedUrl(address, key, query)
    const { signer, service } = await this.#connect()
    const now = service.getSkewCorrectedDate()
    return signedUrl(address, signer, key, { ...options, expiresIn }, now)
  }

  async postForm(request: PostPolicyRequest): Promise<PostForm> {
    const { credentials, location, service } = await this.#connect()
    const { address, region } = location
    const now = service.getSkewCorrectedDate()
    return this.#options.signatureVersion === 's3'
      ? signPostFormV2(request, { address, credentials }, now)
      : signPostForm(request, { address, credentials, region }, now)
  }

  async region(): Promise<string> {
    return (await this.#locate()).region
  }

  explain(error: unknown): unknown {
    return bodyError(error)
  }

  /** The SDK goes after a bucket by itself; what is signed here has to come along. */
  async #locate(): Promise<Location> {
    const { bucketName } = this.#options
    const named = this.#connection?.service.bucketRegionCache[bucketName]
    if (named !== undefined && named !== this.#connection?.location.region)
      this.#location = undefined
    this.#location ??= this.#options.locate(named).catch(error => {
      this.#location = undefined
      throw error
    })
    return await this.#location
  }

  async #connect(): Promise<V2Connection> {
    const location = await this.#locate()
    const credentials = await this.#options.credentials.get()
    const { credentials: last, location: place } = this.#connection ?? {}
    if (this.#connection === undefined || last !== credentials || place !== location)
      this.#connection = connectionFor(this.#options, location, credentials)
    return this.#connection
  }
}

/** One call of the SDK, with its events. */
class V2Exchange {
  readonly outcome: Promise<SdkOutput>
  readonly #call: SdkCall
  readonly #bucketName: string
  readonly #request: V2Request
  #settled = false
  /** What the source of the content threw, if that is why the request failed. */
  #sourceFailure: { readonly error: unknown } | undefined
  #closeBody: () => void = () => undefined

  constructor({ sdk, bucketName }: V2ClientOptions, service: V2Service, call: SdkCall) {
    this.#call = call
    this.#bucketName = bucketName
    const body = this.#bodyOf(call.body)
    const { operation, input, headers = [] } = call
    const method = `${operation.slice(0, 1).toLowerCase()}${operation.slice(1)}`
    const params = { ...input, Bucket: bucketName, ...body }
    this.#request = service.makeRequest(method, params) as V2Request
    this.#request.on('build', () => setHeaders(this.#request.httpRequest.headers, headers))
    // The SDK would wait for "100 Continue" however long a proxy keeps it back.
    this.#request.on('afterBuild', () => {
      delete this.#request.httpRequest.headers['Expect']
    })
    this.#request.on('retry', response => {
      const { error } = response
      // The SDK takes the clock over from any answer, but knows what was wrong by the code alone.
      if (error !== null && isSkewed(error, response)) error.retryable = true
    })
    if (this.#isStream) this.#sendOnce(sdk.computeSha256)
    this.outcome = this.#send()
  }

  get #isStream(): boolean {
    const { body } = this.#call
    return body !== undefined && !(body instanceof Uint8Array)
  }

  async #send(): Promise<SdkOutput> {
    const { signal } = this.#call
    const release = whenAborted(signal, () => this.#request.abort())
    try {
      return await new Promise<SdkOutput>((resolve, reject) => this.#run(resolve, reject))
    } finally {
      this.#settled = true
      this.#closeBody()
      release()
    }
  }

  #run(resolve: (output: SdkOutput) => void, reject: (error: unknown) => void): void {
    const { course, operation } = this.#call
    if (operation === 'GetObject') this.#stream(resolve)
    const exchange = this
    this.#request.send(function done(error, data) {
      if (exchange.#settled) return
      course.attempts = this.retryCount + 1
      course.status = this.httpResponse.statusCode ?? 0
      if (error === null) resolve(data ?? {})
      else reject(exchange.#explain(error, this))
    })
  }

  /** Hands the body out as soon as it begins: the SDK would gather it. */
  #stream(resolve: (output: SdkOutput) => void): void {
    this.#request.on('httpHeaders', (status, headers, response) => {
      if (status >= 300 || this.#settled) return
      this.#call.course.attempts = response.retryCount + 1
      this.#call.course.status = status
      // What ends the body early is for its reader to know: the SDK would begin anew.
      this.#request.on('httpError', error => {
        error.retryable = false
      })
      resolve(streamedOutput(headers, response.httpResponse.createUnbufferedStream()))
    })
  }

  /**
   * A stream cannot be hashed before it is sent, nor sent again: the SDK would wait for the rest of
   * one that has ended. Its hash is left out as the SDK itself does over TLS, when it is told so.
   */
  #sendOnce(computeSha256: unknown): void {
    this.#request.removeListener('afterBuild', computeSha256)
    this.#request.on('afterBuild', () => {
      this.#request.httpRequest.headers['X-Amz-Content-Sha256'] = 'UNSIGNED-PAYLOAD'
    })
    this.#request.on('retry', ({ error }) => {
      if (error !== null) error.retryable = false
    })
  }

  #bodyOf(body: Uint8Array | StreamContent | undefined): object {
    if (body === undefined) return {}
    if (body instanceof Uint8Array) return { Body: body }
    const stream = nodeStream(body.chunks(), error => {
      if (this.#settled) return
      this.#sourceFailure ??= { error }
      this.#request.abort()
    })
    this.#closeBody = () => stream.destroy()
    return { Body: stream, ContentLength: body.size }
  }

  #explain(error: V2Error, response: V2Response): unknown {
    if (this.#sourceFailure !== undefined) return this.#sourceFailure.error
    const { httpResponse, retryCount } = response
    const status = isOfNetwork(error) ? 0 : (httpResponse.statusCode ?? 0)
    const code = isSkewed(error, response) ? skewCode : error.code
    const facts = {
      error,
      status,
      code: status === 0 ? networkCode(error) : code,
      region: error.region ?? undefined,
      requestId: error.requestId ?? undefined,
      retryAfter: httpResponse.headers?.['retry-after'],
      attempts: retryCount + 1,
      holder: 'options' as const,
    }
    const { subject } = this.#call
    return sdkError(facts, { bucketName: this.#bucketName, subject }) ?? error
  }
}

function connectionFor(
  options: V2ClientOptions,
  location: Location,
  credentials: Credentials,
): V2Connection {
  const { address, region } = location
  const { sdk, bucketName, signatureVersion, config, retries } = options
  const { accessKey, secretKey, securityToken } = credentials
  const service = new sdk.S3({
    ...config,
    endpoint: endpointOf(address, bucketName),
    region,
    s3ForcePathStyle: address.style === 'path',
    signatureVersion: signatureVersion === 's3' ? 's3' : 'v4',
    accessKeyId: accessKey,
    secretAccessKey: secretKey,
    sessionToken: securityToken,
    correctClockSkew: true,
    maxRetries: retries.maxAttempts - 1,
    retryDelayOptions: { customBackoff: (count: number) => backoff(count, retries) },
  } as never) as V2Service
  // The SDK shares one among all services of the process, whose buckets may have the same name.
  service.bucketRegionCache = {}
  const bucketPath = address.style === 'virtual' ? `/${bucketName}` : ''
  const signer =
    signatureVersion === 's3'
      ? new SigV2Signer(credentials, bucketPath)
      : new SigV4Signer(credentials, region)
  return { credentials, location, service, signer }
}

/** The SDK puts the bucket where it belongs by itself. */
function endpointOf({ origin, prefix, style }: S3Address, bucketName: string): string {
  if (style === 'virtual') return `${origin.replace(`//${bucketName}.`, '//')}${prefix}`
  return `${origin}${prefix.slice(0, prefix.lastIndexOf('/'))}`
}

/** Milliseconds before the attempt after `count + 1` of them; a negative number ends it. */
function backoff(count: number, retries: RetryLimits): number {
  return delayBefore(count + 1, { retryAfter: undefined, overloaded: false }, retries) ?? -1
}

/** Over what the SDK made of the input, under the names by which its signers look for them. */
function setHeaders(target: Record<string, string>, headers: readonly string[]): void {
  for (let i = 0; i + 1 < headers.length; i += 2) {
    const name = headers[i] ?? ''
    target[sdkNames[name] ?? name] = headers[i + 1] ?? ''
  }
}

const sdkNames: Readonly<Record<string, string | undefined>> = {
  'content-md5': 'Content-MD5',
  'content-type': 'Content-Type',
}

const networkCodes: ReadonlySet<string> = new Set([
  'NetworkingError',
  'TimeoutError',
  'UnknownEndpoint',
])

function isOfNetwork({ code = '' }: V2Error): boolean {
  return networkCodes.has(code)
}

/** Of Node, which the SDK leaves in messages alone; those of certificates never had one. */
function networkCode({ code, message, originalError }: V2Error): string | undefined {
  const said = `${originalError?.message ?? ''} ${message}`
  const inner = /\bE[A-Z]{3,}\b/.exec(said)?.[0]
  return inner ?? (/certificate|altnames/i.test(said) ? 'CERT_UNTRUSTED' : code)
}

const skewCode = 'RequestTimeTooSkewed'
/** S3 refuses signatures that are older or newer, in milliseconds. */
const skewLimit = 15 * 60_000

/** Whether a first attempt was refused without a word, as a HEAD is, by a clock that differs. */
function isSkewed({ code }: V2Error, { httpResponse, retryCount }: V2Response): boolean {
  if (code !== 'Forbidden' || retryCount > 0) return false
  const skew = Math.abs(Date.parse(httpResponse.headers?.['date'] ?? '') - Date.now())
  return skew > skewLimit
}

function isExpired(error: unknown): boolean {
  const cause = error instanceof Error ? error.cause : undefined
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined
  return code === 'ExpiredToken' || code === 'TokenRefreshRequired'
}

import { whenAborted } from '../../../core/abort.ts'
import { ImproperlyConfigured, UnsupportedError } from '../../../core/errors.ts'
import type { PresignOptions, StreamContent } from '../engine.ts'
import { signedUrl, unsignedUrl } from '../object-url.ts'
import { md5Base64 } from '../platform/hashes.ts'
import { nodeStream } from '../platform/node-stream.ts'
import { type PostForm, type PostPolicyRequest, signPostForm } from '../post-policy.ts'
import type { SdkCall, SdkClient, SdkOperation, SdkOutput } from '../sdk/sdk-client.ts'
import { bodyError, sdkError } from '../sdk/sdk-error.ts'
import { type Credentials, SigV4Signer } from '../sigv4.ts'
import type { S3Address } from '../url.ts'
import type { SdkV3ClientLike } from './client-option.ts'

/** A request as middleware of the SDK sees it. */
interface V3Request {
  readonly protocol: string
  readonly hostname: string
  readonly port?: number | undefined
  readonly path: string
  readonly headers: Record<string, string>
  readonly body?: unknown
}

type V3Handler = (args: { readonly request: V3Request }) => Promise<unknown>

/** What the SDK found out on the way to the request. */
interface V3Context {
  readonly endpointV2?:
    | {
        readonly properties?:
          | { readonly authSchemes?: readonly V3AuthScheme[] | undefined }
          | undefined
      }
    | undefined
}

interface V3AuthScheme {
  readonly name?: string | undefined
  readonly signingName?: string | undefined
  readonly signingRegion?: string | undefined
}

interface V3Command {
  /** Its real type is another one for each command. */
  readonly middlewareStack: { add(middleware: never, options: never): void }
}

/** The commands of the SDK by their names: `PutObjectCommand` … */
export type V3Commands = {
  readonly [Name in `${SdkOperation}Command`]: new (
    input: never,
  ) => V3Command
}

/** Where the client sends requests, and how they are signed. */
interface V3Place {
  readonly address: S3Address
  readonly scheme: V3AuthScheme | undefined
}

/** The user's own client of the AWS SDK v3. It is used as it is, and never ended. */
export class V3Client implements SdkClient {
  readonly #client: SdkV3ClientLike
  readonly #commands: V3Commands
  readonly #bucketName: string
  #place: V3Place | undefined
  #signer: { readonly credentials: object; readonly signer: SigV4Signer } | undefined

  constructor(client: SdkV3ClientLike, commands: V3Commands, bucketName: string) {
    this.#client = client
    this.#commands = commands
    this.#bucketName = bucketName
  }

  async send(call: SdkCall): Promise<SdkOutput> {
    const stop = new AbortController()
    const release = whenAborted(call.signal, () => stop.abort(call.signal?.reason))
    const body = new OutgoingBody(call.body, stop)
    try {
      const command = this.#command(call, body.content)
      const output = (await this.#client.send(
        command as never,
        { abortSignal: stop.signal } as never,
      )) as SdkOutput & WithMetadata
      note(call, output)
      return output
    } catch (error) {
      body.throwItsOwn()
      note(call, error as WithMetadata)
      throw explain(error, this.#bucketName, call)
    } finally {
      body.close()
      release()
    }
  }

  async presign(key: string, options: PresignOptions): Promise<string> {
    const { expiresIn, query } = options
    const { address, scheme } = await this.place()
    if (expiresIn === undefined) return unsignedUrl(address, key, query)
    const signer = await this.#urlSigner(scheme)
    return signedUrl(address, signer, key, { ...options, expiresIn }, this.#now())
  }

  async postForm(request: PostPolicyRequest): Promise<PostForm> {
    const { address, scheme } = await this.place()
    checkScheme(scheme)
    const credentials = keysOf(await credentialsOf(this.#client.config))
    const region = await this.region()
    return signPostForm(request, { address, credentials, region }, this.#now())
  }

  async region(): Promise<string> {
    const { scheme } = await this.place()
    return scheme?.signingRegion ?? (await regionOf(this.#client.config))
  }

  explain(error: unknown): unknown {
    return bodyError(error)
  }

  /**
   * The address of the bucket as the client's own rules give it (region, endpoint, style, dual
   * stack, acceleration): of a request that is made up to its signature and never sent.
   *
   * @throws UnsupportedError for a client that makes no requests, such as a mock
   */
  async place(): Promise<V3Place> {
    if (this.#place !== undefined) return this.#place
    let place: V3Place | undefined
    const command = new this.#commands.HeadObjectCommand({
      Bucket: this.#bucketName,
      Key: probeKey,
    } as never)
    intercept(command, 'low', (_next, context) => async ({ request }) => {
      place = placeOf(request, context)
      return { output: { $metadata: {} }, response: {} }
    })
    try {
      await this.#client.send(command as never)
    } catch (error) {
      throw explain(error, this.#bucketName, { subject: 'bucket' })
    }
    if (place === undefined)
      throw new UnsupportedError('The "client" makes no requests, and so has no URLs.')
    this.#place = place
    return place
  }

  /** By the clock of the service, as far as the client has found it out. */
  #now(): Date {
    return new Date(Date.now() + (numberOf(this.#client.config, 'systemClockOffset') ?? 0))
  }

  #command(call: SdkCall, body: unknown): V3Command {
    const { operation, input, shown, headers = [] } = call
    const members = { ...shown, ...input, Bucket: this.#bucketName, ...lengthOf(call.body) }
    const Command = this.#commands[`${operation}Command`]
    const command = new Command(
      (body === undefined ? members : { ...members, Body: body }) as never,
    )
    if (headers.length > 0 || operation === 'DeleteObjects') {
      // Before whatever looks at the headers, such as the SDK's checksums.
      intercept(command, 'high', next => args => next(withHeaders(args, headers, operation)))
    }
    return command
  }

  async #urlSigner(scheme: V3AuthScheme | undefined): Promise<SigV4Signer> {
    checkScheme(scheme)
    const credentials = await credentialsOf(this.#client.config)
    if (this.#signer?.credentials !== credentials) {
      const region = await this.region()
      const signer = new SigV4Signer(keysOf(credentials), region, scheme?.signingName ?? 's3')
      this.#signer = { credentials, signer }
    }
    return this.#signer.signer
  }
}

interface WithMetadata {
  readonly $metadata?:
    | {
        readonly httpStatusCode?: number | undefined
        readonly requestId?: string | undefined
        readonly attempts?: number | undefined
      }
    | undefined
}

interface V3Error extends Error, WithMetadata {
  readonly code?: unknown
  readonly Code?: string | undefined
  readonly Region?: string | undefined
  readonly $response?:
    | {
        readonly statusCode?: number | undefined
        readonly headers?: Readonly<Record<string, string>> | undefined
      }
    | undefined
}

interface V3Identity {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string | undefined
}

/** A key that is the same in every encoding. */
const probeKey = 'k'

/** Lets a function see the request when it is built, before it is signed. */
function intercept(
  { middlewareStack }: V3Command,
  priority: 'high' | 'low',
  middleware: (next: V3Handler, context: V3Context) => V3Handler,
): void {
  const place = { step: 'build', priority, name: 'stowage' }
  middlewareStack.add(middleware as never, place as never)
}

/** What is sent: bytes as they are, contents as a stream of Node. */
class OutgoingBody {
  readonly content: unknown
  readonly #close: () => void
  #failure: { readonly error: unknown } | undefined

  constructor(body: Uint8Array | StreamContent | undefined, stop: AbortController) {
    if (body === undefined || body instanceof Uint8Array) {
      this.content = body
      this.#close = () => undefined
      return
    }
    const stream = nodeStream(body.chunks(), error => {
      if (this.#failure !== undefined) return
      this.#failure = { error }
      // Nobody would end the request, which waits for the rest.
      stop.abort(error)
    })
    this.content = stream
    this.#close = () => stream.destroy()
  }

  /** Throws what the source of the content threw, if that is why the request failed. */
  throwItsOwn(): void {
    if (this.#failure !== undefined) throw this.#failure.error
  }

  close(): void {
    this.#close()
  }
}

function lengthOf(body: SdkCall['body']): object {
  return body === undefined || body instanceof Uint8Array ? {} : { ContentLength: body.size }
}

function withHeaders(
  args: { readonly request: V3Request },
  headers: readonly string[],
  operation: SdkOperation,
): { readonly request: V3Request } {
  const { request } = args
  for (let i = 0; i + 1 < headers.length; i += 2)
    request.headers[headers[i] ?? ''] = headers[i + 1] ?? ''
  // Newer versions send a CRC-32 alone, which only some services take in its place.
  if (operation === 'DeleteObjects' && isHashable(request.body))
    request.headers['content-md5'] = md5Base64(request.body)
  return args
}

function isHashable(body: unknown): body is string | Uint8Array {
  return typeof body === 'string' || body instanceof Uint8Array
}

function placeOf(request: V3Request, context: V3Context): V3Place {
  const { protocol, hostname, port, path } = request
  const usual = protocol === 'https:' ? 443 : 80
  const host = port === undefined || port === usual ? hostname : `${hostname}:${port}`
  const prefix = path.slice(0, -`/${probeKey}`.length)
  const style = prefix === '' ? 'virtual' : 'path'
  return {
    address: { origin: `${protocol}//${host}`, host, prefix, style },
    scheme: context.endpointV2?.properties?.authSchemes?.[0],
  }
}

function note({ course }: SdkCall, { $metadata = {} }: WithMetadata): void {
  course.attempts = $metadata.attempts ?? 1
  course.status = $metadata.httpStatusCode ?? 0
}

function explain(
  error: unknown,
  bucketName: string,
  call: Pick<SdkCall, 'subject'> & { readonly course?: SdkCall['course'] | undefined },
): unknown {
  if (!(error instanceof Error)) return error
  const failure: V3Error = error
  const { $metadata = {}, $response = {}, name } = failure
  if (/(?:Credentials|Token)?ProviderError$/.test(name))
    return new ImproperlyConfigured(`The "client" finds no keys: ${error.message}`, {
      setting: 'client',
      cause: error,
    })
  if (/^Region is missing/.test(error.message))
    return new ImproperlyConfigured('The "client" has no region: give it one.', {
      setting: 'client',
      cause: error,
    })
  const status = $metadata.httpStatusCode ?? $response.statusCode ?? 0
  if (call.course !== undefined) call.course.status = status
  const headers = $response.headers ?? {}
  const facts = {
    error,
    status,
    code: status === 0 ? (stringOf(failure.code) ?? name) : (failure.Code ?? name),
    region: failure.Region ?? headers['x-amz-bucket-region'],
    requestId: $metadata.requestId,
    retryAfter: headers['retry-after'],
    attempts: $metadata.attempts ?? 1,
    holder: 'client' as const,
  }
  return sdkError(facts, { bucketName, subject: call.subject }) ?? error
}

function stringOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}

function numberOf(config: object, name: string): number | undefined {
  const value: unknown = Reflect.get(config, name)
  return typeof value === 'number' ? value : undefined
}

/** @throws UnsupportedError for a client that does not tell */
async function credentialsOf(config: object): Promise<V3Identity> {
  const provider: unknown = Reflect.get(config, 'credentials')
  if (typeof provider !== 'function')
    throw new UnsupportedError('The "client" does not tell its keys, and so signs no URLs.')
  try {
    return await (provider() as Promise<V3Identity>)
  } catch (error) {
    throw new ImproperlyConfigured('The "client" finds no keys.', {
      setting: 'client',
      cause: error,
    })
  }
}

function keysOf({ accessKeyId, secretAccessKey, sessionToken }: V3Identity): Credentials {
  return { accessKey: accessKeyId, secretKey: secretAccessKey, securityToken: sessionToken }
}

/** @throws UnsupportedError for another signature than version 4 */
function checkScheme(scheme: V3AuthScheme | undefined): void {
  if (scheme?.name === undefined || scheme.name === 'sigv4') return
  throw new UnsupportedError(
    `URLs and forms are signed with "sigv4", and the endpoint of the "client" wants "${scheme.name}".`,
  )
}

async function regionOf(config: object): Promise<string> {
  const provider: unknown = Reflect.get(config, 'region')
  const region: unknown = typeof provider === 'function' ? await provider() : provider
  if (typeof region === 'string') return region
  throw new ImproperlyConfigured('The "client" has no region: give it one.', { setting: 'client' })
}

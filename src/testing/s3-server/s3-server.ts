import { type Account, Accounts } from './accounts.ts'
import { cannedAcl } from './acl.ts'
import { type BlobStore, MemoryBlobs } from './blobs.ts'
import { Bucket, type BucketState, type ChangeListener } from './bucket.ts'
import type { ServerState } from './call.ts'
import { handle } from './core.ts'
import type { S3Fault } from './fault.ts'
import { Faults } from './faults.ts'
import { fromFetch, toFetch } from './fetch-front.ts'
import { HttpFront } from './http-front.ts'
import { Journal } from './journal.ts'
import type { S3Request, S3Response } from './message.ts'
import { checkOptions, type S3ServerOptions } from './options.ts'
import { profileNamed } from './profile.ts'

/** How many requests the log keeps. */
const LOG_SIZE = 10_000

/** One request that was answered. */
export interface LoggedRequest {
  method: string
  /** The path as it came, with its query. */
  path: string
  status: number
}

/**
 * A strict S3 server for tests, in the tests' own process: it verifies signatures, conditions,
 * checksums, access rights and limits as S3 does, so that a client that passes here passes there.
 * It listens on 127.0.0.1 only.
 */
export class S3Server {
  readonly endpoint: string
  readonly accessKey: string
  readonly secretKey: string
  readonly #state: ServerState
  readonly #http: HttpFront
  readonly #desk: FrontDesk

  #folder: { close(): void } | undefined

  private constructor(
    endpoint: string,
    state: ServerState,
    http: HttpFront,
    desk: FrontDesk,
    folder: { close(): void } | undefined,
  ) {
    this.endpoint = endpoint
    this.accessKey = state.accounts.owner.accessKey
    this.secretKey = state.accounts.owner.secretKey
    this.#state = state
    this.#http = http
    this.#desk = desk
    this.#folder = folder
  }

  /**
   * Starts a server.
   * @throws TypeError for an option that is unknown or of a wrong type
   */
  static async start(options: S3ServerOptions = {}): Promise<S3Server> {
    checkOptions(options)
    const folder = options.dataDir === undefined ? undefined : inFolder(options.dataDir)
    const state = createState(options, folder ?? inMemory())
    const desk = new FrontDesk(state)
    const http = new HttpFront(desk)
    try {
      const port = await http.listen(options.port ?? 0)
      return new S3Server(`http://127.0.0.1:${port}`, state, http, desk, folder)
    } catch (error) {
      folder?.close()
      throw error
    }
  }

  /** What was asked and answered, oldest first: the last 10,000. */
  get requests(): readonly LoggedRequest[] {
    return this.#desk.log
  }

  /** How many connections were opened so far. */
  get connections(): number {
    return this.#http.connections
  }

  /** How many multipart uploads are neither completed nor aborted, in all buckets or in one. */
  openUploads(bucket?: string): number {
    let count = 0
    for (const { name, uploads } of this.#state.buckets.values()) {
      if (bucket === undefined || bucket === name) count += uploads.size
    }
    return count
  }

  /** Answers a request without a socket; the host may be any that names the bucket. */
  async fetch(request: Request): Promise<Response> {
    return toFetch(request, await this.#desk.handle(await fromFetch(request)))
  }

  /**
   * Lets the next requests that match go wrong, once or `times` times. Faults wait in the order in
   * which they were added; the first that matches is taken.
   */
  failNext(fault: S3Fault): void {
    this.#desk.faults.add(fault)
  }

  /** Ends all connections and the server. */
  async close(): Promise<void> {
    this.#desk.faults.close()
    await this.#http.close()
    await this.#state.blobs.close()
    this.#folder?.close()
    this.#folder = undefined
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

/** Passes requests to the core, unless they are to go wrong, and keeps what became of them. */
class FrontDesk {
  readonly log: LoggedRequest[] = []
  readonly faults: Faults = new Faults()
  readonly #state: ServerState

  constructor(state: ServerState) {
    this.#state = state
  }

  async handle(request: S3Request): Promise<S3Response> {
    const fault = this.faults.take(request)
    const response = await (fault === undefined
      ? handle(this.#state, request)
      : this.faults.apply(this.#state, request, fault))
    const path = request.search === '' ? request.path : `${request.path}?${request.search}`
    this.log.push({ method: request.method, path, status: response.status })
    if (this.log.length > LOG_SIZE) this.log.shift()
    return response
  }
}

/** Where buckets and objects are: in memory, or in a folder that outlives the server. */
interface Keeping {
  readonly buckets: Map<string, Bucket>
  readonly blobs: BlobStore
  readonly listener: ChangeListener
}

const NO_LISTENER: ChangeListener = {
  bucketChanged() {},
  bucketDeleted() {},
  objectStored() {},
  objectDeleted() {},
}

function inMemory(): Keeping {
  return { buckets: new Map(), blobs: new MemoryBlobs(), listener: NO_LISTENER }
}

function inFolder(folder: string): Keeping & { close(): void } {
  const journal = new Journal(folder)
  const { buckets, blobs } = journal
  return { buckets, blobs, listener: journal, close: () => journal.close() }
}

function createState(options: S3ServerOptions, { buckets, blobs, listener }: Keeping): ServerState {
  const profile = profileNamed(options.profile ?? 'aws')
  const owner: Account = {
    accessKey: options.accessKey ?? 'AKIATESTACCESSKEY000',
    secretKey: options.secretKey ?? 'testSecretKey/0123456789+abcdefghijklmnop',
    id: options.id ?? 'test',
    email: options.email,
  }
  const ownership = options.objectOwnership ?? 'ObjectWriter'
  const now = options.now ?? ((): Date => new Date())
  for (const name of options.buckets ?? []) {
    if (buckets.has(name)) continue
    const bucket = newBucket({ name, owner: owner.id, created: now(), ownership }, listener)
    buckets.set(name, bucket)
    listener.bucketChanged(bucket.state)
  }
  return {
    accounts: new Accounts(owner, options.accounts ?? []),
    profile,
    region: options.region ?? profile.region,
    ownership,
    buckets,
    blobs,
    listener,
    now,
  }
}

function newBucket(
  about: Pick<BucketState, 'name' | 'owner' | 'created' | 'ownership'>,
  listener: ChangeListener,
): Bucket {
  const acl = cannedAcl('private', { owner: about.owner, bucketOwner: about.owner }) ?? []
  return new Bucket({ ...about, acl, cors: undefined }, listener)
}

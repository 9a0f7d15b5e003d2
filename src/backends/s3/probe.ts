import type { CredentialSource } from './credentials.ts'
import { encodeKey } from './encoding.ts'
import { parseErrorDocument } from './list-xml.ts'
import { readBounded } from './native/body.ts'
import type { Transport, TransportRequest, TransportResponse } from './native/transport.ts'
import { sha256Hex } from './platform/hashes.ts'
import type { ProviderProfile } from './profiles.ts'
import { SigV4Signer } from './sigv4.ts'
import type { S3Address } from './url.ts'

/** What a probe needs to know of an S3 storage. */
export interface ProbeSetup {
  readonly bucketName: string
  /** In front of every name: of the option `location`, with its final `/`. */
  readonly prefix: string
  readonly profile: ProviderProfile
  readonly defaultAcl: string | null | undefined
  readonly credentials: CredentialSource
  readonly transport: Transport
  /** @param region that the service named, where it is another than the settings say */
  locate(
    region: string | undefined,
  ): Promise<{ readonly address: S3Address; readonly region: string }>
}

export interface ProbeRequest {
  readonly method: TransportRequest['method']
  /** Absent: the bucket. */
  readonly key?: string | undefined
  /** Encoded, in the order of the signature. */
  readonly query?: string | undefined
  readonly headers?: Readonly<Record<string, string>> | undefined
  readonly body?: string | Uint8Array | undefined
  /** Default true. */
  readonly signed?: boolean | undefined
  readonly signal?: AbortSignal | undefined
}

/** What came back, whatever its status. */
export interface ProbeAnswer {
  readonly status: number
  /** Of an error document; empty where there was none. */
  readonly code: string
  readonly message: string
  readonly text: string
  /** Region of the bucket, where the service named it. */
  readonly region: string | undefined
  /** The service's clock, in milliseconds since 1970. */
  readonly date: number | undefined
  readonly etag: string | undefined
}

/** Largest answer that is read. */
const maxAnswer = 1024 * 1024

/**
 * Asks an S3 service single questions and gives the answers as they are: no retries, no
 * corrections of clock and region but those that {@link correct} is told. For the doctor, who has
 * to see what the engine makes good.
 */
export class S3Probe {
  readonly setup: ProbeSetup
  readonly #now: () => number
  #clockOffset = 0
  #region: string | undefined

  /** @param now milliseconds since 1970 */
  constructor(setup: ProbeSetup, now: () => number = Date.now) {
    this.setup = setup
    this.#now = now
  }

  /** This machine's clock, in milliseconds since 1970. */
  now(): number {
    return this.#now()
  }

  /** Where requests go, and the region they are signed for. */
  async location(): Promise<{ readonly address: S3Address; readonly region: string }> {
    return await this.setup.locate(this.#region)
  }

  /** Signs by another clock or for another region from now on. */
  correct(by: { readonly clockOffset?: number; readonly region?: string }): void {
    this.#clockOffset = by.clockOffset ?? this.#clockOffset
    this.#region = by.region ?? this.#region
  }

  /**
   * @throws UnavailableError when no answer comes, ImproperlyConfigured when settings or keys are
   *   missing
   */
  async ask(request: ProbeRequest): Promise<ProbeAnswer> {
    const { address, region } = await this.location()
    const { method, key, query = '', signal } = request
    const { origin, host, prefix } = address
    const path = key === undefined ? prefix || '/' : `${prefix}/${encodeKey(key)}`
    const body = typeof request.body === 'string' ? encoder.encode(request.body) : request.body
    const headers = Object.entries(request.headers ?? {}).flat()
    if (request.signed !== false) {
      const signer = new SigV4Signer(await this.setup.credentials.get(), region)
      const payload = sha256Hex(body ?? '')
      signer.signHeaders({ method, host, path, query, headers, payload }, this.#serviceTime())
    }
    const response = await this.setup.transport.request({
      method,
      origin,
      path: query === '' ? path : `${path}?${query}`,
      headers,
      body,
      signal,
    })
    return await answerOf(response)
  }

  #serviceTime(): Date {
    return new Date(this.#now() + this.#clockOffset)
  }
}

const encoder = new TextEncoder()

async function answerOf(response: TransportResponse): Promise<ProbeAnswer> {
  const text = await readBounded(response.body, maxAnswer)
  const document = parseErrorDocument(text)
  const date = Date.parse(response.header('date') ?? '')
  return {
    status: response.status,
    code: document?.code ?? '',
    message: document?.message ?? '',
    text,
    region: response.header('x-amz-bucket-region') ?? document?.region,
    date: Number.isNaN(date) ? undefined : date,
    etag: response.header('etag'),
  }
}

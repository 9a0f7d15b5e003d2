import type { ReadBody } from '../../../core/backend.ts'
import { type ErrorContext, UnavailableError } from '../../../core/errors.ts'

/** A body that is read while it is sent. */
export interface StreamBody {
  /** Bytes; what is sent is exactly that much. */
  readonly size: number
  /** Called once per attempt. */
  chunks(): AsyncIterable<Uint8Array>
  /** Whether {@link chunks} can be called again and gives the same bytes. */
  readonly replayable: boolean
}

/** A request as it goes on the wire: signed, encoded, complete. */
export interface TransportRequest {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE'
  /** `scheme://host[:port]` */
  readonly origin: string
  /** With the query. */
  readonly path: string
  /** Name, value, name, value; names in lower case, `host` not among them. */
  readonly headers: readonly string[]
  readonly body: Uint8Array | StreamBody | undefined
  readonly signal: AbortSignal | undefined
}

/** Bytes that go out with a request. */
export function sizeOf(body: TransportRequest['body']): number {
  if (body === undefined) return 0
  return body instanceof Uint8Array ? body.byteLength : body.size
}

export interface TransportResponse {
  readonly status: number
  /** Value of a header by its lower-case name. */
  header(name: string): string | undefined
  /** All headers whose names start so, without that start. */
  headersWith(prefix: string): Record<string, string>
  readonly body: ReadBody
}

/** What became of a request that got no answer, or only the beginning of one. */
export interface ConnectionState {
  /** Whether the request may have reached the service, and may have been carried out. */
  readonly sent: boolean
  /** Whether it went over a connection that had been idle: the service may have closed that. */
  readonly reused: boolean
}

/** No answer came, or it ended too early. */
export class ConnectionError extends UnavailableError {
  readonly connection: ConnectionState

  constructor(message: string, context: ErrorContext & { readonly connection: ConnectionState }) {
    super(message, context)
    this.connection = context.connection
  }
}

/**
 * Carries requests. undici's on Node; operations, signer and XML know no more than this, so that
 * a `fetch` transport can stand here elsewhere.
 */
export interface Transport {
  /**
   * Resolves when the headers are there, whatever the status.
   *
   * @throws ConnectionError when no answer came; `signal.reason` after an abort
   */
  request(request: TransportRequest): Promise<TransportResponse>
  /** Ends idle connections. Requests in flight are finished. */
  close(): Promise<void>
}

import type { ReadBody } from '../../../core/backend.ts'

/** A request as it goes on the wire: signed, encoded, complete. */
export interface TransportRequest {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE'
  /** `scheme://host[:port]` */
  readonly origin: string
  /** With the query. */
  readonly path: string
  /** Name, value, name, value; names in lower case, `host` not among them. */
  readonly headers: readonly string[]
  readonly body: Uint8Array | undefined
  readonly signal: AbortSignal | undefined
}

export interface TransportResponse {
  readonly status: number
  /** Value of a header by its lower-case name. */
  header(name: string): string | undefined
  /** All headers whose names start so, without that start. */
  headersWith(prefix: string): Record<string, string>
  readonly body: ReadBody
}

/**
 * Carries requests. undici's on Node; operations, signer and XML know no more than this, so that
 * a `fetch` transport can stand here elsewhere.
 */
export interface Transport {
  /**
   * Resolves when the headers are there, whatever the status.
   *
   * @throws UnavailableError when no answer came; `signal.reason` after an abort
   */
  request(request: TransportRequest): Promise<TransportResponse>
  /** Ends idle connections. Requests in flight are finished. */
  close(): Promise<void>
}

/**
 * The request and response that the server's core works on, so that a socket and `fetch(request)`
 * share everything but their first and last step.
 */

/** Lower-case names; values hold one character per byte, as they came over the wire. */
export type HeaderMap = Map<string, string>

/** One request, before anything in it was believed. */
export interface S3Request {
  readonly method: string
  /** As it came, still percent-encoded, without the query. */
  readonly path: string
  /** As it came, without the `?`. */
  readonly search: string
  readonly headers: HeaderMap
  /** Read at most once; an error in it means that the client went away. */
  readonly body: AsyncIterable<Uint8Array>
}

/** What is streamed to the client. `close` is called once, read or not. */
export interface BodyStream {
  readonly size: number
  stream(): AsyncIterable<Uint8Array>
  close(): void
}

/** One answer. A HEAD keeps the headers of its GET and has no body. */
export interface S3Response {
  readonly status: number
  readonly headers: Record<string, string>
  readonly body?: Uint8Array | BodyStream | undefined
  /** What goes wrong on the way to the client: an injected fault. */
  readonly accident?: Accident | undefined
}

/** The connection is reset, never answered, or cut after some bytes of the body. */
export type Accident = 'reset' | 'stall' | { readonly truncate: number }

/** The first `count` bytes of an answer's body. */
export async function* cutBody(
  body: S3Response['body'],
  count: number,
): AsyncGenerator<Uint8Array> {
  let left = count
  const chunks = body instanceof Uint8Array ? [body] : (body?.stream() ?? [])
  for await (const chunk of chunks) {
    if (left > 0) yield chunk.subarray(0, left)
    left -= chunk.byteLength
    if (left <= 0) return
  }
}

/** The size of an answer's body in bytes. */
export function bodySize(body: S3Response['body']): number {
  if (body === undefined) return 0
  return body instanceof Uint8Array ? body.byteLength : body.size
}

/** Ends whatever the answer's body holds open. */
export function closeBody(body: S3Response['body']): void {
  if (body !== undefined && !(body instanceof Uint8Array)) body.close()
}

import { IntegrityError } from '../../../core/errors.ts'
import { decodeMetadata } from '../encoding.ts'
import type { ObjectHead } from '../engine.ts'
import type { TransportResponse } from './transport.ts'

/** What the headers of a GET or HEAD say of an object of `size` bytes. */
export function objectHead(response: TransportResponse, size: number): ObjectHead {
  const modifiedTime = new Date(response.header('last-modified') ?? '')
  if (!Number.isSafeInteger(size) || Number.isNaN(modifiedTime.getTime()))
    throw senseless(response, 'The service answered without the size or the time of the object.')
  return {
    size,
    modifiedTime,
    etag: unquote(response.header('etag')),
    contentType: response.header('content-type'),
    contentEncoding: response.header('content-encoding'),
    cacheControl: response.header('cache-control'),
    contentDisposition: response.header('content-disposition'),
    metadata: metadataOf(response),
  }
}

/** ETags are kept without the quotes of their header form. */
function unquote(etag: string | undefined): string | undefined {
  const quoted = etag !== undefined && etag.length > 1 && etag.startsWith('"') && etag.endsWith('"')
  return quoted ? etag.slice(1, -1) : etag
}

/**
 * The range that a 206 delivers, half-open, and the size of the whole.
 *
 * @throws IntegrityError when the header is missing or makes no sense
 */
export function contentRange(response: TransportResponse): {
  start: number
  end: number
  size: number
} {
  const header = response.header('content-range') ?? ''
  const match = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(header)
  const [start, end, size] = [Number(match?.[1]), Number(match?.[2]) + 1, Number(match?.[3])]
  if (start < end && end <= size) return { start, end, size }
  throw senseless(response, 'The service sent a part of the object without saying which.')
}

/** Length of the body as the service gives it, else infinite. */
export function lengthOf(response: TransportResponse): number {
  return Number(response.header('content-length') ?? Number.POSITIVE_INFINITY)
}

/** Nobody will read the body of such an answer: it must not keep its connection. */
function senseless(response: TransportResponse, message: string): IntegrityError {
  response.body.cancel()
  return new IntegrityError(message)
}

function metadataOf(response: TransportResponse): Record<string, string> {
  const metadata = response.headersWith('x-amz-meta-')
  for (const name in metadata) metadata[name] = decodeMetadata(metadata[name] ?? '')
  return metadata
}

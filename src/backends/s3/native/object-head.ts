import { IntegrityError } from '../../../core/errors.ts'
import { decodeMetadata } from '../encoding.ts'
import type { ObjectHead } from '../engine.ts'
import type { TransportResponse } from './transport.ts'

/** What the headers of a GET or HEAD say of an object of `size` bytes. */
export function objectHead(response: TransportResponse, size: number): ObjectHead {
  const modified = response.header('last-modified')
  if (!Number.isSafeInteger(size) || modified === undefined) {
    throw new IntegrityError('The service answered without the size or the time of the object.')
  }
  return {
    size,
    modifiedTime: new Date(modified),
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
  if (match === null)
    throw new IntegrityError('The service sent a part of the object without saying which.')
  return { start: Number(match[1]), end: Number(match[2]) + 1, size: Number(match[3]) }
}

function metadataOf(response: TransportResponse): Record<string, string> {
  const metadata = response.headersWith('x-amz-meta-')
  for (const name in metadata) metadata[name] = decodeMetadata(metadata[name] ?? '')
  return metadata
}

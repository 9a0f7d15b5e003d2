import { IntegrityError } from '../../../core/errors.ts'
import { decodeMetadata } from '../encoding.ts'
import type { GetOptions, ObjectHead } from '../engine.ts'
import type { SdkOutput } from './sdk-client.ts'

/** What the output of GetObject or HeadObject says of an object of `size` bytes. */
export function outputHead(output: SdkOutput, size: number | undefined): ObjectHead {
  const { LastModified: modifiedTime, Metadata = {} } = output
  if (!Number.isSafeInteger(size) || size === undefined || !isTime(modifiedTime))
    throw new IntegrityError('The service answered without the size or the time of the object.')
  return {
    size,
    modifiedTime,
    etag: unquoted(output.ETag),
    contentType: output.ContentType,
    contentEncoding: output.ContentEncoding || undefined,
    cacheControl: output.CacheControl,
    contentDisposition: output.ContentDisposition,
    metadata: metadataOf(Metadata),
  }
}

/** The part of an object that an answer delivers, half-open, and the size of the whole. */
export interface DeliveredRange {
  readonly start: number
  readonly end: number
  readonly size: number
}

/**
 * The range that an answer delivers: the one that was asked for, or the whole object of a service
 * that ignores ranges.
 *
 * @throws IntegrityError when it is another one, or the answer does not say which
 */
export function deliveredRange(output: SdkOutput, asked: GetOptions['range']): DeliveredRange {
  const { ContentRange, ContentLength: length } = output
  if (ContentRange === undefined) {
    if (!Number.isSafeInteger(length) || length === undefined)
      throw new IntegrityError('The service answered without the size of the object.')
    return { start: 0, end: length, size: length }
  }
  const match = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(ContentRange)
  const [start, end, size] = [Number(match?.[1]), Number(match?.[2]) + 1, Number(match?.[3])]
  if (!(start < end && end <= size))
    throw new IntegrityError('The service sent a part of the object without saying which.')
  if (start !== asked?.start || end > (asked.end ?? size))
    throw new IntegrityError('The service sent another part of the object than was asked for.')
  return { start, end, size }
}

/** ETags are kept without the quotes of their header form. */
export function unquoted(etag: string | undefined): string | undefined {
  const quoted = etag !== undefined && etag.length > 1 && etag.startsWith('"') && etag.endsWith('"')
  return quoted ? etag.slice(1, -1) : etag
}

export function isTime(time: unknown): time is Date {
  return time instanceof Date && !Number.isNaN(time.getTime())
}

function metadataOf(metadata: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(metadata).map(([name, value]) => [
      name.toLowerCase(),
      decodeMetadata(fromLatin1(value)),
    ]),
  )
}

/** Node gives headers one character per byte; what services put into them is UTF-8. */
function fromLatin1(text: string): string {
  if (!/[\u0080-\u00ff]/.test(text) || /[^\u0000-\u00ff]/.test(text)) return text
  try {
    return decoder.decode(Uint8Array.from(text, character => character.charCodeAt(0)))
  } catch {
    return text
  }
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

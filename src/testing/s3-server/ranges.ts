import { S3Error } from './errors.ts'

/** Bytes `start` to `end`, the end not included. */
export interface ByteRange {
  readonly start: number
  readonly end: number
}

/**
 * Reads a Range header. What is no single range of bytes is ignored, as RFC 9110 (section 14.2)
 * wants it and S3 does.
 * @returns undefined for the whole object
 * @throws S3Error InvalidRange where no byte is in the range, so always for an empty object
 */
export function parseRange(header: string | undefined, size: number): ByteRange | undefined {
  const match = /^bytes=(?:(\d+)-(\d*)|-(\d+))$/.exec(header?.trim() ?? '')
  if (match === null || header === undefined) return undefined
  const [, first, last, suffix] = match
  const start = first === undefined ? Math.max(size - Number(suffix), 0) : Number(first)
  const end = last ? Math.min(Number(last) + 1, size) : size
  if (last && Number(last) < start) return undefined
  if (start < size && suffix !== '0') return { start, end }
  throw new S3Error('InvalidRange', undefined, {
    elements: { RangeRequested: header, ActualObjectSize: String(size) },
  })
}

/**
 * Reads `x-amz-copy-source-range`, which knows one form only and must lie inside the source.
 * @throws S3Error InvalidArgument
 */
export function parseCopyRange(header: string, size: number): ByteRange {
  const match = /^bytes=(\d+)-(\d+)$/.exec(header)
  const start = Number(match?.[1])
  const end = Number(match?.[2]) + 1
  if (match === null || start >= end) {
    throw new S3Error(
      'InvalidArgument',
      'The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy',
      { elements: { ArgumentName: 'x-amz-copy-source-range', ArgumentValue: header } },
    )
  }
  if (end <= size) return { start, end }
  throw new S3Error(
    'InvalidArgument',
    `Range specified is not valid for source object of size: ${size}`,
    { elements: { ArgumentName: 'x-amz-copy-source-range', ArgumentValue: header } },
  )
}

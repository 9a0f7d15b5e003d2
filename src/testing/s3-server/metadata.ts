import { S3Error } from './errors.ts'
import type { HeaderMap } from './message.ts'

const PREFIX = 'x-amz-meta-'
/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html#UserMetadata */
const MAX_METADATA = 2048
const ENCODED_WORD = /=\?utf-8\?([bq])\?([^?\s]*)\?=/gi

/**
 * The user metadata of a write. As S3's guide shows, header bytes are read as ISO 8859-1 and encoded
 * words (RFC 2047) are decoded before a value is stored.
 * @throws S3Error MetadataTooLarge above 2 KB of names and values
 */
export function metadataFromHeaders(headers: HeaderMap): Record<string, string> {
  const metadata: [name: string, value: string][] = []
  let size = 0
  for (const [header, value] of headers) {
    if (!header.startsWith(PREFIX)) continue
    const name = header.slice(PREFIX.length)
    metadata.push([name, decodeWords(value)])
    size += name.length + Buffer.byteLength(value, 'latin1')
  }
  if (size <= MAX_METADATA) return Object.fromEntries(metadata)
  throw new S3Error('MetadataTooLarge', undefined, {
    elements: { Size: String(size), MaxSizeAllowed: String(MAX_METADATA) },
  })
}

/** The headers that tell user metadata; what is not ASCII becomes an encoded word again. */
export function metadataHeaders(
  metadata: Readonly<Record<string, string>>,
): Record<string, string> {
  const headers: Record<string, string> = {}
  for (const [name, value] of Object.entries(metadata)) headers[PREFIX + name] = encodeWord(value)
  return headers
}

function decodeWords(value: string): string {
  if (!value.includes('=?')) return value
  const joined = value.replace(/\?=\s+=\?/g, '?==?')
  return joined.replace(ENCODED_WORD, (_, kind: string, text: string) =>
    kind.toLowerCase() === 'b' ? Buffer.from(text, 'base64').toString('utf8') : decodeQ(text),
  )
}

function decodeQ(text: string): string {
  const bytes = text
    .replaceAll('_', ' ')
    .replace(/=([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
  return Buffer.from(bytes, 'latin1').toString('utf8')
}

function encodeWord(value: string): string {
  if (!/[^\t\u0020-\u007e]/.test(value)) return value
  return `=?UTF-8?B?${Buffer.from(value).toString('base64')}?=`
}

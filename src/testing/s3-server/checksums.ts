import { createHash } from 'node:crypto'
import { combineCrc, createCrc, isCrc } from './crc.ts'
import { S3Error } from './errors.ts'
import type { HeaderMap } from './message.ts'

/** The checksums of https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html */
const SIZES = { crc32: 4, crc32c: 4, crc64nvme: 8, sha1: 20, sha256: 32 } as const

/** A checksum's algorithm, as its header spells it. */
export type ChecksumName = keyof typeof SIZES

/** Whether the value is of the whole content, or of the checksums of its parts. */
export type ChecksumType = 'FULL_OBJECT' | 'COMPOSITE'

/** A checksum as it is stored and returned. */
export interface Checksum {
  readonly name: ChecksumName
  /** Base64; a composite one ends with `-` and the number of parts. */
  readonly value: string
  readonly type: ChecksumType
}

/** Something that takes bytes and gives their hash. */
export interface RunningChecksum {
  update(bytes: Uint8Array): void
  digest(): Uint8Array
}

const PREFIX = 'x-amz-checksum-'
const HEADERS = (Object.keys(SIZES) as ChecksumName[]).map(
  name => [`${PREFIX}${name}`, name] as const,
)

/** The header of a checksum. */
export function checksumHeader(name: ChecksumName): string {
  return `${PREFIX}${name}`
}

/** The element of a checksum in XML. */
export function checksumElement(name: ChecksumName): string {
  return `Checksum${name.toUpperCase()}`
}

/** Reads `CRC32`, `sha256` and the like. */
export function parseAlgorithm(text: string): ChecksumName {
  const name = text.toLowerCase()
  if (isChecksumName(name)) return name
  throw new S3Error(
    'InvalidRequest',
    'Checksum algorithm provided is unsupported. Please try again with any of the valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]',
  )
}

/** A new running checksum. */
export function createChecksum(name: ChecksumName): RunningChecksum {
  return isCrc(name) ? createCrc(name) : createHash(name)
}

/** The checksum that comes with the body, in a header or announced for its trailer. */
export interface ExpectedChecksum {
  readonly name: ChecksumName
  /** Undefined: it follows in the trailer. */
  readonly value: string | undefined
}

/**
 * Which checksum the request brings along. `x-amz-sdk-checksum-algorithm` only announces one.
 * @throws S3Error InvalidRequest for several, for a value that is none, and for one that is missing
 */
export function expectedChecksum(headers: HeaderMap): ExpectedChecksum | undefined {
  const sent: ExpectedChecksum[] = []
  for (const [header, name] of HEADERS) {
    const value = headers.get(header)
    if (value !== undefined) sent.push({ name, value: checkValue(name, value) })
  }
  const trailer = headers.get('x-amz-trailer')
  if (trailer !== undefined) sent.push({ name: trailerName(trailer), value: undefined })
  if (sent.length > 1) {
    throw new S3Error(
      'InvalidRequest',
      'Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.',
    )
  }
  checkAnnounced(headers.get('x-amz-sdk-checksum-algorithm'), sent[0])
  return sent[0]
}

/** The value that a trailer brought, checked for its form. */
export function checkValue(name: ChecksumName, value: string): string {
  const bytes = Buffer.from(value, 'base64')
  if (bytes.byteLength === SIZES[name] && bytes.toString('base64') === value) return value
  throw new S3Error('InvalidRequest', `Value for ${PREFIX}${name} header is invalid.`)
}

/** The error for content that is not what its checksum says. */
export function checksumMismatch(name: ChecksumName): S3Error {
  return new S3Error(
    'BadDigest',
    `The ${name.toUpperCase()} you specified did not match the calculated checksum.`,
  )
}

/** The headers that tell a checksum. */
export function checksumHeaders(checksum: Checksum | undefined): Record<string, string> {
  if (checksum === undefined) return {}
  return { [checksumHeader(checksum.name)]: checksum.value, 'x-amz-checksum-type': checksum.type }
}

/**
 * How the checksum of a multipart upload is made, as its start asked for it.
 * @param fullObject those that the server can make for the object as a whole
 */
export function multipartType(
  name: ChecksumName,
  asked: string | undefined,
  fullObject: readonly ChecksumName[],
): ChecksumType {
  const usual = name === 'crc64nvme' ? 'FULL_OBJECT' : 'COMPOSITE'
  if (asked === undefined) return usual
  const type = asked.toUpperCase()
  const possible = fullObject.includes(name)
    ? type === 'FULL_OBJECT' || type === usual
    : type === usual
  if (possible && (type === 'FULL_OBJECT' || type === 'COMPOSITE')) return type
  throw new S3Error(
    'InvalidRequest',
    `The ${asked} checksum type cannot be used with the ${name} checksum algorithm.`,
  )
}

/** The checksum of a completed upload from those of its parts. */
export function multipartChecksum(
  name: ChecksumName,
  type: ChecksumType,
  parts: readonly { readonly checksum: string; readonly size: number }[],
): Checksum {
  if (type === 'FULL_OBJECT') return { name, type, value: fullObject(name, parts) }
  const hash = createChecksum(name)
  for (const part of parts) hash.update(Buffer.from(part.checksum, 'base64'))
  return { name, type, value: `${Buffer.from(hash.digest()).toString('base64')}-${parts.length}` }
}

function fullObject(
  name: ChecksumName,
  parts: readonly { readonly checksum: string; readonly size: number }[],
): string {
  if (!isCrc(name)) throw new S3Error('InvalidRequest')
  let whole = createCrc(name).digest()
  for (const part of parts) {
    whole = combineCrc(name, whole, Buffer.from(part.checksum, 'base64'), part.size)
  }
  return whole.toString('base64')
}

function isChecksumName(name: string): name is ChecksumName {
  return Object.hasOwn(SIZES, name)
}

function trailerName(trailer: string): ChecksumName {
  const name = trailer.trim().toLowerCase().replace(PREFIX, '')
  if (isChecksumName(name)) return name
  throw new S3Error(
    'InvalidRequest',
    'The value specified in the x-amz-trailer header is not supported',
  )
}

function checkAnnounced(announced: string | undefined, sent: ExpectedChecksum | undefined): void {
  if (announced === undefined) return
  const name = parseAlgorithm(announced)
  if (sent === undefined) {
    throw new S3Error(
      'InvalidRequest',
      'x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers were found.',
    )
  }
  if (sent.name !== name) {
    throw new S3Error('InvalidRequest', 'Value for x-amz-sdk-checksum-algorithm header is invalid.')
  }
}

import { crc32, RunningHash, sha256Base64 } from '../platform/hashes.ts'
import type { ChecksumAlgorithm, ProviderProfile } from '../profiles.ts'

/** Algorithms that this client computes. */
export type OwnAlgorithm = Extract<ChecksumAlgorithm, 'crc32' | 'sha256'>

/** Which checksums go with an upload, and whether the service gives them back. */
export interface ChecksumPlan {
  /** Of PutObject; `undefined`: none is sent. */
  readonly put: OwnAlgorithm | undefined
  /** Of an upload in parts; `undefined`: none is sent. */
  readonly parts: OwnAlgorithm | undefined
  /**
   * Of a copy in parts, of which the service tells the checksum; `undefined`: none is asked for. A
   * composite one has to be given back when the parts are put together, and not every service tells it.
   */
  readonly copies: OwnAlgorithm | undefined
  /** Whether the checksum of the parts is that of the whole object, too. */
  readonly fullObject: boolean
  /** Whether reads ask for the checksum. */
  readonly returned: boolean
}

/**
 * What to do for a service: `asked` wherever it is named, else CRC-32 where the profile says that
 * it is verified.
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html
 */
export function checksumPlan(
  profile: ProviderProfile,
  asked: OwnAlgorithm | null | undefined,
): ChecksumPlan {
  const { put, composite, fullObject, returned } = profile.checksums
  if (asked === null) return { ...none, returned }
  if (asked !== undefined) {
    const whole = fullObject.includes(asked)
    return { put: asked, parts: asked, copies: asked, fullObject: whole, returned: true }
  }
  const whole = fullObject.includes('crc32')
  return {
    put: put.includes('crc32') ? 'crc32' : undefined,
    parts: whole || composite.includes('crc32') ? 'crc32' : undefined,
    copies: whole ? 'crc32' : undefined,
    fullObject: whole,
    returned,
  }
}

const none = { put: undefined, parts: undefined, copies: undefined, fullObject: false }

/** The checksum in base64, as its header has it. */
export function checksumOf(algorithm: OwnAlgorithm, bytes: Uint8Array): string {
  return algorithm === 'crc32' ? crc32Base64(crc32(bytes)) : sha256Base64(bytes)
}

/** A CRC-32 as four bytes, the highest first, in base64. */
export function crc32Base64(crc: number): string {
  const bytes = [crc >>> 24, (crc >>> 16) & 0xff, (crc >>> 8) & 0xff, crc & 0xff]
  return btoa(String.fromCharCode(...bytes))
}

/** The CRC-32 that its header says; `undefined` where it is none of a whole object. */
export function parseCrc32(text: string | undefined): number | undefined {
  if (text === undefined || !/^[A-Za-z0-9+/]{6}==$/.test(text)) return undefined
  const [a = 0, b = 0, c = 0, d = 0] = Array.from(atob(text), char => char.charCodeAt(0))
  return ((a << 24) | (b << 16) | (c << 8) | d) >>> 0
}

/** The checksum of a whole body that a service gave with it. */
export interface BodyChecksum {
  /** Whether the bytes have it. */
  isOf(bytes: Uint8Array): boolean
  /** For bytes that come one after the other. */
  begin(): RunningChecksum
}

export interface RunningChecksum {
  update(bytes: Uint8Array): void
  /** Once, at the end: whether the bytes had it. */
  matches(): boolean
}

/** What the headers of an answer say of its whole body; those of single parts say nothing of it. */
export function bodyChecksum(
  header: (name: string) => string | undefined,
): BodyChecksum | undefined {
  const crc = parseCrc32(header('x-amz-checksum-crc32'))
  if (crc !== undefined) return new Crc32Checksum(crc)
  const sha256 = header('x-amz-checksum-sha256')
  return sha256 !== undefined && /^[A-Za-z0-9+/]{43}=$/.test(sha256)
    ? new Sha256Checksum(sha256)
    : undefined
}

class Crc32Checksum implements BodyChecksum {
  readonly #expected: number

  constructor(expected: number) {
    this.#expected = expected
  }

  isOf(bytes: Uint8Array): boolean {
    return crc32(bytes) === this.#expected
  }

  begin(): RunningChecksum {
    const expected = this.#expected
    let sum = 0
    return {
      update(bytes) {
        sum = crc32(bytes, sum)
      },
      matches: () => sum === expected,
    }
  }
}

class Sha256Checksum implements BodyChecksum {
  readonly #expected: string

  constructor(expected: string) {
    this.#expected = expected
  }

  isOf(bytes: Uint8Array): boolean {
    return sha256Base64(bytes) === this.#expected
  }

  begin(): RunningChecksum {
    const expected = this.#expected
    const hash = new RunningHash('sha256')
    return {
      update: bytes => hash.update(bytes),
      matches: () => hash.digest('base64') === expected,
    }
  }
}

/** CRC-32 of two texts one after the other, out of their own and the length of the second. */
export function combineCrc32(first: number, second: number, secondLength: number): number {
  return (multiply(powerOfX(secondLength), first) ^ second) >>> 0
}

/** The CRC-32 polynomial with its bits in reverse order. */
const polynomial = 0xedb88320
/** The polynomial 1, in the same order. */
const one = 0x80000000

/** Product of two polynomials modulo the CRC's. */
function multiply(a: number, b: number): number {
  let product = 0
  let factor = b
  for (let bit = 31; bit >= 0; bit--) {
    if ((a >>> bit) & 1) product ^= factor
    factor = factor & 1 ? (factor >>> 1) ^ polynomial : factor >>> 1
  }
  return product >>> 0
}

/** x to the power of 8 × `bytes`: what that many bytes behind it do to a remainder. */
function powerOfX(bytes: number): number {
  let power = one
  // x⁸: bit 8 from the top.
  let square = one >>> 8
  for (let rest = bytes; rest > 0; rest = Math.floor(rest / 2)) {
    if (rest % 2 === 1) power = multiply(square, power)
    square = multiply(square, square)
  }
  return power
}

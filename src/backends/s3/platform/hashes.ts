import { createHash, createHmac, type Hash, hash } from 'node:crypto'
import { crc32 as zlibCrc32 } from 'node:zlib'

/** SHA-256 in lower-case hexadecimal. Text is hashed as UTF-8, here and below. */
export function sha256Hex(data: Uint8Array | string): string {
  return hash('sha256', data, 'hex')
}

/** SHA-256 in base64, as `x-amz-checksum-sha256` has it. */
export function sha256Base64(data: Uint8Array | string): string {
  return hash('sha256', data, 'base64')
}

/**
 * SHA-256 as a text of 32 characters, one per byte: a third of what a buffer costs, whose memory
 * has to be allocated outside of the heap.
 */
export function sha256Binary(data: Uint8Array | string): string {
  return hash('sha256', data, 'binary')
}

/** MD5 in base64, as `Content-MD5` has it (RFC 1864). */
export function md5Base64(data: Uint8Array | string): string {
  return hash('md5', data, 'base64')
}

/** HMAC-SHA-256 (RFC 2104) as bytes. */
export function hmacSha256(key: Uint8Array, data: string): Uint8Array {
  return createHmac('sha256', key).update(data).digest()
}

/** CRC-32 (the one of zlib and PNG), continued from `previous`. */
export function crc32(data: Uint8Array, previous = 0): number {
  return zlibCrc32(data, previous)
}

/** SHA-256 of bytes that come one piece after the other. */
export class Sha256 {
  readonly #hash: Hash = createHash('sha256')

  update(bytes: Uint8Array): void {
    this.#hash.update(bytes)
  }

  /** Ends the hash: a second call, or another `update`, throws. */
  hex(): string {
    return this.#hash.digest('hex')
  }
}

import { createHash, createHmac, type Hash, hash } from 'node:crypto'
import { crc32 as zlibCrc32 } from 'node:zlib'

/** SHA-256 in lower-case hexadecimal. Text is hashed as UTF-8, here and below. */
export function sha256Hex(data: Uint8Array | string): string {
  return hash('sha256', data, 'hex')
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

/** HMAC-SHA-1 in base64, of version 2 of the signature. */
export function hmacSha1Base64(key: string, data: string): string {
  return createHmac('sha1', key).update(data).digest('base64')
}

/** SHA-256 in base64, as `x-amz-checksum-sha256` has it. */
export function sha256Base64(data: Uint8Array): string {
  return hash('sha256', data, 'base64')
}

/** MD5 in lower-case hexadecimal: the entity tag of most objects that came with one request. */
export function md5Hex(data: Uint8Array): string {
  return hash('md5', data, 'hex')
}

/** CRC-32 of `data`, going on from the one of what stood before it. */
export function crc32(data: Uint8Array, before = 0): number {
  // zlib begins anew at an empty buffer without memory.
  return data.byteLength === 0 ? before : zlibCrc32(data, before)
}

/** A hash of bytes that come one after the other. */
export class RunningHash {
  readonly #hash: Hash

  constructor(algorithm: 'md5' | 'sha256') {
    this.#hash = createHash(algorithm)
  }

  update(data: Uint8Array): void {
    this.#hash.update(data)
  }

  /** Once, at the end. */
  digest(encoding: 'hex' | 'base64'): string {
    return this.#hash.digest(encoding)
  }
}

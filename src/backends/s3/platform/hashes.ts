import { createHmac, hash } from 'node:crypto'

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

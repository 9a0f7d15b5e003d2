import { createHmac, hash } from 'node:crypto'
import { crc32 as zlibCrc32 } from 'node:zlib'

/** SHA-256 in hexadecimal. */
export function sha256Hex(data: Uint8Array | string): string {
  return hash('sha256', data, 'hex')
}

/** SHA-256 as bytes. */
export function sha256(data: Uint8Array | string): Uint8Array {
  return hash('sha256', data, 'buffer')
}

/** MD5 in base64, as `Content-MD5` has it (RFC 1864). */
export function md5Base64(data: Uint8Array | string): string {
  return hash('md5', data, 'base64')
}

export function hmacSha256(key: Uint8Array | string, data: string): Uint8Array {
  return createHmac('sha256', key).update(data).digest()
}

/** CRC-32, continued from `previous`. */
export function crc32(data: Uint8Array, previous = 0): number {
  return zlibCrc32(data, previous)
}

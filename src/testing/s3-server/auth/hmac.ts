import { createHash, createHmac, timingSafeEqual } from 'node:crypto'

type Text = string | Uint8Array

/** HMAC-SHA256 of text whose characters are bytes. */
export function hmacSha256(key: Text, text: string): Buffer {
  return createHmac('sha256', key).update(text, 'latin1').digest()
}

/** HMAC-SHA1 in base64, what the older signature uses. */
export function hmacSha1(key: string, text: string): string {
  return createHmac('sha1', key).update(text, 'latin1').digest('base64')
}

/** SHA-256 in hexadecimal of text whose characters are bytes. */
export function sha256Hex(text: string): string {
  return createHash('sha256').update(text, 'latin1').digest('hex')
}

/** Compares two signatures in a time that tells nothing about where they differ. */
export function sameSignature(a: string, b: string): boolean {
  const left = Buffer.from(a)
  const right = Buffer.from(b)
  return left.byteLength === right.byteLength && timingSafeEqual(left, right)
}

/** Characters as UTF-8 bytes, one character each: the form in which headers and names are signed. */
export function asBytes(text: string): string {
  return /[^\u0000-\u007f]/.test(text) ? Buffer.from(text, 'utf8').toString('latin1') : text
}

import { createHash, type Hash, hash } from 'node:crypto'

/** MD5, as Django: it names contents and guards nothing. */
export function md5(bytes: Uint8Array | string): string {
  return hash('md5', bytes)
}

/** For contents that come in pieces. */
export function md5Hash(): Hash {
  return createHash('md5')
}

/** A hash for Subresource Integrity: `sha384-…` (W3C SRI, section 3.1). */
export function integrityOf(bytes: Uint8Array): string {
  return `sha384-${createHash('sha384').update(bytes).digest('base64')}`
}

import type { Hash } from 'node:crypto'

/** MD5, as Django: it names contents and guards nothing. */
export function md5(bytes: Uint8Array | string): string {
  return crypto().hash('md5', bytes)
}

/** For contents that come in pieces. */
export function md5Hash(): Hash {
  return crypto().createHash('md5')
}

/** A hash for Subresource Integrity: `sha384-…` (W3C SRI, section 3.1). */
export function integrityOf(bytes: Uint8Array): string {
  return `sha384-${crypto().createHash('sha384').update(bytes).digest('base64')}`
}

/** Loaded at the first use: importing a manifest costs nothing. */
function crypto(): typeof import('node:crypto') {
  return process.getBuiltinModule('node:crypto')
}

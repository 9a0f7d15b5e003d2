import type { KeyObject } from 'node:crypto'

/** A key to sign with: in PEM, as text or bytes, or the path (or `file:` URL) of a file with it. */
export type KeySource = string | Uint8Array

/** What is wrong with a key, as the end of a sentence. Never holds any of it. */
export class UnusableKey extends Error {
  override readonly name = 'UnusableKey'
}

/** A private key that signs as CloudFront wants it. Parsed once; shows nothing of itself. */
export class PrivateKey {
  readonly #key: KeyObject

  /** @throws UnusableKey for what is no private key in PEM, is encrypted, or of another kind */
  constructor(source: KeySource) {
    this.#key = parseKey(pemOf(source))
  }

  /** Base64 of the signature: PKCS #1 v1.5 for RSA, DER for ECDSA. */
  sign(text: string, hash: 'SHA1' | 'SHA256'): string {
    return crypto().sign(hash, Buffer.from(text), this.#key).toString('base64')
  }
}

/** Loaded when there is a key: importing a storage costs nothing. */
function crypto(): typeof import('node:crypto') {
  return process.getBuiltinModule('node:crypto')
}

const begin = '-----BEGIN '
/** No PEM is shorter than a path may be, and no path has more than one line. */
const maxPathLength = 4096

function pemOf(source: KeySource): string {
  const text = typeof source === 'string' ? source : Buffer.from(source).toString('latin1')
  // Environment variables of one line hold the line ends as `\n`.
  if (text.includes(begin))
    return withoutIndent(text.includes('\n') ? text : text.replaceAll('\\n', '\n'))
  if (typeof source !== 'string' || text.length > maxPathLength || /[\n\r\0]/.test(text))
    throw new UnusableKey('is no private key in PEM (-----BEGIN … PRIVATE KEY-----)')
  const file = readKeyFile(text)
  if (file.includes(begin)) return withoutIndent(file)
  throw new UnusableKey('names a file that holds no private key in PEM')
}

/** Keys in YAML and in code are often set in. */
function withoutIndent(pem: string): string {
  return pem.replaceAll(/^[ \t]+/gm, '')
}

/** The path is not shown: it may be a key that lost its first line. */
function readKeyFile(path: string): string {
  const { readFileSync } = process.getBuiltinModule('node:fs')
  try {
    return readFileSync(path.startsWith('file:') ? new URL(path) : path, 'latin1')
  } catch {
    throw new UnusableKey('is no private key in PEM, nor the path of a file with one')
  }
}

function parseKey(pem: string): KeyObject {
  if (/-----BEGIN ENCRYPTED |Proc-Type: *4,ENCRYPTED/.test(pem))
    throw new UnusableKey('is encrypted with a passphrase: decrypt it first')
  const key = keyObject(pem)
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key
  if (type === 'rsa' || (type === 'ec' && details?.namedCurve === 'prime256v1')) return key
  throw new UnusableKey('is neither an RSA key nor an ECDSA key on P-256, which CloudFront takes')
}

/** What OpenSSL says of a wrong key is left out: it helps nobody, and may quote the text. */
function keyObject(pem: string): KeyObject {
  try {
    return crypto().createPrivateKey(pem)
  } catch {
    throw new UnusableKey(
      pem.includes('PRIVATE KEY-----')
        ? 'is a private key in PEM that cannot be read: it is damaged or cut'
        : 'is PEM, but no private key',
    )
  }
}

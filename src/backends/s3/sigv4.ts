import { encodeUtf8 } from '../../core/bytes.ts'
import { encodeRfc3986 } from './encoding.ts'
import { hmacSha256, sha256, sha256Hex } from './platform/hashes.ts'

/** Keys that sign requests; the token belongs to temporary ones. */
export interface Credentials {
  readonly accessKey: string
  readonly secretKey: string
  readonly securityToken?: string | undefined
}

export interface HeaderRequest {
  readonly method: string
  /** Value of the `Host` header. */
  readonly host: string
  /** As on the wire: encoded. */
  readonly path: string
  /** As on the wire, without `?`; may be empty. */
  readonly query: string
  /** Name, value, name, value; names in lower case. The signer appends to it. */
  readonly headers: string[]
  /** Hexadecimal SHA-256 of the body, or `UNSIGNED-PAYLOAD`. */
  readonly payload: string
}

export interface PresignRequest {
  readonly method: string
  readonly host: string
  readonly path: string
  /** Not encoded. */
  readonly query: readonly (readonly [string, string])[]
  /** What the caller has to send besides. */
  readonly signedHeaders?: readonly (readonly [string, string])[] | undefined
  /** Seconds. */
  readonly expiresIn: number
}

const algorithm = 'AWS4-HMAC-SHA256'

/**
 * Headers that proxies change; everything else that is given is signed
 * (https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html).
 */
const unsignedHeaders: ReadonlySet<string> = new Set([
  'authorization',
  'expect',
  'user-agent',
  'x-amzn-trace-id',
])

/**
 * Signature version 4. The derived key of a day is kept as two half-filled hash inputs, so that a
 * signature costs two one-shot hashes; the date's texts are kept for their second.
 */
export class SigV4Signer {
  readonly #credentials: Credentials
  readonly #region: string
  readonly #service: string
  #second = -1
  #timestamp = ''
  #day = ''
  #scope = ''
  #key: PreparedKey | undefined

  constructor(credentials: Credentials, region: string, service = 's3') {
    this.#credentials = credentials
    this.#region = region
    this.#service = service
  }

  /**
   * Appends `x-amz-date`, `x-amz-content-sha256`, `x-amz-security-token` (if there is one) and
   * `authorization` to the headers of the request.
   */
  signHeaders(request: HeaderRequest, now: Date): void {
    const { headers, payload } = request
    const { accessKey, securityToken } = this.#credentials
    this.#setTime(now)
    headers.push('x-amz-content-sha256', payload, 'x-amz-date', this.#timestamp)
    if (securityToken !== undefined) headers.push('x-amz-security-token', securityToken)
    const canonical = canonicalHeaders(request.host, headers)
    const query = request.query === '' ? '' : canonicalQuery(request.query)
    const text = `${request.method}\n${request.path}\n${query}\n${canonical.lines}\n${canonical.names}\n${payload}`
    const signature = this.#sign(text)
    headers.push(
      'authorization',
      `${algorithm} Credential=${accessKey}/${this.#scope}, SignedHeaders=${canonical.names}, Signature=${signature}`,
    )
  }

  /** The query of a URL that is valid for `expiresIn` seconds, with its signature. */
  presign(request: PresignRequest, now: Date): string {
    const { accessKey, securityToken } = this.#credentials
    this.#setTime(now)
    const headers = (request.signedHeaders ?? []).flat()
    const canonical = canonicalHeaders(request.host, headers)
    const pairs: (readonly [string, string])[] = [
      ...request.query,
      ['X-Amz-Algorithm', algorithm],
      ['X-Amz-Credential', `${accessKey}/${this.#scope}`],
      ['X-Amz-Date', this.#timestamp],
      ['X-Amz-Expires', String(request.expiresIn)],
      ['X-Amz-SignedHeaders', canonical.names],
    ]
    if (securityToken !== undefined) pairs.push(['X-Amz-Security-Token', securityToken])
    const query = pairs
      .map(([name, value]) => `${encodeRfc3986(name)}=${encodeRfc3986(value)}`)
      .sort(comparePairs)
      .join('&')
    const text = `${request.method}\n${request.path}\n${query}\n${canonical.lines}\n${canonical.names}\nUNSIGNED-PAYLOAD`
    return `${query}&X-Amz-Signature=${this.#sign(text)}`
  }

  #sign(canonicalRequest: string): string {
    this.#key ??= new PreparedKey(this.#deriveKey())
    return this.#key.sign(
      `${algorithm}\n${this.#timestamp}\n${this.#scope}\n${sha256Hex(canonicalRequest)}`,
    )
  }

  #setTime(now: Date): void {
    const second = Math.floor(now.getTime() / 1000)
    if (second === this.#second) return
    this.#second = second
    this.#timestamp = `${now.toISOString().slice(0, 19).replaceAll(/[-:]/g, '')}Z`
    const day = this.#timestamp.slice(0, 8)
    if (day === this.#day) return
    this.#day = day
    this.#scope = `${day}/${this.#region}/${this.#service}/aws4_request`
    this.#key = undefined
  }

  #deriveKey(): Uint8Array {
    const date = hmacSha256(encodeUtf8(`AWS4${this.#credentials.secretKey}`), this.#day)
    const region = hmacSha256(date, this.#region)
    return hmacSha256(hmacSha256(region, this.#service), 'aws4_request')
  }
}

const blockSize = 64
const hashSize = 32
/** Room for the text behind the key; a string to sign is about 140 bytes long. */
const textRoom = 512

/** An HMAC-SHA-256 key with its pads (RFC 2104) written into the inputs of both hashes once. */
class PreparedKey {
  readonly #inner = new Uint8Array(blockSize + textRoom)
  readonly #outer = new Uint8Array(blockSize + hashSize)

  constructor(key: Uint8Array) {
    this.#inner.fill(0x36, 0, blockSize)
    this.#outer.fill(0x5c, 0, blockSize)
    for (const [index, byte] of key.entries()) {
      this.#inner[index] = byte ^ 0x36
      this.#outer[index] = byte ^ 0x5c
    }
  }

  /** `text` is ASCII and shorter than the room for it: a string to sign is. */
  sign(text: string): string {
    const { written } = encoder.encodeInto(text, this.#inner.subarray(blockSize))
    this.#outer.set(sha256(this.#inner.subarray(0, blockSize + written)), blockSize)
    return sha256Hex(this.#outer)
  }
}

const encoder = new TextEncoder()

/** The header lines in the order of their names, and the names. */
function canonicalHeaders(
  host: string,
  headers: readonly string[],
): { lines: string; names: string } {
  const values = new Map([['host', host]])
  for (let i = 0; i + 1 < headers.length; i += 2) {
    const name = headers[i] ?? ''
    if (unsignedHeaders.has(name)) continue
    const value = canonicalValue(headers[i + 1] ?? '')
    const before = values.get(name)
    values.set(name, before === undefined || name === 'host' ? value : `${before},${value}`)
  }
  const names = [...values.keys()].sort()
  let lines = ''
  for (const name of names) lines += `${name}:${values.get(name)}\n`
  return { lines, names: names.join(';') }
}

/** Trimmed, and runs of white space within as one blank. */
function canonicalValue(value: string): string {
  return /^\s|\s$|\s\s|[^\S ]/.test(value) ? value.trim().replaceAll(/\s+/g, ' ') : value
}

/** Pairs sorted by their encoded names and values; a name alone gets its `=`. */
function canonicalQuery(query: string): string {
  const pairs = query.split('&').map(pair => (pair.includes('=') ? pair : `${pair}=`))
  return pairs.length === 1 ? (pairs[0] ?? '') : pairs.sort(comparePairs).join('&')
}

/** By name, then by value: `=` sorts behind `-`, which may stand in a longer name. */
function comparePairs(a: string, b: string): number {
  const [nameA = '', valueA = ''] = a.split('=')
  const [nameB = '', valueB = ''] = b.split('=')
  if (nameA !== nameB) return nameA < nameB ? -1 : 1
  return valueA < valueB ? -1 : valueA > valueB ? 1 : 0
}

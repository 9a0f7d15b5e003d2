import { encodeUtf8 } from '../../core/bytes.ts'
import { encodeRfc3986 } from './encoding.ts'
import { hmacSha256, sha256Binary, sha256Hex } from './platform/hashes.ts'

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
const noQuery = { expiresIn: 0, signedNames: '', text: '' }

/**
 * Headers that stay out of the signature, since something between us and the service may rightly
 * add, change or drop them; everything else is signed. Hop-by-hop headers end at the next proxy
 * (RFC 9110, section 7.6.1), `expect` is answered and `transfer-encoding`, `content-length` and
 * `user-agent` are set by the transport, `x-amzn-trace-id` by AWS load balancers; `authorization`
 * is the signature itself. S3 asks for `host`, `content-type` and `x-amz-*` at least
 * (https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html).
 */
const unsignedHeaders: ReadonlySet<string> = new Set([
  'authorization',
  'connection',
  'content-length',
  'expect',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'user-agent',
  'x-amzn-trace-id',
])

/**
 * Signature version 4
 * (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html).
 * The derived key of a day is kept as two half-filled hash inputs, so that a signature costs two
 * one-shot hashes; the date's texts are kept for their second.
 */
export class SigV4Signer {
  readonly #credentials: Credentials
  readonly #region: string
  readonly #service: string
  #second = -1
  #timestamp = ''
  #day = ''
  #scope = ''
  /** The parameters of a presigned URL that only depend on the second, encoded. */
  #presigned = ''
  /** What stands in front of the hash in a string to sign. */
  #signedFront = ''
  #lastQuery = noQuery
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
    const { method, host, path, headers, payload } = request
    const { accessKey, securityToken } = this.#credentials
    this.#setTime(now)
    headers.push('x-amz-content-sha256', payload, 'x-amz-date', this.#timestamp)
    if (securityToken !== undefined) headers.push('x-amz-security-token', securityToken)
    const { lines, names } = canonicalHeaders(host, headers, unsignedHeaders)
    const query = canonicalQuery(request.query)
    const signature = this.#sign(`${method}\n${path}\n${query}\n${lines}\n${names}\n${payload}`)
    headers.push(
      'authorization',
      `${algorithm} Credential=${accessKey}/${this.#scope}, SignedHeaders=${names}, Signature=${signature}`,
    )
  }

  /** The query of a URL that is valid for `expiresIn` seconds, with its signature. */
  presign(request: PresignRequest, now: Date): string {
    const { method, host, path, signedHeaders = [] } = request
    this.#setTime(now)
    // Nearly all URLs are signed for the host alone.
    const { lines, names } =
      signedHeaders.length === 0
        ? { lines: `host:${host}\n`, names: 'host' }
        : canonicalHeaders(host, signedHeaders.flat(), noHeaders)
    const query = this.#presignedQuery(request, names)
    const signature = this.#sign(
      `${method}\n${path}\n${query}\n${lines}\n${names}\nUNSIGNED-PAYLOAD`,
    )
    return `${query}&X-Amz-Signature=${signature}`
  }

  /** The parameters that are signed, in canonical order: those of the signature are, already. */
  #presignedQuery(request: PresignRequest, signedNames: string): string {
    const own = this.#ownQuery(request.expiresIn, signedNames)
    if (request.query.length === 0) return own
    const given = request.query.map(
      ([name, value]) => `${encodeRfc3986(name)}=${encodeRfc3986(value)}`,
    )
    return canonicalQuery([own, ...given].join('&'))
  }

  /** The parameters of the signature: of all URLs that are alike, within a second. */
  #ownQuery(expiresIn: number, signedNames: string): string {
    const last = this.#lastQuery
    if (last.expiresIn === expiresIn && last.signedNames === signedNames) return last.text
    const { securityToken } = this.#credentials
    const token =
      securityToken === undefined ? '' : `&X-Amz-Security-Token=${encodeRfc3986(securityToken)}`
    const text = `${this.#presigned}&X-Amz-Expires=${expiresIn}${token}&X-Amz-SignedHeaders=${encodeRfc3986(signedNames)}`
    this.#lastQuery = { expiresIn, signedNames, text }
    return text
  }

  #sign(canonicalRequest: string): string {
    this.#key ??= new PreparedKey(this.#deriveKey())
    return this.#key.sign(this.#signedFront + sha256Hex(canonicalRequest))
  }

  #setTime(now: Date): void {
    const second = Math.floor(now.getTime() / 1000)
    if (second === this.#second) return
    this.#timestamp = `${now.toISOString().slice(0, 19).replaceAll(/[-:]/g, '')}Z`
    this.#second = second
    const day = this.#timestamp.slice(0, 8)
    if (day !== this.#day) {
      this.#day = day
      this.#scope = `${day}/${this.#region}/${this.#service}/aws4_request`
      this.#key = undefined
    }
    const credential = encodeRfc3986(`${this.#credentials.accessKey}/${this.#scope}`)
    this.#signedFront = `${algorithm}\n${this.#timestamp}\n${this.#scope}\n`
    this.#lastQuery = noQuery
    this.#presigned = `X-Amz-Algorithm=${algorithm}&X-Amz-Credential=${credential}&X-Amz-Date=${this.#timestamp}`
  }

  #deriveKey(): Uint8Array {
    const date = hmacSha256(encodeUtf8(`AWS4${this.#credentials.secretKey}`), this.#day)
    const region = hmacSha256(date, this.#region)
    return hmacSha256(hmacSha256(region, this.#service), 'aws4_request')
  }
}

const blockSize = 64
const hashSize = 32
/** Room for the text behind the key at first; a string to sign is about 140 bytes long. */
const textRoom = 256

/** An HMAC-SHA-256 key with its pads (RFC 2104) written into the inputs of both hashes once. */
class PreparedKey {
  #inner = new Uint8Array(blockSize + textRoom)
  #room = this.#inner.subarray(blockSize)
  /** The part of `#inner` that was hashed last: strings to sign of one key have one length. */
  #hashed = this.#inner
  readonly #outer = new Uint8Array(blockSize + hashSize)

  /** A derived key is a hash, and therefore shorter than a block. */
  constructor(key: Uint8Array) {
    this.#inner.fill(0x36, 0, blockSize)
    this.#outer.fill(0x5c, 0, blockSize)
    for (const [index, byte] of key.entries()) {
      this.#inner[index] = byte ^ 0x36
      this.#outer[index] = byte ^ 0x5c
    }
  }

  sign(text: string): string {
    // No UTF-16 unit needs more than three bytes.
    if (text.length * 3 > this.#inner.length - blockSize) this.#grow(text.length * 3)
    const end = blockSize + encoder.encodeInto(text, this.#room).written
    if (this.#hashed.length !== end) this.#hashed = this.#inner.subarray(0, end)
    const digest = sha256Binary(this.#hashed)
    for (let i = 0; i < hashSize; i++) this.#outer[blockSize + i] = digest.charCodeAt(i)
    return sha256Hex(this.#outer)
  }

  #grow(room: number): void {
    const larger = new Uint8Array(blockSize + room)
    larger.set(this.#inner.subarray(0, blockSize))
    this.#inner = larger
    this.#room = larger.subarray(blockSize)
    this.#hashed = larger
  }
}

const encoder = new TextEncoder()

const noHeaders: ReadonlySet<string> = new Set()

/** The header lines in the order of their names, and the names. Values of one name are joined. */
function canonicalHeaders(
  host: string,
  headers: readonly string[],
  unsigned: ReadonlySet<string>,
): { lines: string; names: string } {
  // Sorted as they come: there are a handful, and a map and a sort cost more than the comparisons.
  const names = ['host']
  const values = [host]
  for (let i = 0; i + 1 < headers.length; i += 2) {
    const name = headers[i] ?? ''
    if (name === 'host' || unsigned.has(name)) continue
    insertHeader(names, values, name, canonicalValue(headers[i + 1] ?? ''))
  }
  let lines = ''
  for (let i = 0; i < names.length; i++) lines += `${names[i]}:${values[i]}\n`
  return { lines, names: names.join(';') }
}

function insertHeader(names: string[], values: string[], name: string, value: string): void {
  const before = names.indexOf(name)
  if (before !== -1) {
    values[before] += `,${value}`
    return
  }
  let at = names.length
  for (; at > 0 && (names[at - 1] ?? '') > name; at--) {
    names[at] = names[at - 1] ?? ''
    values[at] = values[at - 1] ?? ''
  }
  names[at] = name
  values[at] = value
}

/** Trimmed, and white space within (also of folded lines) as one blank. */
function canonicalValue(value: string): string {
  return /^\s|\s$|\s\s|[^\S ]/.test(value) ? value.trim().replaceAll(/\s+/g, ' ') : value
}

/** Pairs sorted by their encoded names, then values; a name alone gets its `=`. */
function canonicalQuery(query: string): string {
  if (query === '') return ''
  const pairs = query.split('&').map(pair => (pair.includes('=') ? pair : `${pair}=`))
  return pairs.sort(comparePairs).join('&')
}

/** Encoded text is ASCII. `=` sorts behind `-`, which may stand in a longer name. */
function comparePairs(a: string, b: string): number {
  const nameA = a.slice(0, a.indexOf('='))
  const nameB = b.slice(0, b.indexOf('='))
  if (nameA === nameB) return a < b ? -1 : a > b ? 1 : 0
  return nameA < nameB ? -1 : 1
}

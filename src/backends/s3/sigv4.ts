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
/** The query of URLs that are alike, and what follows on their path in the canonical request. */
interface PlainQuery {
  readonly host: string
  readonly expiresIn: number
  readonly text: string
  readonly tail: string
}

const noQuery: PlainQuery = { host: '', expiresIn: 0, text: '', tail: '' }

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
    this.#setTime(now)
    const { method, path, query, signedHeaders = [] } = request
    // Nearly all URLs are signed for the host alone, and have no parameters of their own.
    const plain = query.length === 0 && signedHeaders.length === 0
    const { text, tail } = plain ? this.#plainQuery(request) : this.#givenQuery(request)
    return `${text}&X-Amz-Signature=${this.#sign(`${method}\n${path}${tail}`)}`
  }

  /** Of all URLs that are alike, within a second. */
  #plainQuery({ host, expiresIn }: PresignRequest): PlainQuery {
    const last = this.#lastQuery
    if (last.expiresIn === expiresIn && last.host === host) return last
    const text = this.#ownQuery(expiresIn, 'host')
    this.#lastQuery = { host, expiresIn, text, tail: tailOf(text, `host:${host}\n`, 'host') }
    return this.#lastQuery
  }

  /** The parameters that are signed, in canonical order: those of the signature are, already. */
  #givenQuery({ host, expiresIn, query, signedHeaders = [] }: PresignRequest): {
    readonly text: string
    readonly tail: string
  } {
    const { lines, names } = canonicalHeaders(host, signedHeaders.flat(), noHeaders)
    const given = query.map(([name, value]) => `${encodeRfc3986(name)}=${encodeRfc3986(value)}`)
    const text = canonicalQuery([this.#ownQuery(expiresIn, names), ...given].join('&'))
    return { text, tail: tailOf(text, lines, names) }
  }

  /** The parameters of the signature itself. */
  #ownQuery(expiresIn: number, signedNames: string): string {
    const { securityToken } = this.#credentials
    const token =
      securityToken === undefined ? '' : `&X-Amz-Security-Token=${encodeRfc3986(securityToken)}`
    return `${this.#presigned}&X-Amz-Expires=${expiresIn}${token}&X-Amz-SignedHeaders=${encodeRfc3986(signedNames)}`
  }

  #sign(canonicalRequest: string): string {
    this.#key ??= new PreparedKey(this.#deriveKey())
    return this.#key.sign(this.#signedFront, sha256Binary(canonicalRequest))
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
const hexDigits = encodeUtf8('0123456789abcdef')

/**
 * An HMAC-SHA-256 key with its pads (RFC 2104) written into the inputs of both hashes once, and what
 * strings to sign begin with for as long as it is the same.
 */
class PreparedKey {
  readonly #innerPad = new Uint8Array(blockSize).fill(0x36)
  readonly #outer = new Uint8Array(blockSize + hashSize).fill(0x5c)
  #front: string | undefined
  #inner = this.#innerPad

  /** A derived key is a hash, and therefore shorter than a block. */
  constructor(key: Uint8Array) {
    for (const [index, byte] of key.entries()) {
      this.#innerPad[index] = byte ^ 0x36
      this.#outer[index] = byte ^ 0x5c
    }
  }

  /**
   * Signs `front` with a hash in hexadecimal behind it.
   *
   * @param hash one character for each byte
   */
  sign(front: string, hash: string): string {
    if (front !== this.#front) this.#prepare(front)
    const inner = this.#inner
    // By hand: a call that writes a text into a buffer costs more than 64 digits.
    let at = inner.length - 2 * hashSize
    for (let i = 0; i < hashSize; i++) {
      const byte = hash.charCodeAt(i)
      inner[at++] = hexDigits[byte >> 4] ?? 0
      inner[at++] = hexDigits[byte & 15] ?? 0
    }
    const digest = sha256Binary(inner)
    for (let i = 0; i < hashSize; i++) this.#outer[blockSize + i] = digest.charCodeAt(i)
    return sha256Hex(this.#outer)
  }

  #prepare(front: string): void {
    const text = encodeUtf8(front)
    this.#inner = new Uint8Array(blockSize + text.length + 2 * hashSize)
    this.#inner.set(this.#innerPad)
    this.#inner.set(text, blockSize)
    this.#front = front
  }
}

/** Of a canonical request: all that follows on the path. */
function tailOf(query: string, lines: string, names: string): string {
  return `\n${query}\n${lines}\n${names}\nUNSIGNED-PAYLOAD`
}

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

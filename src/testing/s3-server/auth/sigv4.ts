import type { Account } from '../accounts.ts'
import { invalidArgument, S3Error } from '../errors.ts'
import { decodeUri, encodePath, encodeRfc3986 } from '../uri.ts'
import type {
  Authentication,
  ChunkSigning,
  Payload,
  SignedRequest,
  Verification,
} from './authentication.ts'
import { asBytes, hmacSha256, sameSignature, sha256Hex } from './hmac.ts'
import { isoSeconds, MAX_SKEW, parseAmzDate, parseHttpDate } from './time.ts'

const ALGORITHM = 'AWS4-HMAC-SHA256'
const UNSIGNED = 'UNSIGNED-PAYLOAD'
const HEX_SHA256 = /^[0-9a-f]{64}$/
/** A week: https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html */
const MAX_EXPIRES = 604_800

/** `AKID/20130524/us-east-1/s3/aws4_request`, taken apart. */
export interface Credential {
  readonly accessKey: string
  readonly date: string
  readonly region: string
  readonly service: string
  readonly terminal: string
}

interface Claim {
  readonly credential: Credential
  readonly account: Account
  readonly signedHeaders: readonly string[]
  readonly signature: string
  readonly time: string
}

/** Takes a credential apart from its end, since an access key may hold a `/`. */
export function parseCredential(text: string): Credential | undefined {
  const parts = text.split('/')
  const [terminal, service, region, date] = parts.slice(-4).reverse()
  const accessKey = parts.slice(0, -4).join('/')
  if (terminal === undefined || service === undefined || region === undefined) return undefined
  if (date === undefined || accessKey === '') return undefined
  return { accessKey, date, region, service, terminal }
}

/**
 * Verifies `Authorization: AWS4-HMAC-SHA256 …`
 * (https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html).
 * @throws S3Error with the code that S3 gives for what is wrong
 */
export function verifyHeaderV4(request: SignedRequest, on: Verification): Authentication {
  const parts = authorizationParts(request.headers.get('authorization') ?? '')
  const credential = headerCredential(parts.get('Credential') ?? '')
  const date = requestDate(request)
  checkScope(credential, date.text, on, headerScopeError)
  const account = accountOf(credential.accessKey, on)
  const signedHeaders = (parts.get('SignedHeaders') ?? '').split(';')
  checkSignedHeaders(request, signedHeaders)
  checkToken(account, request.headers.get('x-amz-security-token'))
  checkSkew(date, on.now)
  const hash = contentHash(request)
  const signature = parts.get('Signature') ?? ''
  const claim = { credential, account, signedHeaders, signature, time: date.text }
  const signing = checkSignature(request, claim, request.query.entries, hash)
  return { account, how: 'header', payload: payloadOf(hash, signing) }
}

/**
 * Verifies a presigned URL
 * (https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html).
 * @throws S3Error with the code that S3 gives for what is wrong
 */
export function verifyQueryV4(request: SignedRequest, on: Verification): Authentication {
  const query = queryParameters(request)
  const credential = queryCredential(query.credential)
  checkScope(credential, query.date, on, queryScopeError)
  const account = accountOf(credential.accessKey, on)
  const signedHeaders = query.signedHeaders.split(';')
  checkSignedHeaders(request, signedHeaders)
  checkToken(account, request.query.get('X-Amz-Security-Token'))
  checkExpiry(query, on.now)
  const hash =
    request.headers.get('x-amz-content-sha256') ??
    request.query.get('X-Amz-Content-Sha256') ??
    UNSIGNED
  const { signature, date: time } = query
  const claim = { credential, account, signedHeaders, signature, time }
  const entries = request.query.entries.filter(([name]) => name !== 'X-Amz-Signature')
  const signing = checkSignature(request, claim, entries, hash)
  return { account, how: 'query', payload: payloadOf(hash, signing) }
}

const keys = new WeakMap<Account, { scope: string; key: Buffer }>()

/** The key that signs for one account on one day in one region; the latest is remembered. */
export function signingKey(account: Account, credential: Credential): Buffer {
  const scope = scopeOf(credential)
  const known = keys.get(account)
  if (known?.scope === scope) return known.key
  let key = hmacSha256(`AWS4${account.secretKey}`, credential.date)
  for (const part of [credential.region, credential.service, credential.terminal]) {
    key = hmacSha256(key, part)
  }
  keys.set(account, { scope, key })
  return key
}

/** Finds the account, or says that nobody has this key. */
export function accountOf(accessKey: string, on: Pick<Verification, 'accounts'>): Account {
  const account = on.accounts.withKey(accessKey)
  if (account !== undefined) return account
  throw new S3Error('InvalidAccessKeyId', undefined, { elements: { AWSAccessKeyId: accessKey } })
}

function authorizationParts(header: string): Map<string, string> {
  const parts = new Map<string, string>()
  for (const part of header.slice(ALGORITHM.length).split(',')) {
    const at = part.indexOf('=')
    if (at > 0) parts.set(part.slice(0, at).trim(), part.slice(at + 1).trim())
  }
  for (const name of ['Credential', 'SignedHeaders', 'Signature']) {
    if (!parts.get(name)) throw malformedHeader(`the ${name} component is missing or empty`)
  }
  return parts
}

function headerCredential(text: string): Credential {
  const credential = parseCredential(text)
  if (credential !== undefined) return credential
  throw malformedHeader(
    'the Credential is mal-formed; expecting "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".',
  )
}

function queryCredential(text: string): Credential {
  const credential = parseCredential(text)
  if (credential !== undefined) return credential
  throw malformedCredential(
    'the Credential is mal-formed; expecting "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".',
  )
}

type ScopeError = (reason: string, elements?: Record<string, string>) => S3Error

function checkScope(
  credential: Credential,
  date: string,
  on: Verification,
  failure: ScopeError,
): void {
  if (credential.terminal !== 'aws4_request') {
    throw failure(`incorrect terminal "${credential.terminal}". This endpoint uses "aws4_request".`)
  }
  if (credential.service !== 's3') {
    throw failure(`incorrect service "${credential.service}". This endpoint belongs to "s3".`)
  }
  if (!on.regions.includes(credential.region)) {
    const expected = on.regions[0] ?? ''
    const reason = `the region '${credential.region}' is wrong; expecting '${expected}'`
    throw failure(reason, { Region: expected })
  }
  if (!/^\d{8}$/.test(credential.date) || !date.startsWith(credential.date)) {
    throw failure(
      `Invalid credential date "${credential.date}". This date is not the same as X-Amz-Date: "${date.slice(0, 8)}".`,
    )
  }
}

function headerScopeError(reason: string, elements: Record<string, string> = {}): S3Error {
  return new S3Error(
    'AuthorizationHeaderMalformed',
    `The authorization header is malformed; ${reason}`,
    { elements, headers: regionHeader(elements) },
  )
}

function queryScopeError(reason: string, elements: Record<string, string> = {}): S3Error {
  return new S3Error(
    'AuthorizationQueryParametersError',
    `Error parsing the X-Amz-Credential parameter; ${reason}`,
    { elements, headers: regionHeader(elements) },
  )
}

function malformedHeader(reason: string): S3Error {
  return headerScopeError(reason)
}

function malformedCredential(reason: string): S3Error {
  return queryScopeError(reason)
}

/** A HEAD has no body, so that the region to use is told in a header as well. */
function regionHeader(elements: Record<string, string>): Record<string, string> {
  return elements['Region'] === undefined ? {} : { 'x-amz-bucket-region': elements['Region'] }
}

interface RequestDate {
  readonly at: Date
  /** Long form, as it is signed. */
  readonly text: string
  readonly sent: string
}

function requestDate(request: SignedRequest): RequestDate {
  const sent = request.headers.get('x-amz-date') ?? request.headers.get('date') ?? ''
  const at = parseHttpDate(sent)
  if (at === undefined) {
    throw new S3Error(
      'AccessDenied',
      'AWS authentication requires a valid Date or x-amz-date header',
    )
  }
  return { at, text: at.toISOString().replace(/-|:|\.\d{3}/g, ''), sent }
}

function checkSkew(date: RequestDate, now: Date): void {
  if (Math.abs(date.at.getTime() - now.getTime()) <= MAX_SKEW) return
  throw new S3Error('RequestTimeTooSkewed', undefined, {
    elements: {
      RequestTime: date.sent,
      ServerTime: isoSeconds(now),
      MaxAllowedSkewMilliseconds: String(MAX_SKEW),
    },
  })
}

/** The host and every `x-amz-…` header that is sent has to be signed. */
function checkSignedHeaders(request: SignedRequest, signed: readonly string[]): void {
  const unsigned = []
  for (const name of request.headers.keys()) {
    if ((name === 'host' || name.startsWith('x-amz-')) && !signed.includes(name))
      unsigned.push(name)
  }
  if (unsigned.length === 0) return
  throw new S3Error(
    'AccessDenied',
    'There were headers present in the request which were not signed',
    { elements: { HeadersNotSigned: unsigned.join(', ') } },
  )
}

/** Only temporary credentials come with a token, and they always do. */
function checkToken(account: Account, token: string | undefined): void {
  if (token === account.sessionToken) return
  if (token === undefined) throw new S3Error('InvalidToken')
  if (account.sessionToken !== undefined && sameSignature(token, account.sessionToken)) return
  throw new S3Error('InvalidToken', undefined, { elements: { 'Token-0': token } })
}

function contentHash(request: SignedRequest): string {
  const hash = request.headers.get('x-amz-content-sha256')
  if (hash !== undefined) return hash
  throw new S3Error(
    'InvalidRequest',
    'Missing required header for this request: x-amz-content-sha256',
  )
}

interface QueryParameters {
  readonly credential: string
  readonly date: string
  readonly at: Date
  readonly expires: number
  readonly signedHeaders: string
  readonly signature: string
}

const REQUIRED = [
  'X-Amz-Algorithm',
  'X-Amz-Credential',
  'X-Amz-Signature',
  'X-Amz-Date',
  'X-Amz-SignedHeaders',
  'X-Amz-Expires',
]

function queryParameters(request: SignedRequest): QueryParameters {
  const [algorithm, credential, signature, date, signedHeaders, expires] = REQUIRED.map(
    name => request.query.get(name) ?? '',
  )
  if (!algorithm || !credential || !signature || !date || !signedHeaders || !expires) {
    throw queryError(
      'Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.',
    )
  }
  if (algorithm !== ALGORITHM) throw queryError(`X-Amz-Algorithm only supports "${ALGORITHM}"`)
  const at = parseAmzDate(date)
  if (at === undefined) {
    throw queryError(`X-Amz-Date must be in the ISO8601 Long Format "yyyyMMdd'T'HHmmss'Z'"`)
  }
  return { credential, date, at, expires: parseExpires(expires), signedHeaders, signature }
}

function parseExpires(text: string): number {
  if (!/^-?\d+$/.test(text)) throw queryError('X-Amz-Expires should be a number')
  const expires = Number(text)
  if (expires < 0) throw queryError('X-Amz-Expires must be non-negative')
  if (expires > MAX_EXPIRES) {
    throw queryError(
      `X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than ${MAX_EXPIRES} seconds`,
    )
  }
  return expires
}

function queryError(message: string): S3Error {
  return new S3Error('AuthorizationQueryParametersError', message)
}

/** A URL that lives 0 seconds is expired from the start. */
function checkExpiry(query: QueryParameters, now: Date): void {
  const ends = query.at.getTime() + query.expires * 1000
  if (query.at.getTime() - now.getTime() > MAX_SKEW) {
    throw new S3Error('AccessDenied', 'Request is not yet valid', {
      elements: { RequestTime: query.date, ServerTime: isoSeconds(now) },
    })
  }
  if (now.getTime() > ends || query.expires === 0) {
    throw new S3Error('AccessDenied', 'Request has expired', {
      elements: {
        'X-Amz-Expires': String(query.expires),
        Expires: isoSeconds(new Date(ends)),
        ServerTime: isoSeconds(now),
      },
    })
  }
}

function checkSignature(
  request: SignedRequest,
  claim: Claim,
  query: SignedRequest['query']['entries'],
  hash: string,
): ChunkSigning {
  const canonical = canonicalRequest(request, claim.signedHeaders, query, hash)
  const scope = scopeOf(claim.credential)
  const toSign = `${ALGORITHM}\n${claim.time}\n${scope}\n${sha256Hex(canonical)}`
  const key = signingKey(claim.account, claim.credential)
  const expected = hmacSha256(key, toSign).toString('hex')
  if (sameSignature(expected, claim.signature)) {
    return { key, time: claim.time, scope, seed: expected }
  }
  throw new S3Error('SignatureDoesNotMatch', undefined, {
    elements: {
      AWSAccessKeyId: claim.account.accessKey,
      StringToSign: toSign,
      SignatureProvided: claim.signature,
      StringToSignBytes: bytesInHex(toSign),
      CanonicalRequest: canonical,
      CanonicalRequestBytes: bytesInHex(canonical),
    },
  })
}

/** The path and the query are decoded and encoded anew, so that the spelling on the wire is free. */
function canonicalRequest(
  request: SignedRequest,
  signedHeaders: readonly string[],
  query: SignedRequest['query']['entries'],
  hash: string,
): string {
  const headers = signedHeaders.map(name => `${name}:${headerValue(request, name)}\n`).join('')
  return [
    request.method,
    encodePath(decodeUri(request.path)),
    canonicalQuery(query),
    headers,
    signedHeaders.join(';'),
    hash,
  ].join('\n')
}

function canonicalQuery(entries: SignedRequest['query']['entries']): string {
  return entries
    .map(([name, value]) => `${encodeRfc3986(name)}=${encodeRfc3986(value)}`)
    .sort()
    .join('&')
}

/** Clients fold blanks and tabs alike before they sign. */
function headerValue(request: SignedRequest, name: string): string {
  return (request.headers.get(name) ?? '').trim().replace(/[ \t]+/g, ' ')
}

function scopeOf(credential: Credential): string {
  return `${credential.date}/${credential.region}/${credential.service}/${credential.terminal}`
}

function bytesInHex(text: string): string {
  return (Buffer.from(asBytes(text), 'latin1').toString('hex').match(/../g) ?? []).join(' ')
}

function payloadOf(hash: string, signing: ChunkSigning): Payload {
  switch (hash) {
    case UNSIGNED:
      return { kind: 'unsigned' }
    case 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD':
      return { kind: 'chunked', trailer: false, signing }
    case 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER':
      return { kind: 'chunked', trailer: true, signing }
    case 'STREAMING-UNSIGNED-PAYLOAD-TRAILER':
      return { kind: 'chunked', trailer: true, signing: undefined }
    default:
      if (HEX_SHA256.test(hash)) return { kind: 'hashed', sha256: hash }
      throw invalidArgument(
        'x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER or a valid sha256 value.',
        'x-amz-content-sha256',
        hash,
      )
  }
}

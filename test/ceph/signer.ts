import { createHash, createHmac } from 'node:crypto'

/** A request as it goes over the wire, before it is signed. */
export interface Unsigned {
  readonly method: string
  /** Percent-encoded, with the bucket. */
  readonly path: string
  readonly query: readonly (readonly [string, string])[]
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
}

/** How a request is signed, and what is wrong with it. */
export interface Signing {
  readonly accessKey: string
  readonly secretKey: string
  readonly host: string
  readonly region?: string
  /** Seconds by which the client's clock is off. */
  readonly skew?: number
  /** The client's clock in milliseconds, if it is not the machine's. */
  readonly now?: number
  readonly expires?: number
  /** Value of `x-amz-content-sha256`, if it is not the body's hash. */
  readonly payload?: string
  /** Headers that are sent and not signed. */
  readonly unsigned?: readonly string[]
  /** What replaces the signature. */
  readonly signature?: string
}

/** What is sent in the end. */
export interface Signed {
  readonly method: string
  /** Path and query. */
  readonly target: string
  readonly headers: Record<string, string>
  readonly body: Buffer
}

/** Nobody signs. */
export function anonymous(request: Unsigned, { host }: Signing): Signed {
  return { ...request, target: targetOf(request), headers: { ...request.headers, host } }
}

/** Signature version 4 in the Authorization header. */
export function signV4(request: Unsigned, signing: Signing): Signed {
  const time = amzDate(signing)
  const hash = signing.payload ?? createHash('sha256').update(request.body).digest('hex')
  const headers: Record<string, string> = {
    ...request.headers,
    host: signing.host,
    'x-amz-date': time,
    'x-amz-content-sha256': hash,
  }
  const names = signedNames(headers, signing)
  const signature = signatureV4(request, request.query, headers, names, hash, time, signing)
  const credential = `${signing.accessKey}/${scopeOf(time, signing)}`
  headers['authorization'] =
    `AWS4-HMAC-SHA256 Credential=${credential}, SignedHeaders=${names.join(';')}, Signature=${signing.signature ?? signature}`
  return { ...request, target: targetOf(request), headers }
}

/** Signature version 4 in the query. */
export function presignV4(request: Unsigned, signing: Signing): Signed {
  const time = amzDate(signing)
  const headers: Record<string, string> = { ...request.headers, host: signing.host }
  const names = signedNames(headers, signing)
  const query: [string, string][] = [
    ...request.query.map(([name, value]): [string, string] => [name, value]),
    ['X-Amz-Algorithm', 'AWS4-HMAC-SHA256'],
    ['X-Amz-Credential', `${signing.accessKey}/${scopeOf(time, signing)}`],
    ['X-Amz-Date', time],
    ['X-Amz-Expires', String(signing.expires ?? 60)],
    ['X-Amz-SignedHeaders', names.join(';')],
  ]
  const hash = 'UNSIGNED-PAYLOAD'
  const signature = signatureV4(request, query, headers, names, hash, time, signing)
  query.push(['X-Amz-Signature', signing.signature ?? signature])
  return { ...request, target: targetOf({ ...request, query }), headers }
}

/** The older signature in the Authorization header. */
export function signV2(request: Unsigned, signing: Signing): Signed {
  const date = new Date(Date.now() + (signing.skew ?? 0) * 1000).toUTCString()
  const signature = signing.signature ?? signatureV2(request, date, signing)
  const authorization = `AWS ${signing.accessKey}:${signature}`
  const headers = { ...request.headers, host: signing.host, date, authorization }
  return { ...request, target: targetOf(request), headers }
}

/** The older signature in the query. */
export function presignV2(request: Unsigned, signing: Signing): Signed {
  const expires = String(Math.floor(Date.now() / 1000) + (signing.expires ?? 60))
  const query: [string, string][] = [
    ...request.query.map(([name, value]): [string, string] => [name, value]),
    ['AWSAccessKeyId', signing.accessKey],
    ['Expires', expires],
    ['Signature', signing.signature ?? signatureV2(request, expires, signing)],
  ]
  const headers = { ...request.headers, host: signing.host }
  return { ...request, target: targetOf({ ...request, query }), headers }
}

function signatureV4(
  request: Unsigned,
  query: Unsigned['query'],
  headers: Readonly<Record<string, string>>,
  names: readonly string[],
  hash: string,
  time: string,
  signing: Signing,
): string {
  const canonical = [
    request.method,
    request.path,
    query
      .map(([name, value]) => `${encode(name)}=${encode(value)}`)
      .sort()
      .join('&'),
    ...names.map(name => `${name}:${headers[name]?.trim().replace(/ +/g, ' ')}`),
    '',
    names.join(';'),
    hash,
  ].join('\n')
  const scope = scopeOf(time, signing)
  const digest = createHash('sha256').update(canonical).digest('hex')
  let key = hmac(`AWS4${signing.secretKey}`, scope.split('/')[0] ?? '')
  for (const part of scope.split('/').slice(1)) key = hmac(key, part)
  return hmac(key, `AWS4-HMAC-SHA256\n${time}\n${scope}\n${digest}`).toString('hex')
}

const SUBRESOURCES = ['acl', 'delete', 'location', 'partNumber', 'tagging', 'uploadId', 'uploads']

function signatureV2(request: Unsigned, date: string, signing: Signing): string {
  const { headers } = request
  const names = Object.keys(headers)
    .filter(name => name.startsWith('x-amz-'))
    .sort()
  const signed = request.query
    .filter(([name]) => SUBRESOURCES.includes(name) || name.startsWith('response-'))
    .map(([name, value]) => (value === '' ? name : `${name}=${value}`))
    .sort()
  const resource = request.path + (signed.length > 0 ? `?${signed.join('&')}` : '')
  const toSign = [
    request.method,
    headers['content-md5'] ?? '',
    headers['content-type'] ?? '',
    date,
    ...names.map(name => `${name}:${headers[name]}`),
    resource,
  ].join('\n')
  return createHmac('sha1', signing.secretKey).update(toSign).digest('base64')
}

function signedNames(headers: Readonly<Record<string, string>>, signing: Signing): string[] {
  return Object.keys(headers)
    .filter(name => signing.unsigned?.includes(name) !== true)
    .sort()
}

function scopeOf(time: string, signing: Signing): string {
  return `${time.slice(0, 8)}/${signing.region ?? 'us-east-1'}/s3/aws4_request`
}

function targetOf(request: Pick<Unsigned, 'path' | 'query'>): string {
  const query = request.query.map(([name, value]) =>
    value === '' ? encode(name) : `${encode(name)}=${encode(value)}`,
  )
  return query.length === 0 ? request.path : `${request.path}?${query.join('&')}`
}

function encode(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    c => `%${c.charCodeAt(0).toString(16).toUpperCase()}`,
  )
}

function hmac(key: string | Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest()
}

function amzDate({ now = Date.now(), skew = 0 }: Signing): string {
  return new Date(now + skew * 1000).toISOString().replace(/-|:|\.\d{3}/g, '')
}

import type { Account } from '../accounts.ts'
import { S3Error } from '../errors.ts'
import { decodeForm } from '../uri.ts'
import type { Authentication, SignedRequest, Verification } from './authentication.ts'
import { asBytes, hmacSha1, sameSignature } from './hmac.ts'
import { accountOf } from './sigv4.ts'
import { isoSeconds, MAX_SKEW, parseHttpDate } from './time.ts'

/**
 * The query parameters that are part of what is signed
 * (https://docs.aws.amazon.com/AmazonS3/latest/API/RESTAuthentication.html and what clients add).
 */
const SIGNED_PARAMETERS = new Set([
  'accelerate',
  'acl',
  'analytics',
  'cors',
  'defaultObjectAcl',
  'delete',
  'inventory',
  'lifecycle',
  'location',
  'logging',
  'metrics',
  'notification',
  'object-lock',
  'partNumber',
  'policy',
  'replication',
  'requestPayment',
  'response-cache-control',
  'response-content-disposition',
  'response-content-encoding',
  'response-content-language',
  'response-content-type',
  'response-expires',
  'restore',
  'select',
  'select-type',
  'storageClass',
  'tagging',
  'torrent',
  'uploadId',
  'uploads',
  'versionId',
  'versioning',
  'versions',
  'website',
])

/** Verifies `Authorization: AWS key:signature`. @throws S3Error */
export function verifyHeaderV2(request: SignedRequest, on: Verification): Authentication {
  const header = request.headers.get('authorization') ?? ''
  const match = /^AWS ([^:]+):(\S+)$/.exec(header)
  if (match === null) {
    throw new S3Error(
      'InvalidArgument',
      'AWS authorization header is invalid. Expected AwsAccessKeyId:signature',
      { elements: { ArgumentName: 'Authorization', ArgumentValue: header } },
    )
  }
  const [, accessKey = '', signature = ''] = match
  const account = accountOf(accessKey, on)
  checkSkew(request, on.now)
  checkToken(account, request.headers.get('x-amz-security-token'))
  const date = request.headers.has('x-amz-date') ? '' : (request.headers.get('date') ?? '')
  checkSignature(account, stringToSign(request, date), signature)
  return { account, how: 'header', payload: { kind: 'unsigned' } }
}

/** Verifies a URL with `AWSAccessKeyId`, `Expires` and `Signature`. @throws S3Error */
export function verifyQueryV2(request: SignedRequest, on: Verification): Authentication {
  const accessKey = request.query.get('AWSAccessKeyId')
  const expires = request.query.get('Expires')
  const signature = request.query.get('Signature')
  if (!accessKey || !expires || !signature) {
    throw new S3Error(
      'AccessDenied',
      'Query-string authentication requires the Signature, Expires and AWSAccessKeyId parameters',
    )
  }
  const account = accountOf(accessKey, on)
  checkExpiry(expires, on.now)
  const token = request.query.get('x-amz-security-token')
  checkToken(account, token ?? request.headers.get('x-amz-security-token'))
  checkSignature(account, stringToSign(request, expires), signature)
  return { account, how: 'query', payload: { kind: 'unsigned' } }
}

function stringToSign(request: SignedRequest, date: string): string {
  const { headers } = request
  return [
    request.method,
    headers.get('content-md5') ?? '',
    headers.get('content-type') ?? '',
    date,
    canonicalHeaders(request) + canonicalResource(request),
  ].join('\n')
}

function canonicalHeaders(request: SignedRequest): string {
  const headers = new Map<string, string>()
  for (const [name, value] of request.query.entries) {
    if (name.toLowerCase().startsWith('x-amz-')) headers.set(name.toLowerCase(), asBytes(value))
  }
  for (const [name, value] of request.headers) {
    if (name.startsWith('x-amz-')) headers.set(name, value.trim())
  }
  const names = [...headers.keys()].sort()
  return names.map(name => `${name}:${headers.get(name)}\n`).join('')
}

/** The path as it came, with the bucket of a virtual host before it, and the signed parameters. */
function canonicalResource(request: SignedRequest): string {
  const bucket = request.hostBucket === undefined ? '' : `/${request.hostBucket}`
  const parameters = request.search
    .split('&')
    .map((part): [string, string | undefined] => {
      const at = part.indexOf('=')
      return at < 0
        ? [decodeForm(part), undefined]
        : [decodeForm(part.slice(0, at)), part.slice(at + 1)]
    })
    .filter(([name]) => SIGNED_PARAMETERS.has(name))
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => (value === undefined ? name : `${name}=${asBytes(decodeForm(value))}`))
  return bucket + request.path + (parameters.length > 0 ? `?${parameters.join('&')}` : '')
}

function checkSignature(account: Account, toSign: string, signature: string): void {
  if (sameSignature(hmacSha1(account.secretKey, toSign), signature)) return
  throw new S3Error('SignatureDoesNotMatch', undefined, {
    elements: {
      AWSAccessKeyId: account.accessKey,
      StringToSign: toSign,
      SignatureProvided: signature,
    },
  })
}

function checkToken(account: Account, token: string | undefined): void {
  if (token !== account.sessionToken) throw new S3Error('InvalidToken')
}

function checkSkew(request: SignedRequest, now: Date): void {
  const sent = request.headers.get('x-amz-date') ?? request.headers.get('date') ?? ''
  const at = parseHttpDate(sent)
  if (at === undefined) {
    throw new S3Error(
      'AccessDenied',
      'AWS authentication requires a valid Date or x-amz-date header',
    )
  }
  if (Math.abs(at.getTime() - now.getTime()) <= MAX_SKEW) return
  throw new S3Error('RequestTimeTooSkewed', undefined, {
    elements: {
      RequestTime: sent,
      ServerTime: isoSeconds(now),
      MaxAllowedSkewMilliseconds: String(MAX_SKEW),
    },
  })
}

function checkExpiry(expires: string, now: Date): void {
  if (!/^\d{1,12}$/.test(expires)) {
    throw new S3Error('AccessDenied', `Invalid date (should be seconds since epoch): ${expires}`)
  }
  const ends = new Date(Number(expires) * 1000)
  if (now <= ends) return
  throw new S3Error('AccessDenied', 'Request has expired', {
    elements: { Expires: isoSeconds(ends), ServerTime: isoSeconds(now) },
  })
}

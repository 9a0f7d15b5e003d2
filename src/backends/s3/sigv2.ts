import { encodeRfc3986 } from './encoding.ts'
import { isOfCustomerKey } from './object-parameters.ts'
import { hmacSha1Base64 } from './platform/hashes.ts'
import type { Credentials, PresignRequest } from './sigv4.ts'

/**
 * What is signed of a query, with the values as they are meant; anything else can be changed on the
 * way (https://docs.aws.amazon.com/AmazonS3/latest/API/RESTAuthentication.html, and what came later).
 */
const signedParameters: ReadonlySet<string> = new Set([
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

/**
 * Signs URLs with version 2 of the signature, for services and buckets of old: AWS refuses it in
 * all regions since 2014, and for all buckets made since June 2020.
 */
export class SigV2Signer {
  readonly #credentials: Credentials
  readonly #bucketPath: string

  /** @param bucketPath what stands before the path in what is signed: `/bucket` for virtual hosts */
  constructor(credentials: Credentials, bucketPath: string) {
    this.#credentials = credentials
    this.#bucketPath = bucketPath
  }

  /** The query of a URL that is valid for `expiresIn` seconds, with its signature. */
  presign(request: PresignRequest, now: Date): string {
    const { query, signedHeaders = [], expiresIn } = request
    const { accessKey, securityToken } = this.#credentials
    const headers = [...signedHeaders]
    if (securityToken !== undefined) headers.push(['x-amz-security-token', securityToken])
    const expires = String(Math.floor(now.getTime() / 1000) + expiresIn)
    const signature = this.#sign(request, headers, expires)
    const pairs: (readonly [string, string])[] = [
      ...query,
      ['AWSAccessKeyId', accessKey],
      ['Signature', signature],
      // The service takes these from the query as well: whoever has the URL need not send them.
      ...headers.filter(([name]) => mayStandInUrl(name)),
      ['Expires', expires],
    ]
    return pairs.map(pair => pair.map(encodeRfc3986).join('=')).join('&')
  }

  #sign(
    { method, path, query }: PresignRequest,
    headers: readonly (readonly [string, string])[],
    expires: string,
  ): string {
    const textOf = (name: string): string => headers.find(([own]) => own === name)?.[1] ?? ''
    // Those of the query count as headers, too.
    const amazon = [...headers, ...query].filter(([name]) => name.startsWith('x-amz-')).sort(byName)
    const text = [
      method,
      textOf('content-md5'),
      textOf('content-type'),
      expires,
      ...amazon.map(([name, value]) => `${name}:${value.trim()}`),
      `${this.#bucketPath}${path}${signedQuery(query)}`,
    ].join('\n')
    return hmacSha1Base64(this.#credentials.secretKey, text)
  }
}

function mayStandInUrl(header: string): boolean {
  return /^x-amz-|^content-(?:md5|type)$/.test(header) && !isOfCustomerKey(header)
}

function byName([a]: readonly [string, string], [b]: readonly [string, string]): number {
  return a < b ? -1 : 1
}

/** In the order of their names; one without a value stands alone. */
function signedQuery(query: PresignRequest['query']): string {
  const signed = query.filter(([name]) => signedParameters.has(name)).sort(byName)
  if (signed.length === 0) return ''
  return `?${signed.map(([name, value]) => (value === '' ? name : `${name}=${value}`)).join('&')}`
}

import { encodeKey, encodeRfc3986 } from './encoding.ts'
import type { PresignOptions } from './engine.ts'
import type { PresignRequest } from './sigv4.ts'
import type { S3Address } from './url.ts'

/** What signs a URL: {@link PresignRequest} has all that either version of the signature needs. */
export interface UrlSigner {
  presign(request: PresignRequest, now: Date): string
}

/** The URL of an object, signed for `expiresIn` seconds from `now`. */
export function signedUrl(
  address: S3Address,
  signer: UrlSigner,
  key: string,
  options: PresignOptions,
  now: Date,
): string {
  const { method, expiresIn = 0, query, headers } = options
  const { origin, host, prefix } = address
  const path = `${prefix}/${encodeKey(key)}`
  const request = { method, host, path, query, signedHeaders: headers, expiresIn }
  return `${origin}${path}?${signer.presign(request, now)}`
}

/** The plain URL of an object. */
export function unsignedUrl(
  address: S3Address,
  key: string,
  query: PresignOptions['query'],
): string {
  const pairs = query.map(([name, value]) => `${encodeRfc3986(name)}=${encodeRfc3986(value)}`)
  const search = pairs.length === 0 ? '' : `?${pairs.join('&')}`
  return `${address.origin}${address.prefix}/${encodeKey(key)}${search}`
}

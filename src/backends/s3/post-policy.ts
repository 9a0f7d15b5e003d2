import { encodeUtf8 } from '../../core/bytes.ts'
import { ValidationError } from '../../core/errors.ts'
import { filenameVariable } from './form-fields.ts'
import { maxExpiry } from './options.ts'
import { hmacSha1Base64, hmacSha256 } from './platform/hashes.ts'
import type { Credentials } from './sigv4.ts'
import type { S3Address } from './url.ts'

/**
 * What a field of the form has to be: exactly that, or as the operator says; the size of the file
 * in bytes.
 */
export type PostCondition =
  | Readonly<Record<string, string>>
  | readonly ['eq' | 'starts-with', string, string]
  | readonly ['content-length-range', number, number]

/** What a form is signed for. */
export interface PostPolicyRequest {
  readonly bucketName: string
  /** May end in `${filename}`: the browser's name of the file is put there. */
  readonly key: string
  /** Further fields of the form. Each needs a condition that allows it. */
  readonly fields?: Readonly<Record<string, string>> | undefined
  readonly conditions?: readonly PostCondition[] | undefined
  /** Seconds. */
  readonly expiresIn: number
}

/**
 * A form with which a browser uploads one file by POST (`multipart/form-data`): the fields, and
 * behind them the file in the field `file`.
 */
export interface PostForm {
  readonly url: string
  readonly fields: Readonly<Record<string, string>>
}

/** Who signs, and where the form leads. */
export interface PostSigner {
  readonly address: S3Address
  readonly credentials: Credentials
}

/**
 * A signed form for an upload by POST
 * (https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-HTTPPOSTConstructPolicy.html), in
 * signature version 4.
 *
 * @throws ValidationError for an expiry beyond seven days or below one second
 */
export function signPostForm(
  request: PostPolicyRequest,
  { address, credentials, region }: PostSigner & { readonly region: string },
  now: Date,
): PostForm {
  const time = `${now.toISOString().slice(0, 19).replaceAll(/[-:]/g, '')}Z`
  const day = time.slice(0, 8)
  const signing: Record<string, string> = {
    'x-amz-algorithm': 'AWS4-HMAC-SHA256',
    'x-amz-credential': `${credentials.accessKey}/${day}/${region}/s3/aws4_request`,
    'x-amz-date': time,
    ...tokenOf(credentials),
  }
  const policy = encodePolicy(request, signing, now)
  const signature = signPolicyV4(policy, credentials.secretKey, day, region)
  return formOf(request, address, { ...signing, policy, 'x-amz-signature': signature })
}

/** {@link signPostForm} in signature version 2. */
export function signPostFormV2(
  request: PostPolicyRequest,
  { address, credentials }: PostSigner,
  now: Date,
): PostForm {
  const token = tokenOf(credentials)
  const policy = encodePolicy(request, token, now)
  const signature = signPolicyV2(policy, credentials.secretKey)
  const { accessKey: AWSAccessKeyId } = credentials
  return formOf(request, address, { AWSAccessKeyId, ...token, policy, signature })
}

/** Signature of a policy by version 4, in hexadecimal. */
export function signPolicyV4(
  policy: string,
  secretKey: string,
  day: string,
  region: string,
): string {
  const dayKey = hmacSha256(encodeUtf8(`AWS4${secretKey}`), day)
  const key = hmacSha256(hmacSha256(hmacSha256(dayKey, region), 's3'), 'aws4_request')
  const bytes = hmacSha256(key, policy)
  return Array.from(bytes, byte => byte.toString(16).padStart(2, '0')).join('')
}

/** Signature of a policy by version 2, in base64. */
export function signPolicyV2(policy: string, secretKey: string): string {
  return hmacSha1Base64(secretKey, policy)
}

function tokenOf({ securityToken }: Credentials): Record<string, string> {
  return securityToken === undefined ? {} : { 'x-amz-security-token': securityToken }
}

/** The policy's document in base64: conditions on bucket, key and signature come last. */
function encodePolicy(
  request: PostPolicyRequest,
  signing: Readonly<Record<string, string>>,
  now: Date,
): string {
  const { bucketName, key, conditions = [], expiresIn } = request
  if (!(expiresIn >= 1 && expiresIn <= maxExpiry))
    throw new ValidationError(
      `expiresIn lies between 1 and ${maxExpiry} seconds (7 days, the limit of S3's signatures), not ${expiresIn}.`,
    )
  const expiration = new Date(now.getTime() + expiresIn * 1000)
  const document = {
    expiration: `${expiration.toISOString().slice(0, 19)}Z`,
    conditions: [
      ...conditions,
      { bucket: bucketName },
      key.endsWith(filenameVariable)
        ? ['starts-with', '$key', key.slice(0, -filenameVariable.length)]
        : { key },
      ...Object.entries(signing).map(([name, value]) => ({ [name]: value })),
    ],
  }
  return btoa(String.fromCharCode(...encodeUtf8(JSON.stringify(document))))
}

/** A form goes to the bucket: in path style without, else with the final `/`. */
function formOf(
  { key, fields }: PostPolicyRequest,
  { origin, prefix, style }: S3Address,
  signing: Readonly<Record<string, string>>,
): PostForm {
  const url = style === 'path' ? `${origin}${prefix}` : `${origin}${prefix}/`
  return { url, fields: { ...fields, key, ...signing } }
}

import { createHash } from 'node:crypto'
import { invalidArgument, S3Error } from './errors.ts'
import type { HeaderMap } from './message.ts'

const SSE = 'x-amz-server-side-encryption'
const CUSTOMER = `${SSE}-customer`
const KMS_KEY = `${SSE}-aws-kms-key-id`
const DEFAULT_KMS_KEY =
  'arn:aws:kms:us-east-1:000000000000:key/00000000-0000-0000-0000-000000000000'

/** How an object is encrypted. Its bytes are kept in the clear; who may read them is enforced. */
export type Encryption =
  | { readonly kind: 'AES256' }
  | { readonly kind: 'aws:kms' | 'aws:kms:dsse'; readonly keyId: string }
  | { readonly kind: 'customer'; readonly keyMd5: string }

/**
 * The encryption that a write asks for
 * (https://docs.aws.amazon.com/AmazonS3/latest/userguide/serv-side-encryption.html).
 */
export function encryptionFromHeaders(headers: HeaderMap, always: boolean): Encryption | undefined {
  const keyMd5 = customerKey(headers, CUSTOMER)
  const kind = headers.get(SSE)
  if (keyMd5 !== undefined) {
    if (kind === undefined) return { kind: 'customer', keyMd5 }
    throw invalidArgument(
      'Server Side Encryption with Customer provided key is incompatible with the encryption method specified',
      SSE,
      kind,
    )
  }
  return serverKey(kind, headers.get(KMS_KEY), always)
}

/** The headers that tell an object's encryption. */
export function encryptionHeaders(encryption: Encryption | undefined): Record<string, string> {
  if (encryption === undefined) return {}
  if (encryption.kind === 'AES256') return { [SSE]: 'AES256' }
  if (encryption.kind === 'customer') {
    return { [`${CUSTOMER}-algorithm`]: 'AES256', [`${CUSTOMER}-key-md5`]: encryption.keyMd5 }
  }
  return { [SSE]: encryption.kind, [KMS_KEY]: encryption.keyId }
}

/**
 * Checks that a reader brings the key an object was encrypted with, and none where there is none.
 * @param prefix `x-amz-copy-source-` for the source of a copy
 */
export function checkReadable(
  encryption: Encryption | undefined,
  headers: HeaderMap,
  prefix: '' | 'x-amz-copy-source-' = '',
): void {
  const given = customerKey(headers, prefix === '' ? CUSTOMER : `${prefix}${CUSTOMER.slice(6)}`)
  if (encryption?.kind !== 'customer') {
    if (given === undefined) return
    throw new S3Error(
      'InvalidRequest',
      'The encryption parameters are not applicable to this object.',
    )
  }
  if (given === undefined) {
    throw new S3Error(
      'InvalidRequest',
      'The object was stored using a form of Server Side Encryption. The correct parameters must be provided to retrieve the object.',
    )
  }
  if (given !== encryption.keyMd5) throw new S3Error('AccessDenied')
}

/** With keys of KMS or the customer, an entity tag is no MD5 of the content: nobody may rely on it. */
export function encryptedEtag(md5: string, encryption: Encryption | undefined): string {
  if (encryption === undefined || encryption.kind === 'AES256') return md5
  const key = encryption.kind === 'customer' ? encryption.keyMd5 : encryption.keyId
  return createHash('md5').update(`${md5} ${key}`).digest('hex')
}

function serverKey(
  kind: string | undefined,
  keyId: string | undefined,
  always: boolean,
): Encryption | undefined {
  if (kind === 'aws:kms' || kind === 'aws:kms:dsse')
    return { kind, keyId: keyId ?? DEFAULT_KMS_KEY }
  if (keyId !== undefined) {
    throw invalidArgument(
      `Server Side Encryption with AWS KMS managed key requires HTTP header ${SSE} : aws:kms`,
      SSE,
      kind ?? 'null',
    )
  }
  if (kind === 'AES256') return { kind }
  if (kind === undefined) return always ? { kind: 'AES256' } : undefined
  throw invalidArgument('The encryption method specified is not supported', SSE, kind)
}

/** The MD5 of a customer's key, once key and MD5 were found to fit. */
function customerKey(headers: HeaderMap, prefix: string): string | undefined {
  const algorithm = headers.get(`${prefix}-algorithm`)
  const key = headers.get(`${prefix}-key`)
  const md5 = headers.get(`${prefix}-key-md5`)
  if (algorithm === undefined && key === undefined && md5 === undefined) return undefined
  if (algorithm === undefined || key === undefined || md5 === undefined) {
    throw new S3Error(
      'InvalidArgument',
      'Requests specifying Server Side Encryption with Customer provided keys must provide an appropriate secret key.',
    )
  }
  if (algorithm !== 'AES256') throw new S3Error('InvalidEncryptionAlgorithmError')
  const bytes = Buffer.from(key, 'base64')
  if (bytes.byteLength !== 32) {
    throw new S3Error('InvalidArgument', 'The secret key was invalid for the specified algorithm.')
  }
  const computed = createHash('md5').update(bytes).digest('base64')
  if (computed === md5) return computed
  throw new S3Error(
    'InvalidArgument',
    'The calculated MD5 hash of the key did not match the hash that was provided.',
  )
}

import { encodeUtf8 } from '../../core/bytes.ts'
import type { StorageError } from '../../core/errors.ts'
import type { ObjectParameters } from './object-parameters.ts'
import { keyDigest } from './platform/key-digest.ts'

/** Makes the error of a problem, which never holds the value. */
type Fail = (problem: string) => StorageError

type CustomerKey = Pick<
  ObjectParameters,
  'SSECustomerAlgorithm' | 'SSECustomerKey' | 'SSECustomerKeyMD5'
>

const keyBytes = 32

/**
 * The three parameters of a customer's key (SSE-C), of which two follow from the key
 * (https://docs.aws.amazon.com/AmazonS3/latest/userguide/ServerSideEncryptionCustomerKeys.html).
 *
 * @throws what `fail` makes of a key of another length, of an algorithm that S3 does not have, and
 *   of algorithm or MD5 without a key
 */
export function readCustomerKey(given: Readonly<Record<string, unknown>>, fail: Fail): CustomerKey {
  const { SSECustomerKey: key, SSECustomerAlgorithm: algorithm, SSECustomerKeyMD5: md5 } = given
  if (key === undefined) {
    if (algorithm === undefined && md5 === undefined) return {}
    const present = algorithm === undefined ? 'SSECustomerKeyMD5' : 'SSECustomerAlgorithm'
    throw fail(`has ${present} without SSECustomerKey`)
  }
  if (algorithm !== undefined && algorithm !== 'AES256')
    throw fail('needs SSECustomerAlgorithm as "AES256": S3 knows nothing else')
  const bytes = bytesOfKey(key)
  if (bytes?.byteLength !== keyBytes)
    throw fail(
      'needs SSECustomerKey as 32 bytes, as a text of 32 characters, or as these in base64',
    )
  const computed = keyDigest(bytes)
  if (md5 !== undefined && md5 !== computed)
    throw fail('has an SSECustomerKeyMD5 that is not that of SSECustomerKey; leave it out')
  return {
    SSECustomerAlgorithm: 'AES256',
    SSECustomerKey: toBase64(bytes),
    SSECustomerKeyMD5: computed,
  }
}

/**
 * The context of a KMS encryption as it is sent: JSON in base64.
 *
 * @throws what `fail` makes of anything else than an object of strings, or that as JSON in base64
 */
export function readEncryptionContext(given: unknown, fail: Fail): string {
  const context = typeof given === 'string' ? decoded(given) : given
  const right =
    typeof context === 'object' &&
    context !== null &&
    !Array.isArray(context) &&
    Object.values(context).every(value => typeof value === 'string')
  if (!right)
    throw fail('needs SSEKMSEncryptionContext as an object of strings, or as its JSON in base64')
  return typeof given === 'string' ? given : toBase64(encodeUtf8(JSON.stringify(context)))
}

function bytesOfKey(key: unknown): Uint8Array | undefined {
  if (key instanceof Uint8Array) return key
  if (typeof key !== 'string') return undefined
  const text = encodeUtf8(key)
  return text.byteLength === keyBytes ? text : fromBase64(key)
}

function decoded(text: string): unknown {
  const bytes = fromBase64(text)
  try {
    return bytes === undefined ? undefined : JSON.parse(new TextDecoder().decode(bytes))
  } catch {
    return undefined
  }
}

function fromBase64(text: string): Uint8Array | undefined {
  try {
    return Uint8Array.from(atob(text), character => character.charCodeAt(0))
  } catch {
    return undefined
  }
}

function toBase64(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes))
}

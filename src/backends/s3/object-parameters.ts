import { ImproperlyConfigured } from '../../core/errors.ts'
import { suggestion } from '../../core/nearest.ts'
import { findMetadataProblem, isHeaderValue } from '../../core/properties.ts'
import { encodeMetadata } from './encoding.ts'
import { readCustomerKey, readEncryptionContext } from './object-encryption.ts'

/**
 * What S3 stores with an object and what requests about it have to say, under the S3 API's own
 * names and in its own form
 * (https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html).
 */
export interface ObjectParameters {
  readonly ACL?: string | undefined
  readonly CacheControl?: string | undefined
  readonly ContentDisposition?: string | undefined
  readonly ContentEncoding?: string | undefined
  readonly ContentLanguage?: string | undefined
  readonly ContentType?: string | undefined
  /** An HTTP date, as it is sent. */
  readonly Expires?: string | undefined
  readonly GrantFullControl?: string | undefined
  readonly GrantRead?: string | undefined
  readonly GrantReadACP?: string | undefined
  readonly GrantWriteACP?: string | undefined
  readonly Metadata?: Readonly<Record<string, string>> | undefined
  readonly ServerSideEncryption?: string | undefined
  readonly SSEKMSKeyId?: string | undefined
  /** JSON in base64. */
  readonly SSEKMSEncryptionContext?: string | undefined
  readonly BucketKeyEnabled?: boolean | undefined
  readonly SSECustomerAlgorithm?: string | undefined
  /** In base64. */
  readonly SSECustomerKey?: string | undefined
  /** MD5 of the key, in base64. */
  readonly SSECustomerKeyMD5?: string | undefined
  readonly StorageClass?: string | undefined
  /** URL-encoded: `a=b&c=d`. */
  readonly Tagging?: string | undefined
  /** A path of the bucket, or a URL. */
  readonly WebsiteRedirectLocation?: string | undefined
  readonly ObjectLockMode?: string | undefined
  /** A time as ISO 8601 has it. */
  readonly ObjectLockRetainUntilDate?: string | undefined
  readonly ObjectLockLegalHoldStatus?: string | undefined
  readonly RequestPayer?: string | undefined
  /** Id of the account that has to own the bucket. */
  readonly ExpectedBucketOwner?: string | undefined
}

/** {@link ObjectParameters} as the option takes them: some have a form that is easier to write. */
export interface GivenObjectParameters
  extends Omit<
    ObjectParameters,
    | 'Expires'
    | 'ObjectLockRetainUntilDate'
    | 'SSECustomerKey'
    | 'SSEKMSEncryptionContext'
    | 'RequestPayer'
  > {
  readonly Expires?: string | Date | undefined
  readonly ObjectLockRetainUntilDate?: string | Date | undefined
  /** 32 bytes, or as text of 32 characters, or in base64. Algorithm and MD5 follow from it. */
  readonly SSECustomerKey?: string | Uint8Array | undefined
  readonly SSEKMSEncryptionContext?: string | Readonly<Record<string, string>> | undefined
  readonly RequestPayer?: 'requester' | undefined
}

/** What not only writes but all requests about an object have to say. */
export type AccessParameters = Pick<ObjectParameters, AccessName>
type AccessName =
  | 'SSECustomerAlgorithm'
  | 'SSECustomerKey'
  | 'SSECustomerKeyMD5'
  | 'RequestPayer'
  | 'ExpectedBucketOwner'

type HeaderParameter = Exclude<keyof ObjectParameters, 'Metadata'>

/** The header that carries each parameter but `Metadata`. */
export const headerOf: Readonly<Record<HeaderParameter, string>> = {
  ACL: 'x-amz-acl',
  CacheControl: 'cache-control',
  ContentDisposition: 'content-disposition',
  ContentEncoding: 'content-encoding',
  ContentLanguage: 'content-language',
  ContentType: 'content-type',
  Expires: 'expires',
  GrantFullControl: 'x-amz-grant-full-control',
  GrantRead: 'x-amz-grant-read',
  GrantReadACP: 'x-amz-grant-read-acp',
  GrantWriteACP: 'x-amz-grant-write-acp',
  ServerSideEncryption: 'x-amz-server-side-encryption',
  SSEKMSKeyId: 'x-amz-server-side-encryption-aws-kms-key-id',
  SSEKMSEncryptionContext: 'x-amz-server-side-encryption-context',
  BucketKeyEnabled: 'x-amz-server-side-encryption-bucket-key-enabled',
  SSECustomerAlgorithm: 'x-amz-server-side-encryption-customer-algorithm',
  SSECustomerKey: 'x-amz-server-side-encryption-customer-key',
  SSECustomerKeyMD5: 'x-amz-server-side-encryption-customer-key-md5',
  StorageClass: 'x-amz-storage-class',
  Tagging: 'x-amz-tagging',
  WebsiteRedirectLocation: 'x-amz-website-redirect-location',
  ObjectLockMode: 'x-amz-object-lock-mode',
  ObjectLockRetainUntilDate: 'x-amz-object-lock-retain-until-date',
  ObjectLockLegalHoldStatus: 'x-amz-object-lock-legal-hold',
  RequestPayer: 'x-amz-request-payer',
  ExpectedBucketOwner: 'x-amz-expected-bucket-owner',
}

const customerKeyNames = ['SSECustomerAlgorithm', 'SSECustomerKey', 'SSECustomerKeyMD5'] as const
const bucketNames = ['RequestPayer', 'ExpectedBucketOwner'] as const

/** Whether a header carries a customer's key or tells of it: such stand in no URL. */
export function isOfCustomerKey(header: string): boolean {
  return header.startsWith('x-amz-server-side-encryption-customer-')
}

/** What a copy takes over from its source, or has no use for. All else it needs anew. */
const takenOver: ReadonlySet<string> = new Set<keyof ObjectParameters>([
  'CacheControl',
  'ContentDisposition',
  'ContentEncoding',
  'ContentLanguage',
  'ContentType',
  'Expires',
  'Metadata',
  'Tagging',
])

/** Parameters as request headers: name, value, name, value. */
export function parameterHeaders(parameters: ObjectParameters): string[] {
  const headers: string[] = []
  // `for … in` makes no arrays; this runs for every file that is saved.
  for (const name in parameters) {
    const value = parameters[name as keyof ObjectParameters]
    if (value === undefined || name === 'Metadata') continue
    headers.push(headerOf[name as HeaderParameter], String(value))
  }
  const { Metadata: metadata = {} } = parameters
  for (const name in metadata) {
    headers.push(`x-amz-meta-${name.toLowerCase()}`, encodeMetadata(metadata[name] ?? ''))
  }
  return headers
}

/** Those parameters that a copy has to be given, since S3 does not take them over. */
export function copyParameters(parameters: ObjectParameters): ObjectParameters {
  return Object.fromEntries(Object.entries(parameters).filter(([name]) => !takenOver.has(name)))
}

/** Those that all requests about an object carry; `undefined` when there are none. */
export function accessParameters(parameters: ObjectParameters): AccessParameters | undefined {
  const names: readonly AccessName[] = [...customerKeyNames, ...bucketNames]
  const given = names.filter(name => parameters[name] !== undefined)
  if (given.length === 0) return undefined
  return Object.fromEntries(given.map(name => [name, parameters[name]]))
}

/**
 * Headers of a request about an object; about the bucket or an upload as such, where the customer's
 * key has no place; or about the source of a copy.
 */
export function accessHeaders(
  access: AccessParameters | undefined,
  subject: 'object' | 'bucket' | 'source',
): string[] {
  if (access === undefined) return []
  const headers: string[] = []
  for (const name of subject === 'bucket' ? [] : customerKeyNames) {
    const header = headerOf[name]
    const value = access[name]
    if (value === undefined) continue
    headers.push(subject === 'source' ? header.replace('x-amz-', 'x-amz-copy-source-') : header)
    headers.push(value)
  }
  if (subject === 'source') {
    const { ExpectedBucketOwner: owner } = access
    return owner === undefined ? headers : [...headers, 'x-amz-source-expected-bucket-owner', owner]
  }
  for (const name of bucketNames) {
    const value = access[name]
    if (value !== undefined) headers.push(headerOf[name], value)
  }
  return headers
}

/** The parameter that a header carries, if there is one. */
export function parameterOf(header: string): HeaderParameter | undefined {
  const lower = header.toLowerCase()
  return headerParameters.find(name => headerOf[name] === lower)
}

const headerParameters = Object.keys(headerOf) as HeaderParameter[]

/** Every name that there is. */
export const parameterNames: readonly string[] = [...headerParameters, 'Metadata']

/** Names of the S3 API that have a place elsewhere. */
const elsewhere: Readonly<Record<string, string>> = {
  ChecksumAlgorithm: 'Set the option "checksumAlgorithm" instead.',
  VersionId: 'Give it to url() as a parameter instead: a storage reads what is there now.',
  Body: 'It is what save() is given.',
  Bucket: 'Set the option "bucketName" instead.',
  Key: 'It is the name that save() is given.',
}

/**
 * Checks object parameters that a setting or the user's function gave, and brings them into the
 * form in which they are sent.
 *
 * @throws ImproperlyConfigured for a name that S3 does not have (with the nearest one), for values
 *   of the wrong type or that no header can carry, and for a customer's key that is none
 */
export function checkObjectParameters(given: unknown): ObjectParameters {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    throw misconfigured(
      'must be an object with the names of the S3 API, such as { CacheControl: … }',
    )
  }
  if (given instanceof Promise) throw misconfigured('cannot be a function that is async')
  const parameters: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(given)) {
    if (!parameterNames.includes(name)) throw unknownName(name)
    if (value !== undefined) parameters[name] = checkedValue(name, value)
  }
  return {
    ...(parameters as ObjectParameters),
    ...readCustomerKey(parameters, problem => misconfigured(problem)),
  }
}

/** @throws ImproperlyConfigured about the option */
export function misconfigured(problem: string): ImproperlyConfigured {
  return new ImproperlyConfigured(
    `Option "objectParameters" ${problem}.`.replace(/\?\.$/, '?').replace(/\.\.$/, '.'),
    { setting: 'objectParameters' },
  )
}

function unknownName(name: string): ImproperlyConfigured {
  const advice = Object.hasOwn(elsewhere, name)
    ? ` ${elsewhere[name]}`
    : suggestion(name, parameterNames)
  return misconfigured(`has no member "${name}".${advice}`)
}

function checkedValue(name: string, value: unknown): unknown {
  if (name === 'Metadata') return checkMetadata(value)
  const text = textOf(name, value)
  if (name === 'SSECustomerKey' && value instanceof Uint8Array) return value
  const [type, right] =
    name === 'BucketKeyEnabled'
      ? ['boolean', typeof text === 'boolean']
      : ['string', typeof text === 'string']
  if (!right) throw misconfigured(`needs ${name} as a ${type}, not ${kind(text)}`)
  if (typeof text === 'string' && !isHeaderValue(text))
    throw misconfigured(`has a control character or a lone surrogate in ${name}`)
  if (name === 'RequestPayer' && text !== 'requester')
    throw misconfigured('needs RequestPayer as "requester": S3 knows nothing else')
  return text
}

/** Dates and contexts in the form in which they are sent; anything else as it is. */
function textOf(name: string, value: unknown): unknown {
  if (name === 'SSEKMSEncryptionContext')
    return readEncryptionContext(value, problem => misconfigured(problem))
  if (!(value instanceof Date)) return value
  if (Number.isNaN(value.getTime())) throw misconfigured(`has a Date in ${name} that is no time`)
  if (name === 'Expires') return value.toUTCString()
  return name === 'ObjectLockRetainUntilDate' ? value.toISOString() : value
}

function kind(value: unknown): string {
  if (value instanceof Date) return 'a Date'
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`
}

function checkMetadata(metadata: unknown): unknown {
  if (typeof metadata !== 'object' || metadata === null)
    throw misconfigured(`needs Metadata as an object, not ${kind(metadata)}`)
  const seen = new Map<string, string>()
  for (const [name, value] of Object.entries(metadata)) {
    const lower = name.toLowerCase()
    const twin = seen.get(lower)
    const problem =
      findMetadataProblem(name, value) ??
      (twin === undefined ? undefined : `is "${twin}" in other letters: case does not count`)
    if (problem !== undefined)
      throw misconfigured(`has Metadata of which ${JSON.stringify(name)} ${problem}`)
    seen.set(lower, name)
  }
  return metadata
}

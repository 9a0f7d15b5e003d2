import { ImproperlyConfigured } from '../../core/errors.ts'
import { suggestion } from '../../core/nearest.ts'
import { findMetadataProblem, isHeaderValue } from '../../core/properties.ts'
import { encodeMetadata } from './encoding.ts'

/**
 * What S3 stores with an object, under the S3 API's own names
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
  readonly SSEKMSEncryptionContext?: string | undefined
  readonly BucketKeyEnabled?: boolean | undefined
  readonly StorageClass?: string | undefined
  /** URL-encoded: `a=b&c=d`. */
  readonly Tagging?: string | undefined
  readonly WebsiteRedirectLocation?: string | undefined
  readonly ObjectLockMode?: string | undefined
  readonly ObjectLockRetainUntilDate?: string | undefined
  readonly ObjectLockLegalHoldStatus?: string | undefined
}

type HeaderParameter = Exclude<keyof ObjectParameters, 'Metadata'>

const headerOf: Readonly<Record<HeaderParameter, string>> = {
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
  StorageClass: 'x-amz-storage-class',
  Tagging: 'x-amz-tagging',
  WebsiteRedirectLocation: 'x-amz-website-redirect-location',
  ObjectLockMode: 'x-amz-object-lock-mode',
  ObjectLockRetainUntilDate: 'x-amz-object-lock-retain-until-date',
  ObjectLockLegalHoldStatus: 'x-amz-object-lock-legal-hold',
}

/** What a copy does not take over from its source and needs anew. */
const ownOfCopy: ReadonlySet<string> = new Set([
  'ACL',
  'GrantFullControl',
  'GrantRead',
  'GrantReadACP',
  'GrantWriteACP',
  'ServerSideEncryption',
  'SSEKMSKeyId',
  'SSEKMSEncryptionContext',
  'BucketKeyEnabled',
  'StorageClass',
  'ObjectLockMode',
  'ObjectLockRetainUntilDate',
  'ObjectLockLegalHoldStatus',
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
  return Object.fromEntries(Object.entries(parameters).filter(([name]) => ownOfCopy.has(name)))
}

/**
 * Checks object parameters that a setting or the user's function gave.
 *
 * @throws ImproperlyConfigured for a name that S3 does not have (with the nearest one), and for
 *   values of the wrong type or that no header can carry
 */
export function checkObjectParameters(parameters: unknown): ObjectParameters {
  if (typeof parameters !== 'object' || parameters === null) {
    throw misconfigured(
      'must be an object with the names of the S3 API, such as { CacheControl: … }',
    )
  }
  if (parameters instanceof Promise) throw misconfigured('cannot be a function that is async')
  for (const [name, value] of Object.entries(parameters)) {
    if (name !== 'Metadata' && !Object.hasOwn(headerOf, name)) {
      throw misconfigured(
        `has no member "${name}".${suggestion(name, [...Object.keys(headerOf), 'Metadata'])}`,
      )
    }
    if (value !== undefined && typeof value !== typeOf(name)) {
      throw misconfigured(`needs ${name} as a ${typeOf(name)}, not a ${typeof value}`)
    }
    if (typeof value === 'string' && !isHeaderValue(value))
      throw misconfigured(`has a control character or a lone surrogate in ${name}`)
    if (name === 'Metadata') checkMetadata(value ?? {})
  }
  return parameters
}

function checkMetadata(metadata: object): void {
  for (const [name, value] of Object.entries(metadata)) {
    const problem = findMetadataProblem(name, value)
    if (problem !== undefined)
      throw misconfigured(`has Metadata of which ${JSON.stringify(name)} ${problem}`)
  }
}

function typeOf(name: string): 'string' | 'boolean' | 'object' {
  if (name === 'Metadata') return 'object'
  return name === 'BucketKeyEnabled' ? 'boolean' : 'string'
}

function misconfigured(problem: string): ImproperlyConfigured {
  return new ImproperlyConfigured(
    `Option "objectParameters" ${problem}.`.replace(/\?\.$/, '?').replace(/\.\.$/, '.'),
    {
      setting: 'objectParameters',
    },
  )
}

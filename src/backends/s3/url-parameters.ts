import { ValidationError } from '../../core/errors.ts'
import { suggestion } from '../../core/nearest.ts'
import { findMetadataProblem, isHeaderValue } from '../../core/properties.ts'
import { encodeMetadata } from './encoding.ts'
import { readCustomerKey } from './object-encryption.ts'
import { headerOf } from './object-parameters.ts'
import { withoutUndefined } from './without-undefined.ts'

type Parameters = Readonly<Record<string, string | number | Readonly<Record<string, string>>>>

/** What becomes part of the query, and what becomes a header that the caller must send. */
export interface UrlRequest {
  readonly query: readonly (readonly [string, string])[]
  readonly headers: readonly (readonly [string, string])[]
}

/** Of most URLs. */
const nothing: UrlRequest = { query: [], headers: [] }

/** Parameters of GetObject and HeadObject that go into the query, by their API names. */
const readQuery: Readonly<Record<string, string>> = {
  VersionId: 'versionId',
  PartNumber: 'partNumber',
  ResponseCacheControl: 'response-cache-control',
  ResponseContentDisposition: 'response-content-disposition',
  ResponseContentEncoding: 'response-content-encoding',
  ResponseContentLanguage: 'response-content-language',
  ResponseContentType: 'response-content-type',
  ResponseExpires: 'response-expires',
}

const readHeaders: Readonly<Record<string, string>> = {
  IfMatch: 'if-match',
  IfNoneMatch: 'if-none-match',
  IfModifiedSince: 'if-modified-since',
  IfUnmodifiedSince: 'if-unmodified-since',
  Range: 'range',
  ChecksumMode: 'x-amz-checksum-mode',
  SSECustomerAlgorithm: headerOf.SSECustomerAlgorithm,
  SSECustomerKey: headerOf.SSECustomerKey,
  SSECustomerKeyMD5: headerOf.SSECustomerKeyMD5,
  RequestPayer: headerOf.RequestPayer,
  ExpectedBucketOwner: headerOf.ExpectedBucketOwner,
}

const writeHeaders: Readonly<Record<string, string>> = {
  ...headerOf,
  ContentLength: 'content-length',
  ContentMD5: 'content-md5',
  IfMatch: 'if-match',
  IfNoneMatch: 'if-none-match',
}

/**
 * Sorts the parameters of a signed URL into query and headers. Accepted are the API's names
 * (`ResponseContentType`) and the names that go over the wire (`response-content-type`).
 *
 * @throws ValidationError for a name that the operation does not have, and for a value that cannot
 *   be sent
 */
export function urlRequest(
  method: 'GET' | 'HEAD' | 'PUT',
  given?: Parameters | undefined,
): UrlRequest {
  if (given === undefined) return nothing
  const parameters = { ...given, ...withoutUndefined(readCustomerKey(given, badKey)) }
  const request = { query: [] as [string, string][], headers: [] as [string, string][] }
  const query = method === 'PUT' ? {} : readQuery
  const headers = method === 'PUT' ? writeHeaders : readHeaders
  for (const [name, value] of Object.entries(parameters)) {
    const queryName = Object.hasOwn(query, name)
      ? query[name]
      : Object.values(query).find(wire => wire === name)
    if (queryName !== undefined) {
      const twin = request.query.find(([given]) => given === queryName)
      if (twin !== undefined) throw twice(queryName, Object.keys(parameters), query)
      request.query.push([queryName, textOf(name, value)])
    } else if (Object.hasOwn(headers, name))
      request.headers.push([headers[name] ?? '', headerValue(name, value)])
    else if (name === 'Metadata' && method === 'PUT')
      request.headers.push(...metadataHeaders(value))
    else throw unknown(method, name, [...Object.keys(query), ...Object.keys(headers)])
  }
  return request
}

function badKey(problem: string): ValidationError {
  return new ValidationError(`A URL parameter ${problem}.`)
}

function textOf(name: string, value: Parameters[string]): string {
  if (typeof value !== 'string' && typeof value !== 'number')
    throw new ValidationError(`URL parameter ${name} is a string or a number.`)
  return String(value)
}

function headerValue(name: string, value: Parameters[string]): string {
  const text = textOf(name, value)
  if (isHeaderValue(text)) return text
  throw new ValidationError(
    `URL parameter ${name} holds a control character or a lone surrogate, which no header can carry.`,
  )
}

function metadataHeaders(value: Parameters[string]): [string, string][] {
  if (typeof value !== 'object' || value === null)
    throw new ValidationError('URL parameter Metadata is an object of strings.')
  const names = new Set<string>()
  return Object.entries(value).map(([name, text]) => {
    const twin = names.size === names.add(name.toLowerCase()).size
    const problem =
      findMetadataProblem(name, text) ??
      (twin ? 'is another one in other letters: case does not count' : undefined)
    if (problem !== undefined)
      throw new ValidationError(`Metadata ${JSON.stringify(name)} ${problem}.`)
    return [`x-amz-meta-${name.toLowerCase()}`, metadataValue(text)]
  })
}

/** What can be sent as it is stays so, several blanks included: the caller sends it, not we. */
function metadataValue(text: string): string {
  const plain = /^[\u0021-\u007e](?:[\u0020-\u007e]*[\u0021-\u007e])?$/.test(text)
  return plain && !text.includes('=?') ? text : encodeMetadata(text)
}

/** @throws ValidationError naming both forms of one parameter */
function twice(
  wire: string,
  given: readonly string[],
  query: Readonly<Record<string, string>>,
): ValidationError {
  const names = given.filter(name => name === wire || query[name] === wire)
  return new ValidationError(
    `URL parameters ${names.join(' and ')} are one: give only one of them.`,
  )
}

function unknown(method: string, name: string, known: readonly string[]): ValidationError {
  const near = suggestion(name, known)
  return new ValidationError(
    `A ${method} URL of S3 has no parameter ${JSON.stringify(name)}.${near}`,
  )
}

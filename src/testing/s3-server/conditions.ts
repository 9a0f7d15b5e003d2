import { S3Error } from './errors.ts'
import type { HeaderMap } from './message.ts'

/** What conditions are compared with. */
export interface Version {
  readonly etag: string
  readonly lastModified: Date
}

/** The four conditional headers, of a request itself or of a copy's source. */
interface Conditions {
  readonly match: string | undefined
  readonly noneMatch: string | undefined
  readonly modifiedSince: Date | undefined
  readonly unmodifiedSince: Date | undefined
}

/**
 * Checks a GET's or HEAD's conditions (RFC 9110, section 13.2.2): an entity tag that matches
 * overrules `If-Unmodified-Since`, one that does not match overrules `If-Modified-Since`.
 * @returns whether the answer is 304 Not Modified
 * @throws S3Error PreconditionFailed
 */
export function checkReadConditions(headers: HeaderMap, version: Version): boolean {
  const conditions = readConditions(headers, '')
  const failed = failedPrecondition(conditions, version)
  if (failed !== undefined) throw preconditionFailed(failed)
  return isUnchanged(conditions, version)
}

/** Checks the conditions on a copy's source: there, `not modified` is a failure as well. */
export function checkSourceConditions(headers: HeaderMap, version: Version): void {
  const prefix = 'x-amz-copy-source-'
  const conditions = readConditions(headers, prefix)
  const failed = failedPrecondition(conditions, version)
  if (failed !== undefined) throw preconditionFailed(`${prefix}${failed}`)
  if (isUnchanged(conditions, version)) {
    throw preconditionFailed(
      `${prefix}${conditions.noneMatch === undefined ? 'If-Modified-Since' : 'If-None-Match'}`,
    )
  }
}

/** The conditions on a write: `If-None-Match: *` and `If-Match` with an entity tag. */
export interface WriteConditions {
  readonly ifNoneMatch: boolean
  readonly ifMatch: string | undefined
}

/**
 * Reads the conditions on a write, undefined if there is none
 * (https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html).
 * @throws S3Error NotImplemented for `If-None-Match` with an entity tag, and for both at once
 */
export function writeConditions(headers: HeaderMap, prefix = ''): WriteConditions | undefined {
  const noneMatch = headers.get(`${prefix}if-none-match`)
  const ifMatch = headers.get(`${prefix}if-match`)
  if (noneMatch === undefined && ifMatch === undefined) return undefined
  if (noneMatch !== undefined && (noneMatch !== '*' || ifMatch !== undefined)) {
    throw new S3Error('NotImplemented', undefined, {
      elements: {
        Header: 'If-None-Match',
        additionalMessage:
          ifMatch === undefined
            ? 'We support only a * value for If-None-Match on a write'
            : 'Multiple conditional request headers present in the request',
      },
    })
  }
  return { ifNoneMatch: noneMatch === '*', ifMatch }
}

/**
 * Checks the conditions on a write against what is there now.
 * @throws S3Error PreconditionFailed, or NoSuchKey where `If-Match` finds nothing
 */
export function checkWriteConditions(
  conditions: WriteConditions,
  version: Version | undefined,
  key: string,
): void {
  if (conditions.ifNoneMatch && version !== undefined) throw preconditionFailed('If-None-Match')
  if (conditions.ifMatch === undefined) return
  if (version === undefined) throw new S3Error('NoSuchKey', undefined, { elements: { Key: key } })
  if (!listed(conditions.ifMatch, version.etag)) throw preconditionFailed('If-Match')
}

/** `PreconditionFailed` naming the header. */
function preconditionFailed(header: string): S3Error {
  return new S3Error('PreconditionFailed', undefined, { elements: { Condition: header } })
}

/** Whether an `If-Range` names another version, so that the range does not count. */
export function rangeIsOutdated(ifRange: string | undefined, version: Version): boolean {
  if (ifRange === undefined) return false
  const date = parseDate(ifRange)
  if (date !== undefined && !ifRange.includes('"'))
    return seconds(version.lastModified) > seconds(date)
  return !listed(ifRange, version.etag)
}

function readConditions(headers: HeaderMap, prefix: string): Conditions {
  return {
    match: headers.get(`${prefix}if-match`),
    noneMatch: headers.get(`${prefix}if-none-match`),
    modifiedSince: parseDate(headers.get(`${prefix}if-modified-since`)),
    unmodifiedSince: parseDate(headers.get(`${prefix}if-unmodified-since`)),
  }
}

function failedPrecondition(conditions: Conditions, version: Version): string | undefined {
  const { match, unmodifiedSince } = conditions
  if (match !== undefined) return listed(match, version.etag) ? undefined : 'If-Match'
  if (unmodifiedSince === undefined) return undefined
  return seconds(version.lastModified) > seconds(unmodifiedSince)
    ? 'If-Unmodified-Since'
    : undefined
}

function isUnchanged(conditions: Conditions, version: Version): boolean {
  const { noneMatch, modifiedSince } = conditions
  if (noneMatch !== undefined) return listed(noneMatch, version.etag)
  return modifiedSince !== undefined && seconds(version.lastModified) <= seconds(modifiedSince)
}

/** S3 takes entity tags with and without quotes. */
function listed(header: string, etag: string): boolean {
  return header.split(',').some(tag => {
    const bare = tag
      .trim()
      .replace(/^W\//, '')
      .replace(/^"(.*)"$/, '$1')
    return bare === '*' || bare === etag
  })
}

function parseDate(text: string | undefined): Date | undefined {
  if (text === undefined) return undefined
  const date = new Date(text)
  return Number.isNaN(date.getTime()) ? undefined : date
}

function seconds(date: Date): number {
  return Math.floor(date.getTime() / 1000)
}

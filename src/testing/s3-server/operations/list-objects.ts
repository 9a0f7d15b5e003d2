import { ownerElement } from '../acl.ts'
import { isoTime } from '../auth/time.ts'
import type { Bucket, StoredObject } from '../bucket.ts'
import { bucketFor, type Call, xmlResponse } from '../call.ts'
import { invalidArgument } from '../errors.ts'
import { type ListPage, listPage } from '../listing.ts'
import type { S3Response } from '../message.ts'
import { encodeListed } from '../uri.ts'
import { element, s3Document } from '../xml.ts'

const MAX_KEYS = 1000
const MAX_INTEGER = 2_147_483_647

/** What all listings ask for alike. */
export interface ListParameters {
  readonly prefix: string
  readonly delimiter: string
  readonly limit: number
  /** Writes a key, encoded if the request asked for that. */
  readonly text: (key: string) => string
  readonly encodingType: string
}

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html */
export function listObjectsV2(call: Call): S3Response {
  const bucket = bucketFor(call, 'READ')
  const asked = listParameters(call, 'max-keys')
  const token = call.query.get('continuation-token')
  const startAfter = call.query.get('start-after') ?? ''
  const after = token === undefined ? startAfter : decodeToken(token)
  const page = listPage(bucket.objects.keys(), { ...asked, after })
  const owners = call.query.get('fetch-owner') === 'true'
  const content = [
    element('Name', bucket.name),
    element('Prefix', asked.text(asked.prefix)),
    optional('Delimiter', asked.text(asked.delimiter)),
    optional('StartAfter', asked.text(startAfter)),
    element('KeyCount', page.keys.length + page.prefixes.length),
    element('MaxKeys', asked.limit),
    asked.encodingType,
    element('IsTruncated', page.truncated),
    token === undefined ? '' : element('ContinuationToken', token),
    page.truncated ? element('NextContinuationToken', encodeToken(page.last ?? '')) : '',
    ...contents(bucket, page, asked, owners),
  ]
  return xmlResponse(s3Document('ListBucketResult', content.join('')))
}

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjects.html: a marker follows on a delimiter only */
export function listObjects(call: Call): S3Response {
  const bucket = bucketFor(call, 'READ')
  const asked = listParameters(call, 'max-keys')
  const marker = call.query.get('marker') ?? ''
  const page = listPage(bucket.objects.keys(), { ...asked, after: marker })
  const next = page.truncated && asked.delimiter !== '' ? asked.text(page.last ?? '') : ''
  const content = [
    element('Name', bucket.name),
    element('Prefix', asked.text(asked.prefix)),
    element('Marker', asked.text(marker)),
    optional('NextMarker', next),
    element('MaxKeys', asked.limit),
    optional('Delimiter', asked.text(asked.delimiter)),
    asked.encodingType,
    element('IsTruncated', page.truncated),
    ...contents(bucket, page, asked, true),
  ]
  return xmlResponse(s3Document('ListBucketResult', content.join('')))
}

/** Reads what all listings share. @throws S3Error InvalidArgument */
export function listParameters(call: Call, limitName: string): ListParameters {
  const encoding = call.query.get('encoding-type')
  if (encoding !== undefined && encoding !== 'url') {
    throw invalidArgument('Invalid Encoding Method specified in Request', 'encoding-type', encoding)
  }
  return {
    prefix: call.query.get('prefix') ?? '',
    delimiter: call.query.get('delimiter') ?? '',
    limit: Math.min(integerParameter(call, limitName, MAX_KEYS), MAX_KEYS),
    text: encoding === undefined ? key => key : encodeListed,
    encodingType: optional('EncodingType', encoding ?? ''),
  }
}

/** A number in the query; `usual` if there is none. @throws S3Error InvalidArgument */
export function integerParameter(call: Call, name: string, usual: number): number {
  const text = call.query.get(name)
  if (text === undefined || text === '') return usual
  const value = Number(text)
  if (/^\d+$/.test(text) && value <= MAX_INTEGER) return value
  const wrong = /^-\d+$/.test(text)
    ? `Argument ${name} must be an integer between 0 and ${MAX_INTEGER}`
    : `Provided ${name} not an integer or within integer range`
  throw invalidArgument(wrong, name, text)
}

/** An element that is left out when it would be empty. */
export function optional(name: string, text: string): string {
  return text === '' ? '' : element(name, text)
}

/** The elements of common prefixes. */
export function prefixElements(
  prefixes: readonly string[],
  text: (key: string) => string,
): string[] {
  return prefixes.map(
    prefix => `<CommonPrefixes>${element('Prefix', text(prefix))}</CommonPrefixes>`,
  )
}

function contents(
  bucket: Bucket,
  page: ListPage,
  asked: ListParameters,
  owners: boolean,
): string[] {
  const entries = page.keys.map(key => {
    const object = bucket.objects.get(key)
    return object === undefined ? '' : entry(object, asked.text(key), owners)
  })
  return [...entries, ...prefixElements(page.prefixes, asked.text)]
}

function entry(object: StoredObject, key: string, owners: boolean): string {
  const { checksum } = object
  return (
    `<Contents>${element('Key', key)}${element('LastModified', isoTime(object.lastModified))}` +
    `<ETag>&quot;${object.etag}&quot;</ETag>` +
    (checksum === undefined
      ? ''
      : element('ChecksumAlgorithm', checksum.name.toUpperCase()) +
        element('ChecksumType', checksum.type)) +
    `${element('Size', object.blob.size)}${owners ? ownerElement(object.owner) : ''}` +
    `${element('StorageClass', object.settings.storageClass)}</Contents>`
  )
}

/** Opaque to clients; the key is in it because it may vanish before the next page. */
function encodeToken(after: string): string {
  return Buffer.from(`1 ${after}`).toString('base64')
}

function decodeToken(token: string): string {
  const text = Buffer.from(token, 'base64').toString()
  if (text.startsWith('1 ')) return text.slice(2)
  throw invalidArgument('The continuation token provided is incorrect', 'continuation-token', token)
}

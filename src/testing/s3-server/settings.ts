import type { ObjectSettings, StoredObject } from './bucket.ts'
import { encryptionFromHeaders, encryptionHeaders } from './encryption.ts'
import { invalidArgument, S3Error } from './errors.ts'
import type { HeaderMap } from './message.ts'
import { metadataFromHeaders, metadataHeaders } from './metadata.ts'
import type { Profile } from './profile.ts'
import { tagsFromHeader } from './tags.ts'

const STORAGE_CLASSES = [
  'STANDARD',
  'REDUCED_REDUNDANCY',
  'STANDARD_IA',
  'ONEZONE_IA',
  'INTELLIGENT_TIERING',
  'GLACIER',
  'GLACIER_IR',
  'DEEP_ARCHIVE',
]
const REDIRECT = 'x-amz-website-redirect-location'
const SYSTEM_HEADERS = [
  'content-type',
  'cache-control',
  'content-disposition',
  'content-language',
  'expires',
  REDIRECT,
]
/** What S3 calls content that nobody gave a type. */
const DEFAULT_TYPE = 'binary/octet-stream'

/** What the headers of a write say about the object. */
export function settingsFromHeaders(headers: HeaderMap, profile: Profile): ObjectSettings {
  return {
    headers: systemHeaders(headers),
    metadata: metadataFromHeaders(headers),
    storageClass: storageClass(headers.get('x-amz-storage-class')),
    encryption: encryptionFromHeaders(headers, profile.encrypted),
    tags: tagsFromHeader(headers.get('x-amz-tagging'), profile.tagging),
  }
}

/** The headers that tell of an object, those of its content (length, range) not included. */
export function objectHeaders(object: StoredObject): Record<string, string> {
  const { settings } = object
  const tags = Object.keys(settings.tags).length
  return {
    'accept-ranges': 'bytes',
    ...settings.headers,
    ...metadataHeaders(settings.metadata),
    ...encryptionHeaders(settings.encryption),
    ...(settings.storageClass === 'STANDARD'
      ? {}
      : { 'x-amz-storage-class': settings.storageClass }),
    ...(tags === 0 ? {} : { 'x-amz-tagging-count': String(tags) }),
    etag: `"${object.etag}"`,
    'last-modified': object.lastModified.toUTCString(),
  }
}

function systemHeaders(headers: HeaderMap): Record<string, string> {
  const kept: Record<string, string> = { 'content-type': DEFAULT_TYPE }
  for (const name of SYSTEM_HEADERS) {
    const value = headers.get(name)
    if (value) kept[name] = value
  }
  const redirect = kept[REDIRECT]
  if (redirect !== undefined && !/^(\/|https?:\/\/)/.test(redirect)) {
    throw invalidArgument(
      "The website redirect location must have a prefix of 'http://' or 'https://' or '/'.",
      REDIRECT,
      redirect,
    )
  }
  const encoding = contentEncoding(headers.get('content-encoding'))
  if (encoding !== '') kept['content-encoding'] = encoding
  return kept
}

/** `aws-chunked` describes the request and is no property of the object. */
function contentEncoding(header: string | undefined): string {
  const words = (header ?? '').split(',').map(word => word.trim())
  return words.filter(word => word !== '' && word !== 'aws-chunked').join(',')
}

function storageClass(word: string | undefined): string {
  if (word === undefined) return 'STANDARD'
  if (STORAGE_CLASSES.includes(word)) return word
  throw new S3Error('InvalidStorageClass', undefined, { elements: { StorageClassRequested: word } })
}

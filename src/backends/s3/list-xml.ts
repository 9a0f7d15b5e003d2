import { IntegrityError, ValidationError } from '../../core/errors.ts'
import { XmlReader } from './xml.ts'

export interface ListedObject {
  readonly key: string
  readonly size: number
  /** Milliseconds since 1970. */
  readonly lastModified: number
  /** Without quotes. */
  readonly etag: string | undefined
  readonly storageClass: string | undefined
}

export interface Listing {
  readonly objects: ListedObject[]
  readonly prefixes: string[]
  readonly truncated: boolean
  readonly nextToken: string | undefined
}

/** What an error document says. */
export interface ErrorDocument {
  readonly code: string
  readonly message: string
  readonly region: string | undefined
  readonly bucket: string | undefined
  readonly key: string | undefined
  readonly requestId: string | undefined
}

export interface ListedUploads {
  readonly uploads: {
    readonly key: string
    readonly uploadId: string
    readonly initiated: number
  }[]
  readonly truncated: boolean
  readonly nextKeyMarker: string | undefined
  readonly nextUploadIdMarker: string | undefined
}

/** What a copy of an object or of a part says. */
export interface CopyResult {
  /** Without quotes. */
  readonly etag: string | undefined
  /** Milliseconds since 1970. */
  readonly lastModified: number | undefined
  /** In base64, by the algorithm, as far as it says some. */
  readonly checksums: Readonly<Record<'crc32' | 'sha256', string | undefined>>
}

/**
 * A page of ListObjectsV2, its elements in whatever order.
 *
 * @throws IntegrityError when it is no such page, or an entry lacks its key, size or time
 */
export function parseListing(xml: string): Listing {
  return readDocument(xml, ['ListBucketResult'], readListing)
}

/** What an `<Error>` document says; `undefined` for anything else (HTML, nothing, half a document). */
export function parseErrorDocument(xml: string): ErrorDocument | undefined {
  const fields = errorFields(xml)
  if (fields === undefined) return undefined
  return {
    code: fields.get('Code') ?? '',
    message: fields.get('Message') ?? '',
    region: fields.get('Region'),
    bucket: fields.get('BucketName') ?? fields.get('Bucket'),
    key: fields.get('Key'),
    requestId: fields.get('RequestId'),
  }
}

/** The keys that DeleteObjects could not delete. @throws IntegrityError */
export function parseDeleteResult(xml: string): {
  errors: { key: string; code: string; message: string }[]
} {
  return readDocument(xml, ['DeleteResult'], reader => {
    const errors: { key: string; code: string; message: string }[] = []
    reader.eachChild(name => {
      if (name !== 'Error') return
      const fields = reader.fields()
      const [code = '', message = ''] = [fields.get('Code'), fields.get('Message')]
      errors.push({ key: required(fields, 'Key'), code, message })
    })
    return { errors }
  })
}

/** The id of a new multipart upload. @throws IntegrityError */
export function parseInitiateUpload(xml: string): string {
  return readDocument(xml, ['InitiateMultipartUploadResult'], reader => {
    const id = required(reader.fields(), 'UploadId')
    if (id === '') throw incomplete('UploadId')
    return id
  })
}

/** What CompleteMultipartUpload says of the new object. @throws IntegrityError */
export function parseCompleteUpload(xml: string): { etag: string | undefined } {
  return readDocument(xml, ['CompleteMultipartUploadResult'], reader => ({
    etag: withoutQuotes(reader.fields().get('ETag')),
  }))
}

/** What CopyObject or UploadPartCopy says. @throws IntegrityError */
export function parseCopyResult(xml: string): CopyResult {
  return readDocument(xml, ['CopyObjectResult', 'CopyPartResult'], reader => {
    const fields = reader.fields()
    const time = fields.get('LastModified')
    return {
      etag: withoutQuotes(fields.get('ETag')),
      lastModified: time === undefined ? undefined : timeOf(time),
      checksums: {
        crc32: fields.get('ChecksumCRC32'),
        sha256: fields.get('ChecksumSHA256'),
      },
    }
  })
}

/** A page of ListMultipartUploads. @throws IntegrityError */
export function parseListUploads(xml: string): ListedUploads {
  return readDocument(xml, ['ListMultipartUploadsResult'], reader => {
    const uploads: Map<string, string>[] = []
    const fields = new Map<string, string>()
    reader.eachChild(name => {
      if (name === 'Upload') uploads.push(reader.fields())
      else fields.set(name, reader.content())
    })
    return listedUploads(uploads, fields)
  })
}

/** Whether a page of ListParts names a part. @throws IntegrityError */
export function listsParts(xml: string): boolean {
  return readDocument(xml, ['ListPartsResult'], reader => {
    let found = false
    reader.eachChild(name => {
      if (name === 'Part') found = true
    })
    return found
  })
}

/** The tags of an object, in their order. @throws IntegrityError */
export function parseTagging(xml: string): [name: string, value: string][] {
  return readDocument(xml, ['Tagging'], reader => {
    const tags: [string, string][] = []
    reader.eachChild(set => {
      if (set !== 'TagSet') return
      reader.eachChild(name => {
        if (name !== 'Tag') return
        const fields = reader.fields()
        tags.push([required(fields, 'Key'), fields.get('Value') ?? ''])
      })
    })
    return tags
  })
}

/** Body of CreateBucket that says where. */
export function locationDocument(region: string): string {
  return `<CreateBucketConfiguration xmlns="${namespace}"><LocationConstraint>${escapeXml(region)}</LocationConstraint></CreateBucketConfiguration>`
}

/** Whether an XML document can hold the key: not with characters that XML 1.0 does not have. */
export function fitsXml(key: string): boolean {
  return !/[\u0000-\u001f\u007f\ufffe\uffff]/.test(key)
}

/** Body of DeleteObjects that is answered with errors only. @throws ValidationError */
export function deleteDocument(keys: readonly string[]): string {
  const objects = keys.map(key => `<Object><Key>${escapeXml(key)}</Key></Object>`)
  return `<Delete xmlns="${namespace}">${objects.join('')}<Quiet>true</Quiet></Delete>`
}

/** Body of CompleteMultipartUpload. */
export function completeDocument(
  parts: readonly {
    readonly partNumber: number
    readonly etag: string
    /** Element and text, such as `ChecksumCRC32`. */
    readonly checksum?: readonly [name: string, value: string] | undefined
  }[],
): string {
  const entries = parts.map(({ partNumber, etag, checksum }) => {
    const sum = checksum === undefined ? '' : `<${checksum[0]}>${checksum[1]}</${checksum[0]}>`
    return `<Part><PartNumber>${partNumber}</PartNumber><ETag>${escapeXml(etag)}</ETag>${sum}</Part>`
  })
  return `<CompleteMultipartUpload xmlns="${namespace}">${entries.join('')}</CompleteMultipartUpload>`
}

const namespace = 'http://s3.amazonaws.com/doc/2006-03-01/'

/**
 * Escapes text for an element. Control characters become references: XML 1.0 knows none of most of
 * them, but S3 takes them so, and line ends and tabs would be normalised otherwise.
 *
 * @throws ValidationError for a lone surrogate, which would be sent as another key
 */
function escapeXml(text: string): string {
  if (!/[^\w.~/ -]/.test(text)) return text
  if (!text.isWellFormed())
    throw new ValidationError('A name has a lone surrogate, which cannot be sent.')
  return text.replaceAll(
    /[&<>"\u0000-\u001f\u007f-\u009f\u2028\ufffe\uffff]/g,
    char => `&#${char.charCodeAt(0)};`,
  )
}

function readDocument<T>(xml: string, names: readonly string[], read: (reader: XmlReader) => T): T {
  const reader = new XmlReader(xml)
  const root = reader.root()
  if (!names.includes(root)) {
    throw new IntegrityError(
      `The service answered with a <${root.slice(0, 40)}> document instead of <${names.join('> or <')}>.`,
    )
  }
  const result = read(reader)
  // Throws for what stands behind the root element.
  reader.next()
  return result
}

function errorFields(xml: string): Map<string, string> | undefined {
  try {
    return readDocument(xml, ['Error'], reader => reader.fields())
  } catch {
    return undefined
  }
}

/** An entry, its key as it came. */
interface Entry {
  key: string | undefined
  size: number | undefined
  lastModified: number | undefined
  etag: string | undefined
  storageClass: string | undefined
}

function readListing(reader: XmlReader): Listing {
  const entries: Entry[] = []
  const prefixes: string[] = []
  const fields = new Map<string, string>()
  reader.eachChild(name => {
    if (name === 'Contents') entries.push(readEntry(reader))
    else if (name === 'CommonPrefixes') prefixes.push(required(reader.fields(), 'Prefix'))
    else fields.set(name, reader.content())
  })
  // How keys are written may stand behind them.
  const decode = keyDecoder(fields.get('EncodingType'))
  return {
    objects: entries.map(entry => listedObject(entry, decode)),
    prefixes: prefixes.map(decode),
    truncated: fields.get('IsTruncated') === 'true',
    nextToken: fields.get('NextContinuationToken'),
  }
}

/**
 * How an entry begins on AWS, Ceph, MinIO and most others: read at once, which takes a third of the
 * time. What follows, and every other order, is read token by token.
 */
const usualEntry =
  /<Key>([^<>&]*)<\/Key><LastModified>(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[.\d]*Z)<\/LastModified><ETag>(?:&quot;|")([\w-]*)(?:&quot;|")<\/ETag>(?:<(Checksum\w+)>\w*<\/\4>)*<Size>(\d{1,15})<\/Size>(?:<StorageClass>(\w*)<\/StorageClass>)?/y

function readEntry(reader: XmlReader): Entry {
  const entry = usual(reader.take(usualEntry))
  reader.eachChild(name => {
    switch (name) {
      case 'Key':
        entry.key ??= reader.content()
        break
      case 'Size':
        entry.size ??= sizeOf(reader.content())
        break
      case 'LastModified':
        entry.lastModified ??= timeOf(reader.content())
        break
      case 'ETag':
        entry.etag ??= withoutQuotes(reader.content())
        break
      case 'StorageClass':
        entry.storageClass ??= reader.content()
    }
  })
  return entry
}

function usual(match: RegExpExecArray | undefined): Entry {
  if (match === undefined) {
    return {
      key: undefined,
      size: undefined,
      lastModified: undefined,
      etag: undefined,
      storageClass: undefined,
    }
  }
  const [, key, time = '', etag, , size, storageClass] = match
  const lastModified = checkTime(Date.parse(time))
  return { key, size: Number(size), lastModified, etag, storageClass }
}

function listedObject(entry: Entry, decode: (text: string) => string): ListedObject {
  const { key, size, lastModified, etag, storageClass } = entry
  if (key === undefined) throw incomplete('Key')
  if (size === undefined) throw incomplete('Size')
  if (lastModified === undefined) throw incomplete('LastModified')
  return { key: decode(key), size, lastModified, etag, storageClass }
}

function listedUploads(
  uploads: readonly ReadonlyMap<string, string>[],
  fields: ReadonlyMap<string, string>,
): ListedUploads {
  const decode = keyDecoder(fields.get('EncodingType'))
  const nextKeyMarker = fields.get('NextKeyMarker')
  return {
    uploads: uploads.map(upload => ({
      key: decode(required(upload, 'Key')),
      uploadId: required(upload, 'UploadId'),
      initiated: timeOf(required(upload, 'Initiated')),
    })),
    truncated: fields.get('IsTruncated') === 'true',
    nextKeyMarker: nextKeyMarker === undefined ? undefined : decode(nextKeyMarker),
    nextUploadIdMarker: fields.get('NextUploadIdMarker'),
  }
}

/** With `encoding-type=url` names come percent-encoded, blanks as `+`. */
function keyDecoder(encodingType: string | undefined): (text: string) => string {
  return encodingType === 'url' ? decodeListedKey : text => text
}

/** A name as `encoding-type=url` sends it. @throws IntegrityError when it is no UTF-8 */
export function decodeListedKey(text: string): string {
  if (!/[%+]/.test(text)) return text
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    throw new IntegrityError('The service sent a name that is no percent-encoded UTF-8.')
  }
}

function sizeOf(text: string): number {
  const size = Number(text)
  if (/^\d+$/.test(text) && Number.isSafeInteger(size)) return size
  throw new IntegrityError('The service sent a size that is none.')
}

/** ISO 8601, as in all of S3's documents. */
function timeOf(text: string): number {
  return checkTime(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d/.test(text) ? Date.parse(text) : Number.NaN)
}

function checkTime(time: number): number {
  if (Number.isNaN(time)) throw new IntegrityError('The service sent a time that is none.')
  return time
}

function withoutQuotes(etag: string | undefined): string | undefined {
  return etag?.startsWith('"') && etag.endsWith('"') && etag.length > 1 ? etag.slice(1, -1) : etag
}

function required(fields: ReadonlyMap<string, string>, name: string): string {
  const text = fields.get(name)
  if (text === undefined) throw incomplete(name)
  return text
}

function incomplete(name: string): IntegrityError {
  return new IntegrityError(`The service sent a document without <${name}>.`)
}

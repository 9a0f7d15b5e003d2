import { IntegrityError } from '../../core/errors.ts'
import { readXml, type XmlHandler } from './xml.ts'

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

/** An element: its text, and the elements in it by their names. */
interface XmlElement {
  readonly name: string
  text: string
  readonly children: Map<string, XmlElement[]>
}

/**
 * A page of ListObjectsV2, its elements in whatever order.
 *
 * @throws IntegrityError when it is no such page, or an entry lacks its key, size or time
 */
export function parseListing(xml: string): Listing {
  const root = readDocument(xml, 'ListBucketResult')
  const decode = keyDecoder(root)
  return {
    objects: all(root, 'Contents').map(entry => listedObject(entry, decode)),
    prefixes: all(root, 'CommonPrefixes').map(entry => decode(required(entry, 'Prefix'))),
    truncated: textOf(root, 'IsTruncated') === 'true',
    nextToken: textOf(root, 'NextContinuationToken'),
  }
}

/** What an `<Error>` document says; `undefined` for anything else (HTML, nothing, half a document). */
export function parseErrorDocument(xml: string): ErrorDocument | undefined {
  const root = tryReadDocument(xml, 'Error')
  if (root === undefined) return undefined
  return {
    code: textOf(root, 'Code') ?? '',
    message: textOf(root, 'Message') ?? '',
    region: textOf(root, 'Region'),
    bucket: textOf(root, 'BucketName') ?? textOf(root, 'Bucket'),
    key: textOf(root, 'Key'),
    requestId: textOf(root, 'RequestId'),
  }
}

/** The keys that DeleteObjects could not delete. @throws IntegrityError */
export function parseDeleteResult(xml: string): {
  errors: { key: string; code: string; message: string }[]
} {
  const root = readDocument(xml, 'DeleteResult')
  const errors = all(root, 'Error').map(entry => ({
    key: required(entry, 'Key'),
    code: textOf(entry, 'Code') ?? '',
    message: textOf(entry, 'Message') ?? '',
  }))
  return { errors }
}

/** The id of a new multipart upload. @throws IntegrityError */
export function parseInitiateUpload(xml: string): string {
  return required(readDocument(xml, 'InitiateMultipartUploadResult'), 'UploadId')
}

/** A page of ListMultipartUploads. @throws IntegrityError */
export function parseListUploads(xml: string): ListedUploads {
  const root = readDocument(xml, 'ListMultipartUploadsResult')
  const decode = keyDecoder(root)
  const nextKeyMarker = textOf(root, 'NextKeyMarker')
  return {
    uploads: all(root, 'Upload').map(entry => ({
      key: decode(required(entry, 'Key')),
      uploadId: required(entry, 'UploadId'),
      initiated: timeOf(required(entry, 'Initiated')),
    })),
    truncated: textOf(root, 'IsTruncated') === 'true',
    nextKeyMarker: nextKeyMarker === undefined ? undefined : decode(nextKeyMarker),
    nextUploadIdMarker: textOf(root, 'NextUploadIdMarker'),
  }
}

/** Body of DeleteObjects that is answered with errors only. */
export function deleteDocument(keys: readonly string[]): string {
  const objects = keys.map(key => `<Object><Key>${escapeXml(key)}</Key></Object>`)
  return `<Delete xmlns="${namespace}">${objects.join('')}<Quiet>true</Quiet></Delete>`
}

/** Body of CompleteMultipartUpload. */
export function completeDocument(
  parts: readonly { readonly partNumber: number; readonly etag: string }[],
): string {
  const entries = parts.map(
    ({ partNumber, etag }) =>
      `<Part><PartNumber>${partNumber}</PartNumber><ETag>${escapeXml(etag)}</ETag></Part>`,
  )
  return `<CompleteMultipartUpload xmlns="${namespace}">${entries.join('')}</CompleteMultipartUpload>`
}

const namespace = 'http://s3.amazonaws.com/doc/2006-03-01/'

/**
 * Escapes text for an element. Control characters become references: XML 1.0 knows none, but S3
 * takes them, and line ends and tabs would be normalised otherwise.
 */
function escapeXml(text: string): string {
  return text.replaceAll(
    /[&<>"\u0000-\u001f\u007f-\u009f\u2028\ufffe\uffff]/g,
    char => `&#${char.charCodeAt(0)};`,
  )
}

function listedObject(entry: XmlElement, decode: (text: string) => string): ListedObject {
  const size = Number(required(entry, 'Size'))
  if (!Number.isSafeInteger(size)) throw incomplete('Size')
  return {
    key: decode(required(entry, 'Key')),
    size,
    lastModified: timeOf(required(entry, 'LastModified')),
    etag: textOf(entry, 'ETag')?.replace(/^"(.*)"$/, '$1'),
    storageClass: textOf(entry, 'StorageClass'),
  }
}

/** With `encoding-type=url` names come percent-encoded, blanks as `+`. */
function keyDecoder(root: XmlElement): (text: string) => string {
  if (textOf(root, 'EncodingType') !== 'url') return text => text
  return text => (/[%+]/.test(text) ? decodeName(text.replaceAll('+', ' ')) : text)
}

function decodeName(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw new IntegrityError('The service sent a name that is no percent-encoded UTF-8.')
  }
}

function timeOf(text: string): number {
  const time = Date.parse(text)
  if (Number.isNaN(time)) throw new IntegrityError('The service sent a time that is none.')
  return time
}

function readDocument(xml: string, name: string): XmlElement {
  const root = buildTree(xml)
  if (root.name === name) return root
  throw new IntegrityError(
    `The service answered with a <${root.name}> document instead of <${name}>.`,
  )
}

function tryReadDocument(xml: string, name: string): XmlElement | undefined {
  try {
    return readDocument(xml, name)
  } catch {
    return undefined
  }
}

function buildTree(xml: string): XmlElement {
  const builder = new TreeBuilder()
  readXml(xml, builder)
  return builder.root
}

class TreeBuilder implements XmlHandler {
  root: XmlElement = element('')
  readonly #stack: XmlElement[] = []

  open(name: string, depth: number): void {
    const added = element(name)
    const parent = this.#stack[depth - 1]
    if (parent === undefined) this.root = added
    else addChild(parent, added)
    this.#stack[depth] = added
  }

  text(text: string): void {
    const current = this.#stack.at(-1)
    if (current !== undefined) current.text += text
  }

  close(_name: string, depth: number): void {
    this.#stack.length = depth
  }
}

function element(name: string): XmlElement {
  return { name, text: '', children: new Map() }
}

function addChild(parent: XmlElement, child: XmlElement): void {
  const siblings = parent.children.get(child.name)
  if (siblings === undefined) parent.children.set(child.name, [child])
  else siblings.push(child)
}

function all(parent: XmlElement, name: string): readonly XmlElement[] {
  return parent.children.get(name) ?? []
}

function textOf(parent: XmlElement, name: string): string | undefined {
  return all(parent, name)[0]?.text
}

function required(parent: XmlElement, name: string): string {
  const text = textOf(parent, name)
  if (text === undefined) throw incomplete(name)
  return text
}

function incomplete(name: string): IntegrityError {
  return new IntegrityError(`The service sent a document without <${name}>.`)
}

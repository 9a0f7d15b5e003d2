import { ownerElement } from '../acl.ts'
import { isoTime } from '../auth/time.ts'
import type { Upload, UploadedPart } from '../bucket.ts'
import { bucketFor, type Call, xmlResponse } from '../call.ts'
import { checksumElement } from '../checksums.ts'
import { compareUtf8 } from '../key-index.ts'
import { listPage } from '../listing.ts'
import type { S3Response } from '../message.ts'
import { element, s3Document } from '../xml.ts'
import { integerParameter, listParameters, optional, prefixElements } from './list-objects.ts'
import { algorithmHeaders, findUpload } from './multipart.ts'

const MAX_PARTS = 1000

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListParts.html */
export function listParts(call: Call): S3Response {
  const bucket = bucketFor(call, 'WRITE')
  const upload = findUpload(call, bucket)
  const limit = Math.min(integerParameter(call, 'max-parts', MAX_PARTS), MAX_PARTS)
  const marker = integerParameter(call, 'part-number-marker', 0)
  const parts = [...upload.parts.values()]
    .filter(part => part.number > marker)
    .sort((a, b) => a.number - b.number)
  const shown = parts.slice(0, limit)
  const content = [
    element('Bucket', bucket.name),
    element('Key', upload.key),
    element('UploadId', upload.id),
    ownerElement(upload.initiator, 'Initiator'),
    ownerElement(upload.owner),
    element('StorageClass', upload.settings.storageClass),
    element('PartNumberMarker', marker),
    element('NextPartNumberMarker', shown.at(-1)?.number ?? 0),
    element('MaxParts', limit),
    element('IsTruncated', parts.length > shown.length),
    ...shown.map(partElement),
  ]
  return xmlResponse(s3Document('ListPartsResult', content.join('')), algorithmHeaders(upload))
}

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListMultipartUploads.html */
export function listMultipartUploads(call: Call): S3Response {
  const bucket = bucketFor(call, 'READ')
  const asked = listParameters(call, 'max-uploads')
  const keyMarker = call.query.get('key-marker') ?? ''
  const idMarker = keyMarker === '' ? '' : (call.query.get('upload-id-marker') ?? '')
  const page = uploadPage([...bucket.uploads.values()], asked, keyMarker, idMarker)
  const content = [
    element('Bucket', bucket.name),
    element('KeyMarker', asked.text(keyMarker)),
    element('UploadIdMarker', idMarker),
    optional('Delimiter', asked.text(asked.delimiter)),
    optional('Prefix', asked.text(asked.prefix)),
    page.truncated ? element('NextKeyMarker', asked.text(page.nextKey)) : '',
    page.truncated ? element('NextUploadIdMarker', page.nextId) : '',
    element('MaxUploads', asked.limit),
    asked.encodingType,
    element('IsTruncated', page.truncated),
    ...page.uploads.map(upload => uploadElement(upload, asked.text(upload.key))),
    ...prefixElements(page.prefixes, asked.text),
  ]
  return xmlResponse(s3Document('ListMultipartUploadsResult', content.join('')))
}

interface UploadPage {
  readonly uploads: readonly Upload[]
  readonly prefixes: readonly string[]
  readonly truncated: boolean
  readonly nextKey: string
  readonly nextId: string
}

/** Uploads have no key of their own: they are listed by key, then by their start. */
function uploadPage(
  all: Upload[],
  asked: { prefix: string; delimiter: string; limit: number },
  keyMarker: string,
  idMarker: string,
): UploadPage {
  const sorted = all.sort(compareUploads)
  const marked = sorted.findIndex(({ key, id }) => key === keyMarker && id === idMarker)
  const rest = sorted.filter(
    ({ key }, index) =>
      compareUtf8(key, keyMarker) > 0 || (key === keyMarker && marked >= 0 && index > marked),
  )
  const keys = [...new Set(rest.map(upload => upload.key))]
  const after = rest[0]?.key === keyMarker ? '' : keyMarker
  const page = listPage(keys, { ...asked, after })
  const shown = rest.filter(upload => page.keys.includes(upload.key))
  const uploads = shown.slice(0, Math.max(asked.limit - page.prefixes.length, 0))
  const last = uploads.at(-1)
  return {
    uploads,
    prefixes: page.prefixes,
    truncated: page.truncated || uploads.length < shown.length,
    nextKey: uploads.length < shown.length ? (last?.key ?? '') : (page.last ?? ''),
    nextId: last?.id ?? '',
  }
}

function compareUploads(a: Upload, b: Upload): number {
  return (
    compareUtf8(a.key, b.key) ||
    a.initiated.getTime() - b.initiated.getTime() ||
    (a.id < b.id ? -1 : 1)
  )
}

function partElement(part: UploadedPart): string {
  const { checksum } = part
  return (
    `<Part>${element('PartNumber', part.number)}${element('LastModified', isoTime(part.lastModified))}` +
    `${element('ETag', `"${part.etag}"`)}${element('Size', part.blob.size)}` +
    `${checksum === undefined ? '' : element(checksumElement(checksum.name), checksum.value)}</Part>`
  )
}

function uploadElement(upload: Upload, key: string): string {
  return (
    `<Upload>${element('Key', key)}${element('UploadId', upload.id)}` +
    `${ownerElement(upload.initiator, 'Initiator')}${ownerElement(upload.owner)}` +
    `${element('StorageClass', upload.settings.storageClass)}` +
    `${element('Initiated', isoTime(upload.initiated))}</Upload>`
  )
}

import { createHash, randomBytes } from 'node:crypto'
import { JoinedBlob } from '../blobs.ts'
import { announcedLength, receiveBody, receiveBytes } from '../body.ts'
import type { Bucket, StoredObject, Upload, UploadedPart } from '../bucket.ts'
import {
  bucketFor,
  type Call,
  callerId,
  checkKey,
  emptyResponse,
  incomingBody,
  ownerAndAcl,
  parseDocument,
  timestamp,
  xmlResponse,
} from '../call.ts'
import {
  type Checksum,
  checksumElement,
  checksumHeader,
  checksumHeaders,
  checksumMismatch,
  expectedChecksum,
  multipartChecksum,
  multipartType,
  parseAlgorithm,
} from '../checksums.ts'
import { ConditionalWrite } from '../conditional-write.ts'
import { checkReadable, encryptedEtag, encryptionHeaders } from '../encryption.ts'
import { invalidArgument, S3Error } from '../errors.ts'
import type { S3Response } from '../message.ts'
import { parseCopyRange } from '../ranges.ts'
import { settingsFromHeaders } from '../settings.ts'
import { encodePath } from '../uri.ts'
import { element, s3Document, type XmlNode } from '../xml.ts'
import { copyResult, digestBlob, sourceOf } from './copy.ts'
import { checkUploadSize } from './objects.ts'

/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html */
const MIN_PART = 5 * 1024 ** 2
const MAX_PARTS = 10_000

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateMultipartUpload.html */
export async function createMultipartUpload(call: Call): Promise<S3Response> {
  const bucket = bucketFor(call, 'WRITE')
  checkKey(call.key)
  await receiveBytes(incomingBody(call))
  const settings = settingsFromHeaders(call.headers, call.server.profile)
  const upload: Upload = {
    id: randomBytes(24).toString('base64url'),
    key: call.key,
    initiated: timestamp(call),
    initiator: callerId(call),
    ...ownerAndAcl(call, bucket),
    settings,
    checksum: uploadChecksum(call),
    parts: new Map(),
  }
  bucket.uploads.set(upload.id, upload)
  const content =
    element('Bucket', bucket.name) + element('Key', call.key) + element('UploadId', upload.id)
  return xmlResponse(s3Document('InitiateMultipartUploadResult', content), {
    ...encryptionHeaders(settings.encryption),
    ...algorithmHeaders(upload),
  })
}

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_UploadPart.html */
export async function uploadPart(call: Call): Promise<S3Response> {
  const bucket = bucketFor(call, 'WRITE')
  const upload = findUpload(call, bucket)
  const number = partNumber(call)
  checkReadable(upload.settings.encryption, call.headers)
  const body = incomingBody(call)
  if (body.checksums) checkPartChecksum(upload, expectedChecksum(call.headers)?.name)
  const size = announcedLength(body)
  checkUploadSize(size)
  const received = await receiveBody(body, call.server.blobs.writer(size), upload.checksum?.name)
  const part = {
    number,
    blob: received.blob,
    etag: encryptedEtag(received.md5, upload.settings.encryption),
    lastModified: timestamp(call),
    checksum: received.checksum,
  }
  addPart(bucket, upload, part)
  const { 'x-amz-checksum-type': _, ...checksum } = checksumHeaders(part.checksum)
  return emptyResponse(200, {
    etag: `"${part.etag}"`,
    ...encryptionHeaders(upload.settings.encryption),
    ...checksum,
  })
}

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_UploadPartCopy.html */
export async function uploadPartCopy(call: Call): Promise<S3Response> {
  const bucket = bucketFor(call, 'WRITE')
  const upload = findUpload(call, bucket)
  const number = partNumber(call)
  checkReadable(upload.settings.encryption, call.headers)
  const source = sourceOf(call)
  const { start, end } = copyRange(call, source)
  checkUploadSize(end - start)
  const { md5, checksum } = await digestBlob(source.blob, start, end, upload.checksum?.name)
  const blob = await copyBytes(call, source, start, end)
  const etag = encryptedEtag(md5, upload.settings.encryption)
  const part = { number, blob, etag, lastModified: timestamp(call), checksum }
  addPart(bucket, upload, part)
  return xmlResponse(
    copyResult('CopyPartResult', etag, part.lastModified, checksum),
    encryptionHeaders(upload.settings.encryption),
  )
}

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html */
export async function completeMultipartUpload(call: Call): Promise<S3Response> {
  const bucket = bucketFor(call, 'WRITE')
  const document = parseDocument(
    await receiveBytes({ ...incomingBody(call), checksums: false }),
    'CompleteMultipartUpload',
  )
  const again = bucket.completed(call.query.get('uploadId') ?? '', call.key)
  if (again !== undefined) return completed(call, again.etag, again.checksum)
  const upload = findUpload(call, bucket)
  const parts = chosenParts(call, upload, document)
  const checksum = wholeChecksum(call, upload, parts)
  const etag = joinedEtag(parts)
  const object = joinedObject(call, upload, parts, etag, checksum)
  const write = new ConditionalWrite(call, bucket, call.key)
  try {
    write.commit(object)
  } finally {
    write.end()
  }
  bucket.closeUpload(upload, new Set(parts))
  bucket.rememberCompleted(upload.id, object)
  return completed(call, etag, checksum, encryptionHeaders(upload.settings.encryption))
}

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_AbortMultipartUpload.html */
export function abortMultipartUpload(call: Call): S3Response {
  const bucket = bucketFor(call, 'WRITE')
  bucket.closeUpload(findUpload(call, bucket))
  return emptyResponse(204)
}

/** The upload that the call names. @throws S3Error NoSuchUpload */
export function findUpload(call: Call, bucket: Bucket): Upload {
  const id = call.query.get('uploadId') ?? ''
  const upload = bucket.uploads.get(id)
  if (upload !== undefined && upload.key === call.key) return upload
  throw new S3Error('NoSuchUpload', undefined, { elements: { UploadId: id } })
}

/** The headers that tell how an upload's checksum is made. */
export function algorithmHeaders(upload: Upload): Record<string, string> {
  if (upload.checksum === undefined || !upload.checksum.asked) return {}
  return {
    'x-amz-checksum-algorithm': upload.checksum.name.toUpperCase(),
    'x-amz-checksum-type': upload.checksum.type,
  }
}

function uploadChecksum(call: Call): Upload['checksum'] {
  const asked = call.headers.get('x-amz-checksum-algorithm')
  const type = call.headers.get('x-amz-checksum-type')
  const { checksums, defaultChecksum, fullObjectChecksums } = call.server.profile
  if (!checksums) return undefined
  if (asked !== undefined) {
    const name = parseAlgorithm(asked)
    return { name, type: multipartType(name, type, fullObjectChecksums), asked: true }
  }
  if (type === undefined)
    return defaultChecksum && { name: defaultChecksum, type: 'FULL_OBJECT', asked: false }
  throw new S3Error(
    'InvalidRequest',
    'The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.',
  )
}

function checkPartChecksum(upload: Upload, name: Checksum['name'] | undefined): void {
  if (!upload.checksum?.asked || name === upload.checksum.name) return
  throw new S3Error(
    'InvalidRequest',
    `Checksum Type mismatch occurred, expected checksum Type: ${upload.checksum.name}, actual checksum Type: ${name ?? 'null'}`,
  )
}

function partNumber(call: Call): number {
  const text = call.query.get('partNumber') ?? ''
  const number = Number(text)
  if (/^\d+$/.test(text) && number >= 1 && number <= MAX_PARTS) return number
  throw invalidArgument(
    `Part number must be an integer between 1 and ${MAX_PARTS}, inclusive`,
    'partNumber',
    text,
  )
}

/** An upload may have ended while its part was on the way. */
function addPart(bucket: Bucket, upload: Upload, part: UploadedPart): void {
  if (bucket.uploads.get(upload.id) !== upload) {
    part.blob.release()
    throw new S3Error('NoSuchUpload', undefined, { elements: { UploadId: upload.id } })
  }
  upload.parts.get(part.number)?.blob.release()
  upload.parts.set(part.number, part)
}

function copyRange(call: Call, source: StoredObject): { start: number; end: number } {
  const header = call.headers.get('x-amz-copy-source-range')
  if (header === undefined) return { start: 0, end: source.blob.size }
  return parseCopyRange(header, source.blob.size)
}

async function copyBytes(
  call: Call,
  source: StoredObject,
  start: number,
  end: number,
): Promise<UploadedPart['blob']> {
  const writer = call.server.blobs.writer(end - start)
  source.blob.retain()
  try {
    for await (const chunk of source.blob.read(start, end)) await writer.write(chunk)
    return await writer.commit()
  } catch (error) {
    await writer.abort()
    throw error
  } finally {
    source.blob.release()
  }
}

function chosenParts(call: Call, upload: Upload, document: XmlNode): UploadedPart[] {
  const listed = document.all('Part')
  if (listed.length === 0 || listed.length > MAX_PARTS) throw new S3Error('MalformedXML')
  let before = 0
  const parts = listed.map(node => {
    const number = Number(node.textOf('PartNumber'))
    if (!Number.isInteger(number) || number < 1) throw new S3Error('MalformedXML')
    if (number <= before) throw new S3Error('InvalidPartOrder')
    before = number
    return chosenPart(upload, node, number)
  })
  checkPartSizes(call, upload, parts)
  return parts
}

function chosenPart(upload: Upload, node: XmlNode, number: number): UploadedPart {
  const etag = node.textOf('ETag')?.replaceAll('"', '').trim()
  const part = upload.parts.get(number)
  if (etag === undefined) throw new S3Error('MalformedXML')
  if (part === undefined || part.etag !== etag) throw invalidPart(upload, number, etag)
  if (!upload.checksum?.asked) return part
  const { name, type } = upload.checksum
  const checksum = node.textOf(checksumElement(name))
  if (checksum === undefined && type === 'COMPOSITE') {
    throw new S3Error(
      'InvalidRequest',
      `The upload was created using a ${name} checksum. The complete request must include the checksum for each part. It was missing for part ${number} in the request.`,
    )
  }
  if (checksum === undefined || checksum === part.checksum?.value) return part
  throw invalidPart(upload, number, etag)
}

function invalidPart(upload: Upload, number: number, etag: string): S3Error {
  return new S3Error('InvalidPart', undefined, {
    elements: { UploadId: upload.id, PartNumber: String(number), ETag: etag },
  })
}

function checkPartSizes(call: Call, upload: Upload, parts: readonly UploadedPart[]): void {
  for (const part of parts.slice(0, -1)) {
    if (part.blob.size < MIN_PART) {
      throw new S3Error('EntityTooSmall', undefined, {
        elements: {
          ProposedSize: String(part.blob.size),
          MinSizeAllowed: String(MIN_PART),
          PartNumber: String(part.number),
          ETag: part.etag,
        },
      })
    }
    if (call.server.profile.equalParts && part.blob.size !== parts[0]?.blob.size) {
      throw new S3Error('InvalidPart', 'All non-trailing parts must have the same length.', {
        elements: { UploadId: upload.id },
      })
    }
  }
}

function wholeChecksum(
  call: Call,
  upload: Upload,
  parts: readonly UploadedPart[],
): Checksum | undefined {
  if (upload.checksum === undefined) return undefined
  const { name, type } = upload.checksum
  if (parts.some(part => part.checksum?.name !== name)) return undefined
  const summed = parts.map(part => ({
    checksum: part.checksum?.value ?? '',
    size: part.blob.size,
  }))
  const checksum = multipartChecksum(name, type, summed)
  const asked = call.headers.get(checksumHeader(name))
  const promised = asked?.includes('-')
    ? asked
    : asked && `${asked}${checksum.value.match(/-\d+$/)?.[0] ?? ''}`
  if (promised !== undefined && promised !== checksum.value) throw checksumMismatch(name)
  return checksum
}

/** The MD5 of the parts' MD5s, and their number: how S3 has always tagged such objects. */
function joinedEtag(parts: readonly UploadedPart[]): string {
  const md5 = createHash('md5')
  for (const part of parts) md5.update(Buffer.from(part.etag, 'hex'))
  return `${md5.digest('hex')}-${parts.length}`
}

function joinedObject(
  call: Call,
  upload: Upload,
  parts: readonly UploadedPart[],
  etag: string,
  checksum: Checksum | undefined,
): StoredObject {
  const { key, owner, acl, settings } = upload
  const size = call.headers.get('x-amz-mp-object-size')
  const blob = new JoinedBlob(parts.map(part => part.blob))
  if (size !== undefined && Number(size) !== blob.size) {
    throw new S3Error(
      'InvalidRequest',
      `The provided 'x-amz-mp-object-size' header value ${size} does not match what was computed: ${blob.size}`,
    )
  }
  const summaries = parts.map((part, index) => ({
    number: index + 1,
    size: part.blob.size,
    checksum: part.checksum?.value,
  }))
  const lastModified = timestamp(call)
  return { key, owner, acl, settings, etag, lastModified, checksum, blob, parts: summaries }
}

function completed(
  call: Call,
  etag: string,
  checksum: Checksum | undefined,
  headers: Record<string, string> = {},
): S3Response {
  const told =
    checksum === undefined
      ? ''
      : element(checksumElement(checksum.name), checksum.value) +
        element('ChecksumType', checksum.type)
  const content =
    element('Location', `${call.location}/${encodePath(call.key)}`) +
    element('Bucket', call.bucketName) +
    element('Key', call.key) +
    element('ETag', `"${etag}"`) +
    told
  return xmlResponse(s3Document('CompleteMultipartUploadResult', content), headers)
}

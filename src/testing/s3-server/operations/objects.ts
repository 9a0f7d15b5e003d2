import { BlobBody } from '../blobs.ts'
import { announcedLength, type IncomingBody, MAX_UPLOAD, receiveBody } from '../body.ts'
import type { StoredObject } from '../bucket.ts'
import {
  bucketFor,
  type Call,
  callerOf,
  checkKey,
  checkVersion,
  emptyResponse,
  incomingBody,
  objectFor,
  ownerAndAcl,
  timestamp,
} from '../call.ts'
import { checksumHeaders } from '../checksums.ts'
import { ConditionalWrite } from '../conditional-write.ts'
import {
  checkReadConditions,
  checkWriteConditions,
  rangeIsOutdated,
  writeConditions,
} from '../conditions.ts'
import { checkReadable, encryptedEtag, encryptionHeaders } from '../encryption.ts'
import { S3Error } from '../errors.ts'
import type { S3Response } from '../message.ts'
import { type ByteRange, parseRange } from '../ranges.ts'
import { objectHeaders, settingsFromHeaders } from '../settings.ts'

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html */
export async function putObject(call: Call): Promise<S3Response> {
  const body = incomingBody(call)
  const { etag, settings, checksum } = await storeObject(call, body, () => {
    const size = announcedLength(body)
    checkUploadSize(size)
    return size
  })
  const told = { ...encryptionHeaders(settings.encryption), ...checksumHeaders(checksum) }
  return emptyResponse(200, { etag: `"${etag}"`, ...told })
}

/**
 * Stores a body under the call's key, if the caller may, with what the call's headers say of it.
 * @param size how many bytes are to be expected at most; asked once everything else was checked
 */
export async function storeObject(
  call: Call,
  body: IncomingBody,
  size: () => number,
): Promise<StoredObject> {
  const bucket = bucketFor(call, 'WRITE')
  checkKey(call.key)
  const rights = ownerAndAcl(call, bucket)
  const settings = settingsFromHeaders(call.headers, call.server.profile)
  const write = new ConditionalWrite(call, bucket, call.key)
  try {
    const { blobs, profile } = call.server
    const writer = blobs.writer(size())
    const { blob, md5, checksum } = await receiveBody(body, writer, profile.defaultChecksum)
    const etag = encryptedEtag(md5, settings.encryption)
    const lastModified = timestamp(call)
    const about = { key: call.key, etag, lastModified, settings, checksum, parts: undefined }
    const object = { ...about, ...rights, blob }
    try {
      write.commit(object)
    } catch (error) {
      blob.release()
      throw error
    }
    return object
  } finally {
    write.end()
  }
}

/** @throws S3Error EntityTooLarge above 5 GiB */
export function checkUploadSize(size: number): void {
  if (size <= MAX_UPLOAD) return
  throw new S3Error('EntityTooLarge', undefined, {
    elements: { ProposedSize: String(size), MaxSizeAllowed: String(MAX_UPLOAD) },
  })
}

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html, and HeadObject */
export function getObject(call: Call): S3Response {
  const object = objectFor(call, 'READ')
  checkVersion(call)
  checkReadable(object.settings.encryption, call.headers)
  const overrides = responseOverrides(call)
  if (checkReadConditions(call.headers, object)) return notModified(object)
  checkRestored(call, object)
  const part = requestedPart(call, object)
  const range = part?.range ?? requestedRange(call, object)
  const headers: Record<string, string> = {
    ...objectHeaders(object),
    ...overrides,
    ...part?.headers,
    ...(range === undefined && wantsChecksum(call) ? checksumHeaders(object.checksum) : {}),
  }
  if (range === undefined) {
    return { status: 200, headers, body: new BlobBody(object.blob, 0, object.blob.size) }
  }
  const { start, end } = range
  headers['content-range'] = `bytes ${start}-${Math.max(end - 1, 0)}/${object.blob.size}`
  return { status: 206, headers, body: new BlobBody(object.blob, start, end) }
}

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObject.html */
export function deleteObject(call: Call): S3Response {
  const bucket = bucketFor(call, 'WRITE')
  checkVersion(call)
  if (call.server.profile.conditionalWrites) {
    const conditions = writeConditions(call.headers)
    if (conditions !== undefined) {
      checkWriteConditions(conditions, bucket.objects.get(call.key), call.key)
    }
  }
  bucket.remove(call.key)
  return emptyResponse(204)
}

const OVERRIDES = [
  'content-type',
  'content-language',
  'expires',
  'cache-control',
  'content-disposition',
  'content-encoding',
]

/** The `response-…` parameters, which only who signs may use. */
function responseOverrides(call: Call): Record<string, string> {
  const headers: Record<string, string> = {}
  for (const name of OVERRIDES) {
    const value = call.query.get(`response-${name}`)
    if (value !== undefined) headers[name] = asHeader(value)
  }
  if (Object.keys(headers).length === 0 || callerOf(call) !== undefined) return headers
  throw new S3Error(
    'InvalidRequest',
    'Request specific response headers cannot be used for anonymous GET requests.',
  )
}

/** The bytes of UTF-8 as a header holds them; a line break would be a header of its own. */
function asHeader(value: string): string {
  if (/[\u0000-\u0008\u000a-\u001f\u007f]/.test(value)) {
    throw new S3Error('InvalidArgument', 'Header value cannot contain control characters')
  }
  return Buffer.from(value).toString('latin1')
}

function notModified(object: StoredObject): S3Response {
  const headers = objectHeaders(object)
  const kept: Record<string, string> = {}
  for (const name of ['etag', 'last-modified', 'cache-control', 'expires']) {
    const value = headers[name]
    if (value !== undefined) kept[name] = value
  }
  return { status: 304, headers: kept }
}

function checkRestored(call: Call, object: StoredObject): void {
  const { storageClass } = object.settings
  const archived = storageClass === 'GLACIER' || storageClass === 'DEEP_ARCHIVE'
  if (!archived || call.request.method !== 'GET') return
  throw new S3Error('InvalidObjectState', undefined, { elements: { StorageClass: storageClass } })
}

function wantsChecksum(call: Call): boolean {
  return call.headers.get('x-amz-checksum-mode')?.toUpperCase() === 'ENABLED'
}

function requestedRange(call: Call, object: StoredObject): ByteRange | undefined {
  if (rangeIsOutdated(call.headers.get('if-range'), object)) return undefined
  return parseRange(call.headers.get('range'), object.blob.size)
}

/** One part of an object by `partNumber`; an object from a single PUT is its own first part. */
function requestedPart(
  call: Call,
  object: StoredObject,
): { range: ByteRange; headers: Record<string, string> } | undefined {
  const text = call.query.get('partNumber')
  if (text === undefined) return undefined
  const number = Number(text)
  if (!/^\d+$/.test(text) || number < 1 || number > 10_000 || call.headers.has('range')) {
    throw new S3Error(
      'InvalidRequest',
      'Cannot specify both Range header and partNumber query parameter',
    )
  }
  const parts = object.parts ?? [{ number: 1, size: object.blob.size, checksum: undefined }]
  const part = parts[number - 1]
  if (part === undefined) {
    throw new S3Error('InvalidPartNumber', undefined, {
      elements: { ActualPartCount: String(parts.length), PartNumberRequested: text },
    })
  }
  const start = parts.slice(0, number - 1).reduce((sum, before) => sum + before.size, 0)
  const headers: Record<string, string> =
    object.parts === undefined ? {} : { 'x-amz-mp-parts-count': String(parts.length) }
  if (part.checksum !== undefined && object.checksum !== undefined && wantsChecksum(call)) {
    const { name, type } = object.checksum
    Object.assign(headers, checksumHeaders({ name, type, value: part.checksum }))
  }
  return { range: { start, end: start + part.size }, headers }
}

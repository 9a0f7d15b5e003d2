import { createHash } from 'node:crypto'
import { isoTime } from '../auth/time.ts'
import type { Blob } from '../blobs.ts'
import { MAX_UPLOAD } from '../body.ts'
import type { ObjectSettings, StoredObject } from '../bucket.ts'
import {
  bucketFor,
  type Call,
  checkKey,
  findBucket,
  objectFor,
  ownerAndAcl,
  timestamp,
  xmlResponse,
} from '../call.ts'
import { type Checksum, checksumElement, createChecksum, parseAlgorithm } from '../checksums.ts'
import { ConditionalWrite } from '../conditional-write.ts'
import { checkSourceConditions } from '../conditions.ts'
import { checkReadable, encryptedEtag, encryptionHeaders } from '../encryption.ts'
import { invalidArgument, S3Error } from '../errors.ts'
import type { HeaderMap, S3Response } from '../message.ts'
import { settingsFromHeaders } from '../settings.ts'
import { decodeForm } from '../uri.ts'
import { element, s3Document } from '../xml.ts'

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html */
export async function copyObject(call: Call): Promise<S3Response> {
  const bucket = bucketFor(call, 'WRITE')
  checkKey(call.key)
  const source = sourceOf(call)
  checkSourceSize(source)
  checkChanges(call, source)
  const rights = ownerAndAcl(call, bucket)
  const settings = copiedSettings(call, source)
  const prefix = call.server.profile.copyConditionPrefix
  const write = new ConditionalWrite(call, bucket, call.key, prefix)
  source.blob.retain()
  try {
    const { md5, checksum } = await digest(source, wantedChecksum(call, source))
    const etag = encryptedEtag(md5, settings.encryption)
    const lastModified = timestamp(call)
    const about = { key: call.key, etag, lastModified, settings, checksum, parts: undefined }
    write.commit({ ...about, ...rights, blob: source.blob })
    const told = encryptionHeaders(settings.encryption)
    return xmlResponse(copyResult('CopyObjectResult', etag, lastModified, checksum), told)
  } catch (error) {
    source.blob.release()
    throw error
  } finally {
    write.end()
  }
}

/** The object that `x-amz-copy-source` names, once it may be read and its conditions hold. */
export function sourceOf(call: Call): StoredObject {
  const { bucket: name, key } = parseCopySource(call.headers.get('x-amz-copy-source') ?? '')
  const bucket = findBucket(call, name)
  const expected = call.headers.get('x-amz-source-expected-bucket-owner')
  if (expected !== undefined && expected !== bucket.owner) throw new S3Error('AccessDenied')
  const source = objectFor(call, 'READ', bucket, key)
  checkReadable(source.settings.encryption, call.headers, 'x-amz-copy-source-')
  checkSourceConditions(call.headers, source)
  return source
}

/**
 * Reads `x-amz-copy-source`: `bucket/key` or `/bucket/key`, encoded as a form is, with an optional
 * `?versionId=` that is not part of the key. On AWS an unencoded `+` is a blank, and clients that
 * leave it so get NoSuchKey (aws-cli issue 614, aws-sdk-js issue 1821).
 */
function parseCopySource(header: string): { bucket: string; key: string } {
  const at = header.indexOf('?')
  const path = decodeForm(at < 0 ? header : header.slice(0, at)).replace(/^\//, '')
  const slash = path.indexOf('/')
  const bucket = path.slice(0, Math.max(slash, 0))
  const key = path.slice(slash + 1)
  if (bucket === '' || key === '') {
    throw invalidArgument(
      'Copy Source must mention the source bucket and key: sourcebucket/sourcekey',
      'x-amz-copy-source',
      header,
    )
  }
  if (at >= 0 && !/^\?versionId=(null)?$/.test(header.slice(at))) {
    throw invalidArgument('Invalid version id specified', 'x-amz-copy-source', header)
  }
  return { bucket, key }
}

/** The document that tells a copy's entity tag. */
export function copyResult(
  root: string,
  etag: string,
  lastModified: Date,
  checksum: Checksum | undefined,
): string {
  const told =
    checksum === undefined
      ? ''
      : element(checksumElement(checksum.name), checksum.value) +
        element('ChecksumType', checksum.type)
  const content = element('LastModified', isoTime(lastModified)) + element('ETag', `"${etag}"`)
  return s3Document(root, content + told)
}

/** The hashes of a stored blob, read once. */
export async function digestBlob(
  blob: Blob,
  start: number,
  end: number,
  name: Checksum['name'] | undefined,
): Promise<{ md5: string; checksum: Checksum | undefined }> {
  const md5 = createHash('md5')
  const running = name === undefined ? undefined : createChecksum(name)
  for await (const chunk of blob.read(start, end)) {
    md5.update(chunk)
    running?.update(chunk)
  }
  const checksum: Checksum | undefined =
    name === undefined || running === undefined
      ? undefined
      : { name, type: 'FULL_OBJECT', value: Buffer.from(running.digest()).toString('base64') }
  return { md5: md5.digest('hex'), checksum }
}

/** A copy is one object, whatever its source was made of: only then can the source's hashes serve. */
async function digest(
  source: StoredObject,
  name: Checksum['name'] | undefined,
): Promise<{ md5: string; checksum: Checksum | undefined }> {
  const plain = source.parts === undefined && isPlain(source)
  const known = name === undefined || source.checksum?.name === name
  if (plain && known) return { md5: source.etag, checksum: name && source.checksum }
  return digestBlob(source.blob, 0, source.blob.size, name)
}

function isPlain(source: StoredObject): boolean {
  const kind = source.settings.encryption?.kind
  return kind === undefined || kind === 'AES256'
}

function wantedChecksum(call: Call, source: StoredObject): Checksum['name'] | undefined {
  if (!call.server.profile.checksums) return undefined
  const asked = call.headers.get('x-amz-checksum-algorithm')
  if (asked !== undefined) return parseAlgorithm(asked)
  return source.checksum?.name ?? call.server.profile.defaultChecksum
}

function checkSourceSize(source: StoredObject): void {
  if (source.blob.size <= MAX_UPLOAD) return
  throw new S3Error(
    'InvalidRequest',
    `The specified copy source is larger than the maximum allowable size for a copy source: ${MAX_UPLOAD}`,
  )
}

const CHANGES = [
  'x-amz-storage-class',
  'x-amz-website-redirect-location',
  'x-amz-server-side-encryption',
  'x-amz-server-side-encryption-customer-algorithm',
]

/** A copy onto itself has to change something. */
function checkChanges(call: Call, source: StoredObject): void {
  const { bucket } = parseCopySource(call.headers.get('x-amz-copy-source') ?? '')
  if (bucket !== call.bucketName || source.key !== call.key) return
  if (directive(call.headers, 'x-amz-metadata-directive') === 'REPLACE') return
  if (CHANGES.some(name => call.headers.has(name))) return
  throw new S3Error(
    'InvalidRequest',
    "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.",
  )
}

function directive(headers: HeaderMap, name: string): 'COPY' | 'REPLACE' {
  const word = headers.get(name) ?? 'COPY'
  if (word === 'COPY' || word === 'REPLACE') return word
  throw invalidArgument(
    `Unknown ${name === 'x-amz-tagging-directive' ? 'tagging' : 'metadata'} directive.`,
    name,
    word,
  )
}

/** Storage class, encryption and redirect are always the request's own. */
function copiedSettings(call: Call, source: StoredObject): ObjectSettings {
  const own = settingsFromHeaders(call.headers, call.server.profile)
  const metadata = directive(call.headers, 'x-amz-metadata-directive')
  const tagging = directive(call.headers, 'x-amz-tagging-directive')
  const tags = tagging === 'REPLACE' ? own.tags : source.settings.tags
  if (metadata === 'REPLACE') return { ...own, tags }
  const { 'x-amz-website-redirect-location': _, ...headers } = source.settings.headers
  const redirect = own.headers['x-amz-website-redirect-location']
  return {
    ...own,
    tags,
    metadata: source.settings.metadata,
    headers:
      redirect === undefined
        ? headers
        : { ...headers, 'x-amz-website-redirect-location': redirect },
  }
}

import { receiveBytes } from '../body.ts'
import type { Bucket } from '../bucket.ts'
import {
  type Call,
  callerOf,
  checkExpectedOwner,
  checkKey,
  findBucket,
  incomingBody,
  mayOnBucket,
  parseDocument,
  xmlResponse,
} from '../call.ts'
import { checkWriteConditions } from '../conditions.ts'
import { S3Error } from '../errors.ts'
import type { S3Response } from '../message.ts'
import { element, s3Document, type XmlNode } from '../xml.ts'

const MAX_KEYS = 1000

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html */
export async function deleteObjects(call: Call): Promise<S3Response> {
  const bucket = findBucket(call)
  checkExpectedOwner(call, bucket)
  if (callerOf(call) === undefined && !mayOnBucket(bucket, undefined, 'WRITE')) {
    throw new S3Error('AccessDenied')
  }
  checkIntegrity(call)
  const document = parseDocument(await receiveBytes(incomingBody(call)), 'Delete')
  const objects = document.all('Object')
  if (objects.length === 0 || objects.length > MAX_KEYS) throw new S3Error('MalformedXML')
  if (objects.some(object => !object.textOf('Key'))) throw new S3Error('MalformedXML')
  const quiet = document.textOf('Quiet') === 'true'
  const results = objects.map(object => deleteOne(call, bucket, object, quiet))
  return xmlResponse(s3Document('DeleteResult', results.join('')))
}

/** The body is the request's whole meaning: it has to come with a hash, beside its signature. */
function checkIntegrity(call: Call): void {
  const names = [...call.headers.keys()]
  const checked =
    call.headers.has('content-md5') ||
    (call.server.profile.checksums &&
      names.some(name => name.startsWith('x-amz-checksum-') || name === 'x-amz-trailer'))
  if (checked) return
  throw new S3Error('InvalidRequest', 'Missing required header for this request: Content-MD5')
}

function deleteOne(call: Call, bucket: Bucket, object: XmlNode, quiet: boolean): string {
  const key = object.textOf('Key') ?? ''
  try {
    if (!mayOnBucket(bucket, callerOf(call), 'WRITE')) throw new S3Error('AccessDenied')
    checkKey(key)
    checkOne(call, bucket, object, key)
    bucket.remove(key)
    return quiet ? '' : `<Deleted>${element('Key', key)}</Deleted>`
  } catch (error) {
    if (!(error instanceof S3Error)) throw error
    return `<Error>${element('Key', key)}${element('Code', error.code)}${element('Message', error.message)}</Error>`
  }
}

function checkOne(call: Call, bucket: Bucket, object: XmlNode, key: string): void {
  const version = object.textOf('VersionId')
  if (version !== undefined && version !== 'null') throw new S3Error('NoSuchVersion')
  const etag = object.textOf('ETag')
  if (etag === undefined || !call.server.profile.conditionalWrites) return
  const conditions = { ifNoneMatch: false, ifMatch: etag }
  checkWriteConditions(conditions, bucket.objects.get(key), key)
}

import { receiveBytes } from '../body.ts'
import type { StoredObject } from '../bucket.ts'
import {
  type Call,
  checkVersion,
  emptyResponse,
  findBucket,
  incomingBody,
  objectFor,
  xmlResponse,
} from '../call.ts'
import { S3Error } from '../errors.ts'
import type { S3Response } from '../message.ts'
import { type Tags, tagsDocument, tagsFromXml } from '../tags.ts'
import { parseXml } from '../xml.ts'

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectTagging.html; the owner's alone */
export function getObjectTagging(call: Call): S3Response {
  return xmlResponse(tagsDocument(tagged(call).settings.tags))
}

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObjectTagging.html */
export async function putObjectTagging(call: Call): Promise<S3Response> {
  tagged(call)
  const tags = tagsFromXml(parseXml(await receiveBytes(incomingBody(call))))
  setTags(call, tags)
  return emptyResponse(200)
}

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjectTagging.html */
export function deleteObjectTagging(call: Call): S3Response {
  setTags(call, {})
  return emptyResponse(204)
}

/** No ACL gives access to tags; the permission that only an owner has stands for a policy. */
function tagged(call: Call): StoredObject {
  if (!call.server.profile.tagging) throw new S3Error('NotImplemented')
  checkVersion(call)
  return objectFor(call, 'FULL_CONTROL')
}

function setTags(call: Call, tags: Tags): void {
  const object = tagged(call)
  findBucket(call).amend({ ...object, settings: { ...object.settings, tags } })
}

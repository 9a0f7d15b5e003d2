import { type Acl, aclDocument, aclFromHeaders, aclFromXml, cannedAcl } from '../acl.ts'
import { receiveBytes } from '../body.ts'
import type { Bucket } from '../bucket.ts'
import {
  bucketFor,
  type Call,
  checkVersion,
  emptyResponse,
  findBucket,
  incomingBody,
  objectFor,
  parseDocument,
  xmlResponse,
} from '../call.ts'
import { S3Error } from '../errors.ts'
import type { S3Response } from '../message.ts'
import { parseOwnership } from '../ownership.ts'
import { element, parseXml, s3Document } from '../xml.ts'

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketAcl.html */
export function getBucketAcl(call: Call): S3Response {
  const bucket = bucketFor(call, 'READ_ACP')
  return xmlResponse(
    aclDocument(bucket.owner, effectiveAcl(bucket, bucket.owner, bucket.state.acl)),
  )
}

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketAcl.html */
export async function putBucketAcl(call: Call): Promise<S3Response> {
  const bucket = bucketFor(call, 'WRITE_ACP')
  bucket.update({ acl: await requestedAcl(call, bucket, bucket.owner) })
  return emptyResponse(200)
}

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectAcl.html */
export function getObjectAcl(call: Call): S3Response {
  checkVersion(call)
  const bucket = findBucket(call)
  const object = objectFor(call, 'READ_ACP', bucket)
  return xmlResponse(aclDocument(object.owner, effectiveAcl(bucket, object.owner, object.acl)))
}

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObjectAcl.html */
export async function putObjectAcl(call: Call): Promise<S3Response> {
  checkVersion(call)
  const bucket = findBucket(call)
  const { owner } = objectFor(call, 'WRITE_ACP', bucket)
  const acl = await requestedAcl(call, bucket, owner)
  // The object may have been replaced while the body was read: the ACL goes to what is there now.
  bucket.amend({ ...objectFor(call, 'WRITE_ACP', bucket), acl })
  return emptyResponse(200)
}

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketOwnershipControls.html */
export function getOwnershipControls(call: Call): S3Response {
  const { ownership } = bucketFor(call, 'owner').state
  if (ownership === undefined) throw new S3Error('OwnershipControlsNotFoundError')
  const rule = `<Rule>${element('ObjectOwnership', ownership)}</Rule>`
  return xmlResponse(s3Document('OwnershipControls', rule))
}

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketOwnershipControls.html */
export async function putOwnershipControls(call: Call): Promise<S3Response> {
  const bucket = bucketFor(call, 'owner')
  const document = parseDocument(await receiveBytes(incomingBody(call)), 'OwnershipControls')
  const rules = document.all('Rule')
  const ownership = parseOwnership(rules[0]?.textOf('ObjectOwnership') ?? '')
  if (ownership === undefined || rules.length !== 1) throw new S3Error('MalformedXML')
  bucket.update({ ownership })
  return emptyResponse(200)
}

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteBucketOwnershipControls.html */
export function deleteOwnershipControls(call: Call): S3Response {
  bucketFor(call, 'owner').update({ ownership: undefined })
  return emptyResponse(204)
}

/** Where ACLs do not count, the owner has everything and nobody else anything. */
function effectiveAcl(bucket: Bucket, owner: string, acl: Acl): Acl {
  return bucket.enforced ? [{ grantee: owner, permission: 'FULL_CONTROL' }] : acl
}

/** An ACL in headers or in the body: one of them, and not both. */
async function requestedAcl(call: Call, bucket: Bucket, owner: string): Promise<Acl> {
  const body = await receiveBytes(incomingBody(call))
  const owners = { owner, bucketOwner: bucket.owner }
  if (bucket.enforced) return enforcedAcl(call, owners)
  const { accounts } = call.server
  const fromHeaders = aclFromHeaders(call.headers, owners, accounts)
  if (fromHeaders === undefined) return aclFromXml(parseXml(body), owner, accounts)
  if (body.byteLength === 0) return fromHeaders
  throw new S3Error(
    'InvalidRequest',
    'Specifying both an ACL in the headers and in the body is not allowed',
  )
}

function enforcedAcl(call: Call, owners: { owner: string; bucketOwner: string }): Acl {
  const canned = call.headers.get('x-amz-acl')
  const acl = canned === 'bucket-owner-full-control' ? cannedAcl(canned, owners) : undefined
  if (acl !== undefined) return acl
  throw new S3Error('AccessControlListNotSupported')
}

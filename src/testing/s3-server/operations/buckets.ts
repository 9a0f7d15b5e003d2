import { aclFromHeaders, cannedAcl, ownerElement } from '../acl.ts'
import { isoTime } from '../auth/time.ts'
import { receiveBytes } from '../body.ts'
import { Bucket } from '../bucket.ts'
import { checkBucketName } from '../bucket-name.ts'
import {
  bucketFor,
  type Call,
  callerOf,
  checkAclHeaders,
  emptyResponse,
  incomingBody,
  parseDocument,
  timestamp,
  xmlResponse,
} from '../call.ts'
import { invalidArgument, S3Error } from '../errors.ts'
import type { S3Response } from '../message.ts'
import { parseOwnership } from '../ownership.ts'
import { element, s3Document } from '../xml.ts'

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListBuckets.html, without its pages */
export function listBuckets(call: Call): S3Response {
  const caller = callerOf(call)
  if (caller === undefined) throw new S3Error('AccessDenied')
  const own = [...call.server.buckets.values()].filter(bucket => bucket.owner === caller.id)
  const list = own
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .map(
      ({ state }) =>
        `<Bucket>${element('Name', state.name)}${element('CreationDate', isoTime(state.created))}</Bucket>`,
    )
  const content = `${ownerElement(caller.id)}<Buckets>${list.join('')}</Buckets>`
  return xmlResponse(s3Document('ListAllMyBucketsResult', content))
}

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html */
export async function createBucket(call: Call): Promise<S3Response> {
  const caller = callerOf(call)
  if (caller === undefined) throw new S3Error('AccessDenied')
  checkBucketName(call.bucketName)
  checkLocation(call, await receiveBytes(incomingBody(call)))
  checkAclHeaders(call, undefined)
  const ownership = requestedOwnership(call)
  const owners = { owner: caller.id, bucketOwner: caller.id }
  const acl = aclFromHeaders(call.headers, owners, call.server.accounts)
  const state = {
    name: call.bucketName,
    owner: caller.id,
    created: timestamp(call),
    ownership,
    acl: acl ?? cannedAcl('private', owners) ?? [],
    cors: undefined,
  }
  if (ownership === 'BucketOwnerEnforced' && acl !== undefined) {
    throw new S3Error(
      'InvalidRequest',
      "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting",
    )
  }
  addBucket(call, state)
  return emptyResponse(200, { location: `/${call.bucketName}` })
}

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteBucket.html; open uploads end with it */
export function deleteBucket(call: Call): S3Response {
  const bucket = bucketFor(call, 'owner')
  if (bucket.objects.size > 0) {
    throw new S3Error('BucketNotEmpty', undefined, { elements: { BucketName: bucket.name } })
  }
  for (const upload of bucket.uploads.values()) bucket.closeUpload(upload)
  call.server.buckets.delete(bucket.name)
  call.server.listener.bucketDeleted(bucket.name)
  return emptyResponse(204)
}

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadBucket.html */
export function headBucket(call: Call): S3Response {
  bucketFor(call, 'READ')
  return emptyResponse(200, {
    'content-type': 'application/xml',
    'x-amz-bucket-region': call.server.region,
  })
}

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketLocation.html: us-east-1 has no name */
export function getBucketLocation(call: Call): S3Response {
  bucketFor(call, 'owner')
  const { region } = call.server
  return xmlResponse(s3Document('LocationConstraint', region === 'us-east-1' ? '' : region))
}

/** Versioning is not offered; that it was never switched on can be said. */
export function getBucketVersioning(call: Call): S3Response {
  bucketFor(call, 'owner')
  return xmlResponse(s3Document('VersioningConfiguration', ''))
}

function addBucket(call: Call, state: Bucket['state']): void {
  const { server } = call
  const existing = server.buckets.get(state.name)
  const elements = { BucketName: state.name }
  if (existing !== undefined && existing.owner !== state.owner) {
    throw new S3Error('BucketAlreadyExists', undefined, { elements })
  }
  if (existing !== undefined && server.region !== 'us-east-1') {
    throw new S3Error('BucketAlreadyOwnedByYou', undefined, { elements })
  }
  // In us-east-1, S3 answers 200 to who owns the bucket already, and sets its ACL anew.
  if (existing !== undefined) {
    existing.update({ acl: state.acl })
    return
  }
  const bucket = new Bucket(state, server.listener)
  server.buckets.set(state.name, bucket)
  server.listener.bucketChanged(state)
}

function requestedOwnership(call: Call): Bucket['state']['ownership'] {
  const word = call.headers.get('x-amz-object-ownership')
  if (word === undefined) return call.server.ownership
  const ownership = parseOwnership(word)
  if (ownership === undefined) {
    throw invalidArgument(
      `Invalid x-amz-object-ownership header: ${word}`,
      'x-amz-object-ownership',
      word,
    )
  }
  return ownership
}

function checkLocation(call: Call, body: Uint8Array): void {
  const asked =
    body.byteLength === 0
      ? undefined
      : parseDocument(body, 'CreateBucketConfiguration').textOf('LocationConstraint') || undefined
  const { region, profile } = call.server
  if (!profile.strictLocation || asked === (region === 'us-east-1' ? undefined : region)) return
  if (asked === 'us-east-1') {
    throw new S3Error('InvalidLocationConstraint', undefined, {
      elements: { LocationConstraint: asked },
    })
  }
  throw new S3Error(
    'IllegalLocationConstraintException',
    `The ${asked ?? 'unspecified'} location constraint is incompatible for the region specific endpoint this request was sent to.`,
  )
}

import type { Account, Accounts } from './accounts.ts'
import {
  type Acl,
  aclFromHeaders,
  cannedAcl,
  hasAclHeaders,
  type Permission,
  permits,
} from './acl.ts'
import type { Authentication } from './auth/authentication.ts'
import type { BlobStore } from './blobs.ts'
import type { IncomingBody } from './body.ts'
import type { Bucket, ChangeListener, StoredObject } from './bucket.ts'
import { S3Error } from './errors.ts'
import type { HeaderMap, S3Request, S3Response } from './message.ts'
import type { Ownership } from './ownership.ts'
import type { Profile } from './profile.ts'
import type { Query } from './uri.ts'
import { parseXml, type XmlNode } from './xml.ts'

/** The canonical id under which S3 files what nobody signed. */
const ANONYMOUS_ID = '65a011a29cdf8ec533ec3d1ccaae921c'
const MAX_KEY = 1024

/** What a server holds and is. */
export interface ServerState {
  readonly accounts: Accounts
  readonly profile: Profile
  readonly region: string
  /** Of buckets that are made without one. */
  readonly ownership: Ownership
  readonly buckets: Map<string, Bucket>
  readonly blobs: BlobStore
  readonly listener: ChangeListener
  now(): Date
}

/** One request on its way through an operation. */
export interface Call {
  readonly server: ServerState
  readonly request: S3Request
  readonly query: Query
  /** The request's headers, with those that a presigned URL holds in its query. */
  readonly headers: HeaderMap
  readonly authentication: Authentication
  /** '' for the service itself. */
  readonly bucketName: string
  /** '' for the bucket itself. */
  readonly key: string
  /** The base of URLs that answers name. */
  readonly location: string
}

/** What answers a call. */
export type Operation = (call: Call) => S3Response | Promise<S3Response>

/** Who signed the call; undefined for nobody. */
export function callerOf(call: Call): Account | undefined {
  return call.authentication.account
}

/** The canonical id of who sent the call. */
export function callerId(call: Call): string {
  return call.authentication.account?.id ?? ANONYMOUS_ID
}

/** The call's body with all that was promised about it. */
export function incomingBody(call: Call): IncomingBody {
  return {
    source: call.request.body,
    headers: call.headers,
    payload: call.authentication.payload,
    checksums: call.server.profile.checksums,
  }
}

/** The call's time, to the second: that is all S3 keeps. */
export function timestamp(call: Call): Date {
  return new Date(Math.floor(call.server.now().getTime() / 1000) * 1000)
}

/** The bucket of the call. @throws S3Error NoSuchBucket */
export function findBucket(call: Call, name: string = call.bucketName): Bucket {
  const bucket = call.server.buckets.get(name)
  if (bucket !== undefined) return bucket
  throw new S3Error('NoSuchBucket', undefined, { elements: { BucketName: name } })
}

/** The bucket of the call, once the caller may do that to it. */
export function bucketFor(call: Call, permission: Permission | 'owner'): Bucket {
  const bucket = findBucket(call)
  checkExpectedOwner(call, bucket)
  if (!mayOnBucket(bucket, callerOf(call), permission)) throw new S3Error('AccessDenied')
  return bucket
}

/** @throws S3Error AccessDenied when the call's bucket is not that of whom the call expects */
export function checkExpectedOwner(call: Call, bucket: Bucket): void {
  const expected = call.headers.get('x-amz-expected-bucket-owner')
  if (expected !== undefined && expected !== bucket.owner) throw new S3Error('AccessDenied')
}

/** Whether the account may do that to the bucket. Its owner may do everything. */
export function mayOnBucket(
  bucket: Bucket,
  account: Account | undefined,
  permission: Permission | 'owner',
): boolean {
  if (account?.id === bucket.owner) return true
  if (permission === 'owner' || bucket.enforced) return false
  return permits(bucket.state.acl, account, permission)
}

/** The object of the call, once the caller may do that to it. */
export function objectFor(
  call: Call,
  permission: Permission,
  bucket: Bucket = findBucket(call),
  key: string = call.key,
): StoredObject {
  // The source of a copy has a header of its own.
  if (bucket.name === call.bucketName) checkExpectedOwner(call, bucket)
  const object = bucket.objects.get(key)
  if (object === undefined) throw missingKey(bucket, callerOf(call), key)
  if (!mayOnObject(bucket, object, callerOf(call), permission)) throw new S3Error('AccessDenied')
  return object
}

/** Versioning is not offered: the only version of an object is `null`. */
export function checkVersion(call: Call): void {
  const version = call.query.get('versionId')
  if (version === undefined || version === 'null') return
  throw new S3Error('InvalidArgument', 'Invalid version id specified', {
    elements: { ArgumentName: 'versionId', ArgumentValue: version },
  })
}

/** @throws S3Error KeyTooLongError above 1,024 bytes of UTF-8 */
export function checkKey(key: string): void {
  const size = Buffer.byteLength(key)
  if (size <= MAX_KEY) return
  throw new S3Error('KeyTooLongError', undefined, {
    elements: { Size: String(size), MaxSizeAllowed: String(MAX_KEY) },
  })
}

/** Who owns what the caller writes into the bucket, and the ACL that it gets. */
export function ownerAndAcl(call: Call, bucket: Bucket): { owner: string; acl: Acl } {
  checkAclHeaders(call, bucket)
  const bucketOwner = bucket.owner
  const gives = call.headers.get('x-amz-acl') === 'bucket-owner-full-control'
  const preferred = bucket.state.ownership === 'BucketOwnerPreferred' && gives
  const owner = bucket.enforced || preferred ? bucketOwner : callerId(call)
  const owners = { owner, bucketOwner }
  const asked = bucket.enforced
    ? undefined
    : aclFromHeaders(call.headers, owners, call.server.accounts)
  return { owner, acl: asked ?? cannedAcl('private', owners) ?? [] }
}

/** Where ACLs do not count, only the one that says so anyway may be asked for. */
export function checkAclHeaders(call: Call, bucket: Bucket | undefined): void {
  if (!hasAclHeaders(call.headers)) return
  if (!call.server.profile.acls) {
    throw new S3Error('NotImplemented', undefined, { elements: { Header: 'x-amz-acl' } })
  }
  if (bucket?.enforced !== true) return
  if (call.headers.get('x-amz-acl') === 'bucket-owner-full-control') return
  throw new S3Error('AccessControlListNotSupported')
}

/** Parses the call's XML body. @throws S3Error MalformedXML */
export function parseDocument(bytes: Uint8Array, root: string): XmlNode {
  const document = parseXml(bytes)
  if (document?.name === root) return document
  throw new S3Error('MalformedXML')
}

/** An answer with a document. */
export function xmlResponse(document: string, headers: Record<string, string> = {}): S3Response {
  return {
    status: 200,
    headers: { 'content-type': 'application/xml', ...headers },
    body: Buffer.from(document),
  }
}

/** An answer without a body. */
export function emptyResponse(status: 200 | 204, headers: Record<string, string> = {}): S3Response {
  return { status, headers }
}

function mayOnObject(
  bucket: Bucket,
  object: StoredObject,
  account: Account | undefined,
  permission: Permission,
): boolean {
  if (bucket.enforced) return account?.id === bucket.owner
  return account?.id === object.owner || permits(object.acl, account, permission)
}

/** Who may not list a bucket does not learn which keys it lacks. */
function missingKey(bucket: Bucket, account: Account | undefined, key: string): S3Error {
  if (!mayOnBucket(bucket, account, 'READ')) return new S3Error('AccessDenied')
  return new S3Error('NoSuchKey', undefined, { elements: { Key: key } })
}

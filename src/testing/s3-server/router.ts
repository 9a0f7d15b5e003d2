import type { Call, Operation } from './call.ts'
import { S3Error } from './errors.ts'
import {
  deleteOwnershipControls,
  getBucketAcl,
  getObjectAcl,
  getOwnershipControls,
  putBucketAcl,
  putObjectAcl,
  putOwnershipControls,
} from './operations/acls.ts'
import {
  createBucket,
  deleteBucket,
  getBucketLocation,
  getBucketVersioning,
  headBucket,
  listBuckets,
} from './operations/buckets.ts'
import { copyObject } from './operations/copy.ts'
import { deleteBucketCors, getBucketCors, preflight, putBucketCors } from './operations/cors.ts'
import { deleteObjects } from './operations/delete-objects.ts'
import { listObjects, listObjectsV2 } from './operations/list-objects.ts'
import { listMultipartUploads, listParts } from './operations/list-uploads.ts'
import {
  abortMultipartUpload,
  completeMultipartUpload,
  createMultipartUpload,
  uploadPart,
  uploadPartCopy,
} from './operations/multipart.ts'
import { deleteObject, getObject, putObject } from './operations/objects.ts'
import { postObject } from './operations/post-object.ts'
import { deleteObjectTagging, getObjectTagging, putObjectTagging } from './operations/tagging.ts'

type Scope = 'service' | 'bucket' | 'object'

/** Operations by scope, method and sub-resource (the query parameter that makes them what they are). */
const ROUTES: Readonly<Record<string, Operation>> = {
  'service GET ': listBuckets,
  'bucket PUT ': createBucket,
  'bucket DELETE ': deleteBucket,
  'bucket HEAD ': headBucket,
  'bucket GET ': listObjects,
  'bucket GET location': getBucketLocation,
  'bucket GET versioning': getBucketVersioning,
  'bucket GET uploads': listMultipartUploads,
  'bucket GET acl': getBucketAcl,
  'bucket PUT acl': putBucketAcl,
  'bucket GET ownershipControls': getOwnershipControls,
  'bucket PUT ownershipControls': putOwnershipControls,
  'bucket DELETE ownershipControls': deleteOwnershipControls,
  'bucket GET cors': getBucketCors,
  'bucket PUT cors': putBucketCors,
  'bucket DELETE cors': deleteBucketCors,
  'bucket POST ': postObject,
  'bucket POST delete': deleteObjects,
  'object GET ': getObject,
  'object HEAD ': getObject,
  'object PUT ': putObject,
  'object DELETE ': deleteObject,
  'object GET acl': getObjectAcl,
  'object PUT acl': putObjectAcl,
  'object GET tagging': getObjectTagging,
  'object PUT tagging': putObjectTagging,
  'object DELETE tagging': deleteObjectTagging,
  'object POST uploads': createMultipartUpload,
  'object PUT uploadId': uploadPart,
  'object GET uploadId': listParts,
  'object POST uploadId': completeMultipartUpload,
  'object DELETE uploadId': abortMultipartUpload,
}

/** Parameters that name an operation of S3, whether it is offered here or not. */
const SUBRESOURCES = [
  'accelerate',
  'acl',
  'analytics',
  'attributes',
  'cors',
  'delete',
  'encryption',
  'intelligent-tiering',
  'inventory',
  'legal-hold',
  'lifecycle',
  'location',
  'logging',
  'metadataTable',
  'metrics',
  'notification',
  'object-lock',
  'ownershipControls',
  'policy',
  'policyStatus',
  'publicAccessBlock',
  'renameObject',
  'replication',
  'requestPayment',
  'restore',
  'retention',
  'select',
  'session',
  'tagging',
  'torrent',
  'uploadId',
  'uploads',
  'versioning',
  'versions',
  'website',
]

/**
 * The operation that a request asks for.
 * @throws S3Error NotImplemented for S3's operations that are not offered, MethodNotAllowed otherwise
 */
export function route(call: Call): Operation {
  const scope = scopeOf(call)
  const { method } = call.request
  if (method === 'OPTIONS') return preflight
  const named = SUBRESOURCES.filter(name => call.query.has(name))
  const operation = ROUTES[`${scope} ${method} ${named[0] ?? ''}`]
  if (named.length > 1) throw conflicting(named)
  if (operation === undefined || !isOffered(call, named[0])) throw unknown(call, named[0])
  if (operation === listObjects && call.query.get('list-type') === '2') return listObjectsV2
  if (!call.headers.has('x-amz-copy-source')) return operation
  if (operation === putObject) return copyObject
  return operation === uploadPart ? uploadPartCopy : operation
}

function isOffered({ server }: Call, subresource: string | undefined): boolean {
  const isAcl = subresource === 'acl' || subresource === 'ownershipControls'
  return server.profile.acls || !isAcl
}

function scopeOf(call: Call): Scope {
  if (call.bucketName === '') return 'service'
  return call.key === '' ? 'bucket' : 'object'
}

function conflicting(names: readonly string[]): S3Error {
  return new S3Error(
    'InvalidArgument',
    `Conflicting query string parameters: ${names.join(', ')}`,
    { elements: { ArgumentName: 'ResourceType', ArgumentValue: names[0] ?? '' } },
  )
}

function unknown(call: Call, subresource: string | undefined): S3Error {
  if (subresource === undefined) {
    const elements = { Method: call.request.method, ResourceType: scopeOf(call).toUpperCase() }
    return new S3Error('MethodNotAllowed', undefined, { elements })
  }
  return new S3Error('NotImplemented', `This server does not offer ?${subresource}`)
}

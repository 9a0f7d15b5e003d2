import { receiveBytes } from '../body.ts'
import {
  bucketFor,
  type Call,
  emptyResponse,
  incomingBody,
  parseDocument,
  xmlResponse,
} from '../call.ts'
import { corsDocument, corsFromXml, corsHeaders } from '../cors.ts'
import { S3Error } from '../errors.ts'
import type { S3Response } from '../message.ts'

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketCors.html */
export function getBucketCors(call: Call): S3Response {
  const { cors } = bucketFor(call, 'owner').state
  if (cors === undefined) throw new S3Error('NoSuchCORSConfiguration')
  return xmlResponse(corsDocument(cors))
}

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketCors.html */
export async function putBucketCors(call: Call): Promise<S3Response> {
  const bucket = bucketFor(call, 'owner')
  const body = await receiveBytes(incomingBody(call))
  bucket.update({ cors: corsFromXml(parseDocument(body, 'CORSConfiguration')) })
  return emptyResponse(200)
}

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteBucketCors.html */
export function deleteBucketCors(call: Call): S3Response {
  bucketFor(call, 'owner').update({ cors: undefined })
  return emptyResponse(204)
}

/** A browser's question before its request: https://docs.aws.amazon.com/AmazonS3/latest/API/RESTOPTIONSobject.html */
export function preflight(call: Call): S3Response {
  const { headers, server } = call
  const method = headers.get('access-control-request-method')
  if (!headers.has('origin') || method === undefined) {
    throw new S3Error('InvalidRequest', 'Insufficient information. Origin request header needed.')
  }
  const rules = server.buckets.get(call.bucketName)?.state.cors
  if (rules === undefined) throw new S3Error('AccessForbidden')
  const allowed = corsHeaders(rules, headers, method)
  if (allowed !== undefined) return emptyResponse(200, allowed)
  throw new S3Error(
    'AccessForbidden',
    "CORSResponse: This CORS request is not allowed. This is usually because the evalution of Origin, request method / Access-Control-Request-Method or Access-Control-Request-Headers are not whitelisted by the resource's CORS spec.",
  )
}

import { asBytes } from '../auth/hmac.ts'
import { type LengthRange, verifyPost } from '../auth/post-policy.ts'
import { announcedLength, MAX_UPLOAD } from '../body.ts'
import type { StoredObject } from '../bucket.ts'
import { type Call, emptyResponse, findBucket, incomingBody, xmlResponse } from '../call.ts'
import { S3Error } from '../errors.ts'
import { readForm, type UploadForm } from '../form-data.ts'
import type { HeaderMap, S3Response } from '../message.ts'
import { tagsFromXml } from '../tags.ts'
import { encodePath, encodeRfc3986 } from '../uri.ts'
import { element, parseXml, xmlDocument } from '../xml.ts'
import { storeObject } from './objects.ts'

/** https://docs.aws.amazon.com/AmazonS3/latest/API/RESTObjectPOST.html: an upload by a browser's form */
export async function postObject(call: Call): Promise<S3Response> {
  if (!call.server.profile.postObject) throw new S3Error('NotImplemented')
  findBucket(call)
  const total = announcedLength(incomingBody(call))
  const form = await readForm(call.request.headers.get('content-type'), call.request.body)
  const upload = uploadCall(call, form)
  const { range } = upload
  const source = limited(form.file, range ?? { min: 0, max: MAX_UPLOAD })
  const body = { ...incomingBody(upload.call), source, unsized: true }
  const object = await storeObject(upload.call, body, () => total)
  return postResponse(upload.call, form.fields, object)
}

/** The form as the call of a PUT: fields become headers. */
function uploadCall(call: Call, form: UploadForm): { call: Call; range: LengthRange | undefined } {
  const fields = new Map(form.fields).set('bucket', call.bucketName)
  const { server } = call
  const regions = [server.region, ...server.profile.otherRegions]
  const permission = verifyPost(fields, { accounts: server.accounts, regions, now: server.now() })
  const key = fields.get('key')?.replace(/\$\{filename\}/g, () => form.filename)
  if (!key) throw missingKey()
  return {
    call: {
      ...call,
      key,
      headers: headersOf(form.fields),
      authentication: {
        account: permission?.account,
        how: permission === undefined ? 'anonymous' : 'query',
        payload: { kind: 'unsigned' },
      },
    },
    range: permission?.range,
  }
}

const HEADER_FIELDS = new Set([
  'cache-control',
  'content-type',
  'content-disposition',
  'content-encoding',
  'content-language',
  'content-md5',
  'expires',
])

function headersOf(fields: ReadonlyMap<string, string>): HeaderMap {
  const headers: HeaderMap = new Map()
  for (const [name, value] of fields) {
    if (HEADER_FIELDS.has(name) || name.startsWith('x-amz-')) headers.set(name, asBytes(value))
  }
  const acl = fields.get('acl')
  const tagging = fields.get('tagging')
  if (acl !== undefined) headers.set('x-amz-acl', acl)
  if (tagging !== undefined) headers.set('x-amz-tagging', tagsHeader(tagging))
  return headers
}

function tagsHeader(document: string): string {
  const tags = Object.entries(tagsFromXml(parseXml(Buffer.from(document))))
  return tags.map(([name, value]) => `${encodeRfc3986(name)}=${encodeRfc3986(value)}`).join('&')
}

function missingKey(): S3Error {
  return new S3Error(
    'InvalidArgument',
    "Bucket POST must contain a field named 'key'.  If it is specified, please check the order of the fields.",
    { elements: { ArgumentName: 'key', ArgumentValue: '' } },
  )
}

/** Passes the file on and fails as soon as it is known to be too large, or at its end too small. */
async function* limited(
  file: AsyncIterable<Uint8Array>,
  { min, max }: LengthRange,
): AsyncGenerator<Uint8Array> {
  let size = 0
  for await (const chunk of file) {
    size += chunk.byteLength
    if (size > max) {
      throw new S3Error('EntityTooLarge', undefined, {
        elements: { ProposedSize: String(size), MaxSizeAllowed: String(max) },
      })
    }
    yield chunk
  }
  if (size >= min) return
  throw new S3Error('EntityTooSmall', undefined, {
    elements: { ProposedSize: String(size), MinSizeAllowed: String(min) },
  })
}

function postResponse(
  call: Call,
  fields: ReadonlyMap<string, string>,
  { etag, key }: StoredObject,
): S3Response {
  const location = `${call.location}/${encodePath(key)}`
  const headers = { etag: `"${etag}"`, location }
  const redirect = redirectTarget(fields.get('success_action_redirect') ?? fields.get('redirect'))
  if (redirect !== undefined) {
    redirect.searchParams.set('bucket', call.bucketName)
    redirect.searchParams.set('key', key)
    redirect.searchParams.set('etag', `"${etag}"`)
    return { status: 303, headers: { ...headers, location: redirect.href } }
  }
  const status = fields.get('success_action_status')
  if (status === '200') return emptyResponse(200, headers)
  if (status !== '201') return emptyResponse(204, headers)
  const content =
    element('Location', location) +
    element('Bucket', call.bucketName) +
    element('Key', key) +
    element('ETag', `"${etag}"`)
  const document = xmlDocument(`<PostResponse>${content}</PostResponse>`)
  return { ...xmlResponse(document, headers), status: 201 }
}

/** A redirect that is no URL is ignored, as S3 does. */
function redirectTarget(text: string | undefined): URL | undefined {
  return text !== undefined && URL.canParse(text) ? new URL(text) : undefined
}

import { randomBytes } from 'node:crypto'
import { authenticate } from './auth/authenticate.ts'
import { ANONYMOUS, type Authentication } from './auth/authentication.ts'
import { asBytes } from './auth/hmac.ts'
import type { Call, ServerState } from './call.ts'
import { corsHeaders } from './cors.ts'
import { errorBody, invalidArgument, S3Error } from './errors.ts'
import { bodySize, closeBody, type HeaderMap, type S3Request, type S3Response } from './message.ts'
import { route } from './router.ts'
import { findTarget } from './target.ts'
import { Query } from './uri.ts'

/** Answers one request. Never rejects: what goes wrong is an answer as well. */
export async function handle(server: ServerState, request: S3Request): Promise<S3Response> {
  try {
    return finish(server, request, await answer(server, request), newIds())
  } catch (error) {
    return errorResponse(server, request, knownError(error))
  }
}

/** A body that broke off is the client's doing; what is left is a defect of this server. */
function knownError(error: unknown): S3Error {
  if (error instanceof S3Error) return error
  const isBroken = error instanceof Error && 'code' in error && error.code === 'ECONNRESET'
  return isBroken ? new S3Error('IncompleteBody') : new S3Error('InternalError', `${error}`)
}

/** Writes an error as S3 does: with a document, but for HEAD. */
export function errorResponse(
  server: ServerState,
  request: S3Request,
  error: S3Error,
  status: number = error.status,
): S3Response {
  const ids = newIds()
  const body = Buffer.from(errorBody(error, request.path, ids.request, ids.host))
  const headers = { 'content-type': 'application/xml', ...error.headers }
  return finish(server, request, { status, headers, body }, ids)
}

interface Ids {
  readonly request: string
  readonly host: string
}

function newIds(): Ids {
  return {
    request: randomBytes(8).toString('hex').toUpperCase(),
    host: randomBytes(24).toString('base64'),
  }
}

async function answer(server: ServerState, request: S3Request): Promise<S3Response> {
  const query = new Query(request.search)
  const host = request.headers.get('host') ?? 'localhost'
  const target = findTarget(host, request.path)
  // A browser's preflight repeats the URL with its signature, for another method: nobody's request.
  const isPreflight = request.method === 'OPTIONS'
  const authentication = isPreflight
    ? ANONYMOUS
    : authenticate(
        { ...request, query, hostBucket: target.virtualHost ? target.bucket : undefined },
        {
          accounts: server.accounts,
          regions: [server.region, ...server.profile.otherRegions],
          now: server.now(),
        },
        server.profile.signatureV2,
      )
  checkPayload(server, authentication)
  const call: Call = {
    server,
    request,
    query,
    headers: withHoisted(request.headers, query, authentication),
    authentication,
    bucketName: target.bucket,
    key: target.key,
    location: `http://${host}${target.virtualHost ? '' : `/${target.bucket}`}`,
  }
  return route(call)(call)
}

/** A server that knows no checksums knows no trailers either. */
function checkPayload({ profile }: ServerState, { payload }: Authentication): void {
  if (profile.checksums || payload.kind !== 'chunked' || !payload.trailer) return
  const message = 'x-amz-content-sha256 must be UNSIGNED-PAYLOAD or a valid sha256 value.'
  throw invalidArgument(message, 'x-amz-content-sha256', 'STREAMING-UNSIGNED-PAYLOAD-TRAILER')
}

/** A presigned URL may hold `x-amz-…` headers in its query: they count as headers. */
function withHoisted(headers: HeaderMap, query: Query, { how }: Authentication): HeaderMap {
  if (how !== 'query') return headers
  const all = new Map(headers)
  for (const [name, value] of query.entries) {
    const header = name.toLowerCase()
    if (header.startsWith('x-amz-') && !headers.has(header)) all.set(header, asBytes(value))
  }
  return all
}

function finish(
  server: ServerState,
  request: S3Request,
  response: S3Response,
  ids: Ids,
): S3Response {
  const headers: Record<string, string> = {
    'x-amz-request-id': ids.request,
    'x-amz-id-2': ids.host,
    date: server.now().toUTCString(),
    server: 'StowageS3',
    ...corsOf(server, request),
    ...response.headers,
  }
  if (response.status !== 304 && response.status !== 204) {
    headers['content-length'] = String(bodySize(response.body))
  }
  if (request.method !== 'HEAD') return { ...response, headers }
  closeBody(response.body)
  if (response.status >= 400) delete headers['content-length']
  return { status: response.status, headers }
}

/** What lets a page of another origin read the answer, also where it is an error. */
function corsOf(server: ServerState, request: S3Request): Record<string, string> | undefined {
  if (!request.headers.has('origin') || request.method === 'OPTIONS') return undefined
  const host = request.headers.get('host') ?? 'localhost'
  const name = bucketOf(host, request.path)
  const rules = name === undefined ? undefined : server.buckets.get(name)?.state.cors
  return corsHeaders(rules, request.headers, request.method)
}

function bucketOf(host: string, path: string): string | undefined {
  try {
    return findTarget(host, path).bucket
  } catch {
    return undefined
  }
}

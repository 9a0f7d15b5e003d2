import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { type Account, Accounts } from '../accounts.ts'
import { S3Error } from '../errors.ts'
import { findTarget } from '../target.ts'
import { Query } from '../uri.ts'
import { authenticate } from './authenticate.ts'
import type { SignedRequest } from './authentication.ts'
import { asBytes } from './hmac.ts'

interface Vector {
  readonly kind?: 'header' | 'query' | 'presign'
  readonly operation?: string | null
  readonly params?: { readonly Bucket?: string }
  readonly accessKey: string
  readonly secretKey: string
  readonly sessionToken?: string
  readonly region?: string | null
  readonly time: string
  readonly method: string
  readonly url: string
  readonly authPath?: string | null
  readonly headers?: Record<string, string>
  readonly expiresIn?: number
  readonly expect: {
    readonly url?: string
    readonly method?: string
    readonly authorization?: string
    readonly date?: string
    readonly headers?: Record<string, string>
  }
}

/**
 * Requests that botocore signs and S3 refuses, with the reason: by the signature's rules, path and
 * query are signed encoded in one way only, whatever their spelling on the wire.
 */
const REFUSED = new Map([
  ['https://examplebucket.s3.amazonaws.com/?x=%7E&y=%2f', 'signs %7E and %2f as they are'],
  ['https://examplebucket.s3.amazonaws.com/a%2Fb', 'signs %2F in the path as it is'],
  ['https://examplebucket.s3.amazonaws.com/a+b', 'signs + in the path as it is'],
  ['https://examplebucket.s3.amazonaws.com/k?a%20b=1&a+b=2', 'signs + in the query as it is'],
  ['https://examplebucket.s3.amazonaws.com/?k=v=w', 'signs = in a value as it is'],
])
/** The same for version 2, by operation. */
const REFUSED_V2 = new Map([
  ['list_objects_v2', 'signs list-type, which is no sub-resource, and drops the / of the path'],
  ['create_multipart_upload', 'signs ?uploads twice'],
])

const presigned = vectorsOf('sigv4-presign.json').filter(isValidExpiry)
const signed = vectorsOf('sigv4-headers.json').filter(({ url }) => !REFUSED.has(url))
const older = vectorsOf('sigv2.json')
  .filter(isValidExpiry)
  .filter(({ operation }) => !REFUSED_V2.has(operation ?? ''))
  .filter(({ headers }) => headers?.['x-amz-date'] === undefined)

describe("botocore's signatures", () => {
  it('has vectors to check', () => {
    expect([presigned.length, signed.length, older.length]).toEqual([138, 119, 170])
  })

  it('accepts every URL presigned with version 4', () => {
    expect(presigned.flatMap(vector => codeOf(vector, presignedRequest(vector)))).toEqual([])
  })

  it('accepts every Authorization header of version 4', () => {
    expect(signed.flatMap(vector => codeOf(vector, headerRequest(vector)))).toEqual([])
  })

  it('accepts every signature of version 2', () => {
    expect(older.flatMap(vector => codeOf(vector, requestOf(vector)))).toEqual([])
  })
})

describe('one byte changed', () => {
  const all = [
    ...presigned.map(vector => ({ vector, request: presignedRequest(vector) })),
    ...signed.map(vector => ({ vector, request: headerRequest(vector) })),
    ...older.map(vector => ({ vector, request: requestOf(vector) })),
  ]
  const changes: Record<string, (request: SignedRequest) => SignedRequest | undefined> = {
    'in the path': request => ({ ...request, path: `${request.path}x` }),
    'in the method': request => ({ ...request, method: `${request.method}X` }),
    'in the signature': flippedSignature,
    'in a signed header': flippedHeader,
  }

  it.each(Object.entries(changes))('%s is refused each time', (_, change) => {
    const changed = all.flatMap(({ vector, request }) => {
      const other = change(request)
      return other === undefined ? [] : [{ vector, other }]
    })
    expect(changed.length).toBeGreaterThan(40)
    const codes = changed.map(
      ({ vector, other }) => codeOf(vector, other)[0] ?? `accepted ${vector.url}`,
    )
    expect(new Set(codes)).toEqual(new Set(['SignatureDoesNotMatch']))
  })

  it('is refused in the secret', () => {
    const codes = all.map(({ vector, request }) => {
      const { secretKey } = vector
      const other = `${secretKey.slice(0, -1)}${secretKey.endsWith('x') ? 'y' : 'x'}`
      return codeOf({ ...vector, secretKey: other }, request)[0]
    })
    expect(new Set(codes)).toEqual(new Set(['SignatureDoesNotMatch']))
  })

  it('is refused a second after a URL expired', () => {
    const codes = presigned.map(vector => {
      const late = new Date(new Date(vector.time).getTime() + (vector.expiresIn ?? 0) * 1000 + 1000)
      return codeOf({ ...vector, time: late.toISOString() }, presignedRequest(vector))[0]
    })
    expect(new Set(codes)).toEqual(new Set(['AccessDenied']))
  })
})

function vectorsOf(file: string): Vector[] {
  const url = new URL(`../../../../test/fixtures/vectors/${file}`, import.meta.url)
  return JSON.parse(readFileSync(url, 'utf8')).cases
}

/** botocore signs URLs that live too long or not at all; S3 refuses them. */
function isValidExpiry(vector: Vector): boolean {
  if (vector.kind !== undefined) return vector.expiresIn === undefined || vector.expiresIn >= 1
  return (vector.expiresIn ?? 0) >= 1 && (vector.expiresIn ?? 0) <= 604_800
}

function codeOf(vector: Vector, request: SignedRequest): string[] {
  const { accessKey, secretKey, sessionToken, time } = vector
  const account: Account = { accessKey, secretKey, id: 'test', sessionToken }
  const accounts = new Accounts(account, [])
  const regions = [vector.region ?? 'us-east-1']
  try {
    authenticate(request, { accounts, regions, now: new Date(time) }, true)
    return []
  } catch (error) {
    return [error instanceof S3Error ? error.code : String(error)]
  }
}

function requestOf(vector: Vector): SignedRequest {
  if (vector.kind === 'presign' || vector.kind === undefined) return presignedRequest(vector)
  return vector.kind === 'query' ? queryRequest(vector) : headerRequest(vector)
}

function presignedRequest(vector: Vector): SignedRequest {
  const { url = '', method = '', headers = {} } = vector.expect
  return wireRequest(vector, method, url, headers)
}

function queryRequest(vector: Vector): SignedRequest {
  const token: Record<string, string> =
    vector.sessionToken === undefined ? {} : { 'x-amz-security-token': vector.sessionToken }
  return wireRequest(vector, vector.method, vector.expect.url ?? '', {
    ...vector.headers,
    ...token,
  })
}

function headerRequest(vector: Vector): SignedRequest {
  const { authorization = '', date, headers = {} } = vector.expect
  const token: Record<string, string> =
    vector.sessionToken === undefined ? {} : { 'x-amz-security-token': vector.sessionToken }
  const all = { ...vector.headers, ...token, ...headers, authorization }
  return wireRequest(vector, vector.method, vector.url, date === undefined ? all : { ...all, date })
}

/** What goes over the wire; `new URL` would remove dot segments. */
function wireRequest(
  vector: Vector,
  method: string,
  url: string,
  sent: Readonly<Record<string, string>>,
): SignedRequest {
  const [, scheme = '', authority = '', path = '', search = ''] =
    /^(https?):\/\/([^/?]*)([^?]*)\??(.*)$/.exec(url) ?? []
  const host = authority.replace(scheme === 'https' ? /:443$/ : /:80$/, '')
  const headers = new Map([['host', host]])
  for (const [name, value] of Object.entries(sent)) headers.set(name.toLowerCase(), asBytes(value))
  const target = findTarget(host, path)
  const named = vector.params?.Bucket
  const isNamed = named !== undefined && host.startsWith(`${named}.`)
  const hostBucket = target.virtualHost ? target.bucket : isNamed ? named : undefined
  return { method, path: path || '/', search, query: new Query(search), headers, hostBucket }
}

function flippedSignature(request: SignedRequest): SignedRequest {
  const flip = (text: string): string =>
    text.replace(
      /(Signature=)(.)|(:)(.)(?=[^:]*$)/i,
      (_, name, first, colon, second) => `${name ?? colon}${(first ?? second) === 'a' ? 'b' : 'a'}`,
    )
  const authorization = request.headers.get('authorization')
  if (authorization !== undefined) {
    return {
      ...request,
      headers: new Map(request.headers).set('authorization', flip(authorization)),
    }
  }
  const search = flip(request.search)
  return { ...request, search, query: new Query(search) }
}

/** Only headers that every signature version signs, wherever there are any. */
function flippedHeader(request: SignedRequest): SignedRequest | undefined {
  const name = [...request.headers.keys()].find(
    header => header.startsWith('x-amz-') && !/date|token|sha256/.test(header),
  )
  if (name === undefined) return undefined
  return { ...request, headers: new Map(request.headers).set(name, 'changed') }
}

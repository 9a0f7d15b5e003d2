import { readFileSync } from 'node:fs'
import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { encodeKey } from './encoding.ts'
import { sha256Hex } from './platform/hashes.ts'
import { type Credentials, SigV4Signer } from './sigv4.ts'
import { resolveAddress } from './url.ts'

interface VectorFile<Case> {
  readonly cases: readonly Case[]
}

interface VectorKeys {
  readonly accessKey: string
  readonly secretKey: string
  readonly sessionToken?: string
  readonly region: string | null
  readonly time: string
}

interface HeaderCase extends VectorKeys {
  readonly service: string
  readonly payload: 'signed' | 'unsigned'
  readonly method: string
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly bodySha256: string
  readonly expect: {
    readonly authorization: string
    readonly headers: Readonly<Record<string, string>>
  }
}

interface PresignCase extends VectorKeys {
  readonly expiresIn: number
  readonly endpoint?: string
  readonly addressingStyle?: 'auto' | 'virtual' | 'path'
  readonly useSsl?: boolean
  readonly params: { readonly Bucket: string; readonly Key?: string }
  readonly expect: {
    readonly url: string
    readonly method: string
    readonly headers?: Readonly<Record<string, string>>
  }
  readonly regional?: string
}

function vectors<Case>(file: string): readonly Case[] {
  const path = new URL(`../../../test/fixtures/vectors/${file}`, import.meta.url)
  const { cases } = JSON.parse(readFileSync(path, 'utf8')) as VectorFile<Case>
  return cases
}

function credentialsOf(vector: VectorKeys): Credentials {
  const { accessKey, secretKey, sessionToken } = vector
  return { accessKey, secretKey, securityToken: sessionToken }
}

/** Cut by hand: `URL` would remove dot segments and encode what goes over the wire as it is. */
function splitUrl(url: string): { host: string; path: string; query: string } {
  const match = /^https?:\/\/([^/?]+)(\/[^?]*)?(?:\?(.*))?$/.exec(url)
  return { host: match?.[1] ?? '', path: match?.[2] ?? '/', query: match?.[3] ?? '' }
}

function pairsOf(query: string): (readonly [string, string])[] {
  if (query === '') return []
  return query.split('&').map(pair => {
    const [name = '', value = ''] = pair.split('=')
    return [decodeURIComponent(name), decodeURIComponent(value)] as const
  })
}

function headerOf(headers: readonly string[], name: string): string | undefined {
  const index = headers.indexOf(name)
  return index === -1 ? undefined : headers[index + 1]
}

function signVector(vector: HeaderCase): string[] {
  const signer = new SigV4Signer(credentialsOf(vector), vector.region ?? '', vector.service)
  const headers = Object.entries(vector.headers).flatMap(([name, value]) => [
    name.toLowerCase(),
    value,
  ])
  const payload = vector.payload === 'signed' ? vector.bodySha256 : 'UNSIGNED-PAYLOAD'
  const request = { method: vector.method, ...splitUrl(vector.url), headers, payload }
  signer.signHeaders(request, new Date(vector.time))
  return headers
}

describe('signed headers', () => {
  const cases = vectors<HeaderCase>('sigv4-headers.json')
  // botocore signs these two as well, though the transport sets them.
  const others = cases.filter(({ headers }) => 'Content-Length' in headers)
  const same = cases.filter(vector => !others.includes(vector))

  it('differ from botocore in one of its cases only', () => {
    expect(others.map(signVector).map(headers => headerOf(headers, 'authorization'))).toEqual([
      expect.stringContaining(
        'SignedHeaders=accept;host;x-amz-content-sha256;x-amz-date;x-amz-security-token,',
      ),
    ])
  })

  it.each(same.map((vector, index) => [index, vector.method, vector.url, vector] as const))(
    'equal those of botocore: case %i, %s %s',
    (_index, _method, _url, vector) => {
      const headers = signVector(vector)
      expect(headerOf(headers, 'authorization')).toBe(vector.expect.authorization)
      for (const [name, value] of Object.entries(vector.expect.headers))
        expect(headerOf(headers, name)).toBe(value)
    },
  )
})

describe('presigned URLs', () => {
  const cases = vectors<PresignCase>('sigv4-presign.json')

  it.each(cases.map((vector, index) => [index, vector.params.Key ?? '', vector] as const))(
    'equal those of botocore: case %i, %j',
    (_index, _key, vector) => {
      const expected = splitUrl(vector.regional ?? vector.expect.url)
      const address = resolveAddress({
        bucketName: vector.params.Bucket,
        regionName: vector.region ?? undefined,
        endpointUrl: vector.endpoint,
        addressingStyle: vector.addressingStyle,
        useSsl: vector.useSsl ?? true,
      })
      const { Key } = vector.params
      const path = Key === undefined ? address.prefix || '/' : `${address.prefix}/${encodeKey(Key)}`
      const signer = new SigV4Signer(credentialsOf(vector), vector.region ?? 'us-east-1')
      const query = signer.presign(
        {
          method: vector.expect.method,
          host: address.host,
          path,
          query: pairsOf(expected.query).filter(([name]) => !name.startsWith('X-Amz-')),
          signedHeaders: Object.entries(vector.expect.headers ?? {}),
          expiresIn: vector.expiresIn,
        },
        new Date(vector.time),
      )
      expect(`${address.origin}${path}`).toBe((vector.regional ?? vector.expect.url).split('?')[0])
      expect(query.split('&').sort()).toEqual(expected.query.split('&').sort())
    },
  )
})

/** The keys, region, service and time of AWS's own signature test suite. */
const suiteKeys: Credentials = {
  accessKey: 'AKIDEXAMPLE',
  secretKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY',
}
const suiteTime = new Date('2015-08-30T12:36:00Z')

interface SmallRequest {
  readonly query?: string
  readonly path?: string
  readonly headers?: readonly string[]
}

function authorization(request: SmallRequest, signer = suiteSigner()): string {
  const { path = '/', query = '' } = request
  const headers = [...(request.headers ?? [])]
  const payload = sha256Hex('')
  signer.signHeaders(
    { method: 'GET', host: 'example.amazonaws.com', path, query, headers, payload },
    suiteTime,
  )
  return headerOf(headers, 'authorization') ?? ''
}

function suiteSigner(): SigV4Signer {
  return new SigV4Signer(suiteKeys, 'us-east-1', 'service')
}

describe('the canonical request', () => {
  it.each([
    ['trims a value', ['x-a', ' value '], ['x-a', 'value']],
    ['makes one blank of several', ['x-a', 'a   b'], ['x-a', 'a b']],
    ['makes one blank of a tab', ['x-a', 'a\tb'], ['x-a', 'a b']],
    ['unfolds lines', ['x-a', 'a\r\n   b\r\n\tc'], ['x-a', 'a b c']],
    ['collapses blanks in quotes, too', ['x-a', '"a  b"'], ['x-a', '"a b"']],
    ['joins headers of one name in their order', ['x-a', '2', 'x-a', '1'], ['x-a', '2,1']],
    ['sorts headers by name', ['x-b', '1', 'x-a', '2'], ['x-a', '2', 'x-b', '1']],
    ['sorts by code, not by locale', ['x-a-b', '1', 'x-a', '2'], ['x-a', '2', 'x-a-b', '1']],
    ['keeps an empty value', ['x-a', '   '], ['x-a', '']],
    ['leaves out what the transport sets', ['user-agent', 'x', 'content-length', '0'], []],
    ['leaves out hop-by-hop headers', ['connection', 'close', 'te', 'trailers'], []],
    ['leaves out a second host', ['host', 'elsewhere'], []],
  ])('%s', (_what, headers, same) => {
    expect(authorization({ headers })).toBe(authorization({ headers: same }))
  })

  it.each([
    [
      'the order of values of one name',
      { headers: ['x-a', '1', 'x-a', '2'] },
      { headers: ['x-a', '2', 'x-a', '1'] },
    ],
    ['a value', { headers: ['x-a', '1'] }, { headers: ['x-a', '2'] }],
    ['the case of a value', { headers: ['x-a', 'a'] }, { headers: ['x-a', 'A'] }],
    ['a range', { headers: ['range', 'bytes=0-1'] }, { headers: ['range', 'bytes=0-2'] }],
    ['the path', { path: '/a//b' }, { path: '/a/b' }],
    ['how a path is encoded', { path: '/a%2Fb' }, { path: '/a/b' }],
    ['a plus sign', { path: '/a+b' }, { path: '/a%20b' }],
    ['an asterisk', { path: '/%2A' }, { path: '/*' }],
    ['a query value', { query: 'a=1' }, { query: 'a=2' }],
    ['a repeated parameter', { query: 'a=1&a=1' }, { query: 'a=1' }],
  ])('depends on %s', (_what, one, other) => {
    expect(authorization(one)).not.toBe(authorization(other))
  })

  it.each([
    ['by name', 'b=1&a=2', 'a=2&b=1'],
    ['by value where names are equal', 'a=2&a=1', 'a=1&a=2'],
    ['capitals before small letters', 'a=1&A=2', 'A=2&a=1'],
    ['a name before a longer one that goes on with a hyphen', 'a-b=1&a=2', 'a=2&a-b=1'],
    ['by encoded text', 'é=1&~=2'.replace('é', '%C3%A9'), '%C3%A9=1&~=2'],
    ['with `=` behind a bare name', 'uploads', 'uploads='],
    ['with `=` behind a bare name among others', 'b=1&acl', 'acl=&b=1'],
  ])('sorts the query %s', (_what, query, canonical) => {
    expect(authorization({ query })).toBe(authorization({ query: canonical }))
    expect(canonicalQueryOf(query)).toBe(canonical)
  })

  it('encodes names and values of presigned parameters', () => {
    const query = suiteSigner().presign(
      {
        method: 'GET',
        host: 'h',
        path: '/',
        query: [
          ['é +', "*~!'()"],
          ['x', ''],
        ],
        expiresIn: 1,
      },
      suiteTime,
    )
    expect(query).toMatch(/^%C3%A9%20%2B=%2A~%21%27%28%29&X-Amz-Algorithm=.*&x=&X-Amz-Signature=/)
  })
})

/** Presigning shows the canonical query; a header signature only holds its hash. */
function canonicalQueryOf(query: string): string {
  const signed = suiteSigner().presign(
    { method: 'GET', host: 'h', path: '/', query: pairsOf(query), expiresIn: 1 },
    suiteTime,
  )
  return signed
    .split('&')
    .filter(pair => !pair.startsWith('X-Amz-'))
    .join('&')
}

describe('SigV4Signer', () => {
  it('signs AWS’s example of a GET with a range', () => {
    // https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
    const signer = new SigV4Signer(
      {
        accessKey: 'AKIAIOSFODNN7EXAMPLE',
        secretKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
      },
      'us-east-1',
    )
    const headers = ['range', 'bytes=0-9']
    signer.signHeaders(
      {
        method: 'GET',
        host: 'examplebucket.s3.amazonaws.com',
        path: '/test.txt',
        query: '',
        headers,
        payload: sha256Hex(''),
      },
      new Date('2013-05-24T00:00:00Z'),
    )
    expect(headerOf(headers, 'authorization')).toMatch(
      /Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41$/,
    )
  })

  it('gives the same signatures, whatever it signed before', () => {
    const times = ['2026-01-01T23:59:59Z', '2026-01-02T00:00:00Z', '2026-01-01T23:59:59.999Z']
    const signAll = (signerFor: () => SigV4Signer): string[] =>
      times.map(time =>
        signerFor().presign(
          { method: 'GET', host: 'h', path: '/', query: [], expiresIn: 60 },
          new Date(time),
        ),
      )
    const one = suiteSigner()
    expect(signAll(() => one)).toEqual(signAll(suiteSigner))
    expect(new Set(signAll(() => one)).size).toBe(2)
  })

  it('signs all of a request under a region of any length', () => {
    for (const region of ['x'.repeat(100), 'x'.repeat(5_000), 'é'.repeat(100)]) {
      const signer = new SigV4Signer(suiteKeys, region)
      const [one, other] = ['/a', '/b'].map(path => authorization({ path }, signer))
      expect(one).not.toBe(other)
      expect(authorization({ path: '/a' }, signer)).toBe(one)
    }
  })

  it('puts the token among the signed headers', () => {
    const signer = new SigV4Signer({ ...suiteKeys, securityToken: 'the token' }, 'us-east-1')
    expect(authorization({}, signer)).toContain(
      'SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amz-security-token',
    )
  })

  it('signs every header that the holder of a presigned URL has to send', () => {
    const query = suiteSigner().presign(
      {
        method: 'PUT',
        host: 'h',
        path: '/k',
        query: [],
        signedHeaders: [['content-length', '5']],
        expiresIn: 60,
      },
      suiteTime,
    )
    expect(query).toContain('X-Amz-SignedHeaders=content-length%3Bhost')
  })

  it('shows no key when it is printed', () => {
    const signer = new SigV4Signer({ ...suiteKeys, securityToken: 'the token' }, 'us-east-1')
    authorization({}, signer)
    const shown =
      inspect(signer, { showHidden: true, depth: 9 }) + JSON.stringify(signer) + String(signer)
    expect(shown).not.toMatch(/AKID|wJalr|token/)
  })
})

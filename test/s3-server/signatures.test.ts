import { createHash, createHmac } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { S3Server } from '../../src/testing/s3-server/s3-server.ts'
import { type RawAnswer, RawClient, type RawRequest } from './raw-client.ts'

let server: S3Server
let client: RawClient

beforeAll(async () => {
  server = await S3Server.start({
    buckets: ['media'],
    accounts: [
      { accessKey: 'TEMPORARY', secretKey: 'temporary', id: 'temp', sessionToken: 'the token' },
    ],
  })
  client = new RawClient(server)
  await client.send('PUT', '/media/a', { body: 'hello' })
})

afterAll(async () => {
  client.close()
  await server.close()
})

const get = async (request: RawRequest): Promise<string> => {
  const { code, status } = await client.send('GET', '/media/a', request)
  return code ?? String(status)
}

describe('a signed request', () => {
  it.each(['v4', 'v4-query', 'v2', 'v2-query'] as const)('passes with %s', async by => {
    expect(await get({ by })).toBe('200')
  })

  it.each(['v4', 'v4-query', 'v2', 'v2-query'] as const)('is checked with %s', async by => {
    expect(await get({ by, signing: { secretKey: 'wrong' } })).toBe('SignatureDoesNotMatch')
    expect(await get({ by, signing: { accessKey: 'NOBODY' } })).toBe('InvalidAccessKeyId')
  })

  it('tells what it should have signed', async () => {
    const { text } = await client.send('GET', '/media/a', { signing: { secretKey: 'wrong' } })
    expect(text).toContain('<StringToSign>AWS4-HMAC-SHA256\n')
    expect(text).toContain('<CanonicalRequest>GET\n/media/a\n')
    expect(text).toContain('<SignatureProvided>')
  })

  it('fails with a clock that is 16 minutes off, and passes with one that is 14', async () => {
    for (const skew of [-960, 960]) {
      expect(await get({ signing: { skew } })).toBe('RequestTimeTooSkewed')
      expect(await get({ by: 'v2', signing: { skew } })).toBe('RequestTimeTooSkewed')
    }
    for (const skew of [-840, 840]) expect(await get({ signing: { skew } })).toBe('200')
  })

  it('fails for another region, and is told the right one', async () => {
    const region = 'eu-west-1'
    const answer = await client.send('GET', '/media/a', { signing: { region } })
    expect(answer.code).toBe('AuthorizationHeaderMalformed')
    expect(answer.text).toContain('<Region>us-east-1</Region>')
    const head = await client.send('HEAD', '/media', { signing: { region } })
    expect(head.headers['x-amz-bucket-region']).toBe('us-east-1')
    expect(await get({ by: 'v4-query', signing: { region } })).toBe(
      'AuthorizationQueryParametersError',
    )
  })

  it('may not bring x-amz headers that it did not sign', async () => {
    for (const by of ['v4', 'v4-query'] as const) {
      const headers = { 'x-amz-meta-extra': '1' }
      const answer = await client.send('PUT', '/media/b', {
        by,
        headers,
        signing: { unsigned: ['x-amz-meta-extra'] },
      })
      expect(answer.code).toBe('AccessDenied')
      expect(answer.text).toContain('<HeadersNotSigned>x-amz-meta-extra</HeadersNotSigned>')
    }
    expect(await get({ signing: { unsigned: ['host'] } })).toBe('AccessDenied')
  })

  it('is one or the other, not two', async () => {
    const headers = { authorization: 'AWS4-HMAC-SHA256 …'.slice(0, 16) }
    expect(await get({ by: 'v4-query', headers })).toBe('InvalidArgument')
    expect(await get({ by: 'nobody', headers: { authorization: 'Basic abc' } })).toBe(
      'InvalidArgument',
    )
  })

  it('needs the token of temporary credentials, and takes none for others', async () => {
    const temporary = { accessKey: 'TEMPORARY', secretKey: 'temporary' }
    const list = async (headers: Record<string, string>, signing: object): Promise<string> => {
      const { code, status } = await client.send('GET', '/', { headers, signing })
      return code ?? String(status)
    }
    expect(await list({ 'x-amz-security-token': 'the token' }, temporary)).toBe('200')
    expect(await list({ 'x-amz-security-token': 'another' }, temporary)).toBe('InvalidToken')
    expect(await list({}, temporary)).toBe('InvalidToken')
    expect(await list({ 'x-amz-security-token': 'the token' }, {})).toBe('InvalidToken')
  })
})

describe('a presigned URL', () => {
  it('ends when it says', async () => {
    expect(await get({ by: 'v4-query', signing: { skew: -30, expires: 60 } })).toBe('200')
    const late = { by: 'v4-query', signing: { skew: -62, expires: 60 } } as const
    const { code, text } = await client.send('GET', '/media/a', late)
    expect(code).toBe('AccessDenied')
    expect(text).toContain('<Message>Request has expired</Message>')
    expect(await get({ by: 'v2-query', signing: { expires: -2 } })).toBe('AccessDenied')
  })

  it('lives a week at most, and at least a second', async () => {
    expect(await get({ by: 'v4-query', signing: { expires: 604_800 } })).toBe('200')
    const wrong = 'AuthorizationQueryParametersError'
    expect(await get({ by: 'v4-query', signing: { expires: 604_801 } })).toBe(wrong)
    expect(await get({ by: 'v4-query', signing: { expires: -1 } })).toBe(wrong)
    expect(await get({ by: 'v4-query', signing: { expires: 0 } })).toBe('AccessDenied')
  })

  it('is not valid before its time', async () => {
    expect(await get({ by: 'v4-query', signing: { skew: 1200 } })).toBe('AccessDenied')
  })

  it('may hold headers of S3 in its query', async () => {
    const query = { 'x-amz-meta-colour': 'blue', 'x-amz-acl': 'public-read' }
    await client.send('PUT', '/media/hoisted', { by: 'v4-query', query, body: 'x' })
    const answer = await client.send('GET', '/media/hoisted', { by: 'nobody' })
    expect(answer.headers['x-amz-meta-colour']).toBe('blue')
  })
})

interface Chunking {
  readonly payload: string
  readonly signed: boolean
  readonly trailer?: Record<string, string>
  /** Changes the body after it was signed. */
  readonly damage?: (body: string) => string
  readonly length?: number
  readonly announced?: string
}

const SIGNED = 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD'
const hmac = (key: string | Buffer, text: string): Buffer =>
  createHmac('sha256', key).update(text).digest()
const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')

/** Sends chunks as S3's documentation of chunked uploads frames and signs them. */
function sendChunks(key: string, chunks: readonly string[], how: Chunking): Promise<RawAnswer> {
  const content = chunks.join('')
  const headers: Record<string, string> = {
    'content-encoding': 'aws-chunked',
    'x-amz-decoded-content-length': String(how.length ?? content.length),
  }
  const announced = how.announced ?? Object.keys(how.trailer ?? {}).join(',')
  if (announced !== '') headers['x-amz-trailer'] = announced
  const request = { headers, signing: { payload: how.payload, now: Date.now() } }
  const { authorization = '', 'x-amz-date': time = '' } = client.sign('PUT', key, request).headers
  const [, scope = '', seed = ''] =
    /Credential=[^/]+\/(\S+),.*Signature=(\w+)/.exec(authorization) ?? []
  const body = how.signed
    ? signedChunks(chunks, how.trailer, time, scope, seed)
    : plainChunks(chunks, how.trailer)
  return client.send('PUT', key, { ...request, body: how.damage?.(body) ?? body })
}

function plainChunks(chunks: readonly string[], trailer: Record<string, string> = {}): string {
  const framed = chunks.map(chunk => `${chunk.length.toString(16)}\r\n${chunk}\r\n`)
  return `${framed.join('')}0\r\n${trailerLines(trailer)}\r\n`
}

function signedChunks(
  chunks: readonly string[],
  trailer: Record<string, string> | undefined,
  time: string,
  scope: string,
  seed: string,
): string {
  let key = hmac(`AWS4${server.secretKey}`, scope.split('/')[0] ?? '')
  for (const part of scope.split('/').slice(1)) key = hmac(key, part)
  let previous = seed
  const next = (what: string, ...hashes: string[]): string => {
    const lines = [`AWS4-HMAC-SHA256-${what}`, time, scope, previous, ...hashes]
    previous = hmac(key, lines.join('\n')).toString('hex')
    return previous
  }
  const framed = [...chunks, ''].map(chunk => {
    const signature = next('PAYLOAD', sha256(''), sha256(chunk))
    return `${chunk.length.toString(16)};chunk-signature=${signature}\r\n${chunk}${chunk && '\r\n'}`
  })
  if (trailer === undefined) return `${framed.join('')}\r\n`
  const canonical = Object.entries(trailer).map(([name, value]) => `${name}:${value}\n`)
  const signature = next('TRAILER', sha256(canonical.join('')))
  return `${framed.join('')}${trailerLines(trailer)}x-amz-trailer-signature:${signature}\r\n\r\n`
}

function trailerLines(trailer: Record<string, string>): string {
  return Object.entries(trailer)
    .map(([name, value]) => `${name}:${value}\r\n`)
    .join('')
}

function crc32Base64(text: string): string {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(crc32(text))
  return bytes.toString('base64')
}

describe('an aws-chunked body', () => {
  const chunks = ['a'.repeat(65_536), 'b'.repeat(1024)]
  const content = chunks.join('')
  const right = { 'x-amz-checksum-crc32': crc32Base64(content) }
  const wrong = { 'x-amz-checksum-crc32': crc32Base64('other') }
  const kinds: [string, Chunking][] = [
    ['signed', { payload: SIGNED, signed: true }],
    ['signed with a trailer', { payload: `${SIGNED}-TRAILER`, signed: true, trailer: right }],
    [
      'unsigned with a trailer',
      { payload: 'STREAMING-UNSIGNED-PAYLOAD-TRAILER', signed: false, trailer: right },
    ],
  ]

  it.each(kinds)('is stored without its frame: %s', async (_, how) => {
    expect((await sendChunks('/media/chunked', chunks, how)).status).toBe(200)
    const got = await client.send('GET', '/media/chunked')
    expect(got.text).toBe(content)
    expect(got.headers['content-encoding']).toBeUndefined()
  })

  it.each(kinds)('is refused when it is short or long: %s', async (_, how) => {
    for (const length of [content.length - 1, content.length + 1]) {
      const answer = await sendChunks('/media/refused', chunks, { ...how, length })
      expect(answer.code).toBe('IncompleteBody')
    }
    expect((await client.send('HEAD', '/media/refused')).status).toBe(404)
  })

  it.each(kinds.slice(0, 2))('is refused when one byte changes: %s', async (_, how) => {
    const damage = (body: string): string => body.replace('ab', 'ac').replace('bb', 'bc')
    const answer = await sendChunks('/media/refused', chunks, { ...how, damage })
    expect(answer.code).toBe('SignatureDoesNotMatch')
    const resigned = (body: string): string =>
      body.replace(/(trailer|chunk)-signature[=:]\w/g, text => `${text.slice(0, -1)}x`)
    expect(
      (await sendChunks('/media/refused', chunks, { ...how, damage: resigned })).status,
    ).not.toBe(200)
    expect((await client.send('HEAD', '/media/refused')).status).toBe(404)
  })

  it.each(kinds.slice(1))('is refused when its trailer is of other content: %s', async (_, how) => {
    const answer = await sendChunks('/media/refused', chunks, { ...how, trailer: wrong })
    expect(answer.code).toBe('BadDigest')
  })

  it.each(kinds.slice(1))('is refused without the trailer it announced: %s', async (_, how) => {
    const announced = 'x-amz-checksum-crc32'
    const answer = await sendChunks('/media/refused', chunks, { ...how, trailer: {}, announced })
    expect(answer.code).toBe('MalformedTrailerError')
  })

  it('has chunks of 8 KiB and more but for the last', async () => {
    const how = { payload: SIGNED, signed: true }
    const answer = await sendChunks('/media/refused', ['small', 'x'.repeat(9000)], how)
    expect(answer.code).toBe('InvalidChunkSizeError')
  })

  it('has to tell how long its content is', async () => {
    const headers = { 'content-encoding': 'aws-chunked' }
    const request = { headers, signing: { payload: SIGNED }, body: '0\r\n\r\n' }
    const answer = await client.send('PUT', '/media/refused', request)
    expect(answer.code).toBe('MissingContentLength')
  })
})

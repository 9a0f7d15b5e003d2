import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { SigV4Signer } from './sigv4.ts'

interface HeaderCase {
  readonly accessKey: string
  readonly secretKey: string
  readonly sessionToken?: string
  readonly region: string
  readonly time: string
  readonly service: string
  readonly payload: 'signed' | 'unsigned'
  readonly method: string
  readonly url: string
  readonly headers: Record<string, string>
  readonly bodySha256: string
  readonly expect: {
    readonly authorization: string
    readonly headers: Record<string, string>
    readonly signedHeaders: string[]
  }
}

interface PresignCase {
  readonly accessKey: string
  readonly secretKey: string
  readonly sessionToken?: string
  readonly region: string | null
  readonly time: string
  readonly expiresIn: number
  readonly expect: {
    readonly url?: string
    readonly method?: string
    readonly headers?: Record<string, string>
    readonly error?: string
  }
}

function vectors<T>(file: string): T[] {
  const path = new URL(`../../../test/fixtures/vectors/${file}`, import.meta.url)
  return (JSON.parse(readFileSync(path, 'utf8')) as { cases: T[] }).cases
}

/** Splits a URL as text: `new URL` would normalise dot segments away. */
function split(url: string): { host: string; path: string; query: string } {
  const match = /^https?:\/\/([^/?]+)([^?]*)(?:\?(.*))?$/s.exec(url)
  // The Host header leaves the scheme's own port out.
  return {
    host: (match?.[1] ?? '').replace(url.startsWith('https:') ? /:443$/ : /:80$/, ''),
    path: match?.[2] === '' ? '/' : (match?.[2] ?? '/'),
    query: match?.[3] ?? '',
  }
}

describe('signing headers', () => {
  const cases = vectors<HeaderCase>('sigv4-headers.json')

  it('has all of botocore’s requests', () => {
    expect(cases.length).toBe(124)
  })

  it.each(
    cases.map((vector, index) => [`${index} ${vector.method} ${vector.url}`, vector] as const),
  )('gives the signature of request %s', (_title, vector) => {
    const credentials = {
      accessKey: vector.accessKey,
      secretKey: vector.secretKey,
      securityToken: vector.sessionToken,
    }
    const signer = new SigV4Signer(credentials, vector.region, vector.service)
    const signedHere = new Set([
      'host',
      'x-amz-date',
      'x-amz-content-sha256',
      'x-amz-security-token',
    ])
    const signed = vector.expect.signedHeaders.filter(name => !signedHere.has(name))
    const given = Object.entries(vector.headers).map(
      ([name, value]) => [name.toLowerCase(), value] as const,
    )
    const headers = given.filter(([name]) => signed.includes(name)).flat()
    const { host, path, query } = split(vector.url)
    const hostHeader = given.find(([name]) => name === 'host')?.[1] ?? host
    const payload = vector.payload === 'signed' ? vector.bodySha256 : 'UNSIGNED-PAYLOAD'
    signer.signHeaders(
      { method: vector.method, host: hostHeader, path, query, headers, payload },
      new Date(vector.time),
    )
    expect(headers.at(-1)).toBe(vector.expect.authorization)
  })
})

describe('presigning', () => {
  const cases = vectors<PresignCase>('sigv4-presign.json').filter(
    vector => vector.expect.url !== undefined,
  )

  it('has all of botocore’s URLs', () => {
    expect(cases.length).toBeGreaterThan(120)
  })

  it.each(
    cases.map((vector, index) => [`${index} ${vector.expect.url?.slice(0, 120)}`, vector] as const),
  )('gives the query of URL %s', (_title, vector) => {
    const { host, path, query } = split(vector.expect.url ?? '')
    const given = new URLSearchParams(query)
    const own = [...given].filter(([name]) => !name.startsWith('X-Amz-'))
    const region = given.get('X-Amz-Credential')?.split('/')[2] ?? ''
    const credentials = {
      accessKey: vector.accessKey,
      secretKey: vector.secretKey,
      securityToken: vector.sessionToken,
    }
    const headerNames = (given.get('X-Amz-SignedHeaders') ?? '')
      .split(';')
      .filter(name => name !== 'host')
    const sent = new Map(
      Object.entries(vector.expect.headers ?? {}).map(([name, value]) => [
        name.toLowerCase(),
        value,
      ]),
    )
    const signedHeaders = headerNames.map(name => [name, sent.get(name) ?? ''] as const)
    const further = [...given].filter(([name]) =>
      /^x-amz-(?!algorithm|credential|date|expires|signedheaders|signature|security-token)/i.test(
        name,
      ),
    )
    const result = new SigV4Signer(credentials, region).presign(
      {
        method: vector.expect.method ?? 'GET',
        host,
        path,
        query: [...own, ...further.filter(([name]) => name.startsWith('X-Amz-'))],
        signedHeaders,
        expiresIn: vector.expiresIn,
      },
      new Date(vector.time),
    )
    expect(result.split('&').sort()).toEqual(query.split('&').sort())
  })
})

describe('the signer', () => {
  it('shows no secret', async () => {
    const { inspect } = await import('node:util')
    const signer = new SigV4Signer(
      { accessKey: 'AK', secretKey: 'very-secret', securityToken: 'token-secret' },
      'us-east-1',
    )
    const request = {
      method: 'GET',
      host: 'h',
      path: '/',
      query: '',
      headers: [],
      payload: 'UNSIGNED-PAYLOAD',
    }
    signer.signHeaders(request, new Date())
    expect(inspect(signer, { showHidden: true, depth: 5 }) + JSON.stringify(signer)).not.toMatch(
      /secret/,
    )
  })

  it('signs with the key of the day', () => {
    const signer = new SigV4Signer({ accessKey: 'AK', secretKey: 'SK' }, 'us-east-1')
    const sign = (time: string): string | undefined => {
      const headers: string[] = []
      signer.signHeaders(
        { method: 'GET', host: 'h', path: '/', query: '', headers, payload: 'UNSIGNED-PAYLOAD' },
        new Date(time),
      )
      return headers.at(-1)
    }
    const first = sign('2026-01-01T23:59:59Z')
    expect(sign('2026-01-02T00:00:00Z')).toContain('/20260102/')
    expect(sign('2026-01-01T23:59:59Z')).toBe(first)
  })
})

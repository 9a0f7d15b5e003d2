import { readFileSync } from 'node:fs'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { S3Storage, type S3StorageOptions } from '../../src/s3.ts'
import { Stage } from './stage.ts'

interface Model {
  readonly accessKey: string
  readonly secretKey: string
  readonly sessionToken?: string
  readonly region: string | null
  readonly time: string
  readonly expiresIn: number
  readonly operation: string
  readonly params: Readonly<Record<string, string | number | Record<string, string>>>
  readonly addressingStyle?: 'auto' | 'path' | 'virtual'
  readonly endpoint?: string
  readonly useSsl?: boolean
  readonly httpMethod?: 'HEAD'
  readonly expect: { readonly url?: string; readonly method?: string }
  readonly regional?: { readonly url: string } | string
}

const { cases } = JSON.parse(
  readFileSync(new URL('../fixtures/vectors/sigv4-presign.json', import.meta.url), 'utf8'),
) as { cases: readonly Model[] }

const methods: Readonly<Record<string, 'GET' | 'HEAD' | 'PUT'>> = {
  get_object: 'GET',
  head_object: 'HEAD',
  put_object: 'PUT',
}

/** Keys that no storage reads, and expiries that S3 refuses. */
function isModel({ operation, params, expiresIn, expect: { url } }: Model): boolean {
  const key = String(params['Key'] ?? '')
  const strange =
    key === '' || key.includes('\0') || key.startsWith('/') || /(^|\/)\.{1,2}(\/|$)/.test(key)
  return (
    operation in methods && !strange && expiresIn >= 1 && expiresIn <= 604_800 && url !== undefined
  )
}

function storageOf(model: Model): S3Storage {
  return new S3Storage({
    accessKey: model.accessKey,
    secretKey: model.secretKey,
    securityToken: model.sessionToken,
    bucketName: String(model.params['Bucket']),
    regionName: model.region ?? undefined,
    endpointUrl: model.endpoint,
    addressingStyle: model.addressingStyle,
    useSsl: model.useSsl,
  })
}

function urlOf(model: Model): Promise<string> {
  const { Bucket: _, Key, ...parameters } = model.params
  const method = model.httpMethod ?? methods[model.operation]
  return storageOf(model).url(String(Key), { method, expiresIn: model.expiresIn, parameters })
}

function parts(url: string): [base: string, query: string[]] {
  const [base = '', query = ''] = url.split('?')
  return [base, query.split('&').sort()]
}

afterEach(() => vi.useRealTimers())

describe('url of a storage', () => {
  const models = cases.filter(isModel)

  it('has nearly all of botocore’s cases as models', () => {
    expect(models.length).toBeGreaterThan(110)
  })

  it.each(
    models.map((model, index) => [`${index} ${model.expect.url?.slice(0, 80)}`, model] as const),
  )('is botocore’s: %s', async (_title, model) => {
    vi.useFakeTimers({ now: new Date(model.time), toFake: ['Date'] })
    vi.stubEnv('AWS_REGION', '')
    const regional = typeof model.regional === 'string' ? model.regional : model.regional?.url
    expect(parts(await urlOf(model))).toEqual(parts(regional ?? model.expect.url ?? ''))
  })
})

let stage: Stage

beforeAll(async () => {
  stage = await Stage.start()
})

afterAll(() => stage.close())

function connect(options: S3StorageOptions = {}): S3Storage {
  const { accessKey, secretKey } = stage.server
  const own = { endpointUrl: stage.endpoint, accessKey, secretKey, bucketName: 'media' }
  return new S3Storage({ ...own, ...options })
}

describe('a download', () => {
  it.each([
    ['plain.txt', 'attachment; filename="plain.txt"'],
    ['résumé.pdf', `attachment; filename="r_sum_.pdf"; filename*=UTF-8''r%C3%A9sum%C3%A9.pdf`],
    ['a "b".txt', `attachment; filename="a _b_.txt"; filename*=UTF-8''a%20%22b%22.txt`],
    ['50%.txt', `attachment; filename="50_.txt"; filename*=UTF-8''50%25.txt`],
    ['😀.png', `attachment; filename="_.png"; filename*=UTF-8''%F0%9F%98%80.png`],
    ["it's (1).txt", `attachment; filename="it's (1).txt"`],
  ])('under the name %s is what RFC 6266 says', async (download, header) => {
    const storage = connect()
    await storage.save('a.txt', 'content')
    const response = await fetch(await storage.url('a.txt', { download }))
    expect(response.headers.get('content-disposition')).toBe(header)
    expect(await response.text()).toBe('content')
  })

  it('under its own name has no folders', async () => {
    const storage = connect()
    await storage.save('folder/b.txt', 'content')
    const response = await fetch(await storage.url('folder/b.txt', { download: true }))
    expect(response.headers.get('content-disposition')).toBe('attachment; filename="b.txt"')
  })

  it.each(['ResponseContentDisposition', 'response-content-disposition'])(
    'is refused beside %s, which says the same',
    async parameter => {
      const asked = { download: 'a.txt', parameters: { [parameter]: 'inline' } }
      await expect(connect().url('a.txt', asked)).rejects.toMatchObject({
        name: 'ValidationError',
        message: expect.stringContaining(`download and parameter ${parameter} say the same`),
      })
    },
  )

  it('cannot smuggle another header in', async () => {
    const storage = connect()
    await storage.save('a.txt', 'content')
    const url = await storage.url('a.txt', { download: 'a"\r\nX-Evil: 1; .txt' })
    const response = await fetch(url)
    expect(response.headers.get('x-evil')).toBeNull()
    expect(response.headers.get('content-disposition')).toMatch(/^attachment; filename="[^"]*"/)
  })
})

describe('response headers', () => {
  it('by the names of the API and of the wire', async () => {
    const storage = connect()
    await storage.save('a.txt', 'content')
    const parameters = {
      ResponseContentType: 'text/markdown; charset=utf-8',
      'response-cache-control': 'no-store',
      ResponseExpires: 'Thu, 01 Dec 1994 16:00:00 GMT',
    }
    const { headers } = await fetch(await storage.url('a.txt', { parameters }))
    expect(Object.fromEntries(headers)).toMatchObject({
      'content-type': 'text/markdown; charset=utf-8',
      'cache-control': 'no-store',
      expires: 'Thu, 01 Dec 1994 16:00:00 GMT',
    })
  })
})

describe('methods', () => {
  it('are signed for: a URL to read does not write, and the other way round', async () => {
    const storage = connect()
    await storage.save('a.txt', 'content')
    const read = await storage.url('a.txt')
    const head = await storage.url('a.txt', { method: 'HEAD' })
    const write = await storage.url('a.txt', { method: 'PUT' })
    expect((await fetch(read, { method: 'PUT', body: 'x' })).status).toBe(403)
    expect((await fetch(head)).status).toBe(403)
    expect((await fetch(head, { method: 'HEAD' })).status).toBe(200)
    expect((await fetch(write)).status).toBe(403)
    expect((await fetch(write, { method: 'PUT', body: 'new' })).status).toBe(200)
    expect(await (await fetch(read)).text()).toBe('new')
  })

  it('with parameters are signed for headers, without which the URL is worth nothing', async () => {
    const storage = connect()
    const url = await storage.url('typed.txt', {
      method: 'PUT',
      parameters: {
        ContentType: 'text/x-own',
        Metadata: { author: 'Zoë' },
        StorageClass: 'STANDARD_IA',
      },
    })
    const headers = {
      'content-type': 'text/x-own',
      'x-amz-meta-author': '=?UTF-8?B?Wm/Dqw==?=',
      'x-amz-storage-class': 'STANDARD_IA',
    }
    const send = (own: Record<string, string>) =>
      fetch(url, { method: 'PUT', body: 'x', headers: own })
    expect((await send({ ...headers, 'content-type': 'text/html' })).status).toBe(403)
    expect((await send(headers)).status).toBe(200)
    expect(await storage.stat('typed.txt')).toMatchObject({
      contentType: 'text/x-own',
      metadata: { author: 'Zoë' },
    })
  })
})

describe('an expiry', () => {
  it.each([0, -5, 604_801, 0.5, Number.NaN])(
    'of %d seconds is refused with the limit',
    async expiresIn => {
      await expect(connect().url('a', { expiresIn })).rejects.toMatchObject({
        name: 'ValidationError',
        message: expect.stringMatching(/at least 1|604800/),
      })
    },
  )

  it.each([0, 604_801])(
    'of %d seconds as a setting is refused with its name',
    querystringExpire => {
      expect(() => connect({ querystringExpire })).toThrow(
        expect.objectContaining({
          name: 'ImproperlyConfigured',
          setting: 'querystringExpire',
          message: expect.stringContaining('between 1 and 604800 seconds'),
        }),
      )
    },
  )

  it.each([1, 604_800])('of %d seconds is signed', async expiresIn => {
    expect(await connect().url('a', { expiresIn })).toContain(`&X-Amz-Expires=${expiresIn}&`)
  })
})

/** Every combination of what decides about a URL. */
const combinations = [undefined, 'cdn.example.com'].flatMap(customDomain =>
  [undefined, null, (url: string) => `${url}${url.includes('?') ? '&' : '?'}by=signer`].flatMap(
    cloudfrontSigner =>
      [true, false].flatMap(querystringAuth =>
        [undefined, 'http:', ''].flatMap(urlProtocol =>
          ['', 'loc ation'].flatMap(location =>
            (['auto', 'virtual', 'path'] as const).map(addressingStyle => ({
              customDomain,
              cloudfrontSigner,
              querystringAuth,
              urlProtocol,
              location,
              addressingStyle,
            })),
          ),
        ),
      ),
  ),
)

describe('a custom domain and S3’s own host', () => {
  const own = { accessKey: 'a', secretKey: 'b', bucketName: 'media', regionName: 'eu-west-1' }

  it('are never signed for one another, in any combination of options', async () => {
    expect(combinations.length).toBe(216)
    for (const options of combinations) {
      const { customDomain, cloudfrontSigner, querystringAuth, urlProtocol, location } = options
      const url = await new S3Storage({ ...own, ...options }).url('a b.txt')
      const folder = location === '' ? '' : 'loc%20ation/'
      if (customDomain !== undefined) {
        const signed = typeof cloudfrontSigner === 'function' && querystringAuth
        expect(url).toBe(
          `${urlProtocol ?? 'https:'}//cdn.example.com/${folder}a%20b.txt${signed ? '?by=signer' : ''}`,
        )
        continue
      }
      const base =
        options.addressingStyle === 'path'
          ? 'https://s3.eu-west-1.amazonaws.com/media/'
          : 'https://media.s3.eu-west-1.amazonaws.com/'
      expect(url.split('?')[0]).toBe(`${base}${folder}a%20b.txt`)
      expect(url.includes('X-Amz-Signature=')).toBe(querystringAuth)
      expect(url.includes('by=signer')).toBe(false)
    }
  })

  it('a URL to write to leads to S3, whatever the domain', async () => {
    const url = await new S3Storage({ ...own, customDomain: 'cdn.example.com' }).url('a', {
      method: 'PUT',
    })
    expect(url).toMatch(/^https:\/\/media\.s3\.eu-west-1\.amazonaws\.com\/a\?.*X-Amz-Signature=/)
  })

  it('a domain takes parameters of any name, in their order', async () => {
    const storage = new S3Storage({ ...own, customDomain: 'cdn.example.com' })
    expect(await storage.url('a', { parameters: { v: '1+2&é', x: '/' } })).toBe(
      'https://cdn.example.com/a?v=1%2B2%26%C3%A9&x=%2F',
    )
  })
})

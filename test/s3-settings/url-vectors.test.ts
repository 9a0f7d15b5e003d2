import { readFileSync } from 'node:fs'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { configure, type UrlOptions } from '../../src/index.ts'
import { S3Storage, type S3StorageOptions } from '../../src/s3.ts'
import { S3BotoStorage } from '../../src/s3-legacy.ts'

interface Answer {
  readonly url?: string
  readonly error?: string
}

interface Model {
  readonly time: string
  readonly options: S3StorageOptions & Record<string, unknown>
  readonly settings?: Record<string, unknown>
  readonly name: string
  readonly parameters?: Record<string, string>
  readonly expire?: number
  readonly httpMethod?: 'GET' | 'HEAD' | 'PUT'
  readonly expect: Answer
  readonly head_differs?: Answer
  readonly regional?: { readonly url: string } | string
}

/** What is right here: the same URL, or an error of a kind. */
type Expected = { readonly url: string } | { readonly error: RegExp }

function vectors<File>(name: string): File {
  const path = new URL(`../fixtures/vectors/${name}.json`, import.meta.url)
  return JSON.parse(readFileSync(path, 'utf8')) as File
}

const { cases } = vectors<{ readonly cases: readonly Model[] }>('s3-urls')
const { privateKey } = vectors<{ readonly privateKey: string }>('cloudfront')

/** The vectors name the key, and the file of CloudFront's has it. */
function settingsOf({ settings = {} }: Model): Record<string, unknown> {
  return settings['AWS_CLOUDFRONT_KEY'] === undefined
    ? settings
    : { ...settings, AWS_CLOUDFRONT_KEY: privateKey }
}

/** Version 2, which django-storages takes where nothing else is said, is the older backend's. */
function isVersion2({ expect: { url = '' } }: Model): boolean {
  return url.includes('AWSAccessKeyId=')
}

async function urlOf(model: Model): Promise<string> {
  vi.useFakeTimers({ now: new Date(model.time), toFake: ['Date'] })
  configure(settingsOf(model))
  const { options, name, parameters, expire: expiresIn, httpMethod: method } = model
  const asked: UrlOptions = { parameters, expiresIn, method }
  const storage = isVersion2(model)
    ? new S3BotoStorage({ ...options, signatureVersion: 's3' })
    : new S3Storage(options)
  return await storage.url(name, asked)
}

/** Without the order of the query, which is free. */
function parts(url: string): { readonly base: string; readonly query: string[] } {
  const [base = '', query = ''] = url.split('?')
  return { base, query: query.split('&').sort() }
}

function theirs({ regional, expect: { url = '' } }: Model): string {
  return (typeof regional === 'string' ? regional : regional?.url) ?? url
}

/** Where this package decides otherwise, with the reason; `undefined`: equal to the vector. */
const decisions: readonly [reason: string, decide: (model: Model) => Expected | undefined][] = [
  [
    'a token is an option, as in later versions',
    ({ options, head_differs: later }) =>
      options.securityToken !== undefined && later?.url !== undefined
        ? { url: later.url }
        : undefined,
  ],
  [
    'names of the wire are parameters, too',
    ({ parameters = {}, options, expect: { error } }) =>
      error !== undefined && 'response-content-type' in parameters
        ? options.querystringAuth === false
          ? { error: /^UnsupportedError/ }
          : { url: 'response-content-type=text%2Fplain' }
        : undefined,
  ],
  [
    'an error there is one here',
    ({ expect: { error } }) =>
      error === undefined
        ? undefined
        : { error: /^(ImproperlyConfigured|SuspiciousFileOperation|ValidationError)/ },
  ],
  [
    'an expiry that S3 refuses is refused',
    ({ expire, options: { querystringExpire } }) =>
      [expire, querystringExpire].some(seconds => (seconds ?? 1) < 1 || (seconds ?? 1) > 604_800)
        ? { error: /^(ValidationError.*at least 1|ImproperlyConfigured.*604800)/ }
        : undefined,
  ],
  [
    'a name is refused, or means itself, never another key',
    ({ name }) => {
      if (name === '' || /^\/|(^|\/)\.{1,2}(\/|$)/.test(name))
        return { error: /^SuspiciousFileOperation/ }
      return /\\|\/\//.test(name) ? { url: name.replaceAll('\\', '%5C') } : undefined
    },
  ],
  [
    'what only a signature allows is refused without',
    model => {
      const { options, parameters, head_differs: later } = model
      if (options.querystringAuth !== false || later?.url === undefined) return undefined
      return parameters !== undefined && 'VersionId' in parameters
        ? { url: later.url }
        : { error: /^UnsupportedError.*needs a signature/ }
    },
  ],
  [
    'no scheme is the usual one, not "None"',
    ({ options: { urlProtocol, customDomain } }) =>
      urlProtocol === null ? { url: `https://${customDomain}/x%20y.png` } : undefined,
  ],
  [
    'a domain with a final "/" is refused',
    ({ options: { customDomain } }) =>
      customDomain?.endsWith('/') === true
        ? { error: /^ImproperlyConfigured.*final "\/"/ }
        : undefined,
  ],
]

const sorted = cases.map((model, index) => {
  const found = decisions
    .map(([reason, decide]) => ({ reason, expected: decide(model) }))
    .find(({ expected }) => expected !== undefined)
  const title = `${index} ${model.name} ${JSON.stringify(model.options).slice(140, 260)}`
  return { title, model, reason: found?.reason, expected: found?.expected }
})
const models = sorted.filter(({ expected }) => expected === undefined)

afterEach(() => {
  configure({})
  vi.useRealTimers()
})

describe('the URLs of django-storages', () => {
  it('are models, but for decisions that have their reasons', () => {
    const version2 = models.filter(({ model }) => isVersion2(model))
    expect([cases.length, models.length, version2.length]).toEqual([194, 145, 22])
    expect(new Set(sorted.flatMap(({ reason }) => reason ?? []))).toEqual(
      new Set(decisions.map(([reason]) => reason)),
    )
  })

  it.each(models.map(({ title, model }) => [title, model] as const))(
    'are equal: %s',
    async (_title, model) => {
      expect(parts(await urlOf(model))).toEqual(parts(theirs(model)))
    },
  )

  it.each(
    sorted.flatMap(({ reason, title, model, expected }) =>
      expected === undefined ? [] : [[reason, title, model, expected] as const],
    ),
  )('differ since %s: %s', async (_reason, _title, model, expected) => {
    const outcome = await urlOf(model).catch((error: unknown) => String(error))
    if ('error' in expected) expect(outcome).toMatch(expected.error)
    else if (expected.url.startsWith('https:')) expect(parts(outcome)).toEqual(parts(expected.url))
    else expect(outcome).toContain(expected.url)
  })
})

import { readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { ImproperlyConfigured, UnsupportedError, ValidationError } from '../../core/errors.ts'
import { type ConfiguredSettings, settingsKey } from '../../core/settings.ts'
import type { UrlOptions } from '../../core/storage.ts'
import type { S3StorageOptions } from './options.ts'
import { S3Boto3Storage, S3StaticStorage, S3Storage } from './s3-storage.ts'

interface UrlCase {
  readonly time: string
  readonly options?: S3StorageOptions & Record<string, unknown>
  readonly settings?: Record<string, unknown>
  readonly name: string
  readonly parameters?: Record<string, string>
  readonly expire?: number
  readonly httpMethod?: 'GET' | 'HEAD' | 'PUT'
  readonly expect: { readonly url?: string; readonly error?: string }
  readonly regional?: { readonly url: string } | string
}

const vectors = JSON.parse(
  readFileSync(new URL('../../../test/fixtures/vectors/s3-urls.json', import.meta.url), 'utf8'),
) as { cases: UrlCase[] }

/** Why a case is no model here; `undefined`: it is one. See the README of the vectors. */
function decidedOtherwise(model: UrlCase): string | undefined {
  const { options = {}, settings = {}, name, expire, parameters } = model
  const { url = '' } = model.expect
  const names = [...Object.keys(options), ...Object.keys(settings)]
  const unsigned = options.querystringAuth === false || settings['AWS_QUERYSTRING_AUTH'] === false
  const domain = options.customDomain ?? settings['AWS_S3_CUSTOM_DOMAIN']
  const range = [expire, options.querystringExpire].filter(seconds => seconds !== undefined)
  if (model.expect.url === undefined) return 'an error there'
  if (names.some(option => /nosuch/i.test(option))) return 'an option of a later version'
  if (
    url.includes('AWSAccessKeyId=') ||
    /AWSAccessKeyId|s3$/.test(String(options.signatureVersion))
  )
    return 'signature version 2'
  if (name === '' || /\\|(^|\/)\.{1,2}(\/|$)|^\/|\/\//.test(name))
    return 'a name that is refused, never rewritten'
  if (range.some(seconds => seconds < 1 || seconds > 604_800)) return 'an expiry that S3 refuses'
  if (unsigned && parameters !== undefined && domain === undefined)
    return 'parameters without a signature'
  if (options.urlProtocol === null || String(domain).endsWith('/'))
    return 'a URL that is broken there'
  return undefined
}

const models = vectors.cases.filter(model => decidedOtherwise(model) === undefined)

const { privateKey } = JSON.parse(
  readFileSync(new URL('../../../test/fixtures/vectors/cloudfront.json', import.meta.url), 'utf8'),
) as { privateKey: string }

/** The vectors name the key, and the file of CloudFront's has it. */
function withKey(settings: UrlCase['settings']): UrlCase['settings'] {
  return settings?.['AWS_CLOUDFRONT_KEY'] === undefined
    ? settings
    : { ...settings, AWS_CLOUDFRONT_KEY: privateKey }
}

function configured(settings: Record<string, unknown> | undefined): void {
  const shared = globalThis as { [settingsKey]?: ConfiguredSettings | undefined }
  shared[settingsKey] =
    settings === undefined ? undefined : { values: settings, origin: 'the test' }
}

afterEach(() => {
  configured(undefined)
  vi.useRealTimers()
  vi.unstubAllEnvs()
})

function parts(url: string): { readonly base: string; readonly query: string[] } {
  const [base = '', query = ''] = url.split('?')
  return { base, query: query.split('&').sort() }
}

describe('url', () => {
  it('has a good number of models', () => {
    expect(models.length).toBeGreaterThan(80)
  })

  it.each(
    models.map((model, index) => [`${index} ${model.expect.url?.slice(0, 90)}`, model] as const),
  )('equals the original’s: %s', async (_title, model) => {
    vi.useFakeTimers({ now: new Date(model.time), toFake: ['Date'] })
    configured(withKey(model.settings))
    const options: UrlOptions = {
      parameters: model.parameters,
      expiresIn: model.expire,
      method: model.httpMethod,
    }
    const regional = typeof model.regional === 'string' ? model.regional : model.regional?.url
    const url = await new S3Storage(model.options).url(model.name, options)
    expect(parts(url)).toEqual(parts(regional ?? model.expect.url ?? ''))
  })
})

const keys = { accessKey: 'AKIDEXAMPLE', secretKey: 'very-secret', bucketName: 'media' }

describe('URLs of a custom domain', () => {
  const options = { ...keys, customDomain: 'cdn.example.com' }

  it('are signed by a function of the user, with the time at which they end', async () => {
    vi.useFakeTimers({ now: new Date('2026-01-01T00:00:00Z'), toFake: ['Date'] })
    const storage = new S3Storage({
      ...options,
      cloudfrontSigner: async (url, { expiresAt }) => `${url}?until=${expiresAt.toISOString()}`,
    })
    expect(await storage.url('a b.txt', { expiresIn: 60 })).toBe(
      'https://cdn.example.com/a%20b.txt?until=2026-01-01T00:01:00.000Z',
    )
    // Seven days are the limit of S3's signatures, not of CloudFront's.
    expect(await storage.url('a', { expiresIn: 30 * 86_400 })).toContain('until=2026-01-31')
  })

  it('are not signed with null, whatever keys there are', async () => {
    const cloudfront = { cloudfrontKeyId: 'K', cloudfrontKey: privateKey, cloudfrontSigner: null }
    expect(await new S3Storage({ ...options, ...cloudfront }).url('a')).toBe(
      'https://cdn.example.com/a',
    )
  })

  it.each([
    [{ cloudfrontKeyId: 'K' }, 'cloudfrontKey'],
    [{ cloudfrontKey: privateKey }, 'cloudfrontKeyId'],
  ])('need key and id together', (half, setting) => {
    const make = (): S3Storage => new S3Storage({ ...options, ...half })
    expect(make).toThrow(expect.objectContaining({ name: 'ImproperlyConfigured', setting }))
    expect(make).toThrow(/both must be provided together/)
  })

  it('need a key that is one, of which nothing is shown', () => {
    const wrong = privateKey.replace('BEGIN', 'BEGINN')
    const make = (): S3Storage =>
      new S3Storage({ ...options, cloudfrontKeyId: 'K', cloudfrontKey: wrong })
    expect(make).toThrow(expect.objectContaining({ setting: 'cloudfrontKey' }))
    const storage = new S3Storage({ ...options, cloudfrontKeyId: 'K', cloudfrontKey: privateKey })
    const body = privateKey.split('\n')[2] ?? ''
    expect(body.length).toBeGreaterThan(20)
    expect(inspect(storage, { depth: 9, showHidden: true })).not.toContain(body)
    expect(JSON.stringify(storage)).not.toContain(body)
  })
})

describe('S3Storage', () => {
  it('refuses a misspelt option with the nearest one', () => {
    const options = { bucketNam: 'media' } as S3StorageOptions
    expect(() => new S3Storage(options)).toThrow(
      'S3Storage has no option "bucketNam". Did you mean "bucketName"?',
    )
  })

  it.each([
    [{ location: '/x' }, 'location'],
    [{ location: 'a//b' }, 'location'],
    [{ location: 'a/../b' }, 'location'],
    [{ location: 'a\\b' }, 'location'],
    [{ querystringExpire: 604_801 }, 'querystringExpire'],
    [{ querystringExpire: 0 }, 'querystringExpire'],
    [{ customDomain: 'https://cdn.example.com' }, 'customDomain'],
    [{ customDomain: 'cdn.example.com/' }, 'customDomain'],
    [{ urlProtocol: 'http' }, 'urlProtocol'],
    [{ transferConfig: { partSize: 1024 } }, 'transferConfig'],
    [{ accessKey: 'a' }, 'secretKey'],
    [{ secretKey: 'a' }, 'accessKey'],
    [{ ...keys, sessionProfile: 'work' }, 'sessionProfile'],
    [{ objectParameters: { CacheContrl: 'x' } }, 'objectParameters'],
  ])('refuses %j, naming the option', (options, setting) => {
    const error = (() => {
      try {
        return new S3Storage(options as S3StorageOptions)
      } catch (thrown) {
        return thrown
      }
    })()
    expect(error).toBeInstanceOf(ImproperlyConfigured)
    expect((error as ImproperlyConfigured).setting).toBe(setting)
  })

  it('asks for a bucket at the first use, not before', async () => {
    const storage = new S3Storage()
    await expect(storage.exists('x')).rejects.toMatchObject({
      name: 'ImproperlyConfigured',
      setting: 'bucketName',
    })
  })

  it('refuses what only a signature allows, when URLs are not signed', async () => {
    const storage = new S3StaticStorage(keys)
    expect(await storage.url('a b.txt')).toBe('https://media.s3.amazonaws.com/a%20b.txt')
    await expect(storage.url('a', { download: true })).rejects.toThrow(UnsupportedError)
    await expect(storage.url('a', { method: 'PUT' })).rejects.toThrow(UnsupportedError)
    await expect(new S3Storage(keys).url('a', { expiresIn: 604_801 })).rejects.toThrow(
      ValidationError,
    )
  })

  it('has the historical defaults under the historical name only', () => {
    const defaults = S3Boto3Storage.optionSchema
    expect([defaults.defaultAcl.default, defaults.contentEncodingFromName.default]).toEqual([
      'public-read',
      true,
    ])
    const plain = S3Storage.optionSchema
    expect([plain.defaultAcl.default, plain.contentEncodingFromName.default]).toEqual([
      undefined,
      false,
    ])
  })

  it('takes the region of the environment, else of the profile', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'stowage-region-'))
    try {
      await writeFile(join(folder, 'config'), '[default]\nregion = eu-north-1\n')
      vi.stubEnv('AWS_CONFIG_FILE', join(folder, 'config'))
      vi.stubEnv('AWS_REGION', '')
      expect(await new S3Storage(keys).url('a')).toMatch(
        /^https:\/\/media\.s3\.eu-north-1\.amazonaws\.com\/a\?/,
      )
      vi.stubEnv('AWS_REGION', 'eu-west-3')
      expect(await new S3Storage(keys).url('a')).toMatch(
        /^https:\/\/media\.s3\.eu-west-3\.amazonaws\.com\/a\?/,
      )
    } finally {
      await rm(folder, { recursive: true })
    }
  })

  it('shows no secret', async () => {
    const storage = new S3Storage({
      ...keys,
      securityToken: 'token-secret',
      endpointUrl: 'http://127.0.0.1:1',
    })
    const error = await storage.exists('x').catch((thrown: unknown) => thrown)
    const shown =
      inspect([storage, error], { depth: 20, showHidden: true }) + JSON.stringify([storage, error])
    expect(shown).not.toMatch(/secret/)
  })
})

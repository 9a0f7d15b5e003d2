import { readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { ImproperlyConfigured, UnsupportedError, ValidationError } from '../../core/errors.ts'
import type { S3StorageOptions } from './options.ts'
import { S3Boto3Storage, S3StaticStorage, S3Storage } from './s3-storage.ts'

const { privateKey } = JSON.parse(
  readFileSync(new URL('../../../test/fixtures/vectors/cloudfront.json', import.meta.url), 'utf8'),
) as { privateKey: string }

afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllEnvs()
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

  it('are strings, whatever a function of the user gives', async () => {
    const cloudfrontSigner = (() => 5) as never
    await expect(new S3Storage({ ...options, cloudfrontSigner }).url('a')).rejects.toMatchObject({
      name: 'ImproperlyConfigured',
      setting: 'cloudfrontSigner',
    })
  })

  it('are not signed with null, whatever keys there are', async () => {
    const cloudfront = { cloudfrontKeyId: 'K', cloudfrontKey: privateKey, cloudfrontSigner: null }
    expect(await new S3Storage({ ...options, ...cloudfront }).url('a')).toBe(
      'https://cdn.example.com/a',
    )
  })

  it('may have several keys by their ids, also in the environment', async () => {
    vi.stubEnv('AWS_CLOUDFRONT_KEY_ID', 'NEW')
    vi.stubEnv('AWS_CLOUDFRONT_KEY', JSON.stringify({ OLD: privateKey, NEW: privateKey }))
    expect(await new S3Storage(options).url('a')).toMatch(/&Key-Pair-Id=NEW$/)
  })

  it('need a scheme to be signed for CloudFront, which signs whole URLs', () => {
    const cloudfront = { cloudfrontKeyId: 'K', cloudfrontKey: privateKey }
    expect(() => new S3Storage({ ...options, ...cloudfront, urlProtocol: '' })).toThrow(
      expect.objectContaining({ name: 'ImproperlyConfigured', setting: 'urlProtocol' }),
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
    [{ customDomain: 'cdn.example.com\\evil' }, 'customDomain'],
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

import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { ImproperlyConfigured } from '../../core/errors.ts'
import type { Environment } from '../../core/settings.ts'
import type { CredentialFunction } from './credential-function.ts'
import {
  type AwsWay,
  type CredentialOptions,
  credentialProvider,
  type ExpiringCredentials,
  profileRegion,
  regionFrom,
} from './credentials.ts'
import type { Credentials } from './sigv4.ts'

type Files = Readonly<Record<string, string>>

interface Sources {
  readonly options?: Partial<CredentialOptions>
  readonly environment?: Environment
  readonly files?: Files
  /** What a network, a program or the machine gives. */
  readonly ask?: (way: AwsWay) => Promise<ExpiringCredentials | undefined>
}

const noOptions: CredentialOptions = {
  accessKey: undefined,
  secretKey: undefined,
  securityToken: undefined,
  sessionProfile: undefined,
}

const home = { HOME: '/home/me' }

function readerOf(files: Files): (path: string) => Promise<string | undefined> {
  return async path => files[path]
}

async function credentials(sources: Sources): Promise<ExpiringCredentials | undefined> {
  const { options, environment = {}, files = {}, ask = async () => undefined } = sources
  const all = { ...noOptions, ...options }
  return await credentialProvider(all, { ...home, ...environment }, readerOf(files), ask)()
}

/** The ways that were asked, each of which gives keys. */
async function waysOf(sources: Sources): Promise<AwsWay[]> {
  const ways: AwsWay[] = []
  const ask = async (way: AwsWay): Promise<ExpiringCredentials> => {
    ways.push(way)
    return { accessKey: 'asked', secretKey: 'asked-secret' }
  }
  const found = await credentials({ ...sources, ask })
  if (ways.length > 0) expect(found).toMatchObject({ accessKey: 'asked' })
  return ways
}

async function refusal(sources: Sources): Promise<ImproperlyConfigured> {
  try {
    await credentials(sources)
  } catch (error) {
    if (error instanceof ImproperlyConfigured) return error
    throw error
  }
  throw new Error('nothing was refused')
}

function profile(name: string, key: string, more = ''): string {
  return `[${name}]\naws_access_key_id = ${key}\naws_secret_access_key = ${key}-secret\n${more}\n`
}

const s3Pair = { AWS_S3_ACCESS_KEY_ID: 's3', AWS_S3_SECRET_ACCESS_KEY: 's3-secret' }
const plainPair = { AWS_ACCESS_KEY_ID: 'plain', AWS_SECRET_ACCESS_KEY: 'plain-secret' }
const file = '/home/me/.aws/credentials'
const configFile = '/home/me/.aws/config'

describe('credentials', () => {
  it('are those of the options before all others, with their token or without', async () => {
    const options = { accessKey: 'a', secretKey: 'b' }
    const environment = { ...s3Pair, AWS_SESSION_TOKEN: 'of the environment' }
    const files = { [file]: profile('default', 'file') }
    expect(await credentials({ options, environment, files })).toEqual(options)
    const withToken = { ...options, securityToken: 't' }
    expect(await credentials({ options: withToken, environment, files })).toEqual(withToken)
  })

  it('are those of the profile that the options name before those of the environment', async () => {
    const found = await credentials({
      options: { sessionProfile: 'mine' },
      environment: { ...plainPair, AWS_SESSION_TOKEN: 'of the environment', AWS_PROFILE: 'yours' },
      files: {
        [file]: profile('mine', 'my', 'aws_session_token = tok') + profile('yours', 'your'),
      },
    })
    expect(found).toEqual({ accessKey: 'my', secretKey: 'my-secret', securityToken: 'tok' })
  })

  it('are those of the environment before those of a profile', async () => {
    const environment = { ...plainPair, AWS_PROFILE: 'mine' }
    const files = { [file]: profile('mine', 'my') }
    expect(await credentials({ environment, files })).toEqual({
      accessKey: 'plain',
      secretKey: 'plain-secret',
    })
  })

  it('are the variables for S3 before the plain ones', async () => {
    const found = await credentials({ environment: { ...plainPair, ...s3Pair } })
    expect(found).toEqual({ accessKey: 's3', secretKey: 's3-secret' })
  })

  it.each([
    ['AWS_SESSION_TOKEN', { AWS_SESSION_TOKEN: 'new', AWS_SECURITY_TOKEN: 'old' }, 'new'],
    ['AWS_SECURITY_TOKEN', { AWS_SESSION_TOKEN: '', AWS_SECURITY_TOKEN: 'old' }, 'old'],
  ])('have the token of %s', async (_name, tokens, securityToken) => {
    for (const pair of [plainPair, s3Pair])
      expect(await credentials({ environment: { ...pair, ...tokens } })).toMatchObject({
        securityToken,
      })
  })

  it('for S3 have no token that belongs to the plain pair beside them', async () => {
    const environment = { ...plainPair, ...s3Pair, AWS_SESSION_TOKEN: 'of the plain pair' }
    expect(await credentials({ environment })).toEqual({ accessKey: 's3', secretKey: 's3-secret' })
  })

  it('of empty variables do not count', async () => {
    const empty = { AWS_S3_ACCESS_KEY_ID: '', AWS_S3_SECRET_ACCESS_KEY: '', AWS_PROFILE: '' }
    expect(await credentials({ environment: empty })).toBeUndefined()
    expect(await credentials({ environment: { ...empty, ...plainPair } })).toMatchObject({
      accessKey: 'plain',
    })
  })

  it('are those of AWS_PROFILE, else of the default profile', async () => {
    const files = { [file]: profile('default', 'd') + profile('mine', 'my') }
    expect(await credentials({ files })).toMatchObject({ accessKey: 'd' })
    const environment = { AWS_PROFILE: 'mine' }
    expect(await credentials({ environment, files })).toMatchObject({ accessKey: 'my' })
  })

  it('stand in the credentials file before the configuration file, and are not mixed', async () => {
    const files = {
      [file]: profile('mine', 'first'),
      [configFile]: profile('profile mine', 'second', 'aws_session_token = tok'),
    }
    const options = { sessionProfile: 'mine' }
    expect(await credentials({ options, files })).toEqual({
      accessKey: 'first',
      secretKey: 'first-secret',
    })
    const { [configFile]: config = '' } = files
    expect(await credentials({ options, files: { [configFile]: config } })).toEqual({
      accessKey: 'second',
      secretKey: 'second-secret',
      securityToken: 'tok',
    })
  })

  it('of a profile may have their token under its older name', async () => {
    const files = { [file]: profile('default', 'd', 'aws_security_token = old') }
    expect(await credentials({ files })).toMatchObject({ securityToken: 'old' })
  })

  it('are looked for in the files that the environment names', async () => {
    const files = { '/x/cred': profile('default', 'x'), '/home/me/y': profile('default', 'y') }
    const found = (path: string): Promise<Credentials | undefined> =>
      credentials({ environment: { AWS_SHARED_CREDENTIALS_FILE: path }, files })
    expect(await found('/x/cred')).toMatchObject({ accessKey: 'x' })
    expect(await found('~/y')).toMatchObject({ accessKey: 'y' })
    expect(await found('/nowhere')).toBeUndefined()
  })

  it('are looked for in the home of Windows', async () => {
    const files = { 'C:\\me/.aws/credentials': profile('default', 'w') }
    const environment = { HOME: undefined, USERPROFILE: 'C:\\me' }
    expect(await credentials({ environment, files })).toMatchObject({ accessKey: 'w' })
  })

  it('are nowhere without a source or a home', async () => {
    expect(await credentials({})).toBeUndefined()
    expect(await credentials({ environment: { HOME: undefined } })).toBeUndefined()
    expect(await credentials({ files: { [configFile]: '[default]\nregion = r' } })).toBeUndefined()
  })
})

describe('half a set of credentials', () => {
  it.each<[string, Sources, string, RegExp]>([
    ['a key option', { options: { accessKey: 'hunter2' } }, 'secretKey', /secretKey/],
    ['a secret option', { options: { secretKey: 'hunter2' } }, 'accessKey', /accessKey/],
    ['a token option', { options: { securityToken: 'hunter2' } }, 'accessKey', /accessKey/],
    [
      'an empty key option',
      { options: { accessKey: '', secretKey: 'hunter2' } },
      'accessKey',
      /accessKey/,
    ],
    [
      'options that are empty',
      { options: { accessKey: '', secretKey: '' }, environment: plainPair },
      'accessKey',
      /accessKey/,
    ],
    [
      'AWS_ACCESS_KEY_ID',
      { environment: { AWS_ACCESS_KEY_ID: 'hunter2' } },
      'secretKey',
      /no AWS_SECRET_ACCESS_KEY/,
    ],
    [
      'AWS_SECRET_ACCESS_KEY',
      { environment: { AWS_SECRET_ACCESS_KEY: 'hunter2' } },
      'accessKey',
      /no AWS_ACCESS_KEY_ID/,
    ],
    [
      'AWS_S3_ACCESS_KEY_ID beside a plain pair',
      { environment: { ...plainPair, AWS_S3_ACCESS_KEY_ID: 'hunter2' } },
      'secretKey',
      /no AWS_S3_SECRET_ACCESS_KEY/,
    ],
    [
      'a profile with a key',
      { files: { [file]: '[default]\naws_access_key_id = hunter2' } },
      'secretKey',
      /"default" has no aws_secret_access_key/,
    ],
    [
      'a profile with a secret',
      { files: { [file]: '[default]\naws_secret_access_key = hunter2' } },
      'accessKey',
      /"default" has no aws_access_key_id/,
    ],
    [
      'a profile with an empty key',
      { files: { [file]: '[default]\naws_access_key_id =\naws_secret_access_key = hunter2' } },
      'accessKey',
      /no aws_access_key_id/,
    ],
    [
      'a profile with a key here and a secret there',
      {
        files: {
          [file]: '[default]\naws_access_key_id = hunter2',
          [configFile]: '[default]\naws_secret_access_key = hunter2',
        },
      },
      'secretKey',
      /no aws_secret_access_key/,
    ],
  ])('is refused: %s', async (_what, sources, setting, message) => {
    const error = await refusal(sources)
    expect(error.setting).toBe(setting)
    expect(error.message).toMatch(message)
    expect(inspect(error)).not.toContain('hunter2')
  })
})

describe('a profile', () => {
  it('beside keys is refused', async () => {
    for (const keys of [{ accessKey: 'a', secretKey: 'b' }, { securityToken: 'c' }]) {
      const error = await refusal({ options: { ...keys, sessionProfile: 'mine' } })
      expect(error.setting).toBe('sessionProfile')
    }
  })

  it('that does not exist is refused by its name', async () => {
    const files = { [file]: profile('default', 'd') }
    const byOption = await refusal({ options: { sessionProfile: 'gone' }, files })
    expect(byOption.message).toContain('"gone"')
    const byVariable = await refusal({ environment: { AWS_PROFILE: 'gone' }, files })
    expect(byVariable.setting).toBe('sessionProfile')
  })

  it.each([
    'role_arn',
    'credential_process',
    'credential_source',
    'login_session',
    'sso_session',
    'sso_account_id',
    'web_identity_token_file',
  ])('that gets its keys by %s is asked that way', async by => {
    const files = { [configFile]: `[profile mine]\n${by} = x\nregion = r` }
    const expected = {
      kind: 'profile',
      profile: 'mine',
      by,
      credentialsFile: file,
      configFile,
      region: 'r',
    }
    expect(await waysOf({ options: { sessionProfile: 'mine' }, files })).toEqual([expected])
    expect(await waysOf({ environment: { AWS_PROFILE: 'mine' }, files })).toEqual([expected])
  })

  it('with a role is asked for the role even if it has keys, which have other permissions', async () => {
    const files = {
      [file]: profile('mine', 'my'),
      [configFile]: '[profile mine]\nrole_arn = r\nsource_profile = mine',
    }
    const [way] = await waysOf({ options: { sessionProfile: 'mine' }, files })
    expect(way).toMatchObject({ by: 'role_arn', region: 'us-east-1' })
  })

  it('is asked in the files and the region that the environment names', async () => {
    const environment = {
      AWS_CONFIG_FILE: '~/c',
      AWS_SHARED_CREDENTIALS_FILE: '/x/cred',
      AWS_REGION: 'e',
    }
    const files = { '/home/me/c': '[default]\nsso_session = x\nregion = r' }
    expect(await waysOf({ environment, files })).toMatchObject([
      { credentialsFile: '/x/cred', configFile: '/home/me/c', region: 'e' },
    ])
  })

  it('with keys and another way behind them gives its keys', async () => {
    const files = { [file]: profile('default', 'd', 'credential_process = x') }
    expect(await credentials({ files })).toMatchObject({ accessKey: 'd' })
  })

  it('in a file that cannot be read right is refused by the line', async () => {
    const files = { [file]: '[default\naws_access_key_id = hunter2' }
    const error = await refusal({ files })
    expect(error.message).toContain(`Line 1 of ${file}`)
    expect(error.message).not.toContain('hunter2')
  })
})

describe('the machine', () => {
  const webIdentity = { AWS_WEB_IDENTITY_TOKEN_FILE: '/token', AWS_ROLE_ARN: 'arn:role' }
  const container = { AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: '/v2/x' }

  it('is asked for the web identity of the environment, then its container, then the instance', async () => {
    expect(await waysOf({ environment: { ...webIdentity, ...container } })).toEqual([
      {
        kind: 'web identity',
        tokenFile: '/token',
        roleArn: 'arn:role',
        sessionName: undefined,
        region: 'us-east-1',
      },
    ])
    expect(await waysOf({ environment: container })).toEqual([
      {
        kind: 'container',
        fullUri: undefined,
        relativeUri: '/v2/x',
        token: undefined,
        tokenFile: undefined,
      },
    ])
    expect(await waysOf({})).toEqual([{ kind: 'instance' }])
  })

  it('is not asked when there are keys, or when the instance is not to be asked', async () => {
    expect(await waysOf({ environment: { ...plainPair, ...container } })).toEqual([])
    const files = { [file]: profile('default', 'd') }
    expect(await waysOf({ environment: container, files })).toEqual([])
    expect(await waysOf({ environment: { AWS_EC2_METADATA_DISABLED: 'TRUE' } })).toEqual([])
  })
})

describe('the function "credentials"', () => {
  const given = (value: unknown): Sources => ({
    options: { credentials: (async () => value) as CredentialFunction },
    environment: plainPair,
  })

  it('is asked before all other sources, each time anew', async () => {
    let calls = 0
    const credentials: CredentialFunction = () => ({ accessKey: `a${++calls}`, secretKey: 'b' })
    const provide = credentialProvider(
      { ...noOptions, credentials },
      { ...home, ...plainPair },
      readerOf({}),
    )
    expect(await provide()).toMatchObject({ accessKey: 'a1' })
    expect(await provide()).toMatchObject({ accessKey: 'a2' })
  })

  it('may give our names or those of the SDK, and when the keys end', async () => {
    const expected = { accessKey: 'a', secretKey: 'b', securityToken: 't', expiresAt: 5000 }
    const ours = { accessKey: 'a', secretKey: 'b', securityToken: 't' }
    expect(await credentials(given({ ...ours, expiresAt: 5000 }))).toEqual(expected)
    expect(await credentials(given({ ...ours, expiresAt: new Date(5000) }))).toEqual(expected)
    const sdk = { accessKeyId: 'a', secretAccessKey: 'b', sessionToken: 't' }
    expect(await credentials(given({ ...sdk, expiration: new Date(5000) }))).toEqual(expected)
    expect(await credentials(given({ accessKeyId: 'a', secretAccessKey: 'b' }))).toEqual({
      accessKey: 'a',
      secretKey: 'b',
    })
  })

  it.each<[string, unknown, RegExp]>([
    ['nothing', undefined, /no "accessKey"/],
    ['a string', 'hunter2', /no "accessKey"/],
    ['no secret', { accessKey: 'hunter2' }, /no "secretKey"/],
    ['an empty secret', { accessKeyId: 'hunter2', secretAccessKey: '' }, /no "secretAccessKey"/],
    ['a token that is none', { accessKey: 'a', secretKey: 'b', securityToken: 1 }, /securityToken/],
    [
      'an end that is no time',
      { accessKey: 'a', secretKey: 'hunter2', expiresAt: 'soon' },
      /"expiresAt" that is no time/,
    ],
  ])('that gives %s is refused', async (_what, value, message) => {
    const error = await refusal(given(value))
    expect(error.setting).toBe('credentials')
    expect(error.message).toMatch(message)
    expect(inspect(error)).not.toContain('hunter2')
  })

  it('that fails is unavailable with its error as the cause, or throws its storage error', async () => {
    const failing = (error: Error): Sources => ({
      options: { credentials: () => Promise.reject(error) },
    })
    const cause = new Error('vault is sealed')
    await expect(credentials(failing(cause))).rejects.toMatchObject({
      name: 'UnavailableError',
      cause,
    })
    const own = new ImproperlyConfigured('no vault')
    await expect(credentials(failing(own))).rejects.toBe(own)
  })
})

describe('the region', () => {
  it('of the environment is AWS_REGION, else AWS_DEFAULT_REGION', () => {
    expect(regionFrom({ AWS_REGION: 'a', AWS_DEFAULT_REGION: 'b' })).toBe('a')
    expect(regionFrom({ AWS_REGION: '', AWS_DEFAULT_REGION: 'b' })).toBe('b')
    expect(regionFrom({})).toBeUndefined()
  })

  it('of a profile is that of the one named by the options, the environment, or the default', async () => {
    const files = {
      [configFile]: '[default]\nregion = d\n[profile a]\nregion = ra\n[profile b]\nregion = rb\n',
    }
    const region = (
      name: string | undefined,
      environment: Environment,
    ): Promise<string | undefined> =>
      profileRegion(name, { ...home, ...environment }, readerOf(files))
    expect(await region('a', { AWS_PROFILE: 'b' })).toBe('ra')
    expect(await region(undefined, { AWS_PROFILE: 'b' })).toBe('rb')
    expect(await region(undefined, {})).toBe('d')
    expect(await region('none', {})).toBeUndefined()
  })
})

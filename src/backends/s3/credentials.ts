import { ImproperlyConfigured } from '../../core/errors.ts'
import { quoteName } from '../../core/quote.ts'
import type { Environment } from '../../core/settings.ts'
import { type Profile, type ProfileFileKind, parseProfiles } from './profile-file.ts'
import type { Credentials } from './sigv4.ts'

/** What constructor and configuration say; see `credential-options.ts`. */
export interface CredentialOptions {
  readonly accessKey: string | undefined
  readonly secretKey: string | undefined
  readonly securityToken: string | undefined
  readonly sessionProfile: string | undefined
}

/** Resolves to `undefined` where no source has keys. */
export type CredentialProvider = () => Promise<Credentials | undefined>

/** Reads a text file; `undefined` where there is none. */
export type ReadFile = (path: string) => Promise<string | undefined>

/**
 * Keys from the first source that has some: the options, the profile that they name, the
 * environment, the profile of the environment or `default` (from `~/.aws/credentials` and
 * `~/.aws/config`). Key, secret and token always come from one source together, never mixed.
 *
 * The provider rejects with ImproperlyConfigured for half a pair, keys beside a profile, a profile
 * that does not exist, and one that needs more than static keys.
 */
export function credentialProvider(
  options: CredentialOptions,
  environment: Environment,
  readFile: ReadFile,
): CredentialProvider {
  const { sessionProfile } = options
  return async () => {
    const given = fromOptions(options)
    if (given !== undefined) return given
    const files = new ProfileFiles(environment, readFile)
    if (sessionProfile !== undefined)
      return required(await files.keys(sessionProfile), sessionProfile)
    return fromEnvironment(environment) ?? (await fromDefaultProfile(environment, files))
  }
}

/** Region of the environment, as the AWS tools have it. */
export function regionFrom(environment: Environment): string | undefined {
  return nonEmpty(environment['AWS_REGION']) ?? nonEmpty(environment['AWS_DEFAULT_REGION'])
}

/**
 * Region of the profile that the options, else the environment name; the AWS tools ask it behind
 * {@link regionFrom}.
 */
export async function profileRegion(
  sessionProfile: string | undefined,
  environment: Environment,
  readFile: ReadFile,
): Promise<string | undefined> {
  const name = sessionProfile ?? nonEmpty(environment['AWS_PROFILE']) ?? defaultProfile
  const profiles = await new ProfileFiles(environment, readFile).read(name)
  const regions = profiles.map(profile => setting(profile, 'region'))
  return regions.find(region => region !== undefined)
}

const defaultProfile = 'default'

/** An empty option is given, and wrong: it must not lead to the keys of somebody else. */
function fromOptions(options: CredentialOptions): Credentials | undefined {
  const { accessKey, secretKey, securityToken, sessionProfile } = options
  if ([accessKey, secretKey, securityToken].every(value => value === undefined)) return undefined
  if (sessionProfile !== undefined) {
    throw refusal(
      'There are keys and a "sessionProfile": keys come from a profile or are given, not both',
      'sessionProfile',
    )
  }
  if (!accessKey) throw refusal('Option "accessKey" is missing beside the other keys', 'accessKey')
  if (!secretKey) throw refusal('Option "secretKey" is missing beside the other keys', 'secretKey')
  return { accessKey, secretKey, securityToken: nonEmpty(securityToken) }
}

/**
 * The first pair wins. The token belongs to the plain pair, to the other one only where it stands
 * alone: on AWS Lambda, say, the plain pair and the token are those of the machine.
 */
function fromEnvironment(environment: Environment): Credentials | undefined {
  const securityToken =
    nonEmpty(environment['AWS_SESSION_TOKEN']) ?? nonEmpty(environment['AWS_SECURITY_TOKEN'])
  const plain = keyPair(environment, 'AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY')
  const own = keyPair(environment, 'AWS_S3_ACCESS_KEY_ID', 'AWS_S3_SECRET_ACCESS_KEY')
  if (own !== undefined && plain !== undefined) return checked(own)
  const pair = own ?? plain
  return pair === undefined ? undefined : { ...checked(pair), securityToken }
}

/** Two variables, of which one may be missing. */
interface KeyPair {
  readonly accessKey: string | undefined
  readonly secretKey: string | undefined
  readonly names: readonly [accessKey: string, secretKey: string]
}

function keyPair(
  environment: Environment,
  ...names: readonly [accessKey: string, secretKey: string]
): KeyPair | undefined {
  const [accessKey, secretKey] = names.map(name => nonEmpty(environment[name]))
  if (accessKey === undefined && secretKey === undefined) return undefined
  return { accessKey, secretKey, names }
}

function checked({ accessKey, secretKey, names }: KeyPair): Credentials {
  const [keyName, secretName] = names
  if (accessKey === undefined)
    throw refusal(`The environment has ${secretName} but no ${keyName}`, 'accessKey')
  if (secretKey === undefined)
    throw refusal(`The environment has ${keyName} but no ${secretName}`, 'secretKey')
  return { accessKey, secretKey }
}

async function fromDefaultProfile(
  environment: Environment,
  files: ProfileFiles,
): Promise<Credentials | undefined> {
  const named = nonEmpty(environment['AWS_PROFILE'])
  if (named === undefined) return await files.keys(defaultProfile)
  return required(await files.keys(named), named)
}

function required(credentials: Credentials | undefined, profile: string): Credentials {
  if (credentials !== undefined) return credentials
  throw refusal(
    `There is no profile ${quoteName(profile)} with keys in the shared credentials file`,
    'sessionProfile',
  )
}

/** The files of the AWS tools. */
class ProfileFiles {
  readonly #environment: Environment
  readonly #readFile: ReadFile

  constructor(environment: Environment, readFile: ReadFile) {
    this.#environment = environment
    this.#readFile = readFile
  }

  /** The static keys of a profile; those in the credentials file win. */
  async keys(name: string): Promise<Credentials | undefined> {
    const profiles = await this.read(name)
    const withKeys = profiles.find(hasKeys)
    const other = otherWay(profiles, withKeys !== undefined)
    if (other !== undefined) {
      throw refusal(
        `Profile ${quoteName(name)} gets its keys by ${other}; only aws_access_key_id, aws_secret_access_key and aws_session_token are supported`,
        'sessionProfile',
      )
    }
    return withKeys === undefined ? undefined : fromProfile(name, withKeys)
  }

  /** A profile as the credentials file and the configuration file have it, in this order. */
  async read(name: string): Promise<Profile[]> {
    const profiles: Profile[] = []
    for (const [kind, variable] of profileFiles) {
      const path = this.#path(kind, variable)
      const text = path === undefined ? undefined : await this.#readFile(path)
      if (path === undefined || text === undefined) continue
      const profile = parseProfiles(text, kind, path).get(name)
      if (profile !== undefined) profiles.push(profile)
    }
    return profiles
  }

  #path(kind: ProfileFileKind, variable: string): string | undefined {
    const environment = this.#environment
    const home = nonEmpty(environment['HOME']) ?? nonEmpty(environment['USERPROFILE'])
    const path = nonEmpty(environment[variable]) ?? `~/.aws/${kind}`
    if (!/^~[/\\]/.test(path)) return path
    return home === undefined ? undefined : home + path.slice(1)
  }
}

const profileFiles = [
  ['credentials', 'AWS_SHARED_CREDENTIALS_FILE'],
  ['config', 'AWS_CONFIG_FILE'],
] as const

function hasKeys(profile: Profile): boolean {
  return profile.has('aws_access_key_id') || profile.has('aws_secret_access_key')
}

/**
 * Ways to keys that this package does not go, since they ask a network or a program. A role is
 * taken on with the keys of its profile, if it has some; the other ways stand behind keys.
 */
function otherWay(profiles: readonly Profile[], keysFound: boolean): string | undefined {
  const ways = ['role_arn', ...(keysFound ? [] : waysBehindKeys)]
  return ways.find(way => profiles.some(profile => profile.has(way)))
}

const waysBehindKeys = [
  'credential_process',
  'credential_source',
  'login_session',
  'sso_session',
  'sso_account_id',
  'web_identity_token_file',
]

function fromProfile(name: string, profile: Profile): Credentials {
  const accessKey = setting(profile, 'aws_access_key_id')
  const secretKey = setting(profile, 'aws_secret_access_key')
  if (accessKey === undefined)
    throw refusal(`Profile ${quoteName(name)} has no aws_access_key_id`, 'accessKey')
  if (secretKey === undefined)
    throw refusal(`Profile ${quoteName(name)} has no aws_secret_access_key`, 'secretKey')
  return { accessKey, secretKey, securityToken: setting(profile, 'aws_session_token') }
}

function setting(profile: Profile, name: string): string | undefined {
  return nonEmpty(profile.get(name))
}

function refusal(problem: string, settingName: string): ImproperlyConfigured {
  return new ImproperlyConfigured(`${problem}.`, { setting: settingName })
}

function nonEmpty(text: string | undefined): string | undefined {
  return text === '' ? undefined : text
}

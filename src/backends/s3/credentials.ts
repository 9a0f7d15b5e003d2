import { ImproperlyConfigured, isStorageError, UnavailableError } from '../../core/errors.ts'
import { quoteName } from '../../core/quote.ts'
import type { Environment } from '../../core/settings.ts'
import type { CredentialFunction } from './credential-function.ts'
import { askAws } from './platform/aws-providers.ts'
import { type Profile, type ProfileFileKind, parseProfiles } from './profile-file.ts'
import type { Credentials } from './sigv4.ts'

/** Keys that may end. */
export interface ExpiringCredentials extends Credentials {
  /** Milliseconds since 1970; absent: they do not end by themselves. */
  readonly expiresAt?: number | undefined
}

/** What constructor and configuration say; see `credential-options.ts`. */
export interface CredentialOptions {
  readonly accessKey: string | undefined
  readonly secretKey: string | undefined
  readonly securityToken: string | undefined
  readonly sessionProfile: string | undefined
  readonly credentials?: CredentialFunction | undefined
}

/** Resolves to `undefined` where no source has keys. */
export type CredentialProvider = () => Promise<ExpiringCredentials | undefined>

/** The present keys, for whoever signs; see `credential-cache.ts`. */
export interface CredentialSource {
  /** At once while they are good, else a promise of new ones. */
  get(): Credentials | Promise<Credentials>
  /**
   * Drops keys that the service does not take any more (`ExpiredToken`).
   *
   * @param used those that it refused: where others have renewed them meanwhile, nothing happens
   */
  invalidate(used?: Credentials): void
}

/** Reads a text file; `undefined` where there is none. */
export type ReadFile = (path: string) => Promise<string | undefined>

/** A way to keys that asks a network or a program. Paths and names are those of AWS's tools. */
export type AwsWay =
  | {
      readonly kind: 'profile'
      readonly profile: string
      /** The setting of the profile that says so, such as `role_arn`. */
      readonly by: string
      readonly credentialsFile: string | undefined
      readonly configFile: string | undefined
      readonly region: string
    }
  | {
      readonly kind: 'web identity'
      readonly tokenFile: string
      readonly roleArn: string
      readonly sessionName: string | undefined
      readonly region: string
    }
  | {
      readonly kind: 'container'
      readonly fullUri: string | undefined
      readonly relativeUri: string | undefined
      readonly token: string | undefined
      readonly tokenFile: string | undefined
    }
  | { readonly kind: 'instance' }

/** Asks for keys; `undefined` where a machine has none to give. */
export type AskAws = (way: AwsWay) => Promise<ExpiringCredentials | undefined>

/**
 * Keys from the first source that has some: the options, the profile that they name, the
 * environment, the profile of the environment or `default` (from `~/.aws/credentials` and
 * `~/.aws/config`), the web identity or the container that the environment names, the instance.
 * Key, secret and token always come from one source together, never mixed. What asks a network or
 * a program (roles, SSO, processes, machines) goes through the optional peer
 * `@aws-sdk/credential-providers`.
 *
 * The provider rejects with ImproperlyConfigured for half a pair, keys beside a profile, a profile
 * that does not exist, and a way that needs the peer where it is missing.
 */
export function credentialProvider(
  options: CredentialOptions,
  environment: Environment,
  readFile: ReadFile,
  ask: AskAws = askAws,
): CredentialProvider {
  const { sessionProfile, credentials } = options
  const sources = new Sources(environment, readFile, ask)
  if (credentials !== undefined) return async () => checkGiven(await callGiven(credentials))
  return async () => {
    const given = fromOptions(options)
    if (given !== undefined) return given
    if (sessionProfile !== undefined)
      return required(await sources.profile(sessionProfile), sessionProfile)
    return (
      fromEnvironment(environment) ?? (await sources.defaultProfile()) ?? (await sources.machine())
    )
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
  return regionOf(await new ProfileFiles(environment, readFile).read(name))
}

const defaultProfile = 'default'
/** Where STS is asked when nothing names a region. */
const defaultRegion = 'us-east-1'

async function callGiven(credentials: CredentialFunction): Promise<unknown> {
  try {
    return await credentials()
  } catch (error) {
    if (isStorageError(error)) throw error
    throw new UnavailableError('The function "credentials" gave no keys.', { cause: error })
  }
}

/** @throws ImproperlyConfigured naming the member that is wrong, never its value */
function checkGiven(given: unknown): ExpiringCredentials {
  const members = new Map<string, unknown>(
    typeof given === 'object' && given !== null ? Object.entries(given) : [],
  )
  const names = members.has('accessKeyId') ? sdkNames : ownNames
  const text = (name: string): string => {
    const value = members.get(name)
    if (typeof value === 'string' && value !== '') return value
    throw refusal(`The function "credentials" gave no "${name}"`, 'credentials')
  }
  const token = members.get(names.securityToken) ?? undefined
  return {
    accessKey: text(names.accessKey),
    secretKey: text(names.secretKey),
    securityToken: token === undefined ? undefined : text(names.securityToken),
    expiresAt: timeOf(members.get(names.expiresAt) ?? undefined, names.expiresAt),
  }
}

const ownNames = {
  accessKey: 'accessKey',
  secretKey: 'secretKey',
  securityToken: 'securityToken',
  expiresAt: 'expiresAt',
}

const sdkNames: typeof ownNames = {
  accessKey: 'accessKeyId',
  secretKey: 'secretAccessKey',
  securityToken: 'sessionToken',
  expiresAt: 'expiration',
}

function timeOf(value: unknown, name: string): number | undefined {
  if (value === undefined) return undefined
  const time = value instanceof Date ? value.getTime() : value
  if (typeof time === 'number' && !Number.isNaN(time)) return time
  throw refusal(`The function "credentials" gave an "${name}" that is no time`, 'credentials')
}

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

/** Where keys are looked for besides options and plain variables. */
class Sources {
  readonly #environment: Environment
  readonly #files: ProfileFiles
  readonly #ask: AskAws

  constructor(environment: Environment, readFile: ReadFile, ask: AskAws) {
    this.#environment = environment
    this.#files = new ProfileFiles(environment, readFile)
    this.#ask = ask
  }

  /**
   * The keys of a profile; static ones in the credentials file win over those in the other. A role
   * is taken on with the keys of its profile, if it has some; the other ways stand behind keys.
   */
  async profile(name: string): Promise<ExpiringCredentials | undefined> {
    const profiles = await this.#files.read(name)
    const withKeys = profiles.find(hasKeys)
    const by = otherWay(profiles, withKeys !== undefined)
    if (by === undefined) return withKeys && fromProfile(name, withKeys)
    return await this.#ask({
      kind: 'profile',
      profile: name,
      by,
      ...this.#files.paths(),
      region: this.#region(profiles),
    })
  }

  async defaultProfile(): Promise<ExpiringCredentials | undefined> {
    const named = nonEmpty(this.#environment['AWS_PROFILE'])
    if (named === undefined) return await this.profile(defaultProfile)
    return required(await this.profile(named), named)
  }

  /** What the environment says of the machine, else what the machine itself gives. */
  async machine(): Promise<ExpiringCredentials | undefined> {
    const way = this.#webIdentity() ?? this.#container()
    if (way !== undefined) return await this.#ask(way)
    if (this.#environment['AWS_EC2_METADATA_DISABLED']?.toLowerCase() === 'true') return undefined
    return await this.#ask({ kind: 'instance' })
  }

  #webIdentity(): AwsWay | undefined {
    const tokenFile = this.#variable('AWS_WEB_IDENTITY_TOKEN_FILE')
    const roleArn = this.#variable('AWS_ROLE_ARN')
    if (tokenFile === undefined || roleArn === undefined) return undefined
    const sessionName = this.#variable('AWS_ROLE_SESSION_NAME')
    return { kind: 'web identity', tokenFile, roleArn, sessionName, region: this.#region([]) }
  }

  #container(): AwsWay | undefined {
    const fullUri = this.#variable('AWS_CONTAINER_CREDENTIALS_FULL_URI')
    const relativeUri = this.#variable('AWS_CONTAINER_CREDENTIALS_RELATIVE_URI')
    if (fullUri === undefined && relativeUri === undefined) return undefined
    return {
      kind: 'container',
      fullUri,
      relativeUri,
      token: this.#variable('AWS_CONTAINER_AUTHORIZATION_TOKEN'),
      tokenFile: this.#variable('AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE'),
    }
  }

  #region(profiles: readonly Profile[]): string {
    return regionFrom(this.#environment) ?? regionOf(profiles) ?? defaultRegion
  }

  #variable(name: string): string | undefined {
    return nonEmpty(this.#environment[name])
  }
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

  /** Where they are, as far as there is a home. */
  paths(): {
    readonly credentialsFile: string | undefined
    readonly configFile: string | undefined
  } {
    const [credentialsFile, configFile] = profileFiles.map(([kind, name]) => this.#path(kind, name))
    return { credentialsFile, configFile }
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

/** The setting by which a profile gets keys from a network or a program, if it does. */
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
  const securityToken =
    setting(profile, 'aws_session_token') ?? setting(profile, 'aws_security_token')
  return { accessKey, secretKey, securityToken }
}

function regionOf(profiles: readonly Profile[]): string | undefined {
  return profiles.map(profile => setting(profile, 'region')).find(region => region !== undefined)
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

import { ImproperlyConfigured } from '../../core/errors.ts'
import type { Environment } from '../../core/settings.ts'
import { type Profile, parseProfiles } from './profile-file.ts'
import type { Credentials } from './sigv4.ts'

export type { Credentials } from './sigv4.ts'

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
 * environment, the profile of the environment or `default`. Key, secret and token always come
 * from one source together.
 *
 * The provider throws ImproperlyConfigured for half a pair, a profile that does not exist, and
 * one that needs more than static keys.
 */
export function credentialProvider(
  options: CredentialOptions,
  environment: Environment,
  readFile: ReadFile,
): CredentialProvider {
  const { sessionProfile } = options
  return async () => {
    if (options.accessKey !== undefined && options.secretKey !== undefined)
      return fromOptions(options)
    if (sessionProfile !== undefined)
      return required(await fromFiles(sessionProfile, environment, readFile), sessionProfile)
    return fromEnvironment(environment) ?? (await fromDefaultProfile(environment, readFile))
  }
}

/** Region of the environment, as the AWS tools have it. */
export function regionFrom(environment: Environment): string | undefined {
  return nonEmpty(environment['AWS_REGION']) ?? nonEmpty(environment['AWS_DEFAULT_REGION'])
}

function fromOptions({
  accessKey = '',
  secretKey = '',
  securityToken,
}: CredentialOptions): Credentials {
  return { accessKey, secretKey, securityToken }
}

/** Pairs of variables, the first wins. */
const variables = [
  ['AWS_S3_ACCESS_KEY_ID', 'AWS_S3_SECRET_ACCESS_KEY'],
  ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY'],
] as const

function fromEnvironment(environment: Environment): Credentials | undefined {
  for (const [keyName, secretName] of variables) {
    const accessKey = nonEmpty(environment[keyName])
    const secretKey = nonEmpty(environment[secretName])
    if (accessKey === undefined && secretKey === undefined) continue
    if (accessKey === undefined)
      throw half(`The environment has ${secretName} but no ${keyName}`, 'accessKey')
    if (secretKey === undefined)
      throw half(`The environment has ${keyName} but no ${secretName}`, 'secretKey')
    const securityToken =
      nonEmpty(environment['AWS_SESSION_TOKEN']) ?? nonEmpty(environment['AWS_SECURITY_TOKEN'])
    return { accessKey, secretKey, securityToken }
  }
  return undefined
}

async function fromDefaultProfile(
  environment: Environment,
  readFile: ReadFile,
): Promise<Credentials | undefined> {
  const named = nonEmpty(environment['AWS_PROFILE'])
  const found = await fromFiles(named ?? 'default', environment, readFile)
  return named === undefined ? found : required(found, named)
}

/** The credentials file wins over the configuration file. */
async function fromFiles(
  name: string,
  environment: Environment,
  readFile: ReadFile,
): Promise<Credentials | undefined> {
  for (const path of profilePaths(environment)) {
    const text = await readFile(path)
    const profile = text === undefined ? undefined : parseProfiles(text).get(name)
    if (profile !== undefined && hasKeys(profile)) return fromProfile(name, profile)
  }
  return undefined
}

function profilePaths(environment: Environment): string[] {
  const home = nonEmpty(environment['HOME']) ?? nonEmpty(environment['USERPROFILE'])
  const inHome = (file: string): string | undefined =>
    home === undefined ? undefined : `${home}/.aws/${file}`
  const paths = [
    nonEmpty(environment['AWS_SHARED_CREDENTIALS_FILE']) ?? inHome('credentials'),
    nonEmpty(environment['AWS_CONFIG_FILE']) ?? inHome('config'),
  ]
  return paths.filter(path => path !== undefined)
}

/** Ways to keys that this package does not go: they ask a network or a program. */
const otherWays = [
  'role_arn',
  'credential_process',
  'sso_session',
  'sso_account_id',
  'web_identity_token_file',
  'credential_source',
]

function hasKeys(profile: Profile): boolean {
  return ['aws_access_key_id', 'aws_secret_access_key', ...otherWays].some(name =>
    profile.has(name),
  )
}

function fromProfile(name: string, profile: Profile): Credentials {
  const accessKey = profile.get('aws_access_key_id')
  const secretKey = profile.get('aws_secret_access_key')
  const other = otherWays.find(way => profile.has(way))
  if (accessKey === undefined && other !== undefined) {
    throw half(
      `Profile "${name}" gets its keys by ${other}; only aws_access_key_id and aws_secret_access_key are supported`,
      'sessionProfile',
    )
  }
  if (accessKey === undefined) throw half(`Profile "${name}" has no aws_access_key_id`, 'accessKey')
  if (secretKey === undefined)
    throw half(`Profile "${name}" has no aws_secret_access_key`, 'secretKey')
  return { accessKey, secretKey, securityToken: profile.get('aws_session_token') }
}

function required(credentials: Credentials | undefined, profile: string): Credentials {
  if (credentials !== undefined) return credentials
  throw half(
    `There is no profile "${profile}" with keys in the shared credentials file`,
    'sessionProfile',
  )
}

function half(problem: string, setting: string): ImproperlyConfigured {
  return new ImproperlyConfigured(`${problem}.`, { setting })
}

function nonEmpty(text: string | undefined): string | undefined {
  return text === '' ? undefined : text
}

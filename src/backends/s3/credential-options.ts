import { ImproperlyConfigured } from '../../core/errors.ts'
import { type OptionSchema, resolveOptions } from '../../core/options.ts'
import type { SettingsSource } from '../../core/settings.ts'
import type { CredentialFunction } from './credential-function.ts'
import type { CredentialOptions } from './credentials.ts'
import { type S3StorageOptions, s3Schema } from './options.ts'

type KeyOptions = Pick<S3StorageOptions, 'accessKey' | 'secretKey' | 'securityToken'>
type CredentialSettings = KeyOptions & Pick<S3StorageOptions, 'sessionProfile'>

const schema: OptionSchema<CredentialSettings> = {
  accessKey: s3Schema.accessKey,
  secretKey: s3Schema.secretKey,
  securityToken: s3Schema.securityToken,
  sessionProfile: s3Schema.sessionProfile,
}

/**
 * Keys as the constructor gives them, else as the configuration does: never one from here and one
 * from there, and never mixed with those of the environment, which is a source of its own.
 *
 * @throws ImproperlyConfigured when one of both keys is missing, or there are two of keys, a profile
 *   and a function
 */
export function credentialOptions(
  owner: string,
  given: S3StorageOptions & { readonly credentials?: CredentialFunction | undefined },
  source: SettingsSource,
): CredentialOptions {
  const { accessKey, secretKey, securityToken, sessionProfile, credentials } = given
  const keys = { accessKey, secretKey, securityToken }
  const fromConstructor = Object.values(keys).some(value => value !== undefined)
  if (credentials !== undefined) {
    if (fromConstructor || sessionProfile !== undefined) throw besidesFunction(owner)
    return { ...noKeys, credentials }
  }
  const configured = fromConstructor ? undefined : source.configured
  const settings = resolveOptions(owner, schema, fromConstructor ? keys : {}, {
    configured,
    environment: {},
  })
  const profile = resolveOptions(owner, schema, { sessionProfile }, source).sessionProfile
  checkPair(owner, settings)
  if (profile !== undefined && settings.accessKey !== undefined) {
    throw new ImproperlyConfigured(
      `${owner} has "sessionProfile" and "accessKey": keys come from a profile or are given, not both.`,
      { setting: 'sessionProfile' },
    )
  }
  return { ...settings, sessionProfile: profile } as CredentialOptions
}

/** A function is given in the constructor alone; it wins over all that is configured. */
const noKeys = {
  accessKey: undefined,
  secretKey: undefined,
  securityToken: undefined,
  sessionProfile: undefined,
}

function besidesFunction(owner: string): ImproperlyConfigured {
  return new ImproperlyConfigured(
    `${owner} has "credentials" beside keys or a "sessionProfile": keys come from one of them.`,
    { setting: 'credentials' },
  )
}

function checkPair(owner: string, { accessKey, secretKey, securityToken }: KeyOptions): void {
  if ((accessKey === undefined) === (secretKey === undefined)) {
    if (accessKey !== undefined || securityToken === undefined) return
    throw incomplete(owner, 'accessKey', 'securityToken')
  }
  throw accessKey === undefined
    ? incomplete(owner, 'accessKey', 'secretKey')
    : incomplete(owner, 'secretKey', 'accessKey')
}

function incomplete(owner: string, missing: string, present: string): ImproperlyConfigured {
  return new ImproperlyConfigured(
    `${owner} has "${present}" but no "${missing}": key, secret and token come from one source together.`,
    { setting: missing },
  )
}

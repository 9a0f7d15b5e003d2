import { ImproperlyConfigured } from '../../core/errors.ts'
import type { OptionSpec } from '../../core/options.ts'
import { resolveOptions } from '../../core/options.ts'
import type { SettingsSource } from '../../core/settings.ts'
import { minPartSize, type S3StorageOptions, s3Schema } from './options.ts'

/** Settings of the page's time that are still understood, by names of their own. */
export interface OldSettings {
  readonly reducedRedundancy?: boolean | undefined
  readonly secureUrls?: boolean | undefined
  readonly preloadMetadata?: boolean | undefined
  readonly fileBufferSize?: number | undefined
}

/** What `S3Storage` makes of settings that django-storages had at the page's time. */
export const oldSchema: { readonly [Name in keyof Required<OldSettings>]: OptionSpec } = {
  reducedRedundancy: {
    type: 'boolean',
    settings: ['AWS_REDUCED_REDUNDANCY'],
    meaning: 'true is StorageClass: "REDUCED_REDUNDANCY" in objectParameters.',
  },
  secureUrls: {
    type: 'boolean',
    settings: ['AWS_S3_SECURE_URLS'],
    meaning: 'true is urlProtocol https:, false http:.',
  },
  preloadMetadata: {
    type: 'boolean',
    settings: ['AWS_PRELOAD_METADATA'],
    meaning:
      'false is what S3Storage does; true is refused, since its answers would be out of date.',
  },
  fileBufferSize: {
    type: 'integer',
    settings: ['AWS_S3_FILE_BUFFER_SIZE'],
    check: (size: number) =>
      size < minPartSize ? `must be at least ${minPartSize} (5 MiB, the limit of S3)` : undefined,
    meaning: 'Bytes of a part: partSize of transferConfig.',
  },
}

/** Settings of the older backend alone, and what to use instead. */
export const refusedSettings: Readonly<Record<string, string>> = {
  AWS_S3_HOST: 'AWS_S3_ENDPOINT_URL, or AWS_S3_REGION_NAME for a host of AWS',
  AWS_S3_PORT: 'AWS_S3_ENDPOINT_URL',
  AWS_S3_CALLING_FORMAT: 'AWS_S3_ADDRESSING_STYLE ("virtual" or "path")',
  AWS_S3_PROXY_HOST: 'AWS_S3_PROXIES',
  AWS_S3_PROXY_PORT: 'AWS_S3_PROXIES',
  AWS_ORIGIN: 'AWS_S3_REGION_NAME',
  S3_USE_SIGV4: 'AWS_S3_SIGNATURE_VERSION',
}

/** Options of the originals that there are not here, and what to do instead. */
const refusedOptions: Readonly<Record<string, string>> = {
  acl: 'its name is "defaultAcl"',
  bucket: 'its name is "bucketName"',
  callingFormat: 'set "addressingStyle" to "virtual" or "path"',
  clientConfig: 'set what it says by options, or give a client of the AWS SDK as "client"',
  fileBufferSize: 'set partSize in "transferConfig"',
  fileNameCharset: 'names are always UTF-8',
  host: 'set "endpointUrl", or "regionName" for a host of AWS',
  origin: 'set "regionName"',
  port: 'set "endpointUrl"',
  preloadMetadata: 'its answers would be out of date',
  proxy: 'set "proxies"',
  proxyPort: 'set "proxies"',
  reducedRedundancy: 'set StorageClass: "REDUCED_REDUNDANCY" in "objectParameters"',
  secureUrls: 'set "urlProtocol"',
  useSigv4: 'set "signatureVersion"',
  useThreads: 'set concurrency in "transferConfig"',
}

/**
 * The options as given, with what settings of the page's time stand for.
 *
 * @throws ImproperlyConfigured for such a setting in the configuration that means nothing here, with
 *   the one to use; and for one beside its new form, naming both
 */
export function withOldSettings(
  owner: string,
  given: S3StorageOptions,
  source: SettingsSource,
): S3StorageOptions {
  refuseOldNames(owner, given, source)
  const old: OldSettings = resolveOptions<OldSettings>(owner, oldSchema, {}, source)
  if (Object.values(old).every(value => value === undefined)) return given
  if (old.preloadMetadata === true)
    throw refused('AWS_PRELOAD_METADATA', 'its answers would be out of date; remove it', source)
  return { ...given, ...equivalents(old, given, source) }
}

/**
 * What settings of the page's time stand for.
 *
 * @throws ImproperlyConfigured for one beside its new form, naming both
 */
export function equivalents(
  old: OldSettings,
  given: S3StorageOptions,
  source: SettingsSource,
): S3StorageOptions {
  return {
    ...urlOptions(old, given, source),
    ...classOptions(old, given, source),
    ...transferOptions(old, given, source),
  }
}

/** Those of the environment may belong to another tool. */
function refuseOldNames(owner: string, given: object, { configured }: SettingsSource): void {
  for (const [old, instead] of Object.entries(refusedOptions)) {
    if (given !== null && typeof given === 'object' && Object.hasOwn(given, old))
      throw new ImproperlyConfigured(`${owner} has no option "${old}": ${instead}.`, {
        setting: old,
      })
  }
  for (const [name, instead] of Object.entries(refusedSettings)) {
    if (configured?.values[name] !== undefined)
      throw new ImproperlyConfigured(
        `${owner} does not take ${name}, found in ${configured.origin}: set ${instead}, or use S3BotoStorage of stowage/s3-legacy.`,
        { setting: name },
      )
  }
}

function refused(name: string, why: string, { configured }: SettingsSource): ImproperlyConfigured {
  const where = configured?.values[name] === undefined ? 'the environment' : configured.origin
  return new ImproperlyConfigured(`${name}, found in ${where}, is not taken: ${why}.`, {
    setting: name,
  })
}

function urlOptions(
  { secureUrls }: OldSettings,
  given: S3StorageOptions,
  source: SettingsSource,
): S3StorageOptions {
  if (secureUrls === undefined) return {}
  const urlProtocol = secureUrls ? 'https:' : 'http:'
  const present = presentValue('urlProtocol', given, source)
  if (present === undefined) return { urlProtocol }
  // Without "secure" any protocol is right.
  if (!secureUrls || present === urlProtocol) return {}
  throw contradiction('AWS_S3_SECURE_URLS', '"urlProtocol" (AWS_S3_URL_PROTOCOL)')
}

function classOptions(
  { reducedRedundancy }: OldSettings,
  given: S3StorageOptions,
  source: SettingsSource,
): S3StorageOptions {
  if (reducedRedundancy !== true) return {}
  const parameters = presentValue('objectParameters', given, source)
  if (typeof parameters === 'object' && parameters !== null && 'StorageClass' in parameters)
    throw contradiction('AWS_REDUCED_REDUNDANCY', 'StorageClass in "objectParameters"')
  const headers = presentValue('headers', given, source)
  const own = typeof headers === 'object' && headers !== null ? headers : {}
  return { headers: { ...own, 'x-amz-storage-class': 'REDUCED_REDUNDANCY' } }
}

function transferOptions(
  { fileBufferSize: partSize }: OldSettings,
  given: S3StorageOptions,
  source: SettingsSource,
): S3StorageOptions {
  if (partSize === undefined) return {}
  const config = presentValue('transferConfig', given, source)
  const own = typeof config === 'object' && config !== null ? config : {}
  if ('partSize' in own && own.partSize !== undefined)
    throw contradiction('AWS_S3_FILE_BUFFER_SIZE', 'partSize in "transferConfig"')
  return { transferConfig: { ...own, partSize } }
}

/** What an option is given from anywhere but its default. */
export function presentValue(
  option: keyof S3StorageOptions,
  given: S3StorageOptions,
  source: SettingsSource,
): unknown {
  if (given[option] !== undefined) return given[option]
  const schema = { [option]: { ...s3Schema[option], default: undefined } }
  return resolveOptions<Record<string, unknown>>('', schema, {}, source)[option]
}

function contradiction(one: string, other: string): ImproperlyConfigured {
  return new ImproperlyConfigured(`${one} contradicts ${other}: set only one of them.`, {
    setting: one,
  })
}

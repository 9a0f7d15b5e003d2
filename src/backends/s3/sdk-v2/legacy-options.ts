import { ImproperlyConfigured } from '../../../core/errors.ts'
import type { OptionSchema, OptionSpec } from '../../../core/options.ts'
import type { SettingsSource } from '../../../core/settings.ts'
import { equivalents, type OldSettings, oldSchema, presentValue } from '../old-settings.ts'
import { type S3StorageOptions, s3Schema } from '../options.ts'
import { regionOfEndpoint } from '../profiles.ts'

/** Options of the page's time, under the names that they had there, in camelCase. */
export interface LegacyOptions extends OldSettings {
  /** As `defaultAcl`. */
  readonly acl?: string | null | undefined
  /** As `bucketName`. */
  readonly bucket?: string | undefined
  readonly host?: string | undefined
  readonly port?: number | undefined
  readonly callingFormat?: string | undefined
  readonly origin?: string | undefined
  readonly proxy?: string | undefined
  readonly proxyPort?: number | undefined
  readonly useSigv4?: boolean | undefined
}

const portCheck = (port: number): string | undefined =>
  port < 1 || port > 65_535 ? 'must lie between 1 and 65535' : undefined

export const legacySchema: OptionSchema<LegacyOptions> = {
  acl: {
    type: 'string',
    or: [null],
    meaning: 'Old name of defaultAcl.',
  },
  bucket: {
    ...s3Schema.bucketName,
    settings: undefined,
    meaning: 'Old name of bucketName.',
  },
  host: {
    type: 'string',
    settings: ['AWS_S3_HOST'],
    check: (host: string) =>
      /^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/i.test(host)
        ? undefined
        : 'must be a host without scheme, port and path, such as s3-eu-west-1.amazonaws.com',
    meaning: 'Host of the service. One of AWS stands for its region, another one for endpointUrl.',
  },
  port: {
    type: 'integer',
    settings: ['AWS_S3_PORT'],
    check: portCheck,
    meaning: 'Port of the service, part of endpointUrl.',
  },
  callingFormat: {
    type: 'string',
    settings: ['AWS_S3_CALLING_FORMAT'],
    check: (format: string) =>
      styleOf(format) === undefined
        ? `must be ${Object.keys(styles).join(' or ')} (of boto.s3.connection)`
        : undefined,
    meaning:
      'Class of boto: SubdomainCallingFormat is addressingStyle virtual, OrdinaryCallingFormat path.',
  },
  origin: {
    type: 'string',
    settings: ['AWS_ORIGIN'],
    meaning: 'Old name of regionName; EU stands for eu-west-1.',
  },
  proxy: {
    type: 'string',
    settings: ['AWS_S3_PROXY_HOST'],
    check: (host: string) =>
      /^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/i.test(host)
        ? undefined
        : 'must be the host of a proxy, without scheme and port',
    meaning: 'Host of the proxy for all requests, part of proxies.',
  },
  proxyPort: {
    type: 'integer',
    settings: ['AWS_S3_PROXY_PORT'],
    check: portCheck,
    meaning: 'Its port. Needs proxy.',
  },
  useSigv4: {
    type: 'boolean',
    settings: ['S3_USE_SIGV4'],
    meaning: 'true is signatureVersion s3v4, false s3.',
  },
  ...oldSchema,
  preloadMetadata: {
    ...oldSchema.preloadMetadata,
    meaning:
      'Asks for all files at the first use, and answers exists, stat and size by that from then on.',
  },
}

/** The newer option that stands for an old one, and the setting that gives it. */
const newNames: Readonly<Record<string, keyof S3StorageOptions>> = {
  acl: 'defaultAcl',
  bucket: 'bucketName',
  host: 'endpointUrl',
  port: 'endpointUrl',
  callingFormat: 'addressingStyle',
  origin: 'regionName',
  proxy: 'proxies',
  useSigv4: 'signatureVersion',
}

/**
 * The newer options that old ones stand for.
 *
 * @param given what the constructor was given of the newer ones
 * @throws ImproperlyConfigured for an old option beside its new one, naming both, and for one that
 *   lacks its other half
 */
export function modernOptions(
  owner: string,
  legacy: LegacyOptions,
  given: S3StorageOptions,
  source: SettingsSource,
): S3StorageOptions {
  for (const [old, option] of Object.entries(newNames)) {
    if (legacy[old as keyof LegacyOptions] === undefined) continue
    if (presentValue(option, given, source) !== undefined) throw both(owner, old, option)
  }
  const { acl, bucket, callingFormat, origin, useSigv4, preloadMetadata } = legacy
  const { bucketName = bucket, defaultAcl = acl } = given
  const modern: Record<string, unknown> = {
    ...given,
    bucketName,
    defaultAcl,
    preloadMetadata,
    ...endpointOptions(legacy, given, source),
    ...proxyOptions(owner, legacy),
    ...equivalents(legacy, given, source),
  }
  if (callingFormat !== undefined) modern['addressingStyle'] = styleOf(callingFormat)
  if (origin !== undefined && origin !== '') modern['regionName'] = regions[origin] ?? origin
  if (useSigv4 !== undefined) modern['signatureVersion'] = useSigv4 ? 's3v4' : 's3'
  return modern
}

function both(owner: string, old: string, option: string): ImproperlyConfigured {
  return new ImproperlyConfigured(
    `${owner} has ${named(old)} and "${option}", which say the same: set only "${option}".`,
    { setting: option },
  )
}

/** With the name of the setting, which is what most configurations have. */
function named(old: string): string {
  const { settings = [] }: OptionSpec = legacySchema[old as keyof LegacyOptions]
  return settings.length === 0 ? `"${old}"` : `"${old}" (${settings.join(', ')})`
}

function endpointOptions(
  { host, port }: LegacyOptions,
  given: S3StorageOptions,
  source: SettingsSource,
): S3StorageOptions {
  if (host === undefined && port === undefined) return {}
  const name = host ?? 's3.amazonaws.com'
  if (port === undefined && /(?:^|\.)amazonaws\.com(?:\.cn)?$/i.test(name)) {
    const region = regionOfEndpoint(`https://${name.toLowerCase()}`)
    return region === undefined || presentValue('regionName', given, source) !== undefined
      ? {}
      : { regionName: region }
  }
  const scheme = presentValue('useSsl', given, source) === false ? 'http' : 'https'
  return { endpointUrl: `${scheme}://${name}${port === undefined ? '' : `:${port}`}` }
}

function proxyOptions(owner: string, { proxy, proxyPort }: LegacyOptions): S3StorageOptions {
  if (proxy === undefined) {
    if (proxyPort === undefined) return {}
    throw new ImproperlyConfigured(
      `${owner} has ${named('proxyPort')} but no ${named('proxy')}: a port needs its host.`,
      { setting: 'proxy' },
    )
  }
  const url = `http://${proxy}${proxyPort === undefined ? '' : `:${proxyPort}`}`
  return { proxies: { http: url, https: url } }
}

const styles: Readonly<Record<string, 'path' | 'virtual'>> = {
  OrdinaryCallingFormat: 'path',
  ProtocolIndependentOrdinaryCallingFormat: 'path',
  SubdomainCallingFormat: 'virtual',
}

function styleOf(format: string): 'path' | 'virtual' | undefined {
  const name = format.replace(/^boto\.s3\.connection\./, '')
  return Object.hasOwn(styles, name) ? styles[name] : undefined
}

/** What boto's `Location` called regions otherwise than S3 does. */
const regions: Readonly<Record<string, string | undefined>> = { EU: 'eu-west-1' }

import { ImproperlyConfigured } from '../../core/errors.ts'
import type { Environment } from '../../core/settings.ts'
import { type CredentialOptions, profileRegion, regionFrom } from './credentials.ts'
import type { Location } from './native/requester.ts'
import { defaultTransfer, type S3Settings } from './options.ts'
import { readTextFile } from './platform/files.ts'
import type { TlsSettings } from './platform/undici-transport.ts'
import { profileOf, regionOfEndpoint } from './profiles.ts'
import type { ProxySettings } from './proxies.ts'
import { proxyUrl } from './proxy-url.ts'
import { resolveAddress } from './url.ts'
import { withoutUndefined } from './without-undefined.ts'

/** Sizes and numbers of transfers, with the defaults for what the options do not say. */
export function transferOf(options: Pick<S3Settings, 'transferConfig'>): {
  readonly [K in keyof typeof defaultTransfer]: (typeof defaultTransfer)[K]
} {
  return { ...defaultTransfer, ...withoutUndefined(options.transferConfig ?? {}) }
}

/**
 * The region that the service named, else that of the options, the environment, the profile or the
 * endpoint, and the address that follows.
 */
export async function locate(
  options: S3Settings & CredentialOptions & { readonly bucketName: string },
  named: string | undefined,
  environment: Environment,
): Promise<Location> {
  const { bucketName, endpointUrl, addressingStyle, useSsl = true, sessionProfile } = options
  const regionName =
    named ??
    options.regionName ??
    regionFrom(environment) ??
    (await profileRegion(sessionProfile, environment, readTextFile))
  const address = resolveAddress({ bucketName, regionName, endpointUrl, addressingStyle, useSsl })
  const region = regionName ?? regionOfEndpoint(endpointUrl) ?? profileOf(options).regions.default
  return { address, region }
}

/** @throws ImproperlyConfigured for a file that is missing or no PEM */
export async function readTls(options: S3Settings, environment: Environment): Promise<TlsSettings> {
  const { verify, clientCertificate } = options
  const bundle = typeof verify === 'string' ? verify : environment['AWS_CA_BUNDLE'] || undefined
  return {
    ca: verify === true || bundle === undefined ? undefined : await readPem(bundle, 'verify'),
    rejectUnauthorized: verify === false ? false : undefined,
    cert: await readPem(clientCertificate?.cert, 'clientCertificate'),
    key: await readPem(clientCertificate?.key, 'clientCertificate'),
  }
}

async function readPem(path: string | undefined, setting: string): Promise<string | undefined> {
  if (path === undefined) return undefined
  const text = await readTextFile(path)
  if (text?.includes('-----BEGIN ')) return text
  const problem = text === undefined ? 'there is no such file' : 'it holds no PEM'
  throw new ImproperlyConfigured(
    `Option "${setting}" names ${JSON.stringify(path)}, but ${problem}.`,
    { setting },
  )
}

/**
 * Of the option, else of the environment, whose names are in capitals or not, as with curl.
 *
 * @throws ImproperlyConfigured for a variable that is no URL, which is not shown: it may hold a
 *   password
 */
export function proxySettings(
  { proxies }: S3Settings,
  environment: Environment,
): ProxySettings | undefined {
  if (proxies === null) return undefined
  const named = (name: string): string | undefined =>
    environment[name.toLowerCase()] || environment[name] || undefined
  const proxyOf = (scheme: 'http' | 'https'): string | undefined => {
    const variable = `${scheme.toUpperCase()}_PROXY`
    const text = proxies === undefined ? named(variable) : proxies[scheme]
    const url = text === undefined ? undefined : proxyUrl(text)
    if (text === undefined || url !== undefined) return url
    throw new ImproperlyConfigured(
      `${variable} of the environment is no URL of a proxy, such as http://proxy.example.com:3128: correct it, or set "proxies" (AWS_S3_PROXIES).`,
      { setting: 'proxies' },
    )
  }
  const [http, https] = [proxyOf('http'), proxyOf('https')]
  return http === undefined && https === undefined
    ? undefined
    : { http, https, none: named('NO_PROXY') }
}

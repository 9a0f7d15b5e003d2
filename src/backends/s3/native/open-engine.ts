import { ImproperlyConfigured } from '../../../core/errors.ts'
import type { Environment } from '../../../core/settings.ts'
import { CredentialCache } from '../credential-cache.ts'
import {
  type CredentialOptions,
  credentialProvider,
  profileRegion,
  regionFrom,
} from '../credentials.ts'
import type { S3Engine } from '../engine.ts'
import { guardConditions } from '../guarded-engine.ts'
import {
  defaultRetries,
  defaultTimeouts,
  defaultTransfer,
  type S3StorageOptions,
} from '../options.ts'
import { readTextFile } from '../platform/files.ts'
import {
  type ProxySettings,
  type TlsSettings,
  UndiciTransport,
} from '../platform/undici-transport.ts'
import { S3Probe } from '../probe.ts'
import { profileOf, regionOfEndpoint } from '../profiles.ts'
import { requiredBucket } from '../required-bucket.ts'
import { resolveAddress } from '../url.ts'
import { withoutUndefined } from '../without-undefined.ts'
import { checksumPlan } from './checksums.ts'
import { NativeEngine } from './native-engine.ts'
import { type Location, Requester, type RequesterOptions } from './requester.ts'

type EngineOptions = S3StorageOptions & CredentialOptions

/**
 * Our own engine for the options of a storage.
 *
 * @throws ImproperlyConfigured when the bucket is not named
 */
export function openNativeEngine(
  owner: string,
  options: EngineOptions,
  environment: Environment,
): S3Engine {
  const profile = profileOf(options)
  const { copyThreshold } = transferOf(options)
  const engine = new NativeEngine({
    requester: new Requester(requesterOptions(owner, options, environment)),
    checksums: checksumPlan(profile, ownAlgorithm(options.checksumAlgorithm)),
    quotedIfMatch: profile.conditions.quotedIfMatch,
    copyThreshold,
  })
  return guardConditions(engine, profile.conditions)
}

/**
 * What asks the service single questions, for the doctor.
 *
 * @throws ImproperlyConfigured when the bucket is not named
 */
export function openProbe(
  owner: string,
  options: EngineOptions,
  environment: Environment,
): S3Probe {
  const location = (options.location ?? '').replace(/\/$/, '')
  return new S3Probe({
    ...requesterOptions(owner, options, environment),
    prefix: location === '' ? '' : `${location}/`,
    profile: profileOf(options),
    defaultAcl: options.defaultAcl,
  })
}

function requesterOptions(
  owner: string,
  options: EngineOptions,
  environment: Environment,
): RequesterOptions {
  const bucketName = requiredBucket(owner, options)
  return {
    bucketName,
    locate: region => locate({ ...options, bucketName }, region, environment),
    credentials: new CredentialCache(credentialProvider(options, environment, readTextFile)),
    transport: new UndiciTransport({
      timeouts: { ...defaultTimeouts, ...withoutUndefined(options.timeouts ?? {}) },
      tls: () => readTls(options, environment),
      proxies: proxySettings(options, environment),
    }),
    retries: { ...defaultRetries, ...withoutUndefined(options.retries ?? {}) },
    maxRequests: transferOf(options).maxRequests,
  }
}

function transferOf(options: S3StorageOptions) {
  return { ...defaultTransfer, ...withoutUndefined(options.transferConfig ?? {}) }
}

/**
 * The region that the service named, else that of the options, the environment, the profile or the
 * endpoint, and the address that follows.
 */
async function locate(
  options: EngineOptions & { readonly bucketName: string },
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

function ownAlgorithm(
  named: S3StorageOptions['checksumAlgorithm'],
): 'crc32' | 'sha256' | null | undefined {
  if (named === undefined || named === null) return named
  return named === 'CRC32' ? 'crc32' : 'sha256'
}

/** @throws ImproperlyConfigured for a file that is missing or no PEM */
async function readTls(options: S3StorageOptions, environment: Environment): Promise<TlsSettings> {
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

/** Of the option, else of the environment, whose names are in capitals or not, as with curl. */
function proxySettings(
  { proxies }: S3StorageOptions,
  environment: Environment,
): ProxySettings | undefined {
  if (proxies === null) return undefined
  const named = (name: string): string | undefined =>
    environment[name.toLowerCase()] || environment[name] || undefined
  const http = proxies?.http ?? (proxies === undefined ? named('HTTP_PROXY') : undefined)
  const https = proxies?.https ?? (proxies === undefined ? named('HTTPS_PROXY') : undefined)
  return http === undefined && https === undefined
    ? undefined
    : { http, https, none: named('NO_PROXY') }
}

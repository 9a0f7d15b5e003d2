import type { Environment } from '../../../core/settings.ts'
import { locate, proxySettings, readTls, transferOf } from '../connection-settings.ts'
import { CredentialCache } from '../credential-cache.ts'
import { type CredentialOptions, credentialProvider } from '../credentials.ts'
import type { S3Engine } from '../engine.ts'
import { guardConditions } from '../guarded-engine.ts'
import { defaultRetries, defaultTimeouts, type S3StorageOptions } from '../options.ts'
import { readTextFile } from '../platform/files.ts'
import { UndiciTransport } from '../platform/undici-transport.ts'
import { S3Probe } from '../probe.ts'
import { profileOf } from '../profiles.ts'
import { requiredBucket } from '../required-bucket.ts'
import { withoutUndefined } from '../without-undefined.ts'
import { checksumPlan } from './checksums.ts'
import { NativeEngine } from './native-engine.ts'
import { Requester, type RequesterOptions } from './requester.ts'

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
    profile,
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

function ownAlgorithm(
  named: S3StorageOptions['checksumAlgorithm'],
): 'crc32' | 'sha256' | null | undefined {
  if (named === undefined || named === null) return named
  return named === 'CRC32' ? 'crc32' : 'sha256'
}

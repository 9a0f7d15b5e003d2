import type { Environment } from '../../../core/settings.ts'
import { locate, proxySettings, readTls, transferOf } from '../connection-settings.ts'
import { CredentialCache } from '../credential-cache.ts'
import { type CredentialOptions, credentialProvider } from '../credentials.ts'
import type { S3Engine } from '../engine.ts'
import { guardConditions } from '../guarded-engine.ts'
import { defaultRetries, defaultTimeouts, type S3Settings } from '../options.ts'
import { readTextFile } from '../platform/files.ts'
import { nodeAgent } from '../platform/node-agent.ts'
import { loadOldSdk } from '../platform/peers.ts'
import { profileOf } from '../profiles.ts'
import { requiredBucket } from '../required-bucket.ts'
import { Patience } from '../sdk/patience.ts'
import { SdkEngine } from '../sdk/sdk-engine.ts'
import { withoutUndefined } from '../without-undefined.ts'
import { V2Client } from './v2-client.ts'

/** What the older backend is made of. */
export type BotoSettings = S3Settings &
  CredentialOptions & { readonly preloadMetadata?: boolean | undefined }

/**
 * The engine over the older AWS SDK (`aws-sdk`, version 2).
 *
 * @throws ImproperlyConfigured when the bucket is not named, or the package aws-sdk is not there
 */
export async function openSdkV2Engine(
  owner: string,
  options: BotoSettings,
  environment: Environment,
): Promise<S3Engine> {
  const bucketName = requiredBucket(owner, options)
  const sdk = await loadOldSdk(owner)
  const retries = { ...defaultRetries, ...withoutUndefined(options.retries ?? {}) }
  const place = { ...options, bucketName }
  const { address } = await locate(place, undefined, environment)
  const client = new V2Client({
    sdk,
    bucketName,
    signatureVersion: options.signatureVersion ?? 's3v4',
    locate: region => locate(place, region, environment),
    credentials: new CredentialCache(credentialProvider(options, environment, readTextFile)),
    config: { httpOptions: await httpOptions(address.origin, options, environment) },
    retries,
  })
  const profile = profileOf(options)
  const { copyThreshold } = transferOf(options)
  const patience = new Patience(retries)
  const engine = new SdkEngine({ client, bucketName, profile, patience, copyThreshold })
  return guardConditions(engine, profile.conditions)
}

/** Of the SDK's connections. It has one time-out for all that comes after connecting. */
async function httpOptions(
  origin: string,
  options: S3Settings,
  environment: Environment,
): Promise<object> {
  const { connect, headers } = { ...defaultTimeouts, ...withoutUndefined(options.timeouts ?? {}) }
  const agent = nodeAgent(origin, {
    tls: origin.startsWith('https:') ? await readTls(options, environment) : {},
    proxies: proxySettings(options, environment),
    maxSockets: transferOf(options).maxRequests,
    connectTimeout: connect,
  })
  return { agent, connectTimeout: connect, timeout: headers }
}

import type { S3Engine } from '../engine.ts'
import { guardConditions } from '../guarded-engine.ts'
import { defaultRetries, type S3StorageOptions } from '../options.ts'
import { loadSdk } from '../platform/peers.ts'
import { profileOf } from '../profiles.ts'
import { requiredBucket } from '../required-bucket.ts'
import { Patience } from '../sdk/patience.ts'
import { SdkEngine } from '../sdk/sdk-engine.ts'
import type { SdkV3ClientLike } from './client-option.ts'
import { V3Client } from './v3-client.ts'

/**
 * The engine over a client of the AWS SDK v3.
 *
 * @throws ImproperlyConfigured when the bucket is not named, the package @aws-sdk/client-s3 is not
 *   there, or the client has no region or no keys
 */
export async function openSdkV3Engine(
  owner: string,
  options: S3StorageOptions,
  client: SdkV3ClientLike,
): Promise<S3Engine> {
  const bucketName = requiredBucket(owner, options)
  const sdk = await loadSdk(owner)
  const v3 = new V3Client(client, sdk, bucketName)
  const { address } = await v3.place()
  const profile = profileOf({ profile: options.profile, endpointUrl: address.origin })
  const { copyThreshold } = options.transferConfig ?? {}
  const patience = new Patience(defaultRetries)
  const engine = new SdkEngine({ client: v3, bucketName, profile, patience, copyThreshold })
  return guardConditions(engine, profile.conditions)
}

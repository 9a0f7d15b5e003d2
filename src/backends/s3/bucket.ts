import { ImproperlyConfigured } from '../../core/errors.ts'
import type { S3Engine } from './engine.ts'
import { isRegionHolder } from './errors.ts'
import type { S3StorageOptions } from './options.ts'
import { profileOf } from './profiles.ts'

type BucketOptions = Pick<
  S3StorageOptions,
  'bucketAcl' | 'defaultAcl' | 'profile' | 'endpointUrl' | 'autoCreateBucket'
>

/**
 * Makes the bucket, unless it is there. Of several that make it at once, one does, and all go on.
 *
 * @throws ImproperlyConfigured for a bucket of somebody else, and for a region that the service
 *   does not know
 */
export async function ensureBucket(engine: S3Engine, options: BucketOptions): Promise<void> {
  if (await engine.bucketExists({})) return
  const { bucketAcl, defaultAcl } = options
  const { acls } = profileOf(options)
  try {
    await engine.createBucket({
      acl: bucketAcl || undefined,
      // Since April 2023 AWS makes buckets whose ACLs nobody may set.
      acls: acls !== 'refused' && acls !== 'ignored' && Boolean(bucketAcl || defaultAcl),
    })
  } catch (error) {
    // Somebody else was faster: another process of this storage, if the bucket is ours.
    const there = await engine.bucketExists({}).catch(() => false)
    if (!there) throw error
  }
}

/**
 * Makes a bucket in a region, for engines.
 *
 * @param create gets the LocationConstraint: none in us-east-1, where S3 refuses it
 *   (https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html)
 */
export async function inRegion(
  region: string,
  create: (location: string | undefined) => Promise<void>,
): Promise<void> {
  if (region === 'us-east-1') return await create(undefined)
  try {
    await create(region)
  } catch (error) {
    // A service with regions of its own may sign for any, and know none by this name.
    const unknown = error instanceof ImproperlyConfigured && isRegionHolder(error.setting)
    if (!unknown) throw error
    await create(undefined).catch(() => {
      throw error
    })
  }
}

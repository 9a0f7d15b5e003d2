import { S3Error } from './errors.ts'

/**
 * Whether a new bucket may have this name
 * (https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html).
 */
function isBucketName(name: string): boolean {
  return (
    /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(name) &&
    !/\.\.|\.-|-\.|^\d+\.\d+\.\d+\.\d+$|^xn--|^sthree-|-s3alias$|--ol-s3$/.test(name)
  )
}

/** Whether a bucket that is there may have this name: long ago, us-east-1 allowed more. */
export function isHistoricalBucketName(name: string): boolean {
  return /^[A-Za-z0-9._-]{3,255}$/.test(name)
}

/** @throws S3Error InvalidBucketName */
export function checkBucketName(name: string): void {
  if (isBucketName(name)) return
  throw new S3Error('InvalidBucketName', undefined, { elements: { BucketName: name } })
}

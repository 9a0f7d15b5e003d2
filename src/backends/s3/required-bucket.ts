import { ImproperlyConfigured } from '../../core/errors.ts'

/** @throws ImproperlyConfigured when the bucket is not named */
export function requiredBucket(
  owner: string,
  { bucketName }: { readonly bucketName?: string | undefined },
): string {
  if (bucketName !== undefined) return bucketName
  throw new ImproperlyConfigured(
    `${owner} needs a bucket: set "bucketName" (AWS_STORAGE_BUCKET_NAME).`,
    { setting: 'bucketName' },
  )
}

import { CreateBucketCommand, ListMultipartUploadsCommand, S3Client } from '@aws-sdk/client-s3'
import { S3Storage, type S3StorageOptions } from '../../src/s3.ts'

/** The gateway as the environment names it (see vitest.ceph.config.ts). */
export const service = {
  endpointUrl: required('CEPH_ENDPOINT'),
  accessKey: required('CEPH_ACCESS_KEY'),
  secretKey: required('CEPH_SECRET_KEY'),
}

/** Makes a bucket, with a foreign client. */
export async function createBucket(bucketName: string): Promise<void> {
  await client().send(new CreateBucketCommand({ Bucket: bucketName }))
}

/** The open multipart uploads below a prefix, asked with a foreign client. */
export async function openUploads(bucketName: string, prefix: string): Promise<string[]> {
  const { Uploads = [] } = await client().send(
    new ListMultipartUploadsCommand({ Bucket: bucketName, Prefix: prefix }),
  )
  return Uploads.map(upload => `upload of ${upload.Key}`)
}

/** A storage on the gateway. */
export function connect(options: S3StorageOptions): S3Storage {
  return new S3Storage({ ...service, ...options })
}

function client(): S3Client {
  const { endpointUrl, accessKey, secretKey } = service
  const credentials = { accessKeyId: accessKey, secretAccessKey: secretKey }
  return new S3Client({
    endpoint: endpointUrl,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials,
  })
}

function required(name: string): string {
  const value = process.env[name]
  if (value === undefined)
    throw new Error(
      `${name} is not set: start Ceph by scripts/ceph/start.sh, and take from what it prints.`,
    )
  return value
}

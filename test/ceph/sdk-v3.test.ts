import { S3Client } from '@aws-sdk/client-s3'
import { afterAll, beforeAll, describe, it } from 'vitest'
import { S3Storage } from '../../src/s3.ts'
import { testStorageBackend } from '../../src/testing/contract/test-storage-backend.ts'
import { createBucket, openUploads, service } from './bucket.ts'

const bucketName = `sdk-v3-${Date.now()}`
const MiB = 1024 ** 2
const partSize = 5 * MiB
let places = 0

const client = new S3Client({
  endpoint: service.endpointUrl,
  region: 'us-east-1',
  forcePathStyle: true,
  credentials: { accessKeyId: service.accessKey, secretAccessKey: service.secretKey },
  // Ceph 16.2 knows no checksums in trailers, which the SDK sends with streams by itself.
  requestChecksumCalculation: 'WHEN_REQUIRED',
})

beforeAll(() => createBucket(bucketName))
afterAll(() => client.destroy())

testStorageBackend(
  'S3Storage with a client of the AWS SDK v3 on Ceph',
  {
    create: async () =>
      new S3Storage({
        client,
        bucketName,
        profile: 'ceph',
        location: `place/${++places}`,
        fileOverwrite: false,
        transferConfig: { partSize, multipartThreshold: partSize },
      }),
    fetch: (url, init) => fetch(url, init),
    leftovers: () => openUploads(bucketName, `place/${places}/`),
    largeSize: partSize + MiB,
    partSize,
  },
  // Thousands of files, through an SDK, on whatever else the machine does.
  { describe, it: (name, body) => it(name, body, 90_000) },
)

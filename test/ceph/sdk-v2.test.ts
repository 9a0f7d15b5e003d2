import { beforeAll, describe, it } from 'vitest'
import { S3BotoStorage } from '../../src/s3-legacy.ts'
import { testStorageBackend } from '../../src/testing/contract/test-storage-backend.ts'
import { createBucket, openUploads, service } from './bucket.ts'

const bucketName = `sdk-v2-${Date.now()}`
const MiB = 1024 ** 2
const partSize = 5 * MiB
let places = 0

beforeAll(() => createBucket(bucketName))

// With signature version 2; on the embedded server the suite runs with version 4.
testStorageBackend(
  'S3BotoStorage on Ceph',
  {
    create: async () =>
      new S3BotoStorage({
        ...service,
        bucketName,
        signatureVersion: 's3',
        profile: 'ceph',
        location: `place/${++places}`,
        fileOverwrite: false,
        contentEncodingFromName: false,
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

import { S3Client } from '@aws-sdk/client-s3'
import { afterAll, beforeAll, describe, it } from 'vitest'
import { S3Storage } from '../../src/s3.ts'
import { testStorageBackend } from '../../src/testing/contract/test-storage-backend.ts'
import { S3Server } from '../../src/testing/s3-server/s3-server.ts'

const MiB = 1024 ** 2
/** S3's least: each client is one more run of the whole suite. */
const partSize = 5 * MiB

let server: S3Server
let client: S3Client
let places = 0

beforeAll(async () => {
  server = await S3Server.start({ buckets: ['media'] })
  client = new S3Client({
    endpoint: server.endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: { accessKeyId: server.accessKey, secretAccessKey: server.secretKey },
  })
})

afterAll(async () => {
  client.destroy()
  await server.close()
})

testStorageBackend(
  'S3Storage with a client of the AWS SDK v3',
  {
    create: async () =>
      new S3Storage({
        client,
        bucketName: 'media',
        location: `place/${places++}`,
        transferConfig: { partSize, multipartThreshold: partSize },
      }),
    fetch: (url, init) => fetch(url, init),
    leftovers: async () => (server.openUploads() === 0 ? [] : ['open uploads']),
    largeSize: partSize + MiB,
    partSize,
  },
  // Thousands of files, through an SDK, on whatever else the machine does.
  { describe, it: (name, body) => it(name, body, 90_000) },
)

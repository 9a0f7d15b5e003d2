import { afterAll, beforeAll, describe, it } from 'vitest'
import { S3BotoStorage } from '../../src/s3-legacy.ts'
import { testStorageBackend } from '../../src/testing/contract/test-storage-backend.ts'
import { S3Server } from '../../src/testing/s3-server/s3-server.ts'

const MiB = 1024 ** 2
/** S3's least. */
const partSize = 5 * MiB

let server: S3Server
let places = 0

beforeAll(async () => {
  server = await S3Server.start({ buckets: ['media'] })
})

afterAll(() => server.close())

// With the default signature, version 4. With version 2 the whole suite runs on Ceph: what differs
// is the signature alone, and a second run here would cost a minute.
testStorageBackend(
  'S3BotoStorage on the older AWS SDK',
  {
    create: async () =>
      new S3BotoStorage({
        endpointUrl: server.endpoint,
        accessKey: server.accessKey,
        secretKey: server.secretKey,
        bucketName: 'media',
        location: `place/${places++}`,
        // The suite is about what holds on every backend; the historical default guesses.
        contentEncodingFromName: false,
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

import { beforeAll, describe, it } from 'vitest'
import { testStorageBackend } from '../../src/testing/contract/test-storage-backend.ts'
import { connect, createBucket, openUploads } from './bucket.ts'

const bucketName = `contract-${Date.now()}`
let places = 0

beforeAll(() => createBucket(bucketName))

testStorageBackend(
  'S3Storage on Ceph',
  {
    create: async () =>
      connect({ bucketName, location: `place/${++places}`, fileOverwrite: false }),
    fetch: (url, init) => fetch(url, init),
    leftovers: () => openUploads(bucketName, `place/${places}/`),
    largeSize: 20 * 1024 * 1024,
  },
  { describe, it },
)

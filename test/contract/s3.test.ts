import { afterAll, beforeAll, describe, it } from 'vitest'
import { S3Storage, type S3StorageOptions } from '../../src/s3.ts'
import { testStorageBackend } from '../../src/testing/contract/test-storage-backend.ts'
import { S3Server } from '../../src/testing/s3-server/s3-server.ts'

let server: S3Server
let places = 0

beforeAll(async () => {
  server = await S3Server.start({ buckets: ['media'] })
})

afterAll(async () => {
  await server.close()
})

function connect(service: S3Server, options: S3StorageOptions): S3Storage {
  const { endpoint: endpointUrl, accessKey, secretKey } = service
  return new S3Storage({ endpointUrl, accessKey, secretKey, bucketName: 'media', ...options })
}

function openUploads(service: S3Server): string[] {
  const count = service.openUploads()
  return count === 0 ? [] : [`${count} open multipart uploads`]
}

const largeSize = 20 * 1024 * 1024

describe('below a location', () => {
  testStorageBackend(
    'S3Storage on the embedded server',
    {
      create: async () => connect(server, { location: `place/${places++}` }),
      fetch: (url, init) => fetch(url, init),
      leftovers: async () => openUploads(server),
      largeSize,
    },
    { describe, it },
  )
})

describe('in a bucket of its own', () => {
  let own: S3Server
  testStorageBackend(
    'S3Storage on the embedded server',
    {
      create: async () => {
        own = await S3Server.start({ buckets: ['media'] })
        return connect(own, { fileOverwrite: false })
      },
      destroy: () => own.close(),
      fetch: (url, init) => fetch(url, init),
      leftovers: async () => openUploads(own),
      largeSize,
    },
    { describe, it },
  )
})

import { MemoryStorage } from 'stowage'
import { S3ManifestStaticStorage } from 'stowage/s3'
import { ManifestStaticFilesStorage, ManifestStaticStorage } from 'stowage/staticfiles'
import { S3Server, testStorageBackend } from 'stowage/testing'
import { afterAll, beforeAll, describe, it } from 'vitest'
import { Folders } from './folders.ts'

testStorageBackend(
  'ManifestStaticStorage over memory',
  {
    create: async () =>
      new ManifestStaticStorage(new MemoryStorage({ baseUrl: '/s/' }), { strict: false }),
  },
  { describe, it },
)

let folders = new Folders()
testStorageBackend(
  'ManifestStaticFilesStorage',
  {
    create: async () => {
      folders = new Folders()
      return new ManifestStaticFilesStorage({
        location: folders.make('files', {}),
        baseUrl: '/s/',
        strict: false,
      })
    },
    destroy: async () => folders[Symbol.dispose](),
  },
  { describe, it },
)

let server: S3Server
let count = 0
beforeAll(async () => {
  server = await S3Server.start({ buckets: ['static'] })
})
afterAll(() => server.close())

testStorageBackend(
  'S3ManifestStaticStorage',
  {
    create: async () =>
      new S3ManifestStaticStorage({
        bucketName: 'static',
        endpointUrl: server.endpoint,
        accessKey: server.accessKey,
        secretKey: server.secretKey,
        location: `run${count++}`,
        fileOverwrite: false,
        strict: false,
      }),
    leftovers: async () => (server.openUploads() === 0 ? [] : ['open multipart uploads']),
    // The path of large contents, in parts.
    largeSize: 20 * 1024 * 1024,
  },
  { describe, it },
)

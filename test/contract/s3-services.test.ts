import { afterAll, beforeAll, describe, it } from 'vitest'
import { guardConditions } from '../../src/backends/s3/guarded-engine.ts'
import { openNativeEngine } from '../../src/backends/s3/native/open-engine.ts'
import { type S3StorageOptions, s3Schema } from '../../src/backends/s3/options.ts'
import { profileOf } from '../../src/backends/s3/profiles.ts'
import { S3Backend } from '../../src/backends/s3/s3-backend.ts'
import type { Backend, Capabilities } from '../../src/core/backend.ts'
import { resolveOptions } from '../../src/core/options.ts'
import { Storage } from '../../src/core/storage.ts'
import { Layer } from '../../src/layers/layer.ts'
import { testStorageBackend } from '../../src/testing/contract/test-storage-backend.ts'
import { S3Server } from '../../src/testing/s3-server/s3-server.ts'

const MiB = 1024 ** 2
/** Small parts: each service is one more run of the whole suite. */
const partSize = 5 * MiB

/** What the embedded server plays, and what the storage is told of it. */
const services = [
  {
    title: 'AWS as it is today, without ACLs',
    server: { profile: 'aws', objectOwnership: 'BucketOwnerEnforced' },
    profile: 'aws',
    acls: false,
  },
  { title: 'R2', server: { profile: 'r2' }, profile: 'r2', acls: false },
  // Supabase's profile is that of a service that knows neither conditions nor checksums.
  { title: 'an old server', server: { profile: 'minimal' }, profile: 'supabase', acls: true },
] as const

/** A bucket that takes no ACLs is a matter of its settings: so is this layer over it. */
class WithoutAcls extends Layer {
  override readonly capabilities: Capabilities

  constructor(inner: Backend) {
    super(inner)
    this.capabilities = { ...inner.capabilities, acl: false }
  }
}

function backendOf(given: S3StorageOptions): Backend {
  const nothing = { configured: undefined, environment: {} }
  const options = resolveOptions('S3Storage', s3Schema, given, nothing)
  const { accessKey, secretKey, securityToken, sessionProfile } = options
  const keys = { accessKey, secretKey, securityToken, sessionProfile }
  const engine = openNativeEngine('S3Storage', { ...options, ...keys }, {})
  return new S3Backend(async () => guardConditions(engine, profileOf(options).conditions), options)
}

describe.each(services)('S3Storage on $title', service => {
  let server: S3Server
  let places = 0

  beforeAll(async () => {
    server = await S3Server.start({ buckets: ['media'], ...service.server })
  })

  afterAll(() => server.close())

  testStorageBackend(
    'the embedded server',
    {
      create: async () => {
        const { endpoint: endpointUrl, accessKey, secretKey } = server
        const backend = backendOf({
          endpointUrl,
          accessKey,
          secretKey,
          bucketName: 'media',
          profile: service.profile,
          location: `place/${places++}`,
          transferConfig: { partSize, multipartThreshold: partSize },
        })
        const storage = service.acls ? backend : new WithoutAcls(backend)
        return new Storage(storage, { fileOverwrite: true })
      },
      fetch: (url, init) => fetch(url, init),
      leftovers: async () => (server.openUploads() === 0 ? [] : ['open uploads']),
      largeSize: partSize + MiB,
      partSize,
    },
    { describe, it },
  )
})

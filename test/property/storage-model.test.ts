import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { FileSystemStorage } from '../../src/backends/filesystem/filesystem-storage.ts'
import { MemoryStorage } from '../../src/backends/memory/memory-storage.ts'
import { S3Storage } from '../../src/s3.ts'
import { S3Server } from '../../src/testing/s3-server/s3-server.ts'
import { testAgainstModel } from './model-test.ts'

testAgainstModel('MemoryStorage', { create: async () => new MemoryStorage() })

let folder = ''
testAgainstModel('FileSystemStorage', {
  create: async () => {
    folder = await mkdtemp(join(tmpdir(), 'stowage-property-'))
    return new FileSystemStorage({ location: folder })
  },
  destroy: () => rm(folder, { recursive: true, force: true }),
})

let server: S3Server | undefined
testAgainstModel('S3Storage', {
  create: async () => {
    server = await S3Server.start({ buckets: ['media'] })
    const { endpoint: endpointUrl, accessKey, secretKey } = server
    return new S3Storage({ endpointUrl, accessKey, secretKey, bucketName: 'media' })
  },
  destroy: async () => server?.close(),
})

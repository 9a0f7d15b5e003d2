import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'vitest'
import { FileSystemStorage } from '../../src/backends/filesystem/filesystem-storage.ts'
import { testStorageBackend } from '../../src/testing/contract/test-storage-backend.ts'

let folder = ''

testStorageBackend(
  'FileSystemStorage',
  {
    create: async () => {
      folder = await mkdtemp(join(tmpdir(), 'stowage-contract-'))
      return new FileSystemStorage({ location: folder, baseUrl: '/media/' })
    },
    destroy: () => rm(folder, { recursive: true, force: true }),
    another: async (_storage, { fileOverwrite }) =>
      new FileSystemStorage({ location: folder, baseUrl: '/media/', fileOverwrite }),
    leftovers: async () => {
      const names = await readdir(folder, { recursive: true })
      return names.filter(name => name.includes('.stowage-'))
    },
  },
  { describe, it },
)

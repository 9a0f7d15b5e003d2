import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { FileSystemStorage } from '../../src/backends/filesystem/filesystem-storage.ts'
import { MemoryStorage } from '../../src/backends/memory/memory-storage.ts'
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

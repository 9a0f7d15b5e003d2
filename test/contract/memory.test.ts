import { describe, it } from 'vitest'
import { MemoryStorage } from '../../src/backends/memory/memory-storage.ts'
import { testStorageBackend } from '../../src/testing/contract/test-storage-backend.ts'

const baseUrl = 'https://files.example/media/'
let storage = new MemoryStorage()

testStorageBackend(
  'MemoryStorage',
  {
    create: async () => {
      storage = new MemoryStorage({ baseUrl })
      return storage
    },
    // What a web server in front of the files does: it decodes the path, segment by segment.
    fetch: async url => {
      const path = new URL(url).pathname.slice(new URL(baseUrl).pathname.length)
      const file = await storage.file(path.split('/').map(decodeURIComponent).join('/'))
      return new Response(file.stream())
    },
  },
  { describe, it },
)

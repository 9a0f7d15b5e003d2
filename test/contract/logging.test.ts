import { describe, it } from 'vitest'
import { MemoryBackend } from '../../src/backends/memory/memory-backend.ts'
import { Storage } from '../../src/core/storage.ts'
import { logging } from '../../src/layers/logging.ts'
import { testStorageBackend } from '../../src/testing/contract/test-storage-backend.ts'

testStorageBackend(
  'logging()',
  { create: async () => new Storage(logging(new MemoryBackend(), () => undefined)) },
  { describe, it },
)

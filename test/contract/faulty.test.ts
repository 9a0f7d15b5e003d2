import { describe, it } from 'vitest'
import { MemoryBackend } from '../../src/backends/memory/memory-backend.ts'
import { Storage } from '../../src/core/storage.ts'
import { faulty } from '../../src/layers/faulty.ts'
import { testStorageBackend } from '../../src/testing/contract/test-storage-backend.ts'

testStorageBackend(
  'faulty() without faults',
  { create: async () => new Storage(faulty(new MemoryBackend(), {})) },
  { describe, it },
)

testStorageBackend(
  'faulty() that is only late',
  { create: async () => new Storage(faulty(new MemoryBackend(), { fail: () => ({ delay: 0 }) })) },
  { describe, it },
)

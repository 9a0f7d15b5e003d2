export { type Fault, type FaultyCall, type FaultySchedule, faulty } from './layers/faulty.ts'
export type { StorageHarness, TestRunner } from './testing/contract/harness.ts'
export { testStorageBackend } from './testing/contract/test-storage-backend.ts'
export { S3Server } from './testing/s3-server/s3-server.ts'

export { type Fault, type FaultyCall, type FaultySchedule, faulty } from './layers/faulty.ts'
export type { StorageHarness, TestRunner } from './testing/contract/harness.ts'
export { testStorageBackend } from './testing/contract/test-storage-backend.ts'
export { FaultProxy, type FaultProxyOptions } from './testing/fault-proxy/fault-proxy.ts'
export {
  allFaults,
  type SeededFaultsOptions,
  seededFaults,
} from './testing/fault-proxy/fault-schedule.ts'
export type {
  Ending,
  ProxiedRequest,
  ProxyFault,
  ProxySchedule,
} from './testing/fault-proxy/proxy-fault.ts'
export { S3Server } from './testing/s3-server/s3-server.ts'

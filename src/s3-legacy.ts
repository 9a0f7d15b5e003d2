export type { LegacyOptions } from './backends/s3/sdk-v2/legacy-options.ts'
export { S3BotoStorage, type S3BotoStorageOptions } from './backends/s3/sdk-v2/s3-boto-storage.ts'

export type { ObjectParameters } from './backends/s3/object-parameters.ts'
export type { S3StorageOptions, TransferConfig } from './backends/s3/options.ts'
export { S3Boto3Storage, S3StaticStorage, S3Storage } from './backends/s3/s3-storage.ts'
export {
  S3ManifestStaticStorage,
  type S3ManifestStaticStorageOptions,
} from './static/s3-manifest-static-storage.ts'

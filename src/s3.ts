export {
  type CloudFrontCookies,
  type CloudFrontKey,
  CloudFrontSigner,
  type CloudFrontSignerOptions,
  type CloudFrontTerms,
} from './backends/s3/cloudfront.ts'
export type { GivenObjectParameters as ObjectParameters } from './backends/s3/object-parameters.ts'
export type {
  ClientCertificate,
  Proxies,
  RetryConfig,
  S3StorageOptions,
  Timeouts,
  TransferConfig,
  UrlSigner,
} from './backends/s3/options.ts'
export type { PostCondition, PostForm } from './backends/s3/post-policy.ts'
export {
  type PostFormOptions,
  S3Boto3Storage,
  S3StaticStorage,
  S3Storage,
} from './backends/s3/s3-storage.ts'
export {
  S3ManifestStaticStorage,
  type S3ManifestStaticStorageOptions,
} from './static/s3-manifest-static-storage.ts'

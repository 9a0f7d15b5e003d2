import { S3Client } from '@aws-sdk/client-s3'
import type { Storage } from 'stowage'
import { S3Boto3Storage, S3ManifestStaticStorage, S3StaticStorage, S3Storage } from 'stowage/s3'
import { S3BotoStorage } from 'stowage/s3-legacy'

const media = new S3Storage({
  accessKey: 'a',
  secretKey: 's',
  securityToken: 't',
  bucketName: 'media',
  regionName: 'eu-central-1',
  endpointUrl: 'https://s3.example.com:9000/path',
  addressingStyle: 'path',
  signatureVersion: 's3v4',
  useSsl: true,
  verify: 'ca.pem',
  proxies: { https: 'http://127.0.0.1:3128' },
  defaultAcl: 'private',
  bucketAcl: 'private',
  autoCreateBucket: true,
  encryption: true,
  objectParameters: {
    CacheControl: 'max-age=86400',
    StorageClass: 'STANDARD_IA',
    ServerSideEncryption: 'aws:kms',
    SSEKMSKeyId: 'k',
    Tagging: 'a=b',
    Metadata: { a: 'é' },
  },
  headers: { Expires: 'Thu, 15 Apr 2010 20:00:00 GMT' },
  querystringAuth: true,
  querystringExpire: 3600,
  fileOverwrite: false,
  location: 'uploads',
  customDomain: 'cdn.mydomain.com',
  urlProtocol: 'https:',
  cloudfrontKeyId: 'K',
  cloudfrontKey: 'pem',
  gzip: true,
  gzipContentTypes: ['text/css'],
  contentEncodingFromName: true,
  maxMemorySize: 0,
  transferConfig: { partSize: 8 << 20, concurrency: 4, multipartThreshold: 8 << 20 },
})
new S3Storage({
  bucketName: 'b',
  objectParameters: name => ({
    CacheControl: name.endsWith('.html') ? 'no-cache' : 'max-age=86400',
  }),
})
new S3Storage({ bucketName: 'b', client: new S3Client({}) })
new S3Storage({ bucketName: 'b', sessionProfile: 'work' })
// @ts-expect-error S3's own names, checked
new S3Storage({ bucketName: 'b', objectParameters: { CacheContrl: 'x' } })
// @ts-expect-error closed options
new S3Storage({ bucketNam: 'b' })
class Documents extends S3Storage {
  constructor() {
    super({ bucketName: 'b', location: 'documents', customDomain: 'docs.example.com' })
  }
}
export const all: Storage[] = [
  media,
  new S3Boto3Storage({ bucketName: 'b' }),
  new S3StaticStorage({ bucketName: 'b' }),
  new S3ManifestStaticStorage({ bucketName: 'b' }),
  new S3BotoStorage({ bucketName: 'b', signatureVersion: 's3' }),
  new Documents(),
]

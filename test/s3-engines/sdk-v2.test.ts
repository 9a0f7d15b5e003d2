import { describe } from 'vitest'
import { S3BotoStorage } from '../../src/s3-legacy.ts'
import { testSdkEngine } from './engine-suite.ts'

describe.each(['s3', 's3v4'] as const)(
  'the older SDK with signature version %s',
  signatureVersion => {
    testSdkEngine(
      ({ endpoint: endpointUrl, accessKey, secretKey, region: regionName }, options) =>
        new S3BotoStorage({
          endpointUrl,
          regionName,
          accessKey,
          secretKey,
          signatureVersion,
          retries: { maxAttempts: 3, baseDelay: 1 },
          ...options,
        }),
    )
  },
)

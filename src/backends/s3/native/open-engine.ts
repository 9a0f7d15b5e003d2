import { ImproperlyConfigured } from '../../../core/errors.ts'
import type { Environment } from '../../../core/settings.ts'
import {
  type CredentialOptions,
  type Credentials,
  credentialProvider,
  regionFrom,
} from '../credentials.ts'
import type { S3Engine } from '../engine.ts'
import type { S3StorageOptions } from '../options.ts'
import { readTextFile } from '../platform/files.ts'
import { UndiciTransport } from '../platform/undici-transport.ts'
import { resolveAddress } from '../url.ts'
import { NativeEngine } from './native-engine.ts'

/** Where S3 signs requests that name no region. */
const defaultRegion = 'us-east-1'

/**
 * Our own engine for the options of a storage.
 *
 * @throws ImproperlyConfigured when the bucket is not named or the endpoint is no URL
 */
export function openNativeEngine(
  owner: string,
  options: S3StorageOptions & CredentialOptions,
  environment: Environment,
): S3Engine {
  const { bucketName, endpointUrl, addressingStyle, useSsl = true } = options
  if (bucketName === undefined) {
    throw new ImproperlyConfigured(
      `${owner} needs a bucket: set "bucketName" (AWS_STORAGE_BUCKET_NAME).`,
      {
        setting: 'bucketName',
      },
    )
  }
  const regionName = options.regionName ?? regionFrom(environment)
  const provide = credentialProvider(options, environment, readTextFile)
  return new NativeEngine({
    bucketName,
    address: resolveAddress({ bucketName, regionName, endpointUrl, addressingStyle, useSsl }),
    region: regionName ?? defaultRegion,
    credentials: async () => required(await provide()),
    transport: new UndiciTransport(),
  })
}

function required(credentials: Credentials | undefined): Credentials {
  if (credentials !== undefined) return credentials
  throw new ImproperlyConfigured(
    'There are no credentials: set "accessKey" and "secretKey" (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY), or a profile in ~/.aws/credentials.',
    { setting: 'accessKey' },
  )
}

import { ImproperlyConfigured } from '../../../core/errors.ts'
import type { Environment } from '../../../core/settings.ts'
import {
  type CredentialOptions,
  credentialProvider,
  profileRegion,
  regionFrom,
} from '../credentials.ts'
import type { S3Engine } from '../engine.ts'
import type { S3StorageOptions } from '../options.ts'
import { readTextFile } from '../platform/files.ts'
import { UndiciTransport } from '../platform/undici-transport.ts'
import type { Credentials } from '../sigv4.ts'
import { resolveAddress } from '../url.ts'
import { type Location, NativeEngine } from './native-engine.ts'

/** Where S3 signs requests that name no region. */
const defaultRegion = 'us-east-1'

/**
 * Our own engine for the options of a storage.
 *
 * @throws ImproperlyConfigured when the bucket is not named
 */
export function openNativeEngine(
  owner: string,
  options: S3StorageOptions & CredentialOptions,
  environment: Environment,
): S3Engine {
  const { bucketName } = options
  if (bucketName === undefined) {
    throw new ImproperlyConfigured(
      `${owner} needs a bucket: set "bucketName" (AWS_STORAGE_BUCKET_NAME).`,
      {
        setting: 'bucketName',
      },
    )
  }
  const provide = credentialProvider(options, environment, readTextFile)
  return new NativeEngine({
    bucketName,
    locate: () => locate({ ...options, bucketName }, environment),
    credentials: async () => required(await provide()),
    transport: new UndiciTransport(),
  })
}

/** The region of the options, the environment or the profile, and the address that follows. */
async function locate(
  options: S3StorageOptions & CredentialOptions & { readonly bucketName: string },
  environment: Environment,
): Promise<Location> {
  const { bucketName, endpointUrl, addressingStyle, useSsl = true, sessionProfile } = options
  const regionName =
    options.regionName ??
    regionFrom(environment) ??
    (await profileRegion(sessionProfile, environment, readTextFile))
  const address = resolveAddress({ bucketName, regionName, endpointUrl, addressingStyle, useSsl })
  return { address, region: regionName ?? defaultRegion }
}

function required(credentials: Credentials | undefined): Credentials {
  if (credentials !== undefined) return credentials
  throw new ImproperlyConfigured(
    'There are no credentials: set "accessKey" and "secretKey" (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY), or a profile in ~/.aws/credentials.',
    { setting: 'accessKey' },
  )
}

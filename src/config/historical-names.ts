import { fileSystemSchema } from '../backends/filesystem/options.ts'
import { oldSchema, refusedSettings } from '../backends/s3/old-settings.ts'
import { s3Schema } from '../backends/s3/options.ts'
import type { OptionSpec } from '../core/options.ts'

/**
 * Names under which Django and django-storages know their settings, as far as they mean something
 * here. Taken from the top level of the configuration or from the environment.
 */
export interface HistoricalSettings {
  readonly DEFAULT_FILE_STORAGE?: string | undefined
  readonly STATICFILES_STORAGE?: string | undefined
  readonly MEDIA_ROOT?: string | undefined
  readonly MEDIA_URL?: string | null | undefined
  readonly STATIC_ROOT?: string | undefined
  readonly STATIC_URL?: string | null | undefined
  readonly STATICFILES_DIRS?:
    | readonly (string | readonly [prefix: string, dir: string])[]
    | undefined
  readonly FILE_UPLOAD_PERMISSIONS?: number | null | undefined
  readonly FILE_UPLOAD_DIRECTORY_PERMISSIONS?: number | null | undefined
  readonly AWS_S3_ACCESS_KEY_ID?: string | undefined
  readonly AWS_ACCESS_KEY_ID?: string | undefined
  readonly AWS_S3_SECRET_ACCESS_KEY?: string | undefined
  readonly AWS_SECRET_ACCESS_KEY?: string | undefined
  readonly AWS_SESSION_TOKEN?: string | undefined
  readonly AWS_SECURITY_TOKEN?: string | undefined
  readonly AWS_S3_SESSION_PROFILE?: string | undefined
  readonly AWS_STORAGE_BUCKET_NAME?: string | undefined
  readonly AWS_DEFAULT_ACL?: string | null | undefined
  readonly AWS_BUCKET_ACL?: string | null | undefined
  readonly AWS_AUTO_CREATE_BUCKET?: boolean | undefined
  readonly AWS_S3_OBJECT_PARAMETERS?: object | ((name: string) => object) | undefined
  readonly AWS_HEADERS?: Readonly<Record<string, string>> | undefined
  readonly AWS_S3_ENCRYPTION?: boolean | undefined
  readonly AWS_REDUCED_REDUNDANCY?: boolean | undefined
  readonly AWS_S3_FILE_OVERWRITE?: boolean | undefined
  readonly AWS_LOCATION?: string | undefined
  readonly AWS_QUERYSTRING_AUTH?: boolean | undefined
  readonly AWS_QUERYSTRING_EXPIRE?: number | undefined
  readonly AWS_S3_CUSTOM_DOMAIN?: string | null | undefined
  readonly AWS_S3_URL_PROTOCOL?: string | null | undefined
  readonly AWS_S3_SECURE_URLS?: boolean | undefined
  readonly AWS_CLOUDFRONT_KEY_ID?: string | undefined
  readonly AWS_CLOUDFRONT_KEY?: string | Uint8Array | undefined
  readonly AWS_S3_REGION_NAME?: string | undefined
  readonly AWS_S3_ENDPOINT_URL?: string | undefined
  readonly AWS_S3_ADDRESSING_STYLE?: string | null | undefined
  readonly AWS_S3_SIGNATURE_VERSION?: string | null | undefined
  readonly AWS_S3_USE_SSL?: boolean | undefined
  readonly AWS_S3_VERIFY?: boolean | string | null | undefined
  readonly AWS_S3_PROXIES?: Readonly<Record<string, string>> | null | undefined
  /** Ours: what kind of service `AWS_S3_ENDPOINT_URL` is. */
  readonly AWS_S3_SERVICE_PROFILE?: string | null | undefined
  readonly AWS_S3_TRANSFER_CONFIG?: object | undefined
  readonly AWS_IS_GZIPPED?: boolean | undefined
  readonly GZIP_CONTENT_TYPES?: readonly string[] | undefined
  readonly AWS_S3_MAX_MEMORY_SIZE?: number | undefined
  readonly AWS_S3_FILE_BUFFER_SIZE?: number | undefined
  readonly AWS_PRELOAD_METADATA?: boolean | undefined
  readonly AWS_ORIGIN?: string | undefined
  readonly AWS_S3_HOST?: string | undefined
  readonly AWS_S3_PORT?: number | undefined
  readonly AWS_S3_CALLING_FORMAT?: string | undefined
  readonly AWS_S3_PROXY_HOST?: string | undefined
  readonly AWS_S3_PROXY_PORT?: number | undefined
  readonly S3_USE_SIGV4?: boolean | undefined
}

/** The same names at run time. */
const settingNames: { readonly [Name in keyof Required<HistoricalSettings>]: true } = {
  DEFAULT_FILE_STORAGE: true,
  STATICFILES_STORAGE: true,
  MEDIA_ROOT: true,
  MEDIA_URL: true,
  STATIC_ROOT: true,
  STATIC_URL: true,
  STATICFILES_DIRS: true,
  FILE_UPLOAD_PERMISSIONS: true,
  FILE_UPLOAD_DIRECTORY_PERMISSIONS: true,
  AWS_S3_ACCESS_KEY_ID: true,
  AWS_ACCESS_KEY_ID: true,
  AWS_S3_SECRET_ACCESS_KEY: true,
  AWS_SECRET_ACCESS_KEY: true,
  AWS_SESSION_TOKEN: true,
  AWS_SECURITY_TOKEN: true,
  AWS_S3_SESSION_PROFILE: true,
  AWS_STORAGE_BUCKET_NAME: true,
  AWS_DEFAULT_ACL: true,
  AWS_BUCKET_ACL: true,
  AWS_AUTO_CREATE_BUCKET: true,
  AWS_S3_OBJECT_PARAMETERS: true,
  AWS_HEADERS: true,
  AWS_S3_ENCRYPTION: true,
  AWS_REDUCED_REDUNDANCY: true,
  AWS_S3_FILE_OVERWRITE: true,
  AWS_LOCATION: true,
  AWS_QUERYSTRING_AUTH: true,
  AWS_QUERYSTRING_EXPIRE: true,
  AWS_S3_CUSTOM_DOMAIN: true,
  AWS_S3_URL_PROTOCOL: true,
  AWS_S3_SECURE_URLS: true,
  AWS_CLOUDFRONT_KEY_ID: true,
  AWS_CLOUDFRONT_KEY: true,
  AWS_S3_REGION_NAME: true,
  AWS_S3_ENDPOINT_URL: true,
  AWS_S3_ADDRESSING_STYLE: true,
  AWS_S3_SIGNATURE_VERSION: true,
  AWS_S3_USE_SSL: true,
  AWS_S3_VERIFY: true,
  AWS_S3_PROXIES: true,
  AWS_S3_SERVICE_PROFILE: true,
  AWS_S3_TRANSFER_CONFIG: true,
  AWS_IS_GZIPPED: true,
  GZIP_CONTENT_TYPES: true,
  AWS_S3_MAX_MEMORY_SIZE: true,
  AWS_S3_FILE_BUFFER_SIZE: true,
  AWS_PRELOAD_METADATA: true,
  AWS_ORIGIN: true,
  AWS_S3_HOST: true,
  AWS_S3_PORT: true,
  AWS_S3_CALLING_FORMAT: true,
  AWS_S3_PROXY_HOST: true,
  AWS_S3_PROXY_PORT: true,
  S3_USE_SIGV4: true,
}

/** Names that mean something, in this version or another. */
export const historicalSettings: readonly string[] = Object.keys(settingNames)

/** Names that this version takes: what the options of its storages are read from, and its own. */
export const supportedSettings: readonly string[] = [
  'DEFAULT_FILE_STORAGE',
  'STATICFILES_STORAGE',
  'STATIC_ROOT',
  'STATIC_URL',
  'STATICFILES_DIRS',
  ...settingsOf(fileSystemSchema),
  ...settingsOf(s3Schema),
  ...settingsOf(oldSchema),
  ...Object.keys(refusedSettings),
]

function settingsOf(schema: Readonly<Record<string, OptionSpec>>): string[] {
  return Object.values(schema).flatMap(({ settings }) => settings ?? [])
}

/** Settings of django-storages that have no meaning here, and what to do instead. */
const abandonedSettings: Readonly<Record<string, string>> = {
  AWS_S3_CLIENT_CONFIG: 'Give S3Storage the option "client" instead.',
  AWS_S3_USE_THREADS: 'Set "concurrency" in AWS_S3_TRANSFER_CONFIG instead.',
  AWS_S3_FILE_NAME_CHARSET: 'Names are always UTF-8: remove it.',
}

/** What to do about a setting that the originals have and this package has not. */
export function adviceOn(setting: string): string | undefined {
  return Object.hasOwn(abandonedSettings, setting) ? ` ${abandonedSettings[setting]}` : undefined
}

/**
 * What `DEFAULT_FILE_STORAGE` and `STATICFILES_STORAGE` name, in the form of a `backend`. A class
 * may be listed before this version has it: using it then says so.
 */
const historicalClasses: Readonly<Record<string, string>> = {
  'storages.backends.s3boto3.S3Boto3Storage': 'stowage/s3#S3Boto3Storage',
  'storages.backends.s3boto3.S3StaticStorage': 'stowage/s3#S3StaticStorage',
  'storages.backends.s3boto3.S3ManifestStaticStorage': 'stowage/s3#S3ManifestStaticStorage',
  'storages.backends.s3.S3Storage': 'stowage/s3#S3Storage',
  'storages.backends.s3.S3StaticStorage': 'stowage/s3#S3StaticStorage',
  'storages.backends.s3.S3ManifestStaticStorage': 'stowage/s3#S3ManifestStaticStorage',
  'storages.backends.s3boto.S3Boto3Storage': 'stowage/s3#S3Boto3Storage',
  'storages.backends.s3boto.S3BotoStorage': 'stowage/s3-legacy#S3BotoStorage',
  'django.core.files.storage.FileSystemStorage': 'stowage#FileSystemStorage',
  'django.core.files.storage.InMemoryStorage': 'stowage#MemoryStorage',
  'django.contrib.staticfiles.storage.StaticFilesStorage': 'stowage#FileSystemStorage',
  'django.contrib.staticfiles.storage.ManifestStaticFilesStorage':
    'stowage/staticfiles#ManifestStaticFilesStorage',
}

export const historicalClassNames: readonly string[] = Object.keys(historicalClasses)

/** The `backend` that a dotted path of Django or django-storages means. */
export function backendOf(dottedPath: string): string | undefined {
  return Object.hasOwn(historicalClasses, dottedPath) ? historicalClasses[dottedPath] : undefined
}

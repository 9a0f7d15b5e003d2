import type { OptionSchema, OptionSpec } from '../../core/options.ts'
import { fileOverwriteOption, maxNameLengthOption } from '../../core/storage-options.ts'
import type { CloudFrontKey } from './cloudfront.ts'
import { type CredentialFunction, credentialsOption } from './credential-function.ts'
import type { GivenObjectParameters } from './object-parameters.ts'
import { type ProviderName, profileOption } from './profiles.ts'
import { proxyUrl } from './proxy-url.ts'
import { clientOption, type SdkV3ClientLike } from './sdk-v3/client-option.ts'

/** How a large object is cut into parts. Sizes in bytes. */
export interface TransferConfig {
  /** Size of a part, default 8 MiB, at least 5 MiB (S3's limit). Grows for very large files. */
  readonly partSize?: number | undefined
  /** Parts in flight at a time, default 4. */
  readonly concurrency?: number | undefined
  /** From this size on an object is uploaded in parts, default 8 MiB. */
  readonly multipartThreshold?: number | undefined
  /**
   * Largest object that is copied with one request; larger ones are copied by parts, in parallel.
   * Default: as large as the service takes (5 GiB on S3).
   */
  readonly copyThreshold?: number | undefined
  /**
   * Requests in flight at a time, all operations together, at most 256 by default. How many there
   * really are depends on how many the service answers.
   */
  readonly maxRequests?: number | undefined
}

/** How long a service may take, in milliseconds; 0 for no limit. */
export interface Timeouts {
  /** Until the connection stands, TLS included. Default 10,000. */
  readonly connect?: number | undefined
  /** From the last byte that was sent to the headers of the answer. Default 60,000. */
  readonly headers?: number | undefined
  /** Between two pieces of an answer's body. Default 30,000. */
  readonly idle?: number | undefined
}

/** How requests that failed for a reason that passes are made again. Times in milliseconds. */
export interface RetryConfig {
  /** Times that a request is made at most, the first one counted; default 5, 1 for no retries. */
  readonly maxAttempts?: number | undefined
  /** Longest pause before the second attempt; doubles from attempt to attempt. Default 100. */
  readonly baseDelay?: number | undefined
  /**
   * Longest pause before any attempt, default 20,000. A service that asks for a longer one
   * (`Retry-After`) is not asked again: the error says when it wants to be.
   */
  readonly maxDelay?: number | undefined
}

/** Proxies by the scheme of what is asked through them: `http://proxy:3128`, or `proxy:3128`. */
export interface Proxies {
  readonly http?: string | undefined
  readonly https?: string | undefined
}

/** Files in PEM with which this client shows who it is. */
export interface ClientCertificate {
  readonly cert: string
  readonly key: string
}

/** Signs a URL of the custom domain: CloudFront's, or that of another network. */
export type UrlSigner = (
  url: string,
  options: { readonly expiresAt: Date },
) => string | Promise<string>

/** Options of `S3Storage`, in the camelCase of django-storages' own. */
export interface S3StorageOptions {
  readonly accessKey?: string | undefined
  readonly secretKey?: string | undefined
  readonly securityToken?: string | undefined
  readonly sessionProfile?: string | undefined
  readonly credentials?: CredentialFunction | undefined
  readonly bucketName?: string | undefined
  readonly regionName?: string | undefined
  readonly endpointUrl?: string | undefined
  readonly addressingStyle?: 'auto' | 'virtual' | 'path' | null | undefined
  readonly signatureVersion?: 's3v4' | null | undefined
  readonly useSsl?: boolean | undefined
  readonly verify?: boolean | string | null | undefined
  readonly clientCertificate?: ClientCertificate | undefined
  readonly proxies?: Proxies | null | undefined
  readonly profile?: ProviderName | null | undefined
  readonly checksumAlgorithm?: 'CRC32' | 'SHA256' | null | undefined
  readonly retries?: RetryConfig | undefined
  readonly timeouts?: Timeouts | undefined
  readonly defaultAcl?: string | null | undefined
  readonly bucketAcl?: string | null | undefined
  readonly autoCreateBucket?: boolean | undefined
  readonly encryption?: boolean | undefined
  readonly objectParameters?:
    | GivenObjectParameters
    | ((name: string) => GivenObjectParameters)
    | undefined
  /** By the names of HTTP: `Expires`, `Cache-Control`, `x-amz-meta-…`. */
  readonly headers?: Readonly<Record<string, string>> | undefined
  readonly querystringAuth?: boolean | undefined
  readonly querystringExpire?: number | undefined
  readonly fileOverwrite?: boolean | undefined
  readonly location?: string | undefined
  readonly customDomain?: string | null | undefined
  readonly urlProtocol?: string | null | undefined
  readonly cloudfrontKeyId?: string | undefined
  /** PEM as text or bytes, the path of a file, or several keys by their ids. */
  readonly cloudfrontKey?: CloudFrontKey | undefined
  readonly cloudfrontSigner?: UrlSigner | null | undefined
  readonly gzip?: boolean | undefined
  readonly gzipContentTypes?: readonly string[] | undefined
  readonly contentEncodingFromName?: boolean | undefined
  readonly maxMemorySize?: number | undefined
  readonly transferConfig?: TransferConfig | undefined
  readonly client?: SdkV3ClientLike | undefined
  readonly maxNameLength?: number | undefined
}

/** {@link S3StorageOptions} of any backend: the older one signs with version 2 as well. */
export type S3Settings = Omit<S3StorageOptions, 'signatureVersion'> & {
  readonly signatureVersion?: 's3' | 's3v4' | null | undefined
}

/** S3's limit for the validity of a presigned URL, in seconds (SigV4: seven days). */
export const maxExpiry = 604_800
/** S3's least size of a part that is not the last. */
export const minPartSize: number = 5 * 1024 * 1024

export const defaultTransfer: {
  readonly partSize: number
  readonly concurrency: number
  readonly multipartThreshold: number
  readonly copyThreshold: number | undefined
  readonly maxRequests: number
} = {
  partSize: 8 * 1024 * 1024,
  concurrency: 4,
  multipartThreshold: 8 * 1024 * 1024,
  copyThreshold: undefined,
  maxRequests: 256,
}

export const defaultRetries: { readonly [K in keyof Required<RetryConfig>]: number } = {
  maxAttempts: 5,
  baseDelay: 100,
  maxDelay: 20_000,
}

export const defaultTimeouts: { readonly [K in keyof Required<Timeouts>]: number } = {
  connect: 10_000,
  headers: 60_000,
  idle: 30_000,
}

/** As in django-storages: text that browsers load again and again. */
export const defaultGzipTypes: readonly string[] = [
  'text/css',
  'text/javascript',
  'application/javascript',
  'application/x-javascript',
  'image/svg+xml',
]

const querystringExpireOption: OptionSpec = {
  type: 'integer',
  settings: ['AWS_QUERYSTRING_EXPIRE'],
  default: 3600,
  check: (seconds: number) =>
    seconds < 1 || seconds > maxExpiry
      ? `must lie between 1 and ${maxExpiry} seconds (7 days)`
      : undefined,
  meaning: 'Seconds that a signed URL is valid.',
}

/** Every option with its historical names: the source of checks, messages and the docs table. */
export const s3Schema: OptionSchema<S3StorageOptions> = {
  accessKey: {
    type: 'string',
    settings: ['AWS_S3_ACCESS_KEY_ID', 'AWS_ACCESS_KEY_ID'],
    meaning: 'Access key id. Together with secretKey, from one source.',
  },
  secretKey: {
    type: 'string',
    settings: ['AWS_S3_SECRET_ACCESS_KEY', 'AWS_SECRET_ACCESS_KEY'],
    meaning: 'Secret access key.',
  },
  securityToken: {
    type: 'string',
    settings: ['AWS_SESSION_TOKEN', 'AWS_SECURITY_TOKEN'],
    meaning: 'Session token of temporary keys.',
  },
  sessionProfile: {
    type: 'string',
    settings: ['AWS_S3_SESSION_PROFILE'],
    meaning: 'Profile of the shared credentials file (~/.aws/credentials).',
  },
  credentials: credentialsOption,
  bucketName: {
    type: 'string',
    settings: ['AWS_STORAGE_BUCKET_NAME'],
    check: (bucket: string) =>
      /^[^/?#\s]+$/.test(bucket)
        ? undefined
        : 'must be a bucket name without "/", "?", "#" or blanks',
    meaning: 'The bucket. Required at the first use.',
  },
  regionName: {
    type: 'string',
    settings: ['AWS_S3_REGION_NAME'],
    check: (region: string) =>
      /^[a-z0-9-]+$/i.test(region) ? undefined : 'must be a region such as eu-central-1',
    meaning: 'Region of the bucket; else AWS_REGION, the profile, us-east-1.',
  },
  endpointUrl: {
    type: 'string',
    settings: ['AWS_S3_ENDPOINT_URL'],
    meaning: 'URL of another service than AWS, with scheme, port and path prefix.',
  },
  addressingStyle: {
    type: 'string',
    settings: ['AWS_S3_ADDRESSING_STYLE'],
    or: [null],
    check: (style: string) =>
      ['auto', 'virtual', 'path'].includes(style) ? undefined : 'must be auto, virtual or path',
    meaning: 'Bucket in the host (virtual) or in the path; auto: virtual on AWS, else path.',
  },
  signatureVersion: {
    type: 'string',
    settings: ['AWS_S3_SIGNATURE_VERSION'],
    or: [null],
    check: (version: string) =>
      version === 's3v4'
        ? undefined
        : 'must be s3v4; version 2 (s3) is signed by S3BotoStorage of stowage/s3-legacy',
    meaning: 'Version of the signature.',
  },
  useSsl: {
    type: 'boolean',
    settings: ['AWS_S3_USE_SSL'],
    default: true,
    meaning: 'Scheme of requests and URLs where no endpointUrl says it.',
  },
  verify: {
    type: 'boolean or string',
    settings: ['AWS_S3_VERIFY'],
    or: [null],
    check: (verify: boolean | string) => (verify === '' ? 'must be a path, or false' : undefined),
    meaning:
      'Trusted certificates: the path of a file in PEM instead of the usual ones (else AWS_CA_BUNDLE); false trusts any.',
  },
  clientCertificate: {
    type: 'object',
    check: findCertificateProblem,
    meaning: 'Paths of certificate and key (PEM) with which this client shows who it is.',
  },
  proxies: {
    type: 'object',
    settings: ['AWS_S3_PROXIES'],
    or: [null],
    check: findProxyProblem,
    meaning:
      'Proxies by scheme of the service: { http?, https? }, each a URL or host:port; else HTTP_PROXY, HTTPS_PROXY, NO_PROXY; null: none.',
  },
  profile: profileOption,
  checksumAlgorithm: {
    type: 'string',
    or: [null],
    check: (algorithm: string) =>
      ['CRC32', 'SHA256'].includes(algorithm) ? undefined : 'must be CRC32, SHA256 or null',
    meaning:
      'Checksum that is sent with each upload; null: none. Else CRC32, where the service is known to verify it.',
  },
  retries: {
    type: 'object',
    default: {},
    check: (config: Record<string, unknown>) =>
      findNumberProblem(config, defaultRetries, name => (name === 'maxAttempts' ? 1 : 0)),
    meaning: 'Attempts and pauses of requests that failed for a reason that passes.',
  },
  timeouts: {
    type: 'object',
    default: {},
    check: (config: Record<string, unknown>) => findNumberProblem(config, defaultTimeouts, () => 0),
    meaning: 'Milliseconds that connecting, the answer, and a piece of it may take.',
  },
  defaultAcl: {
    type: 'string',
    settings: ['AWS_DEFAULT_ACL'],
    or: [null],
    meaning: 'Canned ACL of everything that is written; none: no header is sent.',
  },
  bucketAcl: {
    type: 'string',
    settings: ['AWS_BUCKET_ACL'],
    or: [null],
    meaning: 'Canned ACL of a bucket that autoCreateBucket makes; none: private.',
  },
  autoCreateBucket: {
    type: 'boolean',
    settings: ['AWS_AUTO_CREATE_BUCKET'],
    default: false,
    meaning: 'Makes the bucket at the first use, in the region, if it is not there.',
  },
  encryption: {
    type: 'boolean',
    settings: ['AWS_S3_ENCRYPTION'],
    default: false,
    meaning: 'Lets S3 encrypt what is written (SSE-S3, AES256).',
  },
  objectParameters: {
    type: 'object or function',
    settings: ['AWS_S3_OBJECT_PARAMETERS'],
    default: {},
    meaning:
      'What is stored with each object, by the names of the S3 API, or a function of the name.',
  },
  headers: {
    type: 'object',
    settings: ['AWS_HEADERS'],
    default: {},
    check: findHeadersProblem,
    meaning:
      'The same by the names of HTTP: Expires, Cache-Control, x-amz-meta-…. Those that S3 does not store are refused.',
  },
  querystringAuth: {
    type: 'boolean',
    settings: ['AWS_QUERYSTRING_AUTH'],
    default: true,
    meaning: 'Whether URLs are signed.',
  },
  querystringExpire: querystringExpireOption,
  fileOverwrite: { ...fileOverwriteOption, settings: ['AWS_S3_FILE_OVERWRITE'], default: true },
  location: {
    type: 'string',
    settings: ['AWS_LOCATION'],
    default: '',
    check: findLocationProblem,
    meaning: 'Prefix of every key.',
  },
  customDomain: {
    type: 'string',
    settings: ['AWS_S3_CUSTOM_DOMAIN'],
    or: [null],
    check: (domain: string) =>
      /^$|^[^/\\\s?#@:]+(:\d+)?(\/[^\\\s?#]*[^/\\\s?#])?$/.test(domain)
        ? undefined
        : 'must be a host without scheme and final "/", such as cdn.example.com',
    meaning: 'Host of public URLs; empty: none. Never used for requests.',
  },
  urlProtocol: {
    type: 'string',
    settings: ['AWS_S3_URL_PROTOCOL'],
    default: 'https:',
    or: [null],
    check: (protocol: string) =>
      /^([a-z][a-z0-9+.-]*:)?$/i.test(protocol) ? undefined : 'must end in ":", such as https:',
    meaning: 'Scheme of custom domains; empty: //host.',
  },
  cloudfrontKeyId: {
    type: 'string',
    settings: ['AWS_CLOUDFRONT_KEY_ID'],
    meaning: 'Id of the public key with which CloudFront checks signed URLs of customDomain.',
  },
  cloudfrontKey: {
    type: 'string or object',
    settings: ['AWS_CLOUDFRONT_KEY'],
    meaning:
      'Its private key: PEM as text or bytes, the path of a file, or several keys by their ids. Needs cloudfrontKeyId.',
  },
  cloudfrontSigner: {
    type: 'function',
    or: [null],
    meaning:
      'Signs URLs of customDomain instead: (url, { expiresAt }) => string or its promise; null: nothing does.',
  },
  gzip: {
    type: 'boolean',
    settings: ['AWS_IS_GZIPPED'],
    default: false,
    meaning: 'Whether save compresses files of gzipContentTypes that have no Content-Encoding.',
  },
  gzipContentTypes: {
    type: 'strings',
    settings: ['GZIP_CONTENT_TYPES'],
    default: defaultGzipTypes,
    meaning: 'Content types that gzip compresses.',
  },
  contentEncodingFromName: {
    type: 'boolean',
    default: false,
    meaning: 'Content-Encoding by the suffix (.gz, .br …), as django-storages does.',
  },
  maxMemorySize: {
    type: 'integer',
    settings: ['AWS_S3_MAX_MEMORY_SIZE'],
    default: 0,
    check: (bytes: number) => (bytes < 0 ? 'must be a number of bytes, or 0' : undefined),
    meaning:
      'Bytes of an open file or an upload that are held in memory at most, from two parts of 5 MiB on for uploads; 0: 8 MiB to read, 48 MiB to write.',
  },
  transferConfig: {
    type: 'object',
    settings: ['AWS_S3_TRANSFER_CONFIG'],
    default: {},
    check: findTransferProblem,
    meaning: 'Part size, threshold and concurrency of uploads in parts.',
  },
  client: clientOption,
  maxNameLength: maxNameLengthOption,
}

/** Schema of a subclass that differs in its defaults. */
export function withDefaults(defaults: S3StorageOptions): OptionSchema<S3StorageOptions> {
  const changed: Record<string, OptionSpec> = { ...s3Schema }
  for (const [name, value] of Object.entries(defaults)) {
    const spec = changed[name]
    if (spec !== undefined) changed[name] = { ...spec, default: value }
  }
  return changed as OptionSchema<S3StorageOptions>
}

function findLocationProblem(location: string): string | undefined {
  const path = location.replace(/\/$/, '')
  if (location.startsWith('/'))
    return `cannot begin with a slash; use ${JSON.stringify(location.replace(/^\/+/, ''))} instead`
  if (path.split('/').some((segment, index) => segment === '' && (index > 0 || path !== '')))
    return 'contains "//"'
  if (/[\u0000-\u001f\u007f\\]/.test(path)) return 'contains a control character or a backslash'
  if (/(^|\/)\.\.?(\/|$)/.test(path)) return 'contains a "." or ".." segment'
  return undefined
}

function findHeadersProblem(headers: Record<string, unknown>): string | undefined {
  const odd = Object.keys(headers).find(name => typeof headers[name] !== 'string')
  return odd === undefined ? undefined : `needs a string for each header, also for "${odd}"`
}

function findTransferProblem(config: Record<string, unknown>): string | undefined {
  return findNumberProblem(config, defaultTransfer, name => (name === 'partSize' ? minPartSize : 1))
}

/** Members that there are not, and values below the least that makes sense. */
function findNumberProblem(
  config: Record<string, unknown>,
  known: object,
  least: (name: string) => number,
): string | undefined {
  for (const [name, value] of Object.entries(config)) {
    if (value === undefined) continue
    if (!Object.hasOwn(known, name))
      return `has no member "${name}" (${Object.keys(known).join(', ')})`
    if (!Number.isSafeInteger(value) || Number(value) < least(name))
      return `needs ${name} as a whole number of at least ${least(name)}`
  }
  return undefined
}

function findCertificateProblem(files: Record<string, unknown>): string | undefined {
  const { cert, key, ...others } = files
  const [other] = Object.keys(others)
  if (other !== undefined) return `has no member "${other}" (cert, key)`
  if (typeof cert === 'string' && typeof key === 'string') return undefined
  return 'needs cert and key, the paths of two files'
}

/** The value is not quoted: a proxy's URL may hold a password. */
function findProxyProblem(proxies: Record<string, unknown>): string | undefined {
  for (const [scheme, url] of Object.entries(proxies)) {
    if (url === undefined) continue
    if (scheme !== 'http' && scheme !== 'https') return `has no member "${scheme}" (http, https)`
    if (typeof url !== 'string' || !/^https?:/.test(proxyUrl(url) ?? ''))
      return `needs ${scheme} as the URL of a proxy, such as http://proxy.example.com:3128`
  }
  return undefined
}

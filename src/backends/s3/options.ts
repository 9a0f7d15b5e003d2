import type { OptionSchema, OptionSpec } from '../../core/options.ts'
import { fileOverwriteOption, maxNameLengthOption } from '../../core/storage-options.ts'
import { checkObjectParameters, type ObjectParameters } from './object-parameters.ts'

/** How a large object is cut into parts. Sizes in bytes. */
export interface TransferConfig {
  /** Size of a part, default 8 MiB, at least 5 MiB (S3's limit). Grows for very large files. */
  readonly partSize?: number | undefined
  /** Parts in flight at a time, default 4. */
  readonly concurrency?: number | undefined
  /** From this size on an object is uploaded in parts, default 8 MiB. */
  readonly multipartThreshold?: number | undefined
}

/** Options of `S3Storage`, in the camelCase of django-storages' own. */
export interface S3StorageOptions {
  readonly accessKey?: string | undefined
  readonly secretKey?: string | undefined
  readonly securityToken?: string | undefined
  readonly sessionProfile?: string | undefined
  readonly bucketName?: string | undefined
  readonly regionName?: string | undefined
  readonly endpointUrl?: string | undefined
  readonly addressingStyle?: 'auto' | 'virtual' | 'path' | null | undefined
  readonly signatureVersion?: 's3v4' | null | undefined
  readonly useSsl?: boolean | undefined
  readonly defaultAcl?: string | null | undefined
  readonly encryption?: boolean | undefined
  readonly objectParameters?: ObjectParameters | ((name: string) => ObjectParameters) | undefined
  readonly querystringAuth?: boolean | undefined
  readonly querystringExpire?: number | undefined
  readonly fileOverwrite?: boolean | undefined
  readonly location?: string | undefined
  readonly customDomain?: string | null | undefined
  readonly urlProtocol?: string | undefined
  readonly contentEncodingFromName?: boolean | undefined
  readonly transferConfig?: TransferConfig | undefined
  readonly maxNameLength?: number | undefined
}

/** S3's limit for the validity of a presigned URL, in seconds (SigV4: seven days). */
export const maxExpiry = 604_800
/** S3's least size of a part that is not the last. */
const minPartSize = 5 * 1024 * 1024

export const defaultTransfer: Required<{ [K in keyof TransferConfig]: number }> = {
  partSize: 8 * 1024 * 1024,
  concurrency: 4,
  multipartThreshold: 8 * 1024 * 1024,
}

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
      version === 's3v4' ? undefined : 'must be s3v4: this backend signs with version 4',
    meaning: 'Version of the signature.',
  },
  useSsl: {
    type: 'boolean',
    settings: ['AWS_S3_USE_SSL'],
    default: true,
    meaning: 'Scheme of requests and URLs where no endpointUrl says it.',
  },
  defaultAcl: {
    type: 'string',
    settings: ['AWS_DEFAULT_ACL'],
    or: [null],
    meaning: 'Canned ACL of everything that is written; none: no header is sent.',
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
      /^[^/\s?#@:]+(:\d+)?(\/[^\s?#]*[^/\s?#])?$/.test(domain)
        ? undefined
        : 'must be a host without scheme and final "/", such as cdn.example.com',
    meaning: 'Host of public URLs. Never used for requests.',
  },
  urlProtocol: {
    type: 'string',
    settings: ['AWS_S3_URL_PROTOCOL'],
    default: 'https:',
    check: (protocol: string) =>
      /^([a-z][a-z0-9+.-]*:)?$/i.test(protocol) ? undefined : 'must end in ":", such as https:',
    meaning: 'Scheme of custom domains; empty: //host.',
  },
  contentEncodingFromName: {
    type: 'boolean',
    default: false,
    meaning: 'Content-Encoding by the suffix (.gz, .br …), as django-storages does.',
  },
  transferConfig: {
    type: 'object',
    settings: ['AWS_S3_TRANSFER_CONFIG'],
    default: {},
    check: findTransferProblem,
    meaning: 'Part size, threshold and concurrency of uploads in parts.',
  },
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

/** @throws ImproperlyConfigured for wrong object parameters that are given as an object */
export function checkObjectParametersOption(options: S3StorageOptions): void {
  if (typeof options.objectParameters !== 'function')
    checkObjectParameters(options.objectParameters ?? {})
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

function findTransferProblem(config: Record<string, unknown>): string | undefined {
  for (const [name, value] of Object.entries(config)) {
    if (value === undefined) continue
    if (!Object.hasOwn(defaultTransfer, name))
      return `has no member "${name}" (partSize, concurrency, multipartThreshold)`
    const least = name === 'partSize' ? minPartSize : 1
    if (!Number.isSafeInteger(value) || Number(value) < least)
      return `needs ${name} as a whole number of at least ${least}`
  }
  return undefined
}

import type { OptionSpec } from '../../core/options.ts'

/** Services that a profile is known for; `generic` is any other. */
export type ProviderName =
  | 'aws'
  | 'r2'
  | 'minio'
  | 'ceph'
  | 'spaces'
  | 'b2'
  | 'wasabi'
  | 'tigris'
  | 'scaleway'
  | 'supabase'
  | 'gcs'
  | 'generic'

/** As `x-amz-checksum-…` spells it. */
export type ChecksumAlgorithm = 'crc32' | 'crc32c' | 'crc64nvme' | 'sha1' | 'sha256'

/**
 * What becomes of a condition on a write. `honoured`: may be relied upon. `ignored`: the write is
 * carried out all the same. `refused`: an error whether it holds or not, so never to be sent.
 * `unknown`: to be sent (it can only help), not to be relied upon.
 */
export type ConditionSupport = 'honoured' | 'ignored' | 'refused' | 'unknown'

/**
 * What becomes of `x-amz-acl` on a write. `bucket`: the bucket's settings decide whether it is
 * taken or refused. `ignored`: accepted without effect. `refused`: an error.
 */
export type AclSupport = 'honoured' | 'bucket' | 'ignored' | 'refused' | 'unknown'

/** What the sources of a profile are about. */
export type ProfileTopic =
  | 'acls'
  | 'checksums'
  | 'postPolicies'
  | 'conditions'
  | 'operations'
  | 'addressing'
  | 'regions'
  | 'limits'

/** What a service can and cannot, as far as a client has to know before it asks. */
export interface ProviderProfile {
  readonly name: ProviderName
  /** For texts. */
  readonly title: string
  readonly acls: AclSupport
  readonly checksums: {
    /**
     * Algorithms that may stand in `x-amz-checksum-…` of PutObject, the best first; none: the
     * service refuses the header, or what it does is unknown. Trailers are another matter, and
     * most services know none.
     */
    readonly put: readonly ChecksumAlgorithm[]
    /** For `x-amz-checksum-algorithm` of an upload in parts, then sent with each of them. */
    readonly composite: readonly ChecksumAlgorithm[]
    /** The same with `x-amz-checksum-type: FULL_OBJECT`. */
    readonly fullObject: readonly ChecksumAlgorithm[]
    /** Whether `x-amz-checksum-mode: ENABLED` may be sent with GET and HEAD, and is answered. */
    readonly returned: boolean
  }
  /** Whether a browser can upload with a signed policy (POST Object). */
  readonly postPolicies: 'yes' | 'no' | 'unknown'
  readonly conditions: {
    /** `If-None-Match: *` on PutObject. */
    readonly putIfNoneMatch: ConditionSupport
    /** `If-Match` on PutObject. */
    readonly putIfMatch: ConditionSupport
    /** `If-None-Match: *` on CompleteMultipartUpload. */
    readonly completeIfNoneMatch: ConditionSupport
    /** `If-Match` on CompleteMultipartUpload. */
    readonly completeIfMatch: ConditionSupport
    /** Whether the target of a copy may be required to be absent, by {@link copyHeader}. */
    readonly copyIfNoneMatch: ConditionSupport
    /** The header that says so, with the value `*`. */
    readonly copyHeader: string
    /** Whether `If-Match` of a write takes the entity tag in quotes (RFC 9110) or bare. */
    readonly quotedIfMatch: boolean
  }
  readonly operations: {
    readonly deleteObjects: boolean
    /**
     * What DeleteObjects wants beside the body: `md5` is Content-MD5; `any` takes
     * `x-amz-checksum-…` as well. Content-MD5 is right everywhere.
     */
    readonly deleteDigest: 'md5' | 'any'
    readonly listObjectsV2: boolean
    /** CopyObject and UploadPartCopy. */
    readonly copyObject: boolean
  }
  readonly addressing: {
    /** Where the bucket may stand. */
    readonly styles: readonly ('virtual' | 'path')[]
  }
  readonly regions: {
    /** What signatures name where neither options nor endpoint say a region. */
    readonly default: string
    /** Whether any region, or another name of it, is taken in a signature. */
    readonly lenient: boolean
  }
  readonly limits: ProviderLimits
  /** Where each claim comes from: an address, or {@link assumed} or what was measured. */
  readonly sources: Readonly<Record<ProfileTopic, string>>
}

/** In bytes where nothing else is said. */
export interface ProviderLimits {
  /** Of every part but the last. */
  readonly minPartSize: number
  readonly maxPartSize: number
  /** Number of parts in an upload. */
  readonly maxParts: number
  /** Whether all parts but the last have to be of one size. */
  readonly equalParts: boolean
  /** Of PutObject. */
  readonly maxPutSize: number
  /** Of CopyObject; above, copies go by parts. */
  readonly maxCopySize: number
  readonly maxKeyBytes: number
  /** Number of keys in a DeleteObjects. */
  readonly maxDeleteKeys: number
}

/** What chooses a profile. */
export interface ProfileOptions {
  readonly profile?: ProviderName | null | undefined
  readonly endpointUrl?: string | undefined
}

/**
 * The profile of a service: the named one, else the one that the host of the endpoint belongs to,
 * else `aws` without an endpoint and `generic` with an unknown one.
 */
export function profileOf(options: ProfileOptions): ProviderProfile {
  return profiles[options.profile ?? providerOf(options.endpointUrl)]
}

/**
 * The region that an endpoint names in its host, such as `eu-central-1` in
 * `s3.eu-central-1.wasabisys.com` or `fra1` in `fra1.digitaloceanspaces.com`.
 */
export function regionOfEndpoint(endpointUrl: string | undefined): string | undefined {
  const host = hostOf(endpointUrl)
  for (const { region } of hosts) {
    const found = region === undefined ? undefined : region.exec(host)?.[1]
    if (found !== undefined) return found
  }
  return undefined
}

/** Spec of the option `profile`. */
export const profileOption: OptionSpec = {
  type: 'string',
  settings: ['AWS_S3_SERVICE_PROFILE'],
  or: [null],
  check: (name: string) =>
    Object.hasOwn(profiles, name) ? undefined : `must be one of ${providerNames.join(', ')}`,
  meaning:
    'What kind of service the endpoint is, where its host does not tell: ceph, minio, r2 … (docs/providers.md).',
}

const mib = 1024 * 1024
const gib = 1024 * mib

/** Source of a claim about which the service says nothing: what is safe is assumed. */
const assumed = 'assumed'

/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html */
const s3Limits: ProviderLimits = {
  minPartSize: 5 * mib,
  maxPartSize: 5 * gib,
  maxParts: 10_000,
  equalParts: false,
  maxPutSize: 5 * gib,
  maxCopySize: 5 * gib,
  maxKeyBytes: 1024,
  maxDeleteKeys: 1000,
}

const noChecksums: ProviderProfile['checksums'] = {
  put: [],
  composite: [],
  fullObject: [],
  returned: false,
}

/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html */
const s3Checksums: ProviderProfile['checksums'] = {
  put: ['crc32', 'crc32c', 'crc64nvme', 'sha1', 'sha256'],
  composite: ['crc32', 'crc32c', 'sha1', 'sha256'],
  fullObject: ['crc32', 'crc32c', 'crc64nvme'],
  returned: true,
}

const unknownConditions: ProviderProfile['conditions'] = {
  putIfNoneMatch: 'unknown',
  putIfMatch: 'unknown',
  completeIfNoneMatch: 'unknown',
  completeIfMatch: 'unknown',
  copyIfNoneMatch: 'unknown',
  copyHeader: 'if-none-match',
  quotedIfMatch: true,
}

const s3Operations: ProviderProfile['operations'] = {
  deleteObjects: true,
  deleteDigest: 'md5',
  listObjectsV2: true,
  copyObject: true,
}

const bothStyles: ProviderProfile['addressing'] = { styles: ['virtual', 'path'] }

/** Every profile by its name: the source of docs/providers.md. */
export const profiles: Readonly<Record<ProviderName, ProviderProfile>> = {
  aws: {
    name: 'aws',
    title: 'Amazon S3',
    // Since April 2023 new buckets are owner-enforced and refuse the header.
    acls: 'bucket',
    checksums: s3Checksums,
    postPolicies: 'yes',
    conditions: {
      putIfNoneMatch: 'honoured',
      putIfMatch: 'honoured',
      completeIfNoneMatch: 'honoured',
      completeIfMatch: 'honoured',
      copyIfNoneMatch: 'honoured',
      copyHeader: 'if-none-match',
      quotedIfMatch: true,
    },
    operations: { ...s3Operations, deleteDigest: 'any' },
    addressing: bothStyles,
    regions: { default: 'us-east-1', lenient: false },
    limits: s3Limits,
    sources: {
      acls: 'https://docs.aws.amazon.com/AmazonS3/latest/userguide/about-object-ownership.html',
      checksums:
        'https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html',
      postPolicies: 'https://docs.aws.amazon.com/AmazonS3/latest/API/RESTObjectPOST.html',
      conditions: 'https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html',
      operations: 'https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html',
      addressing: 'https://docs.aws.amazon.com/AmazonS3/latest/userguide/VirtualHosting.html',
      regions: 'https://docs.aws.amazon.com/general/latest/gr/s3.html',
      limits: 'https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html',
    },
  },
  r2: {
    name: 'r2',
    title: 'Cloudflare R2',
    acls: 'refused',
    checksums: {
      put: ['crc32', 'crc32c', 'crc64nvme', 'sha1', 'sha256'],
      composite: ['crc32', 'crc32c', 'sha1', 'sha256'],
      fullObject: ['crc64nvme'],
      returned: true,
    },
    postPolicies: 'no',
    conditions: {
      ...unknownConditions,
      putIfNoneMatch: 'honoured',
      putIfMatch: 'honoured',
      copyIfNoneMatch: 'honoured',
      copyHeader: 'cf-copy-destination-if-none-match',
    },
    operations: s3Operations,
    addressing: bothStyles,
    regions: { default: 'auto', lenient: false },
    limits: { ...s3Limits, equalParts: true },
    sources: {
      acls: 'https://developers.cloudflare.com/r2/api/s3/api/',
      checksums: 'https://developers.cloudflare.com/r2/api/s3/api/',
      postPolicies: 'https://developers.cloudflare.com/r2/api/s3/presigned-urls/',
      conditions: 'https://developers.cloudflare.com/r2/api/s3/extensions/',
      operations: 'https://developers.cloudflare.com/r2/api/s3/api/',
      addressing: 'https://developers.cloudflare.com/r2/api/s3/presigned-urls/',
      regions: 'https://developers.cloudflare.com/r2/api/s3/api/#bucket-region',
      limits: 'https://developers.cloudflare.com/r2/objects/multipart-objects/',
    },
  },
  minio: {
    name: 'minio',
    title: 'MinIO',
    acls: 'ignored',
    checksums: s3Checksums,
    postPolicies: 'yes',
    conditions: {
      ...unknownConditions,
      putIfNoneMatch: 'honoured',
      putIfMatch: 'honoured',
    },
    operations: s3Operations,
    addressing: bothStyles,
    regions: { default: 'us-east-1', lenient: false },
    limits: s3Limits,
    sources: {
      acls: 'https://docs.min.io/enterprise/aistor-object-store/developers/s3-api-compatibility',
      checksums: 'https://github.com/minio/minio/pull/15433',
      postPolicies: 'https://github.com/minio/minio-js/blob/master/docs/API.md#presignedPostPolicy',
      conditions: 'https://github.com/minio/minio/pull/16551',
      operations:
        'https://docs.min.io/enterprise/aistor-object-store/developers/s3-api-compatibility',
      addressing:
        'https://docs.min.io/community/minio-object-store/reference/minio-server/settings/core.html',
      regions:
        'https://docs.min.io/community/minio-object-store/reference/minio-server/settings/core.html',
      limits:
        'https://docs.min.io/community/minio-object-store/operations/concepts/thresholds.html',
    },
  },
  ceph: {
    name: 'ceph',
    title: 'Ceph Object Gateway',
    acls: 'honoured',
    // Squid (19) verifies and returns them; before, the headers are passed over.
    checksums: s3Checksums,
    postPolicies: 'yes',
    conditions: {
      ...unknownConditions,
      putIfNoneMatch: 'honoured',
      putIfMatch: 'honoured',
      completeIfNoneMatch: 'ignored',
      completeIfMatch: 'ignored',
      copyIfNoneMatch: 'ignored',
      quotedIfMatch: false,
    },
    operations: s3Operations,
    addressing: bothStyles,
    regions: { default: 'us-east-1', lenient: true },
    limits: s3Limits,
    sources: {
      acls: 'https://docs.ceph.com/en/latest/radosgw/s3/',
      checksums: 'https://docs.ceph.com/en/latest/releases/squid/',
      postPolicies: 'https://docs.ceph.com/en/latest/radosgw/s3/objectops/#post-object',
      conditions: 'measured on Ceph 16.2 (test/ceph); https://tracker.ceph.com/issues/8562',
      operations: 'https://docs.ceph.com/en/latest/radosgw/s3/',
      addressing: 'https://docs.ceph.com/en/latest/radosgw/s3/commons/#bucket-and-host-name',
      regions: 'https://docs.ceph.com/en/latest/radosgw/multisite/',
      limits: 'https://docs.ceph.com/en/latest/radosgw/config-ref/',
    },
  },
  spaces: {
    name: 'spaces',
    title: 'DigitalOcean Spaces',
    acls: 'honoured',
    checksums: noChecksums,
    postPolicies: 'yes',
    conditions: {
      ...unknownConditions,
      putIfNoneMatch: 'honoured',
      putIfMatch: 'honoured',
      quotedIfMatch: false,
    },
    operations: s3Operations,
    addressing: bothStyles,
    regions: { default: 'us-east-1', lenient: true },
    limits: s3Limits,
    sources: {
      acls: 'https://docs.digitalocean.com/reference/api/spaces/',
      checksums: 'https://docs.digitalocean.com/reference/api/spaces-api/',
      postPolicies: 'https://docs.digitalocean.com/products/spaces/reference/s3-compatibility/',
      conditions: 'https://github.com/slatedb/slatedb/issues/1818',
      operations: 'https://docs.digitalocean.com/products/spaces/reference/s3-compatibility/',
      addressing: 'https://github.com/gordonmurray/firnflow/pull/30',
      regions: 'https://docs.digitalocean.com/reference/api/spaces/',
      limits: 'https://docs.digitalocean.com/products/spaces/details/limits/',
    },
  },
  b2: {
    name: 'b2',
    title: 'Backblaze B2',
    // Taken only where it says what the bucket is anyway.
    acls: 'bucket',
    checksums: noChecksums,
    postPolicies: 'no',
    conditions: {
      ...unknownConditions,
      putIfNoneMatch: 'refused',
      putIfMatch: 'refused',
      completeIfNoneMatch: 'refused',
      completeIfMatch: 'refused',
      copyIfNoneMatch: 'refused',
    },
    operations: s3Operations,
    addressing: bothStyles,
    regions: { default: 'us-west-004', lenient: false },
    limits: s3Limits,
    sources: {
      acls: 'https://www.backblaze.com/docs/cloud-storage-s3-compatible-api',
      checksums: 'https://www.backblaze.com/docs/cloud-storage-s3-compatible-api',
      postPolicies: 'https://www.backblaze.com/docs/cloud-storage-s3-compatible-api',
      conditions: 'https://github.com/sathinduga/obsidian-s3-sync-and-backup/pull/84',
      operations: 'https://www.backblaze.com/b2/docs/s3_compatible_api.html',
      addressing: 'https://www.backblaze.com/docs/cloud-storage-call-the-s3-compatible-api',
      regions: 'https://www.backblaze.com/docs/cloud-storage-call-the-s3-compatible-api',
      limits: 'https://www.backblaze.com/docs/cloud-storage-large-files',
    },
  },
  wasabi: {
    name: 'wasabi',
    title: 'Wasabi',
    acls: 'bucket',
    checksums: noChecksums,
    postPolicies: 'unknown',
    conditions: unknownConditions,
    operations: s3Operations,
    addressing: bothStyles,
    regions: { default: 'us-east-1', lenient: false },
    limits: s3Limits,
    sources: {
      acls: 'https://docs.wasabi.com/docs/operations-on-buckets',
      checksums: assumed,
      postPolicies: assumed,
      conditions: assumed,
      operations: 'https://docs.wasabi.com/docs/rest-api-introduction',
      addressing: 'https://docs.wasabi.com/docs/rest-api-introduction',
      regions:
        'https://docs.wasabi.com/docs/what-are-the-service-urls-for-wasabis-different-storage-regions',
      limits: assumed,
    },
  },
  tigris: {
    name: 'tigris',
    title: 'Tigris',
    acls: 'bucket',
    checksums: noChecksums,
    postPolicies: 'unknown',
    conditions: {
      ...unknownConditions,
      putIfNoneMatch: 'honoured',
      putIfMatch: 'honoured',
    },
    operations: s3Operations,
    addressing: bothStyles,
    regions: { default: 'auto', lenient: true },
    limits: s3Limits,
    sources: {
      acls: 'https://www.tigrisdata.com/docs/objects/acl/',
      checksums: assumed,
      postPolicies: assumed,
      conditions: 'https://www.tigrisdata.com/docs/objects/conditionals/',
      operations: 'https://www.tigrisdata.com/docs/api/s3/',
      addressing: 'https://www.tigrisdata.com/docs/sdks/s3/',
      regions: 'https://www.tigrisdata.com/docs/sdks/s3/',
      limits: 'https://www.tigrisdata.com/docs/api/s3/',
    },
  },
  scaleway: {
    name: 'scaleway',
    title: 'Scaleway',
    acls: 'honoured',
    checksums: noChecksums,
    postPolicies: 'yes',
    conditions: {
      ...unknownConditions,
      putIfNoneMatch: 'honoured',
      putIfMatch: 'honoured',
      copyIfNoneMatch: 'honoured',
    },
    operations: s3Operations,
    addressing: bothStyles,
    regions: { default: 'fr-par', lenient: false },
    limits: { ...s3Limits, maxParts: 1000 },
    sources: {
      acls: 'https://www.scaleway.com/en/docs/object-storage/api-cli/using-api-call-list/',
      checksums: assumed,
      postPolicies: 'https://www.scaleway.com/en/docs/object-storage/api-cli/post-object/',
      conditions:
        'https://www.scaleway.com/en/docs/object-storage/api-cli/using-conditional-writes/',
      operations: 'https://www.scaleway.com/en/docs/object-storage/api-cli/using-api-call-list/',
      addressing: 'https://www.scaleway.com/en/docs/faq/objectstorage/',
      regions: 'https://www.scaleway.com/en/docs/object-storage/concepts/#region',
      limits: 'https://www.scaleway.com/en/docs/object-storage/api-cli/multipart-uploads/',
    },
  },
  supabase: {
    name: 'supabase',
    title: 'Supabase Storage',
    acls: 'ignored',
    checksums: noChecksums,
    postPolicies: 'no',
    conditions: {
      ...unknownConditions,
      putIfNoneMatch: 'ignored',
      putIfMatch: 'ignored',
      completeIfNoneMatch: 'ignored',
      completeIfMatch: 'ignored',
      copyIfNoneMatch: 'ignored',
    },
    operations: s3Operations,
    addressing: { styles: ['path'] },
    regions: { default: 'us-east-1', lenient: false },
    limits: s3Limits,
    sources: {
      acls: 'https://supabase.com/docs/guides/storage/s3/compatibility',
      checksums: 'https://supabase.com/docs/guides/storage/s3/compatibility',
      postPolicies: 'https://supabase.com/docs/guides/storage/s3/compatibility',
      conditions: 'https://supabase.com/docs/guides/storage/s3/compatibility',
      operations: 'https://supabase.com/docs/guides/storage/s3/compatibility',
      addressing: 'https://supabase.com/docs/guides/storage/s3/authentication',
      regions: 'https://supabase.com/docs/guides/storage/s3/authentication',
      limits: 'https://github.com/supabase/storage/pull/716',
    },
  },
  gcs: {
    name: 'gcs',
    title: 'Google Cloud Storage',
    // Refused where the bucket has uniform access, the default of new ones.
    acls: 'bucket',
    // The header is refused (ExcessHeaderValues); x-goog-hash is another protocol's.
    checksums: noChecksums,
    postPolicies: 'no',
    conditions: {
      ...unknownConditions,
      putIfNoneMatch: 'ignored',
      putIfMatch: 'ignored',
      completeIfNoneMatch: 'ignored',
      completeIfMatch: 'ignored',
      copyIfNoneMatch: 'ignored',
    },
    operations: s3Operations,
    addressing: bothStyles,
    regions: { default: 'auto', lenient: true },
    limits: s3Limits,
    sources: {
      acls: 'https://cloud.google.com/storage/docs/uniform-bucket-level-access',
      checksums: 'https://github.com/milvus-io/milvus-storage/pull/480',
      postPolicies: 'https://cloud.google.com/storage/docs/xml-api/post-object-forms',
      conditions: 'https://github.com/gordonmurray/firnflow/issues/29',
      operations: 'https://docs.cloud.google.com/storage/docs/xml-api/post-bucket',
      addressing: 'https://cloud.google.com/storage/docs/request-endpoints',
      regions: 'https://cloud.google.com/storage/docs/aws-simple-migration',
      limits: 'https://cloud.google.com/storage/quotas',
    },
  },
  generic: {
    name: 'generic',
    title: 'any other service',
    acls: 'unknown',
    checksums: noChecksums,
    postPolicies: 'unknown',
    conditions: unknownConditions,
    operations: s3Operations,
    addressing: { styles: ['path'] },
    regions: { default: 'us-east-1', lenient: false },
    limits: s3Limits,
    sources: {
      acls: assumed,
      checksums: assumed,
      postPolicies: assumed,
      conditions: assumed,
      operations: assumed,
      addressing: assumed,
      regions: assumed,
      limits: assumed,
    },
  },
}

const providerNames: readonly string[] = Object.keys(profiles)

interface ProviderHosts {
  readonly name: ProviderName
  readonly host: RegExp
  /** Its first group is the region. */
  readonly region: RegExp | undefined
}

/** Hosts by which a service is known. MinIO's and Ceph's stand wherever their owners like. */
const hosts: readonly ProviderHosts[] = [
  {
    name: 'aws',
    host: /(?:^|\.)amazonaws\.(?:com(?:\.cn)?|eu)$/,
    region: /(?:^|\.)s3[.-](?:dualstack\.|fips\.|accesspoint\.)*([a-z]{2}(?:-[a-z]+)+-\d+)\./,
  },
  { name: 'r2', host: /\.r2\.cloudflarestorage\.com$/, region: undefined },
  { name: 'minio', host: /(?:^|\.)(?:play\.min\.io|minio\.io)$/, region: undefined },
  {
    name: 'spaces',
    host: /(?:^|\.)digitaloceanspaces\.com$/,
    region: /(?:^|\.)([a-z]{3}\d)\.digitaloceanspaces\.com$/,
  },
  {
    name: 'b2',
    host: /(?:^|\.)backblazeb2\.com$/,
    region: /(?:^|\.)s3\.([a-z0-9-]+)\.backblazeb2\.com$/,
  },
  {
    name: 'wasabi',
    host: /(?:^|\.)wasabisys\.com$/,
    region: /(?:^|\.)s3\.([a-z0-9-]+)\.wasabisys\.com$/,
  },
  { name: 'tigris', host: /(?:^|\.)(?:tigris\.dev|storage\.dev)$/, region: undefined },
  {
    name: 'scaleway',
    host: /(?:^|\.)scw\.cloud$/,
    region: /(?:^|\.)s3\.([a-z]{2}-[a-z]{3})\.scw\.cloud$/,
  },
  { name: 'supabase', host: /\.supabase\.(?:co|red|in)$/, region: undefined },
  { name: 'gcs', host: /(?:^|\.)storage\.googleapis\.com$/, region: undefined },
]

function providerOf(endpointUrl: string | undefined): ProviderName {
  if (endpointUrl === undefined) return 'aws'
  const host = hostOf(endpointUrl)
  return hosts.find(entry => entry.host.test(host))?.name ?? 'generic'
}

/** Empty where there is none; that the endpoint is no URL is told by who connects to it. */
function hostOf(endpointUrl: string | undefined): string {
  if (endpointUrl === undefined || !URL.canParse(endpointUrl)) return ''
  return new URL(endpointUrl).hostname
}

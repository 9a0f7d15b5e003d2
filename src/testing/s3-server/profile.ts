import type { ChecksumName } from './checksums.ts'

/** Whose behaviour a server shows. What each can is told in `docs/s3-server.md`. */
export type ProfileName = 'aws' | 'r2' | 'minimal'

/**
 * What a kind of server can and cannot.
 *
 * @internal
 */
export interface Profile {
  readonly name: ProfileName
  /** The region that a server has if it is told none. */
  readonly region: string
  /** Further regions that signatures may name. */
  readonly otherRegions: readonly string[]
  readonly acls: boolean
  readonly postObject: boolean
  readonly signatureV2: boolean
  readonly tagging: boolean
  readonly conditionalWrites: boolean
  readonly checksums: boolean
  /** What is computed for objects that come without a checksum. */
  readonly defaultChecksum: ChecksumName | undefined
  /** Checksums that can be made for an object as a whole when it comes in parts. */
  readonly fullObjectChecksums: readonly ChecksumName[]
  /** In front of `if-match` and `if-none-match` where they are about a copy's target. */
  readonly copyConditionPrefix: string
  /** Objects are encrypted, and say so, without being asked to. */
  readonly encrypted: boolean
  /** A LocationConstraint is checked against the region. */
  readonly strictLocation: boolean
  /** All parts of an upload but the last have the same size. */
  readonly equalParts: boolean
}

const CRCS: readonly ChecksumName[] = ['crc32', 'crc32c', 'crc64nvme']

const PROFILES: Record<ProfileName, Profile> = {
  aws: {
    name: 'aws',
    region: 'us-east-1',
    otherRegions: [],
    acls: true,
    postObject: true,
    signatureV2: true,
    tagging: true,
    conditionalWrites: true,
    checksums: true,
    // https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html
    defaultChecksum: 'crc64nvme',
    fullObjectChecksums: CRCS,
    copyConditionPrefix: '',
    encrypted: true,
    strictLocation: true,
    equalParts: false,
  },
  // https://developers.cloudflare.com/r2/api/s3/api/
  r2: {
    name: 'r2',
    region: 'auto',
    otherRegions: ['us-east-1'],
    acls: false,
    postObject: false,
    signatureV2: false,
    tagging: false,
    conditionalWrites: true,
    checksums: true,
    defaultChecksum: undefined,
    fullObjectChecksums: ['crc64nvme'],
    // https://developers.cloudflare.com/r2/api/s3/extensions/
    copyConditionPrefix: 'cf-copy-destination-',
    encrypted: false,
    strictLocation: false,
    equalParts: true,
  },
  minimal: {
    name: 'minimal',
    region: 'us-east-1',
    otherRegions: [],
    acls: true,
    postObject: true,
    signatureV2: true,
    tagging: false,
    conditionalWrites: false,
    checksums: false,
    defaultChecksum: undefined,
    fullObjectChecksums: [],
    copyConditionPrefix: '',
    encrypted: false,
    strictLocation: false,
    equalParts: false,
  },
}

/**
 * The profile of that name.
 *
 * @internal
 */
export function profileNamed(name: ProfileName): Profile {
  return PROFILES[name]
}

/** Whether there is a profile of that name. */
export function isProfileName(name: string): name is ProfileName {
  return Object.hasOwn(PROFILES, name)
}

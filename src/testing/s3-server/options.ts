import { isHistoricalBucketName } from './bucket-name.ts'
import { type Ownership, parseOwnership } from './ownership.ts'
import { isProfileName, type ProfileName } from './profile.ts'

/** A further owner of buckets and objects. */
export interface S3ServerAccount {
  accessKey: string
  secretKey: string
  /** Canonical user id, and display name. */
  id: string
  email?: string | undefined
  /** Temporary credentials: every request has to carry it as `x-amz-security-token`. */
  sessionToken?: string | undefined
}

/** How an `S3Server` starts. */
export interface S3ServerOptions {
  /** Default 0: any free port. */
  port?: number | undefined
  /** Buckets that are there from the start. Default none. */
  buckets?: string[] | undefined
  accessKey?: string | undefined
  secretKey?: string | undefined
  /** Canonical id of the owner, and its display name. Default `test`. */
  id?: string | undefined
  email?: string | undefined
  /** Default `us-east-1`; `auto` under the profile `r2`. */
  region?: string | undefined
  /** Whose behaviour the server shows. Default `aws`. */
  profile?: ProfileName | undefined
  /**
   * Of all buckets that are made without one. Default `ObjectWriter`, so that ACLs work; AWS makes
   * `BucketOwnerEnforced` ones since April 2023, where every ACL header is refused.
   */
  objectOwnership?: Ownership | undefined
  accounts?: S3ServerAccount[] | undefined
  /** A folder for what is stored, also over a restart. Default: memory. */
  dataDir?: string | undefined
  /** The server's clock. Default: the machine's. */
  now?: (() => Date) | undefined
}

type Check = (value: unknown) => boolean

const CHECKS: Readonly<Record<keyof S3ServerOptions, readonly [Check, string]>> = {
  port: [isPort, 'an integer from 0 to 65535'],
  buckets: [isBucketList, 'an array of bucket names'],
  accessKey: [isText, 'a string that is not empty'],
  secretKey: [isText, 'a string that is not empty'],
  id: [isText, 'a string that is not empty'],
  email: [isText, 'a string that is not empty'],
  region: [isText, 'a string that is not empty'],
  profile: [value => typeof value === 'string' && isProfileName(value), "'aws', 'r2' or 'minimal'"],
  objectOwnership: [
    value => typeof value === 'string' && parseOwnership(value) !== undefined,
    "'ObjectWriter', 'BucketOwnerPreferred' or 'BucketOwnerEnforced'",
  ],
  accounts: [isAccountList, 'an array of { accessKey, secretKey, id, email?, sessionToken? }'],
  dataDir: [isText, 'a path'],
  now: [value => typeof value === 'function', 'a function that returns a Date'],
}

/** @throws TypeError naming the option that is unknown or of a wrong type */
export function checkOptions(options: S3ServerOptions): void {
  for (const [name, value] of Object.entries(options)) {
    if (!Object.hasOwn(CHECKS, name)) throw new TypeError(`S3Server has no option '${name}'`)
    const [check, expected] = CHECKS[name as keyof S3ServerOptions]
    if (value !== undefined && !check(value)) {
      throw new TypeError(`S3Server option '${name}' must be ${expected}`)
    }
  }
}

function isText(value: unknown): boolean {
  return typeof value === 'string' && value !== ''
}

function isPort(value: unknown): boolean {
  return Number.isInteger(value) && Number(value) >= 0 && Number(value) <= 65_535
}

function isBucketList(value: unknown): boolean {
  return (
    Array.isArray(value) &&
    value.every(name => typeof name === 'string' && isHistoricalBucketName(name))
  )
}

function isAccountList(value: unknown): boolean {
  return Array.isArray(value) && value.every(isAccount)
}

function isAccount(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  const fields = new Map<string, unknown>(Object.entries(value))
  const known = ['accessKey', 'secretKey', 'id', 'email', 'sessionToken']
  return [...fields.keys(), 'accessKey', 'secretKey', 'id'].every(name => {
    const field = fields.get(name)
    const optional = name === 'email' || name === 'sessionToken'
    return known.includes(name) && (isText(field) || (optional && field === undefined))
  })
}

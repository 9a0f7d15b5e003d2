import { adviceOn, problemOf } from './advice.ts'
import type { Findings, Step } from './diagnosis.ts'

/** What an S3 service is asked besides what any storage is asked. */
export interface ServiceChecks {
  /** Credentials, clock, region and bucket: whether anything else can be looked at. */
  access(): Promise<boolean>
  /** Whether ACLs are taken, against whether the storage sends one. */
  acl(): Promise<void>
  cors(): Promise<void>
  /** What the service makes of conditions, against what its profile says. */
  conditions(name: string): Promise<void>
  /** Whether a file can be uploaded in parts. */
  multipart(name: string): Promise<void>
  /** Uploads that were left unfinished. */
  uploads(): Promise<void>
  /** Whether anybody can read a file without a signature. */
  public(name: string): Promise<void>
  /** Removes what the checks left. To be called in any case. */
  remove(signal: AbortSignal): Promise<void>
}

/** Uploads that are younger may be under way; in milliseconds. */
export const oldUpload: number = 24 * 60 * 60_000

/** Codes of S3 for another region than the bucket's. */
export const regionCodes: ReadonlySet<string> = new Set([
  'AuthorizationHeaderMalformed',
  'PermanentRedirect',
  'TemporaryRedirect',
  'IllegalLocationConstraintException',
])

/** Codes of S3 for keys that it does not take. */
export const keyCodes: ReadonlySet<string> = new Set([
  'InvalidAccessKeyId',
  'SignatureDoesNotMatch',
  'InvalidToken',
  'ExpiredToken',
  'TokenRefreshRequired',
  'AccountProblem',
  'NotSignedUp',
])

/** Runs a check; what it throws is a finding. */
export async function runCheck(
  { findings, signal }: { readonly findings: Findings; readonly signal: AbortSignal },
  step: Step,
  permission: string,
  work: () => Promise<void>,
): Promise<void> {
  try {
    await work()
  } catch (error) {
    signal.throwIfAborted()
    findings.fail(step, problemOf(error), adviceOn(error, permission))
  }
}

/** @param old uploads that are older than {@link oldUpload} */
export function tellUploads(findings: Findings, old: number): void {
  if (old === 0) {
    findings.ok('uploads', 'No upload was left unfinished for more than a day.')
    return
  }
  const [were, cost] = old === 1 ? [' was', 'costs'] : ['s were', 'cost']
  findings.warn(
    'uploads',
    `${old} upload${were} left unfinished for more than a day, and ${cost} storage.`,
    'Run `stowage cleanup-uploads`, or set a lifecycle rule (AbortIncompleteMultipartUpload).',
  )
}

/** @param status of a file's plain URL */
export function tellPrivate(findings: Findings, status: number): void {
  findings.ok('public', `Files are private (status ${status} without a signature).`)
}

export function tellPublic(findings: Findings): void {
  findings.warn(
    'public',
    'Anybody who knows their names can read files as they are stored here.',
    'Right for static assets. Else take the public ACL ("defaultAcl") or the policy of the bucket away.',
  )
}

export function tellForbiddenListing(findings: Findings, bucketName: string): void {
  findings.warn(
    'bucket',
    `The keys may not list the bucket "${bucketName}", if there is one.`,
    'Allow s3:ListBucket: without it a missing file cannot be told from a forbidden one.',
  )
}

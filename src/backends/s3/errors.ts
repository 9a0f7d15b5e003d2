import {
  FileExistsError,
  FileNotFoundError,
  FileTooLargeError,
  ImproperlyConfigured,
  IntegrityError,
  PermissionDeniedError,
  PreconditionFailedError,
  StorageError,
  SuspiciousFileOperation,
  UnavailableError,
  UnsupportedError,
  ValidationError,
} from '../../core/errors.ts'
import { type Holder, remedy } from './remedy.ts'

/** An answer that is no success, as far as it said something. */
export interface ErrorAnswer {
  readonly status: number
  readonly method: string
  readonly code: string | undefined
  readonly message: string | undefined
  /** Region that the service names. */
  readonly region: string | undefined
  readonly requestId: string | undefined
  readonly retryAfter: string | undefined
  readonly bucketName: string
  /** Times that the request was made, where that is known; default 1. */
  readonly attempts?: number | undefined
  /** Who holds keys, region and endpoint; default the options. */
  readonly holder?: Holder | undefined
  /** What an SDK made of the answer; default an error with status, code and request id. */
  readonly cause?: Error | undefined
}

/** What a bare 404 says is missing. */
export type ErrorSubject = 'object' | 'bucket' | 'upload'

/**
 * The error of an answer, by kind
 * (https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html): by its code, and by its
 * status where the code says nothing. S3's own text is only quoted where it can hold no secret, and
 * without whatever looks like one.
 *
 * Worth another try (`retryable`) are overload, failure inside the service, and
 * `OperationAborted`. `ConditionalRequestConflict` is not: another write or delete of the key was
 * under way, and whichever won, the condition of this one was about what stood there before.
 */
export function s3Error(answer: ErrorAnswer, subject: ErrorSubject): StorageError {
  const code = plain(answer.code, /^[A-Za-z][\w.-]{0,63}$/)
  const make = kinds.get(code) ?? kindOfStatus(answer.status, code, subject)
  return make({ ...answer, code })
}

/** Whether an error about the region names that setting. */
export function isRegionHolder(setting: string | undefined): boolean {
  return setting === 'regionName' || setting === 'client'
}

/** Whether S3 has that code: then it is no secret that a service repeats. */
export function isKnownCode(code: string): boolean {
  return kinds.has(code)
}

/** For `catch`: nothing of a missing file. */
export function unlessMissing(error: unknown): undefined {
  if (!(error instanceof FileNotFoundError)) throw error
  return undefined
}

type Explained = ErrorAnswer & { readonly code: string }
type MakeError = (answer: Explained) => StorageError

/** Answers to HEAD have no document, those of proxies another one, and new codes come up. */
function kindOfStatus(status: number, code: string, subject: ErrorSubject): MakeError {
  if (status === 404) return missingBy[subject]
  if (status === 409 && code === '') return unavailable
  if (status === 400 && code === '') return unexplained
  return statuses[status] ?? (status >= 500 ? unavailable : other)
}

const missing: MakeError = answer =>
  new FileNotFoundError('There is no such object.', causeOf(answer))

const missingUpload: MakeError = answer =>
  new FileNotFoundError('There is no such multipart upload.', causeOf(answer))

const missingBucket: MakeError = answer =>
  new ImproperlyConfigured(
    `There is no bucket "${answer.bucketName}": ${remedy('check "bucketName", "endpointUrl" and "regionName", or set "autoCreateBucket"', answer.holder)}.`,
    { setting: 'bucketName', ...causeOf(answer) },
  )

const missingBy: Readonly<Record<ErrorSubject, MakeError>> = {
  object: missing,
  upload: missingUpload,
  bucket: missingBucket,
}

const badBucketName: MakeError = answer =>
  new ImproperlyConfigured(`"${answer.bucketName}" is no name for a bucket: check "bucketName".`, {
    setting: 'bucketName',
    ...causeOf(answer),
  })

const foreignBucket: MakeError = answer =>
  new ImproperlyConfigured(
    `The bucket "${answer.bucketName}" belongs to somebody else: choose another "bucketName".`,
    { setting: 'bucketName', ...causeOf(answer) },
  )

const regionSetting = '"regionName" (AWS_S3_REGION_NAME)'

function regionHolder({ holder }: ErrorAnswer): string {
  return holder === 'client' ? 'client' : 'regionName'
}

const wrongRegion: MakeError = answer => {
  const region = regionOf(answer)
  return new ImproperlyConfigured(
    `The bucket "${answer.bucketName}" is in ${region === '' ? 'another region' : `region ${region}`}: set ${remedy(regionSetting, answer.holder)}.`,
    { setting: regionHolder(answer), ...causeOf(answer) },
  )
}

const unknownRegion: MakeError = answer =>
  new ImproperlyConfigured(
    `The service makes no bucket "${answer.bucketName}" in its region: set ${remedy(regionSetting, answer.holder)} to another one.`,
    { setting: regionHolder(answer), ...causeOf(answer) },
  )

/** S3 names the region that it expects; without one it is the header itself that is wrong. */
const wrongAuthorization: MakeError = answer =>
  (regionOf(answer) === '' ? badAuthorization : wrongRegion)(answer)

function denied(what: string): MakeError {
  return answer =>
    new PermissionDeniedError(
      `The service refused access to bucket "${answer.bucketName}": ${remedy(what, answer.holder)}.`,
      causeOf(answer),
    )
}

/** What to look at first. */
const keys = 'check "accessKey" and "secretKey"'

const badAuthorization = denied(`it cannot read the authorization; ${keys} and "regionName"`)

const forbidden = denied(`the keys are wrong, or their permissions do not allow it; ${keys}`)

const expired = denied(
  'the session token has expired; renew "accessKey", "secretKey" and "securityToken" together',
)

const conflict: MakeError = answer =>
  new PreconditionFailedError(
    'The condition of the request does not hold (another file is there, or another version).',
    causeOf(answer),
  )

const occupied: MakeError = answer =>
  new FileExistsError(
    'A parent of the name is a file, or the name is a folder of others.',
    causeOf(answer),
  )

const broken: MakeError = answer =>
  new IntegrityError(
    `The service received other bytes than were sent (${nameOf(answer)}).`,
    causeOf(answer),
  )

const tooLarge: MakeError = answer =>
  new FileTooLargeError(
    `The content is larger than the service takes (${nameOf(answer)}).`,
    causeOf(answer),
  )

const tooMuchMetadata: MakeError = answer =>
  new ValidationError('The metadata is larger than the service takes (2 KB).', causeOf(answer))

const tooLong: MakeError = answer =>
  new SuspiciousFileOperation('The name is longer than S3 takes (1,024 bytes).', causeOf(answer))

const badName: MakeError = answer =>
  new SuspiciousFileOperation('The service does not take this name.', causeOf(answer))

const outOfRange: MakeError = answer =>
  new StorageError('The range lies behind the end of the object.', causeOf(answer))

const unsupported: MakeError = answer =>
  new UnsupportedError(
    `The service does not support this (${nameOf(answer)}${quoted(answer)}).`,
    causeOf(answer),
  )

const noAcls: MakeError = answer =>
  new ImproperlyConfigured(
    `The bucket "${answer.bucketName}" takes no ACLs (the default on AWS today): set "defaultAcl" (AWS_DEFAULT_ACL) to null, and give no "acl", nor ACL or grants in "objectParameters".`,
    { setting: 'defaultAcl', ...causeOf(answer) },
  )

const noBucketAcl: MakeError = answer =>
  new ImproperlyConfigured(
    `The service makes no bucket "${answer.bucketName}" with an ACL: set "bucketAcl" (AWS_BUCKET_ACL) to null.`,
    { setting: 'bucketAcl', ...causeOf(answer) },
  )

const unavailable: MakeError = answer =>
  new UnavailableError(`The service is not available (${nameOf(answer)})${timesOf(answer)}.`, {
    attempts: answer.attempts ?? 1,
    retryAfter: secondsOf(answer.retryAfter),
    ...causeOf(answer),
  })

const other: MakeError = answer =>
  new StorageError(
    `The service refused the request (${nameOf(answer)}${quoted(answer)}).`,
    causeOf(answer),
  )

/** An answer to HEAD has no document. What it is about most often is said, and the region. */
const unexplained: MakeError = answer => {
  const region = regionOf(answer)
  const place = region === '' ? '' : ` (the bucket is in ${region})`
  const what = 'check "accessKey", "secretKey" and "securityToken", and "regionName"'
  return new StorageError(
    `The service refused the request (${nameOf(answer)}) and did not say why: ${remedy(what, answer.holder)}${place}.`,
    causeOf(answer),
  )
}

/** A map, since a service's code may be the name of a member that every object has. */
const kinds: ReadonlyMap<string, MakeError> = new Map<string, MakeError>([
  ['NoSuchKey', missing],
  ['NoSuchVersion', missing],
  ['NoSuchUpload', missingUpload],
  ['NoSuchBucket', missingBucket],
  ['InvalidBucketName', badBucketName],
  ['BucketAlreadyExists', foreignBucket],
  ['PermanentRedirect', wrongRegion],
  ['TemporaryRedirect', wrongRegion],
  ['IllegalLocationConstraintException', wrongRegion],
  ['InvalidLocationConstraint', unknownRegion],
  ['InvalidBucketAclWithObjectOwnership', noBucketAcl],
  ['AuthorizationHeaderMalformed', wrongAuthorization],
  ['AccessDenied', denied('its policy or the permissions of the key do not allow it')],
  ['AllAccessDisabled', denied('all access is disabled')],
  ['AccountProblem', denied('there is a problem with the account')],
  ['InvalidAccessKeyId', denied('the access key is unknown; check "accessKey"')],
  ['SignatureDoesNotMatch', denied(`the signature is wrong; ${keys}`)],
  ['InvalidToken', denied('the session token is wrong; check "securityToken"')],
  ['ExpiredToken', expired],
  ['TokenRefreshRequired', expired],
  ['RequestTimeTooSkewed', denied('the clock of this machine is more than 15 minutes off; set it')],
  ['RequestExpired', denied('the request came too late; check the clock of this machine')],
  ['InvalidObjectState', denied('the object is archived, and has to be restored first')],
  ['QuotaExceeded', denied('its quota is used up')],
  ['PreconditionFailed', conflict],
  ['ConditionalRequestConflict', conflict],
  ['XMinioParentIsObject', occupied],
  ['XMinioObjectExistsAsDirectory', occupied],
  ['BadDigest', broken],
  ['InvalidDigest', broken],
  ['IncompleteBody', broken],
  ['XAmzContentSHA256Mismatch', broken],
  ['XAmzContentChecksumMismatch', broken],
  ['EntityTooLarge', tooLarge],
  ['MetadataTooLarge', tooMuchMetadata],
  ['KeyTooLongError', tooLong],
  ['KeyTooLong', tooLong],
  ['InvalidObjectName', badName],
  ['XMinioInvalidObjectName', badName],
  ['InvalidRange', outOfRange],
  ['NotImplemented', unsupported],
  ['MethodNotAllowed', unsupported],
  ['AccessControlListNotSupported', noAcls],
  ['InternalError', unavailable],
  ['ServiceUnavailable', unavailable],
  ['SlowDown', unavailable],
  ['RequestTimeout', unavailable],
  ['OperationAborted', unavailable],
])

const statuses: Readonly<Record<number, MakeError | undefined>> = {
  301: wrongRegion,
  307: wrongRegion,
  308: wrongRegion,
  401: forbidden,
  403: forbidden,
  405: unsupported,
  408: unavailable,
  412: conflict,
  413: tooLarge,
  416: outOfRange,
  429: unavailable,
  501: unsupported,
}

/** Status, code and request id, for whoever has to ask the service's support. */
function causeOf(answer: Explained): { cause: Error } {
  if (answer.cause !== undefined) return { cause: answer.cause }
  const id = plain(answer.requestId, /^[\w.:/+=-]{1,100}$/)
  return { cause: new Error(`S3 answered ${nameOf(answer)}${id === '' ? '' : `, request ${id}`}`) }
}

/** An error within the answer to a bulk deletion has no status of its own. */
function nameOf({ status, code }: Explained): string {
  return [status === 0 ? '' : String(status), code].filter(part => part !== '').join(' ')
}

function timesOf({ attempts = 1 }: Explained): string {
  return attempts === 1 ? '' : `, after ${attempts} attempts`
}

function regionOf({ region }: ErrorAnswer): string {
  return plain(region, /^[a-z0-9][a-z0-9-]{0,39}$/i)
}

/** What an answer says, where it has the form that it should have, else nothing. */
function plain(text: string | undefined, form: RegExp): string {
  return text !== undefined && form.test(text) ? text : ''
}

/** S3's message on one line, without secrets, and cut. */
function quoted({ message = '' }: Explained): string {
  const text = withoutSecrets(message.replaceAll(/[\s\u0000-\u001f\u007f]+/g, ' ').trim())
  return text === '' ? '' : `: ${text.slice(0, 200)}`
}

/** Messages may repeat the request: its key id, credential, signature, token, or what was signed. */
export function withoutSecrets(message: string): string {
  return message
    .replaceAll(
      /(signature|credential|token|secret|authorization|policy)(["']?\s*[=:]\s*).*/gi,
      '$1$2…',
    )
    .replaceAll(/\b(A[A-Z]{3})[A-Z0-9]{12,}/g, '$1…')
    .replaceAll(/[A-Za-z0-9+/=_%-]{27,}/g, '…')
}

/** Both forms of Retry-After (RFC 9110, section 10.2.3), in seconds. */
function secondsOf(retryAfter: string | undefined): number | undefined {
  if (retryAfter === undefined) return undefined
  if (/^\s*\d+\s*$/.test(retryAfter)) return Number(retryAfter)
  const time = Date.parse(retryAfter)
  return Number.isNaN(time) ? undefined : Math.max(0, Math.ceil((time - Date.now()) / 1000))
}

import {
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
} from '../../core/errors.ts'

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
}

/** What a bare 404 says is missing. */
export type ErrorSubject = 'object' | 'bucket' | 'upload'

/**
 * The error of an answer, by kind
 * (https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html). S3's own text is only
 * quoted where it cannot hold a signature or a key.
 */
export function s3Error(answer: ErrorAnswer, subject: ErrorSubject): StorageError {
  const code =
    answer.code === undefined || answer.code === '' ? codeOfStatus(answer, subject) : answer.code
  const make = kinds[code] ?? (answer.status >= 500 ? unavailable : other)
  return make({ ...answer, code })
}

type Explained = ErrorAnswer & { readonly code: string }
type MakeError = (answer: Explained) => StorageError

/** What a status without a document means: answers to HEAD have none. */
function codeOfStatus({ status }: ErrorAnswer, subject: ErrorSubject): string {
  if (status === 404)
    return subject === 'bucket'
      ? 'NoSuchBucket'
      : subject === 'upload'
        ? 'NoSuchUpload'
        : 'NoSuchKey'
  return statusCodes[status] ?? ''
}

const statusCodes: Readonly<Record<number, string | undefined>> = {
  301: 'PermanentRedirect',
  307: 'TemporaryRedirect',
  308: 'PermanentRedirect',
  401: 'Forbidden',
  403: 'Forbidden',
  409: 'OperationAborted',
  411: 'MissingContentLength',
  412: 'PreconditionFailed',
  416: 'InvalidRange',
  429: 'SlowDown',
  501: 'NotImplemented',
}

const missing: MakeError = answer =>
  new FileNotFoundError('There is no such object.', causeOf(answer))
const missingUpload: MakeError = answer =>
  new FileNotFoundError('There is no such multipart upload.', causeOf(answer))

const missingBucket: MakeError = answer =>
  new ImproperlyConfigured(
    `There is no bucket "${answer.bucketName}": check "bucketName", "endpointUrl" and "regionName".`,
    {
      setting: 'bucketName',
      ...causeOf(answer),
    },
  )

const wrongRegion: MakeError = answer =>
  new ImproperlyConfigured(
    `The bucket "${answer.bucketName}" is in ${answer.region === undefined ? 'another region' : `region ${answer.region}`}: set "regionName" (AWS_S3_REGION_NAME).`,
    { setting: 'regionName', ...causeOf(answer) },
  )

const badBucketName: MakeError = answer =>
  new ImproperlyConfigured(`"${answer.bucketName}" is no name for a bucket: check "bucketName".`, {
    setting: 'bucketName',
    ...causeOf(answer),
  })

function denied(what: string): MakeError {
  return answer =>
    new PermissionDeniedError(
      `The service refused access to bucket "${answer.bucketName}": ${what}.`,
      causeOf(answer),
    )
}

const conflict: MakeError = answer =>
  new PreconditionFailedError(
    'The condition of the write does not hold (another file is there, or another version).',
    causeOf(answer),
  )

const broken: MakeError = answer =>
  new IntegrityError(
    `The service received other bytes than were sent (${answer.code}).`,
    causeOf(answer),
  )

const tooLarge: MakeError = answer =>
  new FileTooLargeError(
    `The content is larger than the service takes (${answer.code}).`,
    causeOf(answer),
  )

const tooLong: MakeError = answer =>
  new SuspiciousFileOperation('The name is longer than S3 takes.', causeOf(answer))

const unsupported: MakeError = answer =>
  new UnsupportedError(
    `The service does not support this (${answer.code}${quoted(answer)}).`,
    causeOf(answer),
  )

const noAcls: MakeError = answer =>
  new ImproperlyConfigured(
    `The bucket "${answer.bucketName}" takes no ACLs (the default on AWS today): set "defaultAcl" (AWS_DEFAULT_ACL) to null, and give no "acl".`,
    { setting: 'defaultAcl', ...causeOf(answer) },
  )

const unavailable: MakeError = answer =>
  new UnavailableError(`The service is not available (${nameOf(answer)}).`, {
    attempts: 1,
    retryAfter: secondsOf(answer.retryAfter),
    ...causeOf(answer),
  })

const other: MakeError = answer =>
  new StorageError(
    `The service refused the request (${nameOf(answer)}${quoted(answer)}).`,
    causeOf(answer),
  )

/** What to look at first. */
const keys = 'check "accessKey" and "secretKey"'

const kinds: Readonly<Record<string, MakeError | undefined>> = {
  NoSuchKey: missing,
  NoSuchVersion: missing,
  NoSuchUpload: missingUpload,
  NoSuchBucket: missingBucket,
  InvalidBucketName: badBucketName,
  PermanentRedirect: wrongRegion,
  TemporaryRedirect: wrongRegion,
  AuthorizationHeaderMalformed: wrongRegion,
  IllegalLocationConstraintException: wrongRegion,
  AccessDenied: denied('its policy or the permissions of the key do not allow it'),
  Forbidden: denied(`the keys are wrong, or their permissions do not allow it; ${keys}`),
  AllAccessDisabled: denied('all access is disabled'),
  AccountProblem: denied('there is a problem with the account'),
  InvalidAccessKeyId: denied('the access key is unknown; check "accessKey"'),
  SignatureDoesNotMatch: denied(`the signature is wrong; ${keys}`),
  InvalidToken: denied('the session token is wrong; check "securityToken"'),
  ExpiredToken: denied(
    'the session token has expired; renew "accessKey", "secretKey" and "securityToken" together',
  ),
  TokenRefreshRequired: denied('the session token has expired; renew it'),
  RequestTimeTooSkewed: denied('the clock of this machine is more than 15 minutes off; set it'),
  RequestExpired: denied('the request came too late; check the clock of this machine'),
  PreconditionFailed: conflict,
  // Another write or delete of the same key was under way: neither happened.
  ConditionalRequestConflict: conflict,
  BadDigest: broken,
  InvalidDigest: broken,
  IncompleteBody: broken,
  XAmzContentSHA256Mismatch: broken,
  XAmzContentChecksumMismatch: broken,
  EntityTooLarge: tooLarge,
  KeyTooLongError: tooLong,
  InvalidObjectName: tooLong,
  NotImplemented: unsupported,
  MethodNotAllowed: unsupported,
  AccessControlListNotSupported: noAcls,
  InternalError: unavailable,
  ServiceUnavailable: unavailable,
  SlowDown: unavailable,
  RequestTimeout: unavailable,
  OperationAborted: unavailable,
}

/** The code and the request id, for whoever has to ask the service's support. */
function causeOf({ code, status, requestId }: Explained): { cause: Error } {
  const id = requestId === undefined || requestId === '' ? '' : `, request ${requestId}`
  return { cause: new Error(`S3 answered ${status} ${code}${id}`) }
}

function nameOf({ status, code }: Explained): string {
  return [status === 0 ? '' : String(status), code].filter(part => part !== '').join(' ')
}

/** S3's message, on one line and cut; not that of codes whose text may echo a request. */
function quoted({ message }: Explained): string {
  if (message === undefined || message === '') return ''
  return `: ${message.replaceAll(/\s+/g, ' ').slice(0, 200)}`
}

/** Both forms of Retry-After (RFC 9110, section 10.2.3), in seconds. */
function secondsOf(retryAfter: string | undefined): number | undefined {
  if (retryAfter === undefined) return undefined
  if (/^\d+$/.test(retryAfter)) return Number(retryAfter)
  const time = Date.parse(retryAfter)
  return Number.isNaN(time) ? undefined : Math.max(0, Math.ceil((time - Date.now()) / 1000))
}

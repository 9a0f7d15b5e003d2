import {
  ImproperlyConfigured,
  IntegrityError,
  type StorageError,
  UnavailableError,
} from '../../../core/errors.ts'
import { type ErrorSubject, isKnownCode, s3Error, withoutSecrets } from '../errors.ts'
import { isDistrust, networkReasons } from '../network-reasons.ts'
import { type Holder, remedy } from '../remedy.ts'

/** What an SDK's error says, whichever SDK's it is. */
export interface SdkFailure {
  readonly error: Error
  /** Of the answer; 0 where none came. */
  readonly status: number
  /** Of the service, or of Node where no answer came. */
  readonly code: string | undefined
  readonly region: string | undefined
  readonly requestId: string | undefined
  readonly retryAfter: string | undefined
  readonly attempts: number
  /** Who holds keys, region, endpoint, and the certificates that are trusted. */
  readonly holder: Holder
}

/** What the failed call was about. */
export interface FailedCall {
  readonly bucketName: string
  readonly subject: ErrorSubject
}

/**
 * The error of the kind that an SDK's failure is of, with the SDK's error as its cause; `undefined`
 * for what is neither the service's nor the network's doing, such as an error of the user's own
 * middleware.
 */
export function sdkError(failure: SdkFailure, call: FailedCall): StorageError | undefined {
  const { status, code, error } = failure
  if (status === 0) return networkError(failure)
  const cause = withoutRequest(error)
  const named = code !== undefined && !namedByTheSdk.has(code) && !/^\d+$/.test(code)
  if (status < 300 && !named)
    return new IntegrityError('The service sent an answer that cannot be read.', { cause })
  return s3Error(
    {
      ...failure,
      code: named ? code : undefined,
      status: status < 300 ? 0 : status,
      method: '',
      message: messageOf(error),
      bucketName: call.bucketName,
      cause,
    },
    call.subject,
  )
}

/** What ended a body before its time. */
export function bodyError(error: unknown): unknown {
  if (!(error instanceof Error)) return error
  const { message } = error
  if (/checksum/i.test(message))
    return new IntegrityError('The bytes that arrived do not have the checksum of the object.', {
      cause: withoutRequest(error),
    })
  const code = 'code' in error ? String(error.code) : undefined
  const failure = { ...noAnswer, error, code }
  return networkError(failure) ?? error
}

const noAnswer = {
  status: 0,
  region: undefined,
  requestId: undefined,
  retryAfter: undefined,
  attempts: 1,
  holder: 'options',
} as const

/** Names that the SDKs give an answer without a code: those of HEAD, and of no document of S3. */
const namedByTheSdk: ReadonlySet<string> = new Set([
  'BadRequest',
  'Conflict',
  'Forbidden',
  'NotFound',
  'NotModified',
  'SyntaxError',
  'TypeError',
  'Unknown',
  'UnknownError',
  'XMLParserError',
])

const distrust = {
  client: 'give the agent of the "client" the certificates of its authority',
  options: 'set "verify" (AWS_S3_VERIFY) to a file with the certificates of its authority',
}

function networkError({
  code = '',
  error,
  attempts,
  holder,
}: SdkFailure): StorageError | undefined {
  if (isDistrust(code))
    return new ImproperlyConfigured(
      `The certificate of the service is not trusted (${code}): ${distrust[holder]}.`,
      { setting: holder === 'client' ? 'client' : 'verify', cause: withoutRequest(error) },
    )
  const known = networkReasons[code] ?? otherReasons[code]
  if (known === undefined && !/^(?:E[A-Z0-9]+|HPE_\w+|ERR_(?:SSL|STREAM|HTTP2)_\w+)$/.test(code))
    return undefined
  const times = attempts > 1 ? `, after ${attempts} attempts` : ''
  const reason = remedy(known ?? code, holder)
  return new UnavailableError(`No answer from the service: ${reason}${times}.`, {
    cause: withoutRequest(error),
    attempts,
  })
}

const otherReasons: Readonly<Record<string, string | undefined>> = {
  ETIMEDOUT: 'the connection timed out',
  NetworkingError: 'the connection failed',
  TimeoutError: 'no answer in time',
}

/** The older SDK has none for answers without a document. */
function messageOf({ message }: { readonly message: unknown }): string {
  return typeof message === 'string' ? message : ''
}

/** Members that errors of the SDKs have, and none of which repeats the request. */
const harmless: ReadonlySet<string> = new Set([
  '$fault',
  '$metadata',
  'BucketName',
  'Code',
  'Condition',
  'HostId',
  'Key',
  'Region',
  'RequestId',
  'Resource',
  'cfId',
  'address',
  'code',
  'errno',
  'extendedRequestId',
  'hostname',
  'message',
  'name',
  'port',
  'region',
  'requestId',
  'retryDelay',
  'retryable',
  'statusCode',
  'syscall',
  'time',
])

/**
 * The SDK's error without the answer, the request below it, and what the service repeated of that:
 * key id, string to sign, signature, token. The SDKs make members of their errors of all this, some
 * of which cannot be taken away: hence a copy, of the same class.
 */
function withoutRequest(error: Error): Error {
  const said = messageOf(error)
  const message = withoutSecrets(said)
  const copy = Object.setPrototypeOf(new Error(message), Object.getPrototypeOf(error))
  // The first lines repeat name and message, and the name may be what the service said.
  const frames = error.stack?.split('\n').filter(line => /^ {4}at /.test(line)) ?? []
  for (const [name, descriptor] of Object.entries(Object.getOwnPropertyDescriptors(error))) {
    if (!harmless.has(name)) continue
    Object.defineProperty(copy, name, { ...descriptor, value: cleaned(descriptor.value) })
  }
  const hidden = { enumerable: false, configurable: true, writable: true }
  Object.defineProperty(copy, 'message', { ...hidden, value: message })
  Object.defineProperty(copy, 'stack', {
    ...hidden,
    value: [`Error: ${message}`, ...frames].join('\n'),
  })
  return copy
}

/** A service may repeat anything, also where an id is expected. */
function cleaned(value: unknown): unknown {
  if (typeof value === 'string') return isKnownCode(value) ? value : withoutSecrets(value)
  if (typeof value !== 'object' || value === null || value instanceof Date) return value
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, cleaned(each)]))
}

import { quoteName } from './quote.ts'

/** Where an error happened; filled in by `Storage`, which knows the operation and the name. */
export interface ErrorContext {
  /** The method that failed, such as `save`. */
  readonly operation?: string | undefined
  /** The name of the file, as the application gave it. */
  readonly file?: string | undefined
  /** What stores the file, such as `s3(media)`. Never holds credentials. */
  readonly backend?: string | undefined
  readonly cause?: unknown
}

/** Present on every error of this package, whichever installed copy made it. */
const brand = Symbol.for('stowage.StorageError')

/**
 * Base of every error that a storage throws. Told apart by kind (`instanceof`, or the stable
 * `code`), never by operation: `operation`, `file` and `backend` say where it happened.
 * A message never holds a secret or a signature.
 */
export class StorageError extends Error {
  override readonly name: string = 'StorageError'
  /** Stable, for programs: `ERR_STORAGE_…`. */
  readonly code: string = 'ERR_STORAGE_FAILED'
  /** Whether the same call may succeed later without any change. */
  readonly retryable: boolean = false
  operation: string | undefined
  file: string | undefined
  backend: string | undefined
  /** One error per name that failed, where an operation tries several (`deleteMany`). */
  readonly errors: readonly StorageError[] | undefined

  constructor(
    message: string,
    context: ErrorContext & { readonly errors?: readonly StorageError[] | undefined } = {},
  ) {
    super(message, context.cause === undefined ? undefined : { cause: context.cause })
    this.operation = context.operation
    this.file = context.file
    this.backend = context.backend
    this.errors = context.errors
    Object.defineProperty(this, brand, { value: true })
  }
}

/** There is no file of that name. */
export class FileNotFoundError extends StorageError {
  override readonly name = 'FileNotFoundError'
  override readonly code = 'ERR_STORAGE_FILE_NOT_FOUND'
}

/** A parent of the name is a file, the name is a folder, or an exclusive `open` met a file. */
export class FileExistsError extends StorageError {
  override readonly name = 'FileExistsError'
  override readonly code = 'ERR_STORAGE_FILE_EXISTS'
}

/** The stored version is not the one that `ifMatch` asked for. */
export class PreconditionFailedError extends StorageError {
  override readonly name = 'PreconditionFailedError'
  override readonly code = 'ERR_STORAGE_PRECONDITION_FAILED'
}

/** The service or the operating system refused access (401, 403, EACCES, EPERM). */
export class PermissionDeniedError extends StorageError {
  override readonly name = 'PermissionDeniedError'
  override readonly code = 'ERR_STORAGE_PERMISSION_DENIED'
}

/** A name that is no safe relative name: `..`, absolute, NUL, a link out of the root, … */
export class SuspiciousFileOperation extends StorageError {
  override readonly name = 'SuspiciousFileOperation'
  override readonly code = 'ERR_STORAGE_SUSPICIOUS_FILE_OPERATION'
}

/** A setting is missing, unknown, of the wrong type, or contradicts another one. */
export class ImproperlyConfigured extends StorageError {
  override readonly name = 'ImproperlyConfigured'
  override readonly code = 'ERR_STORAGE_IMPROPERLY_CONFIGURED'
  /** The option to change, in camelCase, or the historical name where only that exists. */
  readonly setting: string | undefined

  constructor(
    message: string,
    context: ErrorContext & { readonly setting?: string | undefined } = {},
  ) {
    super(message, context)
    this.setting = context.setting
  }
}

/** What was asked for cannot be done by this storage. Thrown before any I/O. */
export class UnsupportedError extends StorageError {
  override readonly name = 'UnsupportedError'
  override readonly code = 'ERR_STORAGE_UNSUPPORTED'
}

/** The service cannot be reached or is overloaded: network failure, time-out, 5xx, 429, EMFILE. */
export class UnavailableError extends StorageError {
  override readonly name = 'UnavailableError'
  override readonly code = 'ERR_STORAGE_UNAVAILABLE'
  override readonly retryable: boolean = true
  /** How many times the request was made. */
  readonly attempts: number | undefined
  /** Seconds after which the service wants to be asked again. */
  readonly retryAfter: number | undefined

  constructor(
    message: string,
    context: ErrorContext & {
      readonly attempts?: number | undefined
      readonly retryAfter?: number | undefined
    } = {},
  ) {
    super(message, context)
    this.attempts = context.attempts
    this.retryAfter = context.retryAfter
  }
}

/** The bytes that came or went are not the bytes that were meant: checksum or length differs. */
export class IntegrityError extends StorageError {
  override readonly name = 'IntegrityError'
  override readonly code = 'ERR_STORAGE_INTEGRITY'
}

/** An open file was used after `close`. */
export class ClosedFileError extends StorageError {
  override readonly name = 'ClosedFileError'
  override readonly code = 'ERR_STORAGE_CLOSED_FILE'
}

/** The file was replaced or removed after it had been opened. */
export class FileChangedError extends StorageError {
  override readonly name = 'FileChangedError'
  override readonly code = 'ERR_STORAGE_FILE_CHANGED'
}

/** A file field has no file. */
export class NoFileError extends StorageError {
  override readonly name = 'NoFileError'
  override readonly code = 'ERR_STORAGE_NO_FILE'
}

/** The content is not an image, or not one of a known format. */
export class InvalidImageError extends StorageError {
  override readonly name = 'InvalidImageError'
  override readonly code = 'ERR_STORAGE_INVALID_IMAGE'
}

/** The content is larger than what the storage or a limit takes. */
export class FileTooLargeError extends StorageError {
  override readonly name = 'FileTooLargeError'
  override readonly code = 'ERR_STORAGE_FILE_TOO_LARGE'
}

/** An argument has the wrong type, an unknown member or a value out of range. */
export class ValidationError extends StorageError {
  override readonly name = 'ValidationError'
  override readonly code = 'ERR_STORAGE_VALIDATION'
}

/** Whether `error` is one of this package's errors, also one from another installed copy. */
export function isStorageError(error: unknown): error is StorageError {
  return typeof error === 'object' && error !== null && brand in error
}

/** The kinds that this package itself acts upon. */
type Kind =
  | FileChangedError
  | FileExistsError
  | FileNotFoundError
  | ImproperlyConfigured
  | IntegrityError
  | InvalidImageError
  | PermissionDeniedError
  | PreconditionFailedError
  | SuspiciousFileOperation
  | UnavailableError
  | UnsupportedError

/**
 * Whether `error` is of the kind with this code. Not by `instanceof`: a storage may come from
 * another installed copy, with classes of its own.
 */
export function hasCode<C extends Kind['code']>(
  error: unknown,
  code: C,
): error is Extract<Kind, { readonly code: C }> {
  return isStorageError(error) && error.code === code
}

/**
 * Gives `error` the context it lacks, or wraps what is no {@link StorageError}: nothing that a
 * backend throws reaches an application bare.
 */
export function withContext(error: unknown, context: ErrorContext): StorageError {
  if (!isStorageError(error)) {
    const reason = error instanceof Error ? error.message : String(error)
    return new StorageError(`${context.operation ?? 'the operation'} failed: ${reason}`, {
      ...context,
      cause: error,
    })
  }
  error.operation ??= context.operation
  error.file ??= context.file
  error.backend ??= context.backend
  return error
}

/**
 * An error of the same kind, message and further properties (`attempts`, `setting`) in another
 * context: one failure that hit several files.
 */
export function sameKind(error: unknown, context: ErrorContext): StorageError {
  if (!isStorageError(error)) return withContext(error, context)
  const Kind = error.constructor as new (message: string, context: ErrorContext) => StorageError
  return new Kind(error.message, { ...error, cause: error, ...context })
}

/** What a backend throws for a missing file. */
export function noSuchFile(name: string, cause?: unknown): FileNotFoundError {
  return new FileNotFoundError(`There is no file ${quoteName(name)}.`, { file: name, cause })
}

import {
  type ErrorContext,
  FileExistsError,
  FileTooLargeError,
  noSuchFile,
  PermissionDeniedError,
  type StorageError,
  SuspiciousFileOperation,
  UnavailableError,
} from '../../core/errors.ts'
import { quoteName } from '../../core/quote.ts'

/** What the system's error `code` (`ENOENT`) means for a storage. */
type Explanation = (name: string, context: ErrorContext) => StorageError

/** The `code` of a system error (`man 3 errno`), `undefined` for any other value. */
export function errnoOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error) || !('syscall' in error)) return undefined
  return typeof error.code === 'string' ? error.code : undefined
}

const missingCodes: ReadonlySet<string> = new Set(['ENOENT', 'ENOTDIR', 'EISDIR', 'ENAMETOOLONG'])

/** Whether `error` says that there is no file of that name. */
export function isMissing(error: unknown): boolean {
  return missingCodes.has(errnoOf(error) ?? '')
}

/** A system error met while reading or deleting `name`, by kind; others are given back as they are. */
export function explainReadError(error: unknown, name: string): unknown {
  return explain(error, name, common)
}

/** A system error met while writing `name`, by kind; others are given back as they are. */
export function explainWriteError(error: unknown, name: string): unknown {
  return explain(error, name, writing)
}

function explain(
  error: unknown,
  name: string,
  table: Readonly<Record<string, Explanation>>,
): unknown {
  const explanation = table[errnoOf(error) ?? '']
  return explanation === undefined ? error : explanation(name, { file: name, cause: error })
}

const missing: Explanation = (name, { cause }) => noSuchFile(name, cause)

const denied: Explanation = (name, context) =>
  new PermissionDeniedError(
    `The operating system refused access to ${name === '' ? 'the location' : quoteName(name)}: give the process's user the right to it, or mount it for writing.`,
    context,
  )

const exhausted: Explanation = (_name, context) =>
  new UnavailableError(
    'The process or the system has too many files open: try again, or raise the limit (ulimit -n).',
    context,
  )

const busy: Explanation = (_name, context) =>
  new UnavailableError(
    'The file system did not answer as it should: try again, and look at its disk or server if this goes on.',
    context,
  )

const full: Explanation = (_name, context) =>
  new UnavailableError('The disk or the quota is full: make room and try again.', context)

const tooLarge: Explanation = (_name, context) =>
  new FileTooLargeError(
    'The file is larger than the file system or the limit of the process (ulimit -f) takes.',
    context,
  )

const loop: Explanation = (name, context) =>
  new SuspiciousFileOperation(
    `File name ${quoteName(name)} is refused: it leads through links that go round in a circle.`,
    context,
  )

const tooLong: Explanation = (name, context) =>
  new SuspiciousFileOperation(
    `File name ${quoteName(name)} is refused: it is longer than the file system takes.`,
    context,
  )

const parentIsFile: Explanation = (name, context) =>
  new FileExistsError(
    `${quoteName(name)} cannot be stored: a file has the name of one of its folders.`,
    context,
  )

const occupied: Explanation = (name, context) =>
  new FileExistsError(
    `${quoteName(name)} cannot be stored: a folder or something else that is no file has this name.`,
    context,
  )

const vanished: Explanation = (_name, context) =>
  new UnavailableError('The folder was removed while the file was written: try again.', context)

const common: Readonly<Record<string, Explanation>> = {
  ENOENT: missing,
  ENOTDIR: missing,
  EISDIR: missing,
  ENAMETOOLONG: missing,
  EACCES: denied,
  EPERM: denied,
  EROFS: denied,
  EMFILE: exhausted,
  ENFILE: exhausted,
  ENOMEM: exhausted,
  EBUSY: busy,
  EIO: busy,
  EAGAIN: busy,
  EINTR: busy,
  ESTALE: busy,
  ENXIO: busy,
  ENODEV: busy,
  ETIMEDOUT: busy,
  EHOSTDOWN: busy,
  ECONNRESET: busy,
  ENOTCONN: busy,
  ELOOP: loop,
  ENOSPC: full,
  EDQUOT: full,
  EFBIG: tooLarge,
  EOVERFLOW: tooLarge,
}

const writing: Readonly<Record<string, Explanation>> = {
  ...common,
  ENOENT: vanished,
  ENOTDIR: parentIsFile,
  EISDIR: occupied,
  EEXIST: occupied,
  ENOTEMPTY: occupied,
  ENAMETOOLONG: tooLong,
}

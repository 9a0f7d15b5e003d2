import { isStorageError, type StorageError } from '../../core/errors.ts'

/** What a test of the suite throws: the storage does not keep a promise. */
class ContractViolation extends Error {
  override readonly name = 'ContractViolation'
}

/** The kinds of errors with their stable codes. */
const codes = {
  StorageError: 'ERR_STORAGE_FAILED',
  FileNotFoundError: 'ERR_STORAGE_FILE_NOT_FOUND',
  FileExistsError: 'ERR_STORAGE_FILE_EXISTS',
  PreconditionFailedError: 'ERR_STORAGE_PRECONDITION_FAILED',
  PermissionDeniedError: 'ERR_STORAGE_PERMISSION_DENIED',
  SuspiciousFileOperation: 'ERR_STORAGE_SUSPICIOUS_FILE_OPERATION',
  ImproperlyConfigured: 'ERR_STORAGE_IMPROPERLY_CONFIGURED',
  UnsupportedError: 'ERR_STORAGE_UNSUPPORTED',
  UnavailableError: 'ERR_STORAGE_UNAVAILABLE',
  IntegrityError: 'ERR_STORAGE_INTEGRITY',
  ClosedFileError: 'ERR_STORAGE_CLOSED_FILE',
  FileChangedError: 'ERR_STORAGE_FILE_CHANGED',
  ValidationError: 'ERR_STORAGE_VALIDATION',
} as const

export type ErrorKind = keyof typeof codes

/** Fields that an error must have; those that are not given are not compared. */
export interface ErrorFields {
  readonly operation?: string
  readonly file?: string
  readonly backend?: string
}

/** How long the suite waits for what must come at some time, in milliseconds. */
const patience = 10_000

export function fail(message: string): never {
  throw new ContractViolation(message)
}

export function isTrue(condition: boolean, message: string): asserts condition {
  if (!condition) fail(message)
}

/** Compares values, lists and plain objects by what they hold. */
export function equal(actual: unknown, expected: unknown, what: string): void {
  if (isSame(actual, expected)) return
  fail(`${what}: expected ${show(expected)}, got ${show(actual)}`)
}

export function equalBytes(actual: Uint8Array, expected: Uint8Array | string, what: string): void {
  const wanted = typeof expected === 'string' ? new TextEncoder().encode(expected) : expected
  if (!(actual instanceof Uint8Array)) fail(`${what}: expected bytes, got ${show(actual)}`)
  if (actual.byteLength !== wanted.byteLength) {
    fail(`${what}: expected ${wanted.byteLength} bytes, got ${actual.byteLength}`)
  }
  // A plain loop: contents are tens of megabytes.
  for (let at = 0; at < wanted.byteLength; at++) {
    if (actual[at] === wanted[at]) continue
    fail(`${what}: byte ${at} of ${wanted.byteLength} is ${actual[at]}, not ${wanted[at]}`)
  }
}

/** Waits for a `StorageError` of this kind and checks its fields. */
export async function rejects(
  work: Promise<unknown>,
  kind: ErrorKind,
  fields: ErrorFields = {},
): Promise<StorageError> {
  return checkError(await rejection(work, kind), kind, fields)
}

/** As {@link rejects}, for what throws at once. */
export function throws(
  work: () => unknown,
  kind: ErrorKind,
  fields: ErrorFields = {},
): StorageError {
  try {
    work()
  } catch (error) {
    return checkError(error, kind, fields)
  }
  return fail(`expected ${kind}, but nothing was thrown`)
}

/** Waits for a rejection with this very value, neither wrapped nor copied. */
export async function rejectsWith(work: Promise<unknown>, reason: unknown): Promise<void> {
  const error = await rejection(work, show(reason))
  if (error !== reason) fail(`expected to reject with ${show(reason)} itself, got ${show(error)}`)
}

/** `work`, or a violation when it does not settle: a hanging storage fails one test only. */
export async function within<T>(work: Promise<T>, what: string): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const tooLate = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(
      () => reject(new ContractViolation(`${what}: not settled after ${patience} ms`)),
      patience,
    )
  })
  try {
    return await Promise.race([work, tooLate])
  } finally {
    clearTimeout(timer)
  }
}

async function rejection(work: Promise<unknown>, expected: string): Promise<unknown> {
  const outcome = await within(
    work.then(
      value => ({ value }),
      (error: unknown) => ({ error }),
    ),
    `the rejection with ${expected}`,
  )
  if ('error' in outcome) return outcome.error
  return fail(`expected to reject with ${expected}, but resolved to ${show(outcome.value)}`)
}

function checkError(error: unknown, kind: ErrorKind, fields: ErrorFields): StorageError {
  if (!isStorageError(error)) return fail(`expected ${kind}, got ${show(error)}`)
  if (error.name !== kind) fail(`expected ${kind}, got ${show(error)}`)
  equal(error.code, codes[kind], `the code of ${kind}`)
  isTrue(error instanceof Error && error.message !== '', `${kind} has no message`)
  for (const [field, value] of Object.entries(fields)) {
    equal(error[field as keyof ErrorFields], value, `the field "${field}" of ${show(error)}`)
  }
  return error
}

function isSame(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  if (Array.isArray(a) !== Array.isArray(b)) return false
  const keys = Object.keys(a)
  if (keys.length !== Object.keys(b).length) return false
  const other: Record<string, unknown> = { ...b }
  return Object.entries(a).every(([key, value]) => key in other && isSame(value, other[key]))
}

/** A value in a message, at most 400 characters of it. */
function show(value: unknown): string {
  if (value instanceof Error) return `${value.name}: ${value.message}`
  const text = typeof value === 'object' ? (JSON.stringify(value) ?? String(value)) : String(value)
  const shown = typeof value === 'string' ? JSON.stringify(value) : text
  return shown.length > 400 ? `${shown.slice(0, 400)}…` : shown
}

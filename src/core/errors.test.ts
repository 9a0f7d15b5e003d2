import { describe, expect, it } from 'vitest'
import * as errors from './errors.ts'
import { isStorageError, noSuchFile, StorageError, sameKind, withContext } from './errors.ts'

const kinds = Object.entries(errors).flatMap(([name, value]) =>
  typeof value === 'function' && (value === StorageError || value.prototype instanceof StorageError)
    ? [[name, value as typeof StorageError] as const]
    : [],
)

describe('the errors', () => {
  it('are told apart by stable names and codes', () => {
    const table = kinds.map(([name, Kind]) => [name, new Kind('x').name, new Kind('x').code])
    expect(table.every(([exported, name]) => exported === name)).toBe(true)
    expect(Object.fromEntries(table.map(([name, , code]) => [name, code]))).toEqual({
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
      NoFileError: 'ERR_STORAGE_NO_FILE',
      InvalidImageError: 'ERR_STORAGE_INVALID_IMAGE',
      FileTooLargeError: 'ERR_STORAGE_FILE_TOO_LARGE',
      ValidationError: 'ERR_STORAGE_VALIDATION',
    })
  })

  it('carry their context, and the cause only if there is one', () => {
    const cause = new TypeError('x')
    const error = new StorageError('y', { operation: 'save', file: 'a', backend: 's3(b)', cause })
    expect(error).toMatchObject({ operation: 'save', file: 'a', backend: 's3(b)', cause })
    expect('cause' in new StorageError('y')).toBe(false)
  })

  it('are retryable only when the service was unavailable', () => {
    const retryable = kinds.filter(([, Kind]) => new Kind('x').retryable).map(([name]) => name)
    expect(retryable).toEqual(['UnavailableError'])
  })

  it('are recognised across two installed copies', () => {
    const copy = Object.assign(new Error('x'), { [Symbol.for('stowage.StorageError')]: true })
    expect(isStorageError(copy)).toBe(true)
    for (const other of [new Error('x'), null, undefined, 'x', {}]) {
      expect(isStorageError(other)).toBe(false)
    }
  })

  it('do not show their brand', () => {
    const brand = Symbol.for('stowage.StorageError')
    const described = Object.getOwnPropertyDescriptor(new StorageError('x'), brand)
    expect(described).toMatchObject({ value: true, enumerable: false })
  })
})

describe('withContext', () => {
  const context = { operation: 'save', file: 'a', backend: 'memory' }

  it('fills in what an error lacks and keeps what it has', () => {
    const error = noSuchFile('b')
    expect(withContext(error, context)).toBe(error)
    expect(error).toMatchObject({ operation: 'save', file: 'b', backend: 'memory' })
  })

  it('wraps what is no error of the package', () => {
    const cause = new TypeError('socket hang up')
    const error = withContext(cause, context)
    expect(error).toMatchObject({ ...context, cause, name: 'StorageError' })
    expect(error.message).toBe('save failed: socket hang up')
    expect(withContext('text', {}).message).toBe('the operation failed: text')
  })
})

describe('sameKind', () => {
  it('makes one error of the same kind per file', () => {
    const error = new errors.PermissionDeniedError('no', { file: 'x' })
    const other = sameKind(error, { operation: 'deleteMany', file: 'a' })
    expect(other).toBeInstanceOf(errors.PermissionDeniedError)
    expect(other).toMatchObject({ message: 'no', file: 'a', operation: 'deleteMany', cause: error })
    expect(sameKind(new TypeError('x'), { file: 'a' })).toMatchObject({ name: 'StorageError' })
  })

  it('keeps what else is known of it', () => {
    const unavailable = new errors.UnavailableError('no', { attempts: 5, retryAfter: 2, file: 'x' })
    expect(sameKind(unavailable, { file: 'a' })).toMatchObject({
      attempts: 5,
      retryAfter: 2,
      file: 'a',
    })
    const wrong = new errors.ImproperlyConfigured('no', { setting: 'bucketName' })
    expect(sameKind(wrong, { file: 'a' })).toMatchObject({ setting: 'bucketName', file: 'a' })
  })
})

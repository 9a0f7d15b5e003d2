import { describe, expect, it } from 'vitest'
import {
  FileExistsError,
  FileNotFoundError,
  FileTooLargeError,
  PermissionDeniedError,
  SuspiciousFileOperation,
  UnavailableError,
} from '../../core/errors.ts'
import { explainReadError, explainWriteError } from './fs-errors.ts'

function systemError(code: string): Error {
  return Object.assign(new Error(`${code}: …, open '/srv/x'`), { code, syscall: 'open' })
}

describe('an error of the system', () => {
  it.each([
    ['ENOENT', FileNotFoundError, UnavailableError],
    ['ENOTDIR', FileNotFoundError, FileExistsError],
    ['EISDIR', FileNotFoundError, FileExistsError],
    ['ENAMETOOLONG', FileNotFoundError, SuspiciousFileOperation],
    ['EACCES', PermissionDeniedError, PermissionDeniedError],
    ['EPERM', PermissionDeniedError, PermissionDeniedError],
    ['EROFS', PermissionDeniedError, PermissionDeniedError],
    ['EMFILE', UnavailableError, UnavailableError],
    ['EIO', UnavailableError, UnavailableError],
    ['EBUSY', UnavailableError, UnavailableError],
    ['ESTALE', UnavailableError, UnavailableError],
    ['ENOSPC', UnavailableError, UnavailableError],
    ['EDQUOT', UnavailableError, UnavailableError],
    ['EFBIG', FileTooLargeError, FileTooLargeError],
    ['ELOOP', SuspiciousFileOperation, SuspiciousFileOperation],
  ])('%s becomes an error by kind, for reading and for writing', (code, reading, writing) => {
    const cause = systemError(code)
    for (const [explained, Kind] of [
      [explainReadError(cause, 'a.txt'), reading],
      [explainWriteError(cause, 'a.txt'), writing],
    ] as const) {
      expect(explained).toBeInstanceOf(Kind)
      expect(explained).toMatchObject({ file: 'a.txt', cause })
      expect(String(explained)).toMatch(/^\w+: .+\.$/)
      expect(String(explained)).not.toContain('/srv')
    }
  })

  it('of another kind, or of another making, is given back as it is', () => {
    for (const error of [systemError('EXDEV'), new RangeError('x'), 'text', undefined]) {
      expect(explainReadError(error, 'a')).toBe(error)
      expect(explainWriteError(error, 'a')).toBe(error)
    }
    // The code alone makes no system error: it may be the content's own.
    const foreign = Object.assign(new Error('x'), { code: 'ENOENT' })
    expect(explainReadError(foreign, 'a')).toBe(foreign)
  })
})

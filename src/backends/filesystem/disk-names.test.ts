import { describe, expect, it } from 'vitest'
import { utf8Length } from '../../core/bytes.ts'
import { SuspiciousFileOperation } from '../../core/errors.ts'
import {
  checkDiskName,
  checkWritableName,
  findDiskProblem,
  isNoFile,
  isReserved,
  lockName,
  maxSegmentBytes,
  temporaryName,
} from './disk-names.ts'

describe('names on every platform', () => {
  it.each(['a\\b', '..\\x', 'C:x', 'c:/x', 'C:', 'Z:/../x'])('refuses %j', name => {
    expect(findDiskProblem(name, 'posix')).toBeDefined()
    expect(findDiskProblem(name, 'windows')).toBeDefined()
    expect(() => checkDiskName(name)).toThrow(SuspiciousFileOperation)
  })

  it.each(['a', 'a/b.txt', '.hidden', 'a b', 'ä/日本', 'com', 'console.txt', 'nulls', 'x.con'])(
    'takes %j',
    name => {
      expect(findDiskProblem(name, 'posix')).toBeUndefined()
      expect(findDiskProblem(name, 'windows')).toBeUndefined()
    },
  )
})

describe('names on Windows', () => {
  it.each([
    'a.txt:stream',
    'dir/ab:c',
    'CON',
    'nul.txt',
    'a/PRN',
    'aux.tar.gz',
    'COM1',
    'com¹.log',
    'LPT9.x',
    'conin$',
    'CON .txt',
    'a./b',
    'a ',
    'a/b.',
    'what?',
    'a|b',
  ])('refuses %j, which other platforms take', name => {
    expect(findDiskProblem(name, 'windows')).toBeDefined()
    expect(findDiskProblem(name, 'posix')).toBeUndefined()
    expect(() => checkDiskName(name, 'windows')).toThrow(SuspiciousFileOperation)
    expect(() => checkDiskName(name, 'posix')).not.toThrow()
  })
})

describe('names of our own files', () => {
  it('are recognised in any case, and always fit', () => {
    for (const name of [temporaryName(), lockName('report.txt'), lockName('x'.repeat(300))]) {
      expect(isReserved(name)).toBe(true)
      expect(isReserved(name.toUpperCase())).toBe(true)
      expect(utf8Length(name)).toBeLessThan(maxSegmentBytes / 2)
    }
    expect(temporaryName()).not.toBe(temporaryName())
  })

  it('are refused for writing in every segment, and are no files for reading', () => {
    for (const name of [temporaryName(), `a/${lockName('b')}`, `${temporaryName()}/x`]) {
      expect(() => checkWritableName(name)).toThrow(/kept for temporary files/)
      expect(() => checkDiskName(name)).not.toThrow()
      expect(isNoFile(name)).toBe(true)
    }
    expect(() => checkWritableName('.stowage-notes.tmp')).not.toThrow()
  })

  it('share a lock between spellings that a file system may take for one', () => {
    expect(lockName('Ä.txt')).toBe(lockName('a\u0308.TXT'))
    expect(lockName('a.txt')).not.toBe(lockName('b.txt'))
  })
})

it('takes no other spelling for a file', () => {
  expect(['a//b', 'dir/', 'a/b//'].map(isNoFile)).toEqual([true, true, true])
  expect(isNoFile('a/b.txt')).toBe(false)
})

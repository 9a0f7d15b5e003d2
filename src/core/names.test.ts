import { describe, expect, it } from 'vitest'
import { SuspiciousFileOperation } from './errors.ts'
import {
  alternativeName,
  baseName,
  filepathToUri,
  generateFilename,
  nameLength,
  nextName,
  parseFolder,
  parseReadName,
  parseWriteName,
  splitAllSuffixes,
  truncateName,
  validName,
} from './names.ts'

const limits = { maxNameBytes: 1024, maxSegmentBytes: 255 }

describe('validName', () => {
  it('takes a name full of blanks, which a careless trim would search for a minute', () => {
    const blanks = ' '.repeat(300_000)
    expect(validName(`${blanks}a${blanks}b${blanks}`)).toBe(`a${'_'.repeat(300_000)}b`)
  })

  it.each([
    ["john's portrait in 2004.jpg", 'johns_portrait_in_2004.jpg'],
    ['  a  b .txt', 'a__b_.txt'],
    ['a\tb\nc.txt', 'abc.txt'],
    ['a\0\u00a0\u200bbc.txt', 'abc.txt'],
    ['a+b#c%d.txt', 'abcd.txt'],
    ['$%&?.txt', '.txt'],
    ['👍.png', '.png'],
    ['naïve café 日本.pdf', 'naïve_café_日本.pdf'],
    ['ﬁ①½.txt', 'ﬁ①½.txt'],
    ['e\u0301.txt', 'e.txt'],
    ['a/b.txt', 'ab.txt'],
    ['a\\b.txt', 'ab.txt'],
    ['.htaccess', '.htaccess'],
    ['-rf', '-rf'],
    ['...', '...'],
    ['a..b', 'a..b'],
    ['x.tar.gz', 'x.tar.gz'],
    ['\u001c\u0085 a', 'a'],
    ['\ufeff a', '_a'],
    ['x'.repeat(300), 'x'.repeat(300)],
  ])('makes %j to %j', (name, valid) => {
    expect(validName(name)).toBe(valid)
  })

  it.each(['', ' ', '.', '..', '$%'])('refuses %j, of which nothing remains', name => {
    expect(() => validName(name)).toThrow(SuspiciousFileOperation)
  })
})

describe('generateFilename', () => {
  it.each([
    ['dir with space/a b.txt', 'dir with space/a_b.txt'],
    ['a\\b c.txt', 'a/b_c.txt'],
    ['./x', 'x'],
    ['a/./x', 'a/x'],
    ['a//b', 'a/b'],
    ['C:\\dir\\f.txt', 'C:/dir/f.txt'],
  ])('makes %j to %j', (name, made) => {
    expect(generateFilename(name, validName)).toBe(made)
  })

  it.each(['../x', 'a/../b', '', 'dir/', 'dir/.', 'dir/..', 't/$%', '/abs/x y', '\\\\srv\\x'])(
    'refuses %j',
    name => {
      expect(() => generateFilename(name, validName)).toThrow(SuspiciousFileOperation)
    },
  )
})

it.each([undefined, null, 42, {}, ['a']])('%j is no name to be made fit', value => {
  const name = value as string
  for (const make of [
    () => validName(name),
    () => generateFilename(name, segment => segment),
    () => alternativeName(name, '.txt'),
    () => alternativeName('a', name),
  ])
    expect(make).toThrow(SuspiciousFileOperation)
})

describe('the doors for names', () => {
  it.each(['..a', 'a..', '...', 'a.b', ' ', '-', '\u0085', 'é/日/👪', '%2e%2e', '~'])(
    'give back %j as it is',
    name => {
      expect(parseWriteName(name, limits)).toBe(name)
      expect(parseReadName(name)).toBe(name)
    },
  )

  it('let names be read that are refused for writing', () => {
    for (const name of ['a//b', 'dir/', 'a\\b', '..\\a', 'a\nb', 'a\u007f', 'x'.repeat(2000)]) {
      expect(parseReadName(name)).toBe(name)
      expect(() => parseWriteName(name, limits)).toThrow(SuspiciousFileOperation)
    }
  })

  it('count bytes, of the name and of its parts', () => {
    const longest = `${'é'.repeat(127)}x`
    expect(parseWriteName(longest, limits)).toBe(longest)
    expect(() => parseWriteName(`${longest}x`, limits)).toThrow(/part of it is longer than 255/)
    expect(() => parseWriteName('a/'.repeat(600), limits)).toThrow(SuspiciousFileOperation)
    expect(() => parseWriteName(`${'a/'.repeat(512)}b`, limits)).toThrow(/longer than 1024/)
  })

  it('name the rule, and quote a long name on one line', () => {
    expect(() => parseReadName('a/../b')).toThrow('"a/../b" is refused: it contains a "." or ".."')
    expect(() => parseWriteName(`\n${'x'.repeat(5000)}`, limits)).toThrow(/^[^\n]{1,400}$/)
    expect(() => parseReadName(42)).toThrow('it is a number, not a string')
    expect(() => parseReadName(Promise.resolve('a'))).toThrow('it is a promise (await it), not a')
  })

  it('end a folder with a slash, once', () => {
    expect(['', 'a', 'a/', 'a//'].map(parseFolder)).toEqual(['', 'a/', 'a/', 'a//'])
    for (const folder of ['/', '..', './a', null]) {
      expect(() => parseFolder(folder)).toThrow(SuspiciousFileOperation)
    }
  })
})

describe('alternative names', () => {
  it.each([
    ['report.tar.gz', ['', 'report', '.tar.gz']],
    ['v1.2 x.pdf', ['', 'v1', '.2 x.pdf']],
    ['.hid', ['', '.hid', '']],
    ['.hid.txt', ['', '.hid', '.txt']],
    ['d.x/a', ['d.x/', 'a', '']],
    ['..a.b', ['', '..a', '.b']],
    ['a.', ['', 'a.', '']],
  ])('keep all suffixes of %j', (name, [directory, root, extension]) => {
    expect(splitAllSuffixes(name)).toEqual({ directory, root, extension })
  })

  it('hold seven letters or digits, each about as often', () => {
    const counts = new Map<string, number>()
    for (let round = 0; round < 4_000; round++) {
      const name = alternativeName('r', '.e')
      expect(name).toMatch(/^r_[A-Za-z0-9]{7}\.e$/)
      for (const letter of name.slice(2, 9)) counts.set(letter, (counts.get(letter) ?? 0) + 1)
    }
    expect(counts.size).toBe(62)
    // 28,000 letters: 452 of each are expected, with a deviation of 21.
    for (const count of counts.values()) expect(Math.abs(count - 452)).toBeLessThan(21 * 7)
  })

  it('lose the end of their root to maxLength, whole code points only', () => {
    const to = (root: string, extension: string): string => `${root}_1234567${extension}`
    const fit = (name: string, maxLength: number | undefined): string =>
      nextName(name, { ...limits, maxLength }, to)
    expect(fit('abcdefghij.txt', 13)).toBe('a_1234567.txt')
    expect(fit('👪👪👪.txt', 14)).toBe('👪👪_1234567.txt')
    expect(fit('a.txt', undefined)).toBe('a_1234567.txt')
    expect(() => fit('abcdefghij.txt', 12)).toThrow(/available filename/)
    const long = 'é'.repeat(127)
    expect(Buffer.byteLength(fit(long, undefined))).toBeLessThanOrEqual(255)
  })

  it('are cut without a suffix where files are replaced', () => {
    expect(truncateName('parent/child.txt', 15)).toBe('parent/chil.txt')
    expect(truncateName('parent/child.txt', undefined)).toBe('parent/child.txt')
    expect(truncateName('👪👪.txt', 5)).toBe('👪.txt')
    expect(() => truncateName('parent/child.txt', 11)).toThrow(/truncate away entire/)
  })
})

describe('nameLength', () => {
  it('counts code points', () => {
    expect(['', 'abc', '👪', 'e\u0301', '\ud83d', 'x👪\ud83d'].map(nameLength)).toEqual([
      0, 3, 1, 2, 1, 3,
    ])
  })
})

describe('filepathToUri', () => {
  it.each([
    ['a b.txt', 'a%20b.txt'],
    ['a%20b', 'a%2520b'],
    ['é日.jpg', '%C3%A9%E6%97%A5.jpg'],
    ["~!*()'", "~!*()'"],
    ['a\\b', 'a%5Cb'],
    ['+&=:;,@$#?', '%2B%26%3D%3A%3B%2C%40%24%23%3F'],
    ['[]%"<>|^`{}', '%5B%5D%25%22%3C%3E%7C%5E%60%7B%7D'],
  ])('writes %j as %j', (name, uri) => {
    expect(filepathToUri(name)).toBe(uri)
  })
})

describe('baseName', () => {
  it('is the last segment', () => {
    expect(['a', 'd/a', 'd/e/a.b', 'd/'].map(baseName)).toEqual(['a', 'a', 'a.b', ''])
  })
})

import { Storage } from '../../core/storage.ts'
import {
  bytesOf,
  inChunks,
  inUtf8Order,
  NotingChunks,
  namesIn,
  pattern,
  saveAll,
  textOf,
  utf8,
} from './contents.ts'
import { equal, equalBytes, isTrue, rejects, throws } from './expect.ts'
import { type StorageHarness, storageTest, type TestRunner } from './harness.ts'
import { ObservedBackend } from './observed-backend.ts'

/** Names that some storage somewhere gets wrong; none is another one's folder. */
const nastyNames: readonly string[] = [
  'plus+hash#question?percent%41amp&eq=semi;colon:at@bang!.txt',
  "quote'paren()star*tilde~.txt",
  'brackets[]{}|^`.txt',
  '"<>$,.txt',
  '<Key>&amp;&#x41;]]>',
  ' leading blank',
  'trailing blank ',
  'two  blanks   three',
  'a b/c d/e f.txt',
  '%2e%2e',
  '%2F',
  '%',
  '%zz',
  'a%2Fb',
  'a%252Fb',
  'a+b c%20d',
  '..a',
  'a..',
  '...',
  '.hidden',
  '-rf',
  '~',
  '~root/x',
  '0',
  'null',
  'undefined',
  '__proto__',
  'constructor/prototype',
  'toString',
  'v1.2 x.tar.gz',
  'trailing.dot.',
  'NFC-é',
  'NFD-e\u0301',
  'Case',
  'case',
  '日本/語.txt',
  'ελληνικά/кириллица/עברית',
  'family-👨‍👩‍👧‍👦.png',
  '\ufeffbom-first',
  'zero\u200bwidth',
  'c1\u0085control',
  'line\u2028separator',
  'no-break\u00a0space',
  'ligature-ﬁ',
  '\ue000-private',
  '\ufffd-replacement',
  '\uffff-noncharacter',
  '\u{10000}-first-astral',
  '\u{10ffff}-last',
  'https:/example.com/x',
  '?query=1',
  '#fragment',
  '!important',
  "'",
  '(',
  '*',
]

const refusedForReading: readonly unknown[] = [
  '',
  '/',
  '/a',
  '//a',
  '.',
  '..',
  './a',
  '../a',
  'a/.',
  'a/..',
  'a/./b',
  'a/../b',
  'a/../../b',
  'a\0',
  'a\0/b',
  '\ud800',
  'a/\udc00b',
  undefined,
  null,
  42,
  {},
  ['a'],
]

const refusedForWriting: readonly unknown[] = [
  ...refusedForReading,
  'a/',
  'a//b',
  'a//',
  'a\\b',
  '\\a',
  'a\\',
  '..\\a',
  'a\\..\\b',
  'C:\\x',
  '\\\\server\\share',
  'a\nb',
  'a\rb',
  'a\tb',
  'a\u0001',
  'a\u001f',
  'a\u007fb',
]

/** Which names are taken as they are, and which are refused before anything happens. */
export function testNames(runner: TestRunner, harness: StorageHarness): void {
  const test = storageTest(runner, harness)

  runner.describe('names', () => {
    test('keeps nasty names apart, each with its own content', async ({ storage }) => {
      await saveAll(storage, nastyNames)
      equal(await namesIn(storage), inUtf8Order(nastyNames), 'the listing')
      for (const name of nastyNames) {
        equal(await textOf(storage, name), name, `the content of ${JSON.stringify(name)}`)
        equal((await storage.stat(name)).name, name, 'the name in stat()')
      }
    })

    test('opens, copies, moves and deletes by nasty names', async ({ storage }) => {
      for (const name of nastyNames) {
        await storage.save(name, name, { overwrite: true })
        equal(await storage.copy(name, `copies/${name}`), `copies/${name}`, 'the name of the copy')
        equal(await storage.move(name, `moved/${name}`), `moved/${name}`, 'the name after a move')
        equal(await storage.exists(name), false, `exists(${JSON.stringify(name)}) after a move`)
        const reader = await storage.open(`copies/${name}`, 'r')
        equal(await reader.read(), name, 'the copy')
        equal(await textOf(storage, `moved/${name}`), name, 'the moved file')
        await storage.delete(`moved/${name}`)
      }
      equal(await namesIn(storage, 'moved'), [], 'what was not deleted')
      await storage.deleteMany(nastyNames.map(name => `copies/${name}`))
      equal(await namesIn(storage), [], 'what deleteMany left')
    })

    test('takes the longest names and refuses longer ones', async ({ storage, capabilities }) => {
      const { maxNameBytes, maxSegmentBytes } = capabilities
      for (const character of ['a', 'é', '日', '👪']) {
        const longest = nameOfBytes(maxNameBytes, character, maxSegmentBytes)
        equal(utf8(longest).byteLength, maxNameBytes, 'bytes of the name')
        await storage.save(longest, character, { overwrite: true })
        equal(await textOf(storage, longest), character, 'the file of the longest name')
        equal(await namesIn(storage), [longest], 'the listing')
        await rejects(storage.save(`${longest}a`, 'x'), 'SuspiciousFileOperation')
        await rejects(storage.open(`${longest}a`, 'wb'), 'SuspiciousFileOperation')
        equal(await storage.exists(`${longest}a`), false, 'exists() of a name that is too long')
        await storage.delete(longest)
      }
    })

    test('takes the longest segments', async ({ storage, capabilities }) => {
      const { maxSegmentBytes } = capabilities
      const segment = `${'é'.repeat(127)}x`
      await storage.save(`${segment}/${segment}`, 'x')
      equal(await namesIn(storage), [`${segment}/${segment}`], 'the listing')
      await storage.delete(`${segment}/${segment}`)
      const longer = 'a'.repeat((maxSegmentBytes ?? 255) + 1)
      if (maxSegmentBytes === undefined) {
        await storage.save(longer, 'x')
        equal(await textOf(storage, longer), 'x', 'a segment without a limit')
        return
      }
      await rejects(storage.save(longer, 'x'), 'SuspiciousFileOperation', { file: longer })
      await rejects(storage.save(`a/${longer}/b`, 'x'), 'SuspiciousFileOperation')
      equal(await storage.exists(longer), false, 'exists() of a segment that is too long')
    })

    test('shortens an alternative name to what the storage can hold', async place => {
      const storage = await place.choosing()
      const { maxNameBytes, maxSegmentBytes } = place.capabilities
      const longest = nameOfBytes(maxNameBytes, '日', maxSegmentBytes)
      await storage.save(longest, 'first')
      const other = await storage.save(longest, 'second')
      isTrue(other !== longest, 'the name was taken')
      isTrue(utf8(other).byteLength <= maxNameBytes, 'the other name is too long')
      equal(await textOf(storage, longest), 'first', 'the first file')
      equal(await textOf(storage, other), 'second', 'the second file')
    })

    test('refuses bad names for reading before any I/O', async ({ storage }) => {
      const backend = new ObservedBackend(storage.backend)
      const observed = new Storage(backend)
      for (const bad of refusedForReading) {
        const name = bad as string
        const kind = 'SuspiciousFileOperation'
        await rejects(observed.exists(name), kind, { operation: 'exists' })
        await rejects(observed.stat(name), kind, { operation: 'stat' })
        await rejects(observed.size(name), kind, { operation: 'size' })
        await rejects(observed.file(name), kind, { operation: 'file' })
        await rejects(observed.open(name), kind, { operation: 'open' })
        await rejects(observed.open(name, 'r'), kind, { operation: 'open' })
        await rejects(observed.delete(name), kind, { operation: 'delete' })
        await rejects(observed.url(name), kind, { operation: 'url' })
        await rejects(observed.getModifiedTime(name), kind, { operation: 'getModifiedTime' })
        await rejects(observed.copy(name, 'b'), kind, { operation: 'copy' })
        await rejects(observed.move(name, 'b'), kind, { operation: 'move' })
        throws(() => observed.path(name), kind, { operation: 'path' })
      }
      equal(backend.calls, [], 'calls of the backend')
    })

    test('refuses bad names for writing before any I/O', async ({ storage }) => {
      const backend = new ObservedBackend(storage.backend)
      const observed = new Storage(backend)
      for (const bad of refusedForWriting.filter(name => name !== null)) {
        const name = bad as string
        const kind = 'SuspiciousFileOperation'
        const source = new NotingChunks(inChunks(pattern(1), 1))
        await rejects(observed.save(name, source), kind, { operation: 'save' })
        isTrue(!source.begun, 'the content was read')
        await rejects(observed.save(name, 'x', { overwrite: true }), kind)
        await rejects(observed.open(name, 'wb'), kind, { operation: 'open' })
        await rejects(observed.open(name, 'w', { overwrite: false }), kind)
        await rejects(observed.getAvailableName(name), kind, { operation: 'getAvailableName' })
      }
      equal(backend.calls, [], 'calls of the backend')
    })

    test('refuses bad names as the target of copy and move', async ({ storage }) => {
      await storage.save('a', 'x')
      for (const bad of refusedForWriting) {
        const kind = 'SuspiciousFileOperation'
        await rejects(storage.copy('a', bad as string), kind, { operation: 'copy' })
        await rejects(storage.move('a', bad as string), kind, { operation: 'move' })
      }
      equal(await namesIn(storage), ['a'], 'the files')
    })

    test('refuses bad folders', async ({ storage }) => {
      const backend = new ObservedBackend(storage.backend)
      const observed = new Storage(backend)
      for (const bad of refusedForReading.filter(folder => folder !== '' && folder !== undefined)) {
        const kind = 'SuspiciousFileOperation'
        await rejects(observed.listdir(bad as string), kind, { operation: 'listdir' })
        await rejects(namesIn(observed, bad as string), kind, { operation: 'list' })
      }
      equal(backend.calls, [], 'calls of the backend')
    })

    test('takes no spelling of a name for another one', async ({ storage, capabilities }) => {
      await storage.save('a/b', 'ab')
      for (const name of ['a//b', 'a/b/', 'a/', 'a///b', 'a//']) {
        equal(await storage.exists(name), false, `exists(${JSON.stringify(name)})`)
        await rejects(storage.stat(name), 'FileNotFoundError', { file: name })
        await rejects(storage.open(name), 'FileNotFoundError', { file: name })
        await storage.delete(name)
        await storage.deleteMany([name])
      }
      equal(await textOf(storage, 'a/b'), 'ab', 'the file')
      if (!capabilities.overlappingFolders) {
        equal(await namesIn(storage, 'a//'), [], 'the listing of a//')
      }
    })

    test('makes names of users fit', async ({ storage }) => {
      equal(
        storage.getValidName("john's portrait in 2004.jpg"),
        'johns_portrait_in_2004.jpg',
        'getValidName',
      )
      equal(storage.generateFilename('C:\\dir\\a b.txt'), 'C:/dir/a_b.txt', 'generateFilename')
      equal(storage.generateFilename('d e/./f//a b.txt'), 'd e/f/a_b.txt', 'generateFilename')
      for (const bad of ['', 'a/', '..', 'a/..', '../x', 'a/../b', '/a', '$%']) {
        throws(() => storage.generateFilename(bad), 'SuspiciousFileOperation')
      }
      throws(() => storage.getValidName('..'), 'SuspiciousFileOperation')
      const other = storage.getAlternativeName('report', '.tar.gz')
      isTrue(/^report_[A-Za-z0-9]{7}\.tar\.gz$/.test(other), `getAlternativeName gives ${other}`)
    })

    test('finds an available name', async ({ choosing, overwriting }) => {
      const storage = await choosing()
      await storage.save('d/a.txt', 'x')
      equal(await storage.getAvailableName('d/b.txt'), 'd/b.txt', 'a free name')
      const other = await storage.getAvailableName('d/a.txt')
      isTrue(/^d\/a_[A-Za-z0-9]{7}\.txt$/.test(other), `a taken name became ${other}`)
      const short = await storage.getAvailableName('abcdefghij.txt', { maxLength: 13 })
      isTrue(/^a_[A-Za-z0-9]{7}\.txt$/.test(short), `a long name became ${short}`)
      await rejects(
        storage.getAvailableName('abcdefghij.txt', { maxLength: 12 }),
        'SuspiciousFileOperation',
      )
      const replacing = await overwriting()
      equal(await replacing.getAvailableName('d/a.txt'), 'd/a.txt', 'when overwriting')
      const cut = await replacing.getAvailableName('parent/child.txt', { maxLength: 15 })
      equal(cut, 'parent/chil.txt', 'cut when overwriting')
    })

    test('stores bytes under names of every script', async ({ storage }) => {
      const bytes = pattern(1_000)
      await storage.save('नमस्ते/สวัสดี.bin', bytes)
      equalBytes(await bytesOf(storage, 'नमस्ते/สวัสดี.bin'), bytes, 'the file')
      equal(await storage.listdir('नमस्ते'), [[], ['สวัสดี.bin']], 'the folder')
    })
  })
}

/** A name of exactly so many bytes, of segments that every disk takes. */
function nameOfBytes(length: number, character: string, maxSegment = 255): string {
  const width = utf8(character).byteLength
  const segment = character.repeat(Math.floor(Math.min(200, maxSegment) / width))
  let name = ''
  while (length - utf8(name).byteLength > 220) name += `${segment}/`
  const rest = length - utf8(name).byteLength
  return name + character.repeat(Math.floor(rest / width)) + 'x'.repeat(rest % width)
}

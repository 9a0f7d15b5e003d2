import {
  bytesOf,
  failingAfter,
  inChunks,
  NotingChunks,
  namesIn,
  pattern,
  textOf,
} from './contents.ts'
import { type ErrorKind, equal, equalBytes, isTrue, rejects, rejectsWith } from './expect.ts'
import { type StorageHarness, storageTest, type TestRunner } from './harness.ts'

/** What `save` promises about names, old files and failures. */
export function testWriting(runner: TestRunner, harness: StorageHarness): void {
  const test = storageTest(runner, harness)

  runner.describe('writing', () => {
    test('stores under a free name and resolves to it', async ({ storage }) => {
      equal(await storage.save('a/b/c.txt', 'x'), 'a/b/c.txt', 'the name')
      equal(await textOf(storage, 'a/b/c.txt'), 'x', 'the content')
      equal(await storage.exists('a/b/c.txt'), true, 'exists()')
    })

    test('chooses another name for one that is taken', async ({ choosing }) => {
      const storage = await choosing()
      await storage.save('d.x/report.tar.gz', 'first')
      const name = await storage.save('d.x/report.tar.gz', 'second')
      isTrue(/^d\.x\/report_[A-Za-z0-9]{7}\.tar\.gz$/.test(name), `the other name is ${name}`)
      equal(await textOf(storage, 'd.x/report.tar.gz'), 'first', 'the old file')
      equal(await textOf(storage, name), 'second', 'the new file')
    })

    test('replaces a file when it overwrites', async ({ overwriting }) => {
      const storage = await overwriting()
      await storage.save('a.txt', 'a longer first text')
      equal(await storage.save('a.txt', 'second'), 'a.txt', 'the name')
      equal(await textOf(storage, 'a.txt'), 'second', 'the content')
      equal(await namesIn(storage), ['a.txt'], 'the files')
    })

    test('lets a call say whether it overwrites', async ({ choosing, overwriting }) => {
      const [careful, replacing] = [await choosing(), await overwriting()]
      await careful.save('a', '1')
      equal(await careful.save('a', '2', { overwrite: true }), 'a', 'with overwrite: true')
      const other = await replacing.save('a', '3', { overwrite: false })
      isTrue(/^a_[A-Za-z0-9]{7}$/.test(other), `with overwrite: false, the name is ${other}`)
      equal(await textOf(careful, 'a'), '2', 'the file')
      equal(await textOf(careful, other), '3', 'the other file')
    })

    test('changes its version whenever a file is replaced', async ({ storage }) => {
      await storage.save('a', 'one')
      const first = await storage.stat('a')
      await storage.save('a', 'two', { overwrite: true })
      const second = await storage.stat('a')
      isTrue(typeof first.etag === 'string' && first.etag !== '', 'the etag is missing')
      isTrue(first.etag !== second.etag, 'both versions have the same etag')
      equal((await storage.stat('a')).etag, second.etag, 'the etag, asked again')
    })

    test('cuts the name to maxLength, in code points, and keeps its suffixes', async place => {
      const storage = await place.choosing()
      const name = await storage.save('abcdefghij.txt', 'x', { maxLength: 13 })
      isTrue(/^a_[A-Za-z0-9]{7}\.txt$/.test(name), `the name is ${name}`)
      equal(await storage.save('👪👪.txt', 'x', { maxLength: 6 }), '👪👪.txt', 'six code points')
      const emoji = await storage.save('d/👪👪👪.txt', 'x', { maxLength: 15 })
      equal(emoji, 'd/👪👪👪.txt', 'a name that fits')
      const other = await storage.save('d/👪👪👪.txt', 'x', { maxLength: 15 })
      isTrue(/^d\/👪_[A-Za-z0-9]{7}\.txt$/u.test(other), `the other name is ${other}`)
      equal(await storage.save('short', 'x', { maxLength: 0 }), 'short', 'no limit with 0')
    })

    test('refuses a name of which nothing would remain', async ({ choosing }) => {
      const storage = await choosing()
      await rejects(
        storage.save('abcdefghij.txt', 'x', { maxLength: 12 }),
        'SuspiciousFileOperation',
      )
      await storage.save('a.txt', 'x')
      await rejects(storage.save('a.txt', 'x', { maxLength: 12 }), 'SuspiciousFileOperation')
      equal(await namesIn(storage), ['a.txt'], 'the files')
    })

    test('cuts without a suffix when it overwrites', async ({ overwriting }) => {
      const storage = await overwriting()
      const name = await storage.save('parent/child.txt', 'x', { maxLength: 15 })
      equal(name, 'parent/chil.txt', 'the name')
      await rejects(
        storage.save('parent/child.txt', 'x', { maxLength: 11 }),
        'SuspiciousFileOperation',
      )
      await rejects(storage.save('a/..b', 'x', { maxLength: 4 }), 'SuspiciousFileOperation')
      equal(await namesIn(storage), ['parent/chil.txt'], 'the files')
    })

    test('keeps the old file and leaves nothing when the content fails half-way', async place => {
      const { storage, largeSize } = place
      await storage.save('old', 'old content')
      const failure = new RangeError('the source broke')
      for (const size of [0, 1, 70_000, largeSize]) {
        await rejectsWith(
          storage.save('old', failingAfter(size, failure), { overwrite: true }),
          failure,
        )
        await rejectsWith(storage.save(`new-${size}`, failingAfter(size, failure)), failure)
        equal(await textOf(storage, 'old'), 'old content', 'the old file')
        equal(await namesIn(storage), ['old'], 'the files')
      }
    })

    test('rejects with whatever the source threw, also when it is no error', async place => {
      const { storage } = place
      await rejectsWith(storage.save('a', failingAfter(10, 'a string')), 'a string')
      await rejectsWith(storage.save('a', failingAfter(10, undefined)), undefined)
      equal(await storage.exists('a'), false, 'exists()')
    })

    test('shows nothing of a new file, and the old one, while it writes', async place => {
      const { storage, largeSize } = place
      await storage.save('old', 'old content')
      const seen: unknown[] = []
      const watching = async function* (name: string): AsyncGenerator<Uint8Array> {
        yield pattern(largeSize)
        seen.push(await storage.exists(name))
        if (name === 'old') seen.push(await textOf(storage, 'old'))
        seen.push(await namesIn(storage))
        yield pattern(10)
      }
      await storage.save('new', watching('new'))
      equal(seen.splice(0), [false, ['old']], 'what was seen of a new file')
      await storage.save('old', watching('old'), { overwrite: true })
      equal(seen, [true, 'old content', ['new', 'old']], 'what was seen of the old file')
      equal(await storage.size('old'), largeSize + 10, 'the size afterwards')
    })

    test('ends a stream that it cannot store', async ({ storage, capabilities }) => {
      await storage.save('file', 'x')
      const refused = [['../a', 'SuspiciousFileOperation']]
      if (!capabilities.overlappingFolders) refused.push(['file/below', 'FileExistsError'])
      for (const [name = '', kind] of refused) {
        const source = new NotingChunks(inChunks(pattern(3), 1))
        await rejects(storage.save(name, source), kind as ErrorKind, { file: name })
        isTrue(source.ended, `the source was left open for the name ${JSON.stringify(name)}`)
      }
    })

    test('lets a file and a folder share a name only where that works', async place => {
      const { storage, capabilities } = place
      await storage.save('a', 'file')
      if (capabilities.overlappingFolders) {
        await storage.save('a/b', 'below')
        equal(await textOf(storage, 'a'), 'file', 'the file')
        equal(await textOf(storage, 'a/b'), 'below', 'the file below')
        equal(await storage.listdir(''), [['a'], ['a']], 'the folder and the file')
        return
      }
      const options = { overwrite: true }
      await rejects(storage.save('a/b', 'x', options), 'FileExistsError', { file: 'a/b' })
      await rejects(storage.save('a/b/c', 'x'), 'FileExistsError', { file: 'a/b/c' })
      await storage.save('folder/b', 'x')
      await rejects(storage.save('folder', 'x', options), 'FileExistsError', { file: 'folder' })
      const other = await (await place.choosing()).save('folder', 'x')
      isTrue(/^folder_[A-Za-z0-9]{7}$/.test(other), `a folder counts as taken, got ${other}`)
    })

    test('stores large contents of every kind of size', async place => {
      const { storage, largeSize, partSize } = place
      const sizes = [65_535, 65_536, 65_537, 262_143, 262_144, 262_145, largeSize]
      if (partSize !== undefined) sizes.push(partSize - 1, partSize, partSize + 1)
      for (const size of sizes) {
        const bytes = pattern(size, size)
        await storage.save('known', bytes, { overwrite: true })
        equalBytes(await bytesOf(storage, 'known'), bytes, `${size} bytes of known size`)
        await storage.save('stream', new Blob([bytes]).stream(), { overwrite: true })
        equalBytes(await bytesOf(storage, 'stream'), bytes, `${size} bytes of a stream`)
      }
    })

    test('reports its progress', async ({ storage, largeSize }) => {
      const bytes = pattern(largeSize)
      const seen: { loaded: number; total?: number }[] = []
      await storage.save('known', bytes, { onProgress: progress => seen.push(progress) })
      checkProgress(seen, largeSize, largeSize)
      const streamed: { loaded: number; total?: number }[] = []
      await storage.save('stream', inChunks(bytes, 50_000), {
        onProgress: progress => streamed.push(progress),
      })
      checkProgress(streamed, largeSize, undefined)
    })
  })
}

function checkProgress(
  seen: readonly { loaded: number; total?: number }[],
  size: number,
  total: number | undefined,
): void {
  isTrue(seen.length > 0, 'onProgress was never called')
  let last = 0
  for (const progress of seen) {
    isTrue(progress.loaded >= last && progress.loaded <= size, `loaded is ${progress.loaded}`)
    equal(progress.total, total, 'total')
    last = progress.loaded
  }
  equal(last, size, 'the last progress')
}

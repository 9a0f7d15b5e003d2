import { Storage } from '../../core/storage.ts'
import { collect, inUtf8Order, namesIn, pattern, saveAll } from './contents.ts'
import { equal, isTrue, rejects } from './expect.ts'
import { type StorageHarness, storageTest, type TestRunner } from './harness.ts'
import { ObservedBackend } from './observed-backend.ts'

/** Names whose order UTF-16 units, locales and a walk through folders get wrong. */
const orderedNames: readonly string[] = [
  'a!',
  'a-b',
  'a-c/d',
  'a.b',
  'a/a/x',
  'a/aaa',
  'a/b',
  'a/b-c',
  'a0',
  'A',
  'Z/z',
  'l-x.txt',
  'l.txt',
  'l/1.txt',
  'l/10.txt',
  'l/2.txt',
  'l0',
  'é',
  'e\u0301',
  'z',
  '\ue000',
  '\uff5e',
  '\u{10000}',
  '\u{1f46a}',
]

/** `list` and `listdir`: complete, in order, lazy, and only what lies in the folder. */
export function testListing(runner: TestRunner, harness: StorageHarness): void {
  const test = storageTest(runner, harness)

  runner.describe('listing', () => {
    test('finds nothing in an empty storage', async ({ storage }) => {
      equal(await storage.listdir(''), [[], []], 'listdir()')
      equal(await namesIn(storage), [], 'list()')
      equal(await namesIn(storage, '', false), [], 'list() of one level')
    })

    test('lists in the order of UTF-8 bytes', async ({ storage }) => {
      await saveAll(storage, orderedNames)
      equal(await namesIn(storage), inUtf8Order(orderedNames), 'list()')
      equal(await namesIn(storage, 'a'), ['a/a/x', 'a/aaa', 'a/b', 'a/b-c'], 'list() of a')
    })

    test('sorts one level, directories and files', async ({ storage }) => {
      await saveAll(storage, orderedNames)
      const [directories, files] = await storage.listdir('')
      const top = orderedNames.filter(name => !name.includes('/'))
      equal(files, inUtf8Order(top), 'the files')
      equal(directories, ['Z', 'a', 'a-c', 'l'], 'the directories')
      equal(await storage.listdir('a'), [['a'], ['aaa', 'b', 'b-c']], 'the folder a')
      equal(await storage.listdir('a/'), [['a'], ['aaa', 'b', 'b-c']], 'the folder a/')
      equal(await storage.listdir('a/a'), [[], ['x']], 'the folder a/a')
    })

    test('lists one level unless told otherwise', async ({ storage }) => {
      await saveAll(storage, ['1', 'd/2', 'd/e/3', 'x'])
      const names = async (folder?: string): Promise<string[]> =>
        (await collect(storage.list(folder))).map(({ name }) => name)
      equal(await names(), ['1', 'x'], 'the root')
      equal(await names('d'), ['d/2'], 'the folder d')
      equal(await namesIn(storage, 'd'), ['d/2', 'd/e/3'], 'the folder d with all below')
    })

    test('keeps to the folder, not to names that begin like it', async ({ storage }) => {
      await saveAll(storage, ['l-x.txt', 'l/1.txt', 'l/m/2.txt', 'l0', 'll/3.txt', 'k/l/4.txt'])
      for (const folder of ['l', 'l/']) {
        equal(await namesIn(storage, folder), ['l/1.txt', 'l/m/2.txt'], `list(${folder})`)
        equal(await namesIn(storage, folder, false), ['l/1.txt'], `list(${folder}) of one level`)
        equal(await storage.listdir(folder), [['m'], ['1.txt']], `listdir(${folder})`)
      }
    })

    test('has no files in a folder that is missing or a file', async place => {
      const { storage, capabilities } = place
      await storage.save('file', 'x')
      await storage.save('d/e', 'x')
      for (const folder of ['nothing', 'file', 'd/nothing', 'd/e', 'nothing/below']) {
        equal(await namesIn(storage, folder), [], `list(${folder})`)
        if (capabilities.absentFolder === 'empty') {
          equal(await storage.listdir(folder), [[], []], `listdir(${folder})`)
        } else {
          await rejects(storage.listdir(folder), 'FileNotFoundError', { operation: 'listdir' })
        }
      }
    })

    test('tells of each file what stat tells', async ({ storage }) => {
      await storage.save('d/a.txt', pattern(1_234))
      const stat = await storage.stat('d/a.txt')
      for (const recursive of [true, false]) {
        const [entry] = await collect(storage.list('d', { recursive }))
        equal(entry?.name, 'd/a.txt', 'the name')
        equal(entry?.size, 1_234, 'the size')
        isTrue(entry?.modifiedTime instanceof Date, 'modifiedTime is no Date')
        if (entry.etag !== undefined) equal(entry.etag, stat.etag, 'the etag')
      }
    })

    test('lists 1,000, 1,001 and 2,500 files completely', async ({ storage }) => {
      const names = Array.from(
        { length: 2_500 },
        (_, index) => `many/${String((index * 7919) % 2_500)}`,
      )
      let saved = 0
      for (const count of [1_000, 1_001, 2_500]) {
        await saveAll(storage, names.slice(saved, count))
        saved = count
        const expected = inUtf8Order(names.slice(0, count))
        equal((await namesIn(storage)).length, count, 'files of list()')
        equal(await namesIn(storage, 'many', false), expected, `list() of ${count} files`)
        const [directories, files] = await storage.listdir('many')
        equal(directories, [], 'directories of listdir()')
        equal(
          files,
          expected.map(name => name.slice(5)),
          `listdir() of ${count} files`,
        )
      }
      await stopsAsking(storage)
    })

    test('lists more than 1,000 folders completely', async ({ storage }) => {
      const names = Array.from({ length: 1_001 }, (_, index) => `d/${index}/file`)
      await saveAll(
        storage,
        [...names, 'd/5', 'd/500.txt'].filter(name => name !== 'd/5'),
      )
      const [directories, files] = await storage.listdir('d')
      equal(directories, inUtf8Order(names.map(name => name.slice(2, -5))), 'the directories')
      equal(files, ['500.txt'], 'the files')
      equal(await namesIn(storage, 'd', false), ['d/500.txt'], 'list() of one level')
      equal(await namesIn(storage), inUtf8Order([...names, 'd/500.txt']), 'list()')
    })

    test('goes on when files come and go meanwhile', async ({ storage }) => {
      const names = inUtf8Order(Array.from({ length: 1_100 }, (_, index) => `n${index}`))
      await saveAll(storage, names)
      const seen: string[] = []
      for await (const { name } of storage.list()) {
        seen.push(name)
        if (seen.length === 2) await storage.deleteMany(names.slice(0, 1_050))
        isTrue(seen.length <= 1_200, 'the listing does not end')
      }
      equal(seen.slice(-50), names.slice(-50), 'the files that stayed')
      equal(new Set(seen).size, seen.length, 'files listed once')
    })

    test('lists a file once when it was replaced', async ({ storage }) => {
      for (const content of ['1', '22', '333'])
        await storage.save('a', content, { overwrite: true })
      equal(
        (await collect(storage.list())).map(({ size }) => size),
        [3],
        'the sizes',
      )
    })

    test('forgets a file that was deleted', async ({ storage }) => {
      await saveAll(storage, ['a/1', 'a/2', 'b'])
      await storage.delete('a/1')
      equal(await namesIn(storage), ['a/2', 'b'], 'list()')
      await storage.delete('a/2')
      equal(await namesIn(storage, 'a'), [], 'list() of the emptied folder')
      equal((await storage.listdir(''))[1], ['b'], 'the files of the root')
    })
  })
}

/** A listing that is left early asks for no further page. Needs more than 1,000 files. */
async function stopsAsking(storage: Storage): Promise<void> {
  const backend = new ObservedBackend(storage.backend)
  const listing = new Storage(backend).list('', { recursive: true })
  for await (const { name } of listing) {
    isTrue(name !== '', 'a file without a name')
    break
  }
  equal(backend.calls.length, 1, 'pages asked for')
  const untouched = new ObservedBackend(storage.backend)
  await new Storage(untouched).list()
  equal(untouched.calls, [], 'calls of a listing that nobody reads')
}

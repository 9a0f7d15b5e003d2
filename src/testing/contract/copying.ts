import { Storage } from '../../core/storage.ts'
import { bytesOf, namesIn, pattern, textOf } from './contents.ts'
import { equal, equalBytes, isTrue, rejects } from './expect.ts'
import { type StorageHarness, storageTest, type TestRunner } from './harness.ts'
import { ObservedBackend } from './observed-backend.ts'

const transfers = ['copy', 'move'] as const

/** `copy` and `move`: like a save of the same bytes with the same properties. */
export function testCopying(runner: TestRunner, harness: StorageHarness): void {
  const test = storageTest(runner, harness)

  runner.describe('copying', () => {
    for (const transfer of transfers) {
      test(`${transfer} gives a file another name`, async ({ storage }) => {
        await storage.save('a.txt', 'content')
        equal(await storage[transfer]('a.txt', 'd/e/b.txt'), 'd/e/b.txt', 'the name')
        equal(await textOf(storage, 'd/e/b.txt'), 'content', 'the content')
        equal((await storage.stat('d/e/b.txt')).name, 'd/e/b.txt', 'the name in stat()')
        const left = transfer === 'copy' ? ['a.txt', 'd/e/b.txt'] : ['d/e/b.txt']
        equal(await namesIn(storage), left, 'the files')
      })

      test(`${transfer} onto itself changes nothing`, async ({ storage, overwriting }) => {
        await storage.save('a', 'content')
        const before = await storage.stat('a')
        for (const one of [storage, await overwriting()]) {
          equal(await one[transfer]('a', 'a'), 'a', 'the name')
        }
        equal((await storage.stat('a')).etag, before.etag, 'the version')
        equal(await textOf(storage, 'a'), 'content', 'the content')
        equal(await namesIn(storage), ['a'], 'the files')
      })

      test(`${transfer} chooses another name for one that is taken`, async ({ choosing }) => {
        const storage = await choosing()
        await storage.save('a.txt', 'a')
        await storage.save('b.tar.gz', 'b')
        const name = await storage[transfer]('a.txt', 'b.tar.gz')
        isTrue(/^b_[A-Za-z0-9]{7}\.tar\.gz$/.test(name), `the name is ${name}`)
        equal(await textOf(storage, 'b.tar.gz'), 'b', 'the file that was there')
        equal(await textOf(storage, name), 'a', 'the new file')
        equal(await storage.exists('a.txt'), transfer === 'copy', 'exists() of the source')
      })

      test(`${transfer} replaces a file when the storage overwrites`, async ({ overwriting }) => {
        const storage = await overwriting()
        await storage.save('a', 'a')
        await storage.save('b', 'longer b')
        equal(await storage[transfer]('a', 'b'), 'b', 'the name')
        equal(await textOf(storage, 'b'), 'a', 'the content')
        equal(await storage.exists('a'), transfer === 'copy', 'exists() of the source')
      })

      test(`${transfer} says that the source is missing`, async ({ storage, overwriting }) => {
        await storage.save('b/c', 'x')
        const replacing = await overwriting()
        for (const one of [storage, replacing]) {
          for (const [from, to] of [
            ['nothing', 'd'],
            ['nothing', 'b/c'],
            ['nothing', 'nothing'],
            ['b', 'd'],
            ['b/', 'd'],
          ] as const) {
            const fields = { operation: transfer, file: from }
            await rejects(one[transfer](from, to), 'FileNotFoundError', fields)
          }
        }
        equal(await namesIn(storage), ['b/c'], 'the files')
        equal(await textOf(storage, 'b/c'), 'x', 'the file')
      })

      test(`${transfer} keeps the properties`, async ({ storage, capabilities }) => {
        const properties = {
          contentType: 'application/x-own',
          contentEncoding: 'identity',
          cacheControl: 'no-store, max-age=0',
          contentDisposition: 'attachment; filename="a.txt"',
          metadata: { author: 'Zoë 日本', empty: '', 'x-y': '1' },
        }
        await storage.save('a.txt', 'x', capabilities.properties ? properties : {})
        const { contentType, ...before } = await storage.stat('a.txt')
        await storage[transfer]('a.txt', 'b.bin')
        const after = await storage.stat('b.bin')
        if (capabilities.properties) equal(after.contentType, contentType, 'the content type')
        for (const property of [
          'contentEncoding',
          'cacheControl',
          'contentDisposition',
          'metadata',
        ] as const) {
          equal(after[property], before[property], property)
        }
      })

      test(`${transfer} takes large files`, async ({ storage, largeSize }) => {
        const bytes = pattern(largeSize)
        await storage.save('a', bytes)
        await storage[transfer]('a', 'b')
        equalBytes(await bytesOf(storage, 'b'), bytes, 'the file')
      })

      test(`${transfer} takes empty files`, async ({ storage }) => {
        await storage.save('a', '')
        await storage[transfer]('a', 'b')
        equal(await storage.size('b'), 0, 'the size')
      })

      test(`${transfer} meets a folder in its way`, async ({ choosing, capabilities }) => {
        const storage = await choosing()
        await storage.save('a', 'a')
        await storage.save('b/c', 'c')
        const name = await storage[transfer]('a', 'b')
        if (capabilities.overlappingFolders) equal(name, 'b', 'the name')
        else isTrue(/^b_[A-Za-z0-9]{7}$/.test(name), `a folder counts as taken, got ${name}`)
        equal(await textOf(storage, name), 'a', 'the file')
        equal(await textOf(storage, 'b/c'), 'c', 'the file in the folder')
      })

      test(`${transfer} below a file works only where it can`, async place => {
        const { storage, capabilities } = place
        await storage.save('a', 'a')
        await storage.save('file', 'x')
        if (capabilities.overlappingFolders) {
          equal(await storage[transfer]('a', 'file/b'), 'file/b', 'the name')
          return
        }
        await rejects(storage[transfer]('a', 'file/b'), 'FileExistsError', { operation: transfer })
        equal(await namesIn(storage), ['a', 'file'], 'the files')
      })
    }

    test('keeps a copy apart from its source', async ({ storage }) => {
      await storage.save('a', 'old')
      await storage.copy('a', 'b')
      await storage.save('a', 'new', { overwrite: true })
      equal(await textOf(storage, 'b'), 'old', 'the copy')
      await storage.delete('a')
      equal(await textOf(storage, 'b'), 'old', 'the copy without its source')
    })

    test('reads no bytes when it moves a file onto itself', async ({ storage }) => {
      await storage.save('a', 'x')
      const backend = new ObservedBackend(storage.backend)
      await new Storage(backend).move('a', 'a')
      equal(
        backend.calls.map(({ operation }) => operation),
        ['head'],
        'calls of the backend',
      )
    })
  })
}

import { isStorageError } from '../../core/errors.ts'
import type { Storage } from '../../core/storage.ts'
import { bytesOf, inUtf8Order, namesIn, saveAll, textOf } from './contents.ts'
import { equal, isTrue } from './expect.ts'
import { type StorageHarness, storageTest, type TestRunner } from './harness.ts'

/** Calls at the same time: nothing is lost, nothing is mixed. */
export function testConcurrency(runner: TestRunner, harness: StorageHarness): void {
  const test = storageTest(runner, harness)

  runner.describe('concurrency', () => {
    test('50 saves of one name give 50 names and 50 contents', async ({ choosing }) => {
      const storages = [await choosing(), await choosing()]
      const saved = await Promise.all(
        Array.from({ length: 50 }, async (_, index) => {
          const storage = storages[index % 2] as Storage
          return { index, name: await storage.save('d/a.txt', `content ${index}`) }
        }),
      )
      equal(new Set(saved.map(({ name }) => name)).size, 50, 'different names')
      isTrue(
        saved.some(({ name }) => name === 'd/a.txt'),
        'none got the name itself',
      )
      const storage = storages[0] as Storage
      for (const { index, name } of saved) {
        equal(await textOf(storage, name), `content ${index}`, `the content of ${name}`)
      }
      equal((await namesIn(storage)).length, 50, 'the number of files')
    })

    test('50 saves of one name from streams lose nothing', async ({ choosing }) => {
      const storage = await choosing()
      const streamOf = async function* (index: number): AsyncGenerator<string> {
        yield `content `
        await Promise.resolve()
        yield String(index)
      }
      const names = await Promise.all(
        Array.from({ length: 50 }, (_, index) => storage.save('a', streamOf(index))),
      )
      const contents = await Promise.all(names.map(name => textOf(storage, name)))
      equal(
        contents,
        names.map((_, index) => `content ${index}`),
        'the contents',
      )
      equal(inUtf8Order(names), await namesIn(storage), 'the names')
    })

    test('one of many overwriting saves wins, whole', async ({ storage }) => {
      const size = 100_000
      await storage.save('a', new Uint8Array(size).fill(200))
      await Promise.all(
        Array.from({ length: 20 }, (_, index) =>
          storage.save('a', new Uint8Array(size).fill(index), { overwrite: true }),
        ),
      )
      const bytes = await bytesOf(storage, 'a')
      equal(bytes.byteLength, size, 'the size')
      isTrue(
        bytes.every(byte => byte === bytes[0]),
        'two contents were mixed',
      )
      isTrue((bytes[0] ?? 200) < 20, 'the old content is back')
      equal(await namesIn(storage), ['a'], 'the files')
    })

    test('a file that is replaced never disappears and is never half there', async place => {
      const { storage } = place
      const size = 100_000
      await storage.save('a', new Uint8Array(size).fill(255))
      let done = false
      const writing = (async () => {
        for (let round = 0; round < 30; round++) {
          await storage.save('a', new Uint8Array(size + round).fill(round), { overwrite: true })
        }
        done = true
      })()
      for (let look = 0; look < 1_000 && !done; look++) await lookAt(storage, 'a', size)
      await writing
      equal(await storage.size('a'), size + 29, 'the size at the end')
    })

    test('many copies onto one name all stay', async ({ choosing }) => {
      const storage = await choosing()
      const sources = Array.from({ length: 10 }, (_, index) => `source-${index}`)
      await saveAll(storage, sources)
      const names = await Promise.all(sources.map(name => storage.copy(name, 'target')))
      equal(new Set(names).size, 10, 'different names')
      equal(await Promise.all(names.map(name => textOf(storage, name))), sources, 'the contents')
    })

    test('many moves onto one name all stay', async ({ choosing }) => {
      const storage = await choosing()
      const sources = Array.from({ length: 10 }, (_, index) => `source-${index}`)
      await saveAll(storage, sources)
      const names = await Promise.all(sources.map(name => storage.move(name, 'target')))
      equal(new Set(names).size, 10, 'different names')
      equal(await Promise.all(names.map(name => textOf(storage, name))), sources, 'the contents')
      equal((await namesIn(storage)).length, 10, 'the number of files')
    })

    test('saves and deletes in one folder do not disturb each other', async ({ storage }) => {
      await Promise.all(
        Array.from({ length: 20 }, async (_, index) => {
          for (let round = 0; round < 5; round++) {
            await storage.save(`d/e/${index}`, `${round}`, { overwrite: true })
            await storage.delete(`d/e/${index}`)
          }
          await storage.save(`d/e/${index}`, 'stays')
        }),
      )
      equal((await namesIn(storage, 'd/e')).length, 20, 'the number of files')
    })

    test('the same file is deleted by many at once', async ({ storage }) => {
      await storage.save('a', 'x')
      await Promise.all(Array.from({ length: 20 }, () => storage.delete('a')))
      equal(await storage.exists('a'), false, 'exists()')
    })

    test('many files are read at the same time', async ({ storage }) => {
      const names = Array.from({ length: 60 }, (_, index) => `f${index}`)
      await saveAll(storage, names)
      equal(await Promise.all(names.map(name => textOf(storage, name))), names, 'the contents')
    })
  })
}

/** What a reader sees of a file that is replaced: one whole version, or that it has changed. */
async function lookAt(storage: Storage, name: string, size: number): Promise<void> {
  isTrue(await storage.exists(name), 'the file has disappeared')
  try {
    const bytes = await bytesOf(storage, name)
    isTrue(bytes.byteLength >= size, `a reader got ${bytes.byteLength} bytes`)
    isTrue(
      bytes.every(byte => byte === bytes[0]),
      'a reader got two contents mixed',
    )
  } catch (error) {
    // A service may be unavailable for a moment (Ceph is, while an object is replaced).
    if (!isStorageError(error)) throw error
    if (error.name !== 'FileChangedError' && !error.retryable) throw error
  }
}

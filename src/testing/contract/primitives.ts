import type { Backend, ReadOptions, WriteOptions } from '../../core/backend.ts'
import type { Bytes } from '../../core/bytes.ts'
import { toContent } from '../../core/content.ts'
import type { Name } from '../../core/names.ts'
import { Storage } from '../../core/storage.ts'
import { joined, namesIn, pattern, textOf } from './contents.ts'
import { equal, equalBytes, isTrue, rejects } from './expect.ts'
import { type StorageHarness, storageTest, type TestRunner } from './harness.ts'

const plain: WriteOptions = { condition: undefined, nextName: undefined }

/** What the backend interface promises beyond what `Storage` shows. */
export function testPrimitives(runner: TestRunner, harness: StorageHarness): void {
  const test = storageTest(runner, harness)

  runner.describe('primitives of the backend', () => {
    test('deliver half-open ranges and tell their bounds', async ({ storage }) => {
      const { backend } = storage
      const bytes = pattern(1_000)
      await storage.save('a', bytes)
      for (const [start, end, from, to] of [
        [undefined, undefined, 0, 1_000],
        [0, 1, 0, 1],
        [999, undefined, 999, 1_000],
        [10, 5_000, 10, 1_000],
        [100, 101, 100, 101],
        [1_000, 2_000, 1_000, 1_000],
        [3_000, 4_000, undefined, undefined],
        [5, 5, 5, 5],
      ] as const) {
        const result = await backend.read('a' as Name, { start, end })
        const body = await result.body.bytes()
        equalBytes(body, bytes.subarray(from ?? 1_000, to), `the range ${start} to ${end}`)
        equal(result.end - result.start, body.byteLength, 'the length of the range')
        if (from !== undefined) equal([result.start, result.end], [from, to], 'the bounds')
        equal(result.stat.size, 1_000, 'the size of the whole file')
        equal(result.stat.name, 'a', 'the name')
      }
    })

    test('deliver ranges in chunks', async ({ storage, largeSize }) => {
      const bytes = pattern(largeSize)
      await storage.save('a', bytes)
      const options = { start: 1_000, end: largeSize - 1 }
      const { body } = await storage.backend.read('a' as Name, options)
      equalBytes(await joined(body.chunks()), bytes.subarray(1_000, -1), 'the chunks')
    })

    test('read empty files by any range', async ({ storage }) => {
      await storage.save('a', '')
      for (const options of [{}, { start: 0, end: 65_536 }, { start: 5 }]) {
        equal((await readWhole(storage.backend, options)).byteLength, 0, 'the number of bytes')
      }
    })

    test('check a version when they read', async ({ storage }) => {
      await storage.save('a', 'one')
      const { etag } = await storage.stat('a')
      equalBytes(await readWhole(storage.backend, { ifMatch: etag }), 'one', 'that version')
      await storage.save('a', 'two', { overwrite: true })
      const wrong = readWhole(storage.backend, { ifMatch: etag, start: 1, end: 2 })
      await rejects(wrong, 'PreconditionFailedError')
    })

    test('let go of a body that nobody reads', async ({ storage, largeSize }) => {
      await storage.save('a', pattern(largeSize))
      for (let round = 0; round < 200; round++) {
        const { body } = await storage.backend.read('a' as Name, {})
        body.cancel()
      }
      equal((await readWhole(storage.backend, {})).byteLength, largeSize, 'the size afterwards')
    })

    test('keep a taken name under the condition absent', async ({ storage }) => {
      const { backend } = storage
      await storage.save('a', 'old')
      const write = backend.write('a' as Name, toContent('new'), { ...plain, condition: 'absent' })
      await rejects(write, 'PreconditionFailedError')
      equal(await textOf(storage, 'a'), 'old', 'the file')
      const other = await backend.write('b' as Name, toContent('new'), {
        ...plain,
        condition: 'absent',
      })
      equal(other, 'b', 'the free name')
    })

    test('try the next names and read the content once', async ({ storage, largeSize }) => {
      await storage.save('a', 'old')
      await storage.save('b', 'old')
      for (const size of [10, largeSize]) {
        const names = ['b', `free-${size}`]
        const content = toContent(new Blob([pattern(size)]).stream())
        const name = await storage.backend.write('a' as Name, content, {
          condition: 'absent',
          nextName: () => names.shift() as Name,
        })
        equal(name, `free-${size}`, 'the name')
        equal(await storage.size(name), size, 'the size')
      }
      equal(await namesIn(storage), ['a', 'b', 'free-10', `free-${largeSize}`].sort(), 'the files')
    })

    test('give up when there are no more names', async ({ storage, largeSize }) => {
      await storage.save('a', 'old')
      for (const size of [10, largeSize]) {
        const write = storage.backend.write('a' as Name, toContent(pattern(size)), {
          condition: 'absent',
          nextName: () => {
            throw new RangeError('no more names')
          },
        })
        const error = await write.catch((error: unknown) => error)
        isTrue(error instanceof RangeError, 'another error came out')
      }
      equal(await namesIn(storage), ['a'], 'the files')
    })

    test('hold whatever a bucket can hold, where there are buckets', async place => {
      const { storage, capabilities } = place
      if (!capabilities.overlappingFolders) {
        for (const name of ['a//b', 'dir/']) {
          await rejects(storage.stat(name), 'FileNotFoundError', { file: name })
        }
        return
      }
      const names = ['a', 'a/b', 'a//b', 'x//', 'a\\b', 'tab\there']
      for (const name of names) await storage.backend.write(name as Name, toContent(name), plain)
      equal(await namesIn(storage), ['a', 'a//b', 'a/b', 'a\\b', 'tab\there', 'x//'], 'the files')
      for (const name of names) {
        equal(await storage.exists(name), true, `exists(${JSON.stringify(name)})`)
        equal(await textOf(storage, name), name, `the content of ${JSON.stringify(name)}`)
      }
      await storage.delete('a//b')
      equal(await textOf(storage, 'a/b'), 'a/b', 'the neighbour of what was deleted')
      await storage.deleteMany(names)
      equal(await namesIn(storage), [], 'the files at the end')
    })

    test('serve another storage over the same backend', async ({ storage }) => {
      await storage.save('a', 'x')
      equal(await textOf(new Storage(storage.backend), 'a'), 'x', 'the file')
    })
  })
}

async function readWhole(backend: Backend, options: ReadOptions): Promise<Bytes> {
  const { body } = await backend.read('a' as Name, options)
  return await body.bytes()
}

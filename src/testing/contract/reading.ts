import { bytesOf, joined, NotingStream, pattern, streamed, textOf } from './contents.ts'
import { equal, equalBytes, isTrue, rejects } from './expect.ts'
import { type StorageHarness, storageTest, type TestRunner } from './harness.ts'

/** Files as `file` gives them: whole, in slices, as streams, and pinned to their version. */
export function testReading(runner: TestRunner, harness: StorageHarness): void {
  const test = storageTest(runner, harness)

  runner.describe('reading', () => {
    test('gives back the bytes of an empty file', async ({ storage }) => {
      await storage.save('empty', '')
      const file = await storage.file('empty')
      equal(file.size, 0, 'the size')
      equalBytes(await file.bytes(), '', 'bytes()')
      equalBytes(await joined(streamed(file.stream())), '', 'stream()')
      equal(await file.text(), '', 'text()')
    })

    test('gives back the bytes of a file of one byte', async ({ storage }) => {
      await storage.save('one', new Uint8Array([0]))
      equalBytes(await bytesOf(storage, 'one'), new Uint8Array([0]), 'bytes()')
    })

    test('knows name, size and time of a file before it is read', async ({ storage }) => {
      await storage.save('a/b.txt', 'é日')
      const file = await storage.file('a/b.txt')
      equal(file.name, 'a/b.txt', 'the name')
      equal(file.size, 5, 'the size in bytes')
      equal(file.type, 'text/plain', 'the type')
      const { modifiedTime } = await storage.stat('a/b.txt')
      equal(file.lastModified, modifiedTime.getTime(), 'lastModified')
    })

    test('gives bytes, a buffer, text and a stream of the same file', async ({ storage }) => {
      await storage.save('a.txt', 'grüße 👪\r\n')
      const file = await storage.file('a.txt')
      equalBytes(await file.bytes(), 'grüße 👪\r\n', 'bytes()')
      const buffer = await file.arrayBuffer()
      isTrue(buffer instanceof ArrayBuffer, 'arrayBuffer() gives no ArrayBuffer')
      equalBytes(new Uint8Array(buffer), 'grüße 👪\r\n', 'arrayBuffer()')
      equal(await file.text(), 'grüße 👪\r\n', 'text()')
      equalBytes(await joined(streamed(file.stream())), 'grüße 👪\r\n', 'stream()')
    })

    test('streams a large file whole, and again', async ({ storage, largeSize }) => {
      const bytes = pattern(largeSize)
      await storage.save('large', bytes)
      const file = await storage.file('large')
      equalBytes(await joined(streamed(file.stream())), bytes, 'the stream')
      equalBytes(await file.bytes(), bytes, 'bytes() after the stream')
    })

    test('gives bytes that belong to the caller', async ({ storage }) => {
      await storage.save('a', 'abc')
      const file = await storage.file('a')
      const bytes = await file.bytes()
      equal(bytes.constructor === Uint8Array, true, 'bytes() gives a plain Uint8Array')
      bytes.fill(0)
      for await (const chunk of streamed(file.stream())) {
        equal(chunk.constructor === Uint8Array, true, 'stream() gives plain Uint8Arrays')
        chunk.fill(0)
      }
      equal(await textOf(storage, 'a'), 'abc', 'the file after the bytes were changed')
    })

    for (const [start, end] of [
      [0, 10],
      [0, 0],
      [3, 7],
      [3, undefined],
      [9, 10],
      [9, 99],
      [10, 20],
      [50, 60],
      [-3, undefined],
      [-3, -1],
      [-99, 2],
      [5, 2],
      [undefined, undefined],
    ] as const) {
      test(`slices as Blob does: ${start} to ${end}`, async ({ storage }) => {
        const bytes = pattern(10)
        await storage.save('ten', bytes)
        const expected = new Uint8Array(await new Blob([bytes]).slice(start, end).arrayBuffer())
        const slice = (await storage.file('ten')).slice(start, end)
        equal(slice.size, expected.byteLength, 'the size of the slice')
        equalBytes(await slice.bytes(), expected, 'bytes() of the slice')
        equalBytes(await joined(streamed(slice.stream())), expected, 'stream() of the slice')
      })
    }

    test('slices a slice', async ({ storage }) => {
      await storage.save('digits', '0123456789')
      const slice = (await storage.file('digits')).slice(2, 8, 'text/x')
      equal(slice.type, 'text/x', 'the type of the slice')
      equal(await slice.slice(1, -1).text(), '3456', 'a slice of the slice')
    })

    test('slices far into a large file', async ({ storage, largeSize }) => {
      const bytes = pattern(largeSize)
      await storage.save('large', bytes)
      const file = await storage.file('large')
      const from = largeSize - 70_001
      equalBytes(
        await file.slice(from, from + 70_000).bytes(),
        bytes.subarray(from, from + 70_000),
        'the slice',
      )
      equalBytes(await file.slice(-1).bytes(), bytes.subarray(-1), 'the last byte')
    })

    test('leaves a stream early without harm', async ({ storage, largeSize }) => {
      await storage.save('large', pattern(largeSize))
      const file = await storage.file('large')
      for (let round = 0; round < 20; round++) {
        for await (const chunk of streamed(file.stream())) {
          isTrue(chunk.byteLength > 0, 'an empty chunk')
          break
        }
      }
      equal((await file.bytes()).byteLength, largeSize, 'the size after streams were left')
    })

    test('notices that a file was replaced', async ({ storage }) => {
      await storage.save('a', 'first version')
      const file = await storage.file('a')
      await storage.save('a', 'other version', { overwrite: true })
      const fields = { file: 'a', backend: storage.backend.name }
      await rejects(file.bytes(), 'FileChangedError', fields)
      await rejects(file.text(), 'FileChangedError', fields)
      await rejects(file.slice(1, 3).bytes(), 'FileChangedError', fields)
      await rejects(joined(streamed(file.stream())), 'FileChangedError', fields)
    })

    test('notices that a file was removed', async ({ storage }) => {
      await storage.save('a', 'abc')
      const file = await storage.file('a')
      await storage.delete('a')
      await rejects(file.bytes(), 'FileChangedError', { file: 'a' })
    })

    test('says that a missing file is missing', async ({ storage }) => {
      await storage.save('a/b', '')
      for (const name of ['b', 'a', 'a/bb', 'a/b/c', 'A/b']) {
        const fields = { file: name, backend: storage.backend.name }
        await rejects(storage.file(name), 'FileNotFoundError', { ...fields, operation: 'file' })
        await rejects(storage.stat(name), 'FileNotFoundError', { ...fields, operation: 'stat' })
        await rejects(storage.size(name), 'FileNotFoundError', { ...fields, operation: 'size' })
        await rejects(storage.open(name), 'FileNotFoundError', { ...fields, operation: 'open' })
        equal(await storage.exists(name), false, `exists(${JSON.stringify(name)})`)
      }
    })

    test('tells the size in bytes', async ({ storage, largeSize }) => {
      await storage.save('text', 'é日👪')
      await storage.save('large', pattern(largeSize))
      equal(await storage.size('text'), 9, 'the size of é日👪')
      equal(await storage.size('large'), largeSize, 'the size of a large file')
      equal((await storage.stat('text')).size, 9, 'the size in stat()')
    })

    test('takes no folder for a file', async ({ storage }) => {
      await storage.save('folder/file', 'x')
      equal(await storage.exists('folder'), false, 'exists() of a folder')
      equal(await storage.exists('folder/'), false, 'exists() of a folder with its slash')
      await rejects(storage.stat('folder'), 'FileNotFoundError')
      await rejects(storage.open('folder', 'r'), 'FileNotFoundError')
    })

    test('pipes a stored file through streams', async ({ storage, largeSize }) => {
      const bytes = pattern(largeSize)
      await storage.save('large', bytes)
      const source = new NotingStream(streamed((await storage.file('large')).stream()))
      equalBytes(await joined(streamed(source.stream)), bytes, 'the piped bytes')
    })
  })
}

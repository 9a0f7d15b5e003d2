import type { Storage } from '../../core/storage.ts'
import { collect, inChunks, joined, NotingStream, pattern, streamed, utf8 } from './contents.ts'
import { equal, equalBytes, isTrue, rejects, throws } from './expect.ts'
import { type StorageHarness, storageTest, type TestRunner } from './harness.ts'

/** Several times the read-ahead at `open`. */
const fileSize = 300_000
const lineEnds = 'one\ntwo\r\nthree\rfour\r\n\r\n\n\r\rüml👪\u2028\u0085\v\fend'
const lines = ['one', 'two', 'three', 'four', '', '', '', '', 'üml👪\u2028\u0085\v\fend']

/** Files opened with `r` and `rb`. */
export function testOpenReaders(runner: TestRunner, harness: StorageHarness): void {
  const test = storageTest(runner, harness)

  runner.describe('open readers', () => {
    test('read on from where they stand', async ({ storage }) => {
      const reader = await openBinary(storage, '0123456789')
      equal([reader.name, reader.mode, reader.closed], ['a', 'rb', false], 'name, mode, closed')
      equal(await reader.size(), 10, 'size()')
      equal(reader.tell(), 0, 'tell() at the start')
      equalBytes(await reader.read(3), '012', 'read(3)')
      equalBytes(await reader.read(0), '', 'read(0)')
      equal(reader.tell(), 3, 'tell()')
      equalBytes(await reader.read(), '3456789', 'read()')
      equalBytes(await reader.read(5), '', 'read(5) at the end')
      equalBytes(await reader.read(), '', 'read() at the end')
      equal(reader.tell(), 10, 'tell() at the end')
      await reader.close()
    })

    test('open binary by default', async ({ storage }) => {
      await storage.save('a', 'x')
      const reader = await storage.open('a')
      equal(reader.mode, 'rb', 'the mode')
      await reader.close()
    })

    test('seek from the start, from here and from the end', async ({ storage }) => {
      const reader = await openBinary(storage, '0123456789')
      equal(await reader.seek(4), 4, 'seek(4)')
      equalBytes(await reader.read(2), '45', 'read(2)')
      equal(await reader.seek(-3, 'current'), 3, 'seek(-3, current)')
      equalBytes(await reader.read(1), '3', 'read(1)')
      equal(await reader.seek(-2, 'end'), 8, 'seek(-2, end)')
      equalBytes(await reader.read(), '89', 'read()')
      equal(await reader.seek(0, 'end'), 10, 'seek(0, end)')
      equal(await reader.seek(100), 100, 'seek behind the end')
      equalBytes(await reader.read(), '', 'read() behind the end')
      equal(await reader.seek(0), 0, 'seek(0)')
      equalBytes(await reader.read(), '0123456789', 'all of it')
      await reader.close()
    })

    test('refuse positions and lengths that are none', async ({ storage }) => {
      const reader = await openBinary(storage, '0123456789')
      await reader.seek(5)
      for (const offset of [-1, 1.5, Number.NaN, '3' as never]) {
        await rejects(reader.seek(offset), 'ValidationError', { operation: 'seek', file: 'a' })
      }
      await rejects(reader.seek(-11, 'end'), 'ValidationError')
      await rejects(reader.seek(0, 'middle' as never), 'ValidationError')
      for (const length of [-1, 1.5, Number.NaN, '3' as never]) {
        await rejects(reader.read(length), 'ValidationError', { operation: 'read', file: 'a' })
      }
      equalBytes(await reader.read(1), '5', 'read(1) where it stood')
      await reader.close()
    })

    test('read a large file in pieces of any size', async ({ storage }) => {
      const bytes = pattern(fileSize)
      await storage.save('a', bytes)
      for (const size of [1_000, 65_536, 65_537, 1_000_000]) {
        const reader = await storage.open('a')
        equalBytes(await joined(reader.chunks(size)), bytes, `chunks(${size})`)
        await reader.close()
      }
      const reader = await storage.open('a')
      equalBytes(await joined(reader), bytes, 'the iterated file')
      await reader.seek(0)
      equalBytes(await reader.read(), bytes, 'read() of all')
      await reader.close()
    })

    test('read a file of many windows', async ({ storage, largeSize }) => {
      const bytes = pattern(largeSize)
      const reader = await openBinary(storage, bytes)
      equalBytes(await joined(reader.chunks()), bytes, 'the chunks')
      await reader.close()
    })

    test('jump through a large file', async ({ storage, largeSize }) => {
      const bytes = pattern(largeSize)
      await storage.save('a', bytes)
      const reader = await storage.open('a')
      for (const at of [
        largeSize - 10,
        0,
        65_530,
        65_536,
        131_070,
        7,
        largeSize - 65_540,
        200_000,
      ]) {
        await reader.seek(at)
        equalBytes(await reader.read(10), bytes.subarray(at, at + 10), `ten bytes at ${at}`)
        equalBytes(await reader.read(6), bytes.subarray(at + 10, at + 16), `six more at ${at}`)
      }
      await reader.close()
    })

    test('give chunks of the size that was asked for', async ({ storage }) => {
      const reader = await openBinary(storage, pattern(10))
      const sizes = (await collect(reader.chunks(4))).map(chunk => chunk.byteLength)
      equal(sizes, [4, 4, 2], 'the sizes')
      for (const size of [0, -1, 1.5])
        await rejects(collect(reader.chunks(size)), 'ValidationError')
      await reader.seek(6)
      equal((await joined(reader.chunks())).byteLength, 4, 'bytes from the middle')
      await reader.close()
    })

    test('split lines at the three line ends', async ({ storage }) => {
      const reader = await openBinary(storage, lineEnds)
      const found = (await collect(reader.lines())).map(line => new TextDecoder().decode(line))
      equal(found, lines, 'lines() of bytes')
      await reader.close()
      const text = await storage.open('a', 'r')
      equal(await collect(text.lines()), lines, 'lines() of text')
      await text.close()
    })

    test('read line by line and keep the line ends', async ({ storage }) => {
      const expected = ['one\n', 'two\r\n', 'three\r', 'four\r\n', '\r\n', '\n', '\r', '\r']
      const reader = await openBinary(storage, lineEnds)
      const text = await storage.open('a', 'r')
      for (const line of [...expected, 'üml👪\u2028\u0085\v\fend', '', '']) {
        equalBytes(await reader.readline(), line, 'readline() of bytes')
        equal(await text.readline(), line, 'readline() of text')
        equal(text.tell(), reader.tell(), 'tell()')
      }
      await reader.close()
      await text.close()
    })

    test('have no line in an empty file, and one without an end', async ({ storage }) => {
      for (const [content, expected] of [
        ['', []],
        ['\n', ['']],
        ['a', ['a']],
        ['a\r', ['a']],
        ['\r\n', ['']],
        ['a\n\n', ['a', '']],
      ] as const) {
        await storage.save('a', content, { overwrite: true })
        const reader = await storage.open('a', 'r')
        equal(await collect(reader.lines()), expected, `lines of ${JSON.stringify(content)}`)
        await reader.close()
      }
    })

    test('find lines that cross every window', async ({ storage }) => {
      const line = `${'x'.repeat(9_999)}\r\n`
      const count = Math.ceil(Math.min(fileSize, 1_000_000) / line.length)
      await storage.save('a', line.repeat(count))
      const reader = await storage.open('a', 'r')
      let seen = 0
      for await (const found of reader.lines()) {
        isTrue(found.length === 9_999, `line ${seen} has ${found.length} characters`)
        seen++
      }
      equal(seen, count, 'the number of lines')
      await reader.close()
    })

    test('split \\r\\n at the end of what was fetched', async ({ storage }) => {
      for (const size of [65_534, 65_535, 65_536]) {
        await storage.save('a', `${'x'.repeat(size)}\r\ny`, { overwrite: true })
        const reader = await storage.open('a', 'r')
        const lengths = (await collect(reader.lines())).map(line => line.length)
        equal(lengths, [size, 1], `lines with the end at ${size}`)
        await reader.close()
      }
    })

    test('decode text as UTF-8 and count characters', async ({ storage }) => {
      await storage.save('a', '\ufeffgrüße 👪日本\r\nend')
      const reader = await storage.open('a', 'r')
      equal([reader.name, reader.mode], ['a', 'r'], 'name and mode')
      equal(await reader.size(), utf8('\ufeffgrüße 👪日本\r\nend').byteLength, 'size() in bytes')
      equal(await reader.read(3), '\ufeffgr', 'read(3)')
      equal(await reader.read(5), 'üße 👪', 'read(5)')
      equal(await reader.read(0), '', 'read(0)')
      equal(await reader.read(), '日本\r\nend', 'the rest')
      equal(await reader.read(), '', 'at the end')
      await reader.seek(0)
      equal((await collect(reader.chunks(2))).join(''), '\ufeffgrüße 👪日本\r\nend', 'chunks(2)')
      await reader.close()
    })

    test('split no character at the end of what was fetched', async ({ storage }) => {
      const text = `x${'👪'.repeat(40_000)}`
      await storage.save('a', text)
      const reader = await storage.open('a', 'r')
      equal((await collect(reader.chunks(10_007))).join('') === text, true, 'the joined chunks')
      await reader.seek(0)
      equal((await collect(reader)).join('') === text, true, 'the iterated file')
      await reader.seek(0)
      equal((await collect(streamed(reader.readable()))).join('') === text, true, 'the stream')
      await reader.close()
    })

    test('stream from where they stand', async ({ storage }) => {
      const bytes = pattern(fileSize)
      const reader = await openBinary(storage, bytes)
      await reader.read(100)
      equalBytes(await joined(streamed(reader.readable())), bytes.subarray(100), 'readable()')
      await reader.seek(0)
      for await (const chunk of streamed(reader.readable())) {
        isTrue(chunk.byteLength > 0, 'an empty chunk')
        break
      }
      await reader.seek(1)
      equalBytes(await reader.read(2), bytes.subarray(1, 3), 'read() after a stream was left')
      await reader.close()
    })

    test('answer calls that are not awaited in their order', async ({ storage }) => {
      const bytes = pattern(fileSize)
      const reader = await openBinary(storage, bytes)
      const results = await Promise.all([
        reader.read(5),
        reader.read(100_000),
        reader.seek(10),
        reader.read(3),
      ])
      equalBytes(results[0], bytes.subarray(0, 5), 'the first read')
      equalBytes(results[1], bytes.subarray(5, 100_005), 'the second read')
      equalBytes(results[3], bytes.subarray(10, 13), 'the read after the seek')
      await reader.close()
    })

    test('are closed once and for all', async ({ storage }) => {
      await storage.save('a', 'x')
      for (const mode of ['r', 'rb'] as const) {
        const reader = await storage.open('a', mode)
        await reader.close()
        await reader.close()
        equal(reader.closed, true, 'closed')
        const fields = { file: 'a' }
        await rejects(reader.read(), 'ClosedFileError', fields)
        await rejects(reader.readline(), 'ClosedFileError', fields)
        await rejects(reader.seek(0), 'ClosedFileError', fields)
        await rejects(reader.size(), 'ClosedFileError', fields)
        await rejects(collect<unknown>(reader.lines()), 'ClosedFileError', fields)
        await rejects(collect<unknown>(reader.chunks()), 'ClosedFileError', fields)
        throws(() => reader.tell(), 'ClosedFileError', fields)
        throws(() => reader.readable(), 'ClosedFileError', fields)
        equal([reader.name, reader.mode], ['a', mode], 'name and mode after close')
      }
    })

    test('are closed when they are disposed of', async ({ storage }) => {
      await storage.save('a', 'x')
      for (const mode of ['r', 'rb'] as const) {
        const reader = await storage.open('a', mode)
        await reader[Symbol.asyncDispose]()
        equal(reader.closed, true, 'closed')
      }
    })

    test('cannot write', async ({ storage }) => {
      await storage.save('a', 'x')
      for (const mode of ['r', 'rb'] as const) {
        const reader: object = await storage.open('a', mode)
        for (const method of ['write', 'writable', 'abort']) {
          throws(() => call(reader, method), 'UnsupportedError', { operation: method, file: 'a' })
        }
      }
    })

    test('notice that the file was replaced', async ({ storage }) => {
      for (const mode of ['r', 'rb'] as const) {
        await storage.save('a', new Uint8Array(fileSize).fill(65), { overwrite: true })
        const reader = await storage.open('a', mode)
        await reader.read(10)
        await storage.save('a', new Uint8Array(fileSize).fill(66), { overwrite: true })
        await rejects(reader.read(), 'FileChangedError', { operation: 'read', file: 'a' })
        await reader.seek(fileSize - 5)
        await rejects(reader.read(5), 'FileChangedError')
        await reader.close()
      }
    })

    test('notice that the file was removed', async ({ storage }) => {
      const reader = await openBinary(storage, pattern(fileSize))
      await storage.delete('a')
      await reader.seek(fileSize - 5)
      await rejects(reader.read(), 'FileChangedError', { file: 'a' })
      await reader.close()
    })

    test('refuse options that are for writing', async ({ storage }) => {
      await storage.save('a', 'x')
      for (const options of [
        { overwrite: true },
        { contentType: 'text/plain' },
        { ifMatch: 'x' },
      ]) {
        await rejects(storage.open('a', 'rb', options), 'ValidationError', { operation: 'open' })
      }
    })

    test('refuse other modes', async ({ storage }) => {
      await storage.save('a', 'x')
      for (const mode of ['rw', 'a', 'x', 'r+', '', null] as never[]) {
        await rejects(storage.open('a', mode), 'UnsupportedError', { operation: 'open', file: 'a' })
      }
    })

    test('can be the source of another file', async ({ storage }) => {
      const bytes = pattern(fileSize)
      const reader = await openBinary(storage, bytes)
      const source = new NotingStream(inChunks(await reader.read(), 10_000))
      await storage.save('b', source.stream)
      equalBytes(await (await storage.file('b')).bytes(), bytes, 'the other file')
      await reader.close()
    })
  })
}

async function openBinary(
  storage: Storage,
  content: string | Uint8Array,
): ReturnType<typeof storage.open<'rb'>> {
  await storage.save('a', content)
  return await storage.open('a', 'rb')
}

function call(file: object, method: string): unknown {
  const value: unknown = Reflect.get(file, method)
  if (typeof value !== 'function') throw new TypeError(`${method} is no function`)
  return Reflect.apply(value, file, ['x'])
}

import { bytesOf, namesIn, pattern, pause, textOf } from './contents.ts'
import { equal, equalBytes, isTrue, rejects, rejectsWith, throws } from './expect.ts'
import { type StorageHarness, storageTest, type TestRunner } from './harness.ts'

/** Files opened with `w` and `wb`. */
export function testOpenWriters(runner: TestRunner, harness: StorageHarness): void {
  const test = storageTest(runner, harness)

  runner.describe('open writers', () => {
    test('store at close what was written', async ({ storage }) => {
      const writer = await storage.open('d/a.bin', 'wb')
      equal([writer.name, writer.mode], ['d/a.bin', 'wb'], 'name and mode')
      equal(await writer.write('é日'), 5, 'bytes of a string')
      equal(await writer.write(new Uint8Array([0, 255])), 2, 'bytes of bytes')
      equal(await writer.write(''), 0, 'bytes of nothing')
      equal(writer.tell(), 7, 'tell()')
      await writer.close()
      equalBytes(
        await bytesOf(storage, 'd/a.bin'),
        new Uint8Array([195, 169, 230, 151, 165, 0, 255]),
        'the file',
      )
    })

    test('store text', async ({ storage }) => {
      const writer = await storage.open('a.txt', 'w')
      equal(writer.mode, 'w', 'the mode')
      equal(await writer.write('grüße\r\n'), 9, 'bytes of the text')
      await writer.write('👪')
      equal(writer.tell(), 13, 'tell() in bytes')
      await writer.close()
      equal(await textOf(storage, 'a.txt'), 'grüße\r\n👪', 'the file')
      equal((await storage.stat('a.txt')).contentType, 'text/plain', 'the content type')
    })

    test('refuse what they cannot write and go on', async ({ storage }) => {
      const text = await storage.open('a', 'w')
      await rejects(text.write(new Uint8Array(1) as never), 'ValidationError', { file: 'a' })
      for (const wrong of ['\udc00', 'a\ud800b'])
        await rejects(text.write(wrong), 'ValidationError')
      await text.write('good')
      await text.close()
      equal(await textOf(storage, 'a'), 'good', 'the text file')
      const binary = await storage.open('b', 'wb')
      for (const wrong of [42, null, {}, [1]]) {
        await rejects(binary.write(wrong as never), 'ValidationError', { file: 'b' })
      }
      await binary.write('good')
      await binary.close()
      equal(await textOf(storage, 'b'), 'good', 'the binary file')
    })

    test('put characters together that are split between two writes', async ({ storage }) => {
      for (const mode of ['w', 'wb'] as const) {
        const writer = await storage.open('a', mode)
        equal(await writer.write('é\ud83d'), 2, 'bytes before the second half')
        await rejects(writer.write('x'), 'ValidationError')
        equal(await writer.write('\ude00!'), 5, 'bytes with the second half')
        equal(writer.tell(), 7, 'tell()')
        await writer.close()
        equal(await textOf(storage, 'a'), 'é\ud83d\ude00!', 'the file')
      }
    })

    test('store nothing that ends in half a character', async ({ storage, largeSize }) => {
      await storage.save('a', 'old')
      for (const size of [1, largeSize]) {
        const writer = await storage.open('a', 'w')
        await writer.write('x'.repeat(size))
        await writer.write('\ud83d')
        await rejects(writer.close(), 'ValidationError', { operation: 'close', file: 'a' })
        equal(await textOf(storage, 'a'), 'old', 'the file')
      }
      const bytes = await storage.open('a', 'wb')
      await bytes.write('\ud83d')
      await rejects(bytes.write(new Uint8Array(1)), 'ValidationError')
      await bytes.abort()
    })

    test('show nothing before close', async ({ storage, largeSize }) => {
      await storage.save('old', 'old content')
      for (const name of ['old', 'new']) {
        const writer = await storage.open(name, 'wb')
        await writer.write(pattern(largeSize))
        equal(await namesIn(storage), ['old'], 'the files while one is written')
        equal(await textOf(storage, 'old'), 'old content', 'the old file')
        await writer.write('end')
        await writer.abort()
      }
      const writer = await storage.open('old', 'wb')
      await writer.write('new')
      equal(await textOf(storage, 'old'), 'old content', 'before close')
      await writer.close()
      equal(await textOf(storage, 'old'), 'new', 'after close')
    })

    test('leave an empty file when nothing was written', async ({ storage }) => {
      await storage.save('old', 'something')
      for (const name of ['old', 'new']) {
        const writer = await storage.open(name, 'w')
        await writer.close()
        equal(await storage.size(name), 0, `the size of ${name}`)
      }
      const writer = await storage.open('blank', 'w')
      await writer.write('')
      await writer.close()
      equal(await storage.size('blank'), 0, 'the size after an empty text')
    })

    test('replace the file whatever the storage does by default', async ({
      choosing,
      overwriting,
    }) => {
      for (const storage of [await choosing(), await overwriting()]) {
        await storage.save('a', 'a longer old content', { overwrite: true })
        const writer = await storage.open('a', 'w')
        await writer.write('new')
        await writer.close()
        equal(await textOf(storage, 'a'), 'new', 'the file')
      }
    })

    test('keep to a free name with overwrite: false', async ({ storage }) => {
      await storage.save('a', 'old')
      const options = { overwrite: false }
      const fields = { operation: 'open', file: 'a', backend: storage.backend.name }
      await rejects(storage.open('a', 'w', options), 'FileExistsError', fields)
      const writer = await storage.open('b', 'w', options)
      await writer.write('mine')
      await storage.save('b', 'theirs')
      await rejects(writer.close(), 'FileExistsError', { file: 'b' })
      equal(await textOf(storage, 'b'), 'theirs', 'the file')
      const free = await storage.open('c', 'w', options)
      await free.write('mine')
      await free.close()
      equal(await textOf(storage, 'c'), 'mine', 'the free file')
    })

    test('write large files in pieces of any size', async ({ storage, largeSize }) => {
      const bytes = pattern(largeSize)
      for (const size of [9_999, 262_144, largeSize]) {
        const writer = await storage.open('a', 'wb')
        for (let at = 0; at < largeSize; at += size) {
          await writer.write(bytes.subarray(at, at + size))
        }
        equal(writer.tell(), largeSize, 'tell()')
        await writer.close()
        equalBytes(await bytesOf(storage, 'a'), bytes, `the file written in pieces of ${size}`)
      }
    })

    test('keep the order of writes that are not awaited', async ({ storage, largeSize }) => {
      const bytes = pattern(largeSize)
      const half = Math.floor(largeSize / 2)
      const writer = await storage.open('a', 'wb')
      const written = [
        writer.write(bytes.subarray(0, 10)),
        writer.write(bytes.subarray(10, half)),
        writer.write(bytes.subarray(half)),
        writer.close(),
      ]
      await Promise.all(written)
      equalBytes(await bytesOf(storage, 'a'), bytes, 'the file')
    })

    test('let go of the bytes once a write is done', async ({ storage, largeSize }) => {
      const writer = await storage.open('a', 'wb')
      const buffer = new Uint8Array(50_000)
      const rounds = Math.ceil(largeSize / buffer.byteLength)
      for (let round = 0; round < rounds; round++) {
        buffer.fill(round)
        await writer.write(buffer)
      }
      buffer.fill(255)
      await writer.close()
      const bytes = await bytesOf(storage, 'a')
      equal(bytes.byteLength, rounds * buffer.byteLength, 'the size')
      const wrong = bytes.findIndex((byte, at) => byte !== Math.floor(at / buffer.byteLength) % 256)
      equal(wrong, -1, 'the position of a wrong byte')
    })

    for (const end of ['abort', Symbol.asyncDispose] as const) {
      test(`leave nothing behind after ${String(end)}`, async ({ storage, largeSize }) => {
        await storage.save('old', 'old content')
        for (const size of [0, 10, largeSize]) {
          for (const name of ['old', 'new']) {
            const writer = await storage.open(name, 'wb')
            if (size > 0) await writer.write(pattern(size))
            await writer[end]()
            equal(writer.closed, true, 'closed')
            await rejects(writer.write('x'), 'ClosedFileError', { file: name })
            await writer[end]()
          }
        }
        equal(await namesIn(storage), ['old'], 'the files')
        equal(await textOf(storage, 'old'), 'old content', 'the old file')
      })
    }

    test('are aborted in the middle of a write', async ({ storage, largeSize }) => {
      await storage.save('a', 'old content')
      for (const ticks of [0, 1, 2, 5]) {
        const writer = await storage.open('a', 'wb')
        const writing = writer.write(pattern(largeSize)).catch((error: unknown) => error)
        for (let tick = 0; tick < ticks; tick++) await Promise.resolve()
        await writer.abort()
        const error = await writing
        if (error instanceof Error) await rejects(Promise.reject(error), 'ClosedFileError')
      }
      await pause()
      equal(await textOf(storage, 'a'), 'old content', 'the old file')
    })

    test('are closed once and for all', async ({ storage }) => {
      for (const mode of ['w', 'wb'] as const) {
        const writer = await storage.open('a', mode)
        equal(writer.closed, false, 'closed before')
        await writer.write('x')
        await writer.close()
        await writer.close()
        equal(writer.closed, true, 'closed after')
        await rejects(writer.write('y'), 'ClosedFileError', { operation: 'write', file: 'a' })
        throws(() => writer.tell(), 'ClosedFileError', { file: 'a' })
        throws(() => writer.writable(), 'ClosedFileError', { file: 'a' })
        await writer.abort()
        await writer[Symbol.asyncDispose]()
        equal(await textOf(storage, 'a'), 'x', 'the file')
      }
    })

    test('cannot read', async ({ storage }) => {
      for (const mode of ['w', 'wb'] as const) {
        const writer: object = await storage.open('a', mode)
        for (const method of ['read', 'readline', 'seek', 'size', 'chunks', 'lines', 'readable']) {
          throws(() => call(writer, method), 'UnsupportedError', { operation: method, file: 'a' })
        }
      }
      equal(await storage.exists('a'), false, 'exists()')
    })

    test('take a stream whose close commits', async ({ storage, largeSize }) => {
      const bytes = pattern(largeSize)
      const writer = await storage.open('a', 'wb')
      await new Blob([bytes]).stream().pipeTo(writer.writable())
      equal(writer.closed, true, 'closed')
      equalBytes(await bytesOf(storage, 'a'), bytes, 'the file')
      const text = await storage.open('b', 'w')
      const stream = text.writable().getWriter()
      await stream.write('grüße')
      await stream.close()
      equal(await textOf(storage, 'b'), 'grüße', 'the text file')
    })

    test('take a stream whose abort gives up', async ({ storage, largeSize }) => {
      await storage.save('a', 'old content')
      for (const size of [10, largeSize]) {
        const writer = await storage.open('a', 'wb')
        const stream = writer.writable().getWriter()
        await stream.write(pattern(size))
        await stream.abort(new Error('enough'))
        equal(writer.closed, true, 'closed')
      }
      const failing = await storage.open('a', 'wb')
      const failure = new RangeError('the source broke')
      await rejectsWith(failingStream(failure).pipeTo(failing.writable()), failure)
      equal(await textOf(storage, 'a'), 'old content', 'the old file')
    })

    test('keep the old file when close fails', async place => {
      const { storage, capabilities, largeSize } = place
      await storage.save('file', 'old content')
      if (!capabilities.overlappingFolders) {
        for (const size of [10, largeSize]) {
          const below = await storage.open('file/below', 'wb')
          await below.write(pattern(size)).catch(() => {})
          await rejects(below.close(), 'FileExistsError', { file: 'file/below' })
          await below.abort()
        }
      }
      for (const size of [10, largeSize]) {
        await storage.delete('taken')
        const writer = await storage.open('taken', 'wb', { overwrite: false })
        await writer.write(pattern(size))
        await storage.save('taken', 'came first')
        await rejects(writer.close(), 'FileExistsError', { file: 'taken' })
        await rejects(writer.close(), 'FileExistsError', { file: 'taken' })
        await writer[Symbol.asyncDispose]()
        equal(await textOf(storage, 'taken'), 'came first', 'the file that came first')
      }
      equal(await namesIn(storage), ['file', 'taken'], 'the files')
      equal(await textOf(storage, 'file'), 'old content', 'the old file')
    })

    test('write different files at the same time', async ({ storage, largeSize }) => {
      const names = ['a', 'b', 'c', 'd']
      const writers = await Promise.all(names.map(name => storage.open(name, 'wb')))
      const bytes = names.map((_, index) => pattern(largeSize, index + 1))
      for (let at = 0; at < largeSize; at += 100_000) {
        await Promise.all(
          writers.map((writer, index) =>
            writer.write(bytes[index]?.subarray(at, at + 100_000) ?? ''),
          ),
        )
      }
      await Promise.all(writers.map(writer => writer.close()))
      for (const [index, name] of names.entries()) {
        equalBytes(await bytesOf(storage, name), bytes[index] ?? '', `the file ${name}`)
      }
      isTrue(
        writers.every(({ closed }) => closed),
        'a writer is still open',
      )
    })
  })
}

function failingStream(error: unknown): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      controller.enqueue(new Uint8Array(10))
    },
    pull(controller) {
      controller.error(error)
    },
  })
}

function call(file: object, method: string): unknown {
  const value: unknown = Reflect.get(file, method)
  if (typeof value !== 'function') throw new TypeError(`${method} is no function`)
  return Reflect.apply(value, file, [1])
}

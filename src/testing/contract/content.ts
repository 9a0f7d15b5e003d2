import { MemoryBackend } from '../../backends/memory/memory-backend.ts'
import type { Content } from '../../core/content.ts'
import { ContentFile } from '../../core/content-file.ts'
import { Storage } from '../../core/storage.ts'
import {
  bytesOf,
  failingAfter,
  inChunks,
  NotingChunks,
  NotingStream,
  namesIn,
  pattern,
  textOf,
} from './contents.ts'
import { equal, equalBytes, isTrue, rejects, within } from './expect.ts'
import { type StorageHarness, storageTest, type TestRunner } from './harness.ts'

/** Every kind of content, and what happens to the source. */
export function testContent(runner: TestRunner, harness: StorageHarness): void {
  const test = storageTest(runner, harness)
  const bytes = pattern(100_000)

  const kinds: Record<string, () => Content> = {
    bytes: () => bytes,
    'a view into a larger buffer': () => {
      const larger = new Uint8Array(bytes.byteLength + 20)
      larger.set(bytes, 7)
      return larger.subarray(7, 7 + bytes.byteLength)
    },
    'an ArrayBuffer': () => bytes.slice().buffer,
    'a Blob': () => new Blob([bytes]),
    'a slice of a Blob': () => new Blob([pattern(5), bytes, pattern(5)]).slice(5, 100_005),
    'a File': () => new File([bytes], 'upload.bin'),
    'a web stream': () => new NotingStream(inChunks(bytes, 7_777)).stream,
    'a web stream of bytes': () => new Blob([bytes]).stream(),
    'a response body': () => bodyOf(new Response(bytes)),
    'an async generator': () => inChunks(bytes, 7_777),
    'an async iterable with empty chunks': () => withEmptyChunks(bytes),
    'an async iterable that reuses its buffer': () => reusingBuffer(bytes),
    'a ContentFile': () => new ContentFile(bytes, 'content.bin'),
  }

  runner.describe('content', () => {
    for (const [kind, make] of Object.entries(kinds)) {
      test(`stores ${kind}`, async ({ storage }) => {
        await storage.save('a.bin', make())
        equalBytes(await bytesOf(storage, 'a.bin'), bytes, 'the file')
        equal(await storage.size('a.bin'), bytes.byteLength, 'the size')
      })
    }

    for (const [kind, make] of Object.entries<() => Content>({
      'an empty string': () => '',
      'no bytes': () => new Uint8Array(0),
      'an empty Blob': () => new Blob([]),
      'an empty stream': () => new Blob([]).stream(),
      'an iterable of nothing': () => inChunks(new Uint8Array(0), 1),
      'an iterable of empty chunks': () => withEmptyChunks(new Uint8Array(0)),
      'an empty ContentFile': () => new ContentFile(''),
    })) {
      test(`stores ${kind} as an empty file`, async ({ storage }) => {
        await storage.save('old', 'something')
        await storage.save('old', make(), { overwrite: true })
        await storage.save('new', make())
        equal(await storage.size('old'), 0, 'the size of the replaced file')
        equal(await storage.size('new'), 0, 'the size of the new file')
        equalBytes(await bytesOf(storage, 'new'), '', 'the file')
      })
    }

    test('stores text as UTF-8 and translates nothing', async ({ storage }) => {
      const text = '\ufeffgrüße\r\n日本\r👪\0\u2028end\n'
      await storage.save('text', text)
      await storage.save('file', new ContentFile(text))
      equalBytes(await bytesOf(storage, 'text'), text, 'a string')
      equalBytes(await bytesOf(storage, 'file'), text, 'a ContentFile of a string')
    })

    test('joins text and bytes, also where a character is split', async ({ storage }) => {
      const mixed = async function* (): AsyncGenerator<string | Uint8Array> {
        yield 'a\ud83d'
        yield ''
        yield '\udc6a'
        yield new Uint8Array([0xc3])
        yield new Uint8Array([0xa9])
        yield 'z'
      }
      await storage.save('mixed', mixed())
      equalBytes(await bytesOf(storage, 'mixed'), 'a👪éz', 'the file')
    })

    test('refuses half a character', async ({ storage }) => {
      const halves = async function* (...pieces: string[]): AsyncGenerator<string> {
        yield* pieces
      }
      const contents = ['a\ud83d', '\udc6a', halves('a\ud83d'), halves('\ud83d', 'b')]
      for (const content of contents) await rejects(storage.save('a', content), 'ValidationError')
      equal(await namesIn(storage), [], 'the files')
    })

    test('refuses a Blob whose size is not that of its bytes', async ({ storage, largeSize }) => {
      await storage.save('old', 'alpha')
      const sizes = [
        [5, 10],
        [10, 5],
        [5, 0],
        [0, 5],
        [largeSize, 5],
        [5, largeSize],
        [largeSize, largeSize - 1],
        [largeSize, largeSize + 1],
        [5, Number.NaN],
        [5, -1],
      ] as const
      for (const [real, said] of sizes) {
        const work = storage.save('old', new MistakenBlob(real, said), { overwrite: true })
        await rejects(within(work, `a Blob of ${real} bytes that says ${said}`), 'ValidationError')
      }
      equal(await textOf(storage, 'old'), 'alpha', 'the file')
      equal(await namesIn(storage), ['old'], 'the files')
    })

    test('copies a stored file of the same storage, also onto itself', async ({ storage }) => {
      await storage.save('a.txt', bytes)
      await storage.save('b', await storage.file('a.txt'))
      await storage.save('a.txt', await storage.file('a.txt'), { overwrite: true })
      await storage.save('c', (await storage.file('a.txt')).slice(10, 20))
      equalBytes(await bytesOf(storage, 'a.txt'), bytes, 'the file itself')
      equalBytes(await bytesOf(storage, 'b'), bytes, 'the copy')
      equalBytes(await bytesOf(storage, 'c'), bytes.subarray(10, 20), 'the copied slice')
    })

    test('copies a stored file of another storage', async ({ storage, largeSize }) => {
      const other = new Storage(new MemoryBackend())
      const large = pattern(largeSize)
      await other.save('photo.png', large)
      equal(await storage.save(null, await other.file('photo.png')), 'photo.png', 'the name')
      equalBytes(await bytesOf(storage, 'photo.png'), large, 'the copy')
      await storage.save('slow', 'x')
      await other.save('back', await storage.file('photo.png'))
      equalBytes(await bytesOf(other, 'back'), large, 'the copy of the copy')
    })

    test('stores nothing when the stored file has changed', async ({ storage }) => {
      const other = new Storage(new MemoryBackend())
      await other.save('a', 'one')
      const pinned = await other.file('a')
      await other.save('a', 'two', { overwrite: true })
      await rejects(storage.save('a', pinned), 'FileChangedError', { file: 'a' })
      equal(await storage.exists('a'), false, 'exists()')
    })

    test('stores what an open file still holds, and leaves it open', async ({ storage }) => {
      await storage.save('in.txt', 'one\ntwo\nthree')
      const binary = await storage.open('in.txt')
      await binary.readline()
      await storage.save('rest', binary)
      equal(await textOf(storage, 'rest'), 'two\nthree', 'the rest')
      equal(binary.closed, false, 'closed')
      const text = await storage.open('in.txt', 'r')
      equal(
        await (await storage.file(await storage.save('again', text))).text(),
        'one\ntwo\nthree',
        'a text reader',
      )
      await binary.close()
      await text.close()
    })

    test('stores all of the bytes or nothing when their memory is given away', async ({
      storage,
      largeSize,
    }) => {
      const whole = pattern(largeSize)
      const give = (given: Uint8Array): void => {
        if (given.byteLength > 0) structuredClone(given.buffer, { transfer: [given.buffer] })
      }
      const early = whole.slice()
      const late = whole.slice()
      const saves = [
        storage.save('early', early),
        storage.save('late', late, { onProgress: () => give(late) }),
      ]
      give(early)
      for (const result of await Promise.allSettled(saves))
        if (result.status === 'rejected') equal(result.reason.name, 'ValidationError', 'the error')
      for (const name of await namesIn(storage))
        equalBytes(await bytesOf(storage, name), whole, `the file ${name}`)
    })

    test('takes the name of the content for null', async ({ choosing }) => {
      const storage = await choosing()
      const file = new File(['x'], 'photo.png')
      equal(await storage.save(null, file), 'photo.png', 'a File')
      equal(await storage.save(null, new ContentFile('x', 'd/a.txt')), 'd/a.txt', 'a ContentFile')
      const again = await storage.save(null, file)
      isTrue(/^photo_[A-Za-z0-9]{7}\.png$/.test(again), `the taken name became ${again}`)
    })

    test('refuses null for a content without a name', async ({ storage }) => {
      for (const content of ['x', new Blob(['x']), new ContentFile('x'), inChunks(bytes, 9)]) {
        await rejects(storage.save(null, content), 'SuspiciousFileOperation', { operation: 'save' })
      }
      await rejects(storage.save(null, new File(['x'], '../x')), 'SuspiciousFileOperation')
    })

    test('refuses what is no content', async ({ storage }) => {
      const wrong: unknown[] = [null, undefined, 42, true, {}, [1, 2], new Date(0), Symbol('s')]
      for (const content of wrong) {
        await rejects(storage.save('a', content as never), 'ValidationError', { operation: 'save' })
      }
      equal(await storage.exists('a'), false, 'exists()')
    })

    test('refuses chunks that are no bytes', async ({ storage }) => {
      for (const wrong of [42, null, {}, [1]]) {
        const chunks = (async function* (): AsyncGenerator<never> {
          yield 'first' as never
          yield wrong as never
        })()
        await rejects(storage.save('a', chunks), 'ValidationError', {
          operation: 'save',
          file: 'a',
        })
      }
      equal(await storage.exists('a'), false, 'exists()')
    })

    test('does not follow a content that is changed after it was given', async ({ storage }) => {
      const changing = pattern(50_000)
      await storage.save('a', changing)
      changing.fill(0)
      equalBytes(await bytesOf(storage, 'a'), pattern(50_000), 'the file')
      const shared = new SharedBytes(pattern(50_000).buffer)
      await storage.save('b', shared)
      await storage.save('c', inChunks(shared, 50_000))
      shared.fill(0)
      equalBytes(await bytesOf(storage, 'b'), pattern(50_000), 'the file of a Buffer')
      equalBytes(await bytesOf(storage, 'c'), pattern(50_000), 'the file of chunks')
    })

    test('leaves contents that are no streams usable', async ({ storage }) => {
      const blob = new Blob(['again'])
      const file = new ContentFile('again')
      for (const content of [blob, file]) {
        await storage.save('a', content, { overwrite: true })
        await storage.save('b', content, { overwrite: true })
        equal(await textOf(storage, 'b'), 'again', 'the second file')
      }
      equal(await blob.text(), 'again', 'the Blob')
    })

    test('reads a stream once, to its end', async ({ storage }) => {
      const source = new NotingChunks(inChunks(pattern(3_000), 1_000))
      await storage.save('a', source)
      isTrue(source.ended, 'the source was not read to its end')
      const stream = new NotingStream(inChunks(pattern(3_000), 1_000))
      await storage.save('b', stream.stream)
      equal(stream.pulls, 4, 'pulls of the stream')
      equal(stream.cancelled, undefined, 'the cancellation')
    })

    test('ends a source when options or names are refused', async ({ storage }) => {
      const refused: [string, object][] = [
        ['../a', {}],
        ['a', { maxLenght: 3 }],
        ['a', { overwrite: 'yes' }],
        ['a', { overwrite: false, ifMatch: 'x' }],
      ]
      for (const [name, options] of refused) {
        const chunks = new NotingChunks(failingAfter(9, new Error('read')))
        const stream = new NotingStream(failingAfter(9, new Error('read')))
        await storage.save(name, chunks, options).catch(() => {})
        await storage.save(name, stream.stream, options).catch(() => {})
        isTrue(chunks.ended, `the iterable was left open for ${JSON.stringify(options)}`)
        isTrue(stream.cancelled !== undefined, `the stream for ${JSON.stringify(options)}`)
        isTrue(!chunks.begun && stream.pulls === 0, 'the source was read')
      }
    })

    test('takes chunks of one byte', async ({ storage }) => {
      await storage.save('a', inChunks(pattern(2_000), 1))
      equalBytes(await bytesOf(storage, 'a'), pattern(2_000), 'the file')
    })
  })
}

/** Bytes whose `slice` is no copy, as Node's `Buffer`. */
class SharedBytes extends Uint8Array<ArrayBuffer> {
  override slice(start?: number, end?: number): Uint8Array<ArrayBuffer> {
    return this.subarray(start, end)
  }
}

function bodyOf(response: Response): ReadableStream<Uint8Array> {
  if (response.body === null) throw new Error('A response of bytes has no body.')
  return response.body
}

async function* withEmptyChunks(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield new Uint8Array(0)
  for await (const chunk of inChunks(bytes, 33_333)) {
    yield chunk
    yield new Uint8Array(0)
  }
}

/** A chunk is the reader's until the next one is asked for, as of many parsers. */
async function* reusingBuffer(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  const buffer = new Uint8Array(1_000)
  for await (const chunk of inChunks(bytes, buffer.byteLength)) {
    buffer.set(chunk)
    yield buffer.subarray(0, chunk.byteLength)
    buffer.fill(0xee)
  }
}

/** A Blob of a program's own that is wrong about its size. */
class MistakenBlob extends Blob {
  readonly #said: number

  constructor(real: number, said: number) {
    super([pattern(real)])
    this.#said = said
  }

  override get size(): number {
    return this.#said
  }
}

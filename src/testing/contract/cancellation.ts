import { toContent } from '../../core/content.ts'
import type { Name } from '../../core/names.ts'
import type { Storage } from '../../core/storage.ts'
import {
  collect,
  failingAfter,
  joined,
  NotingChunks,
  NotingStream,
  namesIn,
  pattern,
  pause,
  saveAll,
  streamed,
  stuckAfter,
  textOf,
} from './contents.ts'
import { equal, isTrue, rejectsWith } from './expect.ts'
import { type StorageHarness, storageTest, type TestRunner } from './harness.ts'

/** Whatever was given to `abort` is what the caller gets, be it an error or not. */
const reasons: readonly unknown[] = [new RangeError('enough'), 'a string', 0, null, { code: 7 }]

type Call = (storage: Storage, signal: AbortSignal) => Promise<unknown>

const calls: Readonly<Record<string, Call>> = {
  save: (storage, signal) => storage.save('b', 'x', { signal }),
  'save of a stream': (storage, signal) =>
    storage.save('b', new Blob(['x']).stream(), { signal, overwrite: true }),
  open: (storage, signal) => storage.open('a', 'rb', { signal }),
  'open of text': (storage, signal) => storage.open('a', 'r', { signal }),
  file: (storage, signal) => storage.file('a', { signal }),
  stat: (storage, signal) => storage.stat('a', { signal }),
  exists: (storage, signal) => storage.exists('a', { signal }),
  size: (storage, signal) => storage.size('a', { signal }),
  getModifiedTime: (storage, signal) => storage.getModifiedTime('a', { signal }),
  list: (storage, signal) => collect(storage.list('', { signal })),
  listdir: (storage, signal) => storage.listdir('', { signal }),
  copy: (storage, signal) => storage.copy('a', 'b', { signal }),
  getAvailableName: (storage, signal) => storage.getAvailableName('a', { signal }),
}

/** Also those that change what is there: only before they begin is it certain what they did. */
const changing: Readonly<Record<string, Call>> = {
  delete: (storage, signal) => storage.delete('a', { signal }),
  deleteMany: (storage, signal) => storage.deleteMany(['a'], { signal }),
  move: (storage, signal) => storage.move('a', 'b', { signal }),
  url: (storage, signal) => storage.url('a', { signal }),
  'open for writing': (storage, signal) => storage.open('a', 'wb', { signal }),
}

/** An abort rejects with the very reason, soon, and leaves nothing behind. */
export function testCancellation(runner: TestRunner, harness: StorageHarness): void {
  const test = storageTest(runner, harness)

  runner.describe('cancellation', () => {
    for (const [name, call] of Object.entries({ ...calls, ...changing })) {
      test(`${name} does nothing when it was cancelled before`, async ({ choosing }) => {
        const storage = await choosing()
        await storage.save('a', 'content')
        for (const reason of reasons)
          await rejectsWith(call(storage, AbortSignal.abort(reason)), reason)
        equal(await namesIn(storage), ['a'], 'the files')
        equal(await textOf(storage, 'a'), 'content', 'the content')
      })
    }

    for (const [name, call] of Object.entries(calls)) {
      test(`${name} rejects with the reason when it is cancelled`, async ({ choosing }) => {
        const storage = await choosing()
        await storage.save('a', 'content')
        for (const reason of reasons) {
          const controller = new AbortController()
          const work = call(storage, controller.signal)
          controller.abort(reason)
          await rejectsWith(work, reason)
        }
        await pause()
        equal(await textOf(storage, 'a'), 'content', 'the content')
        if (name.startsWith('save')) equal(await storage.exists('b'), false, 'exists()')
      })
    }

    test('delete and move reject with the reason when they are cancelled', async ({ storage }) => {
      for (const call of Object.values(changing).slice(0, 3)) {
        await storage.save('a', 'content', { overwrite: true })
        const controller = new AbortController()
        const work = call(storage, controller.signal)
        controller.abort('enough')
        await rejectsWith(work, 'enough')
        await pause()
      }
    })

    test('is of no effect when all is done', async ({ storage }) => {
      const controller = new AbortController()
      const { signal } = controller
      await storage.save('a', 'content', { signal })
      const stat = await storage.stat('a', { signal })
      controller.abort()
      await pause()
      equal((await storage.stat('a')).etag, stat.etag, 'the version')
      equal(await textOf(storage, 'a'), 'content', 'the content')
    })

    test('ends a save whose content never comes', async ({ storage, largeSize }) => {
      await storage.save('old', 'old content')
      for (const size of [0, 10, 70_000, largeSize]) {
        for (const name of ['old', 'new']) {
          const controller = new AbortController()
          const { signal } = controller
          const content = stuckAfter(size, () => queueMicrotask(() => controller.abort('enough')))
          await rejectsWith(storage.save(name, content, { signal, overwrite: true }), 'enough')
        }
      }
      await pause()
      equal(await namesIn(storage), ['old'], 'the files')
      equal(await textOf(storage, 'old'), 'old content', 'the old file')
    })

    test('ends a save of a web stream that never comes', async ({ storage }) => {
      const controller = new AbortController()
      const { signal } = controller
      const source = new NotingStream(stuckAfter(70_000, () => controller.abort('enough')))
      await rejectsWith(storage.save('new', source.stream, { signal }), 'enough')
      await pause()
      equal(source.cancelled, { reason: 'enough' }, 'the cancellation of the source')
      equal(await storage.exists('new'), false, 'exists()')
    })

    test('ends a source, also one that was not read yet', async ({ storage }) => {
      const stream = new NotingStream(failingAfter(9, new Error('read')))
      const chunks = new NotingChunks(failingAfter(9, new Error('read')))
      const signal = AbortSignal.abort('enough')
      await rejectsWith(storage.save('a', stream.stream, { signal }), 'enough')
      await rejectsWith(storage.save('a', chunks, { signal }), 'enough')
      isTrue(stream.cancelled !== undefined && chunks.ended, 'a source was left open')
      isTrue(stream.pulls === 0 && !chunks.begun, 'a source was read')
    })

    test('ends a save in the middle of a large content', async ({ storage, largeSize }) => {
      await storage.save('old', 'old content')
      for (const name of ['old', 'new']) {
        const controller = new AbortController()
        const { signal } = controller
        const onProgress = (): void => controller.abort('enough')
        const options = { signal, onProgress, overwrite: true }
        const content = new Blob([pattern(largeSize), pattern(largeSize)]).stream()
        await rejectsWith(storage.save(name, content, options), 'enough')
      }
      await pause()
      equal(await namesIn(storage), ['old'], 'the files')
      equal(await textOf(storage, 'old'), 'old content', 'the old file')
    })

    test('reaches the backend, which gives up by itself', async ({ storage, largeSize }) => {
      for (const size of [0, 10, largeSize]) {
        const controller = new AbortController()
        const { signal } = controller
        const chunks = stuckAfter(size, () => queueMicrotask(() => controller.abort('enough')))
        const write = storage.backend.write('new' as Name, toContent(chunks, signal), {
          signal,
          condition: undefined,
          nextName: undefined,
        })
        const outcome = write.then(
          () => undefined,
          () => 'gave up',
        )
        equal(await Promise.race([outcome, pause(5_000)]), 'gave up', `a write of ${size} bytes`)
      }
      equal(await namesIn(storage), [], 'the files')
    })

    test('ends a listing between two files', async ({ storage }) => {
      await saveAll(storage, ['1', '2', '3'])
      const controller = new AbortController()
      const seen: string[] = []
      const listing = async (): Promise<void> => {
        for await (const { name } of storage.list('', { signal: controller.signal })) {
          seen.push(name)
          controller.abort('enough')
        }
      }
      await rejectsWith(listing(), 'enough')
      equal(seen, ['1'], 'the files before the abort')
    })

    test('ends a removal of names that never come', async ({ storage }) => {
      await saveAll(storage, ['1', '2'])
      const controller = new AbortController()
      const names = async function* (): AsyncGenerator<string> {
        yield '1'
        controller.abort('enough')
        await new Promise<never>(() => {})
      }
      await rejectsWith(storage.deleteMany(names(), { signal: controller.signal }), 'enough')
      equal(await storage.exists('2'), true, 'exists(2)')
    })

    test('ends a stored file', async ({ storage, largeSize }) => {
      await storage.save('a', pattern(largeSize))
      const controller = new AbortController()
      const file = await storage.file('a', { signal: controller.signal })
      const reading = async (): Promise<void> => {
        for await (const chunk of streamed(file.stream())) {
          isTrue(chunk.byteLength > 0, 'an empty chunk')
          controller.abort('enough')
        }
      }
      await rejectsWith(reading(), 'enough')
      await rejectsWith(file.bytes(), 'enough')
      await rejectsWith(joined(streamed(file.slice(0, 10).stream())), 'enough')
    })

    test('ends an open reader', async ({ storage, largeSize }) => {
      await storage.save('a', pattern(largeSize))
      for (const mode of ['r', 'rb'] as const) {
        const controller = new AbortController()
        const reader = await storage.open('a', mode, { signal: controller.signal })
        await reader.read(10)
        const reading = reader.read()
        await Promise.resolve()
        controller.abort('enough')
        await rejectsWith(reading, 'enough')
        await rejectsWith(reader.read(1), 'enough')
        await reader.close()
      }
    })

    test('ends an open writer and leaves nothing behind', async ({ storage, largeSize }) => {
      await storage.save('old', 'old content')
      for (const size of [0, 10, largeSize]) {
        for (const name of ['old', 'new']) {
          const controller = new AbortController()
          const writer = await storage.open(name, 'wb', { signal: controller.signal })
          if (size > 0) await writer.write(pattern(size))
          controller.abort('enough')
          await rejectsWith(writer.write('more'), 'enough')
          await rejectsWith(writer.close(), 'enough')
          await writer.abort()
        }
      }
      await pause()
      equal(await namesIn(storage), ['old'], 'the files')
      equal(await textOf(storage, 'old'), 'old content', 'the old file')
    })

    test('leaves no listener on the signal', async ({ storage, largeSize }) => {
      const { signal, listeners } = countingSignal()
      await storage.save('a', 'x', { signal })
      await storage.save('b', new Blob(['x']).stream(), { signal })
      await storage.exists('a', { signal })
      await storage.listdir('', { signal })
      await collect(storage.list('', { signal }))
      const file = await storage.file('a', { signal })
      await file.bytes()
      await new Response(file.stream()).arrayBuffer()
      const left = file.stream().getReader()
      await left.read()
      await left.cancel()
      for (const end of ['close', 'abort'] as const) {
        const writer = await storage.open('c', 'wb', { signal })
        await writer.write(pattern(largeSize))
        await writer[end]()
      }
      const reader = await storage.open('c', 'rb', { signal })
      for await (const piece of reader.chunks(100_000)) void piece
      await reader.close()
      await storage.copy('c', 'd', { signal })
      await storage.move('d', 'e', { signal })
      await storage.deleteMany(['a', 'b', 'c', 'e'], { signal })
      await pause()
      equal(listeners.size, 0, 'listeners')
    })
  })
}

/** A signal that counts the listeners that are on it. */
function countingSignal(): { readonly signal: AbortSignal; readonly listeners: Set<unknown> } {
  const { signal } = new AbortController()
  const { addEventListener, removeEventListener } = signal
  const listeners = new Set<unknown>()
  signal.addEventListener = (...event: Parameters<typeof addEventListener>): void => {
    listeners.add(event[1])
    Reflect.apply(addEventListener, signal, event)
  }
  signal.removeEventListener = (...event: Parameters<typeof removeEventListener>): void => {
    listeners.delete(event[1])
    Reflect.apply(removeEventListener, signal, event)
  }
  return { signal, listeners }
}

import type { ReadOptions, ReadResult } from '../../core/backend.ts'
import { isStorageError, UnavailableError } from '../../core/errors.ts'
import type { Name } from '../../core/names.ts'
import { Storage } from '../../core/storage.ts'
import type { BackendCall } from '../../layers/layer.ts'
import { Layer } from '../../layers/layer.ts'
import { collect, inChunks, NotingChunks, pattern, streamed } from './contents.ts'
import { equal, isTrue, rejects } from './expect.ts'
import { type StorageHarness, storageTest, type TestRunner } from './harness.ts'

type Call = (storage: Storage) => Promise<unknown>

/** Every method, called on the file `a`. */
const calls: Readonly<Record<string, Call>> = {
  save: storage => storage.save('a', 'x'),
  open: storage => storage.open('a'),
  file: storage => storage.file('a'),
  delete: storage => storage.delete('a'),
  exists: storage => storage.exists('a'),
  stat: storage => storage.stat('a'),
  size: storage => storage.size('a'),
  listdir: storage => storage.listdir('a'),
  list: storage => collect(storage.list('a')),
  getModifiedTime: storage => storage.getModifiedTime('a'),
  copy: storage => storage.copy('a', 'b'),
  move: storage => storage.move('a', 'b'),
}

/** What errors tell, and that nothing else than errors of the package comes out. */
export function testErrors(runner: TestRunner, harness: StorageHarness): void {
  const test = storageTest(runner, harness)

  runner.describe('errors', () => {
    for (const [operation, call] of Object.entries(calls)) {
      test(`${operation} wraps what it cannot classify`, async ({ storage }) => {
        await storage.save('a', 'x')
        const cause = new TypeError('socket hang up')
        const failing = new Storage(new FailingBackend(storage.backend, cause))
        const error = await rejects(call(failing), 'StorageError', {
          operation,
          backend: storage.backend.name,
        })
        equal(error.cause === cause, true, 'the cause')
        if (operation !== 'listdir') equal(error.file, 'a', 'the file')
        isTrue(error.message.includes('socket hang up'), `the message is ${error.message}`)
      })

      test(`${operation} lets errors of the package through`, async ({ storage }) => {
        await storage.save('a', 'x')
        const cause = new UnavailableError('The service is down.', { attempts: 3, retryAfter: 5 })
        const failing = new Storage(new FailingBackend(storage.backend, cause))
        const error = await rejects(call(failing), 'UnavailableError', {
          operation,
          backend: storage.backend.name,
        })
        equal(error === cause, true, 'the same error')
        equal(error.retryable, true, 'retryable')
      })
    }

    test('say which file of which storage is missing', async ({ storage }) => {
      const error = await rejects(storage.stat('d/missing "x".txt'), 'FileNotFoundError', {
        operation: 'stat',
        file: 'd/missing "x".txt',
        backend: storage.backend.name,
      })
      isTrue(error instanceof Error, 'the error is no Error')
      isTrue(isStorageError(error), 'isStorageError()')
      isTrue(error.message.includes('missing'), `the message is ${error.message}`)
      equal(error.retryable, false, 'retryable')
      isTrue(storage.backend.name !== '', 'the backend has no name')
    })

    test('wrap what goes wrong while an opened file is read and written', async ({ storage }) => {
      await storage.save('a', pattern(200_000))
      const backend = new FailingBackend(storage.backend, undefined)
      const failing = new Storage(backend)
      const reader = await failing.open('a')
      const writer = await failing.open('b', 'wb')
      backend.failure = new TypeError('socket hang up')
      const fields = { backend: storage.backend.name }
      await rejects(reader.read(), 'StorageError', { ...fields, operation: 'read', file: 'a' })
      await rejects(writer.close(), 'StorageError', { ...fields, operation: 'close', file: 'b' })
      backend.failure = undefined
      const large = await failing.open('c', 'wb')
      backend.failure = new TypeError('socket hang up')
      await rejects(large.write(pattern(600_000)), 'StorageError', {
        ...fields,
        operation: 'write',
        file: 'c',
      })
      await rejects(large.close(), 'StorageError', { ...fields, file: 'c' })
      backend.failure = undefined
      equal(await storage.exists('b'), false, 'exists(b)')
      equal(await storage.exists('c'), false, 'exists(c)')
    })

    test('say that bytes are missing, instead of an early end', async ({ storage }) => {
      const bytes = pattern(200_000)
      await storage.save('a', bytes)
      const short = new Storage(new ShortBackend(storage.backend))
      const file = await short.file('a')
      const fields = { file: 'a', backend: storage.backend.name }
      await rejects(file.bytes(), 'IntegrityError', fields)
      await rejects(collect(streamed(file.stream())), 'IntegrityError', fields)
      await rejects(file.slice(10, 20).bytes(), 'IntegrityError', fields)
      await rejects(short.open('a'), 'IntegrityError', { ...fields, operation: 'open' })
    })

    test('refuse unknown options, naming the nearest', async ({ storage }) => {
      await storage.save('a', 'x')
      const wrong = { sginal: undefined, overwrit: true } as object
      const options = { sginal: new AbortController().signal } as object
      const source = new NotingChunks(inChunks(pattern(3), 1))
      const error = await rejects(storage.save('b', source, wrong), 'ValidationError', {
        operation: 'save',
        file: 'b',
      })
      isTrue(/"signal"|"overwrite"/.test(error.message), `the message is ${error.message}`)
      isTrue(!source.begun, 'the content was read')
      await rejects(storage.open('a', 'rb', wrong), 'ValidationError', { operation: 'open' })
      await rejects(storage.open('b', 'wb', wrong), 'ValidationError', { operation: 'open' })
      await rejects(storage.url('a', wrong), 'ValidationError', { operation: 'url' })
      await rejects(collect(storage.list('', wrong)), 'ValidationError', { operation: 'list' })
      await rejects(storage.stat('a', options), 'ValidationError', { operation: 'stat' })
      await rejects(storage.exists('a', options), 'ValidationError', { operation: 'exists' })
      await rejects(storage.file('a', options), 'ValidationError', { operation: 'file' })
      await rejects(storage.delete('a', options), 'ValidationError', { operation: 'delete' })
      await rejects(storage.deleteMany(['a'], options), 'ValidationError', {
        operation: 'deleteMany',
      })
      await rejects(storage.listdir('', options), 'ValidationError', { operation: 'listdir' })
      await rejects(storage.copy('a', 'b', options), 'ValidationError', { operation: 'copy' })
      await rejects(storage.move('a', 'b', options), 'ValidationError', { operation: 'move' })
      await rejects(storage.getAvailableName('a', wrong), 'ValidationError', {
        operation: 'getAvailableName',
      })
      equal(await storage.exists('a'), true, 'exists()')
      equal(await storage.exists('b'), false, 'exists()')
    })

    test('refuse options of the wrong type', async ({ storage }) => {
      const wrong: object[] = [
        { maxLength: '10' },
        { maxLength: -1 },
        { maxLength: 1.5 },
        { overwrite: 1 },
        { contentType: 42 },
        { metadata: 'a=b' },
        { metadata: null },
        { metadata: ['a'] },
        { ifMatch: 7 },
        { onProgress: true },
        { signal: 'abort' },
        { signal: {} },
        { acl: false },
      ]
      for (const options of wrong) {
        await rejects(storage.save('a', 'x', options), 'ValidationError', { operation: 'save' })
      }
      await rejects(storage.save('a', 'x', null as never), 'ValidationError')
      await rejects(storage.save('a', 'x', 'options' as never), 'ValidationError')
      equal(await storage.exists('a'), false, 'exists()')
    })

    test('refuse null for options, in every method', async ({ storage }) => {
      const none = null as never
      for (const call of [
        () => storage.open('a', 'rb', none),
        () => storage.open('a', 'wb', none),
        () => storage.file('a', none),
        () => storage.save('a', 'x', none),
        () => storage.delete('a', none),
        () => storage.deleteMany(['a'], none),
        () => storage.exists('a', none),
        () => storage.stat('a', none),
        () => storage.size('a', none),
        () => storage.listdir('', none),
        () => collect(storage.list('', none)),
        () => storage.url('a', none),
        () => storage.getModifiedTime('a', none),
        () => storage.getCreatedTime('a', none),
        () => storage.getAccessedTime('a', none),
        () => storage.copy('a', 'b', none),
        () => storage.move('a', 'b', none),
        () => storage.getAvailableName('a', none),
        () => storage.cleanupUploads(none),
      ])
        await rejects(call(), 'ValidationError')
    })

    test('take undefined for an option that is not given', async ({ storage }) => {
      const options = {
        signal: undefined,
        overwrite: undefined,
        maxLength: undefined,
        metadata: undefined,
      }
      equal(await storage.save('a', 'x', options), 'a', 'the name')
      equal(await storage.exists('a', { signal: undefined }), true, 'exists()')
      await storage.delete('a', undefined)
    })
  })
}

/** Delivers one byte less than was asked for, and says nothing of it. */
class ShortBackend extends Layer {
  override async read(name: Name, options: ReadOptions): Promise<ReadResult> {
    const whole = await this.inner.read(name, options)
    whole.body.cancel()
    const { body } = await this.inner.read(name, { ...options, end: whole.end - 1 })
    return { ...whole, body }
  }
}

/** Fails every call, once there is something to fail with. */
class FailingBackend extends Layer {
  failure: Error | undefined

  constructor(inner: Layer['inner'], failure: Error | undefined) {
    super(inner)
    this.failure = failure
  }

  protected override around<T>(
    _call: BackendCall,
    _options: object,
    work: () => Promise<T>,
  ): Promise<T> {
    return this.failure === undefined ? work() : Promise.reject(this.failure)
  }
}

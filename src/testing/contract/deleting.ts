import type { OperationOptions } from '../../core/backend.ts'
import { PermissionDeniedError, type StorageError } from '../../core/errors.ts'
import type { Name } from '../../core/names.ts'
import { Storage } from '../../core/storage.ts'
import { Layer } from '../../layers/layer.ts'
import { namesIn, saveAll, textOf } from './contents.ts'
import { equal, isTrue, rejects } from './expect.ts'
import { type StorageHarness, storageTest, type TestRunner } from './harness.ts'

/** `delete` and `deleteMany`: what is named goes, nothing else, and nothing is forgotten. */
export function testDeleting(runner: TestRunner, harness: StorageHarness): void {
  const test = storageTest(runner, harness)

  runner.describe('deleting', () => {
    test('removes a file', async ({ storage }) => {
      await storage.save('a/b', 'x')
      await storage.delete('a/b')
      equal(await storage.exists('a/b'), false, 'exists()')
      await rejects(storage.stat('a/b'), 'FileNotFoundError')
    })

    test('takes a missing file for done', async ({ storage }) => {
      await storage.save('file', 'x')
      for (const name of ['nothing', 'no/such/folder', 'file/below', 'nothing']) {
        await storage.delete(name)
        await storage.deleteMany([name, name])
      }
      equal(await namesIn(storage), ['file'], 'the files')
    })

    test('takes no name for a list of its letters', async ({ storage }) => {
      await saveAll(storage, ['a', 'b', 'ab'])
      for (const names of ['ab', null, 5, {}])
        await rejects(storage.deleteMany(names as never), 'ValidationError')
      equal(await namesIn(storage), ['a', 'ab', 'b'], 'the files')
    })

    test('removes neither folders nor names that begin alike', async ({ storage }) => {
      const names = ['a-b', 'a.txt', 'a/b', 'a/c/d', 'aa', 'b/a']
      await saveAll(storage, names)
      for (const name of ['a', 'a/', 'a/c', 'a/c/', 'b']) {
        await storage.delete(name)
        await storage.deleteMany([name])
      }
      equal(await namesIn(storage), names, 'the files')
      await storage.delete('a/b')
      equal(
        await namesIn(storage),
        names.filter(name => name !== 'a/b'),
        'without a/b',
      )
    })

    test('leaves the name free for another file', async ({ choosing }) => {
      const storage = await choosing()
      await storage.save('a', '1')
      await storage.delete('a')
      equal(await storage.save('a', '2'), 'a', 'the name')
      equal(await textOf(storage, 'a'), '2', 'the content')
    })

    test('lets a folder take the place of a file, and back', async ({ storage }) => {
      await storage.save('a', 'file')
      await storage.delete('a')
      await storage.save('a/b', 'below')
      equal(await textOf(storage, 'a/b'), 'below', 'the file below')
      await storage.delete('a/b')
      equal(await namesIn(storage), [], 'the files')
    })

    test('removes many, from lists and from streams of names', async ({ storage }) => {
      const names = Array.from({ length: 1_001 }, (_, index) => `d/${index}`)
      await saveAll(storage, [...names, 'stays'])
      await storage.deleteMany(new Set(names.slice(0, 10)))
      equal((await namesIn(storage)).length, 992, 'files after ten were removed')
      const rest = async function* (): AsyncGenerator<string> {
        yield* names
      }
      await storage.deleteMany(rest())
      equal(await namesIn(storage), ['stays'], 'the files')
      await storage.deleteMany([])
    })

    test('removes what it lists', async ({ storage }) => {
      await saveAll(storage, ['d/1', 'd/e/2', 'dd'])
      const below = async function* (): AsyncGenerator<string> {
        for await (const { name } of storage.list('d', { recursive: true })) yield name
      }
      await storage.deleteMany(below())
      equal(await namesIn(storage), ['dd'], 'the files')
    })

    test('tries all names and tells of each that failed', async ({ storage }) => {
      await saveAll(storage, ['a', 'b', 'c', 'd'])
      const observed = new Storage(new RefusingBackend(storage.backend, ['b', 'd']))
      const error = await rejects(
        observed.deleteMany(['a', '../x', 'b', 'c', 'missing', 'd', '']),
        'StorageError',
        { operation: 'deleteMany', backend: storage.backend.name },
      )
      const errors = (error.errors ?? []).map(({ name, file }: StorageError) => [file, name])
      equal(
        errors.sort(([a = ''], [b = '']) => (a < b ? -1 : 1)),
        [
          ['', 'SuspiciousFileOperation'],
          ['../x', 'SuspiciousFileOperation'],
          ['b', 'PermissionDeniedError'],
          ['d', 'PermissionDeniedError'],
        ],
        'the errors',
      )
      equal(await namesIn(storage), ['b', 'd'], 'the files')
    })

    test('rejects for a bad name among many, after it removed the rest', async ({ storage }) => {
      await saveAll(storage, ['a', 'b'])
      const error = await rejects(storage.deleteMany(['a', '/b', 'b']), 'StorageError')
      equal(error.errors?.length, 1, 'the number of errors')
      equal(error.errors?.[0]?.file, '/b', 'the name that failed')
      equal(error.errors?.[0]?.operation, 'deleteMany', 'the operation')
      equal(await namesIn(storage), [], 'the files')
    })

    test('rejects with the error of a stream of names', async ({ storage }) => {
      await saveAll(storage, ['a', 'b'])
      const failing = async function* (): AsyncGenerator<string> {
        yield 'a'
        throw new RangeError('no more names')
      }
      const error = await storage.deleteMany(failing()).catch((error: unknown) => error)
      isTrue(error instanceof Error && error.message.includes('no more names'), 'another error')
      equal(await storage.exists('b'), true, 'exists(b)')
    })
  })
}

/** Refuses to delete some names, one by one or among many. */
class RefusingBackend extends Layer {
  readonly #refused: readonly string[]
  override readonly deleteMany: NonNullable<Layer['deleteMany']>

  constructor(inner: Layer['inner'], refused: readonly string[]) {
    super(inner)
    this.#refused = refused
    this.deleteMany = (names, options) => this.#deleteMany(names, options)
  }

  override async delete(name: Name, options: OperationOptions): Promise<void> {
    if (this.#refused.includes(name)) throw new PermissionDeniedError('Not this one.')
    await this.inner.delete(name, options)
  }

  async #deleteMany(
    names: readonly Name[],
    options: OperationOptions,
  ): Promise<ReadonlyMap<Name, unknown>> {
    const failed = new Map<Name, unknown>()
    for (const name of names) {
      await this.delete(name, options).catch(error => failed.set(name, error))
    }
    return failed
  }
}

import { describe, expect, it } from 'vitest'
import { MemoryBackend } from '../backends/memory/memory-backend.ts'
import { type Backend, Storage, type StorageOptions } from '../index.ts'

describe('new Storage()', () => {
  it.each<[options: unknown, message: string]>([
    [{ fileOverwrit: true }, 'Storage has no option "fileOverwrit". Did you mean "fileOverwrite"?'],
    [{ fileOverwrite: 'yes' }, 'Option "fileOverwrite" of Storage must be true or false'],
    [{ maxNameLength: 0 }, 'Option "maxNameLength" of Storage must be at least 1'],
    [null, 'The options of Storage are an object, not null.'],
  ])('refuses the options %j', (options, message) => {
    const make = (): Storage => new Storage(new MemoryBackend(), options as StorageOptions)
    expect(make).toThrow(expect.objectContaining({ name: 'ImproperlyConfigured' }))
    expect(make).toThrow(message)
  })

  it.each([undefined, null, 'memory', {}])('refuses %j for a backend', backend => {
    expect(() => new Storage(backend as Backend)).toThrow('new Storage() takes a backend, not')
  })

  it('takes what a subclass hands on beside these', async () => {
    class Shelf extends Storage {
      constructor(options: StorageOptions & { readonly shelf: number }) {
        super(new MemoryBackend(), options)
      }
    }
    const shelf = new Shelf({ shelf: 3, fileOverwrite: true, maxNameLength: 5 })
    expect(await shelf.save('long.txt', 'x')).toBe('l.txt')
    expect(await shelf.save('long.txt', 'y')).toBe('l.txt')
  })
})

describe('arguments that no type allows', () => {
  const storage = new Storage(new MemoryBackend())
  const symbol = Symbol('s') as never
  const bare = Object.create(null) as never

  it.each<[call: () => unknown, name: string, message: string]>([
    [() => storage.open('a', 1n as never), 'UnsupportedError', 'not a bigint.'],
    [() => storage.open('a', 'x\u001b[31m' as never), 'UnsupportedError', 'not "x\\u001b[31m".'],
    [() => storage.url('a', { method: 'DELETE' as never }), 'ValidationError', 'not "DELETE".'],
    [
      () => storage.stat('a', { signal: { aborted: true, reason: 1 } as never }),
      'ValidationError',
      'must be an AbortSignal',
    ],
    [
      () => storage.save('a', { [Symbol.asyncIterator]: undefined } as never),
      'ValidationError',
      'The content is an object',
    ],
  ])('are refused: %s', async (call, name, message) => {
    await expect(call()).rejects.toMatchObject({
      name,
      message: expect.stringContaining(message),
    })
  })

  it.each(['r', 'rb'] as const)('are refused by files that are open with %s', async mode => {
    await storage.save('a', 'content', { overwrite: true })
    await using reader = await storage.open('a', mode)
    const { chunks } = reader as { chunks(size: never): AsyncIterable<unknown> }
    for (const [value, shown] of [
      [symbol, 'a symbol'],
      [bare, 'an object'],
    ] as const) {
      const calls = [
        () => reader.read(value),
        () => reader.seek(value),
        () => reader.seek(0, value),
        () => chunks.call(reader, value)[Symbol.asyncIterator]().next(),
      ]
      for (const call of calls) {
        await expect(call()).rejects.toMatchObject({
          name: 'ValidationError',
          message: expect.stringContaining(`not ${shown}.`),
        })
      }
    }
  })

  it('are refused by slices of a stored file', async () => {
    await storage.save('a', 'content', { overwrite: true })
    const file = await storage.file('a')
    for (const value of [1n, symbol, bare, '1'] as never[]) {
      expect(() => file.slice(value)).toThrow('slice(): start and end are numbers, not')
      expect(() => file.slice(0, value)).toThrow('slice(): start and end are numbers, not')
    }
  })
})

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

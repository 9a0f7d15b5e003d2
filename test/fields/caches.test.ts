import { serialize } from 'node:v8'
import * as devalue from 'devalue'
import Keyv from 'keyv'
import { ContentFile, isStorageError, MemoryStorage, ValidationError } from 'stowage'
import {
  devalueFiles,
  FieldFile,
  FileField,
  fileCodec,
  keyvSerialization,
  superjsonFiles,
} from 'stowage/fields'
import { SuperJSON } from 'superjson'
import { beforeAll, describe, expect, it } from 'vitest'

const storage = new MemoryStorage({ baseUrl: '/media/' })
const field = new FileField({ storage, uploadTo: 'tests', id: 'Cached.file' })
const superjson = new SuperJSON()
superjson.registerCustom(superjsonFiles, 'stowage')

/** Libraries that put values into caches, each with our serializer. */
const libraries = {
  fileCodec: async (value: unknown) => fileCodec.decode(fileCodec.encode(value)),
  Keyv: async (value: unknown) => {
    // `opts.serialize` is used with stores of text, as all but a Map are.
    const keyv = new Keyv({ store: new Map(), ...keyvSerialization })
    await keyv.set('key', value)
    return await keyv.get('key')
  },
  superjson: async (value: unknown) => superjson.parse(superjson.stringify(value)),
  devalue: async (value: unknown) =>
    devalue.parse(devalue.stringify(value, devalueFiles.reducers), devalueFiles.revivers),
}

async function makeFile(): Promise<FieldFile> {
  const file = field.file(null)
  await file.save('a.txt', 'alpha', { save: false })
  return file
}

describe.each(Object.entries(libraries))('%s', (_name, throughCache) => {
  let file: FieldFile

  beforeAll(async () => {
    file = await makeFile()
  })

  it('gives a file back that reads and has a URL', async () => {
    const when = new Date(0)
    const value = (await throughCache({ when, files: [file, file] })) as {
      when: Date
      files: FieldFile[]
    }
    expect(value.when).toEqual(when)
    expect(value.files).toHaveLength(2)
    for (const cached of value.files) {
      expect(cached).toBeInstanceOf(FieldFile)
      expect(cached.storage).toBe(storage)
      expect(cached.owner).toBeNull()
      expect(await cached.text()).toBe('alpha')
      expect(await cached.url()).toBe(`/media/${file.name}`)
    }
  })

  it('gives a field without a file back', async () => {
    const cached = (await throughCache({ file: field.file(null) })) as { file: FieldFile }
    expect(cached.file.hasFile()).toBe(false)
  })

  it('is refused content that is not stored yet', async () => {
    const waiting = field.file(null).assign(new ContentFile('x', 'x.txt'))
    const error = await throughCache({ waiting }).catch((reason: unknown) => reason)
    expect(String(error)).toContain('is not stored yet: save its row')
  })

  it('is refused a file of a field that nobody could find again', async () => {
    const nameless = new FileField({ storage })
    await expect(throughCache({ file: nameless.file('x.txt') })).rejects.toThrow('give it an "id"')
  })
})

describe('what is in a cache', () => {
  const encoded = (...nodes: unknown[]): string => JSON.stringify(['stowage-1', ...nodes])

  const chain = (length: number): string =>
    JSON.stringify(
      ['stowage-1'].concat(Array.from({ length }, (_, at) => ['array', at + 1]) as never),
    )

  it('names the field by its id, and no class, no storage, no row', async () => {
    const file = await makeFile()
    expect(JSON.parse(fileCodec.encode(file))).toEqual([
      'stowage-1',
      ['file', 'Cached.file', file.name],
    ])
  })

  it.each([
    ['a field of no id', encoded(['file', 'Nobody.knows', 'x'])],
    ['an id of Object', encoded(['file', '__proto__', 'x'])],
    ['an id that is no text', encoded(['file', { id: 'Cached.file' }, 'x'])],
    ['a name that is no text', encoded(['file', 'Cached.file', { name: 'x' }])],
    ['a kind that does not exist', encoded(['storage', 'x'])],
    ['a position that does not exist', encoded(['array', 7])],
    ['a position of the prototype', encoded(['array', 'length'])],
    ['a bare object', encoded({ file: 'x' })],
    ['a number of letters', encoded(['bigint', 'ten'])],
    ['no text of ours', '{"value":1}'],
    ['no JSON', 'stowage-1'],
    ['nothing', ''],
    ['members without end', chain(200_000)],
  ])('is refused for %s', (_what, text) => {
    const decode = () => fileCodec.decode(text)
    expect(decode).toThrow()
    try {
      decode()
    } catch (error) {
      expect(isStorageError(error)).toBe(true)
    }
  })

  it('cannot reach prototypes', () => {
    const value = fileCodec.decode(
      encoded(['object', '__proto__', 1], ['object', 'admin', 2], true),
    )
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype)
    expect(Reflect.get({}, 'admin')).toBeUndefined()
  })

  it('keeps a name that climbs out a name, which the storage refuses', async () => {
    const file = fileCodec.decode(encoded(['file', 'Cached.file', '../../etc/passwd'])) as FieldFile
    await expect(file.text()).rejects.toMatchObject({ name: 'SuspiciousFileOperation' })
  })

  it('keeps repeated and circular references, and the sign of zero', () => {
    const circle: { self?: unknown; zeros: number[] } = { zeros: [0, -0] }
    circle.self = circle
    const copy = fileCodec.decode(fileCodec.encode(circle)) as typeof circle
    expect(copy.self).toBe(copy)
    expect(copy.zeros.map(zero => Object.is(zero, -0))).toEqual([false, true])
  })

  it('keeps the holes of an array, and what toJSON says of an object', () => {
    // biome-ignore lint/suspicious/noSparseArray: that is what is tested.
    const sparse = [1, , undefined, ,]
    const value = { sparse, url: new URL('http://localhost/a'), list: { toJSON: () => [1n] } }
    expect(fileCodec.decode(fileCodec.encode(value))).toStrictEqual({
      sparse,
      url: 'http://localhost/a',
      list: [1n],
    })
  })

  it('keeps an object of a class that holds a file as a plain one', () => {
    class Page {
      readonly file = field.file('x.txt')
      readonly title = 'a'
    }
    const copy = fileCodec.decode(fileCodec.encode(new Page())) as Page
    expect(Object.getPrototypeOf(copy)).toBe(Object.prototype)
    expect([copy.title, copy.file.name]).toEqual(['a', 'x.txt'])
  })

  class Account {
    readonly #balance = 7
    balance(): number {
      return this.#balance
    }
  }

  it.each([
    ['a regular expression', { like: /a/g }, 'value.like is an object of the class RegExp'],
    ['a typed array', [0, new Float64Array(2)], 'value[1] is an object of the class Float64Array'],
    ['an ArrayBuffer', new ArrayBuffer(2), 'value is an object of the class ArrayBuffer'],
    ['an error', { 'last error': new Error('x') }, 'value["last error"] is an object of the class'],
    ['a promise', new Map([['a', Promise.resolve(1)]]), 'value.values()[0] is an object of the'],
    [
      'a key of a class',
      new Map([[new Account(), 1]]),
      'value.keys()[0] is an object of the class',
    ],
    [
      'an object of a class',
      { a: [new Account()] },
      'value.a[0] is an object of the class Account',
    ],
    [
      'what toJSON gives',
      { toJSON: () => new Set([/x/]) },
      'value.values()[0] is an object of the',
    ],
    ['a function', { a: { b: () => 1 } }, 'value.a.b is a function, which cannot go into a cache.'],
  ])('is refused for %s, and says where it is', (_what, value, message) => {
    expect(() => fileCodec.encode(value)).toThrow(ValidationError)
    expect(() => fileCodec.encode(value)).toThrow(message)
  })

  it('fails as a toJSON() does', () => {
    const failure = new RangeError('Invalid time value')
    const toJSON = () => {
      throw failure
    }
    expect(() => fileCodec.encode({ toJSON })).toThrow(failure)
  })

  it('is refused for a structure that is too deep', () => {
    let deep: unknown[] = []
    for (let level = 0; level < 100_000; level++) deep = [deep]
    expect(() => fileCodec.encode(deep)).toThrow('too deep')
  })
})

it('a clone of a file has nothing of its storage', async () => {
  const secretive = Object.assign(new MemoryStorage({}), { secretKey: 'do-not-tell' })
  const file = new FileField({ storage: secretive, id: 'Secretive.file' }).file('a.txt')
  expect(serialize(file).toString('latin1')).not.toContain('do-not-tell')
  expect(serialize({ file }).toString('latin1')).not.toMatch(/storage|secretKey/i)
  expect(structuredClone({ file })).toEqual({ file: {} })
})

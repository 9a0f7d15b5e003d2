import { Readable } from 'node:stream'
import { setTimeout } from 'node:timers/promises'
import { afterEach, describe, expect, it } from 'vitest'
import { MemoryStorage } from '../backends/memory/memory-storage.ts'
import { configure } from '../config/active-configuration.ts'
import { defaultStorage } from '../config/registry.ts'
import { ContentFile } from '../core/content-file.ts'
import { ImproperlyConfigured, SuspiciousFileOperation, ValidationError } from '../core/errors.ts'
import { settingsKey } from '../core/settings.ts'
import type { Storage } from '../core/storage.ts'
import { fileCodec } from './codec.ts'
import { FieldFile, type FileInput } from './field-file.ts'
import { afterWrite, beforeWrite, columnName } from './field-host.ts'
import { FileField } from './file-field.ts'
import { ImageField } from './image-field.ts'
import { inScope } from './lifecycle.ts'
import { allowTypes } from './validators.ts'

const save = { save: false } as const

async function namesIn(storage: MemoryStorage): Promise<string[]> {
  const names: string[] = []
  for await (const { name } of storage.list('', { recursive: true })) names.push(name)
  return names
}

describe('the options of a field', () => {
  it.each<[object, string]>([
    [{ uploadto: 'x' }, 'uploadTo'],
    [{ uploadTo: 7 }, 'uploadTo'],
    [{ uploadTo: '%Q' }, 'uploadTo'],
    [{ storage: {} }, 'storage'],
    [{ storage: MemoryStorage }, 'make a storage with "new"'],
    [{ maxLength: 0 }, 'maxLength'],
    [{ maxLength: '100' }, 'maxLength'],
    [{ default: '' }, 'default'],
    [{ id: '' }, 'id'],
    [{ onDelete: 'cascade' }, 'onDelete'],
    [{ onReplace: true }, 'onReplace'],
    [{ overwrite: 'no' }, 'overwrite'],
    [{ validators: () => {} }, 'validators'],
    [{ validators: ['image'] }, 'validators'],
    [{ widthColumn: 'width' }, 'widthColumn'],
  ])('are checked: %j', (options, named) => {
    const make = () => new FileField(options)
    expect(make).toThrow(ImproperlyConfigured)
    expect(make).toThrow(named)
  })

  it('have the defaults of the contract', () => {
    expect(new FileField()).toMatchObject({
      default: null,
      maxLength: 100,
      onDelete: 'cleanup',
      onReplace: 'cleanup',
      overwrite: false,
      validators: [],
    })
  })

  it('of an image are those of a file and its own', () => {
    expect(
      () => new ImageField({ widthColumn: 'w', heightColumn: 'h', maxPixels: 1 }),
    ).not.toThrow()
    expect(() => new ImageField(Object({ widthColum: 'w' }))).toThrow('widthColumn')
    expect(() => new ImageField({ maxPixels: 0.5 })).toThrow(ImproperlyConfigured)
  })
})

describe('the id of a field', () => {
  it('is its own', () => {
    new FileField({ id: 'taken' })
    expect(() => new FileField({ id: 'taken' })).toThrow(ImproperlyConfigured)
  })

  const again = () => new FileField({ id: 'made again' })

  it('is taken over by the field that the same file makes later, as when it is evaluated again', async () => {
    const first = again().attach('users', 'avatar')
    expect(again).toThrow(ImproperlyConfigured)
    await Promise.resolve()
    const second = again()
    expect(fileCodec.decode(fileCodec.encode(first.file('a')))).toHaveProperty('field', second)
    expect(() => second.attach('users', 'photo')).toThrow('made again')
    await Promise.resolve()
    const third = again().attach('users', 'avatar').attach('admins', 'avatar')
    expect(fileCodec.decode(fileCodec.encode(third.file('a')))).toHaveProperty('field', third)
  })

  it('without one is taken over where the storage is the same', async () => {
    const make = (storage: Storage) => new FileField({ storage }).attach('again', 'avatar')
    const storage = new MemoryStorage({})
    const first = make(storage)
    await Promise.resolve()
    const second = make(storage)
    expect(fileCodec.decode(fileCodec.encode(first.file('a')))).toHaveProperty('field', second)
    await Promise.resolve()
    const other = make(new MemoryStorage({}))
    expect(() => other.id).toThrow('give each an id')
    expect(() => fileCodec.encode(second.file('a'))).toThrow(ImproperlyConfigured)
  })

  it('is its table and column without one, unless two have those', () => {
    const first = new FileField().attach('users', 'avatar')
    expect(first.id).toBe('users.avatar')
    expect(first.attach('others', 'photo').id).toBe('users.avatar')
    const second = new FileField().attach('users', 'avatar')
    expect(() => second.id).toThrow('users.avatar')
    expect(() => first.id).toThrow(ImproperlyConfigured)
  })
})

describe('the storage of a field', () => {
  afterEach(() => {
    Reflect.deleteProperty(globalThis, settingsKey)
  })

  it('is loaded by the first save, when it is one of the configuration', async () => {
    const module = new URL('../backends/memory/memory-storage.ts', import.meta.url).href
    configure({ storages: { default: { backend: `${module}#MemoryStorage` } } })
    const file = new FileField({ uploadTo: 'avatars' }).file(null)
    await file.save("john's.txt", 'it is me', save)
    expect(await defaultStorage.listdir('avatars')).toEqual([[], ['johns.txt']])
  })

  it('is asked for once, at the first use', async () => {
    let calls = 0
    const storage = new MemoryStorage({})
    const field = new FileField({
      storage: () => {
        calls++
        return storage
      },
    })
    expect(calls).toBe(0)
    const file = field.file(null)
    await file.save('a', 'x', save)
    await file.size()
    expect(calls).toBe(1)
  })

  it('has to be one', () => {
    const field = new FileField({ storage: () => ({}) as MemoryStorage })
    expect(() => field.storage).toThrow(ImproperlyConfigured)
  })
})

describe('the name of a file', () => {
  const storage = new MemoryStorage({})

  it.each(['.', '..', '...', '....', './.', '../..', '', ' ', '/', 'a/', 'a/..', '\\', '..\\'])(
    'is none: %j',
    async name => {
      const file = new FileField({ storage, uploadTo: 'up' }).file(null)
      // Three dots and more are a name like any other to a bucket, and stay in the folder.
      const run = file.save(name, 'x', save)
      if (/^\.{3,}$/.test(name)) await expect(run.then(() => file.name)).resolves.toBe(`up/${name}`)
      else await expect(run).rejects.toBeInstanceOf(SuspiciousFileOperation)
    },
  )

  it.each(['../up', 'a/../../b', '/etc', '..', 'a\\..\\..', 'a/..'])(
    'never climbs out by uploadTo %j',
    async uploadTo => {
      const before = await namesIn(storage)
      for (const given of [uploadTo, () => `${uploadTo}/a.txt`]) {
        const file = new FileField({ storage, uploadTo: given }).file(null)
        await expect(file.save('a.txt', 'x', save)).rejects.toBeInstanceOf(SuspiciousFileOperation)
        expect(file.hasFile()).toBe(false)
      }
      expect(await namesIn(storage)).toEqual(before)
    },
  )

  it('of 300 characters is shortened, and keeps its suffixes', async () => {
    const file = new FileField({ storage, uploadTo: 'up' }).file(null)
    await file.save(`${'x'.repeat(300)}.tar.gz`, 'x', save)
    expect(file.name).toMatch(/^up\/x+_[A-Za-z0-9]{7}\.tar\.gz$/)
    expect(file.name).toHaveLength(100)
  })

  it('of 300 letters beyond the first plane is counted as people do', async () => {
    const file = new FileField({ storage, uploadTo: () => `${'𝒳'.repeat(300)}.txt` }).file(null)
    await file.save('a', 'x', save)
    expect([...(file.name ?? '')]).toHaveLength(100)
    expect(file.name).toMatch(/_[A-Za-z0-9]{7}\.txt$/)
  })

  it('is refused where nothing would remain of it', async () => {
    const file = new FileField({ storage, uploadTo: 'x'.repeat(99) }).file(null)
    await expect(file.save('a.txt', 'x', save)).rejects.toBeInstanceOf(SuspiciousFileOperation)
  })

  it('is made once per stored file, of the row and what it came as', async () => {
    const asked: unknown[] = []
    const owner = { id: 7 }
    const field = new FileField<typeof owner>({
      storage,
      uploadTo: async (row, filename) => {
        asked.push([row, filename])
        return `users/${row.id}/${filename}`
      },
    })
    const file = field.file(null, { owner, attribute: 'file', setName: () => {} })
    await file.save('me.txt', 'x', save)
    expect(file.name).toBe('users/7/me.txt')
    await file.text()
    expect(asked).toEqual([[owner, 'me.txt']])
  })

  it.each([undefined, null, 7, {}])('is no %j that uploadTo gives', async given => {
    const field = new FileField({ storage, uploadTo: () => given as never })
    await expect(field.file(null).save('a', 'x', save)).rejects.toBeInstanceOf(
      SuspiciousFileOperation,
    )
  })

  it('belongs to one file, unless the field overwrites', async () => {
    const own = new MemoryStorage({ fileOverwrite: true })
    const careful = new FileField({ storage: own })
    const files = [careful.file(null), careful.file(null)]
    for (const [index, file] of files.entries()) await file.save('a.txt', String(index), save)
    expect(await Promise.all(files.map(file => file.text()))).toEqual(['0', '1'])
    const other = new FileField({ storage: own, overwrite: true }).file(null)
    await other.save('a.txt', 'over', save)
    expect(await files[0]?.text()).toBe('over')
    expect(await namesIn(own)).toHaveLength(2)
  })
})

describe('a file of a field', () => {
  const field = new FileField({ storage: new MemoryStorage({}) })

  it.each<[unknown, unknown, unknown]>([
    [7, 'x', {}],
    [null, 'x', {}],
    ['a', 'x', { persist: false }],
    ['a', 'x', { save: 'no' }],
    ['a', 7, { save: false }],
    ['a', undefined, { save: false }],
  ])('refuses to save %j, %j, %j', async (name, content, options) => {
    const run = field.file(null).save(name as string, content as string, options as object)
    await expect(run).rejects.toBeInstanceOf(ValidationError)
  })

  it.each([7, undefined, {}, new Uint8Array(1), new Blob(['x']), new ContentFile('x')])(
    'refuses to be assigned %j',
    value => {
      expect(() => field.file(null).assign(value as never)).toThrow(ValidationError)
    },
  )

  it('says which row could be saved: none', async () => {
    await expect(field.file(null).save('a', 'x')).rejects.toThrow('{ save: false }')
    await expect(field.file('a').delete()).rejects.toMatchObject({ name: 'UnsupportedError' })
  })

  it.each(['w', 'a', 'r+', '', null, 7])('is not opened with %j', async mode => {
    const stored = field.file(null)
    await stored.save('open.txt', 'content', save)
    const waiting = field.file(null).assign(new ContentFile('content', 'a.txt'))
    for (const file of [stored, waiting]) {
      await expect(file.open(mode as 'r')).rejects.toBeInstanceOf(ValidationError)
      await file.close()
      expect(await file.text()).toBe('content')
    }
  })

  it('reads the same while its content waits', async () => {
    const content = '\ufeffäb😀'
    const stored = field.file(null)
    await stored.save('same.txt', content, save)
    for (const file of [stored, field.file(null).assign(new ContentFile(content, 'a.txt'))]) {
      await file.open('r')
      expect([await file.read(2), await file.read(1), await file.read(5)]).toEqual([
        '\ufeffä',
        'b',
        '😀',
      ])
      for (const n of [-1, Number.NaN, 1.5, '2', null, Number.POSITIVE_INFINITY])
        await expect(file.read(n as number)).rejects.toBeInstanceOf(ValidationError)
    }
  })

  it('is opened once by those who read it at once, each what follows', async () => {
    const file = field.file(null)
    await file.save('parts.txt', 'abcdef', save)
    const parts = await Promise.all([file.read(2), file.read(1), file.read()])
    expect(parts.map(part => new TextDecoder().decode(part as Uint8Array))).toEqual([
      'ab',
      'c',
      'def',
    ])
  })

  it('has one reader open, however often it is opened at once', async () => {
    const storage = new MemoryStorage({})
    const readers: { readonly closed: boolean }[] = []
    const { open } = storage
    storage.open = (async (...args: [name: string]) => {
      const reader = await open.apply(storage, args)
      readers.push(reader)
      return reader
    }) as typeof open
    const file = new FileField({ storage }).file(null)
    await file.save('a.txt', 'content', save)
    await Promise.all([file.open(), file.read(1), file.open()])
    expect(readers.filter(reader => !reader.closed)).toHaveLength(1)
    await file.close()
    expect(readers.filter(reader => !reader.closed)).toEqual([])
  })

  it('that gets another one while it is opened leaves nothing open, and reads the other one', async () => {
    const file = field.file(null)
    await file.save('first.txt', 'first', save)
    const reading = file.read()
    file.assign(new ContentFile('second', 'second.txt'))
    await expect(reading).rejects.toMatchObject({ name: 'ClosedFileError', file: 'first.txt' })
    await file.open('r')
    expect(await file.read()).toBe('second')
  })

  it('takes the file of another row, but of no other storage', () => {
    const other = new FileField({ storage: new MemoryStorage({}) })
    expect(() => field.file(null).assign(other.file('a'))).toThrow('another storage')
    expect(field.file(null).assign(other.file(null)).hasFile()).toBe(false)
    expect(field.file(null).assign(field.file('a')).name).toBe('a')
  })

  it('is one of its field, told apart by nothing that a clone would show', () => {
    const file = field.file('a')
    expect(file).toBeInstanceOf(FieldFile)
    expect(Object.keys(file)).toEqual([])
    expect([String(file), JSON.stringify({ file })]).toEqual(['a', '{"file":"a"}'])
  })
})

describe('the default file of a field', () => {
  it('stays when a file of another field goes, also of a storage that is not known yet', async () => {
    const storage = new MemoryStorage({})
    const late = () => {
      throw new ImproperlyConfigured('not yet')
    }
    for (const name of ['d.txt', 'late.txt', 'own.txt']) await storage.save(name, 'x')
    const fields = [
      { storage, default: 'd.txt' },
      { storage: late, default: 'late.txt' },
    ]
    for (const options of fields) new FileField(options)
    const field = new FileField({ storage, default: 'own.txt' })
    new FileField({ storage: new MemoryStorage({}), default: 'own.txt' })
    for (const name of ['d.txt', 'late.txt', 'own.txt'])
      await field.file(name).delete({ save: false, default: true })
    expect(await namesIn(storage)).toEqual(['d.txt', 'late.txt'])
  })
})

describe('a stream', () => {
  const tick = () => new Promise(resolve => setImmediate(resolve))

  it('that fails while its name is chosen rejects the save, and does nothing else', async () => {
    const stream = new Readable({ read() {} })
    const uploadTo = async (_row: object, filename: string): Promise<string> => {
      stream.destroy(new Error('cut'))
      await tick()
      return filename
    }
    const storage = new MemoryStorage()
    const saving = new FileField({ storage, uploadTo }).file(null).save('a.txt', stream, save)
    await expect(saving).rejects.toThrow('cut')
    expect(await namesIn(storage)).toEqual([])
  })

  it('that is refused unread is ended', async () => {
    const stream = new Readable({ read() {} })
    let isCancelled = false
    const web = new ReadableStream<Uint8Array>({
      cancel: () => {
        isCancelled = true
      },
    })
    const refuse = async (): Promise<void> => {
      await tick()
      throw new ValidationError('not today')
    }
    const field = new FileField({ storage: new MemoryStorage(), validators: [refuse] })
    await expect(field.file(null).save('a.txt', stream, save)).rejects.toThrow('not today')
    await expect(field.file(null).save('a.txt', web, save)).rejects.toThrow('not today')
    expect([stream.destroyed, isCancelled]).toEqual([true, true])
  })
})

describe('bytes that were given away', () => {
  it('are refused as such, also by validators that look at them', async () => {
    const bytes = new Uint8Array(10)
    const { buffer } = bytes
    const content = new ContentFile(bytes, 'a.txt')
    structuredClone(buffer, { transfer: [buffer] })
    const field = new FileField({
      storage: new MemoryStorage(),
      validators: [allowTypes('text/plain')],
    })
    for (const given of [bytes, buffer, content])
      await expect(field.file(null).save('a.txt', given, save)).rejects.toThrow(ValidationError)
  })
})

describe('what a row is given while its content is stored', () => {
  const open = () => {
    const storage = new MemoryStorage({})
    const names: (string | null)[] = []
    let during: (() => void) | undefined
    const field = new FileField({
      storage,
      validators: [
        () => {
          during?.()
          during = undefined
        },
      ],
    })
    const write = async (own: FieldFile): Promise<void> => {
      await inScope(undefined, async scope => {
        await own[beforeWrite](scope, async () => 0)
        const before = names.at(-1) ?? null
        names.push(own[columnName])
        await own[afterWrite](scope, before)
      })
    }
    const file = field.file(null, { owner: {}, setName: () => {}, persist: write })
    const give = (value: FileInput): void => {
      during = () => file.assign(value)
    }
    return { storage, names, file, write, give }
  }

  it.each<[FileInput, string | null]>([
    [new ContentFile('b', 'b.txt'), 'b.txt'],
    [null, null],
    ['old.txt', 'old.txt'],
  ])('is what is written, %#', async (value, name) => {
    const { storage, names, file, write, give } = open()
    await storage.save('old.txt', 'old')
    file.assign(new ContentFile('a', 'a.txt'))
    give(value)
    await write(file)
    expect(names).toEqual([name])
    expect(await namesIn(storage)).toEqual([...new Set(['old.txt', name ?? 'old.txt'])].toSorted())
  })

  it.each<[FileInput, string | null]>([
    [new ContentFile('b', 'b.txt'), 'b.txt'],
    [null, null],
  ])('waits for the next write where the content was saved by itself, %#', async (value, name) => {
    const { storage, names, file, write, give } = open()
    give(value)
    await file.save('a.txt', 'a')
    expect(file.name).toBe(name)
    await write(file)
    expect(names).toEqual(['a.txt', name])
    expect(await namesIn(storage)).toEqual(name === null ? [] : [name])
  })
})

describe('a save of a file whose row has a hook', () => {
  const open = (hook: (file: FieldFile, written: string | null) => Promise<void>) => {
    const storage = new MemoryStorage({})
    const names: (string | null)[] = []
    const field = new FileField({ storage })
    const file: FieldFile = field.file(null, {
      owner: {},
      setName: () => {},
      persist: async own => {
        await inScope(undefined, async scope => {
          await own[beforeWrite](scope)
          await hook(own, names.at(-1) ?? null)
          const before = names.at(-1) ?? null
          names.push(own.name)
          await own[afterWrite](scope, before)
        })
      },
    })
    return { storage, names, file }
  }

  it('is done with what the hook saves instead', async () => {
    const { storage, names, file } = open(async own => {
      await own.save('cleaned.txt', 'cleaned', save)
    })
    await file.save('a.txt', 'a')
    expect(names).toEqual(['cleaned.txt'])
    expect(await namesIn(storage)).toEqual(['cleaned.txt'])
  })

  it('is done with what the hook deletes', async () => {
    const { storage, names, file } = open(async own => {
      await own.delete(save)
    })
    await file.save('a.txt', 'a')
    expect(names).toEqual([null])
    expect(await namesIn(storage)).toEqual([])
  })

  it('is read from the start again where a hook has read it, and it was taken back', async () => {
    const { file } = open(async (own, written) => {
      if (written === null) return
      expect(await own.read(2)).toEqual(new TextEncoder().encode('ne'))
      throw new Error('refused')
    })
    await file.save('a.txt', 'old')
    await expect(file.save('b.txt', 'new')).rejects.toThrow('refused')
    expect(file.closed).toBe(true)
    expect(await file.read()).toEqual(new TextEncoder().encode('old'))
  })

  it('takes its turn behind another one, also when a hook has left work behind', async () => {
    let left: Promise<void> | undefined
    const { storage, names, file } = open(async (own, written) => {
      if (written === null) left = setTimeout(10).then(() => own.save('c.txt', 'c'))
    })
    await Promise.all([file.save('a.txt', 'a'), file.save('b.txt', 'b')])
    await left
    expect(names).toEqual(['a.txt', 'b.txt', 'c.txt'])
    expect(await namesIn(storage)).toEqual(['c.txt'])
  })
})

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  defineEntity,
  type EventArgs,
  type EventSubscriber,
  MikroORM,
  type Options,
  p,
  wrap,
} from '@mikro-orm/core'
import { LibSqlDriver } from '@mikro-orm/libsql'
import { ContentFile, ImproperlyConfigured, MemoryStorage, UnsupportedError } from 'stowage'
import { type FieldFile, FileField, ImageField } from 'stowage/fields'
import { FileSubscriber, fileProperty } from 'stowage/mikro-orm'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { testAdapter } from './adapter-suite.ts'
import { openMikroOrm } from './harness/mikro-orm.ts'
import { withFolder } from './harness/with-folder.ts'

testAdapter('MikroORM on SQLite', {
  open: fields =>
    withFolder(folder =>
      openMikroOrm({ driver: LibSqlDriver, dbName: join(folder, 'db') }, fields),
    ),
})

describe('MikroORM', () => {
  let folder: string
  let storage: MemoryStorage
  let ids = 0
  const opened: MikroORM[] = []

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'stowage-mikro-orm-'))
    storage = new MemoryStorage({})
  })

  afterEach(async () => {
    for (const orm of opened.splice(0)) await orm.close()
    await rm(folder, { recursive: true })
  })

  const newField = () => new FileField({ storage, id: `mikro-orm ${++ids}` })
  const content = (name: string) => new ContentFile(name, name)
  const failure = new Error('roll back')
  /** The beginning of one. */
  const gif = (size: number) => Buffer.from([...Buffer.from('GIF89a'), size, 0, size, 0, 0, 0, 0])

  const stored = async (): Promise<string[]> => {
    const names: string[] = []
    for await (const { name } of storage.list('')) names.push(name)
    return names
  }

  /** Users and their photos, which have files both. */
  const open = async (options: Partial<Options> = {}) => {
    const User = defineEntity({
      name: 'User',
      tableName: 'users',
      properties: {
        id: p.integer().primary(),
        title: p.string().unique(),
        avatar: fileProperty(newField()),
      },
    })
    const Photo = defineEntity({
      name: 'Photo',
      tableName: 'photos',
      properties: { id: p.integer().primary(), file: fileProperty(newField()) },
    })
    const orm = await MikroORM.init({
      driver: LibSqlDriver,
      dbName: join(folder, 'db'),
      entities: [User, Photo],
      subscribers: [new FileSubscriber()],
      ...options,
    })
    opened.push(orm)
    await orm.schema.refresh()
    const make = async (title: string, file: ContentFile | string | null = content(title)) => {
      await orm.em.fork().transactional(async em => {
        em.create(User, { title }).avatar.assign(file)
      })
    }
    const find = async (title: string, em = orm.em.fork()) => {
      return await em.findOneOrFail(User, { title })
    }
    /** What the database names and what is stored are the same. */
    const expectFiles = async (...names: readonly string[]) => {
      const em = orm.em.fork()
      const users = await em.findAll(User)
      const photos = await em.findAll(Photo)
      const named = [...users.map(row => row.avatar), ...photos.map(row => row.file)]
      const set = new Set(named.flatMap(({ name }) => name ?? []))
      expect([...set].sort()).toEqual([...names].sort())
      expect((await stored()).sort()).toEqual([...names].sort())
    }
    return { orm, User, Photo, make, find, expectFiles }
  }

  it('writes a file that a row is given while another one of it is written', async () => {
    const Pair = defineEntity({
      name: 'Pair',
      tableName: 'pairs',
      properties: {
        id: p.integer().primary(),
        width: p.integer().nullable(),
        one: fileProperty(newField()),
        two: fileProperty(
          new ImageField({ storage, id: `mikro-orm ${++ids}`, widthColumn: 'width' }),
        ),
      },
    })
    const { orm } = await open({ entities: [Pair] })
    const em = orm.em.fork()
    const row = em.create(Pair, {})
    await em.flush()
    const connection = em.getConnection() as object as Connection
    const { execute } = connection
    let isUpdating = false
    connection.execute = async (query, ...rest: never[]) => {
      isUpdating ||= String(query).startsWith('update')
      if (isUpdating) await vi.waitFor(() => expect(row.two.name).toBe('two.gif'))
      return await Reflect.apply(execute, connection, [query, ...rest])
    }
    const { save } = storage
    storage.save = async (name, ...rest) => {
      if (name === 'two.gif') await vi.waitFor(() => expect(isUpdating).toBe(true))
      return await save.call(storage, name, ...rest)
    }
    await Promise.all([row.one.save('one', 'one'), row.two.save('two.gif', gif(3))])
    const found = await orm.em.fork().findOneOrFail(Pair, { id: row.id })
    expect([found.one.name, found.two.name, found.width]).toEqual(['one', 'two.gif', 3])
  })

  it.each([
    ['content', content('new')],
    ['another name', 'other.txt'],
    ['nothing', null],
  ])('writes %s no more that a savepoint has taken back', async (_, given) => {
    const { orm, make, find, expectFiles } = await open()
    await make('a')
    await make('b')
    await orm.em.fork().transactional(async em => {
      const row = await find('a', em)
      const run = em.transactional(async inner => {
        ;(await find('a', inner)).avatar.assign(given)
        await inner.flush()
        throw failure
      })
      await expect(run).rejects.toBe(failure)
      expect(row.avatar.name).toBe('a')
      row.title = 'c'
    })
    expect((await find('c')).avatar.name).toBe('a')
    await expectFiles('a', 'b')
  })

  interface Connection {
    execute(query: unknown): Promise<unknown>
    executeDump(sql: string): Promise<void>
    transactional(work: (transaction: never) => Promise<void>): Promise<void>
    stream(sql: string): AsyncIterable<unknown>
  }

  const connectionOf = (orm: MikroORM) => orm.em.getConnection() as object as Connection

  interface SqlManager {
    createQueryBuilder(entity: unknown): { delete(where: object): { getNativeQuery(): unknown } }
  }

  describe('statements that go past flush()', () => {
    it('are refused in whatever form the connection takes them', async () => {
      const { orm, User, make, expectFiles } = await open()
      await make('a')
      const connection = connectionOf(orm)
      const native = (orm.em.fork() as object as SqlManager)
        .createQueryBuilder(User)
        .delete({})
        .getNativeQuery()
      await expect(connection.execute(native)).rejects.toThrow(UnsupportedError)
      await expect(connection.executeDump('delete from users')).rejects.toThrow(UnsupportedError)
      const streaming = async () => {
        for await (const _ of connection.stream('delete from users returning id'));
      }
      await expect(streaming()).rejects.toThrow(UnsupportedError)
      await expectFiles('a')
    })

    it.each(['beforeUpdate', 'afterUpdate', 'beforeDelete', 'afterDelete'] as const)(
      'are refused in %s of a subscriber, wherever it stands',
      async event => {
        for (const isFirst of [true, false]) {
          let isOn = false
          const other: EventSubscriber = {
            [event]: async ({ em }: EventArgs<object>) => {
              if (isOn) await em.nativeDelete('Photo' as never, {})
            },
          }
          const own = new FileSubscriber()
          const { orm, Photo, make, find, expectFiles } = await open({
            subscribers: isFirst ? [other, own] : [own, other],
          })
          await make('a')
          const em = orm.em.fork()
          em.create(Photo, {}).file.assign(content('p'))
          await em.flush()
          isOn = true
          const user = await find('a', em)
          const write = event.endsWith('Delete')
            ? em.remove(user).flush()
            : user.avatar.save('n', 'n')
          await expect(write).rejects.toThrow(UnsupportedError)
          await expectFiles('a', 'p')
          for (const name of await stored()) await storage.delete(name)
        }
      },
    )

    it('are refused after a flush of the same transaction has failed', async () => {
      const { orm, User, make, find, expectFiles } = await open()
      await make('a')
      await make('b')
      await orm.em.fork().transactional(async em => {
        const user = await find('a', em)
        user.title = 'b'
        await expect(em.flush()).rejects.toThrow('UNIQUE')
        await expect(em.nativeDelete(User, {})).rejects.toThrow(UnsupportedError)
        em.clear()
      })
      await expectFiles('a', 'b')
    })

    it('are those of flush(), too, where no FileSubscriber is', async () => {
      const { orm, User } = await open({ subscribers: [] })
      const em = orm.em.fork()
      em.create(User, { title: 'a' }).avatar.assign(content('a'))
      await expect(em.flush()).rejects.toThrow('FileSubscriber')
      expect(await stored()).toEqual([])
    })

    it('are those that would name content which nobody has stored', async () => {
      let isOn = false
      const late: EventSubscriber = {
        async beforeUpdate({ entity }) {
          if (isOn) entity.avatar.assign(content('late'))
        },
      }
      const { orm, make, find, expectFiles } = await open({
        subscribers: [new FileSubscriber(), late],
      })
      await make('a')
      isOn = true
      const em = orm.em.fork()
      const user = await find('a', em)
      user.title = 'b'
      await expect(em.flush()).rejects.toThrow('the FileSubscriber behind others that give content')
      await expectFiles('a')
    })
  })

  describe('a transaction', () => {
    it('is that of the row, though it was loaded before', async () => {
      const { orm, make, find, expectFiles } = await open()
      await make('a')
      for (const em of [orm.em.fork(), orm.em.fork()]) {
        const user = await find('a', em)
        const run = em.transactional(async () => {
          await user.avatar.save('n', 'n')
          throw failure
        })
        await expect(run).rejects.toBe(failure)
        expect(user.avatar.name).toBe('a')
        await expectFiles('a')
      }
      const em = orm.em.fork()
      const user = await find('a', em)
      await orm.em.fork().transactional(async () => {
        await user.avatar.save('n', 'n')
      })
      await expectFiles('n')
    })

    it('that was rolled back leaves nothing to be written later', async () => {
      const { orm, make, find, expectFiles } = await open()
      await make('a')
      const em = orm.em.fork()
      const user = await find('a', em)
      for (const work of [() => user.avatar.save('n', 'n'), () => user.avatar.delete()]) {
        const run = em.transactional(async () => {
          await work()
          throw failure
        })
        await expect(run).rejects.toBe(failure)
      }
      await (await find('a')).avatar.save('other', 'other')
      user.title = 'b'
      await em.flush()
      expect((await find('b')).avatar.name).toBe('other')
      await expectFiles('other')
    })

    it('undoes with a savepoint what it did to a row that was loaded before', async () => {
      const { orm, make, find, expectFiles } = await open()
      await make('a')
      await make('b')
      await orm.em.fork().transactional(async em => {
        const [a, b] = [await find('a', em), await find('b', em)]
        const inner = em.transactional(async () => {
          await a.avatar.save('n', 'n')
          await b.avatar.delete()
          throw failure
        })
        await expect(inner).rejects.toBe(failure)
      })
      await expectFiles('a', 'b')
    })

    it('may be one of the connection that a manager is given', async () => {
      const { orm, make, find, expectFiles } = await open()
      await make('a')
      await make('b')
      const run = connectionOf(orm).transactional(async transaction => {
        const em = orm.em.fork()
        em.setTransactionContext(transaction)
        await (await find('a', em)).avatar.save('n', 'n')
        await (await find('b', em)).avatar.delete()
        expect(await stored()).toEqual(['a', 'b', 'n'])
        throw failure
      })
      await expect(run).rejects.toBe(failure)
      await expectFiles('a', 'b')
    })

    it('may be none that MikroORM knows nothing of', async () => {
      const { orm, make, find, expectFiles } = await open()
      await make('a')
      const em = orm.em.fork()
      const user = await find('a', em)
      em.setTransactionContext({} as never)
      await expect(user.avatar.delete()).rejects.toThrow('em.transactional()')
      await expectFiles('a')
    })

    it('has committed, whatever another subscriber does after it', async () => {
      let isOn = false
      const other: EventSubscriber = {
        async afterTransactionCommit() {
          if (isOn) throw failure
        },
      }
      const { make, find, expectFiles } = await open({
        subscribers: [other, new FileSubscriber()],
      })
      await make('a')
      const user = await find('a')
      isOn = true
      await expect(user.avatar.save('n', 'n')).rejects.toBe(failure)
      isOn = false
      await expectFiles('n')
    })

    it.each(['changed', 'new'])(
      'that fails takes no file along of %s rows that are saved at once',
      async kind => {
        let isFailing = false
        const failOnce = () => {
          if (!isFailing) return
          isFailing = false
          throw failure
        }
        const other: EventSubscriber = { beforeCreate: failOnce, beforeUpdate: failOnce }
        const { orm, User, make, find, expectFiles } = await open({
          subscribers: [other, new FileSubscriber()],
        })
        if (kind === 'changed') for (const title of ['a', 'b']) await make(title)
        const em = orm.em.fork()
        const row = async (title: string) =>
          kind === 'new' ? em.create(User, { title }) : await find(title, em)
        const rows = [await row('a'), await row('b')] as const
        isFailing = true
        const saves = [rows[0].avatar.save('m', 'm'), rows[1].avatar.save('n', 'n')]
        const outcomes = await Promise.allSettled(saves)
        expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'fulfilled'])
        await expectFiles(...(kind === 'changed' ? ['a', 'n'] : ['n']))
      },
    )

    it.each(['flush', 'save'])('leaves nothing of a %s that goes on after it', async how => {
      const { orm, make, find, expectFiles } = await open()
      await make('a')
      const { save } = storage
      let proceed = () => {}
      vi.spyOn(storage, 'save').mockImplementation(async (...args) => {
        await new Promise<void>(resolve => {
          proceed = resolve
        })
        return await save.apply(storage, args)
      })
      let left: Promise<void> | undefined
      const run = orm.em.fork().transactional(async em => {
        const user = await find('a', em)
        if (how === 'flush') {
          user.avatar.assign(content('n'))
          left = em.flush()
        } else left = user.avatar.save('n', 'n')
        await vi.waitFor(() => expect(storage.save).toHaveBeenCalled())
        throw failure
      })
      await expect(run).rejects.toBe(failure)
      proceed()
      await expect(left).rejects.toThrow('The transaction ended')
      await expectFiles('a')
    })

    it('may be over when the rows are written that were read or made in it', async () => {
      const { orm, make, find, expectFiles } = await open()
      await make('a')
      const user = await orm.em.transactional(async em => await find('a', em))
      await user.avatar.save('n', 'n')
      await expectFiles('n')
      user.avatar.assign(content('m'))
      await user.avatar.save('m', 'm')
      await expectFiles('m')
      let created: typeof user | undefined
      const em = orm.em.fork()
      await em.begin()
      const inner = em.transactional(async nested => {
        created = await find('a', nested)
        throw failure
      })
      await expect(inner).rejects.toBe(failure)
      await created?.avatar.delete()
      expect(await stored()).toEqual(['m'])
      await em.rollback()
      await expectFiles('m')
      expect(created?.avatar.name).toBe('m')
      await created?.avatar.delete()
      await expectFiles()
    })

    it('is not needed where no file changes', async () => {
      const { orm, make, find, expectFiles } = await open({ implicitTransactions: false })
      await make('a')
      const em = orm.em.fork()
      const user = await find('a', em)
      user.title = 'b'
      await em.flush()
      user.title = 'c'
      user.avatar.assign(null)
      await em.flush()
      expect((await find('c')).avatar.hasFile()).toBe(false)
      await expectFiles()
    })
  })

  describe('a row', () => {
    it('is looked at in the database, not in the cache of results', async () => {
      const { make, find, orm, expectFiles } = await open({ resultCache: { global: 60_000 } })
      await make('a')
      await make('b', null)
      const user = await find('a')
      for (const name of ['n', 'm']) await user.avatar.save(name, name)
      expect(await stored()).toEqual(['m'])
      const other = await find('b')
      other.avatar.assign('m')
      await orm.em.fork().persist(other).flush()
      await orm.em.fork().remove(user).flush()
      expect(await stored()).toEqual(['m'])
      await orm.em.fork().remove(other).flush()
      await expectFiles()
    })

    it('is written with the file that is stored while other subscribers look at the row', async () => {
      let isOn = false
      let proceed = () => {}
      const other: EventSubscriber = {
        async beforeUpdate() {
          if (!isOn) return
          isOn = false
          await new Promise<void>(resolve => {
            proceed = resolve
          })
        },
      }
      const { orm, make, find, expectFiles } = await open({
        subscribers: [new FileSubscriber(), other],
      })
      await make('a')
      const em = orm.em.fork()
      const user = await find('a', em)
      isOn = true
      user.title = 'b'
      const flushed = em.flush()
      await vi.waitFor(() => expect(isOn).toBe(false))
      const saved = user.avatar.save('n', 'n')
      await vi.waitFor(() => expect(user.avatar.name).toBe('n'))
      proceed()
      await Promise.all([flushed, saved])
      expect((await find('b')).avatar.name).toBe('n')
      await expectFiles('n')
    })

    it('may have another key, and columns that are loaded on demand', async () => {
      const Lazy = defineEntity({
        name: 'Lazy',
        properties: { id: p.integer().primary(), file: fileProperty(newField()).lazy() },
      })
      const { orm } = await open({ entities: [Lazy] })
      const em = orm.em.fork()
      em.create(Lazy, { id: 1 }).file.assign(content('a'))
      await em.flush()
      await (await orm.em.fork().findOneOrFail(Lazy, { id: 1 })).file.save('b', 'b')
      expect(await stored()).toEqual(['b'])
      const other = orm.em.fork()
      const lazy = await orm.em.fork().findOneOrFail(Lazy, { id: 1 })
      await wrap(lazy).populate(['file'], { refresh: true })
      expect(lazy.file.name).toBe('b')
      const row = await other.findOneOrFail(Lazy, { id: 1 })
      row.id = 9
      row.file.assign(content('c'))
      await other.flush()
      expect(await stored()).toEqual(['c'])
      const last = orm.em.fork()
      await last.remove(await last.findOneOrFail(Lazy, { id: 9 })).flush()
      expect(await stored()).toEqual([])
    })

    it('that was read without its file can lose it all the same', async () => {
      const { orm, User, make, find, expectFiles } = await open()
      for (const title of ['a', 'b']) await make(title)
      const partial = await orm.em
        .fork()
        .findOneOrFail(User, { title: 'a' }, { fields: ['title'] as never })
      await partial.avatar.delete()
      await orm.em
        .fork()
        .getReference(User, (await find('b')).id)
        .avatar.delete()
      for (const title of ['a', 'b']) expect((await find(title)).avatar.hasFile()).toBe(false)
      await expectFiles()
    })

    it('keeps its file when it is changed by a reference, or was read without it', async () => {
      const Page = defineEntity({
        name: 'Page',
        properties: {
          id: p.integer().primary(),
          views: p.integer().nullable(),
          file: fileProperty(newField()).nullable(),
        },
      })
      const { orm } = await open({ entities: [Page] })
      const writing = orm.em.fork()
      writing.create(Page, { id: 1, file: content('a') as never })
      await writing.flush()
      const change = async (
        find: (em: typeof orm.em) => Promise<{ views?: number | null | undefined }>,
      ) => {
        const em = orm.em.fork()
        const row = await find(em)
        row.views = (row.views ?? 0) + 1
        await em.flush()
        expect((await orm.em.fork().findOneOrFail(Page, { id: 1 })).file?.name).toBe('a')
        expect(await stored()).toEqual(['a'])
      }
      await change(async em => em.getReference(Page, 1))
      await change(async em => em.merge(Page, { id: 1, views: 7 }))
      await change(async em => em.assign(em.getReference(Page, 1), { views: 8 }))
      await change(async em => {
        const row = await em.findOneOrFail(Page, { id: 1 }, { fields: ['views'] as never })
        expect(JSON.parse(JSON.stringify(row))).toEqual({ id: 1, views: 9 })
        return row
      })
    })

    it('is equal to what it holds, and leaves rows of other entities alone', async () => {
      const Tag = defineEntity({
        name: 'Tag',
        properties: { id: p.integer().primary(), name: p.string() },
      })
      const { orm } = await open({ entities: [Tag] })
      const em = orm.em.fork()
      const made = em.create(Tag, { name: 'x' }, { persist: false })
      expect(Object.getOwnPropertySymbols(made)).toEqual([])
      await em.persist(made).flush()
      const found = await orm.em.fork().findOneOrFail(Tag, { name: 'x' })
      expect(found).toEqual({ id: 1, name: 'x' })
      expect(found).toEqual(await orm.em.fork().findOneOrFail(Tag, { name: 'x' }))
    })

    it('has its file when another MikroORM knows its class, too, and counts the rows of both', async () => {
      const User = defineEntity({
        name: 'User',
        properties: { id: p.integer().primary(), avatar: fileProperty(newField()) },
      })
      const { orm } = await open({ entities: [User] })
      const em = orm.em.fork()
      const [a, b] = [em.create(User, {}), em.create(User, {})]
      for (const [row, name] of [[a, 'a'] as const, [b, 'b'] as const])
        row.avatar.assign(content(name))
      await em.flush()
      b.avatar.assign(content('c'))
      const { orm: other } = await open({ entities: [User], dbName: join(folder, 'other') })
      expect([a.avatar.name, b.avatar.name]).toEqual(['a', 'c'])
      await em.flush()
      expect(await stored()).toEqual(['a', 'c'])
      const others = other.em.fork()
      others.create(User, {}).avatar.assign('a')
      await others.flush()
      await a.avatar.delete()
      expect(await stored()).toEqual(['a', 'c'])
      await other.close()
      await b.avatar.delete()
      expect(await stored()).toEqual(['a'])
    })

    it('that is read again has the file of then, and its size', async () => {
      const size = { widthColumn: 'width', heightColumn: 'height' }
      const field = new ImageField({ storage, id: `mikro-orm ${++ids}`, ...size })
      const Icon = defineEntity({
        name: 'Icon',
        properties: {
          id: p.integer().primary(),
          title: p.string().nullable(),
          width: p.integer().nullable(),
          height: p.integer().nullable(),
          image: fileProperty(field),
        },
      })
      const { orm } = await open({ entities: [Icon] })
      const replace = async (name: string) => {
        const em = orm.em.fork()
        const [row] = await em.find(Icon, {})
        await (row ?? em.create(Icon, {})).image.save(name, gif(name.length))
      }
      await replace('a')
      const em = orm.em.fork()
      const row = await em.findOneOrFail(Icon, { id: 1 })
      const open_ = vi.spyOn(storage, 'open')
      expect(row.image.name).toBe('a')
      for (const [name, read] of [
        ['bb', () => em.refresh(row)],
        ['ccc', () => em.find(Icon, {})],
      ] as const) {
        await replace(name)
        await read()
        open_.mockClear()
        row.title = name
        await em.flush()
        expect(open_).not.toHaveBeenCalled()
        const { length } = name
        expect(row).toMatchObject({ width: length, height: length })
        expect(row.image.name).toBe(name)
      }
      await storage.save('dddd', gif(4))
      const fresh = orm.em.fork()
      const given = await fresh.findOneOrFail(Icon, { id: 1 })
      given.image = 'dddd' as never
      await fresh.flush()
      expect(given).toMatchObject({ width: 4, height: 4 })
      expect(await stored()).toEqual(['dddd'])
    })

    it('is looked at before it is written where its file has changed, all of a flush at once', async () => {
      const queries: string[] = []
      const { orm, User, make, expectFiles } = await open({
        debug: ['query'],
        logger: message => queries.push(message),
        colors: false,
      })
      for (const title of ['a', 'b', 'c']) await make(title)
      const locks = (query: string) => query.includes('select') && query.includes(' in (')
      const selects = async (change: (row: { title: string; avatar: FieldFile }) => void) => {
        const em = orm.em.fork()
        for (const row of await em.find(User, {}, { orderBy: { id: 'asc' } })) change(row)
        queries.length = 0
        await em.flush()
        return queries.filter(query => query.includes('select'))
      }
      const rename = (row: { title: string }) => {
        row.title += '2'
      }
      expect(await selects(rename)).toEqual([])
      const nameOf = (row: { title: string; avatar: FieldFile }) => {
        row.title = `${row.avatar.name}3`
      }
      expect(await selects(nameOf)).toEqual([])
      const replace = (row: { title: string; avatar: FieldFile }) => {
        row.avatar.assign(content(`${row.title}n`))
      }
      expect((await selects(replace)).filter(locks)).toHaveLength(1)
      await expectFiles('a3n', 'b3n', 'c3n')
      const em = orm.em.fork()
      for (const row of await em.find(User, {})) em.remove(row)
      queries.length = 0
      await em.flush()
      expect(queries.filter(locks)).toHaveLength(1)
      await expectFiles()
    })

    it('may not stand in several tables', async () => {
      const Item = defineEntity({
        name: 'Item',
        inheritance: 'tpt',
        properties: { id: p.integer().primary() },
      })
      const Machine = defineEntity({
        name: 'Machine',
        extends: Item,
        properties: { manual: fileProperty(newField()) },
      })
      await expect(open({ entities: [Item, Machine] })).rejects.toThrow(ImproperlyConfigured)
    })
  })
})

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
} from '@mikro-orm/core'
import { LibSqlDriver } from '@mikro-orm/libsql'
import { ContentFile, ImproperlyConfigured, MemoryStorage, UnsupportedError } from 'stowage'
import { FileField } from 'stowage/fields'
import { FileSubscriber, fileProperty } from 'stowage/mikro-orm'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
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
      await expect(em.flush()).rejects.toThrow(UnsupportedError)
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

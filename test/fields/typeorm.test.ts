import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import libsql from 'libsql'
import {
  ImproperlyConfigured,
  MemoryStorage,
  PreconditionFailedError,
  UnsupportedError,
} from 'stowage'
import { type FieldFile, FileField, ImageField } from 'stowage/fields'
import { FileColumn, registerFiles } from 'stowage/typeorm'
import {
  ChildEntity,
  Column,
  DataSource,
  Entity,
  EntitySchema,
  type EntitySubscriberInterface,
  EventSubscriber,
  ManyToOne,
  PrimaryGeneratedColumn,
  TableInheritance,
  type UpdateEvent,
} from 'typeorm'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { testAdapter } from './adapter-suite.ts'
import { openTypeorm } from './harness/typeorm.ts'
import { type User, Users } from './harness/typeorm-users.ts'

const sqlite = { type: 'better-sqlite3', database: ':memory:', driver: libsql } as const

testAdapter('TypeORM on SQLite', {
  open: async fields => await openTypeorm(sqlite, fields),
})

describe('TypeORM', () => {
  let users: Users
  let source: DataSource

  beforeEach(() => {
    users = new Users(sqlite)
  })

  afterEach(async () => {
    if (source.isInitialized) await source.destroy()
  })

  describe('rows that others have changed', () => {
    it('keep the file that they have by now when another column is saved', async () => {
      source = await users.open()
      const { manager } = source
      await users.save(manager, 'a')
      const late = [await users.find(manager, 'a'), await users.find(manager, 'a')]
      expect(late[1]?.avatar.name).toBe('a.txt')
      await (await users.find(manager, 'a')).avatar.save('b.txt', 'b')
      for (const [index, user] of late.entries()) {
        user.width = index
        await manager.save(user)
        expect(user.avatar.name).toBe('b.txt')
      }
      await users.expectFiles(source, 'b.txt')
    })

    it('stay without a file that was deleted', async () => {
      source = await users.open()
      await users.save(source.manager, 'a')
      const late = await users.find(source.manager, 'a')
      await (await users.find(source.manager, 'a')).avatar.delete()
      late.width = 1
      await source.manager.save(late)
      await users.expectFiles(source)
    })

    it('do not come back with a file that is gone', async () => {
      source = await users.open()
      const first = await users.save(source.manager, 'a')
      const late = await users.find(source.manager, 'a')
      await source.manager.remove(first)
      late.width = 1
      await expect(source.manager.save(late)).rejects.toThrow(PreconditionFailedError)
      await expect(source.manager.save(first)).rejects.toThrow(PreconditionFailedError)
      await users.expectFiles(source)
    })

    it('do not come back with a file that is about to go', async () => {
      source = await users.open()
      const { manager } = source
      const late = await users.save(manager, 'a')
      const copy = await users.save(manager, 'b')
      const remove = vi.spyOn(users.storage, 'delete').mockResolvedValue()
      await manager.remove(await users.find(manager, 'a'))
      await expect(manager.save(late)).rejects.toThrow(PreconditionFailedError)
      remove.mockRestore()
      await users.storage.delete('a.txt')
      await manager.save(Object.assign(manager.create(users.User, copy), { id: 9, title: 'c' }))
      await users.expectFiles(source, 'b.txt', 'b.txt')
    })

    it('may be written anew in the transaction that has deleted them', async () => {
      source = await users.open()
      const user = await users.save(source.manager, 'a')
      await source.transaction(async manager => {
        await manager.remove(user)
        await manager.save(user)
      })
      await users.expectFiles(source, 'a.txt')
    })

    it('get the name that a program has set, whatever they have had', async () => {
      source = await users.open()
      const { manager } = source
      await users.save(manager, 'a')
      await users.storage.save('c.txt', 'c')
      const late = await users.find(manager, 'a')
      await (await users.find(manager, 'a')).avatar.save('b.txt', 'b')
      Object.assign(late, { avatar: 'c.txt' })
      await manager.save(late)
      await users.expectFiles(source, 'c.txt')
    })

    it('have the width of the image that they have by now', async () => {
      const storage = new MemoryStorage({})
      class Icon {
        declare id: number
        declare width: number | null
        declare title: string
        declare image: FieldFile
      }
      PrimaryGeneratedColumn()(Icon.prototype, 'id')
      Column({ type: 'int', nullable: true })(Icon.prototype, 'width')
      Column({ type: 'varchar', default: '' })(Icon.prototype, 'title')
      FileColumn(new ImageField({ storage, widthColumn: 'width' }))(Icon.prototype, 'image')
      Entity('icons')(Icon)
      source = new DataSource({ ...sqlite, entities: [Icon], synchronize: true })
      await registerFiles(source)
      await source.initialize()
      const icon = source.manager.create(Icon)
      await icon.image.save('1.gif', gif(1))
      const late = await source.manager.findOneByOrFail(Icon, { id: icon.id })
      await icon.image.save('2.gif', gif(2))
      late.title = 'late'
      await source.manager.save(late)
      expect(late.width).toBe(2)
      expect(await source.manager.findOneBy(Icon, { id: icon.id })).toMatchObject({ width: 2 })
    })

    it('are not changed by what a rollback has undone', async () => {
      source = await users.open()
      const user = await users.save(source.manager, 'a')
      const failure = new Error('roll back')
      const run = source.transaction(async () => {
        await user.avatar.delete()
        throw failure
      })
      await expect(run).rejects.toBe(failure)
      expect(user.avatar.name).toBe('a.txt')
      user.width = 1
      await source.manager.save(user)
      await users.expectFiles(source, 'a.txt')
    })
  })

  describe('rows that were read without their file', () => {
    const read = async (): Promise<User> => {
      const select = { id: true, title: true }
      return await source.manager.findOneOrFail(users.User, { where: { title: 'a' }, select })
    }

    beforeEach(async () => {
      source = await users.open()
      await users.save(source.manager, 'a')
    })

    it('keep it when they are saved', async () => {
      const user = await read()
      expect(user.avatar.hasFile()).toBe(false)
      user.width = 1
      await source.manager.save(user)
      await users.expectFiles(source, 'a.txt')
    })

    it.each([
      async (user: User) => {
        await user.avatar.delete()
      },
      async (user: User) => {
        await user.avatar.delete({ save: false })
        await source.manager.save(user)
      },
      async (user: User) => {
        await source.manager.save(Object.assign(user, { avatar: null }))
      },
    ])('lose it when they are told to', async lose => {
      await lose(await read())
      await users.expectFiles(source)
    })

    it('get another one', async () => {
      const user = await read()
      await user.avatar.save('b.txt', 'b')
      await users.expectFiles(source, 'b.txt')
    })

    it('are no new rows, which have none that could be deleted', async () => {
      const user = source.manager.create(users.User, { title: 'b' })
      await user.avatar.delete()
      expect(await source.manager.countBy(users.User, { title: 'b' })).toBe(0)
    })
  })

  describe('plain objects', () => {
    it('replace the file of their row by the one that they name', async () => {
      source = await users.open()
      const { id } = await users.save(source.manager, 'a')
      await users.storage.save('b.txt', 'b')
      await source.manager.save(users.User, { id, avatar: 'b.txt' } as never)
      await users.expectFiles(source, 'b.txt')
      await source.manager.save(users.User, { id, title: 'b' })
      await users.expectFiles(source, 'b.txt')
      await source.manager.save(users.User, { id, avatar: '' } as never)
      await users.expectFiles(source)
    })

    it('are no rows with files when they are copies of rows', async () => {
      source = await users.open()
      const { manager } = source
      const user = await users.save(manager, 'a')
      await user.avatar.text()
      const copy = Object.assign(new users.User(), user, { id: 0, title: 'copy' })
      Reflect.deleteProperty(copy, 'id')
      await copy.avatar.save('copy.txt', 'copy')
      await users.expectFiles(source, 'a.txt', 'copy.txt')

      const late = await users.find(manager, 'a')
      await user.avatar.save('b.txt', 'b')
      await manager.save(users.User, { ...late, title: 'z' })
      await users.expectFiles(source, 'b.txt', 'copy.txt')
      expect({ ...late }).toEqual({ id: late.id, title: 'a', width: null })
    })

    it('are removed with their files', async () => {
      source = await users.open()
      const { id } = await users.save(source.manager, 'a')
      await source.manager.remove(users.User, { id } as User)
      await users.expectFiles(source)
    })

    it('are refused content', async () => {
      source = await users.open()
      const { id } = await users.save(source.manager, 'a')
      const avatar = new File(['b'], 'b.txt')
      const saved = source.manager.save(users.User, { id, avatar } as never)
      await expect(saved).rejects.toThrow(UnsupportedError)
      await users.expectFiles(source, 'a.txt')
    })
  })

  describe('subscribers of the application', () => {
    /** A subscriber whose hooks are given when it is there. */
    function subscriber(): EntitySubscriberInterface & (new () => EntitySubscriberInterface) {
      const Subscriber = class {}
      EventSubscriber()(Subscriber)
      return Subscriber as never
    }

    it('may throw when a transaction is over, which is settled all the same', async () => {
      const Subscriber = subscriber()
      source = await users.open({ subscribers: [Subscriber] })
      const { manager } = source
      const user = await users.save(manager, 'a')
      const throws = (): never => {
        throw new Error('not today')
      }
      Object.assign(Subscriber.prototype, { afterTransactionCommit: throws })
      await expect(user.avatar.save('b.txt', 'b')).rejects.toThrow('not today')
      Object.assign(Subscriber.prototype, { afterTransactionCommit: undefined })
      await users.expectFiles(source, 'b.txt')
      Object.assign(Subscriber.prototype, { afterTransactionRollback: throws })
      await expect(users.save(manager, 'a', 'c.txt')).rejects.toThrow()
      Object.assign(Subscriber.prototype, { afterTransactionRollback: undefined })
      await users.expectFiles(source, 'b.txt')
      const later = await users.find(manager, 'a')
      await later.avatar.save('d.txt', 'd')
      await users.expectFiles(source, 'd.txt')
      await manager.remove(later)
      await users.expectFiles(source)
    })

    it.each(['beforeUpdate', 'afterUpdate', 'beforeRemove', 'afterRemove'])(
      'are refused statements that leave files behind, in %s too',
      async hook => {
        const Subscriber = subscriber()
        source = await users.open({ subscribers: [Subscriber] })
        const { manager } = source
        await users.save(manager, 'a')
        await users.save(manager, 'b')
        await users.photo(manager, 'p.txt')
        for (const table of ['photos', 'users']) {
          const run = async (event: UpdateEvent<object>): Promise<void> => {
            await event.manager.query(`DELETE FROM ${table}`)
          }
          Object.assign(Subscriber.prototype, { [hook]: run })
          const user = await users.find(manager, 'a')
          user.width = 1
          const written = hook.endsWith('Update') ? manager.save(user) : manager.remove(user)
          await expect(written).rejects.toThrow(UnsupportedError)
        }
        await users.expectFiles(source, 'a.txt', 'b.txt', 'p.txt')
      },
    )

    it('may write rows of their own while others are written', async () => {
      const Subscriber = subscriber()
      source = await users.open({ subscribers: [Subscriber] })
      const { manager } = source
      const user = await users.save(manager, 'a')
      const run = async ({ entity, manager: own }: UpdateEvent<object>): Promise<void> => {
        if (!(entity instanceof users.User) || entity.title === 'c') return
        await own.transaction(async inner => {
          const other = await users.find(inner, 'c')
          other.avatar.assign(new File(['c'], `of_${entity.title}.txt`))
          await inner.save(other)
        })
      }
      await users.save(manager, 'c')
      Object.assign(Subscriber.prototype, { beforeUpdate: run })
      user.avatar.assign(new File(['new'], 'new.txt'))
      await manager.save(user)
      await users.expectFiles(source, 'new.txt', 'of_a.txt')
    })

    it('are told that content comes too late after an await', async () => {
      const Subscriber = subscriber()
      source = await users.open({ subscribers: [Subscriber] })
      const give = async ({ entity }: { entity: User }): Promise<void> => {
        await users.stored()
        entity.avatar.assign(new File(['late'], 'late.txt'))
      }
      Object.assign(Subscriber.prototype, { beforeInsert: give })
      const saved = source.manager.save(source.manager.create(users.User, { title: 'a' }))
      await expect(saved).rejects.toThrow('before the first await')
      await users.expectFiles(source)
    })

    it('may give rows content, wherever they stand', async () => {
      source = await users.open()
      source.subscribers.push({
        beforeInsert: ({ entity }) => entity['avatar'].assign(new File(['i'], 'i.txt')),
        beforeUpdate: ({ entity }) => entity?.['avatar'].assign(new File(['u'], 'u.txt')),
      })
      const user = await source.manager.save(source.manager.create(users.User, { title: 'a' }))
      await users.expectFiles(source, 'i.txt')
      user.width = 1
      await source.manager.save(user)
      await users.expectFiles(source, 'u.txt')
    })
  })

  describe('a save that failed', () => {
    it.each([true, false])(
      'lets no statement pass after it (transaction: %s)',
      async transaction => {
        source = await users.open()
        const user = await users.save(source.manager, 'a')
        await users.save(source.manager, 'b')
        user.title = 'b'
        await source.transaction(async manager => {
          await expect(manager.save(user, { transaction })).rejects.toThrow('UNIQUE')
          await expect(manager.query('DELETE FROM users')).rejects.toThrow(UnsupportedError)
        })
        await expect(source.manager.save(user, { transaction })).rejects.toThrow('UNIQUE')
        await expect(source.query('DELETE FROM users')).rejects.toThrow(UnsupportedError)
        await users.expectFiles(source, 'a.txt', 'b.txt')
      },
    )
  })

  describe('several data sources', () => {
    let other: DataSource

    beforeEach(async () => {
      source = await users.open()
      other = await users.open()
    })

    afterEach(async () => {
      await other.destroy()
    })

    it('have rows of one class, each of which stays where it is from', async () => {
      await users.save(source.manager, 'a')
      await users.expectFiles(source, 'a.txt')
      const user = await users.find(source.manager, 'a')
      await user.avatar.save('b.txt', 'b')
      await users.expectFiles(source, 'b.txt')
      expect(await other.manager.count(users.User)).toBe(0)
    })

    it('keep a file that a row of another one names', async () => {
      const first = await users.save(source.manager, 'a')
      const second = other.manager.create(users.User, { title: 'a' })
      second.avatar.assign(first.avatar)
      await other.manager.save(second)
      await other.manager.remove(second)
      await users.expectFiles(source, 'a.txt')
      await source.manager.remove(first)
      await users.expectFiles(source)
    })

    it('refuse to guess where a new row is to be saved', async () => {
      const user = Object.assign(new users.User(), { title: 'a' })
      await expect(user.avatar.save('a.txt', 'a')).rejects.toThrow(ImproperlyConfigured)
      expect(await users.stored()).toEqual([])
      await source.manager.save(user)
      await user.avatar.save('a.txt', 'a')
      await users.expectFiles(source, 'a.txt')
    })
  })

  describe('registerFiles', () => {
    let folder: string

    beforeEach(async () => {
      folder = await mkdtemp(join(tmpdir(), 'stowage-typeorm-'))
    })

    afterEach(async () => {
      await rm(folder, { recursive: true })
    })

    it.each(['before', 'after'])(
      'called %s initialize() holds when it is opened again',
      async when => {
        source = users.source({ database: join(folder, 'db') } as object)
        if (when === 'before') await registerFiles(source)
        await source.initialize()
        await registerFiles(source)
        await source.synchronize(true)
        for (const title of ['a', 'b']) {
          await users.save(source.manager, title)
          const user = await users.find(source.manager, title)
          await user.avatar.save(`${title}2.txt`, title)
          await source.destroy()
          await source.initialize()
        }
        await users.expectFiles(source, 'a2.txt', 'b2.txt')
        await source.manager.remove(await users.find(source.manager, 'a'))
        await users.expectFiles(source, 'b2.txt')
      },
    )

    it('is asked for by a data source without it, which writes no broken name', async () => {
      const place = { database: join(folder, 'db') } as object
      source = await users.open(place)
      await users.save(source.manager, 'a')
      await users.save(source.manager, 'b')
      const plain = await users.source(place).initialize()
      const user = await users.find(plain.manager, 'a')
      user.width = 1
      await plain.manager.save(user)
      const partial = await plain.manager.find(users.User, { select: { id: true, width: true } })
      for (const row of [...partial, users.make(plain.manager, 'c'), new users.User()]) {
        row.width = 2
        await expect(plain.manager.save(row)).rejects.toThrow('call registerFiles(dataSource)')
      }
      await plain.destroy()
      await users.expectFiles(source, 'a.txt', 'b.txt')
    })

    it('refuses a property that the constructor defines', async () => {
      class Hidden {
        file = undefined
      }
      PrimaryGeneratedColumn()(Hidden.prototype, 'id')
      FileColumn(new FileField({ storage: users.storage }))(Hidden.prototype, 'file')
      Entity('hidden')(Hidden)
      source = new DataSource({ ...sqlite, entities: [Hidden] })
      await registerFiles(source)
      await expect(source.initialize()).rejects.toThrow('declare file: FieldFile')
      expect(source.isInitialized).toBe(false)
    })

    it.each([{}, { file: { type: 'varchar' as const, default: '' } }])(
      'refuses a class that an EntitySchema describes, with the columns %j',
      async columns => {
        class Described {
          declare readonly id: number
          declare readonly file: FieldFile
        }
        FileColumn(new FileField({ storage: users.storage }))(Described.prototype, 'file')
        const key = { type: 'int', primary: true } as const
        const schema = new EntitySchema<Described>({
          name: 'described',
          target: Described,
          columns: { id: key, ...columns },
        })
        source = new DataSource({ ...sqlite, entities: [schema] })
        await registerFiles(source)
        await expect(source.initialize()).rejects.toThrow('describe the class by decorators')
      },
    )

    it('refuses rows of a child entity that the database deletes by itself', async () => {
      const Album = class {}
      const Item = class {}
      const Machine = class extends Item {}
      PrimaryGeneratedColumn()(Album.prototype, 'id')
      Entity('albums')(Album)
      PrimaryGeneratedColumn()(Item.prototype, 'id')
      ManyToOne(() => Album, { onDelete: 'CASCADE' })(Item.prototype, 'album')
      TableInheritance({ column: { type: 'varchar', name: 'kind' } })(Item)
      Entity('items')(Item)
      FileColumn(new FileField({ storage: users.storage }))(Machine.prototype, 'manual')
      ChildEntity()(Machine)
      source = new DataSource({ ...sqlite, entities: [Album, Item, Machine] })
      await registerFiles(source)
      await expect(source.initialize()).rejects.toThrow('ON DELETE CASCADE')
    })
  })

  describe('writes at once on one connection', () => {
    const titles = ['a', 'b', 'c']

    beforeEach(async () => {
      source = await users.open()
      const { save } = users.storage
      vi.spyOn(users.storage, 'save').mockImplementation(async (...args) => {
        await new Promise(resolve => setTimeout(resolve, 5))
        return await save.apply(users.storage, args)
      })
    })

    it('are all done', async () => {
      const rows = await Promise.all(titles.map(async title => users.save(source.manager, title)))
      await users.expectFiles(source, 'a.txt', 'b.txt', 'c.txt')
      await Promise.all(rows.map(async row => row.avatar.save(`${row.title}2.txt`, '2')))
      await Promise.all(rows.map(async row => source.manager.save(row)))
      await users.expectFiles(source, 'a2.txt', 'b2.txt', 'c2.txt')
      await Promise.all(rows.map(async row => source.manager.remove(row)))
      await users.expectFiles(source)
    })

    it('of files may begin in the transaction of others, and go on after it', async () => {
      const row = await users.save(source.manager, 'a')
      const other = users.save(source.manager, 'b')
      await new Promise(resolve => setTimeout(resolve, 3))
      await row.avatar.save('a2.txt', '2')
      await other
      await users.expectFiles(source, 'a2.txt', 'b.txt')
    })

    it('have transactions of their own', async () => {
      const failure = new Error('roll back')
      const runs = titles.map(async title =>
        source.transaction(async manager => {
          const user = await users.save(manager, title)
          // With the manager of no transaction, as hooks do, too.
          await source.manager.save(user)
          if (title === 'b') throw failure
          await user.avatar.save(`${title}2.txt`, '2')
        }),
      )
      const [, second, third] = await Promise.allSettled(runs)
      expect(second).toMatchObject({ reason: failure })
      expect(third).toMatchObject({ status: 'fulfilled' })
      await users.expectFiles(source, 'a2.txt', 'c2.txt')
    })

    it('of one row do not wait for each other', async () => {
      const user = await users.save(source.manager, 'a')
      const inside = source.transaction(async () => {
        await new Promise(resolve => setTimeout(resolve, 5))
        await user.avatar.save('b.txt', 'b')
      })
      await Promise.all([inside, user.avatar.save('c.txt', 'c')])
      const { avatar } = await users.find(source.manager, 'a')
      await users.expectFiles(source, avatar.name ?? '')
    })
  })

  it('leaves nothing of work that goes on after its transaction', async () => {
    source = await users.open()
    const { save } = users.storage
    let proceed = () => {}
    vi.spyOn(users.storage, 'save').mockImplementation(async (...args) => {
      await new Promise<void>(resolve => {
        proceed = resolve
      })
      return await save.apply(users.storage, args)
    })
    let left: Promise<unknown> | undefined
    const failure = new Error('roll back')
    const run = source.transaction(async manager => {
      left = users.save(manager, 'a')
      await vi.waitFor(() => expect(users.storage.save).toHaveBeenCalled())
      throw failure
    })
    await expect(run).rejects.toBe(failure)
    proceed()
    await expect(left).rejects.toThrow(UnsupportedError)
    await users.expectFiles(source)
  })

  it('refuses content in an insert() that may leave its row out', async () => {
    source = await users.open()
    await users.save(source.manager, 'a')
    const { User } = users
    for (const overwrite of [[], ['width']]) {
      await source.transaction(async manager => {
        const user = users.make(manager, 'a', 'b.txt')
        const insert = manager.createQueryBuilder().insert().into(User).values(user)
        if (overwrite.length > 0) insert.orUpdate(overwrite, ['title'])
        else insert.orIgnore()
        await expect(insert.execute()).rejects.toThrow(UnsupportedError)
      })
      await users.expectFiles(source, 'a.txt')
    }
    await source.transaction(async manager => {
      const rows = [{ title: 'a' }, { title: 'b', avatar: 'a.txt' }] as never
      await manager.createQueryBuilder().insert().into(User).values(rows).orIgnore().execute()
      await manager.insert(User, users.make(manager, 'c'))
    })
    await users.expectFiles(source, 'a.txt', 'a.txt', 'c.txt')
  })

  it('asks the database, and no cache, for the files that rows have', async () => {
    source = await users.open({ cache: { alwaysEnabled: true, duration: 60_000 } })
    const user = await users.save(source.manager, 'a')
    for (const name of ['b.txt', 'c.txt']) await user.avatar.save(name, name)
    await users.expectFiles(source, 'c.txt')
    await source.manager.remove(user)
    await users.expectFiles(source)
  })

  it('takes the file of a row where a name is looked for', async () => {
    source = await users.open()
    const user = await users.save(source.manager, 'a')
    const found = await source.manager.findOneBy(users.User, { avatar: user.avatar } as never)
    expect(found?.title).toBe('a')
  })
})

/** An image of one row, as much of it as is looked at. */
function gif(width: number): Uint8Array {
  return Uint8Array.of(...Buffer.from('GIF89a'), width, 0, 1, 0, 0, 0, 0)
}

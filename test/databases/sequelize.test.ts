import { AsyncLocalStorage } from 'node:async_hooks'
import { EventEmitter, once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { DataTypes, Model, type Options, Sequelize, Transaction } from 'sequelize'
import { MemoryStorage } from 'stowage'
import { type FieldFile, FileField } from 'stowage/fields'
import { fileAttribute, registerFiles } from 'stowage/sequelize'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { testDatabases } from './database-suite.ts'
import { createPlace, dropPlace, kinds, type Place } from './place.ts'

testDatabases('sequelize')

/** Ids of fields are given once in a process. */
let fields = 0

describe.each(kinds)('Sequelize on %s', kind => {
  class User extends Model {
    declare title: string
    declare avatar: FieldFile
  }

  let place: Place
  let storage: MemoryStorage
  let sequelize: Sequelize

  const optionsOf = ({ url }: Place): Options => {
    const { hostname, port, username, pathname } = new URL(url)
    return {
      dialect: kind === 'postgres' ? 'postgres' : 'mysql',
      host: hostname,
      port: Number(port),
      username,
      database: pathname.slice(1),
      logging: false,
    }
  }

  const open = (options: Options = optionsOf(place)): Sequelize => {
    const opened = new Sequelize(options)
    registerFiles(opened)
    const avatar = fileAttribute(new FileField({ storage, id: `server ${++fields}` }))
    const title = DataTypes.STRING
    User.init({ title, avatar }, { sequelize: opened, tableName: 'users', timestamps: false })
    return opened
  }

  const made = async (name: string, transaction?: Transaction): Promise<User> =>
    await User.create(
      { title: name, avatar: new File([name], name) },
      transaction && { transaction },
    )

  const stored = async (): Promise<string[]> => (await storage.listdir(''))[1].toSorted()

  beforeEach(async () => {
    storage = new MemoryStorage({})
    place = await createPlace(kind)
    sequelize = open()
    await sequelize.sync()
  })

  afterEach(async () => {
    await sequelize.close()
    await dropPlace(place)
  })

  it('keeps a file that a row names which a replica does not have yet', async () => {
    await sequelize.close()
    const replica = await createPlace(kind)
    const behind = open(optionsOf(replica))
    await behind.sync()
    await behind.close()
    const { host, port, username, database, ...others } = optionsOf(place)
    const write = { host, port, username, database } as object
    const read = [{ ...write, database: optionsOf(replica).database }] as object[]
    sequelize = open({ ...others, replication: { write, read } })
    const first = await made('a.txt')
    const second = await User.create({ avatar: first.avatar })
    await first.destroy()
    expect(await stored()).toEqual(['a.txt'])
    await second.destroy()
    expect(await stored()).toEqual([])
    await sequelize.close()
    await dropPlace(replica)
  })

  it('counts rows as they are after a transaction inside another one, which sees older ones', async () => {
    const isolationLevel = Transaction.ISOLATION_LEVELS.REPEATABLE_READ
    const alone = await made('alone.txt')
    await sequelize.transaction({ isolationLevel }, async transaction => {
      await User.findAll({ transaction })
      await sequelize.transaction(async inner => await alone.destroy({ transaction: inner }))
      expect(await stored()).toEqual([])
      const shared = await sequelize.transaction(async inner => {
        const user = await made('shared.txt', inner)
        await User.create({ avatar: user.avatar }, { transaction: inner })
        return user
      })
      await sequelize.transaction(async inner => await shared.destroy({ transaction: inner }))
    })
    expect(await stored()).toEqual(['shared.txt'])
  })

  it('leaves no file behind for an error that a transaction gets over, whatever its commit does', async () => {
    const user = await made('a.txt')
    await sequelize.transaction(async transaction => {
      await user.avatar.save('n.txt', 'n')
      await made('b.txt', transaction)
      await sequelize.query('SELECT * FROM nowhere', { transaction }).catch(() => {})
    })
    const names = (await User.findAll()).map(({ avatar }) => avatar.name)
    expect(names.toSorted()).toEqual(kind === 'postgres' ? ['a.txt'] : ['b.txt', 'n.txt'])
    expect(await stored()).toEqual(names.toSorted())
    expect(names).toContain(user.avatar.name)
  })

  it('changes the file of a row that a transaction without a callback has locked', async () => {
    await made('a.txt')
    const transaction = await sequelize.transaction()
    const user = await User.findOne({ transaction, lock: true, rejectOnEmpty: true })
    await user.avatar.save('n.txt', 'n')
    await transaction.rollback()
    expect(user.avatar.name).toBe('a.txt')
    expect(await stored()).toEqual(['a.txt'])
  })

  it('changes a file in the transaction that runs, and in none of another task with the row object', async () => {
    const user = await made('a.txt')
    const failure = new Error('roll back')
    const first = sequelize.transaction(async () => {
      await user.avatar.save('one.txt', 'one')
      await sleep(100)
      throw failure
    })
    await sleep(30)
    await Promise.all([expect(first).rejects.toBe(failure), user.avatar.save('two.txt', 'two')])
    expect((await User.findAll()).map(({ avatar }) => avatar.name)).toEqual(['two.txt'])
    expect(user.avatar.name).toBe('two.txt')
    expect(await stored()).toEqual(['two.txt'])
  })

  it('lets no task wait for one with the same row object that waits for its lock', async () => {
    const user = await made('a.txt')
    const first = sequelize.transaction(async transaction => {
      await User.update({ title: 'b' }, { where: {}, transaction })
      await sleep(100)
      await user.avatar.save('one.txt', 'one')
    })
    await sleep(30)
    await Promise.all([first, user.avatar.save('two.txt', 'two')])
    const [found] = await User.findAll()
    expect(await stored()).toEqual([found?.avatar.name])
    expect(user.avatar.name).toBe(found?.avatar.name)
  })

  it('knows a statement that fails in the transaction of CLS', async () => {
    const store = new AsyncLocalStorage<Map<string, unknown>>()
    Sequelize.useCLS({
      bind: (fn: unknown) => fn,
      run: (work: (context: unknown) => void) => store.run(new Map(), () => work(store.getStore())),
      get: (key: string) => store.getStore()?.get(key),
      set: (key: string, value: unknown) => store.getStore()?.set(key, value),
    } as never)
    const user = await made('a.txt')
    await sequelize.transaction(async () => {
      await user.avatar.save('n.txt', 'n')
      await sequelize.query('SELECT * FROM nowhere').catch(() => {})
    })
    Reflect.deleteProperty(Sequelize, '_cls')
    const name = kind === 'postgres' ? 'a.txt' : 'n.txt'
    expect(user.avatar.name).toBe(name)
    expect(await stored()).toEqual([name])
  })

  it('writes a row in both of two transactions that save it at once, one of which rolls back', async () => {
    const user = await made('a.txt')
    const events = new EventEmitter()
    const firstIsSaved = once(events, 'saved')
    let saves = 0
    User.addHook('beforeUpdate', async () => {
      if (++saves === 2) await firstIsSaved
    })
    user.avatar.assign(new File(['n'], 'n.txt'))
    const one = await sequelize.transaction()
    const two = await sequelize.transaction()
    const first = user.save({ transaction: one })
    const second = user.save({ transaction: two })
    await first
    events.emit('saved')
    await sleep(50)
    await one.rollback()
    await second
    await two.commit()
    const [found] = await User.findAll()
    expect(found?.avatar.name).toBe('n.txt')
    expect(user.avatar.name).toBe('n.txt')
    expect(await stored()).toEqual(['n.txt'])
  })
})

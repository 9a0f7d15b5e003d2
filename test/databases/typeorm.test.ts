import { AsyncResource } from 'node:async_hooks'
import { UnsupportedError } from 'stowage'
import { registerFiles } from 'stowage/typeorm'
import {
  Column,
  type DataSource,
  type DataSourceOptions,
  Entity,
  PrimaryGeneratedColumn,
} from 'typeorm'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Users } from '../fields/harness/typeorm-users.ts'
import { testDatabases } from './database-suite.ts'
import { createPlace, disconnectAll, dropPlace, execute, kinds, type Place } from './place.ts'

testDatabases('typeorm')

describe.each(kinds)('TypeORM on %s', kind => {
  let place: Place
  let users: Users
  let source: DataSource

  const open = async (connections = 2): Promise<DataSource> => {
    const extra = kind === 'postgres' ? { max: connections } : { connectionLimit: connections }
    return await users.open({ extra } as Partial<DataSourceOptions>)
  }

  beforeEach(async () => {
    place = await createPlace(kind)
    users = new Users({ type: kind, url: place.url })
  })

  afterEach(async () => {
    if (source.isInitialized) await source.destroy()
    await dropPlace(place)
  })

  it('follows the transaction of a query runner that a row was read by', async () => {
    source = await open()
    await users.save(source.manager, 'a')
    const runner = source.createQueryRunner()
    await runner.startTransaction()
    const lock = { mode: 'pessimistic_write' } as const
    const user = await runner.manager.findOneOrFail(users.User, { where: { title: 'a' }, lock })
    await user.avatar.save('b.txt', 'b')
    await runner.rollbackTransaction()
    expect(user.avatar.name).toBe('a.txt')
    await users.expectFiles(source, 'a.txt')
    await runner.startTransaction()
    await user.avatar.save('c.txt', 'c')
    await runner.commitTransaction()
    await runner.release()
    await users.expectFiles(source, 'c.txt')
  })

  it('saves a file of a row while the row itself is saved', async () => {
    source = await open(3)
    await users.save(source.manager, 'a')
    const user = await users.find(source.manager, 'a')
    let isWritten = false
    let file: Promise<void> | undefined
    const afterUpdate = async () => {
      isWritten = true
      await vi.waitUntil(() => file !== undefined)
    }
    source.subscribers.push({ afterUpdate })
    user.width = 5
    const saving = source.manager.save(user)
    await vi.waitUntil(() => isWritten)
    const { save } = users.storage
    vi.spyOn(users.storage, 'save').mockImplementation(async (...args) => {
      await saving
      return await save.apply(users.storage, args)
    })
    file = user.avatar.save('b.txt', 'b')
    await file
    await users.expectFiles(source, 'b.txt')
  })

  it('writes a new file under the name of one that others have taken from the row meanwhile', async () => {
    source = await open()
    await users.save(source.manager, 'a')
    const late = await users.find(source.manager, 'a')
    let saving: Promise<unknown> | undefined
    await source.transaction(async manager => {
      await (await users.find(manager, 'a')).avatar.save('b.txt', 'b')
      const { save } = users.storage
      vi.spyOn(users.storage, 'save').mockImplementation(async (...args) => {
        await vi.waitUntil(async () => !(await users.storage.exists('a.txt')))
        return await save.apply(users.storage, args)
      })
      late.avatar.assign(new File(['new'], 'a.txt'))
      saving = source.manager.save(late)
      // Until it has read the row, and waits for the lock.
      await new Promise(resolve => setTimeout(resolve, 200))
    })
    await saving
    await users.expectFiles(source, 'a.txt')
    expect(await late.avatar.text()).toBe('new')
  })

  it('lets a transaction write a row whose other write waits for its lock', async () => {
    source = await open()
    const user = await users.save(source.manager, 'a')
    const outside = new AsyncResource('outside')
    let other: Promise<void> | undefined
    await source.transaction(async manager => {
      await manager.update(users.User, user.id, { width: 1 })
      other = outside.runInAsyncScope(async () => user.avatar.save('b.txt', 'b'))
      await new Promise(resolve => setTimeout(resolve, 200))
      await user.avatar.save('c.txt', 'c')
    })
    await other
    const { avatar } = await users.find(source.manager, 'a')
    await users.expectFiles(source, avatar.name ?? '')
  })

  it('counts rows on the connection that has written, not in an older transaction around it', async () => {
    source = await open()
    await users.save(source.manager, 'old')
    await source.transaction('REPEATABLE READ', async manager => {
      const old = await users.find(manager, 'old')
      const first = await users.save(source.manager, 'a')
      const second = users.make(source.manager, 'b')
      second.avatar.assign(first.avatar)
      await source.manager.save(second)
      await source.manager.remove([first, old])
    })
    await users.expectFiles(source, 'a.txt')
  })

  it('counts rows with one connection alone', async () => {
    source = await open(1)
    const user = await users.save(source.manager, 'a')
    user.avatar.assign(new File(['b'], 'b.txt'))
    await source.manager.save(user)
    await users.expectFiles(source, 'b.txt')
    await source.manager.remove(user)
    await users.expectFiles(source)
  })

  it('counts rows on the master, whatever replicas have', async () => {
    const behind = await createPlace(kind)
    const replica = await users.open({ url: behind.url } as Partial<DataSourceOptions>)
    await replica.destroy()
    const replication = { master: { url: place.url }, slaves: [{ url: behind.url }] }
    const options = { synchronize: true, dropSchema: true, url: undefined, replication }
    source = users.source(options as unknown as Partial<DataSourceOptions>)
    await registerFiles(source)
    await source.initialize()
    const first = await users.save(source.manager, 'a')
    const second = users.make(source.manager, 'b')
    second.avatar.assign(first.avatar)
    await source.manager.save(second)
    await source.manager.remove(first)
    expect(await users.stored()).toEqual(['a.txt'])
    await source.manager.remove(second)
    expect(await users.stored()).toEqual([])
    await source.destroy()
    await dropPlace(behind)
  })

  it('tells names apart that the database takes for equal', async () => {
    if (kind === 'mariadb') {
      const name = new URL(place.url).pathname.slice(1)
      await execute(place, `ALTER DATABASE ${name} COLLATE utf8mb4_general_ci`)
    }
    source = await open()
    const first = await users.save(source.manager, 'a', 'Photo.txt')
    await users.save(source.manager, 'b', 'photo.txt')
    await source.manager.remove(first)
    await users.expectFiles(source, 'photo.txt')
  })

  it('looks at statements whose answer is a stream', async () => {
    source = await open()
    await users.save(source.manager, 'a')
    const runner = source.createQueryRunner()
    const streamed = runner.stream('DELETE FROM users RETURNING id')
    await expect(streamed).rejects.toThrow(UnsupportedError)
    await runner.release()
    await users.expectFiles(source, 'a.txt')
  })

  it('goes with the database where a transaction goes on after an error', async () => {
    source = await open()
    const user = await users.save(source.manager, 'a')
    await source.transaction(async manager => {
      user.avatar.assign(new File(['b'], 'b.txt'))
      await manager.save(user)
      await users.save(manager, 'c')
      await expect(manager.query('SELECT * FROM nowhere')).rejects.toThrow()
    })
    // PostgreSQL has rolled back, and TypeORM says nothing of it.
    if (kind === 'postgres') {
      await users.expectFiles(source, 'a.txt')
      await source.manager.save(user)
      await users.expectFiles(source, 'b.txt')
    } else await users.expectFiles(source, 'b.txt', 'c.txt')
  })

  it('leaves nothing behind when the connection is lost while a row is saved', async () => {
    source = await open()
    const user = await users.save(source.manager, 'a')
    source.subscribers.push({
      beforeUpdate: async () => {
        await vi.waitUntil(async () => (await users.stored()).includes('b.txt'))
        await disconnectAll(place)
      },
    })
    await expect(user.avatar.save('b.txt', 'b')).rejects.toThrow()
    source.subscribers.pop()
    await users.expectFiles(source, 'a.txt')
  })

  it('saves many rows at once, each query after the other', async () => {
    source = await open()
    const warnings: string[] = []
    const listen = ({ message }: Error): number => warnings.push(message)
    process.on('warning', listen)
    const all = ['a', 'b', 'c'].map(title => users.make(source.manager, title))
    await source.manager.save(all)
    for (const user of all) user.avatar.assign(new File(['new'], `${user.title}2.txt`))
    await source.manager.save(all)
    await users.expectFiles(source, 'a2.txt', 'b2.txt', 'c2.txt')
    await source.manager.remove(all)
    process.off('warning', listen)
    await users.expectFiles(source)
    expect(warnings).toEqual([])
  })

  it('lets an entity without files be written whose table has the same name elsewhere', async () => {
    const archive = await createPlace(kind)
    const name = new URL(archive.url).pathname.slice(1)
    if (kind === 'postgres') await execute(place, `CREATE SCHEMA ${name}`)
    class Old {
      declare id: number
      declare avatar: string
    }
    PrimaryGeneratedColumn()(Old.prototype, 'id')
    Column({ type: 'varchar', length: 10 })(Old.prototype, 'avatar')
    Entity({ name: 'users', [kind === 'postgres' ? 'schema' : 'database']: name })(Old)
    source = await users.open({ entities: [users.User, users.Photo, Old] })
    await users.save(source.manager, 'a')
    const { manager } = source
    const old = await manager.save(manager.create(Old, { avatar: 'x' }))
    await manager.save(Object.assign(old, { avatar: 'y' }))
    await manager.update(Old, { id: old.id }, { avatar: 'z' })
    await manager.delete(Old, { avatar: 'z' })
    expect(await manager.count(Old)).toBe(0)
    await expect(source.query('DELETE FROM users')).rejects.toThrow(UnsupportedError)
    await users.expectFiles(source, 'a.txt')
    await source.destroy()
    await dropPlace(archive)
  })

  it('writes nothing outside of a transaction whose connection is lost', async () => {
    source = await open()
    const user = await users.save(source.manager, 'a')
    const run = source.transaction(async () => {
      await user.avatar.save('b.txt', 'b')
      await disconnectAll(place)
      await vi.waitFor(async () => await source.query('SELECT 1'))
      await expect(user.avatar.save('c.txt', 'c')).rejects.toThrow()
      throw new Error('no more')
    })
    await expect(run).rejects.toThrow()
    await users.expectFiles(source, 'a.txt')
    expect(user.avatar.name).toBe('a.txt')
  })

  it('says what a query runner leaves that is released before the end of its transaction', async () => {
    source = await open()
    await users.save(source.manager, 'a')
    const warnings: string[] = []
    const listen = ({ message }: Error): number => warnings.push(message)
    process.on('warning', listen)
    const runner = source.createQueryRunner()
    await runner.startTransaction()
    const user = await users.find(runner.manager, 'a')
    await user.avatar.save('b.txt', 'b')
    await disconnectAll(place)
    await vi.waitFor(async () => await source.query('SELECT 1'))
    await runner.release()
    await new Promise(setImmediate)
    process.off('warning', listen)
    if (kind === 'postgres') {
      // Its driver has noticed.
      await users.expectFiles(source, 'a.txt')
      expect(user.avatar.name).toBe('a.txt')
    } else {
      expect(await users.stored()).toEqual(['a.txt', 'b.txt'])
      expect(warnings).toContainEqual(expect.stringContaining('"b.txt" is not known'))
    }
  })
})

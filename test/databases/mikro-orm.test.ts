import { setTimeout as sleep } from 'node:timers/promises'
import { defineEntity, MikroORM, type Options, p } from '@mikro-orm/core'
import { MariaDbDriver } from '@mikro-orm/mariadb'
import { PostgreSqlDriver } from '@mikro-orm/postgresql'
import { ContentFile, MemoryStorage, UnsupportedError } from 'stowage'
import { FileField } from 'stowage/fields'
import { FileSubscriber, fileProperty } from 'stowage/mikro-orm'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { testDatabases } from './database-suite.ts'
import {
  createPlace,
  disconnectAll,
  dropPlace,
  execute,
  kinds,
  labelOf,
  type Place,
} from './place.ts'

testDatabases('mikroOrm')

describe.each(kinds.map(kind => [labelOf(kind), kind] as const))('MikroORM on %s', (_, kind) => {
  let place: Place
  let storage: MemoryStorage
  const opened: MikroORM[] = []
  let ids = 0

  beforeEach(async () => {
    place = await createPlace(kind)
    storage = new MemoryStorage({})
  })

  const close = async () => {
    // A pool may wait for its lost connections for ever.
    for (const orm of opened.splice(0)) await Promise.race([orm.close(), sleep(1000)])
  }

  afterEach(async () => {
    await close()
    await dropPlace(place)
  })

  const content = (name: string) => new ContentFile(name, name)
  const nameOf = ({ url }: Place) => new URL(url).pathname.slice(1)

  const stored = async (): Promise<string[]> => {
    const names: string[] = []
    for await (const { name } of storage.list('')) names.push(name)
    return names
  }

  const open = async (options: Partial<Options> = {}, schema?: string) => {
    const field = new FileField({ storage, id: `${kind} ${++ids}` })
    const User = defineEntity({
      name: 'User',
      tableName: 'users',
      ...(schema !== undefined && { schema }),
      properties: {
        id: p.integer().primary(),
        title: p.string().unique(),
        avatar: fileProperty(field),
      },
    })
    const orm = await MikroORM.init({
      driver: kind === 'postgres' ? PostgreSqlDriver : MariaDbDriver,
      clientUrl: place.url,
      subscribers: [new FileSubscriber()],
      ...options,
      entities: [User, ...(options.entities ?? [])],
    })
    opened.push(orm)
    if (schema === undefined) await orm.schema.create()
    const make = async (title: string, file: ContentFile | string, em = orm.em.fork()) => {
      const user = em.create(User, { title })
      user.avatar.assign(file)
      await em.flush()
      return user
    }
    const find = async (title: string, em = orm.em.fork()) => {
      return await em.findOneOrFail(User, { title })
    }
    return { orm, User, make, find }
  }

  interface Connection {
    stream(sql: string): AsyncIterable<unknown>
    execute(sql: string, values: unknown[], method: 'all', transaction: unknown): Promise<unknown>
  }

  const connectionOf = (orm: MikroORM) => orm.em.getConnection() as object as Connection

  it('refuses a stream that deletes rows', async () => {
    const { orm, make } = await open()
    await make('a', content('a'))
    const streaming = async () => {
      for await (const _ of connectionOf(orm).stream('delete from users returning id'));
    }
    await expect(streaming()).rejects.toThrow(UnsupportedError)
  })

  it('counts rows in the database that is written to, not in a replica', async () => {
    const replica = await createPlace(kind)
    const main = place
    place = replica
    await open()
    place = main
    const { make } = await open({
      replicas: [{ clientUrl: replica.url, dbName: nameOf(replica) }],
      preferReadReplicas: true,
    })
    const first = await make('a', content('shared'))
    await make('b', 'shared')
    await first.avatar.delete()
    expect(await stored()).toEqual(['shared'])
    await close()
    await dropPlace(replica)
  })

  it('lets an entity without files be written whose table has the same name elsewhere', async () => {
    const elsewhere = `other_${nameOf(place)}`
    await execute(place, `CREATE SCHEMA ${elsewhere}`)
    const Other = defineEntity({
      name: 'Other',
      tableName: 'users',
      schema: elsewhere,
      properties: { id: p.integer().primary(), avatar: p.string() },
    })
    const { orm, User, make } = await open({ entities: [Other] })
    await make('a', content('a'))
    const em = orm.em.fork()
    await em.insert(Other, { id: 1, avatar: 'x' })
    await em.nativeUpdate(Other, { id: 1 }, { avatar: 'y' })
    await em.nativeDelete(Other, { avatar: 'y' })
    expect(await em.count(Other)).toBe(0)
    await expect(em.nativeDelete(User, { title: 'a' })).rejects.toThrow(UnsupportedError)
    await execute(place, `DROP SCHEMA ${elsewhere}${kind === 'postgres' ? ' CASCADE' : ''}`)
  })

  it('counts rows in every schema in which rows were written', async () => {
    const schemas = ['one', 'two'].map(name => `${name}_${nameOf(place)}`)
    for (const schema of schemas) {
      await execute(place, `CREATE SCHEMA ${schema}`)
      const id = kind === 'postgres' ? 'serial PRIMARY KEY' : 'integer PRIMARY KEY AUTO_INCREMENT'
      await execute(
        place,
        `CREATE TABLE ${schema}.users (id ${id}, title varchar(50), avatar varchar(100) NOT NULL)`,
      )
    }
    const { orm, make } = await open({}, '*')
    const [one, two] = schemas.map(schema => orm.em.fork({ schema }))
    const first = await make('a', content('shared'), one)
    await make('a', 'shared', two)
    await first.avatar.save('own', 'own')
    expect(await stored()).toEqual(['own', 'shared'])
    await one?.remove(first).flush()
    expect(await stored()).toEqual(['shared'])
    for (const schema of schemas)
      await execute(place, `DROP SCHEMA ${schema}${kind === 'postgres' ? ' CASCADE' : ''}`)
  })

  it('keeps what the database has of a transaction in which a statement failed', async () => {
    const { orm, make, find } = await open()
    await make('a', content('a'))
    await orm.em.fork().transactional(async em => {
      await (await find('a', em)).avatar.save('n', 'n')
      await make('b', content('b'), em)
      const failing = connectionOf(orm).execute(
        'select * from nowhere',
        [],
        'all',
        em.getTransactionContext(),
      )
      await expect(failing).rejects.toThrow()
    })
    // PostgreSQL rolls all of it back at the commit.
    expect(await stored()).toEqual(kind === 'postgres' ? ['a'] : ['b', 'n'])
  })

  it('leaves nothing behind where the connection is lost before the commit', async () => {
    const { orm, make, find } = await open()
    await make('a', content('a'))
    const run = orm.em.fork().transactional(async em => {
      const user = await find('a', em)
      await user.avatar.save('n', 'n')
      await disconnectAll(place)
      await user.avatar.save('m', 'm')
    })
    await expect(run).rejects.toThrow()
    expect(await stored()).toEqual(['a'])
    expect((await find('a')).avatar.name).toBe('a')
  })

  it('says what it leaves behind where the commit is not answered', async () => {
    const { orm, make, find } = await open()
    await make('a', content('a'))
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    const run = orm.em.fork().transactional(async em => {
      await (await find('a', em)).avatar.save('n', 'n')
      await disconnectAll(place)
    })
    await expect(run).rejects.toThrow()
    expect(await stored()).toEqual(['a', 'n'])
    expect(warn.mock.calls.map(([message]) => message)).toEqual([
      expect.stringContaining('"n"') as string,
    ])
    warn.mockRestore()
  })
})

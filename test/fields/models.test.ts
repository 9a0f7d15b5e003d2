import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { defineEntity, p } from '@mikro-orm/core'
import { MikroORM } from '@mikro-orm/libsql'
import libsql from 'libsql'
import { Schema } from 'mongoose'
import { DataTypes, Model, Sequelize, Transaction } from 'sequelize'
import { ImproperlyConfigured, MemoryStorage, UnsupportedError } from 'stowage'
import { fileColumn } from 'stowage/drizzle'
import { type FieldFile, FileField } from 'stowage/fields'
import { FileSubscriber, fileProperty } from 'stowage/mikro-orm'
import { filePlugin } from 'stowage/mongoose'
import { fileAttribute, registerFiles as registerSequelize } from 'stowage/sequelize'
import { FileColumn, registerFiles as registerTypeorm } from 'stowage/typeorm'
import {
  ChildEntity,
  Column,
  DataSource,
  DeleteDateColumn,
  Entity,
  PrimaryGeneratedColumn,
  TableInheritance,
} from 'typeorm'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { sqlite3 } from './libsql-as-sqlite3.ts'

/** Models that are put together of others, or whose rows are written and deleted in ways of their own. */
let storage: MemoryStorage
let folder: string

beforeEach(async () => {
  storage = new MemoryStorage({})
  folder = await mkdtemp(join(tmpdir(), 'stowage-models-'))
})

afterEach(async () => {
  await rm(folder, { recursive: true })
})

const newField = (): FileField => new FileField({ storage })
const file = (name: string): never => new File([name], name) as never
const stored = async (): Promise<string[]> => (await storage.listdir(''))[1]

it('is told apart from what is no field, by every adapter', () => {
  const wrong = { storage } as object as FileField
  const takers: (() => unknown)[] = [
    () => FileColumn(wrong),
    () => fileProperty(wrong),
    () => fileAttribute(wrong),
    () => fileColumn(wrong),
    () => new Schema().plugin(filePlugin({ avatar: wrong })),
  ]
  for (const take of takers)
    expect(take).toThrow(/FileColumn|fileProperty|fileAttribute|fileColumn|filePlugin.*avatar/)
  for (const take of takers) expect(take).toThrow(ImproperlyConfigured)
})

describe('TypeORM', () => {
  async function open(...entities: (new () => object)[]): Promise<DataSource> {
    const source = new DataSource({
      type: 'better-sqlite3',
      database: ':memory:',
      driver: libsql,
      entities,
      synchronize: true,
    })
    await registerTypeorm(source)
    return await source.initialize()
  }

  it('refuses files in embedded objects, which nobody would store', async () => {
    class Profile {}
    FileColumn(newField())(Profile.prototype, 'photo')
    class User {}
    PrimaryGeneratedColumn()(User.prototype, 'id')
    Column(() => Profile)(User.prototype, 'profile')
    Entity('users')(User)
    await expect(open(User)).rejects.toThrow(ImproperlyConfigured)
    await expect(open(User)).rejects.toThrow('"profile.photo" of "users"')
  })

  it('refuses content where no listeners are called, and stores nothing', async () => {
    class User {
      declare photo: FieldFile
    }
    PrimaryGeneratedColumn()(User.prototype, 'id')
    FileColumn(newField())(User.prototype, 'photo')
    Entity('users')(User)
    const source = await open(User)
    const user = Object.assign(new User(), { photo: file('me.png') })
    const silent = source.manager.save(user, { listeners: false })
    await expect(silent).rejects.toThrow(UnsupportedError)
    expect(await source.manager.count(User)).toBe(0)
    await source.manager.save(user)
    expect(await stored()).toEqual(['me.png'])
    await source.destroy()
  })

  it('keeps the files of rows that are only marked as deleted', async () => {
    class User {
      declare id: number
      declare photo: FieldFile
    }
    PrimaryGeneratedColumn()(User.prototype, 'id')
    DeleteDateColumn()(User.prototype, 'deleted')
    FileColumn(newField())(User.prototype, 'photo')
    Entity('users')(User)
    const source = await open(User)
    const user = await source.manager.save(Object.assign(new User(), { photo: file('me.png') }))
    await source.manager.softRemove(user)
    expect(await stored()).toEqual(['me.png'])
    await source.manager.recover(user)
    await source.manager.softDelete(User, { id: user.id })
    expect(await stored()).toEqual(['me.png'])
    await source.manager.remove(user)
    expect(await stored()).toEqual([])
    await source.destroy()
  })

  it('counts a row of a child entity once', async () => {
    class Item {
      declare photo: FieldFile
    }
    PrimaryGeneratedColumn()(Item.prototype, 'id')
    FileColumn(newField())(Item.prototype, 'photo')
    Entity('items')(Item)
    TableInheritance({ column: { type: 'varchar', name: 'kind' } })(Item)
    class Machine extends Item {
      declare manual: FieldFile
    }
    FileColumn(newField())(Machine.prototype, 'manual')
    ChildEntity()(Machine)
    const source = await open(Item, Machine)
    const given = { photo: file('photo.png'), manual: file('manual.pdf') }
    const machine = new Machine()
    Object.assign(machine, given)
    await source.manager.save(machine)
    expect(await stored()).toEqual(['manual.pdf', 'photo.png'])
    await machine.photo.delete({ save: false })
    expect(await stored()).toEqual(['manual.pdf'])
    await source.manager.remove(machine)
    expect(await stored()).toEqual([])
    await source.destroy()
  })
})

describe('MikroORM', () => {
  it('refuses files in embeddables, which nobody would store', async () => {
    const Profile = defineEntity({
      name: 'Profile',
      embeddable: true,
      properties: { photo: fileProperty(newField()) },
    })
    const User = defineEntity({
      name: 'User',
      properties: { id: p.integer().primary(), profile: () => p.embedded(Profile) },
    })
    const opened = MikroORM.init({
      dbName: join(folder, 'db'),
      entities: [User, Profile],
      subscribers: [new FileSubscriber()],
    })
    await expect(opened).rejects.toThrow(ImproperlyConfigured)
  })

  it('takes content that is assigned, and refuses content that goes past flush()', async () => {
    const User = defineEntity({
      name: 'User',
      properties: { id: p.integer().primary(), photo: fileProperty(newField()) },
    })
    const orm = await MikroORM.init({
      dbName: join(folder, 'db'),
      entities: [User],
      subscribers: [new FileSubscriber()],
    })
    await orm.schema.refresh()
    const em = orm.em.fork()
    const user = em.create(User, { photo: file('a.png') })
    await em.flush()
    em.assign(user, { photo: file('b.png') })
    await em.flush()
    expect(await stored()).toEqual(['b.png'])
    const other = em.create(User, { photo: file('c.png') }, { persist: false })
    await expect(em.insert(other)).rejects.toThrow(UnsupportedError)
    expect(await em.count(User)).toBe(1)
    await orm.close()
  })

  it('counts a row of a child entity once', async () => {
    const Item = defineEntity({
      name: 'Item',
      discriminatorColumn: 'kind',
      discriminatorValue: 'item',
      properties: {
        id: p.integer().primary(),
        kind: p.string().default('item'),
        photo: fileProperty(newField()),
      },
    })
    const Machine = defineEntity({
      name: 'Machine',
      extends: Item,
      discriminatorValue: 'machine',
      properties: { manual: fileProperty(newField()) },
    })
    const orm = await MikroORM.init({
      dbName: join(folder, 'db'),
      entities: [Item, Machine],
      subscribers: [new FileSubscriber()],
    })
    await orm.schema.refresh()
    const em = orm.em.fork()
    const given = { photo: file('photo.png'), manual: file('manual.pdf') }
    const machine = em.create(Machine, given)
    await em.flush()
    await machine.photo.delete({ save: false })
    expect(await stored()).toEqual(['manual.pdf'])
    await em.remove(machine).flush()
    expect(await stored()).toEqual([])
    await orm.close()
  })
})

describe('Sequelize', () => {
  async function open() {
    const sequelize = new Sequelize({
      dialect: 'sqlite',
      dialectModule: sqlite3,
      storage: join(folder, 'db'),
      logging: false,
      transactionType: Transaction.TYPES.IMMEDIATE,
    })
    class User extends Model {
      declare photo: FieldFile
    }
    registerSequelize(sequelize)
    const name = { type: DataTypes.STRING, unique: true }
    User.init({ name, photo: fileAttribute(newField()) }, { sequelize, paranoid: true })
    await sequelize.sync()
    return { sequelize, User }
  }

  it('lets rows be marked as deleted and restored by condition, with their files', async () => {
    const { sequelize, User } = await open()
    await User.create({ name: 'ada', photo: file('ada.png') })
    expect(await User.destroy({ where: { name: 'ada' } })).toBe(1)
    await User.restore({ where: { name: 'ada' } })
    expect(await (await User.findOne({ rejectOnEmpty: true })).photo.text()).toBe('ada.png')
    const deleted = User.destroy({ where: { name: 'ada' }, force: true })
    await expect(deleted).rejects.toThrow(UnsupportedError)
    await sequelize.close()
  })

  it('removes the file of a row that is left out as a duplicate', async () => {
    const { sequelize, User } = await open()
    await User.create({ name: 'ada', photo: file('ada.png') })
    for (const name of ['ada', 'eve'])
      await User.create({ name, photo: file('new.png') }, { ignoreDuplicates: true })
    expect(await User.count()).toBe(2)
    expect(await stored()).toEqual(['ada.png', 'new.png'])
    await sequelize.close()
  })
})

import { EventEmitter, once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  DataTypes,
  Model,
  type ModelAttributes,
  type Options,
  QueryTypes,
  Sequelize,
} from 'sequelize'
import { MemoryStorage } from 'stowage'
import { type FieldFile, FileField } from 'stowage/fields'
import { fileAttribute, registerFiles } from 'stowage/sequelize'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { sqlite3 } from './libsql-as-sqlite3.ts'

const six = [1, 2, 3, 4, 5, 6]

/** Ids of fields are given once in a process. */
let fields = 0

describe.each(['a file', ':memory:'])(
  'rows of Sequelize in %s, outside of a transaction',
  place => {
    class User extends Model {
      declare id: number
      declare title: string
      declare avatar: FieldFile
      declare count: number
    }
    class Entry extends Model {}

    let folder: string
    let storage: MemoryStorage
    let sequelize: Sequelize
    let statements: string[]

    const avatar = () => fileAttribute(new FileField({ storage, id: `rows ${++fields}` }))
    const file = (name: string): File => new File([name], `${name}.txt`)
    const stored = async (): Promise<string[]> => (await storage.listdir(''))[1].toSorted()
    const named = async (): Promise<(string | null)[]> =>
      (await User.findAll()).map(row => row.avatar.name)
    const columns = (): ModelAttributes => ({
      title: { type: DataTypes.STRING, unique: true },
      count: { type: DataTypes.INTEGER, defaultValue: 0 },
      avatar: avatar(),
    })

    beforeEach(async () => {
      folder = await mkdtemp(join(tmpdir(), 'stowage-sequelize-'))
      storage = new MemoryStorage({})
      statements = []
      const options: Options = { logging: sql => statements.push(sql) }
      sequelize = new Sequelize({
        ...options,
        dialect: 'sqlite',
        dialectModule: sqlite3,
        storage: place === 'a file' ? join(folder, 'db') : place,
      })
      registerFiles(sequelize)
      User.init(columns(), { sequelize, timestamps: false })
      Entry.init({ text: DataTypes.STRING }, { sequelize, timestamps: false })
      Entry.belongsTo(User)
      await sequelize.sync()
    })

    afterEach(async () => {
      await sequelize.close()
      await rm(folder, { recursive: true })
    })

    it('are each written by one statement, and by no transaction', async () => {
      statements = []
      const user = await User.create({ avatar: file('a') })
      await user.avatar.save('b.txt', 'b')
      await user.update({ title: 'b' })
      await user.avatar.delete()
      await user.destroy()
      const writes = statements.map(sql => /\b(INSERT|UPDATE|DELETE|BEGIN|SELECT)\b/.exec(sql)?.[1])
      expect(writes.filter(word => word !== 'SELECT')).toEqual([
        'INSERT',
        'UPDATE',
        'UPDATE',
        'UPDATE',
        'DELETE',
      ])
      expect(await stored()).toEqual([])
    })

    it('can be written and deleted at once', async () => {
      await Promise.all(six.map(n => User.create({ title: `${n}` })))
      await Promise.all(six.map(n => User.create({ title: `f${n}`, avatar: file(`f${n}`) })))
      const titles = six.map(n => ({ title: `b${n}`, avatar: file(`b${n}`) }))
      await User.bulkCreate(titles, { individualHooks: true })
      const rows = await User.findAll()
      expect(rows).toHaveLength(18)
      await Promise.all(rows.map(row => row.avatar.save(`n${row.id}.txt`, 'n')))
      expect(await stored()).toEqual((await named()).toSorted())
      await Promise.all(rows.map(row => row.destroy()))
      expect(await User.count()).toBe(0)
      expect(await stored()).toEqual([])
    })

    it('have hooks that see and change what is written, in no transaction', async () => {
      User.addHook('afterCreate', async row => {
        await Entry.create({ text: 'created', UserId: (row as User).id })
      })
      User.addHook('afterUpdate', async row => {
        await User.increment('count', { where: { id: (row as User).id } })
      })
      User.addHook('beforeDestroy', async row => {
        await Entry.destroy({ where: { UserId: (row as User).id } })
      })
      const user = await User.create({ avatar: file('a') })
      await user.avatar.save('b.txt', 'b')
      await user.reload()
      expect(user.count).toBe(1)
      expect(await Entry.count()).toBe(1)
      await user.destroy()
      expect(await Entry.count()).toBe(0)
      expect(await stored()).toEqual([])
    })

    it('keep what they were written with although a hook behind that fails', async () => {
      const user = await User.create({ avatar: file('a') })
      User.addHook('afterUpdate', () => {
        throw new Error('afterwards')
      })
      await expect(user.avatar.save('b.txt', 'b')).rejects.toThrow('afterwards')
      expect(user.avatar.name).toBe('b.txt')
      expect([await named(), await stored()]).toEqual([['b.txt'], ['b.txt']])
      await expect(user.avatar.delete()).rejects.toThrow('afterwards')
      expect(user.avatar.name).toBeNull()
      expect([await named(), await stored()]).toEqual([[null], []])
    })

    it('leave nothing behind where another one has changed their version', async () => {
      class Versioned extends Model {
        declare title: string
        declare avatar: FieldFile
      }
      Versioned.init(columns(), { sequelize, timestamps: false, version: true })
      await Versioned.sync()
      await Versioned.create({ title: 'a', avatar: file('a') })
      const [one, other] = [await Versioned.findOne(), await Versioned.findOne()]
      await other?.update({ title: 'b' })
      await expect(one?.avatar.save('n.txt', 'n')).rejects.toThrow('stale model')
      expect(one?.avatar.name).toBe('a.txt')
      expect(await stored()).toEqual(['a.txt'])
      await other?.avatar.save('b.txt', 'b')
      expect(await stored()).toEqual(['b.txt'])
    })

    it('may have hooks that save or delete their own file', async () => {
      User.addHook('beforeSave', async row => {
        if ((row as User).title === 'thumb')
          await (row as User).avatar.save('thumb.txt', 'thumb', { save: false })
      })
      const user = await User.create({ avatar: file('a') })
      user.title = 'thumb'
      await user.avatar.save('b.txt', 'b')
      expect(user.avatar.name).toBe('thumb.txt')
      expect([await named(), await stored()]).toEqual([['thumb.txt'], ['thumb.txt']])
    })

    it('are written with content that was assigned during the statement before', async () => {
      const user = await User.create({ avatar: file('a') })
      User.addHook('afterUpdate', row => {
        const { avatar } = row as User
        if (avatar.name === 'b.txt') avatar.assign(file('c'))
      })
      await user.update({ avatar: file('b') })
      expect([user.avatar.name, await named()]).toEqual(['c.txt', ['b.txt']])
      await user.save()
      expect([await named(), await stored()]).toEqual([['c.txt'], ['c.txt']])
    })

    it('leave no file behind that other tasks have taken out of a row object meanwhile', async () => {
      const user = await User.create({ avatar: file('a') })
      const events = new EventEmitter()
      const secondIsThere = once(events, 'second')
      let second: Promise<unknown> | undefined
      let updates = 0
      sequelize.addHook('beforeQuery', async options => {
        const type: unknown = Reflect.get(options, 'type')
        if (type === QueryTypes.UPDATE) updates++
        if (type === QueryTypes.UPDATE && updates === 1) {
          user.avatar.assign(file('two'))
          second = user.save()
          await secondIsThere
        } else if (type === QueryTypes.UPDATE && updates === 2) {
          events.emit('second')
          await first
        } else if (type === QueryTypes.SELECT && updates === 2) user.avatar.assign(null)
      })
      const first = user.avatar.save('one.txt', '1')
      await first
      await second
      expect([await named(), await stored()]).toEqual([[null], []])
    })

    it('do not name a file again that others have taken away between two writes at once', async () => {
      class Person extends Model {
        declare id: number
        declare avatar: FieldFile
        declare letter: FieldFile
      }
      Person.init({ avatar: avatar(), letter: avatar() }, { sequelize, timestamps: false })
      await Person.sync()
      const row = await Person.create()
      const events = new EventEmitter()
      const deleted = once(events, 'deleted')
      let writes = 0
      Person.addHook('beforeUpdate', async written => {
        if (written === row && ++writes === 2) await deleted
      })
      Person.addHook('afterUpdate', 'delete', async () => {
        Person.removeHook('afterUpdate', 'delete')
        const other = await Person.findByPk(row.id, { rejectOnEmpty: true })
        for (const written of [other.avatar, other.letter])
          if (written.hasFile()) await written.delete()
        events.emit('deleted')
      })
      await Promise.all([row.avatar.save('a.txt', 'a'), row.letter.save('l.txt', 'l')])
      const { avatar: one, letter: two } = await Person.findByPk(row.id, { rejectOnEmpty: true })
      expect(await stored()).toEqual([one.name, two.name].filter(name => name !== null))
    })

    it('are written by the next save() after a rollback, whatever they were given', async () => {
      const user = await User.create({ avatar: file('a') })
      for (const given of [null, file('b')]) {
        const failed = sequelize.transaction(async transaction => {
          await user.update({ avatar: given }, { transaction })
          throw new Error('roll back')
        })
        await expect(failed).rejects.toThrow('roll back')
        await user.save()
        expect([await named(), await stored()]).toEqual(
          given ? [['b.txt'], ['b.txt']] : [[null], []],
        )
      }
    })

    it('are those of the database again after reload(), without content that waited', async () => {
      const user = await User.create({ avatar: file('a') })
      user.avatar.assign(file('c'))
      await user.reload()
      expect(user.avatar.name).toBe('a.txt')
      user.avatar.assign(file('c'))
      await user.reload({ attributes: ['title'] })
      await user.save()
      expect(await stored()).toEqual(['c.txt'])
    })

    it('are not written by condition or many at once with content that a hook gives', async () => {
      const give = (row: User): void => {
        row.avatar.assign(file(`g${row.title}`))
      }
      await User.bulkCreate([{ title: 'a' }, { title: 'b' }])
      User.addHook('beforeBulkCreate', rows => {
        for (const row of rows) give(row as User)
      })
      sequelize.addHook('beforeUpdate', row => give(row as User))
      await expect(User.bulkCreate([{ title: 'c' }])).rejects.toThrow('bulkCreate()')
      const options = { where: {}, individualHooks: true }
      await expect(User.update({ count: 2 }, options)).rejects.toThrow('Model.update()')
      await User.bulkCreate([{ title: 'd' }], { individualHooks: true })
      expect(await stored()).toEqual(['gd.txt'])
    })

    it('may be those of a second model of their table, or of one that is defined again', async () => {
      const options = { sequelize, tableName: 'Users', timestamps: false }
      class Admin extends Model {
        declare avatar: FieldFile
        declare title: string
      }
      Admin.init(columns(), options)
      class Again extends Model {
        declare avatar: FieldFile
        declare title: string
      }
      Again.init(columns(), { ...options, modelName: 'User' })
      for (const Other of [Admin, Again]) {
        const row = await Other.create({ avatar: file('a') })
        await row.avatar.save('b.txt', 'b')
        const user = await User.create({ avatar: row.avatar })
        await row.destroy()
        expect(await stored()).toEqual(['b.txt'])
        await user.avatar.delete({ save: false })
        expect(await stored()).toEqual([])
        await user.destroy()
      }
    })

    it('have the files of the attributes that their class was initialised with last', async () => {
      const old = storage
      storage = new MemoryStorage({})
      const options = { sequelize, tableName: 'Users', timestamps: false }
      User.init({ ...columns(), cover: avatar() }, options)
      await User.sync({ force: true })
      const user = await User.create({ avatar: file('a'), cover: file('c') })
      const other = await User.create({ avatar: user.avatar })
      await (user as User & { readonly cover: FieldFile }).cover.save('d.txt', 'd')
      expect(await stored()).toEqual(['a.txt', 'd.txt'])
      await user.destroy()
      expect(await stored()).toEqual(['a.txt'])
      await other.destroy()
      expect(await stored()).toEqual([])
      expect((await old.listdir(''))[1]).toEqual([])
    })
  },
)

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DataTypes, Model, Sequelize, Transaction } from 'sequelize'
import { MemoryStorage } from 'stowage'
import { type FieldFile, FileField, ImageField } from 'stowage/fields'
import { fileAttribute, registerFiles } from 'stowage/sequelize'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { testAdapter } from './adapter-suite.ts'
import { openSequelize } from './harness/sequelize.ts'
import { withFolder } from './harness/with-folder.ts'
import { sqlite3 } from './libsql-as-sqlite3.ts'

/** Ids of fields are given once in a process. */
let fields = 0

testAdapter('Sequelize on SQLite', {
  open: fields =>
    withFolder(folder =>
      openSequelize(
        {
          dialect: 'sqlite',
          dialectModule: sqlite3,
          storage: join(folder, 'db'),
          transactionType: Transaction.TYPES.IMMEDIATE,
        },
        fields,
      ),
    ),
})

it('writes the size of an image along when only its column is asked for', async () => {
  const sequelize = new Sequelize({ dialect: 'sqlite', dialectModule: sqlite3, logging: false })
  class Photo extends Model {
    declare image: FieldFile
    declare width: number | null
  }
  const field = new ImageField({ storage: new MemoryStorage({}), widthColumn: 'width' })
  registerFiles(sequelize)
  Photo.init({ image: fileAttribute(field), width: DataTypes.INTEGER }, { sequelize })
  await sequelize.sync()
  const photo = await Photo.create({})
  const gif = (width: number) => Uint8Array.from([71, 73, 70, 56, 57, 97, width, 0, 1, 0, 0, 0, 0])
  await photo.update({ image: new File([gif(3)], 'a.gif') })
  expect((await Photo.findOne({ rejectOnEmpty: true })).width).toBe(3)
  photo.image.assign(new File([gif(5)], 'b.gif'))
  await photo.save({ fields: ['image'] })
  expect((await Photo.findOne({ rejectOnEmpty: true })).width).toBe(5)
  await sequelize.close()
})

it('keeps a file that a row of the same table in another schema names', async () => {
  const sequelize = new Sequelize({ dialect: 'sqlite', dialectModule: sqlite3, logging: false })
  class Photo extends Model {
    declare image: FieldFile
  }
  const storage = new MemoryStorage({})
  Photo.init({ image: fileAttribute(new FileField({ storage })) }, { sequelize })
  registerFiles(sequelize)
  const Other = Photo.schema('other')
  await Photo.sync()
  await sequelize.query(
    'CREATE TABLE `other.Photos` (id INTEGER PRIMARY KEY AUTOINCREMENT, image TEXT, createdAt TEXT, updatedAt TEXT)',
  )
  const names = async (): Promise<string[]> => (await storage.listdir(''))[1].toSorted()
  const photo = await Photo.create({ image: new File(['1'], 'a.txt') })
  const other = await Other.create({ image: photo.image })
  await photo.destroy()
  expect(await names()).toEqual(['a.txt'])
  const third = await Photo.create({ image: other.image })
  await other.image.save('b.txt', '2')
  expect(await names()).toEqual(['a.txt', 'b.txt'])
  await third.destroy()
  await other.destroy()
  expect(await names()).toEqual([])
  await sequelize.close()
})

describe('what Sequelize has of its own', () => {
  class User extends Model {
    declare id: number
    declare title: string
    declare avatar: FieldFile
  }
  class Photo extends Model {
    declare file: FieldFile
  }

  let storage: MemoryStorage
  let sequelize: Sequelize
  let folder: string

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'stowage-sequelize-'))
    storage = new MemoryStorage({})
    sequelize = new Sequelize({
      dialect: 'sqlite',
      dialectModule: sqlite3,
      storage: join(folder, 'db'),
      transactionType: Transaction.TYPES.IMMEDIATE,
      logging: false,
    })
    registerFiles(sequelize)
    const field = () => fileAttribute(new FileField({ storage, id: `sequelize ${++fields}` }))
    User.init(
      { title: { type: DataTypes.STRING, unique: true }, avatar: field() },
      { sequelize, timestamps: false },
    )
    Photo.init({ file: field() }, { sequelize, timestamps: false })
    await sequelize.sync()
  })

  afterEach(async () => {
    await sequelize.close()
    await rm(folder, { recursive: true })
  })

  const file = (name: string): File => new File([name], `${name}.txt`)

  const stored = async (): Promise<string[]> => (await storage.listdir(''))[1].toSorted()

  /** What is stored is what rows name. */
  const expectNoOrphan = async (): Promise<void> => {
    const rows = [...(await User.findAll({ hooks: false } as object)), ...(await Photo.findAll())]
    const names = rows.map(row => (row instanceof User ? row.avatar : (row as Photo).file).name)
    expect(await stored()).toEqual(names.filter(name => name !== null).toSorted())
  }

  const madeUser = async (title = 'a'): Promise<User> =>
    await User.create({ title, avatar: file(title) })

  it('keeps a file that a row names which hooks of the application hide', async () => {
    const mine = await madeUser('mine')
    await User.create({ title: 'theirs', avatar: mine.avatar })
    for (const hook of ['beforeCount', 'beforeFind'] as const)
      User.addHook(hook, (options: { where?: object }) => {
        options.where = { ...options.where, title: 'mine' }
      })
    await mine.destroy()
    expect(await stored()).toEqual(['mine.txt'])
  })

  it('writes and deletes rows that hooks of the application hide, or expect as rows', async () => {
    const user = await madeUser('theirs')
    User.addHook('beforeFind', options => {
      options.where = { ...options.where, title: 'mine' }
    })
    User.addHook('afterFind', (found: unknown) => {
      for (const row of [found].flat()) if (row) (row as User).getDataValue('title')
    })
    await user.avatar.save('b.txt', 'b')
    expect(await stored()).toEqual(['b.txt'])
    await user.destroy()
    expect(await stored()).toEqual([])
  })

  it.each([
    ['raw SQL', () => sequelize.query('DELETE FROM Photos')],
    ['raw SQL that writes names', () => sequelize.query(`UPDATE Photos SET file = ''`)],
    ['destroy()', () => Photo.destroy({ where: {} })],
    ['destroy() without hooks', () => Photo.destroy({ where: {}, hooks: false })],
  ])('refuses %s in the hooks of a row that is written or deleted', async (_, run) => {
    const user = await madeUser()
    await Photo.create({ file: file('p') })
    for (const hook of ['afterDestroy', 'afterUpdate'] as const)
      User.addHook(hook, async () => {
        await run()
      })
    await expect(user.avatar.save('b.txt', 'b')).rejects.toThrow('would leave files')
    expect(await stored()).toEqual(['b.txt', 'p.txt'])
    await expect(user.destroy()).rejects.toThrow('would leave files')
    expect(await stored()).toEqual(['p.txt'])
    await expectNoOrphan()
  })

  it('stores content that a hook assigns to a row, new or not', async () => {
    User.addHook('beforeCreate', (user: User) => {
      user.avatar.assign(file('created'))
    })
    User.addHook('beforeUpdate', (user: User) => {
      user.avatar.assign(file('updated'))
    })
    const user = await User.create({ title: 'a' })
    expect(await stored()).toEqual(['created.txt'])
    await user.update({ title: 'b' })
    expect(await user.avatar.text()).toBe('updated')
    expect(await stored()).toEqual(['updated.txt'])
    await expectNoOrphan()
  })

  it.each([['other.txt'], [null]])('follows a hook that sets a file to %s', async name => {
    await storage.save('other.txt', 'other')
    User.addHook('beforeUpdate', (user: User) => {
      user.avatar.assign(name)
    })
    const user = await madeUser()
    await user.update({ title: 'b' })
    expect((await User.findOne({ rejectOnEmpty: true })).avatar.name).toBe(name)
    expect(await stored()).toEqual(['other.txt'])
  })

  it('leaves nothing behind if the statement fails behind a hook that assigned content', async () => {
    User.addHook('beforeCreate', (user: User) => {
      user.avatar.assign(file('hook'))
    })
    const user = await User.create({ title: 'a' })
    await expect(User.create({ title: 'a' })).rejects.toThrow('Validation error')
    expect(user.avatar.name).toBe('hook.txt')
    await expectNoOrphan()
  })

  it('refuses bulkCreate of content also without hooks, and where rows would be replaced', async () => {
    await madeUser()
    const rows = [{ title: 'a', avatar: file('b') }]
    for (const options of [
      { hooks: false },
      { updateOnDuplicate: ['avatar'] },
      { updateOnDuplicate: ['avatar'], individualHooks: true },
    ] as const)
      await expect(User.bulkCreate(rows, options as object)).rejects.toThrow('bulkCreate()')
    expect(await User.bulkCreate([{ title: 'b' }], { hooks: false })).toHaveLength(1)
    await expectNoOrphan()
  })

  it('has committed although a callback of afterCommit() fails', async () => {
    const user = await madeUser()
    const failure = new Error('afterwards')
    const fresh: User[] = []
    const run = sequelize.transaction(async transaction => {
      transaction.afterCommit(() => {
        throw failure
      })
      await user.avatar.save('n.txt', 'n')
      fresh.push(await madeUser('b'))
    })
    await expect(run).rejects.toBe(failure)
    expect(user.avatar.name).toBe('n.txt')
    expect(await stored()).toEqual(['b.txt', 'n.txt'])
    for (const row of fresh) await row.update({ title: 'c' })
    expect(await stored()).toEqual(['b.txt', 'n.txt'])
  })

  it('does not write a name again that a failed save or a rollback has left in memory', async () => {
    await madeUser('taken')
    const user = await madeUser()
    const rolledBack = sequelize.transaction(async () => {
      await user.avatar.save('n.txt', 'n')
      throw new Error('roll back')
    })
    await expect(rolledBack).rejects.toThrow('roll back')
    expect(user.changed('avatar')).toBe(false)
    user.title = 'taken'
    await expect(user.avatar.save('m.txt', 'm')).rejects.toThrow('Validation error')
    expect(user.changed('avatar')).toBe(false)
    const other = await User.findByPk(user.id, { rejectOnEmpty: true })
    await other.avatar.save('other.txt', 'other')
    await user.update({ title: 'b' })
    expect(await stored()).toEqual(['other.txt', 'taken.txt'])
    await expectNoOrphan()
  })

  it('deletes the file of a row that was read without its column', async () => {
    await madeUser()
    const user = await User.findOne({ attributes: ['id'], rejectOnEmpty: true })
    await user.avatar.delete()
    expect(await stored()).toEqual([])
    await expectNoOrphan()
  })

  it('leaves a file as it is that is set to undefined', async () => {
    const user = await User.create({ title: 'a', avatar: undefined })
    expect(user.avatar.name).toBeNull()
    await user.update({ avatar: file('a') })
    await user.update({ title: 'b', avatar: undefined })
    user.set('avatar', undefined)
    await user.save()
    expect(await stored()).toEqual(['a.txt'])
    await expectNoOrphan()
  })

  it('takes the files of findOrCreate() along with its transaction', async () => {
    const find = (transaction: Transaction) =>
      User.findOrCreate({ where: { title: 'a' }, defaults: { avatar: file('a') }, transaction })
    const failure = new Error('roll back')
    const rolledBack = sequelize.transaction(async transaction => {
      await find(transaction)
      throw failure
    })
    await expect(rolledBack).rejects.toBe(failure)
    expect(await stored()).toEqual([])
    const user = await sequelize.transaction(async transaction => {
      const [row] = await find(transaction)
      await row.avatar.save('b.txt', 'b')
      const inner = sequelize.transaction({ transaction }, async () => {
        await row.avatar.save('c.txt', 'c')
        throw failure
      })
      await expect(inner).rejects.toBe(failure)
      return row
    })
    expect(await stored()).toEqual(['b.txt'])
    await user.avatar.save('d.txt', 'd')
    expect(await stored()).toEqual(['d.txt'])
    await expectNoOrphan()
  })

  it('leaves to others what a savepoint that was rolled back has replaced', async () => {
    const user = await madeUser()
    const failure = new Error('roll back')
    const removed = vi.spyOn(storage, 'delete')
    await sequelize.transaction(async transaction => {
      await user.avatar.save('n.txt', 'n')
      const inner = sequelize.transaction({ transaction }, async () => {
        await user.avatar.save('m.txt', 'm')
        throw failure
      })
      await expect(inner).rejects.toBe(failure)
      transaction.afterCommit(async () => {
        const other = await User.findOne({ rejectOnEmpty: true })
        await other.avatar.save('o.txt', 'o')
      })
    })
    expect(removed.mock.calls.map(([name]) => name)).toEqual(['m.txt', 'n.txt', 'a.txt'])
    expect(await stored()).toEqual(['o.txt'])
  })

  it('writes outside of a transaction that runs if it is told to', async () => {
    const user = await madeUser()
    const run = sequelize.transaction(async transaction => {
      await transaction.rollback()
      await user.update({ avatar: file('n') }, { transaction: null })
      throw new Error('roll back')
    })
    await expect(run).rejects.toThrow('roll back')
    expect(await stored()).toEqual(['n.txt'])
    await expectNoOrphan()
  })

  it('refuses rows of a model of the same table that does not know of its files', async () => {
    class Slim extends Model {}
    Slim.init({ title: DataTypes.STRING }, { sequelize, tableName: 'Users', timestamps: false })
    await madeUser()
    const slim = await Slim.findOne({ rejectOnEmpty: true })
    await expect(slim.destroy()).rejects.toThrow('would leave files')
    await slim.update({ title: 'b' })
    await expectNoOrphan()
  })

  it('follows the Sequelize that a class was initialised for last', async () => {
    const attributes = { avatar: fileAttribute(new FileField({ storage, id: `re ${++fields}` })) }
    class Twice extends Model {
      declare avatar: FieldFile
    }
    for (const index of [1, 2]) {
      const other = new Sequelize({ dialect: 'sqlite', dialectModule: sqlite3, logging: false })
      registerFiles(other)
      Twice.init(attributes, { sequelize: other })
      await other.sync()
      const row = await Twice.create({ avatar: file(`twice${index}`) })
      await row.avatar.save('next.txt', 'next')
      await row.destroy()
      expect(await stored()).toEqual([])
      await other.close()
    }
  })

  it('refuses content for rows of a Sequelize whose files nobody knows', async () => {
    const unknown = new Sequelize({ dialect: 'sqlite', dialectModule: sqlite3, logging: false })
    class Lonely extends Model {
      declare avatar: FieldFile
    }
    const avatar = fileAttribute(new FileField({ storage, id: `lonely ${++fields}` }))
    Lonely.init({ avatar }, { sequelize: unknown })
    await unknown.sync()
    const refused = { name: 'ImproperlyConfigured', setting: 'registerFiles' }
    await expect(Lonely.create({ avatar: file('a') })).rejects.toMatchObject(refused)
    const row = await Lonely.create({ avatar: 'name.txt' })
    expect(row.avatar.name).toBe('name.txt')
    await expect(row.avatar.save('b.txt', 'b')).rejects.toMatchObject(refused)
    expect(() => row.avatar.assign(file('c'))).toThrow('registerFiles(sequelize)')
    expect(await stored()).toEqual([])
    await unknown.close()
  })

  describe('a transaction without a callback', () => {
    const found = async (transaction: Transaction): Promise<User> =>
      await User.findOne({ rejectOnEmpty: true, transaction })

    it('takes along the files of rows that were found or written in it', async () => {
      const user = await madeUser()
      const first = await sequelize.transaction()
      const other = await found(first)
      await other.avatar.save('n.txt', 'n')
      await first.rollback()
      expect(other.avatar.name).toBe('a.txt')
      expect(await stored()).toEqual(['a.txt'])

      const second = await sequelize.transaction()
      await user.save({ transaction: second })
      await user.update({ title: 'b' }, { transaction: second })
      await user.avatar.delete()
      const created = await User.create({ title: 'c' }, { transaction: second })
      await created.avatar.save('c.txt', 'c')
      await second.commit()
      expect(await stored()).toEqual(['c.txt'])
      await user.avatar.save('later.txt', 'later')
      expect(await stored()).toEqual(['c.txt', 'later.txt'])
      await expectNoOrphan()
    })

    it.each([
      [
        'reload()',
        (row: User, transaction: Transaction) => row.reload({ transaction, lock: true }),
      ],
      [
        'increment()',
        (row: User, transaction: Transaction) => row.increment('id', { by: 0, transaction }),
      ],
    ])('takes along the files of a row that was given to it by %s', async (_, use) => {
      const user = await madeUser()
      const transaction = await sequelize.transaction()
      await use(user, transaction)
      await user.avatar.save('n.txt', 'n')
      await transaction.rollback()
      expect(user.avatar.name).toBe('a.txt')
      expect(await stored()).toEqual(['a.txt'])
      await expectNoOrphan()
    })

    it('takes along the files of rows that were created there at once', async () => {
      const transaction = await sequelize.transaction()
      const rows = await User.bulkCreate([{ title: 'a' }, { title: 'b' }], { transaction })
      for (const row of rows) await row.avatar.save('n.txt', 'n')
      expect(await stored()).toHaveLength(2)
      await transaction.rollback()
      expect(await stored()).toEqual([])
      await expectNoOrphan()
    })

    it.each(['commit', 'rollback'] as const)(
      'ends by %s what nobody has ended in it',
      async end => {
        await madeUser()
        const outer = await sequelize.transaction()
        const user = await found(await sequelize.transaction({ transaction: outer }))
        await user.avatar.save('n.txt', 'n')
        await outer[end]()
        expect(await stored()).toEqual([end === 'commit' ? 'n.txt' : 'a.txt'])
        await expectNoOrphan()
        await user.avatar.save('later.txt', 'later')
        expect(await stored()).toEqual(['later.txt'])
      },
    )

    it('goes on around a savepoint, which has files of its own', async () => {
      await madeUser()
      const outer = await sequelize.transaction()
      const user = await found(outer)
      const inner = await sequelize.transaction({ transaction: outer })
      const same = await found(inner)
      await same.avatar.save('inner.txt', 'inner')
      await inner.rollback()
      await same.avatar.save('outer.txt', 'outer')
      await user.reload({ transaction: outer })
      expect(user.avatar.name).toBe('outer.txt')
      await outer.commit()
      expect(await stored()).toEqual(['outer.txt'])
      await expectNoOrphan()
    })
  })
})

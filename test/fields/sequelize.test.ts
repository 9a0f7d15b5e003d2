import { join } from 'node:path'
import { DataTypes, Model, Sequelize, Transaction } from 'sequelize'
import { MemoryStorage } from 'stowage'
import { type FieldFile, FileField, ImageField } from 'stowage/fields'
import { fileAttribute, registerFiles } from 'stowage/sequelize'
import { expect, it } from 'vitest'
import { testAdapter } from './adapter-suite.ts'
import { openSequelize } from './harness/sequelize.ts'
import { withFolder } from './harness/with-folder.ts'
import { sqlite3 } from './libsql-as-sqlite3.ts'

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

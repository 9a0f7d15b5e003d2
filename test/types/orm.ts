import { defineEntity, MikroORM, p, serialize, wrap } from '@mikro-orm/libsql'
import { eq } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/libsql'
import { integer, sqliteTable, sqliteView, text } from 'drizzle-orm/sqlite-core'
import mongoose, { Schema } from 'mongoose'
import { type CreationOptional, Model, type Sequelize } from 'sequelize'
import { fileColumn, fileName, fileTable } from 'stowage/drizzle'
import { type FieldFile, FileField, fileTransaction, ImageField } from 'stowage/fields'
import { FileSubscriber, fileProperty } from 'stowage/mikro-orm'
import { filePlugin } from 'stowage/mongoose'
import { fileData, fileExtension } from 'stowage/prisma'
import { fileAttribute, registerFiles } from 'stowage/sequelize'
import type { PrismaClient } from '../fixtures/prisma/generated/client.ts'

/** Each adapter as an application has it: no cast, and what would go past the files does not compile. */
const avatar = new FileField({ uploadTo: 'avatars/%Y/' })
const photo = new ImageField({ uploadTo: 'photos/' })

export async function useMikroOrm(): Promise<string | null> {
  const User = defineEntity({
    name: 'User',
    properties: {
      id: p.integer().primary(),
      name: p.string(),
      avatar: fileProperty(avatar),
      photo: fileProperty(photo),
    },
  })
  const orm = await MikroORM.init({ entities: [User], subscribers: [new FileSubscriber()] })
  const em = orm.em.fork()
  const user = em.create(User, { name: 'Ada' })
  user.avatar.assign(new File(['x'], 'x.png'))
  await em.flush()
  const found = await em.findOneOrFail(User, { name: 'Ada' })
  const file: FieldFile = found.avatar
  await found.photo.dimensions()
  em.create(User, { name: 'Eve', avatar: new File(['x'], 'x.png'), photo: found.photo })
  em.assign(found, { avatar: file.name })
  await em.find(User, { avatar: 'me.png', photo: { $in: ['a.png', file.name] } })
  await em.find(User, { $or: [{ avatar: { $like: 'a%' } }, { photo: { $ne: '' } }] })
  // @ts-expect-error no name
  await em.find(User, { avatar: 1 })
  const json: string = wrap(found).toObject().avatar
  const { photo: name }: { photo: string } = serialize(found)
  return json + name
}

export async function useSequelize(sequelize: Sequelize): Promise<string | null> {
  class User extends Model {
    declare id: CreationOptional<number>
    declare avatar: CreationOptional<FieldFile>
  }
  registerFiles(sequelize)
  User.init({ avatar: fileAttribute(avatar) }, { sequelize })
  const user = await User.create({})
  await fileTransaction(() =>
    sequelize.transaction(async () => await user.avatar.save('x.png', 'x')),
  )
  return user.avatar.name
}

export async function useDrizzle(): Promise<string | null> {
  const table = sqliteTable('users', {
    id: integer('id').primaryKey(),
    name: text('name').notNull(),
    avatar: fileColumn(avatar),
    photo: fileColumn(photo),
  })
  const db = drizzle('file:users.db')
  const users = fileTable(db, table)
  const user = users.build({ name: 'Ada' })
  await user.avatar.save('x.png', 'x')
  await users.insert({ name: 'Bea', avatar: new File(['x'], 'x.png') })
  // @ts-expect-error a row without a column that it needs
  await users.insert({ avatar: new File(['x'], 'x.png') })
  await users.update(user, { avatar: null })
  const [found] = await users.find(eq(table.name, 'Ada'))
  await found?.photo.dimensions()
  await users.find(eq(table.photo, fileName('photos/x.png')))
  // @ts-expect-error a file that is no image
  await found?.avatar.dimensions()
  // @ts-expect-error a name that goes past fileTable
  await db.update(table).set({ avatar: 'x.png' })
  return found?.avatar.name ?? null
}

const people = sqliteTable('people', {
  id: integer('id').primaryKey(),
  portrait: fileColumn('portrait_path', photo),
})

/** What packages export of it has types that their declarations can name. */
export const view = sqliteView('portraits').as(query => query.select().from(people))
export const portraits = async () =>
  await drizzle('file:users.db').select({ name: people.portrait }).from(people)
export const column: 'portrait_path' = people.portrait._.name
// @ts-expect-error a view, whose rows nobody can write
fileTable(drizzle('file:users.db'), view)

export async function usePrisma(client: PrismaClient): Promise<string | null> {
  const prisma = client.$extends(fileExtension({ document: { normal: avatar } }))
  const data = { title: 'a', normal: fileData(new File(['x'], 'x.png')) }
  const row = await prisma.document.create({ data })
  const file: FieldFile = row.normal
  const [some] = await prisma.document.findMany({ select: { normal: true } })
  await some?.normal.save('x.png', 'x')
  const folder = await prisma.folder.findFirst({ include: { documents: true } })
  const nested: FieldFile | undefined = folder?.documents[0]?.normal
  const images = client.$extends(fileExtension({ document: { image: photo } }))
  await (await images.document.findFirst())?.image.dimensions()
  // @ts-expect-error a column that is not there
  client.$extends(fileExtension({ document: { normal: 'avatar' } }))
  return nested?.name ?? file.name
}

export async function useMongoose(): Promise<string | null> {
  interface User {
    name: string
    avatar: FieldFile
  }
  const schema = new Schema<User>({ name: String })
  schema.plugin(filePlugin({ avatar }))
  const Users = mongoose.model('User', schema)
  const user = new Users({ name: 'Ada' })
  user.avatar.assign(new File(['x'], 'x.png'))
  await user.save()
  const found = await Users.findOne({ name: 'Ada' }).orFail()
  return found.avatar.name
}

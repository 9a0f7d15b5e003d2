import mongoose, { type ClientSession, Schema } from 'mongoose'
import { type FieldFile, fileTransaction } from 'stowage/fields'
import { filePlugin } from 'stowage/mongoose'
import { afterAll, beforeAll } from 'vitest'
import { testAdapter } from './adapter-suite.ts'
import type { Fields, Row, Session, Unit } from './harness/session.ts'
import { MongoServer } from './mongo-server.ts'

interface Document {
  title: string
  width: number | null
  height: number | null
  normal: FieldFile
  random: FieldFile
  default: FieldFile
  image: FieldFile
}

let server: MongoServer
let opened = 0

beforeAll(async () => {
  server = await MongoServer.start()
})

afterAll(async () => {
  await server.close()
})

async function open(fields: Fields): Promise<Session> {
  const schema = new Schema<Document>({
    title: { type: String, required: true, unique: true },
    width: Number,
    height: Number,
  })
  schema.plugin(filePlugin({ ...fields }))
  const connection = await mongoose.createConnection(server.url).asPromise()
  const Documents = connection.model('Document', schema, `documents${++opened}`)
  await Documents.init()
  const asDocument = (row: Row) => {
    if (row instanceof Documents) return row
    throw new TypeError('not a document of this collection')
  }
  const unit = (session: ClientSession | null): Unit => ({
    make: title => new Documents({ title }, undefined, session === null ? {} : { session }),
    save: async row => {
      await asDocument(row).save({ session })
    },
    remove: async row => {
      const document = asDocument(row)
      if (session !== null) document.$session(session)
      await document.deleteOne()
    },
    find: async title => await Documents.findOne({ title }).session(session).orFail(),
  })
  const file = (name: string): never => new File(['new'], `${name}-new.txt`) as never
  return {
    ...unit(null),
    transaction: async work =>
      await fileTransaction(() =>
        connection.transaction(async session => await work(unit(session))),
      ),
    names: async () => {
      const found = await Documents.find().lean<Record<string, string>[]>()
      return found.flatMap(row =>
        ['normal', 'random', 'default', 'image'].map(path => row[path] ?? ''),
      )
    },
    bulk: {
      updateOne: title => Documents.updateOne({ title }, { $set: { normal: 'other' } }),
      'updateMany of other paths': title => Documents.updateMany({ title }, { width: 1 }),
      findOneAndUpdate: title => Documents.findOneAndUpdate({ title }, { normal: 'other' }),
      deleteMany: title => Documents.deleteMany({ title }),
      findOneAndDelete: title => Documents.findOneAndDelete({ title }),
      'insertMany of content': title =>
        Documents.insertMany([{ title: `${title}2`, normal: file(title) }]),
      bulkWrite: title => Documents.bulkWrite([{ deleteOne: { filter: { title } } }]),
      create: title => Documents.create({ title: `${title}2`, normal: file(title) }),
      'a transaction that nobody knows the end of': title =>
        connection.transaction(async session => {
          await Documents.create([{ title: `${title}2`, normal: file(title) }], { session })
        }),
    },
    close: async () => {
      await connection.close()
    },
  }
}

testAdapter('Mongoose', { open })

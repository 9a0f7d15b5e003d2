import mongoose, { type ClientSession, Schema } from 'mongoose'
import { MemoryStorage } from 'stowage'
import { type FieldFile, FileField, fileTransaction } from 'stowage/fields'
import { filePlugin } from 'stowage/mongoose'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { testAdapter } from './adapter-suite.ts'
import { LosingProxy, losses } from './harness/losing-proxy.ts'
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
      'updateOne of a document': async title => {
        const document = await Documents.findOne({ title }).orFail()
        await document.updateOne({ normal: 'other' })
      },
      'replaceOne of a document': async title => {
        const document = await Documents.findOne({ title }).orFail()
        await document.replaceOne({ title })
      },
      findByIdAndDelete: async title => {
        const document = await Documents.findOne({ title }).orFail()
        await Documents.findByIdAndDelete(document._id)
      },
      'an update by a pipeline': title =>
        Documents.updateOne({ title }, [{ $set: { normal: 'other' } }], { updatePipeline: true }),
      'an unset path': title => Documents.updateOne({ title }, { $unset: { normal: 1 } }),
      'a renamed path': title => Documents.updateOne({ title }, { $rename: { width: 'normal' } }),
      upsert: title => Documents.updateOne({ title }, { normal: 'x' }, { upsert: true }),
      bulkSave: async title => {
        const document = await Documents.findOne({ title }).orFail()
        document.normal.assign(new File(['x'], 'x.txt'))
        await Documents.bulkSave([document])
      },
      insertOne: title => Documents.insertOne({ title: `${title}2`, normal: file(title) }),
      'bulkWrite of other paths': title =>
        Documents.bulkWrite([{ updateOne: { filter: { title }, update: { width: 1 } } }]),
      'bulkWrite of an insertion': title =>
        Documents.bulkWrite([
          { insertOne: { document: { title: `${title}2`, normal: file(title) } } },
        ]),
      bulkWrite: title => Documents.bulkWrite([{ deleteOne: { filter: { title } } }]),
      'bulkWrite of a document with content': title =>
        Documents.bulkWrite([
          { insertOne: { document: new Documents({ title, normal: file(title) }) } },
        ]),
      'insertMany of documents with content': title =>
        Documents.insertMany([new Documents({ title: `${title}2`, normal: file(title) })]),
      'insertMany of the file of another one': async title => {
        const { normal } = await Documents.findOne({ title }).orFail()
        await Documents.insertMany([{ title: `${title}2`, normal }])
      },
      'insertMany of a file that is not cast': async title => {
        const { normal } = await Documents.findOne({ title }).orFail()
        await Documents.insertMany([{ title: `${title}2`, normal }], { lean: true })
      },
      'an update by a pipeline that unsets': title =>
        Documents.updateOne({ title }, [{ $unset: 'normal' }], { updatePipeline: true }),
      'an update by a pipeline that leaves out': title =>
        Documents.updateOne({ title }, [{ $project: { title: 1 } }], { updatePipeline: true }),
      'an update by a pipeline that replaces': title =>
        Documents.updateOne({ title }, [{ $replaceWith: { title } }], { updatePipeline: true }),
      'an update by a pipeline of other paths': title =>
        Documents.updateOne({ title }, [{ $set: { width: 1 } }], { updatePipeline: true }),
      'aggregate into the collection': title =>
        Documents.aggregate([
          { $match: { title } },
          { $merge: { into: Documents.collection.name } },
        ]),
      'aggregate in place of the collection': title =>
        Documents.aggregate([{ $match: { title } }, { $out: Documents.collection.name }]),
      'aggregate of another collection into it': () =>
        connection
          .model('Plain', new Schema({}))
          .aggregate([{ $merge: { into: Documents.collection.name } }])
          .then(() => {}),
      'updateOne without middleware': title =>
        Documents.updateOne({ title }, { normal: 'other' }, { middleware: false }),
      'deleteMany without middleware': title =>
        Documents.deleteMany({ title }, { middleware: false }),
      'insertMany without middleware': title =>
        Documents.insertMany([{ title: `${title}2`, normal: file(title) }], { middleware: false }),
      'deleteOne of a document without middleware': async title => {
        await (await Documents.findOne({ title }).orFail()).deleteOne({ middleware: false })
      },
      'save without middleware': async title => {
        const document = await Documents.findOne({ title }).orFail()
        document.normal.assign(new File(['x'], 'x.txt'))
        await document.save({ middleware: false })
      },
      'bulkWrite of a connection that deletes': title =>
        connection.bulkWrite([{ model: 'Document', name: 'deleteOne', filter: { title } }]),
      'bulkWrite of a connection that updates': title =>
        connection.bulkWrite([
          {
            model: 'Document',
            name: 'updateMany',
            filter: { title },
            update: { $set: { normal: 'x' } },
          },
        ]),
      'bulkWrite of a connection that inserts': title =>
        connection.bulkWrite([
          {
            model: 'Document',
            name: 'insertOne',
            document: { title: `${title}2`, normal: file(title) },
          },
        ]),
      'the native collection': title => Documents.collection.deleteMany({ title }),
      'a bulk operation of the native collection': async title => {
        await Documents.collection.initializeOrderedBulkOp().find({ title }).delete().execute()
      },
      'save of other paths': async title => {
        const document = await Documents.findOne({ title }).orFail()
        document.width = 1
        document.normal.assign(new File(['x'], 'x.txt'))
        await document.save({ pathsToSave: ['width'] })
      },
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

describe('file paths of Mongoose', () => {
  const nested = async (plug: (schema: Schema) => void) => {
    const connection = await mongoose.createConnection(server.url).asPromise()
    const schema = new Schema({ title: String, profile: { name: String } })
    plug(schema)
    const Model = connection.model('Nested', schema, `nested${++opened}`)
    return { connection, Model }
  }

  it('may be paths of any depth', async () => {
    const storage = new MemoryStorage({})
    const photo = new FileField({ storage, id: `nested photo` })
    const { connection, Model } = await nested(schema =>
      schema.plugin(filePlugin({ 'profile.photo': photo })),
    )
    const document = new Model({ title: 'a' })
    const file = (): FieldFile => document.get('profile.photo')
    file().assign(new File(['one'], 'one.txt'))
    await document.save()
    expect(file().name).toBe('one.txt')
    await file().save('two.txt', 'two')
    const found = await Model.findOne({ title: 'a' }).orFail()
    expect(await found.get('profile.photo').text()).toBe('two')
    expect(await storage.exists('one.txt')).toBe(false)
    const replace = Model.updateOne({ title: 'a' }, { $set: { profile: { name: 'x' } } })
    await expect(replace).rejects.toMatchObject({ name: 'UnsupportedError' })
    await found.deleteOne()
    expect(await storage.exists('two.txt')).toBe(false)
    await connection.close()
  })

  it.each(losses)('keep what a row names when a write is %s', async loss => {
    const storage = new MemoryStorage({})
    const proxy = await LosingProxy.open(server.url)
    const connection = await mongoose.createConnection(`${proxy.url}&retryWrites=false`).asPromise()
    const schema = new Schema<{ photo: FieldFile }>({})
    schema.plugin(filePlugin({ photo: new FileField({ storage }) }))
    const Model = connection.model('Lost', schema, `lost${++opened}`)
    const document = new Model()
    await document.photo.save('old.txt', 'old')
    const settled = proxy.lose(/\x02update\x00/, loss)
    await expect(document.photo.save('new.txt', 'new')).rejects.toThrow(/connection/)
    await settled
    const found = await Model.findOne().orFail()
    expect(await found.photo.text()).toBe(loss === 'unsent' ? 'old' : 'new')
    await connection.close()
    await proxy.close()
  })

  it('may be those of a discriminator beside those of its base', async () => {
    const storage = new MemoryStorage({})
    const connection = await mongoose.createConnection(server.url).asPromise()
    const base = new Schema({ title: String }, { discriminatorKey: 'kind' })
    base.plugin(filePlugin({ photo: new FileField({ storage }) }))
    const Base = connection.model('Item', base, `items${++opened}`)
    const inner = new Schema({})
    inner.plugin(filePlugin({ manual: new FileField({ storage }) }))
    const Kind = Base.discriminator('Machine', inner)
    const file = (name: string): never => new File([name], name) as never
    const machine = new Kind({ title: 'a' })
    machine.set({ photo: file('photo.png'), manual: file('manual.pdf') })
    await machine.save()
    const other = new Kind({ title: 'b' })
    other.set({ photo: String(machine.get('photo')), manual: String(machine.get('manual')) })
    await other.save()

    const found = await Base.findOne({ title: 'a' }).orFail()
    expect([String(found.get('photo')), String(found.get('manual'))]).toEqual([
      'photo.png',
      'manual.pdf',
    ])
    const stored = async () => (await storage.listdir(''))[1]
    await found.deleteOne()
    expect(await stored()).toEqual(['manual.pdf', 'photo.png'])
    await (await Base.findOne({ title: 'b' }).orFail()).deleteOne()
    expect(await stored()).toEqual([])
    await connection.close()
  })

  it('are refused in documents inside others, which would lose their content', async () => {
    const inner = new Schema({ name: String })
    inner.plugin(filePlugin({ photo: new FileField({ storage: new MemoryStorage({}) }) }))
    const { connection, Model } = await nested(schema => schema.add({ parts: [inner] }))
    const document = new Model({ parts: [{ photo: new File(['x'], 'x.txt') as never }] })
    const reason = { message: expect.stringContaining('the outer one') }
    await expect(document.save()).rejects.toMatchObject({
      errors: { 'parts.0.photo': { reason } },
    })
    await connection.close()
  })
})

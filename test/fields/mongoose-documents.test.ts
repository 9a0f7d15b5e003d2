import { once } from 'node:events'
import { inspect } from 'node:util'
import mongoose, { type Connection, type HydratedDocument, type Model, Schema } from 'mongoose'
import { MemoryStorage, type Storage, UnsupportedError } from 'stowage'
import {
  type FieldFile,
  FileField,
  type FileInput,
  fileTransaction,
  ImageField,
} from 'stowage/fields'
import { filePlugin } from 'stowage/mongoose'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { MongoServer } from './mongo-server.ts'

/** As documents are made, and found: by names. */
interface Page {
  title: string
  count: number
  avatar: FileInput
}

type PageDocument = HydratedDocument<Page, { avatar: FieldFile }>
type PageModel = Model<Page, object, object, object, PageDocument>

let server: MongoServer
let connection: Connection
let storage: Storage
let opened = 0

beforeAll(async () => {
  server = await MongoServer.start()
})

afterAll(async () => {
  await server.close()
})

beforeEach(async () => {
  storage = new MemoryStorage({})
  connection = await mongoose.createConnection(server.url).asPromise()
})

afterEach(async () => {
  await connection.close()
})

function schemaOf(field: FileField = new FileField({ storage })): Schema<Page, PageModel> {
  const schema = new Schema<Page, PageModel>({ title: String, count: Number })
  schema.plugin(filePlugin({ avatar: field }))
  return schema
}

function modelOf(
  schema: Schema<Page, PageModel> = schemaOf(),
  on: Connection = connection,
): PageModel {
  return on.model<Page, PageModel>(`Page${++opened}`, schema)
}

function file(name: string, content: BlobPart = name): File {
  return new File([content], name)
}

/** A GIF of a width, and 1 pixel high. */
function gif(width: number): File {
  const header = [0x47, 0x49, 0x46, 0x38, 0x39, 0x61, width, 0, 1, 0, 0, 0, 0]
  return file(`${width}.gif`, Uint8Array.from(header))
}

const stored = async (): Promise<string[]> => (await storage.listdir(''))[1].toSorted()

const named = async (Pages: PageModel): Promise<unknown[]> =>
  (await Pages.collection.find({}).toArray()).map(row => row['avatar'])

describe('hooks of an application', () => {
  it('may give a document content, or empty its path, at any time before it is written', async () => {
    for (const hook of ['save', 'validate'] as const) {
      const schema = schemaOf()
      schema.pre(hook, function () {
        this.avatar = this.title === 'none' ? (null as never) : file(`${hook}.txt`)
      })
      const Pages = modelOf(schema)
      const page = await Pages.create({ title: 'a' })
      expect(await page.avatar.text()).toBe(`${hook}.txt`)
      expect(page.isModified()).toBe(false)
      expect(await named(Pages)).toEqual([`${hook}.txt`])
      page.title = 'none'
      await page.save()
      expect(await named(Pages)).toEqual([''])
      expect(await stored()).toEqual([])
    }
  })

  it('run once for each save, however many writers came in between', async () => {
    const schema = schemaOf()
    schema.pre('save', function () {
      this.count++
    })
    const Pages = modelOf(schema)
    const { _id } = await Pages.create({ title: 'a', count: 0 })
    const copies = await Promise.all([1, 2, 3].map(() => Pages.findById(_id).orFail()))
    await Promise.all(copies.map((copy, index) => copy.avatar.save(`${index}.txt`, 'x')))
    expect(copies.map(({ count }) => count)).toEqual([2, 2, 2])
    expect(await stored()).toEqual(await named(Pages))
  })

  it('may throw after a write: the row has its new file, and the old one goes', async () => {
    const schema = schemaOf()
    schema.post('save', function () {
      if (this.count === 1) throw new Error('no mail')
    })
    schema.post('deleteOne', { document: true, query: false }, () => {
      throw new Error('no mail')
    })
    const Pages = modelOf(schema)
    const page = await Pages.create({ title: 'a', avatar: file('a.txt') })
    page.count = 1
    await expect(page.avatar.save('b.txt', 'b')).rejects.toThrow('no mail')
    page.avatar.assign(new File(['c'], 'c.txt'))
    await expect(page.save()).rejects.toThrow('no mail')
    expect(await named(Pages)).toEqual(['c.txt'])
    expect(await stored()).toEqual(['c.txt'])
    await expect(page.deleteOne()).rejects.toThrow('no mail')
    expect(await stored()).toEqual([])
  })

  it('may throw after a write in a transaction that commits', async () => {
    const schema = schemaOf()
    schema.post('save', function () {
      if (this.title === 'bad') throw new Error('no mail')
    })
    const Pages = modelOf(schema)
    const { _id } = await Pages.create({ title: 'a', avatar: file('a.txt') })
    await fileTransaction(() =>
      connection.transaction(async session => {
        const page = await Pages.findById(_id).session(session).orFail()
        page.set({ title: 'bad', avatar: file('b.txt') })
        await expect(page.save()).rejects.toThrow('no mail')
        const other = new Pages({ title: 'bad', avatar: file('c.txt') })
        await expect(other.save({ session })).rejects.toThrow('no mail')
      }),
    )
    expect(await named(Pages)).toEqual(['b.txt', 'c.txt'])
    expect(await stored()).toEqual(['b.txt', 'c.txt'])
  })

  it('leave nothing open when they throw before a deletion', async () => {
    let fails = true
    const schema = schemaOf()
    schema.pre('deleteOne', { document: true, query: false }, () => {
      if (fails) throw new Error('not now')
    })
    const Pages = modelOf(schema)
    const page = await Pages.create({ title: 'a', avatar: file('a.txt') })
    await expect(page.deleteOne()).rejects.toThrow('not now')
    await expect(Pages.deleteOne({ _id: page._id })).rejects.toBeInstanceOf(UnsupportedError)
    await (await Pages.findById(page._id).orFail()).avatar.save('b.txt', 'b')
    page.title = 'b'
    await page.save()
    fails = false
    await page.deleteOne()
    expect(await stored()).toEqual([])
  })

  it('of queries that set a path are refused as the query would be', async () => {
    const schema = schemaOf()
    schema.pre('updateOne', function () {
      this.set({ avatar: 'other.txt' })
    })
    const update = modelOf(schema).updateOne({ title: 'a' }, { count: 1 })
    await expect(update).rejects.toBeInstanceOf(UnsupportedError)
  })

  it('store files also where the application has a method save of its own', async () => {
    const schema = schemaOf()
    const save = function (this: mongoose.Document): unknown {
      return mongoose.Model.prototype.save.call(this)
    }
    schema.method('save', save, { suppressWarning: true })
    const Pages = modelOf(schema)
    await new Pages({ title: 'a', avatar: file('a.txt') }).save()
    expect(await named(Pages)).toEqual(['a.txt'])
    expect(await stored()).toEqual(['a.txt'])
  })
})

describe('a value that a path is set to', () => {
  it('leaves the file as it is where it is undefined', async () => {
    const Pages = modelOf()
    const page = await Pages.create({ title: 'a', avatar: file('a.txt') })
    page.set({ title: 'b', avatar: undefined })
    await page.save()
    page.set('avatar', undefined)
    await page.save()
    expect(await named(Pages)).toEqual(['a.txt'])
    expect(await stored()).toEqual(['a.txt'])
    expect((await Pages.create({ avatar: undefined as never })).avatar.hasFile()).toBe(false)
  })

  it('takes content away that waits, and a file that no row has, when it is a name', async () => {
    const Pages = modelOf()
    const page = await Pages.create({ title: 'a', avatar: file('a.txt') })
    page.set('avatar', file('b.txt'))
    page.set('avatar', 'a.txt')
    await page.save()
    expect(await named(Pages)).toEqual(['a.txt'])
    expect(await stored()).toEqual(['a.txt'])
    await page.avatar.save('c.txt', 'c', { save: false })
    await storage.save('d.txt', 'd')
    page.set('avatar', 'd.txt')
    await page.save()
    expect(await named(Pages)).toEqual(['d.txt'])
    expect(await stored()).toEqual(['d.txt'])
  })

  it('is measured where it is the name of an image', async () => {
    const Pages = modelOf(schemaOf(new ImageField({ storage, widthColumn: 'count' })))
    const [first] = await Pages.create([{ title: 'a', avatar: gif(3) }, { avatar: gif(7) }])
    const counts = async () => (await Pages.collection.find({}).toArray()).map(row => row['count'])
    expect(await counts()).toEqual([3, 7])
    const page = await Pages.findById(first?._id).orFail()
    page.set('avatar', '7.gif')
    await page.save()
    expect(await counts()).toEqual([7, 7])
    page.set('avatar', '')
    await page.save()
    await Pages.create({ avatar: '7.gif' })
    expect(await counts()).toEqual([null, 7, 7])
    expect(await stored()).toEqual(['7.gif'])
  })

  it('is content of its own where it comes from a document whose content waits', async () => {
    const Pages = modelOf()
    const page = await Pages.create({ title: 'a', avatar: file('a.txt') })
    page.avatar.assign(file('b.txt'))
    const { _id, ...values } = page.toObject()
    await Pages.create({ ...values, title: 'b' })
    const clone = page.$clone()
    expect(clone.avatar).not.toBe(page.avatar)
    await clone.save()
    page.set(page.toObject())
    await page.save()
    const [first, second] = await Pages.find()
    expect(await first?.avatar.text()).toBe('b.txt')
    expect(await second?.avatar.text()).toBe('b.txt')
    expect(await stored()).toEqual((await named(Pages)).toSorted())
  })
})

describe('a document whose content waits', () => {
  it('shows the name that was given in plain objects, JSON and messages', () => {
    const page = new (modelOf())({ title: 'a', avatar: file('a.txt') })
    expect(page.toObject().avatar).toBe(page.avatar)
    expect(JSON.parse(JSON.stringify(page))).toMatchObject({ title: 'a', avatar: 'a.txt' })
    expect(inspect(page)).toContain('<FieldFile: a.txt>')
    expect(inspect(page.$getChanges())).toContain('<FieldFile: a.txt>')
  })

  it('can be saved by two of its files at once', async () => {
    const schema = schemaOf()
    schema.plugin(filePlugin({ other: new FileField({ storage }) }))
    const Pages = modelOf(schema)
    const page = await Pages.create({ title: 'a' })
    const other: FieldFile = page.get('other')
    await Promise.all([page.avatar.save('a.txt', 'a'), other.save('b.txt', 'b')])
    expect(await Pages.exists({ avatar: 'a.txt', other: 'b.txt' })).not.toBeNull()
    expect(await stored()).toEqual(['a.txt', 'b.txt'])
  })
})

describe('a path', () => {
  const plug = (schema: Schema, path = 'avatar') =>
    schema.plugin(filePlugin({ [path]: new FileField({ storage }) }))

  it('keeps what the schema says of it', async () => {
    const declared = { type: String, required: true, enum: ['a.txt'], alias: 'photo' }
    const schema = new Schema<Page, PageModel>({ title: String, avatar: declared })
    const Pages = modelOf(schema.plugin(filePlugin({ avatar: new FileField({ storage }) })))
    await expect(Pages.create({ title: 'a' })).rejects.toThrow('`avatar` is required')
    await expect(Pages.create({ avatar: file('b.txt') })).rejects.toThrow('enum')
    const page = await Pages.create({ title: 'a', photo: file('a.txt') } as object)
    expect(page.get('photo')).toBe(page.avatar)
    expect(await stored()).toEqual(['a.txt'])
  })

  it('is refused where the schema says what would change its file', () => {
    const options = [
      { lowercase: true },
      { get: String },
      { set: String },
      { default: 'a.txt' },
      { immutable: true },
      { type: Buffer },
    ]
    for (const option of options) {
      const schema = new Schema({ avatar: { type: String, ...option } } as object)
      expect(() => plug(schema)).toThrow(`takes no "${Object.keys(option)[0]}"`)
    }
  })

  it('is refused at once inside of what is no part of the document itself', () => {
    const inner = new Schema({ name: String })
    for (const type of [[inner], inner, { type: { name: String } }, Map, Object]) {
      const schema = new Schema({ part: type } as object)
      expect(() => plug(schema, 'part.photo')).toThrow('"part.photo" would be a file in "part"')
    }
  })

  it('may be in a schema with another key for types, or where all strings are trimmed', async () => {
    const keyed = new Schema({ title: { $type: String } }, { typeKey: '$type' })
    const open = async (schema: unknown): Promise<void> => {
      const Pages = modelOf(schema as Schema<Page, PageModel>)
      await Pages.create({ title: 'a', avatar: file('a.txt') })
      expect(await named(Pages)).toEqual(await stored())
      await (await Pages.findOne().orFail()).avatar.delete()
    }
    plug(keyed as unknown as Schema)
    await open(keyed)
    try {
      Schema.Types.String.set('trim', true)
      await open(schemaOf())
    } finally {
      Schema.Types.String.set('trim', false)
    }
  })

  it('of any type holds the name of a file that it is given', async () => {
    const page = await modelOf().create({ title: 'a', avatar: file('a.txt') })
    const Logs = connection.model(`Log${++opened}`, new Schema<{ what: unknown }>({ what: {} }))
    await Logs.create({ what: { stored: page.avatar } })
    page.avatar.assign(file('b.txt'))
    await Logs.create({ what: page.$getChanges() })
    const rows = await Logs.find().lean()
    expect(rows.map(({ what }) => what)).toEqual([{ stored: 'a.txt' }, { $set: { avatar: null } }])
  })
})

describe('models', () => {
  it('of schemas that were made of another one store files, and guard them', async () => {
    const schema = schemaOf()
    const made = { pick: schema.pick(['title', 'avatar']), omit: schema.omit(['count']) }
    for (const derived of Object.values(made)) {
      const Pages = modelOf(derived as Schema<Page, PageModel>)
      const page = await Pages.create({ title: 'a', avatar: file('a.txt') })
      expect(await stored()).toEqual(await named(Pages))
      await expect(Pages.deleteMany({})).rejects.toBeInstanceOf(UnsupportedError)
      await page.deleteOne()
      expect(await stored()).toEqual([])
    }
  })

  it('without the plugin cannot delete or change the rows of a discriminator that has it', async () => {
    const base = new Schema({ title: String }, { discriminatorKey: 'kind' })
    const Base = connection.model(`Base${++opened}`, base)
    const Kind = Base.discriminator(`Kind${opened}`, schemaOf() as unknown as Schema<object>)
    const Plain = Base.discriminator(`Plain${opened}`, new Schema({ avatar: Object }))
    const kept = await Kind.create({ title: 'a', avatar: file('a.txt') } as object)
    const other = await Base.create({ title: 'b' })
    const plain = await Plain.create({ title: 'c', avatar: { url: 'x' } } as never)
    const kind = Kind.modelName
    for (const refused of [
      Base.deleteMany({ title: 'a' }),
      Base.deleteOne({ title: 'a' }),
      Base.findByIdAndDelete(kept._id),
      Base.updateOne({ title: 'a', kind }, { $set: { avatar: 'x' } }),
      Base.bulkWrite([{ deleteOne: { filter: { title: 'a' } } }]),
    ])
      await expect(refused).rejects.toBeInstanceOf(UnsupportedError)
    await other.deleteOne()
    await Plain.updateMany({}, { avatar: { url: 'y' } } as never)
    plain.set('avatar', { url: 'z' })
    await plain.save()
    await plain.deleteOne()
    await Plain.deleteMany({})
    await (await Base.findById(kept._id).orFail()).deleteOne()
    expect(await stored()).toEqual([])
    expect(await Base.collection.countDocuments({})).toBe(0)
  })

  it('follow their files also where a discriminator takes no hooks of its base along', async () => {
    const Base = modelOf(schemaOf())
    const apart = { mergeHooks: false, mergePlugins: false }
    const Kind = Base.discriminator<Page>(`Kind${opened}`, new Schema({}) as never, apart)
    const page = await Kind.create({ title: 'a', avatar: file('a.txt') })
    await expect(Kind.deleteMany({})).rejects.toBeInstanceOf(UnsupportedError)
    await page.deleteOne()
    expect(await stored()).toEqual([])
  })

  it('refuse nothing but content where files are kept', async () => {
    const keep = new FileField({ storage, onDelete: 'keep', onReplace: 'keep' })
    const Pages = modelOf(schemaOf(keep))
    await Pages.create({ title: 'a', avatar: file('a.txt') })
    await Pages.updateOne({ title: 'a' }, { avatar: 'b.txt' })
    expect(await named(Pages)).toEqual(['b.txt'])
    const content = Pages.updateOne({ title: 'a' }, { avatar: file('c.txt') })
    await expect(content).rejects.toBeInstanceOf(UnsupportedError)
    await Pages.bulkWrite([{ updateOne: { filter: {}, update: { avatar: 'd.txt' } } }])
    await Pages.deleteMany({ title: 'a' })
    expect(await named(Pages)).toEqual([])
    expect(await stored()).toEqual(['a.txt'])
  })

  it('count the rows of other databases and connections that name a file', async () => {
    const schema = schemaOf()
    const other = await mongoose.createConnection(server.url).asPromise()
    const Pages = modelOf(schema)
    for (const on of [
      connection.useDb('other'),
      connection.useDb('third', { useCache: true }),
      other,
    ]) {
      const Others = modelOf(schema, on)
      const page = await Others.create({ title: 'a', avatar: file('a.txt') })
      await (await Pages.create({ title: 'a', avatar: page.avatar.name })).deleteOne()
      expect(await stored()).toEqual(['a.txt'])
      await page.deleteOne()
      expect(await stored()).toEqual([])
    }
    await other.close()
  })

  it('leave files where nobody can be asked who uses them', async () => {
    const lost = await mongoose.createConnection(server.url, { bufferCommands: false }).asPromise()
    const Pages = modelOf(schemaOf(), lost)
    const page = await Pages.create({ title: 'a', avatar: file('a.txt') })
    await Pages.create({ title: 'b', avatar: 'a.txt' })
    const warned = once(process, 'warning')
    await fileTransaction(async () => {
      await page.deleteOne()
      await lost.close()
    })
    expect(await stored()).toEqual(['a.txt'])
    expect(await warned).toMatchObject([{ code: 'STOWAGE_FILE_LEFT' }])
  })

  it('find rows by the names of files', async () => {
    const Pages = modelOf()
    const page = await Pages.insertOne({ title: 'a', avatar: file('a.txt') })
    expect(await Pages.exists({ avatar: page.avatar.name })).not.toBeNull()
    expect(await Pages.exists({ avatar: page.avatar })).not.toBeNull()
    expect((await Pages.findOne({ avatar: 'a.txt' }).lean())?.avatar).toBe('a.txt')
  })

  it('replace files once where documents lack the path, whatever the driver leaves out', async () => {
    const ignoring = await mongoose
      .createConnection(server.url, { ignoreUndefined: true })
      .asPromise()
    const Pages = modelOf(schemaOf(), ignoring)
    await Pages.collection.insertOne({ title: 'a' })
    const copies = await Promise.all([1, 2].map(() => Pages.findOne({ title: 'a' }).orFail()))
    await Promise.all(copies.map((copy, index) => copy.avatar.save(`${index}.txt`, 'x')))
    expect(await stored()).toEqual(await named(Pages))
    await ignoring.close()
  })
})

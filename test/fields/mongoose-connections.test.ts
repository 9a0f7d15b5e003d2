import { once } from 'node:events'
import mongoose, {
  type Connection,
  type HydratedDocument,
  type Model,
  Mongoose,
  Schema,
} from 'mongoose'
import { MemoryStorage, type Storage, UnsupportedError } from 'stowage'
import { type FieldFile, FileField, type FileInput, fileTransaction } from 'stowage/fields'
import { filePlugin } from 'stowage/mongoose'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { MongoServer } from './mongo-server.ts'

interface Page {
  title: string
  avatar: FileInput
  part: { name: string; photo?: FileInput }
}

interface Shown {
  avatar: FieldFile
  part: { name: string; photo: FieldFile }
}

type PageDocument = HydratedDocument<Page, Shown>
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

function schemaOf(): Schema<Page, PageModel> {
  const title = { type: String, unique: true }
  const schema = new Schema<Page, PageModel>({ title, part: { name: String } })
  schema.plugin(
    filePlugin({
      avatar: new FileField({ storage }),
      'part.photo': new FileField({ storage }),
    }),
  )
  return schema
}

function modelOf(schema: Schema<Page, PageModel> = schemaOf()): PageModel {
  return connection.model<Page, PageModel>(`Sheet${++opened}`, schema)
}

const file = (name: string): File => new File([name], name)
const stored = async (): Promise<string[]> => (await storage.listdir(''))[1].toSorted()

const failure = new Error('roll back')

/** A transaction of a document that rolls back. */
async function rolledBack(page: PageDocument, work: () => Promise<unknown>): Promise<void> {
  const run = fileTransaction(() =>
    connection.transaction(async session => {
      page.$session(session)
      await work()
      throw failure
    }),
  )
  await expect(run).rejects.toBe(failure)
  page.$session(null)
}

describe('a file whose write has failed', () => {
  const changes = {
    save: async (page: PageDocument) => await page.avatar.save('b.txt', 'b'),
    delete: async (page: PageDocument) => await page.avatar.delete(),
  }
  const failures = {
    'is rolled back': rolledBack,
    'the database refuses': async (page: PageDocument, work: () => Promise<void>) => {
      page.title = 'taken'
      await expect(work()).rejects.toThrow('E11000')
    },
    'a validator refuses': async (page: PageDocument, work: () => Promise<void>) => {
      page.set('title', {})
      await expect(work()).rejects.toThrow('title')
    },
  }
  const cases = Object.entries(changes).flatMap(([method, change]) =>
    Object.entries(failures).map(([why, fail]) => ({
      title: `${method}() that ${why}`,
      change,
      fail,
    })),
  )

  it.each(cases)('is not written by the next save of another path: $title', async given => {
    const Pages = modelOf()
    await Pages.init()
    await Pages.create({ title: 'taken' })
    const page = await Pages.create({ title: 'a', avatar: file('a.txt') })
    await given.fail(page, async () => await given.change(page))
    expect(page.avatar.name).toBe('a.txt')
    expect(page.isModified('avatar')).toBe(false)
    await (await Pages.findById(page._id).orFail()).avatar.save('new.txt', 'new')
    page.title = 'b'
    await page.save()
    expect(await Pages.exists({ title: 'b', avatar: 'new.txt' })).not.toBeNull()
    expect(await stored()).toEqual(['new.txt'])
  })

  it('leaves a path alone that was set over since', async () => {
    const Pages = modelOf()
    const page = await Pages.create({ title: 'a', part: { name: 'p' } })
    await rolledBack(page, async () => {
      page.set('part.photo', file('p.txt'))
      await page.save()
      page.set('part', { name: 'q' })
      await page.save()
    })
    expect(page.part.photo.name).toBeNull()
    page.title = 'b'
    await page.save()
    expect(await stored()).toEqual([])
  })
})

describe('an object with a file in it', () => {
  it('takes no file back that others have replaced since, when it is set as it was read', async () => {
    const Pages = modelOf()
    const { _id } = await Pages.create({ title: 'a', part: { name: 'p', photo: file('p.txt') } })
    const page = await Pages.findById(_id).orFail()
    await (await Pages.findById(_id).orFail()).part.photo.save('new.txt', 'new')
    page.set('part', { ...page.toObject().part, name: 'q' })
    await page.save()
    expect(page.part.photo.name).toBe('new.txt')
    expect(await Pages.exists({ 'part.name': 'q', 'part.photo': 'new.txt' })).not.toBeNull()
    expect(await stored()).toEqual(['new.txt'])
  })

  it('takes content along that waits, when it is set over', async () => {
    const Pages = modelOf()
    const page = await Pages.create({ title: 'a', part: { name: 'p' } })
    page.part.photo.assign(file('p.txt'))
    page.set('part', { name: 'q' })
    await page.save()
    expect(page.part.photo.name).toBeNull()
    expect(await stored()).toEqual([])
  })
})

describe('a document that was read without its file', () => {
  it('loses it by delete(), and can do so again where that has failed', async () => {
    const Pages = modelOf()
    await Pages.init()
    await Pages.create({ title: 'taken' })
    const { _id } = await Pages.create({ title: 'a', avatar: file('a.txt') })
    const page = await Pages.findById(_id).select('title').orFail()
    page.title = 'taken'
    await expect(page.avatar.delete()).rejects.toThrow('E11000')
    expect(await stored()).toEqual(['a.txt'])
    page.title = 'a'
    await page.avatar.delete()
    expect(await Pages.exists({ title: 'a', avatar: '' })).not.toBeNull()
    expect(await stored()).toEqual([])
    await page.save()
  })
})

describe('a transaction without fileTransaction', () => {
  it('may write and delete documents without files, and no others', async () => {
    const Pages = modelOf()
    const full = await Pages.create({ title: 'full', avatar: file('a.txt') })
    await connection.transaction(async session => {
      const [page] = await Pages.create([{ title: 'a' }], { session })
      await new Pages({ title: 'b' }).save({ session })
      page?.set('avatar', '')
      await page?.save({ session })
      await page?.deleteOne({ session })
      full.set('part', { name: 'x' })
      await full.save({ session })
      full.set('avatar', null)
      await expect(full.save({ session })).rejects.toBeInstanceOf(UnsupportedError)
      await expect(full.deleteOne({ session })).rejects.toBeInstanceOf(UnsupportedError)
      const created = Pages.create([{ title: 'c', avatar: file('c.txt') }], { session })
      await expect(created).rejects.toBeInstanceOf(UnsupportedError)
    })
    expect((await Pages.find()).map(({ title }) => title)).toEqual(['full', 'b'])
    expect(await stored()).toEqual(['a.txt'])
  })
})

describe('validators of a file path', () => {
  it('are given the name of the content that waits', async () => {
    const schema = schemaOf()
    const seen: unknown[] = []
    schema.path('avatar').validate((name: unknown) => {
      seen.push(name)
      return /\.png$/.test(String(name))
    }, 'only png')
    const Pages = modelOf(schema)
    const page = await Pages.create({ title: 'a', avatar: file('a.png') })
    await expect(Pages.create({ title: 'b', avatar: file('b.txt') })).rejects.toThrow('only png')
    await Pages.validate({ title: 'c', avatar: file('c.png') })
    await expect(Pages.validate({ title: 'd', avatar: file('d.txt') })).rejects.toThrow('only png')
    const Kind = Pages.discriminator(`Kind${opened}`, new Schema({}))
    await Kind.create({ title: 'e', avatar: file('e.png') } as object)
    page.set('avatar', file('f.png'))
    expect(page.validateSync() ?? null).toBeNull()
    expect(new Set(seen)).toEqual(new Set(['a.png', 'b.txt', 'c.png', 'd.txt', 'e.png', 'f.png']))
  })
})

describe('connections', () => {
  it('count the rows of a model that was defined again before they were opened again', async () => {
    const own = new Mongoose()
    const define = () => own.model<Page, PageModel>('Page', schemaOf())
    define()
    await own.connect(server.url)
    own.deleteModel('Page')
    const Pages = define()
    await own.disconnect()
    await own.connect(server.url)
    const page = await Pages.create({ title: 'a', avatar: file('a.txt') })
    await Pages.create({ title: 'b', avatar: 'a.txt' })
    await page.deleteOne()
    expect(await stored()).toEqual(['a.txt'])
    await (await Pages.findOne({ title: 'b' }).orFail()).deleteOne()
    expect(await stored()).toEqual([])
    await own.disconnect()
  })

  it('of one database are asked once, however many useDb() has given', async () => {
    const watched = await mongoose
      .createConnection(server.url, { monitorCommands: true })
      .asPromise()
    const schema = schemaOf()
    const tenants = [1, 2, 3].map(() =>
      watched.useDb('tenant').model<Page, PageModel>('Page', schema),
    )
    const page = await tenants[0]?.create({ title: 'a', avatar: file('a.txt') })
    let counts = 0
    watched.getClient().on('commandStarted', ({ commandName }) => {
      if (commandName === 'aggregate') counts++
    })
    await page?.avatar.delete()
    expect(counts).toBe(2)
    expect(await stored()).toEqual([])
    await watched.close()
  })

  it('that are down do not hold up the writes of others, whose files stay', async () => {
    const gone = await MongoServer.start()
    const own = new Mongoose()
    await own.connect(server.url)
    const Pages = own.model<Page, PageModel>('Down', schemaOf())
    const quick = { serverSelectionTimeoutMS: 300, heartbeatFrequencyMS: 500 }
    const down = await own.createConnection(gone.url, quick).asPromise()
    await down.model<Page, PageModel>('Down', schemaOf()).init()
    const isDown = once(down, 'disconnected')
    await gone.close()
    await isDown
    const page = await Pages.create({ title: 'a', avatar: file('a.txt') })
    const warned = once(process, 'warning')
    const before = Date.now()
    await page.avatar.save('b.txt', 'b')
    expect(Date.now() - before).toBeLessThan(5000)
    expect(await warned).toMatchObject([{ code: 'STOWAGE_FILE_LEFT' }])
    expect(await stored()).toEqual(['a.txt', 'b.txt'])
    await down.close()
    await own.disconnect()
  })
})

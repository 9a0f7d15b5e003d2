import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createClient } from '@libsql/client'
import { desc, eq, sql } from 'drizzle-orm'
import { Cache } from 'drizzle-orm/cache/core'
import { drizzle } from 'drizzle-orm/libsql'
import { customType, integer, sqliteTable, text, withReplicas } from 'drizzle-orm/sqlite-core'
import { MemoryStorage, ValidationError } from 'stowage'
import { fileColumn, fileName, fileTable } from 'stowage/drizzle'
import { FileField, fileTransaction, ImageField } from 'stowage/fields'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

const storage = new MemoryStorage({})
const small = new FileField({
  storage,
  validators: [
    async file => {
      if (file.name === 'bad.txt') throw new ValidationError('bad')
    },
  ],
})
const users = sqliteTable('users', {
  id: integer('id').primaryKey({ autoIncrement: true }),
  title: text('title'),
  avatar: fileColumn(small),
  photo: fileColumn(new ImageField({ storage, widthColumn: 'width' })),
  width: integer('width'),
})
const ddl = `CREATE TABLE users (id integer PRIMARY KEY AUTOINCREMENT, title text UNIQUE,
  avatar text NOT NULL DEFAULT '', photo text NOT NULL DEFAULT '', width integer)`
const notes = 'CREATE TABLE notes (id integer PRIMARY KEY, user integer REFERENCES users(id))'

const file = (name: string): File => new File([name], name)
const gif = (name: string, width: number): File =>
  new File([Uint8Array.from([71, 73, 70, 56, 57, 97, width, 0, 1, 0, 0, 0, 0])], name)

let folder: string
let client: ReturnType<typeof createClient>
let db: ReturnType<typeof drizzle>

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'stowage-drizzle-'))
  client = createClient({ url: `file:${join(folder, 'db')}` })
  db = drizzle(client)
  await client.execute(ddl)
  await client.execute(notes)
})

afterEach(async () => {
  client.close()
  rmSync(folder, { recursive: true })
  for await (const { name } of storage.list('')) await storage.delete(name)
})

const stored = async (): Promise<string[]> => (await storage.listdir(''))[1].toSorted()
const named = async (): Promise<unknown[]> =>
  (await client.execute('SELECT avatar FROM users ORDER BY id')).rows.map(row => row['avatar'])
const inTransaction = async <T>(
  work: (rows: ReturnType<typeof rowsOf>, tx: Parameters<typeof fileTable>[0]) => Promise<T>,
): Promise<T> => await fileTransaction(() => db.transaction(async tx => await work(rowsOf(tx), tx)))
const rowsOf = (handle: Parameters<typeof fileTable>[0]) => fileTable(handle, users)

async function one(values: Parameters<ReturnType<typeof rowsOf>['build']>[0]) {
  const [row] = await rowsOf(db).insert(values ?? {})
  if (row === undefined) throw new Error('no row was inserted')
  return row
}

describe('a row of one file table that another one writes', () => {
  it('keeps the content that waits', async () => {
    const row = await one({ title: 'a', avatar: file('old.txt') })
    row.avatar.assign(file('new.txt'))
    await inTransaction(async rows => await rows.update(row, { title: 'b' }))
    expect(row.title).toBe('b')
    expect(await named()).toEqual(['new.txt'])
    expect(await stored()).toEqual(['new.txt'])
  })

  it('shows what it has got there', async () => {
    const row = await one({ title: 'a', avatar: file('old.txt') })
    await inTransaction(async rows => await rows.update(row, { avatar: file('new.txt') }))
    expect(row.avatar.name).toBe('new.txt')
    const built = rowsOf(db).build({ title: 'n', avatar: file('n.txt') })
    await inTransaction(async rows => await rows.insert(built))
    expect(built.id).toBe(2)
    expect(built.avatar.name).toBe('n.txt')
    expect(await named()).toEqual(['new.txt', 'n.txt'])
  })

  it('is saved by its files in the transaction', async () => {
    await one({ title: 'a', avatar: file('old.txt') })
    await expect(
      inTransaction(async rows => {
        const [row] = await rows.find()
        await row?.avatar.save('new.txt', 'new')
        throw new Error('enough')
      }),
    ).rejects.toThrow('enough')
    expect(await named()).toEqual(['old.txt'])
    expect(await stored()).toEqual(['old.txt'])
  })
})

describe('many rows', () => {
  it('lose the files of those that were deleted before one could not be', async () => {
    const a = await one({ title: 'a', avatar: file('a.txt') })
    const b = await one({ title: 'b', avatar: file('b.txt') })
    await client.execute('PRAGMA foreign_keys = on')
    await client.execute({ sql: 'INSERT INTO notes VALUES (1, ?)', args: [b.id] })
    await expect(rowsOf(db).delete(a, b)).rejects.toThrow()
    expect(await named()).toEqual(['b.txt'])
    expect(await stored()).toEqual(['b.txt'])
  })

  it.each([
    ['a file that is refused', { title: 'b', avatar: file('bad.txt') }],
    ['a row that the database refuses', { title: 'a', avatar: file('b.txt') }],
  ])('keep the files of those that stand when a transaction goes on after %s', async (_, bad) => {
    await inTransaction(async rows => {
      await rows.insert({ title: 'a', avatar: file('a.txt') }, bad).catch(() => {})
    })
    expect(await named()).toEqual(['a.txt'])
    expect(await stored()).toEqual(['a.txt'])
  })
})

describe('files of one row that are saved at once', () => {
  const pairs = sqliteTable('pairs', {
    id: integer('id').primaryKey(),
    a: fileColumn(new FileField({ storage })),
    b: fileColumn(new FileField({ storage })),
  })
  const statements: string[] = []
  const build = async () => {
    await client.execute(
      `CREATE TABLE pairs (id integer PRIMARY KEY, a text NOT NULL DEFAULT '', b text NOT NULL DEFAULT '')`,
    )
    statements.length = 0
    const logger = { logQuery: (text: string) => statements.push(text) }
    return fileTable(drizzle(client, { logger }), pairs).build()
  }

  it('make one row of a new one', async () => {
    const row = await build()
    await Promise.all([row.a.save('a.txt', 'a'), row.b.save('b.txt', 'b')])
    const { rows } = await client.execute('SELECT a, b FROM pairs')
    expect(rows).toMatchObject([{ a: 'a.txt', b: 'b.txt' }])
    expect(await stored()).toEqual(['a.txt', 'b.txt'])
  })

  it('are written once, since the next writer may have replaced them then', async () => {
    const row = await build()
    await row.a.save('old.txt', 'old')
    await Promise.all([row.a.save('a.txt', 'a'), row.b.save('b.txt', 'b')])
    for (const column of ['a', 'b']) {
      const written = new RegExp(`^update "pairs" set .*"${column}" = .* where`)
      expect(statements.filter(text => written.test(text)).length).toBe(1)
    }
    expect(await stored()).toEqual(['a.txt', 'b.txt'])
  })
})

it('names its column as it is told to', async () => {
  const people = sqliteTable('people', {
    id: integer('id').primaryKey(),
    coverImage: fileColumn('cover_image', new FileField({ storage })),
  })
  await client.execute(
    `CREATE TABLE people (id integer PRIMARY KEY, cover_image text NOT NULL DEFAULT '')`,
  )
  const [row] = await fileTable(db, people).insert({ coverImage: file('a.txt') })
  await row?.coverImage.save('b.txt', 'b')
  const { rows } = await client.execute('SELECT cover_image FROM people')
  expect(rows).toMatchObject([{ cover_image: 'b.txt' }])
  expect(await stored()).toEqual(['b.txt'])
  const bypass = async () => await db.run(sql`UPDATE people SET cover_image = ''`)
  await expect(bypass()).rejects.toThrow('cover_image')
})

it('leaves no file behind that a row object still shows, and another one has taken away', async () => {
  const row = await one({ title: 'a', avatar: file('a.txt'), photo: gif('p.gif', 1) })
  await inTransaction(async rows => {
    const [other] = await rows.find()
    if (other === undefined) throw new Error('no row')
    expect(row.avatar.name).toBe('a.txt')
    await rows.update(other, { avatar: null, photo: gif('q.gif', 2) })
    await rows.update(row, { photo: gif('r.gif', 3) })
  })
  expect(await named()).toEqual([''])
  expect(await stored()).toEqual(['r.gif'])
})

describe('what an update says', () => {
  it.each([true, false])('of undefined is nothing, looked at: %s', async looks => {
    await one({ title: 'a', avatar: file('a.txt') })
    const [row] = await rowsOf(db).find()
    if (row === undefined) throw new Error('no row')
    if (looks) expect(row.avatar.name).toBe('a.txt')
    await rowsOf(db).update(row, { title: 'b', avatar: undefined })
    expect(row.avatar.name).toBe('a.txt')
    expect(await named()).toEqual(['a.txt'])
    expect(await stored()).toEqual(['a.txt'])
  })

  it.each([true, false])('of null empties the column, looked at: %s', async looks => {
    await one({ title: 'a', avatar: file('a.txt') })
    const [row] = await rowsOf(db).find()
    if (row === undefined) throw new Error('no row')
    if (looks) expect(row.avatar.name).toBe('a.txt')
    await rowsOf(db).update(row, { avatar: null })
    expect(await named()).toEqual([''])
    expect(await stored()).toEqual([])
  })

  it('of a name lets the old file go, and measures the new one', async () => {
    await storage.save('wide.gif', gif('wide.gif', 9))
    await one({ title: 'a', avatar: file('a.txt'), photo: gif('a.gif', 3) })
    const [row] = await rowsOf(db).find()
    if (row === undefined) throw new Error('no row')
    await rowsOf(db).update(row, { avatar: '', photo: 'wide.gif' })
    expect(row.width).toBe(9)
    expect((await client.execute('SELECT width FROM users')).rows[0]?.['width']).toBe(9)
    expect(await stored()).toEqual(['wide.gif'])
    const added = await one({ title: 'b', photo: 'wide.gif' })
    expect(added.width).toBe(9)
  })
})

describe('a transaction that rolled back', () => {
  it('is done over with the same rows', async () => {
    const row = await one({ title: 'a', avatar: file('a.txt') })
    const attempt = async (fails: boolean) =>
      await inTransaction(async rows => {
        await rows.update(row, { title: 'b', avatar: file('b.txt') })
        if (fails) throw new Error('enough')
      })
    await expect(attempt(true)).rejects.toThrow('enough')
    expect(await stored()).toEqual(['a.txt'])
    await attempt(false)
    expect((await rowsOf(db).find())[0]?.title).toBe('b')
    expect(await stored()).toEqual(['b.txt'])
    const removal = async (fails: boolean) =>
      await inTransaction(async rows => {
        await rows.delete(row)
        if (fails) throw new Error('enough')
      })
    await expect(removal(true)).rejects.toThrow('enough')
    expect(await stored()).toEqual(['b.txt'])
    await removal(false)
    expect(await named()).toEqual([])
    expect(await stored()).toEqual([])
  })

  it('keeps what another one has committed before', async () => {
    const row = await one({ title: 'a', avatar: file('a.txt') })
    const twice = fileTransaction(async () => {
      await db.transaction(async tx => {
        await rowsOf(tx).update(row, { avatar: file('b.txt') })
      })
      throw new Error('enough')
    })
    await expect(twice).rejects.toThrow('enough')
    expect(await named()).toEqual(['b.txt'])
    expect(await stored()).toContain('b.txt')
  })

  it('shows a file again whose deletion was undone', async () => {
    const row = await one({ title: 'a', avatar: file('a.txt') })
    const attempt = inTransaction(async rows => {
      const [own] = await rows.find()
      await own?.avatar.delete()
      await rows.update(row, { avatar: null })
      throw new Error('enough')
    })
    await expect(attempt).rejects.toThrow('enough')
    const [again] = await rowsOf(db).find()
    expect(again?.avatar.name).toBe('a.txt')
    expect(await stored()).toEqual(['a.txt'])
  })

  it('keeps a file that was overwritten and that the row still names', async () => {
    const overwriting = sqliteTable('users', {
      id: integer('id').primaryKey({ autoIncrement: true }),
      avatar: fileColumn(new FileField({ storage, overwrite: true })),
    })
    const [row] = await fileTable(db, overwriting).insert({ avatar: file('a.txt') })
    const attempt = fileTransaction(() =>
      db.transaction(async tx => {
        if (row === undefined) throw new Error('no row')
        await fileTable(tx, overwriting).update(row, { avatar: file('a.txt') })
        throw new Error('enough')
      }),
    )
    await expect(attempt).rejects.toThrow('enough')
    expect(await named()).toEqual(['a.txt'])
    expect(await stored()).toEqual(['a.txt'])
  })

  it('leaves rows that can be written once it is over', async () => {
    rowsOf(db)
    const row = await inTransaction(async rows => {
      const [own] = await rows.insert({ title: 'a', avatar: file('a.txt') })
      if (own === undefined) throw new Error('no row')
      return own
    })
    await row.avatar.save('b.txt', 'b')
    await fileTransaction(() => row.avatar.save('c.txt', 'c'))
    expect(await named()).toEqual(['c.txt'])
    expect(await stored()).toEqual(['c.txt'])
  })
})

it('writes what was changed inside a value, and finds rows by the name of a file', async () => {
  const shaped = sqliteTable('shaped', {
    id: integer('id').primaryKey({ autoIncrement: true }),
    meta: text('meta', { mode: 'json' }).$type<{ x: number }>(),
    avatar: fileColumn(new FileField({ storage })),
  })
  await client.execute(
    `CREATE TABLE shaped (id integer PRIMARY KEY, meta text, avatar text NOT NULL DEFAULT '')`,
  )
  const rows = fileTable(db, shaped)
  await rows.insert({ meta: { x: 1 }, avatar: file('a.txt') })
  const [row] = await rows.find(eq(shaped.avatar, fileName('a.txt')))
  if (row?.meta == null) throw new Error('no row')
  row.meta.x = 2
  const meta = async () => (await client.execute('SELECT meta FROM shaped')).rows[0]?.['meta']
  await rows.update(row)
  expect(await meta()).toBe('{"x":2}')
  row.meta.x = 3
  await rows.update(row)
  expect(await meta()).toBe('{"x":3}')
  await rows.update(row, { meta: { x: 4 } })
  row.meta.x = 5
  await rows.update(row)
  expect(await meta()).toBe('{"x":5}')
})

describe('a copy of a row', () => {
  it('is deleted and updated as the row', async () => {
    const row = await one({ title: 'a', avatar: file('a.txt') })
    const copy = await rowsOf(db).update({ ...row, title: 'b' })
    expect(copy.avatar.name).toBe('a.txt')
    await copy.avatar.save('b.txt', 'b')
    expect(await named()).toEqual(['b.txt'])
    expect(await stored()).toEqual(['b.txt'])
    await rowsOf(db).delete({ ...copy })
    expect(await named()).toEqual([])
    expect(await stored()).toEqual([])
  })

  it('is inserted with the file of the row, or with another one', async () => {
    const { id, ...row } = await one({ title: 'a', avatar: file('a.txt') })
    await rowsOf(db).insert({ ...row, title: 'b' })
    await rowsOf(db).insert({ ...row, title: 'c', avatar: file('c.txt') })
    expect(await named()).toEqual(['a.txt', 'a.txt', 'c.txt'])
    const [first] = await rowsOf(db).find(eq(users.id, id))
    if (first !== undefined) await rowsOf(db).delete(first)
    expect(await stored()).toEqual(['a.txt', 'c.txt'])
  })

  it('is refused where it does not tell what the row has', async () => {
    const row = await one({ title: 'a', avatar: file('a.txt') })
    const rows = rowsOf(db)
    const others = [rows.build({ id: row.id }), JSON.parse(JSON.stringify(row)) as typeof row]
    for (const other of others) {
      await expect(rows.update(other, { title: 'b' })).rejects.toThrow(ValidationError)
      await expect(rows.delete(row, other)).rejects.toThrow('insert() writes it')
    }
    expect(await named()).toEqual(['a.txt'])
    await rows.delete(row)
    await rows.delete(row)
    expect(await stored()).toEqual([])
  })
})

it('leaves a property as it is that is to be undefined', async () => {
  const row = await one({ title: 'a', avatar: file('a.txt') })
  await rowsOf(db).update(row, { title: undefined, width: 3 })
  expect(row).toMatchObject({ title: 'a', width: 3 })
})

it('takes the key of a row back that was inserted in a transaction which rolled back', async () => {
  const row = rowsOf(db).build({ title: 'a' })
  const run = inTransaction(async rows => {
    await rows.insert(row)
    expect(row.id).toBe(1)
    throw new Error('enough')
  })
  await expect(run).rejects.toThrow('enough')
  expect('id' in row).toBe(false)
})

it('shows columns that the database, or Drizzle, has made of an update', async () => {
  let version = 0
  const made = sqliteTable('made', {
    id: integer('id').primaryKey(),
    title: text('title'),
    loud: text('loud').generatedAlwaysAs(sql`title || '!'`),
    version: integer('version').$onUpdate(() => ++version),
    avatar: fileColumn(new FileField({ storage })),
  })
  await client.execute(`CREATE TABLE made (id integer PRIMARY KEY, title text,
    loud text GENERATED ALWAYS AS (title || '!'), version integer, avatar text NOT NULL DEFAULT '')`)
  const [row] = await fileTable(db, made).insert({ title: 'a' })
  if (row === undefined) throw new Error('no row')
  const run = db.transaction(async tx => {
    await fileTable(tx, made).update(row, { title: 'b' })
    expect(row).toMatchObject({ loud: 'b!', version: 2 })
    throw new Error('enough')
  })
  await expect(run).rejects.toThrow('enough')
  expect(row).toMatchObject({ loud: 'a!', version: 1 })
  await fileTable(db, made).update(row)
  expect(row).toMatchObject({ title: 'b', loud: 'b!', version: 3 })
})

it('takes the values of custom types as they are', async () => {
  class Tag {
    readonly name: string
    constructor(name: string) {
      this.name = name
    }
  }
  const money = customType<{ data: { amount: number; format(): string }; driverData: number }>({
    dataType: () => 'integer',
    fromDriver: amount => ({ amount, format: () => `${amount} EUR` }),
    toDriver: ({ amount }) => amount,
  })
  const tags = customType<{ data: Tag[]; driverData: string }>({
    dataType: () => 'text',
    fromDriver: names => names.split(',').map(name => new Tag(name)),
    toDriver: all => all.map(({ name }) => name).join(','),
  })
  const custom = sqliteTable('custom', {
    id: integer('id').primaryKey(),
    price: money('price'),
    tags: tags('tags'),
    n: integer('n'),
    avatar: fileColumn(new FileField({ storage })),
  })
  await client.execute(
    `CREATE TABLE custom (id integer PRIMARY KEY, price integer, tags text, n integer, avatar text NOT NULL DEFAULT '')`,
  )
  const rows = fileTable(db, custom)
  await rows.insert({ price: { amount: 2, format: () => '' }, tags: [new Tag('x')] })
  const [row] = await rows.find()
  if (row === undefined) throw new Error('no row')
  expect(row.price?.format()).toBe('2 EUR')
  await client.execute(`UPDATE custom SET tags = 'y', price = 3`)
  await rows.update(row, { n: 1 })
  expect((await client.execute('SELECT tags, price, n FROM custom')).rows[0]).toMatchObject({
    tags: 'y',
    price: 3,
    n: 1,
  })
})

it('writes a row that was given a file which is gone', async () => {
  const a = await one({ title: 'a', avatar: file('a.txt') })
  const b = await one({ title: 'b', avatar: file('b.txt') })
  const run = inTransaction(async rows => {
    await rows.update(a, { avatar: file('n.txt') })
    b.avatar.assign(a.avatar)
    throw new Error('enough')
  })
  await expect(run).rejects.toThrow('enough')
  await rowsOf(db).update(b, { width: 1 })
  expect(b.avatar.name).toBe('b.txt')
  expect(await named()).toEqual(['a.txt', 'b.txt'])
  expect(await stored()).toEqual(['a.txt', 'b.txt'])
})

it('asks the database itself who uses a file, where a cache answers queries', async () => {
  const answers = new Map<string, unknown[]>()
  class Answers extends Cache {
    override strategy(): 'all' {
      return 'all'
    }
    override async get(key: string): Promise<unknown[] | undefined> {
      return answers.get(key)
    }
    override async put(key: string, rows: unknown[], tables: string[]): Promise<void> {
      if (tables.includes('admins')) answers.set(key, rows)
    }
    override async onMutate(): Promise<void> {}
  }
  const admins = sqliteTable('admins', { id: integer().primaryKey(), avatar: fileColumn(small) })
  await client.execute('CREATE TABLE admins (id integer PRIMARY KEY, avatar text NOT NULL)')
  const cached = drizzle(client, { cache: new Answers() })
  fileTable(cached, admins)
  const rows = fileTable(cached, users)
  const [a] = await rows.insert({ avatar: file('a.txt') })
  const [b] = await rows.insert({ avatar: a?.avatar ?? null })
  if (a === undefined || b === undefined) throw new Error('no rows')
  await rows.delete(a)
  await client.execute("INSERT INTO admins (avatar) VALUES ('a.txt')")
  await rows.delete(b)
  expect(await stored()).toEqual(['a.txt'])
})

it('counts on the primary who uses a file, since a replica may not know it yet', async () => {
  const behind = createClient({ url: `file:${join(folder, 'replica')}` })
  await behind.execute(ddl)
  const rows = rowsOf(withReplicas(db, [drizzle(behind)]))
  const [a] = await rows.insert({ title: 'a', avatar: file('a.txt') })
  await rows.insert({ title: 'b', avatar: a?.avatar ?? null })
  if (a !== undefined) await rows.delete(a)
  expect(await named()).toEqual(['a.txt'])
  expect(await stored()).toEqual(['a.txt'])
  behind.close()
})

it('finds rows in an order, page by page', async () => {
  const rows = rowsOf(db)
  const titles = ['b', 'a', 'd', 'c', 'e']
  await rows.insert(...titles.map(title => ({ title, avatar: file(`${title}.txt`) })))
  const found = async (...given: Parameters<typeof rows.find>): Promise<(string | null)[]> =>
    (await rows.find(...given)).map(row => row.avatar.name)
  expect(await found(undefined, { orderBy: users.title, limit: 2 })).toEqual(['a.txt', 'b.txt'])
  const page = { orderBy: [desc(users.title)], limit: 2, offset: 1 }
  expect(await found(undefined, page)).toEqual(['d.txt', 'c.txt'])
  expect(await found(eq(users.title, 'e'), { orderBy: [users.title, users.id] })).toEqual(['e.txt'])
  const [row] = await rows.find(undefined, page)
  await row?.avatar.save('new.txt', 'x')
  expect(await found(undefined, page)).toEqual(['new.txt', 'c.txt'])
})

import { setTimeout as sleep } from 'node:timers/promises'
import { eq, sql } from 'drizzle-orm'
import { int, mysqlTable, varchar } from 'drizzle-orm/mysql-core'
import { drizzle as drizzleMysql } from 'drizzle-orm/mysql2'
import { drizzle } from 'drizzle-orm/node-postgres'
import { integer, pgSchema, pgTable, text } from 'drizzle-orm/pg-core'
import { createConnection, createPool } from 'mysql2/promise'
import pg from 'pg'
import { MemoryStorage, UnsupportedError } from 'stowage'
import { fileColumn, fileTable } from 'stowage/drizzle'
import { FileField } from 'stowage/fields'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { testDatabases } from './database-suite.ts'
import { createPlace, dropPlace, execute, type Kind, type Place } from './place.ts'

testDatabases('drizzle')

const storage = new MemoryStorage({})
const avatar = () => fileColumn(new FileField({ storage }))
const file = (name: string): File => new File([name], name)
const stored = async (): Promise<string[]> => (await storage.listdir(''))[1].toSorted()
const failure = new Error('enough')

/** A place with a table of two rows. */
function placeOf(kind: Kind, ddl: string): () => Place {
  let place: Place
  beforeAll(async () => {
    place = await createPlace(kind)
  })
  afterAll(async () => {
    await dropPlace(place)
  })
  beforeEach(async () => {
    await execute(place, `DROP TABLE IF EXISTS people; ${ddl}`)
    await execute(place, `INSERT INTO people (title, avatar) VALUES ('a', 'a.txt'), ('b', 'b.txt')`)
    for (const name of ['a.txt', 'b.txt']) await storage.save(name, file(name))
  })
  afterEach(async () => {
    for await (const { name } of storage.list('')) await storage.delete(name)
  })
  return () => place
}

describe('Drizzle on PostgreSQL', () => {
  const people = pgTable('people', {
    id: integer('id').primaryKey().generatedAlwaysAsIdentity(),
    title: text('title').unique(),
    avatar: avatar(),
  })
  const place = placeOf(
    'postgres',
    `CREATE TABLE people (id integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY, title text UNIQUE,
      avatar text NOT NULL DEFAULT '')`,
  )
  let pool: pg.Pool
  let db: ReturnType<typeof drizzle>
  const rowsOf = (handle: Parameters<typeof fileTable>[0]) => fileTable(handle, people)
  const rowA = async (rows: ReturnType<typeof rowsOf>) => {
    const [row] = await rows.find(eq(people.title, 'a'))
    if (row === undefined) throw new Error('no row')
    return row
  }
  const named = async (): Promise<string[]> =>
    (await pool.query('SELECT avatar FROM people ORDER BY title')).rows.map(row => row.avatar)

  beforeEach(() => {
    pool = new pg.Pool({ connectionString: place().url, max: 3 })
    db = drizzle(pool)
  })
  afterEach(async () => {
    await pool.end()
  })

  it.each(['update', 'delete'] as const)(
    'keeps the files of a commit that is a rollback, since a plain statement has failed, after %s',
    async method => {
      await db.transaction(async tx => {
        const rows = rowsOf(tx)
        const row = await rowA(rows)
        if (method === 'delete') await rows.delete(row)
        else await rows.update(row, { avatar: file('new.txt') })
        await tx
          .insert(people)
          .values({ title: 'b' })
          .catch(() => {})
      })
      expect(await named()).toEqual(['a.txt', 'b.txt'])
      expect(await stored()).toEqual(['a.txt', 'b.txt'])
    },
  )

  it('writes no file again that such a rollback has given back to a row, and another one has deleted', async () => {
    const row = await rowA(rowsOf(db))
    await db.transaction(async tx => {
      await row.avatar.save('new.txt', 'new')
      await tx
        .insert(people)
        .values({ title: 'b' })
        .catch(() => {})
    })
    await (await rowA(rowsOf(db))).avatar.delete()
    await rowsOf(db).update(row, { title: 'c' })
    expect(await named()).toEqual(['b.txt', ''])
    expect(await stored()).toEqual(['b.txt'])
  })

  it('inserts a row again whose first transaction has rolled back', async () => {
    const row = rowsOf(db).build({ title: 'c', avatar: file('c.txt') })
    const attempt = async (fails: boolean) =>
      await db.transaction(async tx => {
        await rowsOf(tx).insert(row)
        if (fails) throw failure
      })
    await expect(attempt(true)).rejects.toBe(failure)
    await attempt(false)
    expect(await named()).toEqual(['a.txt', 'b.txt', 'c.txt'])
    expect(await stored()).toEqual(['a.txt', 'b.txt', 'c.txt'])
  })

  it('saves a row of a transaction that is over on no connection of others', async () => {
    const row = await db.transaction(tx => rowA(rowsOf(tx)))
    const other = db.transaction(async tx => {
      await tx.execute(sql`SELECT pg_sleep(0.2)`)
      throw failure
    })
    const failed = expect(other).rejects.toBe(failure)
    await row.avatar.save('new.txt', 'new')
    await failed
    expect(await named()).toEqual(['new.txt', 'b.txt'])
    expect(await stored()).toEqual(['b.txt', 'new.txt'])
  })

  it('writes beside a transaction by the table of the database', async () => {
    const row = await rowA(rowsOf(db))
    const run = db.transaction(async () => {
      await rowsOf(db).update(row, { avatar: file('new.txt') })
      throw failure
    })
    await expect(run).rejects.toBe(failure)
    expect(await named()).toEqual(['new.txt', 'b.txt'])
    expect(await stored()).toEqual(['b.txt', 'new.txt'])
  })

  it('writes in the transaction of the only connection, whatever the table is made of', async () => {
    const client = new pg.Client({ connectionString: place().url })
    await client.connect()
    const single = drizzle(client)
    const rows = rowsOf(single)
    const row = await rowA(rows)
    const run = single.transaction(async () => {
      await rows.update(row, { avatar: file('new.txt') })
      throw failure
    })
    await expect(run).rejects.toBe(failure)
    expect(await named()).toEqual(['a.txt', 'b.txt'])
    expect(await stored()).toEqual(['a.txt', 'b.txt'])
    await client.end()
  })

  it('refuses no statement of a table of that name in another schema', async () => {
    rowsOf(db)
    const others = pgSchema('auth').table('people', { id: integer('id'), avatar: text('avatar') })
    await db.execute(sql`CREATE SCHEMA IF NOT EXISTS auth`)
    await db.execute(sql`CREATE TABLE IF NOT EXISTS auth.people (id integer, avatar text)`)
    await db.update(others).set({ avatar: 'x' })
    await db.delete(others)
    await db.execute(sql`DELETE FROM auth.people`)
    for (const table of ['people', 'public.people'])
      expect(() => db.execute(sql.raw(`DELETE FROM ${table}`))).toThrow(UnsupportedError)
  })

  it('keeps the new file of a row that row level security hides from the count', async () => {
    await execute(
      place(),
      `DROP ROLE IF EXISTS tenant; CREATE ROLE tenant LOGIN; GRANT ALL ON people TO tenant;
       ALTER TABLE people ENABLE ROW LEVEL SECURITY;
       CREATE POLICY own ON people USING (current_setting('app.tenant', true) = '1')`,
    )
    const url = new URL(place().url)
    url.username = 'tenant'
    const tenants = new pg.Pool({ connectionString: url.href })
    await drizzle(tenants).transaction(async tx => {
      await tx.execute(sql`SELECT set_config('app.tenant', '1', true)`)
      await rowsOf(tx).insert({ title: 'c', avatar: file('c.txt') })
      const twice = tx.transaction(nested => rowsOf(nested).insert({ title: 'c' }))
      await expect(twice).rejects.toThrow()
    })
    await tenants.end()
    expect(await named()).toEqual(['a.txt', 'b.txt', 'c.txt'])
    expect(await stored()).toEqual(['a.txt', 'b.txt', 'c.txt'])
    await execute(place(), 'DROP TABLE people; DROP ROLE tenant')
  })
})

describe('Drizzle on MariaDB', () => {
  const people = mysqlTable('people', {
    id: int('id').primaryKey().autoincrement(),
    title: varchar('title', { length: 10 }),
    loud: varchar('loud', { length: 10 }).generatedAlwaysAs(sql`concat(title, '!')`),
    avatar: avatar(),
  })
  const place = placeOf(
    'mariadb',
    `CREATE TABLE people (id integer PRIMARY KEY AUTO_INCREMENT, title varchar(10),
      loud varchar(10) AS (concat(title, '!')), avatar varchar(100) NOT NULL DEFAULT '')`,
  )

  it.each([true, false])(
    'keeps the files that a deadlock gives rows back, in a savepoint: %s',
    async isNested => {
      const pool = createPool({ uri: place().url })
      const db = drizzleMysql(pool)
      const other = await createConnection({ uri: place().url })
      await other.query('BEGIN')
      // What has changed more is not chosen to be undone.
      await other.query(`INSERT INTO people (title) VALUES ('c'), ('d'), ('e'), ('f')`)
      await other.query(`UPDATE people SET title = 'B' WHERE id = 2`)
      const run = db.transaction(async tx => {
        const rows = fileTable(tx, people)
        const [row] = await rows.find(eq(people.id, 1))
        if (row !== undefined) await rows.update(row, { avatar: file('new.txt') })
        const waiting = other.query(`UPDATE people SET title = 'A' WHERE id = 1`)
        await sleep(100)
        const change = async (handle: Pick<typeof tx, 'update'>) =>
          await handle.update(people).set({ title: 'x' }).where(eq(people.id, 2))
        const failed = isNested ? tx.transaction(change) : change(tx)
        await expect(failed).rejects.toThrow()
        await waiting
      })
      await run
      await other.query('COMMIT')
      const [found] = await other.query('SELECT avatar FROM people WHERE id < 3 ORDER BY id')
      expect(found).toEqual([{ avatar: 'a.txt' }, { avatar: 'b.txt' }])
      expect(await stored()).toEqual(['a.txt', 'b.txt'])
      await other.end()
      await pool.end()
    },
  )

  it('shows what the database has made of an update', async () => {
    const pool = createPool({ uri: place().url })
    const rows = fileTable(drizzleMysql(pool), people)
    const [row] = await rows.find(eq(people.id, 1))
    if (row !== undefined) await rows.update(row, { title: 'z' })
    expect(row?.loud).toBe('z!')
    await pool.end()
  })
})

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createClient } from '@libsql/client'
import { eq } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/libsql'
import { integer, sqliteTable, text } from 'drizzle-orm/sqlite-core'
import { MemoryStorage, PreconditionFailedError, UnsupportedError, ValidationError } from 'stowage'
import { type FileRow, type FileTable, fileColumn, fileName, fileTable } from 'stowage/drizzle'
import { FileField, fileTransaction } from 'stowage/fields'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

const storage = new MemoryStorage({})
const users = sqliteTable('users', {
  id: integer('id').primaryKey({ autoIncrement: true }),
  title: text('title').unique(),
  avatar: fileColumn(new FileField({ storage })),
})
const ddl = `CREATE TABLE users (id integer PRIMARY KEY AUTOINCREMENT, title text UNIQUE, avatar text NOT NULL DEFAULT '')`

const file = (name: string): File => new File([name], name)
const failure = new Error('enough')

let folder: string
let client: ReturnType<typeof createClient>
let db: ReturnType<typeof drizzle>

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'stowage-drizzle-'))
  client = createClient({ url: `file:${join(folder, 'db')}` })
  db = drizzle(client)
  await client.execute(ddl)
  await client.execute(`INSERT INTO users VALUES (1, 'a', 'a.txt')`)
  await storage.save('a.txt', file('a.txt'))
})

afterEach(async () => {
  client.close()
  rmSync(folder, { recursive: true })
  for await (const { name } of storage.list('')) await storage.delete(name)
})

const stored = async (): Promise<string[]> => (await storage.listdir(''))[1].toSorted()
const named = async (): Promise<unknown[]> =>
  (await client.execute('SELECT avatar FROM users ORDER BY id')).rows.map(row => row['avatar'])
const rowsOf = (handle: Parameters<typeof fileTable>[0]) => fileTable(handle, users)
const first = async (rows: ReturnType<typeof rowsOf>) => {
  const [row] = await rows.find(eq(users.title, 'a'))
  if (row === undefined) throw new Error('no row')
  return row
}

describe.each([0, 1, 2])('a transaction in %i fileTransactions', count => {
  const wrapped = async <T>(work: () => Promise<T>, left = count): Promise<T> =>
    left === 0 ? await work() : await fileTransaction(() => wrapped(work, left - 1))

  it('lets its files follow it when it commits', async () => {
    await wrapped(() =>
      db.transaction(async tx => {
        await (await first(rowsOf(tx))).avatar.save('b.txt', 'b')
        expect(await stored()).toEqual(['a.txt', 'b.txt'])
      }),
    )
    expect(await named()).toEqual(['b.txt'])
    expect(await stored()).toEqual(['b.txt'])
  })

  it('lets its files follow it when it rolls back', async () => {
    const run = wrapped(() =>
      db.transaction(async tx => {
        await (await first(rowsOf(tx))).avatar.save('b.txt', 'b')
        throw failure
      }),
    )
    await expect(run).rejects.toBe(failure)
    expect(await named()).toEqual(['a.txt'])
    expect(await stored()).toEqual(['a.txt'])
  })

  it('lets those of a savepoint follow that', async () => {
    await wrapped(() =>
      db.transaction(async tx => {
        const row = await first(rowsOf(tx))
        const inner = tx.transaction(async nested => {
          await rowsOf(nested).update(row, { avatar: file('b.txt') })
          throw failure
        })
        await expect(inner).rejects.toBe(failure)
        expect(await stored()).toEqual(['a.txt'])
      }),
    )
    expect(await named()).toEqual(['a.txt'])
    expect(await stored()).toEqual(['a.txt'])
  })

  it('keeps those of a write beside it', async () => {
    const row = await first(rowsOf(db))
    const run = wrapped(() =>
      db.transaction(
        async () => {
          await rowsOf(drizzle(client)).update(row, { avatar: file('b.txt') })
          throw failure
        },
        { behavior: 'deferred' },
      ),
    )
    await run.catch(() => {})
    expect(await stored()).toEqual(await named())
  })
})

it('does not see an inner fileTransaction that fails, which undoes nothing', async () => {
  await db.transaction(async tx => {
    const work = fileTransaction(async () => {
      await rowsOf(tx).update(await first(rowsOf(tx)), { avatar: file('b.txt') })
      throw failure
    })
    await expect(work).rejects.toBe(failure)
  })
  expect(await named()).toEqual(['b.txt'])
  expect(await stored()).toEqual(['b.txt'])
})

it('keeps a file whose name a plain statement of the transaction gives again', async () => {
  await db.transaction(async tx => {
    await rowsOf(tx).delete(await first(rowsOf(tx)))
    await tx.insert(users).values({ title: 'moved', avatar: fileName('a.txt') })
  })
  expect(await named()).toEqual(['a.txt'])
  expect(await stored()).toEqual(['a.txt'])
})

describe('the file of a row', () => {
  it('is saved in the transaction that is running, wherever the row is from', async () => {
    const outer = await first(rowsOf(db))
    const earlier = await db.transaction(tx => first(rowsOf(tx)))
    for (const row of [outer, earlier]) {
      const run = db.transaction(async () => {
        await row.avatar.save('b.txt', 'b')
        throw failure
      })
      await expect(run).rejects.toBe(failure)
      expect(row.avatar.name).toBe('a.txt')
      expect(await named()).toEqual(['a.txt'])
      expect(await stored()).toEqual(['a.txt'])
    }
  })

  it('is saved in the transaction of its own database, around one of another', async () => {
    const row = await first(rowsOf(db))
    const other = drizzle({ connection: ':memory:' })
    const run = db.transaction(async () => {
      await other.transaction(async () => await row.avatar.save('b.txt', 'b'))
      throw failure
    })
    await expect(run).rejects.toBe(failure)
    expect(await named()).toEqual(['a.txt'])
    expect(await stored()).toEqual(['a.txt'])
    other.$client.close()
  })

  it('is saved outside once its transaction is over', async () => {
    const row = await db.transaction(tx => first(rowsOf(tx)))
    await row.avatar.save('b.txt', 'b')
    expect(await named()).toEqual(['b.txt'])
    expect(await stored()).toEqual(['b.txt'])
  })

  it.each([true, false])(
    'is saved in the transaction around its savepoint, which committed: %s',
    async isDone => {
      await db.transaction(async tx => {
        let row: Awaited<ReturnType<typeof first>> | undefined
        const inner = tx.transaction(async nested => {
          row = await first(rowsOf(nested))
          if (!isDone) throw failure
        })
        await inner.catch(() => {})
        await row?.avatar.save('b.txt', 'b')
        expect(await stored()).toEqual(['a.txt', 'b.txt'])
      })
      expect(await named()).toEqual(['b.txt'])
      expect(await stored()).toEqual(['b.txt'])
    },
  )
})

describe('what a transaction leaves behind that one of several writes has ended', () => {
  const gate = { open: () => {} }
  const slow = new FileField({
    storage,
    validators: [
      async ({ name }) => {
        if (name === 'bad.txt') throw new ValidationError('bad')
        if (name === 'slow.txt')
          await new Promise<void>(resolve => {
            gate.open = resolve
          })
      },
    ],
  })
  const people = sqliteTable('users', {
    id: integer('id').primaryKey({ autoIncrement: true }),
    avatar: fileColumn(slow),
  })
  type Rows = FileTable<typeof people>

  it.each<[string, (rows: Rows, row: FileRow<typeof people>) => Promise<unknown>]>([
    ['insertion', rows => rows.insert({ avatar: file('slow.txt') })],
    ['update', (rows, row) => rows.update(row, { avatar: file('slow.txt') })],
    ['save of a file', (_, row) => row.avatar.save('slow.txt', 'slow')],
  ])('is no %s outside of it', async (_, write) => {
    let late: Promise<unknown> | undefined
    const run = db.transaction(async tx => {
      const rows = fileTable(tx, people)
      const [row] = await rows.find()
      if (row === undefined) throw new Error('no row')
      late = write(rows, row)
      await Promise.all([late, rows.insert({ avatar: file('bad.txt') })])
    })
    await expect(run).rejects.toThrow('bad')
    gate.open()
    await expect(late).rejects.toThrow(PreconditionFailedError)
    expect(await named()).toEqual(['a.txt'])
    expect(await stored()).toEqual(['a.txt'])
  })
})

it('refuses a transaction that nobody follows', async () => {
  const ended = await db.transaction(async tx => tx)
  expect(() => rowsOf(ended)).toThrow(UnsupportedError)
})

it('leaves transactions without files as they are', async () => {
  expect(await db.transaction(async tx => (await tx.select().from(users)).length)).toBe(1)
  await expect(db.transaction(async tx => tx.rollback())).rejects.toThrow('Rollback')
  expect(Object.keys(Object.getPrototypeOf(Object.getPrototypeOf(db)))).toEqual([])
})

import { join } from 'node:path'
import { createClient } from '@libsql/client'
import { eq } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/libsql'
import { integer, sqliteTable, text } from 'drizzle-orm/sqlite-core'
import { MemoryStorage } from 'stowage'
import { fileColumn, fileTable } from 'stowage/drizzle'
import { FileField } from 'stowage/fields'
import { expect, it } from 'vitest'
import { testAdapter } from './adapter-suite.ts'
import { openDrizzle } from './harness/drizzle.ts'
import type { Fields, Session } from './harness/session.ts'
import { withFolder } from './harness/with-folder.ts'

async function open(folder: string, fields: Fields): Promise<Session> {
  const client = createClient({ url: `file:${join(folder, 'db')}` })
  const db = drizzle(client)
  const documents = sqliteTable('documents', {
    id: integer('id').primaryKey({ autoIncrement: true }),
    title: text('title').notNull().unique(),
    width: integer('width'),
    height: integer('height'),
    normal: fileColumn(fields.normal),
    random: fileColumn(fields.random),
    default: fileColumn(fields.default),
    image: fileColumn(fields.image),
  })
  await client.execute(
    `CREATE TABLE documents (id integer PRIMARY KEY AUTOINCREMENT, title text NOT NULL UNIQUE, width integer, height integer,
     normal text NOT NULL DEFAULT '', random text NOT NULL DEFAULT '', "default" text NOT NULL DEFAULT '', image text NOT NULL DEFAULT '')`,
  )
  return openDrizzle({
    db,
    rows: handle => fileTable(handle, documents),
    titled: title => eq(documents.title, title),
    names: async () => {
      const found = await db.select().from(documents)
      return found.flatMap(row => [row.normal, row.random, row.default, row.image])
    },
    run: statement => db.run(statement),
    remove: async () => await db.delete(documents),
    change: async values => await db.update(documents).set(values),
    upsert: async title =>
      await db
        .insert(documents)
        .values({ title })
        .onConflictDoUpdate({ target: documents.title, set: { normal: 'x' as never } }),
    close: async () => client.close(),
  })
}

testAdapter('Drizzle on SQLite', {
  open: fields => withFolder(folder => open(folder, fields)),
})

it('keeps a file that a row of another table names', async () => {
  const client = createClient({ url: ':memory:' })
  const db = drizzle(client)
  const storage = new MemoryStorage({})
  const table = (name: string) =>
    sqliteTable(name, {
      id: integer('id').primaryKey(),
      file: fileColumn(new FileField({ storage })),
    })
  for (const name of ['users', 'posts'])
    await client.execute(
      `CREATE TABLE ${name} (id integer PRIMARY KEY, file text NOT NULL DEFAULT '')`,
    )
  const users = fileTable(db, table('users'))
  const posts = fileTable(db, table('posts'))
  const stored = async () => (await storage.listdir(''))[1]

  const [user] = await users.insert({ file: new File(['me'], 'me.png') })
  const [post] = await posts.insert({ file: user?.file ?? null })
  expect(post?.file.name).toBe('me.png')
  if (post !== undefined) await posts.delete(post)
  expect(await stored()).toEqual(['me.png'])
  if (user !== undefined) await users.delete(user)
  expect(await stored()).toEqual([])
  client.close()
})

import { join } from 'node:path'
import { createClient } from '@libsql/client'
import { eq } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/libsql'
import { integer, sqliteTable, text } from 'drizzle-orm/sqlite-core'
import { fileColumn, fileTable } from 'stowage/drizzle'
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

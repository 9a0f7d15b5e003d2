import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createClient } from '@libsql/client'
import { eq } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/libsql'
import { integer, sqliteTable, text } from 'drizzle-orm/sqlite-core'
import { fileColumn, fileTable } from 'stowage/drizzle'
import { fileTransaction } from 'stowage/fields'

import { type Fields, type Row, type Session, testAdapter, type Unit } from './adapter-suite.ts'

async function open(fields: Fields): Promise<Session> {
  const folder = mkdtempSync(join(tmpdir(), 'stowage-drizzle-'))
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
  type Handle = Pick<typeof db, 'select' | 'insert' | 'update' | 'delete' | 'transaction'>
  const unit = (handle: Handle): Required<Unit> => {
    const rows = fileTable(handle, documents)
    type Document = ReturnType<typeof rows.build>
    const isDocument = (row: Row): row is Document => 'id' in row
    return {
      make: title => rows.build({ title }),
      save: async row => {
        await rows.save(row)
      },
      remove: async row => {
        if (isDocument(row)) await rows.delete(row)
      },
      find: async title => {
        const [row] = await rows.find(eq(documents.title, title))
        if (row === undefined) throw new Error(`no row ${title}`)
        return row
      },
      nested: async work =>
        await fileTransaction(() => handle.transaction(async tx => await work(unit(tx)))),
    }
  }
  const rows = fileTable(db, documents)
  return {
    ...unit(db),
    transaction: async work =>
      await fileTransaction(() => db.transaction(async tx => await work(unit(tx)))),
    names: async () => {
      const found = await db.select().from(documents)
      return found.flatMap(row => [row.normal, row.random, row.default, row.image])
    },
    bulk: {
      'insert of many': async title =>
        rows.insert(
          { title: `${title}2`, normal: new File(['x'], 'x.txt') },
          { title: `${title}3`, normal: new File(['y'], 'y.txt') },
        ),
      'delete of many': async () => rows.delete(...(await rows.find())),
      'a transaction that nobody knows the end of': title =>
        db.transaction(async tx => {
          await fileTable(tx, documents).insert({
            title: `${title}2`,
            normal: new File(['x'], 'x.txt'),
          })
        }),
    },
    close: async () => {
      client.close()
      rmSync(folder, { recursive: true })
    },
  }
}

testAdapter('Drizzle on SQLite', { open })

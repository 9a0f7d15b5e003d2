import { desc, eq } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/libsql'
import { integer, sqliteTable, text } from 'drizzle-orm/sqlite-core'
import { type FileRow, fileColumn, fileName, fileTable } from 'stowage/drizzle'
import { ImageField } from 'stowage/fields'

/** A project whose files are CommonJS: Drizzle declares its classes a second time for those. */
const table = sqliteTable('users', {
  id: integer('id').primaryKey(),
  name: text('name').notNull(),
  photo: fileColumn(new ImageField()),
})

export async function useDrizzle(): Promise<string | null> {
  const db = drizzle('file:users.db')
  await db.transaction(async tx => {
    const [user] = await fileTable(tx, table).insert({ name: 'Ada' })
    const row: FileRow<typeof table> | undefined = user
    await row?.photo.dimensions()
  })
  const users = fileTable(db, table)
  const [found] = await users.find(eq(table.photo, fileName('photos/x.png')), {
    orderBy: [table.name, desc(table.id)],
    limit: 10,
  })
  // @ts-expect-error no column
  await users.insert({ title: 'Ada' })
  return found?.photo.name ?? null
}

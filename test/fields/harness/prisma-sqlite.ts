import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PrismaLibSql } from '@prisma/adapter-libsql'
import { PrismaClient } from '../../fixtures/prisma/generated/client.ts'

type Options = Omit<ConstructorParameters<typeof PrismaClient>[0], 'adapter' | 'accelerateUrl'>

/** Prisma on SQLite in a file of its own, with the tables of the schema. */
export async function openPrismaOnSqlite(
  options: Options = {},
): Promise<{ readonly base: PrismaClient; close(): Promise<void> }> {
  const folder = mkdtempSync(join(tmpdir(), 'stowage-prisma-'))
  const adapter = new PrismaLibSql({ url: `file:${join(folder, 'db')}` })
  const base = new PrismaClient({ ...options, adapter })
  for (const statement of tables) await base.$executeRawUnsafe(statement)
  return {
    base,
    close: async () => {
      await base.$disconnect()
      rmSync(folder, { recursive: true })
    },
  }
}

const tables = [
  'CREATE TABLE Folder (id INTEGER PRIMARY KEY AUTOINCREMENT)',
  `CREATE TABLE documents (id INTEGER PRIMARY KEY AUTOINCREMENT, title TEXT NOT NULL UNIQUE, width INTEGER, height INTEGER, folderId INTEGER,
   normal TEXT NOT NULL DEFAULT '', random TEXT NOT NULL DEFAULT '', "default" TEXT NOT NULL DEFAULT '', image TEXT NOT NULL DEFAULT '')`,
  `CREATE TABLE Page (chapter INTEGER NOT NULL, number INTEGER NOT NULL, scan TEXT NOT NULL DEFAULT '', folderId INTEGER,
   PRIMARY KEY (chapter, number))`,
]

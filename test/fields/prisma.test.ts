import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PrismaLibSql } from '@prisma/adapter-libsql'
import { ImproperlyConfigured } from 'stowage'
import { FileField, fileTransaction } from 'stowage/fields'
import { fileExtension } from 'stowage/prisma'
import { expect, it } from 'vitest'
import { PrismaClient } from '../fixtures/prisma/generated/client.ts'
import { testAdapter } from './adapter-suite.ts'
import { openPrisma } from './harness/prisma.ts'

async function open(): Promise<{ base: PrismaClient; folder: string }> {
  const folder = mkdtempSync(join(tmpdir(), 'stowage-prisma-'))
  const base = new PrismaClient({
    adapter: new PrismaLibSql({ url: `file:${join(folder, 'db')}` }),
  })
  await base.$executeRawUnsafe(`CREATE TABLE Folder (id INTEGER PRIMARY KEY AUTOINCREMENT)`)
  await base.$executeRawUnsafe(
    `CREATE TABLE documents (id INTEGER PRIMARY KEY AUTOINCREMENT, title TEXT NOT NULL UNIQUE, width INTEGER, height INTEGER, folderId INTEGER,
     normal TEXT NOT NULL DEFAULT '', random TEXT NOT NULL DEFAULT '', "default" TEXT NOT NULL DEFAULT '', image TEXT NOT NULL DEFAULT '')`,
  )
  return { base, folder }
}

testAdapter('Prisma on SQLite', {
  open: async fields => {
    const { base, folder } = await open()
    const session = await openPrisma(base, fields)
    return {
      ...session,
      close: async () => {
        await session.close()
        rmSync(folder, { recursive: true })
      },
    }
  },
})

it('refuses models whose rows the database deletes by itself', () => {
  const base = new PrismaClient({ adapter: new PrismaLibSql({ url: ':memory:' }) })
  expect(() => base.$extends(fileExtension({ item: { file: new FileField() } }))).toThrow(
    ImproperlyConfigured,
  )
  expect(() => base.$extends(fileExtension({ itm: { file: new FileField() } }))).toThrow(
    'model "itm"',
  )
})

it('gives rows that have been written their files, to be saved and read', async () => {
  const { base, folder } = await open()
  const { MemoryStorage } = await import('stowage')
  const field = new FileField({
    storage: new MemoryStorage({}),
    uploadTo: (row: { title?: string }, name) => `${row.title}/${name}`,
  })
  const prisma = base.$extends(fileExtension({ document: { normal: field } }))
  const row = await fileTransaction(() => prisma.document.create({ data: { title: 'a' } }))
  await row.normal.save('b.txt', 'beta')
  expect(row.normal.name).toBe('a/b.txt')
  const found = await prisma.document.findMany({ select: { normal: true } })
  expect(await found[0]?.normal.text()).toBe('beta')
  await base.$disconnect()
  rmSync(folder, { recursive: true })
})

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PrismaLibSql } from '@prisma/adapter-libsql'
import { ImproperlyConfigured } from 'stowage'
import { FileField, fileTransaction } from 'stowage/fields'
import { fileData, fileExtension } from 'stowage/prisma'
import { expect, it } from 'vitest'
import { PrismaClient } from '../fixtures/prisma/generated/client.ts'
import { type Fields, type Row, type Session, testAdapter, type Unit } from './adapter-suite.ts'

const columns = ['normal', 'random', 'default', 'image'] as const

/** Prisma has no rows before they are written: these become rows with their first write. */
class Draft implements Row {
  title: string
  id: number | undefined
  width: number | null = null
  height: number | null = null
  declare normal: Row['normal']
  declare random: Row['normal']
  declare default: Row['normal']
  declare image: Row['normal']

  constructor(title: string, fields: Fields, unit: Unit) {
    this.title = title
    for (const column of columns) {
      this[column] = fields[column].file(fields[column].default, {
        owner: this,
        attribute: column,
        setName: () => {},
        persist: () => unit.save(this),
      })
    }
  }
}

export async function openPrisma(base: PrismaClient, fields: Fields): Promise<Session> {
  const prisma = base.$extends(fileExtension({ document: fields }))
  type Handle = Pick<typeof prisma, 'document'>
  const unit = (handle: Handle): Unit => {
    const own: Unit = {
      make: title => new Draft(title, fields, own),
      save: async row => {
        const { title, normal, random, default: other, image } = row
        const data = {
          title,
          normal: fileData(normal),
          random: fileData(random),
          default: fileData(other),
          image: fileData(image),
        }
        if (row instanceof Draft && row.id === undefined) {
          const created = await handle.document.create({ data })
          row.id = created.id
          for (const column of columns) row[column] = created[column]
        } else await handle.document.update({ where: { id: idOf(row) }, data })
      },
      remove: async row => {
        await handle.document.delete({ where: { id: idOf(row) } })
      },
      find: async title => await handle.document.findUniqueOrThrow({ where: { title } }),
    }
    return own
  }
  return {
    ...unit(prisma),
    transaction: async work => await prisma.$transaction(async tx => await work(unit(tx))),
    names: async () => {
      const rows = await base.document.findMany()
      return rows.flatMap(row => columns.map(column => row[column]))
    },
    bulk: {
      updateMany: title =>
        prisma.document.updateMany({ where: { title }, data: { normal: 'other' } }),
      'updateMany of other columns': title =>
        prisma.document.updateMany({ where: { title }, data: { width: 1 } }),
      deleteMany: title => prisma.document.deleteMany({ where: { title } }),
      createMany: title =>
        prisma.document.createMany({
          data: [{ title: `${title}2`, normal: fileData(new File(['x'], 'x.txt')) }],
        }),
      upsert: title =>
        prisma.document.upsert({
          where: { title },
          create: { title },
          update: { normal: fileData(new File(['x'], 'x.txt')) },
        }),
      'a nested create': title =>
        prisma.folder.create({
          data: {
            documents: {
              create: { title: `${title}2`, normal: fileData(new File(['x'], 'x.txt')) },
            },
          },
        }),
      'a nested delete': async title => {
        const folder = await prisma.folder.create({ data: { documents: { connect: { title } } } })
        await prisma.folder.update({
          where: { id: folder.id },
          data: { documents: { deleteMany: {} } },
        })
      },
      'a transaction of a list': title =>
        prisma.$transaction([prisma.document.delete({ where: { title } })]),
      'update with content': title =>
        prisma.document.update({
          where: { title },
          data: { normal: { set: fileData(new File(['x'], 'x.txt')) } },
        }),
    },
    close: async () => {
      await base.$disconnect()
    },
  }
}

function idOf(row: Row): number {
  const id: unknown = Reflect.get(row, 'id')
  if (typeof id === 'number') return id
  throw new Error('the row was never written')
}

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

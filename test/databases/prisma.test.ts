import { ImproperlyConfigured, MemoryStorage, UnsupportedError } from 'stowage'
import { FileField } from 'stowage/fields'
import { fileData, fileExtension } from 'stowage/prisma'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { PrismaClient } from '../fixtures/prisma/generated/client.ts'
import { clientFor, quoted } from './adapters.ts'
import { testDatabases } from './database-suite.ts'
import { createPlace, dropPlace, execute, kinds, type Place } from './place.ts'

testDatabases('prisma')

const file = (name: string): string => fileData(new File([name], name))
const failure = new Error('roll back')

describe.each(kinds)('files of Prisma on %s', kind => {
  let place: Place
  let base: PrismaClient
  let storage: MemoryStorage

  beforeAll(async () => {
    place = await createPlace(kind)
    const name = (text: string) => quoted(place, text)
    const key = kind === 'postgres' ? 'serial' : 'integer AUTO_INCREMENT'
    await execute(
      place,
      `CREATE TABLE documents (id integer PRIMARY KEY, title varchar(100) NOT NULL UNIQUE, width integer,
       height integer, ${name('folderId')} integer, normal varchar(100) ${caseless(place)} NOT NULL DEFAULT '',
       random varchar(100) NOT NULL DEFAULT '', ${name('default')} varchar(100) NOT NULL DEFAULT '',
       image varchar(100) NOT NULL DEFAULT '');
       CREATE TABLE ${name('Page')} (chapter integer, number integer, scan varchar(100) NOT NULL DEFAULT '',
       ${name('folderId')} integer, PRIMARY KEY (chapter, number));
       CREATE TABLE ${name('Folder')} (id ${key} PRIMARY KEY)`,
    )
    base = await clientFor(place)
  })

  beforeEach(async () => {
    storage = new MemoryStorage({})
    await base.document.deleteMany()
  })

  afterAll(async () => {
    await base.$disconnect()
    await dropPlace(place)
  })

  const setUp = async () => {
    const prisma = base.$extends(
      fileExtension({
        document: { normal: new FileField({ storage }) },
        page: { scan: new FileField({ storage }) },
      }),
    )
    await prisma.document.create({ data: { id: 1, title: 'a', normal: file('a.txt') } })
    await prisma.document.create({ data: { id: 2, title: 'b' } })
    return { prisma, where: { id: 1 } }
  }
  const stored = async (): Promise<string[]> => (await storage.listdir(''))[1]
  const names = async (): Promise<string[]> => {
    const rows = await base.document.findMany({ orderBy: { id: 'asc' } })
    return rows.map(({ normal }) => normal)
  }

  it('give the row that is deleted, or emptied, as Prisma does', async () => {
    const { prisma, where } = await setUp()
    const emptied = await prisma.document.update({ where, data: { normal: '', title: 'c' } })
    expect([emptied.title, emptied.normal.name]).toEqual(['c', null])
    expect(await stored()).toEqual([])
    await prisma.document.update({ where, data: { normal: file('b.txt') } })
    const deleted = await prisma.document.delete({ where })
    expect([deleted.title, deleted.normal.name]).toEqual(['c', 'b.txt'])
    expect(await stored()).toEqual([])
    expect(await names()).toEqual([''])
  })

  it('stay those of rows that an extension marks as deleted instead of deleting them', async () => {
    const { prisma, where } = await setUp()
    const soft = prisma.$extends({
      query: {
        document: {
          delete: ({ args }) => base.document.update({ where: args.where, data: { width: 1 } }),
        },
      },
    })
    const deleted = await soft.document.delete({ where })
    expect(deleted.normal.name).toBe('a.txt')
    expect(await base.document.findUnique({ where })).toMatchObject({ normal: 'a.txt', width: 1 })
    expect(await stored()).toEqual(['a.txt'])
  })

  it('are those of the row whatever a transaction does around a write that is none of its own', async () => {
    const { prisma, where } = await setUp()
    const run = prisma.$transaction(async tx => {
      await tx.document.update({ where: { id: 2 }, data: { normal: file('b.txt') } })
      await prisma.document.update({ where, data: { normal: file('c.txt') } })
      throw failure
    })
    await expect(run).rejects.toBe(failure)
    expect(await names()).toEqual(['c.txt', ''])
    expect(await stored()).toEqual(['c.txt'])
  })

  it('are those of the row where a statement of the transaction has failed', async () => {
    const { prisma, where } = await setUp()
    await prisma.$transaction(async tx => {
      await tx.document.update({ where, data: { normal: file('b.txt') } })
      await tx.document.create({ data: { id: 3, title: 'a' } }).catch(() => {})
    })
    // PostgreSQL has taken everything back, and said nothing.
    const name = kind === 'postgres' ? 'a.txt' : 'b.txt'
    expect(await names()).toEqual([name, ''])
    expect(await stored()).toEqual([name])
  })

  it('follow rows with keys of several columns', async () => {
    const { prisma } = await setUp()
    const key = { chapter: 1, number: 2 }
    const where = { chapter_number: key }
    await prisma.page.create({ data: { ...key, scan: file('b.txt') } })
    await prisma.page.update({ where, data: { scan: file('c.txt') } })
    await prisma.$transaction(async tx => {
      const row = await tx.page.update({ where, data: { scan: file('d.txt') } })
      await row.scan.save('e.txt', 'e')
    })
    expect(await stored()).toEqual(['a.txt', 'e.txt'])
    await prisma.page.delete({ where })
    expect(await stored()).toEqual(['a.txt'])
  })

  it('are written once with what is nested beside them, whoever comes in between', async () => {
    const { prisma, where } = await setUp()
    const update = async (name: string) =>
      await prisma.document.update({
        where,
        data: { normal: file(name), folder: { create: {} } },
      })
    await base.folder.deleteMany()
    await Promise.all(['b.txt', 'c.txt', 'd.txt', 'e.txt'].map(update))
    expect(await base.folder.count()).toBe(4)
    expect(await stored()).toEqual((await names()).filter(name => name !== ''))
  })

  it('may be what a row to be updated is found by', async () => {
    const { prisma } = await setUp()
    await prisma.$transaction(async tx => {
      const where = { id: 1, normal: 'a.txt', NOT: { title: 'b' } }
      await tx.document.update({ where, data: { normal: file('b.txt'), title: 'c' } })
      await expect(
        tx.document.update({ where, data: { normal: file('c.txt') } }),
      ).rejects.toMatchObject({ code: 'P2025' })
    })
    expect(await names()).toEqual(['b.txt', ''])
    expect(await stored()).toEqual(['b.txt'])
  })

  it('are told apart by the case of their names', async () => {
    const { prisma, where } = await setUp()
    await prisma.document.update({ where, data: { normal: file('Photo.png') } })
    await prisma.document.update({ where: { id: 2 }, data: { normal: file('photo.png') } })
    await prisma.document.delete({ where })
    expect(await stored()).toEqual(['photo.png'])
  })
})

it('leaves nothing of a transaction whose commit PostgreSQL refuses', async () => {
  const place = await createPlace('postgres')
  await execute(
    place,
    `CREATE TABLE documents (id serial PRIMARY KEY, title varchar(100) NOT NULL UNIQUE DEFERRABLE INITIALLY DEFERRED,
     width integer, height integer, "folderId" integer, normal varchar(100) NOT NULL DEFAULT '',
     random varchar(100) NOT NULL DEFAULT '', "default" varchar(100) NOT NULL DEFAULT '',
     image varchar(100) NOT NULL DEFAULT '')`,
  )
  const base = await clientFor(place)
  const storage = new MemoryStorage({})
  const prisma = base.$extends(fileExtension({ document: { normal: new FileField({ storage }) } }))
  const create = { data: { title: 'a', normal: file('a.txt') } }
  await prisma.document.create(create)
  const run = prisma.$transaction(async tx => {
    await tx.document.create(create)
  })
  await expect(run).rejects.toThrow('UniqueConstraintViolation')
  expect(await storage.listdir('')).toEqual([[], ['a.txt']])
  await base.$disconnect()
  await dropPlace(place)
})

describe('row level security', () => {
  const role = `tenant_${process.pid}`
  let place: Place
  let owner: PrismaClient
  let base: PrismaClient
  let storage: MemoryStorage

  beforeAll(async () => {
    place = await createPlace('postgres')
    const tenant = `current_setting('app.tenant', true)`
    await execute(
      place,
      `CREATE TABLE documents (id serial PRIMARY KEY, title varchar(100) NOT NULL UNIQUE, width integer,
       height integer, "folderId" integer, normal varchar(100) NOT NULL DEFAULT '',
       random varchar(100) NOT NULL DEFAULT '', "default" varchar(100) NOT NULL DEFAULT '',
       image varchar(100) NOT NULL DEFAULT '', tenant text NOT NULL DEFAULT coalesce(${tenant}, ''));
       ALTER TABLE documents ENABLE ROW LEVEL SECURITY;
       CREATE POLICY own ON documents USING (tenant = ${tenant}) WITH CHECK (tenant = ${tenant});
       CREATE ROLE ${role} LOGIN; GRANT ALL ON documents, documents_id_seq TO ${role}`,
    )
    owner = await clientFor(place)
    const url = new URL(place.url)
    url.username = role
    base = await clientFor({ ...place, url: url.href })
  })

  beforeEach(async () => {
    storage = new MemoryStorage({})
    await owner.document.deleteMany()
  })

  afterAll(async () => {
    await base.$disconnect()
    await owner.$disconnect()
    await execute(place, `DROP OWNED BY ${role}; DROP ROLE ${role}`)
    await dropPlace(place)
  })

  const filesOf = (unrestricted?: PrismaClient) =>
    fileExtension({ document: { normal: new FileField({ storage }) } }, { unrestricted })
  const enter = (client: Pick<PrismaClient, '$executeRaw'>) =>
    client.$executeRaw`SELECT set_config('app.tenant', 't', true)`
  const stored = async (): Promise<string[]> => (await storage.listdir(''))[1]

  it('lets nobody write files where nobody sees all rows', async () => {
    const prisma = base.$extends(filesOf())
    const write = prisma.document.create({ data: { title: 'a', normal: file('a.txt') } })
    await expect(write).rejects.toThrow(ImproperlyConfigured)
    expect(await stored()).toEqual([])
    await prisma.$transaction(async tx => {
      await enter(tx)
      await tx.document.create({ data: { title: 'a', normal: file('a.txt') } })
      await tx.document.create({ data: { title: 'b', normal: 'a.txt' } })
    })
    await prisma.$transaction(async tx => {
      await enter(tx)
      await tx.document.delete({ where: { title: 'b' } })
    })
    expect(await stored()).toEqual(['a.txt'])
  })

  it('hides no row from a client that sees all of them', async () => {
    const files = base.$extends(filesOf(owner))
    // As Prisma shows it.
    const prisma = files.$extends({
      query: {
        $allModels: {
          $allOperations: async ({ args, query }) => {
            const [, result] = await files.$transaction([enter(files), query(args)])
            return result
          },
        },
      },
    })
    const where = { title: 'a' }
    await prisma.document.create({ data: { title: 'a', normal: file('a.txt') } })
    await prisma.document.update({ where, data: { normal: file('b.txt') } })
    expect(await stored()).toEqual(['b.txt'])
    await prisma.document.create({ data: { title: 'b', normal: 'b.txt' } })
    await prisma.document.delete({ where: { title: 'b' } })
    expect(await stored()).toEqual(['b.txt'])
    await files.$transaction(async tx => {
      await enter(tx)
      const row = await tx.document.findUniqueOrThrow({ where })
      await row.normal.save('c.txt', 'c')
      await tx
        .$transaction(async nested => {
          await nested.document.create({ data: { title: 'a' } })
        })
        .catch(() => {})
    })
    expect(await stored()).toEqual(['c.txt'])
    await prisma.document.delete({ where })
    expect(await stored()).toEqual([])
  })
})

it('lets statements pass that are for a table of that name in another schema', async () => {
  const place = await createPlace('postgres')
  await execute(place, 'CREATE SCHEMA auth; CREATE TABLE auth.documents (id integer)')
  const base = await clientFor(place)
  const prisma = base.$extends(fileExtension({ document: { normal: new FileField() } }))
  expect(await prisma.$executeRaw`DELETE FROM auth.documents`).toBe(0)
  await expect(prisma.$executeRaw`DELETE FROM public.documents`).rejects.toThrow(UnsupportedError)
  await expect(prisma.$executeRaw`DELETE FROM documents`).rejects.toThrow(UnsupportedError)
  await base.$disconnect()
  await dropPlace(place)
})

/** As columns are by default on MariaDB; the tests' server compares by bytes. */
function caseless({ kind }: Place): string {
  return kind === 'mariadb' ? 'COLLATE utf8mb4_general_ci' : ''
}

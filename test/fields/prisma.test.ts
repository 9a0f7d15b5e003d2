import { PrismaLibSql } from '@prisma/adapter-libsql'
import { ImproperlyConfigured, MemoryStorage, UnsupportedError } from 'stowage'
import { FileField, fileTransaction, ImageField } from 'stowage/fields'
import { fileData, fileExtension } from 'stowage/prisma'
import { describe, expect, it } from 'vitest'
import { PrismaClient } from '../fixtures/prisma/generated/client.ts'
import { testAdapter } from './adapter-suite.ts'
import { openPrisma } from './harness/prisma.ts'
import { openPrismaOnSqlite } from './harness/prisma-sqlite.ts'

testAdapter('Prisma on SQLite', {
  open: async fields => {
    const { base, close } = await openPrismaOnSqlite()
    return { ...(await openPrisma(base, fields)), close }
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
  const options = { unrestricted: {} }
  expect(() => base.$extends(fileExtension({ page: { scan: new FileField() } }, options))).toThrow(
    '"unrestricted" takes a PrismaClient.',
  )
  // What stands in a comment is none of the schema.
  base.$extends(fileExtension({ page: { scan: new FileField() } }))
})

it.each([
  ['default', undefined],
  ['default', 'tests/other.txt'],
])('refuses the column "%s", whose default is not that of its field: %s', async (column, own) => {
  const { base, close } = await openPrismaOnSqlite()
  const field = new FileField(own === undefined ? {} : { default: own })
  expect(() => base.$extends(fileExtension({ document: { [column]: field } }))).toThrow(
    `"${column}" of Document has another default in the Prisma schema than its field: let @default("…") and \`new FileField({ default })\` name the same file, or let the schema have @default("").`,
  )
  await close()
})

it('gives new rows the default of their field where the schema has none, wherever they are made', async () => {
  const { base, close } = await openPrismaOnSqlite()
  const storage = new MemoryStorage({})
  await storage.save('nobody.txt', 'nobody')
  const normal = new FileField({ storage, default: 'nobody.txt' })
  const prisma = base.$extends(fileExtension({ document: { normal } }))
  const row = await prisma.document.create({ data: { title: 'a' } })
  expect(await row.normal.text()).toBe('nobody')
  await prisma.document.createMany({ data: [{ title: 'b' }, { title: 'c', normal: '' }] })
  await prisma.document.upsert({ where: { title: 'd' }, create: { title: 'd' }, update: {} })
  await prisma.document.upsert({ where: { title: 'c' }, create: { title: 'c' }, update: {} })
  const create = [{ title: 'e' }, { title: 'f', normal: '' }]
  await prisma.folder.create({ data: { documents: { create } } })
  await row.normal.save('a.txt', 'a')
  const rows = await base.document.findMany({ orderBy: { title: 'asc' } })
  expect(rows.map(({ normal: name }) => name)).toEqual([
    'a.txt',
    'nobody.txt',
    '',
    'nobody.txt',
    'nobody.txt',
    '',
  ])
  expect(await storage.exists('nobody.txt')).toBe(true)
  await close()
})

it('refuses content of rows that may be left out as duplicates', async () => {
  const { base, close } = await openPrismaOnSqlite()
  const storage = new MemoryStorage({})
  const prisma = base.$extends(fileExtension({ document: { normal: new FileField({ storage }) } }))
  const data = [{ title: 'a', normal: fileData(new File(['a'], 'a.txt')) }]
  // Databases other than SQLite have it.
  const options = { data, skipDuplicates: true } as { data: typeof data }
  await expect(prisma.document.createMany(options)).rejects.toThrow(UnsupportedError)
  expect((await storage.listdir(''))[1]).toEqual([])
  await close()
})

it('gives rows that have been written their files, to be saved and read', async () => {
  const { base, close } = await openPrismaOnSqlite()
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
  await close()
})

describe('files in what Prisma gives', () => {
  async function openWithFolder() {
    const { base, close } = await openPrismaOnSqlite()
    const field = new FileField({
      storage: new MemoryStorage({}),
      uploadTo: (row: { title?: string }, name) => `${row.title}/${name}`,
    })
    const prisma = base.$extends(fileExtension({ document: { normal: field } }))
    const normal = fileData(new File(['alpha'], 'a.txt'))
    const document = await prisma.document.create({ data: { title: 'a', normal } })
    const { id } = await prisma.folder.create({ data: { documents: { connect: { title: 'a' } } } })
    return { prisma, id, document, close }
  }

  it('are in rows that come with others, however they are asked for', async () => {
    const { prisma, id, close } = await openWithFolder()
    const where = { id }
    const rows = [
      await prisma.folder.findUniqueOrThrow({ where, include: { documents: true } }),
      await prisma.folder.findUniqueOrThrow({ where, select: { documents: true } }),
      await prisma.folder.update({ where, data: {}, include: { documents: { take: 1 } } }),
      { documents: await prisma.folder.findUniqueOrThrow({ where }).documents() },
      ...(await prisma.folder.findMany({
        select: { documents: { select: { normal: true }, where: { title: 'a' } } },
      })),
    ]
    for (const { documents } of rows) {
      expect(documents).toHaveLength(1)
      expect(await documents?.[0]?.normal.text()).toBe('alpha')
    }
    expect(Object.keys(rows[4]?.documents?.[0] ?? {})).toEqual(['normal'])
    await close()
  })

  it('can be saved in rows of which nothing else was asked for', async () => {
    const { prisma, close } = await openWithFolder()
    const [row] = await prisma.document.findMany({ select: { normal: true } })
    expect(Object.keys(row ?? {})).toEqual(['normal'])
    await row?.normal.save('b.txt', 'beta')
    expect(row?.normal.name).toBe('a/b.txt')
    const other = await prisma.document.findFirstOrThrow({ omit: { id: true, title: true } })
    expect(Object.keys(other)).not.toContain('id')
    await other.normal.save('c.txt', 'gamma')
    expect(await (await prisma.document.findFirstOrThrow()).normal.text()).toBe('gamma')
    await close()
  })

  it('ask for nothing but the key of a row, unless their names follow from it', async () => {
    const { base, close } = await openPrismaOnSqlite()
    const seen: unknown[] = []
    const columnsFor = async (field: FileField): Promise<unknown> => {
      const prisma = base.$extends(fileExtension({ document: { normal: field } })).$extends({
        query: {
          document: {
            findMany: ({ args, query }) => {
              seen.push(args)
              return query(args)
            },
          },
        },
      })
      await prisma.document.findMany({ select: { normal: true } })
      await prisma.document.findMany({ omit: { title: true } })
      return seen.splice(0)
    }
    const storage = new MemoryStorage({})
    expect(await columnsFor(new FileField({ storage, uploadTo: 'a/' }))).toEqual([
      { select: { normal: true, id: true } },
      { omit: { title: true } },
    ])
    expect(await columnsFor(new FileField({ storage, uploadTo: () => 'a' }))).toMatchObject([
      { select: { title: true, folderId: true } },
      { omit: { title: false } },
    ])
    await close()
  })

  it('keep the dimensions in step in rows that lack their key', async () => {
    const { base, close } = await openPrismaOnSqlite()
    const storage = new MemoryStorage({})
    const image = new ImageField({ storage, widthColumn: 'width', heightColumn: 'height' })
    const prisma = base.$extends(fileExtension({ document: { image } }))
    const gif = (width: number) =>
      Uint8Array.from([71, 73, 70, 56, 57, 97, width, 0, 1, 0, 0, 0, 0])
    await prisma.document.create({
      data: { title: 'a', image: fileData(new File([gif(3)], 'a.gif')) },
    })
    const select = { image: true, width: true }
    const row = await prisma.document.findFirstOrThrow({ select })
    expect(row.width).toBe(3)
    await row.image.save('b.gif', gif(5))
    expect(Object.keys(row).toSorted()).toEqual(['image', 'width'])
    expect(row.width).toBe(5)
    expect((await prisma.document.findFirstOrThrow({ select })).width).toBe(5)
    await row.image.delete()
    expect(row.width).toBeNull()
    await close()
  })

  it('take the dimensions along where data empties the column', async () => {
    const { base, close } = await openPrismaOnSqlite()
    const storage = new MemoryStorage({})
    const image = new ImageField({ storage, widthColumn: 'width', heightColumn: 'height' })
    const prisma = base.$extends(fileExtension({ document: { image } }))
    const gif = Uint8Array.from([71, 73, 70, 56, 57, 97, 3, 0, 1, 0, 0, 0, 0])
    const content = fileData(new File([gif], 'a.gif'))
    const where = { title: 'a' }
    await prisma.document.create({ data: { ...where, image: content } })
    for (const empty of [fileData(null), '']) {
      const full = await prisma.document.update({ where, data: { image: content } })
      expect(full.width).toBe(3)
      const row = await prisma.document.update({ where, data: { image: empty } })
      expect([row.image.name, row.width, row.height]).toEqual([null, null, null])
    }
    await close()
  })

  it('are left out where nobody asks for them', async () => {
    const { prisma, close } = await openWithFolder()
    expect(await prisma.document.findFirst({ select: { title: true } })).toEqual({ title: 'a' })
    expect(await prisma.document.findFirst({ omit: { normal: true } })).not.toHaveProperty('normal')
    expect(await prisma.document.findFirst({ where: { title: 'none' } })).toBeNull()
    expect(await prisma.document.count()).toBe(1)
    await close()
  })

  it('are members of plain objects, as all columns are', async () => {
    const { document, close } = await openWithFolder()
    expect(Object.getPrototypeOf(document)).toBe(Object.prototype)
    expect(Object.keys(document)).toContain('normal')
    expect(JSON.parse(JSON.stringify({ ...document }))).toMatchObject({ normal: 'a/a.txt' })
    expect(document.normal.owner).toBe(document)
    await close()
  })
})

import { FieldFile } from 'stowage/fields'
import { describe, expect, it } from 'vitest'
import { file, setUp } from './harness/prisma-files.ts'
import { openPrismaOnSqlite } from './harness/prisma-sqlite.ts'

describe('an extension of queries in front of the files', () => {
  it('hides no row from whoever counts them', async () => {
    const { base, files, names, stored } = await setUp()
    const prisma = base
      .$extends({
        query: {
          document: {
            // As those do that hide rows which are marked as deleted.
            findMany: ({ args, query }) =>
              query({ ...args, where: { ...args.where, width: null } }),
          },
        },
      })
      .$extends(files)
    const a = await prisma.document.create({ data: { title: 'a', normal: file('a.txt') } })
    await prisma.document.create({ data: { title: 'b', normal: 'a.txt' } })
    await prisma.document.update({ where: { id: a.id }, data: { width: 1 } })
    await prisma.document.delete({ where: { title: 'b' } })
    expect(await names()).toEqual(['a.txt'])
    expect(await stored()).toEqual(['a.txt'])
    await prisma.document.update({ where: { id: a.id }, data: { normal: file('b.txt') } })
    expect(await stored()).toEqual(['b.txt'])
  })

  it('may read from a replica that lags behind', async () => {
    const { base, files, names, stored } = await setUp()
    const replica = await openPrismaOnSqlite()
    const prisma = base
      .$extends({
        query: {
          document: {
            findMany: ({ args }) => replica.base.document.findMany(args),
            findUnique: ({ args }) => replica.base.document.findUnique(args),
          },
        },
      })
      .$extends(files)
    const { id } = await prisma.document.create({ data: { title: 'a', normal: file('a.txt') } })
    await prisma.document.create({ data: { title: 'b', normal: 'a.txt' } })
    const update = { where: { id }, data: { normal: file('b.txt') } }
    await prisma.$transaction(tx => tx.document.update(update))
    expect(await names()).toEqual(['b.txt', 'a.txt'])
    expect(await stored()).toEqual(['a.txt', 'b.txt'])
    await prisma.document.update({ where: { id }, data: { normal: file('c.txt') } })
    expect(await stored()).toEqual(['a.txt', 'c.txt'])
    await replica.close()
  })

  it('may throw after the row was saved by one of its files', async () => {
    const { base, files, names, stored } = await setUp()
    const prisma = base
      .$extends({
        query: {
          document: {
            update: async ({ args, query }) => {
              await query(args)
              throw new Error('audit')
            },
          },
        },
      })
      .$extends(files)
    const row = await prisma.document.create({ data: { title: 'a', normal: file('a.txt') } })
    await expect(row.normal.save('b.txt', 'b')).rejects.toThrow('audit')
    expect(row.normal.name).toBe('b.txt')
    expect(await names()).toEqual(['b.txt'])
    expect(await stored()).toEqual(['b.txt'])
  })
})

describe('an extension of queries behind the files', () => {
  it('may throw after the write: files are those of the rows', async () => {
    const { prisma, names, stored } = await setUp()
    const audited = prisma.$extends({
      query: {
        document: {
          $allOperations: async ({ args, query }) => {
            await query(args)
            throw new Error('audit')
          },
        },
      },
    })
    const { id } = await prisma.document.create({ data: { title: 'a', normal: file('a.txt') } })
    const where = { id }
    const replace = { where, data: { normal: file('b.txt') } }
    await expect(audited.document.update(replace)).rejects.toThrow('audit')
    expect(await names()).toEqual(['b.txt'])
    expect(await stored()).toEqual(['b.txt'])
    const run = audited.$transaction(tx => tx.document.update(replace))
    await expect(run).rejects.toThrow('audit')
    expect(await stored()).toEqual(['b.txt'])
    await expect(audited.document.delete({ where })).rejects.toThrow('audit')
    expect(await names()).toEqual([])
    expect(await stored()).toEqual([])
  })

  it('may miss records of its own, before the write or after it', async () => {
    const { base, prisma, names, stored } = await setUp()
    const missing = { where: { id: 99 } }
    const { id } = await prisma.document.create({
      data: { title: 'a', width: 0, normal: file('a.txt') },
    })
    const data = { width: { increment: 1 }, normal: file('b.txt') }
    const before = prisma.$extends({
      query: {
        document: {
          update: async ({ args, query }) => {
            await base.folder.findUniqueOrThrow(missing)
            return await query(args)
          },
        },
      },
    })
    const error = { code: 'P2025', meta: { modelName: 'Folder' } }
    await expect(before.document.update({ where: { id }, data })).rejects.toMatchObject(error)
    expect(await names()).toEqual(['a.txt'])
    expect(await stored()).toEqual(['a.txt'])
    const after = prisma.$extends({
      query: {
        document: {
          update: async ({ args, query }) => {
            await query(args)
            return await base.folder.findUniqueOrThrow(missing)
          },
        },
      },
    })
    await expect(after.document.update({ where: { id }, data })).rejects.toMatchObject(error)
    expect(await base.document.findFirst()).toMatchObject({ width: 1, normal: 'b.txt' })
    expect(await stored()).toEqual(['b.txt'])
  })

  it('may mark rows as deleted instead of deleting them', async () => {
    const { base, prisma, names, stored } = await setUp()
    const soft = prisma.$extends({
      query: {
        document: {
          delete: ({ args }) => base.document.update({ where: args.where, data: { width: 1 } }),
        },
      },
    })
    const { id } = await soft.document.create({ data: { title: 'a', normal: file('a.txt') } })
    await soft.document.delete({ where: { id } })
    expect(await names()).toEqual(['a.txt'])
    expect(await stored()).toEqual(['a.txt'])
  })
})

describe('an extension of results', () => {
  const link = {
    needs: { normal: true, title: true },
    compute: (row: { normal: FieldFile; title: string }) =>
      `${row.title}: ${row.normal instanceof FieldFile}`,
  }

  it('gets files, whatever the query asks for', async () => {
    const { prisma } = await setUp({ omit: { document: { width: true } } })
    const client = prisma.$extends({ result: { document: { link } } })
    await client.document.create({ data: { title: 'a', normal: file('a.txt') } })
    await client.folder.create({ data: { documents: { connect: { title: 'a' } } } })
    const { documents } = await client.folder.findFirstOrThrow({
      select: { documents: { select: { link: true } } },
    })
    const answers = [
      await client.document.findFirst(),
      await client.document.findFirst({ select: { link: true } }),
      await client.document.findFirst({ select: { link: true, normal: true } }),
      await client.document.findFirst({ select: { link: true, title: true } }),
      await client.document.findFirst({ omit: { normal: true } }),
      await client.document.findFirst({ omit: { title: true } }),
      ...documents,
      await client.document.update({ where: { title: 'a' }, data: {}, select: { link: true } }),
    ]
    for (const answer of answers) expect(answer?.link).toBe('a: true')
    const [, computed, withFile, withTitle, withoutFile, withoutTitle] = answers
    expect(Object.keys(computed ?? {})).toEqual(['link'])
    expect(JSON.parse(JSON.stringify(withFile))).toEqual({ normal: 'a.txt', link: 'a: true' })
    expect(Object.keys(withTitle ?? {}).toSorted()).toEqual(['link', 'title'])
    expect(Object.keys(withoutFile ?? {})).not.toContain('normal')
    expect(Object.keys(withoutTitle ?? {})).not.toContain('title')
    // Clients without it show what they have shown before.
    expect(await prisma.document.findFirst({ select: { title: true } })).toEqual({ title: 'a' })
  })
})

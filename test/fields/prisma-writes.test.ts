import { makeTypedQueryFactory, skip } from '@prisma/client/runtime/client'
import { UnsupportedError, ValidationError } from 'stowage'
import { FieldFile, FileField, fileTransaction } from 'stowage/fields'
import { fileData, fileExtension } from 'stowage/prisma'
import { describe, expect, it } from 'vitest'
import { file, setUp } from './harness/prisma-files.ts'

const failure = new Error('roll back')

describe('data', () => {
  it('leaves a file as it is where it has undefined or Prisma.skip', async () => {
    const { base, prisma, stored } = await setUp()
    const { id } = await prisma.document.create({ data: { title: 'a', normal: file('a.txt') } })
    const where = { id }
    const nothing: object = { normal: undefined, default: undefined }
    await prisma.document.update({ where, data: { title: 'b', ...nothing } })
    await prisma.document.update({ where, data: { normal: skip } as object })
    await prisma.document.updateMany({ data: { width: 1, ...nothing } })
    await prisma.document.upsert({ where, create: { title: 'c', ...nothing }, update: nothing })
    await prisma.document.create({ data: { title: 'c', ...nothing } })
    await prisma.document.createMany({ data: [{ title: 'd', ...nothing }] })
    await prisma.folder.create({ data: { documents: { create: { title: 'e', ...nothing } } } })
    const rows = await base.document.findMany()
    expect(rows.map(row => row.normal)).toEqual(['a.txt', '', '', ''])
    expect(new Set(rows.map(row => row.default))).toEqual(new Set(['tests/default.txt']))
    expect(await stored()).toEqual(['a.txt'])
  })

  it('may be used again: after a failure, for a second row, in a transaction that is done again', async () => {
    const { prisma, names, stored } = await setUp()
    await prisma.document.create({ data: { title: 'taken' } })
    const data = { title: 'taken', normal: file('a.txt') }
    await expect(prisma.document.create({ data })).rejects.toMatchObject({ code: 'P2002' })
    const { id } = await prisma.document.create({ data: { ...data, title: 'a' } })
    await prisma.document.createMany({ data: [{ ...data, title: 'b' }] })
    const [, , second] = await names()
    expect(second).toMatch(/^a_.+\.txt$/)

    const normal = file('b.txt')
    const attempt = async (fails: boolean) =>
      await prisma.$transaction(async tx => {
        await tx.document.update({ where: { id }, data: { normal } })
        if (fails) throw failure
      })
    await expect(attempt(true)).rejects.toBe(failure)
    expect(await names()).toEqual(['', 'a.txt', second])
    await attempt(false)
    expect(await names()).toEqual(['', 'b.txt', second])
    expect((await stored()).toSorted()).toEqual([second, 'b.txt'].toSorted())
  })

  it('names files of new rows wherever they are made', async () => {
    const { prisma, names, stored } = await setUp()
    const where = { title: 'a' }
    const create = { title: 'a', normal: '' }
    await prisma.document.upsert({ where, create, update: {} })
    await prisma.document.upsert({ where, create: { title: 'a', normal: 'x.txt' }, update: {} })
    await prisma.folder.create({
      data: {
        documents: {
          create: { title: 'b', normal: 'b.txt' },
          connectOrCreate: { where: { title: 'c' }, create: { title: 'c', normal: 'c.txt' } },
        },
      },
    })
    const nested = { where: { title: 'd' }, create: { title: 'd', normal: 'd.txt' }, update: {} }
    await prisma.folder.create({ data: {} })
    await prisma.folder.update({ where: { id: 2 }, data: { documents: { upsert: nested } } })
    await prisma.$transaction([
      prisma.document.create({ data: { title: 'e', normal: 'e.txt' } }),
      prisma.document.upsert({
        where: { title: 'f' },
        create: { title: 'f', normal: '' },
        update: {},
      }),
    ])
    expect(await names()).toEqual(['', 'b.txt', 'c.txt', 'd.txt', 'e.txt', ''])
    const content = { title: 'g', normal: file('g.txt') }
    for (const write of [
      () => prisma.document.upsert({ where: { title: 'g' }, create: content, update: {} }),
      () => prisma.document.upsert({ where, create, update: { normal: '' } }),
      () => prisma.folder.create({ data: { documents: { create: content } } }),
      () => prisma.$transaction([prisma.document.create({ data: content })]),
    ])
      await expect(write()).rejects.toThrow(UnsupportedError)
    expect(await stored()).toEqual([])
  })

  it('leaves a file as it is that the row was read with: it may have got another one since', async () => {
    const { base, files, storage, stored } = await setUp()
    const scan = new FileField({ storage })
    const prisma = base.$extends(files).$extends(fileExtension({ page: { scan } }))
    const { id } = await prisma.document.create({ data: { title: 'a', normal: file('a.txt') } })
    const key = { chapter: 1, number: 2 }
    await prisma.page.create({ data: { ...key, scan: file('b.txt') } })
    const where = { id }
    const whole = await prisma.document.findUniqueOrThrow({ where })
    const part = await prisma.document.findUniqueOrThrow({ where, select: { normal: true } })
    const page = await prisma.page.findUniqueOrThrow({ where: { chapter_number: key } })
    await prisma.document.update({ where, data: { normal: file('c.txt') } })
    await prisma.page.update({ where: { chapter_number: key }, data: { scan: file('d.txt') } })

    const data = { normal: fileData(whole.normal) }
    const late = await prisma.document.update({
      where: { title: 'a' },
      data: { ...data, width: 1 },
    })
    expect(late).toMatchObject({ width: 1, normal: { name: 'c.txt' } })
    await prisma.document.update({ where, data: { normal: fileData(part.normal) } })
    await prisma.page.update({
      where: { chapter_number: key, folderId: null, AND: { number: { gt: 1 } } },
      data: { scan: { set: fileData(page.scan) } },
    })
    expect(await base.document.findUniqueOrThrow({ where })).toMatchObject({ normal: 'c.txt' })
    expect(await base.page.findFirstOrThrow()).toMatchObject({ scan: 'd.txt' })
    expect(await stored()).toEqual(['c.txt', 'd.txt'])
  })

  it('gives a row the file of another one, and the one that it had where the field keeps it', async () => {
    const { prisma, names, stored } = await setUp({}, 'keep')
    const first = await prisma.document.create({ data: { title: 'a', normal: file('a.txt') } })
    const { id } = await prisma.document.create({ data: { title: 'b' } })
    await prisma.document.update({ where: { id }, data: { normal: fileData(first.normal) } })
    await first.normal.save('c.txt', 'c')
    const second = await prisma.document.findUniqueOrThrow({ where: { id } })
    await prisma.document.update({ where: { id }, data: { normal: '' } })
    await prisma.document.update({ where: { id }, data: { normal: fileData(second.normal) } })
    expect(await names()).toEqual(['c.txt', 'a.txt'])
    expect(await stored()).toEqual(['a.txt', 'c.txt'])
  })

  it('is stored under a name that its row gives, also what the data does not say of it', async () => {
    const { base, storage } = await setUp()
    const uploadTo = (row: { title?: string; width?: number }, name: string) =>
      `${row.title}/${row.width}/${name}`
    const normal = new FileField({ storage, uploadTo })
    const prisma = base.$extends(fileExtension({ document: { normal } }))
    const { id } = await prisma.document.create({ data: { title: 'a', normal: file('a.txt') } })
    const where = { id }
    await base.document.update({ where, data: { width: 2 } })
    const names = []
    for (const data of [{ title: 'b' }, { width: { set: 3 } }, { width: { increment: 1 } }]) {
      const row = await prisma.document.update({
        where,
        data: { ...data, normal: file('a.txt') },
      })
      names.push(row.normal.name)
    }
    expect(names.slice(0, 2)).toEqual(['b/2/a.txt', 'b/3/a.txt'])
    expect(names[2]).toMatch(/^b\/3\/a_.+\.txt$/)
  })

  it('stores nothing for a row that is not there, and asks nothing of it', async () => {
    const { base, storage, stored } = await setUp()
    const uploadTo = (row: { title: string }, name: string) => `${row.title.trim()}/${name}`
    const normal = new FileField({ storage, uploadTo })
    const prisma = base.$extends(fileExtension({ document: { normal } }))
    const update = { where: { id: 99 }, data: { normal: file('a.txt') } }
    const missing = { code: 'P2025' }
    await expect(prisma.document.update(update)).rejects.toMatchObject(missing)
    await expect(prisma.$transaction(tx => tx.document.update(update))).rejects.toMatchObject(
      missing,
    )
    expect(await stored()).toEqual([])
  })

  it('may name records that are not there: the error is the one of Prisma', async () => {
    const { prisma, names, stored } = await setUp()
    const { id } = await prisma.document.create({ data: { title: 'a', normal: file('a.txt') } })
    const where = { id }
    const data = { normal: file('b.txt'), folder: { connect: { id: 99 } } }
    const missing = { code: 'P2025', meta: { model: 'Folder' } }
    await expect(prisma.document.update({ where, data })).rejects.toMatchObject(missing)
    await expect(
      prisma.$transaction(tx => tx.document.update({ where, data })),
    ).rejects.toMatchObject(missing)
    expect(await names()).toEqual(['a.txt'])
    expect(await stored()).toEqual(['a.txt'])
  })

  it('is refused where files stand in it as they are', async () => {
    const { prisma, names, stored } = await setUp()
    const { id, ...row } = await prisma.document.create({
      data: { title: 'a', normal: file('a.txt') },
    })
    for (const normal of [row.normal, new File(['b'], 'b.txt'), { set: row.normal }]) {
      const data = { title: 'b', normal } as object as { title: string }
      for (const write of [
        () => prisma.document.update({ where: { id }, data }),
        () => prisma.document.create({ data }),
        () => prisma.document.updateMany({ data }),
        () => prisma.folder.create({ data: { documents: { create: data } } }),
      ])
        await expect(write()).rejects.toThrow(ValidationError)
    }
    expect(await names()).toEqual(['a.txt'])
    expect(await stored()).toEqual(['a.txt'])
  })

  it('is refused by Prisma where another extension puts a file into it behind this one', async () => {
    const { prisma, names, stored } = await setUp()
    const other = prisma.$extends({
      query: {
        document: {
          create: ({ args, query }) =>
            query({ ...args, data: { ...args.data, normal: file('a.txt') } }),
        },
      },
    })
    await expect(other.document.create({ data: { title: 'a' } })).rejects.toThrow(
      'fileData() in a query that no fileExtension sees',
    )
    expect(await names()).toEqual([])
    expect(await stored()).toEqual([])
  })
})

describe('a client', () => {
  it('may leave columns out of its results', async () => {
    const { prisma, names, stored } = await setUp({
      omit: { document: { id: true, title: true, normal: true } },
    })
    const where = { title: 'a' }
    await prisma.document.create({ data: { title: 'a', normal: file('a.txt') } })
    await prisma.document.update({ where, data: { normal: file('b.txt') } })
    expect(await names()).toEqual(['b.txt'])
    const row = await prisma.document.findFirstOrThrow({ omit: { normal: false } })
    expect(Object.keys(row)).not.toContain('id')
    await row.normal.save('c.txt', 'c')
    expect(await names()).toEqual(['c.txt'])
    await prisma.document.delete({ where })
    expect(await stored()).toEqual([])
  })

  it('may count rows whose results lack columns', async () => {
    const { prisma } = await setUp({ omit: { document: { title: true } } })
    expect(await prisma.document.createMany({ data: [{ title: 'a' }] })).toEqual({ count: 1 })
    expect(await prisma.document.updateMany({ data: { width: 1 } })).toEqual({ count: 1 })
    const [row] = await prisma.document.updateManyAndReturn({ data: { width: 2 } })
    expect(Object.keys(row ?? {})).not.toContain('title')
  })

  it('may have several extensions with files, of which each knows the rows of all', async () => {
    const { base, storage, stored } = await setUp()
    const normal = new FileField({ storage })
    const scan = new FileField({ storage })
    const prisma = base
      .$extends(fileExtension({ document: { normal } }))
      .$extends(fileExtension({ page: { scan } }))
    const { id } = await prisma.document.create({ data: { title: 'a', normal: file('a.txt') } })
    await prisma.page.create({ data: { chapter: 1, number: 1, scan: 'a.txt' } })
    await prisma.document.delete({ where: { id } })
    expect(await stored()).toEqual(['a.txt'])
    await prisma.$transaction(async tx => {
      await tx.page.create({ data: { chapter: 1, number: 2, scan: file('b.txt') } })
      await tx.document.create({ data: { title: 'b', normal: file('c.txt') } })
      await expect(tx.page.deleteMany()).rejects.toThrow(UnsupportedError)
    })
    expect(await stored()).toEqual(['a.txt', 'b.txt', 'c.txt'])
    expect(await base.page.findMany({ select: { scan: true } })).toEqual([
      { scan: 'a.txt' },
      { scan: 'b.txt' },
    ])
  })

  it('has rows with keys of several columns', async () => {
    const { base, scan, stored } = await setUp()
    const prisma = base.$extends(fileExtension({ page: { scan } }))
    const key = { chapter: 1, number: 2 }
    const row = await prisma.page.create({ data: { ...key, scan: file('a.txt') } })
    await row.scan.save('b.txt', 'b')
    const where = { chapter_number: key }
    const updated = await prisma.page.update({ where, data: { scan: file('c.txt') } })
    expect(await updated.scan.text()).toBe('c.txt')
    expect(await stored()).toEqual(['c.txt'])
    await prisma.page.delete({ where })
    expect(await stored()).toEqual([])
  })

  it('sums up rows with files of their own', async () => {
    const { prisma } = await setUp()
    await prisma.document.create({ data: { title: 'a', normal: file('a.txt') } })
    const [group] = await prisma.document.groupBy({ by: ['normal'], _max: { default: true } })
    expect(await group?.normal.text()).toBe('a.txt')
    expect(await group?._max.default?.text()).toBe('default')
    const { _min } = await prisma.document.aggregate({ _min: { normal: true } })
    expect(_min.normal).toBeInstanceOf(FieldFile)
    await expect(group?.normal.delete()).rejects.toThrow(UnsupportedError)
  })
})

describe('ways past the rows', () => {
  it('are refused for typed SQL', async () => {
    const { prisma, names } = await setUp()
    await prisma.document.create({ data: { title: 'a', normal: file('a.txt') } })
    const removeAll = makeTypedQueryFactory('DELETE FROM documents RETURNING id')
    await expect(prisma.$queryRawTyped(removeAll() as never)).rejects.toThrow(UnsupportedError)
    expect(await names()).toEqual(['a.txt'])
  })

  it('are open to fields that keep their files', async () => {
    const { prisma, names, stored } = await setUp({}, 'keep')
    const { id } = await prisma.document.create({ data: { title: 'a', normal: file('a.txt') } })
    const where = { id }
    const normal = 'other.txt'
    await prisma.document.updateMany({ data: { normal } })
    await prisma.document.upsert({ where, create: { title: 'b' }, update: { normal } })
    const folder = await prisma.folder.create({
      data: { documents: { create: { title: 'c', normal } } },
    })
    await prisma.$transaction([
      prisma.document.update({ where, data: { normal: 'third.txt' } }),
      prisma.document.create({ data: { title: 'd', normal } }),
    ])
    expect(await names()).toEqual(['third.txt', normal, normal])
    await prisma.folder.update({
      where: { id: folder.id },
      data: { documents: { deleteMany: {} } },
    })
    await prisma.$transaction([prisma.document.delete({ where })])
    expect(await names()).toEqual([normal])
    expect(await stored()).toEqual(['a.txt'])
    await expect(prisma.document.updateMany({ data: { normal: file('b.txt') } })).rejects.toThrow(
      UnsupportedError,
    )
  })

  it('are not seen in nested writes that only look for rows', async () => {
    const { prisma, names } = await setUp()
    await prisma.document.create({ data: { title: 'a', normal: file('a.txt') } })
    const { id } = await prisma.folder.create({
      data: { documents: { connect: { title: 'a', normal: 'a.txt' } } },
    })
    const nested = { documents: { delete: [], deleteMany: [] } }
    await prisma.folder.update({ where: { id }, data: nested })
    const upsert = { where: { title: 'a' }, create: { title: 'b' }, update: { normal: '' } }
    await expect(
      prisma.folder.update({ where: { id }, data: { documents: { upsert } } }),
    ).rejects.toThrow('use create() and update() of document')
    expect(await names()).toEqual(['a.txt'])
  })
})

describe('a transaction', () => {
  it('has the extensions that were put on after the files', async () => {
    const { prisma, stored } = await setUp()
    const seen: string[] = []
    const extended = prisma.$extends({
      client: { greet: () => 'hello' },
      model: { document: { greet: () => 'hi' } },
      query: {
        $allModels: {
          $allOperations: ({ operation, args, query }) => {
            seen.push(operation)
            return query(args)
          },
        },
      },
    })
    const run = extended.$transaction(async tx => {
      await tx.document.create({ data: { title: 'a', normal: file('a.txt') } })
      expect([tx.greet(), tx.document.greet()]).toEqual(['hello', 'hi'])
      throw failure
    })
    await expect(run).rejects.toBe(failure)
    expect(seen).toEqual(['create'])
    expect(await stored()).toEqual([])
  })

  it('carries out what it is asked for at once, also behind a write that fails', async () => {
    const { base, prisma, names, stored } = await setUp()
    await prisma.document.create({ data: { title: 'a', normal: file('a.txt') } })
    await prisma.document.create({ data: { title: 'b', normal: file('b.txt') } })
    await prisma.$transaction(async tx => {
      const replace = async (title: string, name: string) =>
        await tx.document.update({ where: { title }, data: { normal: file(name) } })
      const rows = await Promise.all([
        replace('a', '1.txt'),
        replace('a', '2.txt'),
        replace('a', '3.txt'),
        replace('b', '4.txt'),
      ])
      expect(rows.map(({ title }) => title)).toEqual(['a', 'a', 'a', 'b'])
    })
    const [last = ''] = await names()
    expect(await names()).toEqual([last, '4.txt'])
    expect((await stored()).toSorted()).toEqual([last, '4.txt'])

    const results = await prisma.$transaction(
      async tx =>
        await Promise.allSettled([
          tx.document.create({ data: { title: 'a', normal: file('5.txt') } }),
          tx.document.create({ data: { title: 'c', normal: file('6.txt') } }),
          tx.document.createMany({ data: [{ title: 'd', normal: file('7.txt') }] }),
        ]),
    )
    expect(results.map(({ status }) => status)).toEqual(['rejected', 'fulfilled', 'fulfilled'])
    expect(await base.document.count()).toBe(4)
    expect((await stored()).toSorted()).toEqual([last, '4.txt', '6.txt', '7.txt'].toSorted())
  })

  it('lets alone what others have begun', async () => {
    const { prisma, names, stored } = await setUp()
    const { id } = await prisma.document.create({ data: { title: 'a', normal: file('a.txt') } })
    const where = { id }
    let job: Promise<unknown> | undefined
    let goOn = (): void => {}
    const over = new Promise<void>(resolve => {
      goOn = resolve
    })
    await prisma.$transaction(async tx => {
      job = over.then(async () => {
        await prisma.document.update({ where, data: { normal: file('b.txt') } })
        const row = await prisma.document.findUniqueOrThrow({ where })
        await row.normal.save('c.txt', 'c')
        await prisma.$transaction(async own => {
          await own.document.update({ where, data: { normal: file('d.txt') } })
        })
      })
      await tx.document.update({ where, data: { title: 'b' } })
    })
    goOn()
    await job
    expect(await names()).toEqual(['d.txt'])
    expect(await stored()).toEqual(['d.txt'])
  })

  it('needs no fileTransaction, and follows none', async () => {
    const { prisma, names, stored } = await setUp()
    const run = fileTransaction(async () => {
      const row = await prisma.document.create({ data: { title: 'a', normal: file('a.txt') } })
      await row.normal.save('b.txt', 'b')
      throw failure
    })
    await expect(run).rejects.toBe(failure)
    expect(await names()).toEqual(['b.txt'])
    expect(await stored()).toEqual(['b.txt'])
  })

  it('takes rows that were read before it, and gives rows that can be saved after it', async () => {
    const { prisma, names, stored } = await setUp()
    const before = await prisma.document.create({ data: { title: 'a', normal: file('a.txt') } })
    const run = prisma.$transaction(async () => {
      await before.normal.save('b.txt', 'b')
      throw failure
    })
    await expect(run).rejects.toBe(failure)
    expect(before.normal.name).toBe('a.txt')
    const after = await prisma.$transaction(async tx => await tx.document.findFirstOrThrow())
    await after.normal.save('c.txt', 'c')
    expect(await names()).toEqual(['c.txt'])
    expect(await stored()).toEqual(['c.txt'])
  })

  it('that the client without files has begun takes none', async () => {
    const { base, names, stored } = await setUp()
    const run = base.$transaction(async tx => {
      await tx.document.create({ data: { title: 'a', normal: file('a.txt') } })
    })
    await expect(run).rejects.toThrow('no fileExtension sees')
    expect(await names()).toEqual([])
    expect(await stored()).toEqual([])
  })
})

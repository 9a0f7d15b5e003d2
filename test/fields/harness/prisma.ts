import { fileData, fileExtension } from 'stowage/prisma'
import type { PrismaClient } from '../../fixtures/prisma/generated/client.ts'
import type { Fields, Row, Session, Unit } from './session.ts'

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

/** Prisma on a database with its tables. */
export async function openPrisma(
  base: PrismaClient,
  fields: Fields,
  // What MySQL has no statement for.
  { returning = true }: { readonly returning?: boolean } = {},
): Promise<Session> {
  const prisma = base.$extends(fileExtension({ document: fields }))
  type Transaction = Parameters<Parameters<typeof prisma.$transaction>[0]>[0]
  type Handle = Pick<typeof prisma, 'document' | '$queryRaw'>
  const inside = (tx: Transaction): Unit => ({
    ...unit(tx),
    nested: async work => await tx.$transaction(async nested => await work(inside(nested))),
  })
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
      lock: async title => {
        await handle.$queryRaw`SELECT id FROM documents WHERE title = ${title} FOR UPDATE`
        return await handle.document.findUniqueOrThrow({ where: { title } })
      },
      find: async title => await handle.document.findUniqueOrThrow({ where: { title } }),
    }
    return own
  }
  const returningMany: Session['bulk'] = {
    updateManyAndReturn: async title =>
      prisma.document.updateManyAndReturn({ where: { title }, data: { normal: 'other' } }),
    createManyAndReturn: async title =>
      prisma.document.createManyAndReturn({
        data: [{ title: `${title}2`, normal: fileData(new File(['x'], 'x.txt')) }],
      }),
  }
  return {
    ...unit(prisma),
    transaction: async work => await prisma.$transaction(async tx => await work(inside(tx))),
    names: async () => {
      const rows = await base.document.findMany()
      return rows.flatMap(row => columns.map(column => row[column]))
    },
    bulk: {
      ...(returning ? returningMany : {}),
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
      'upsert of other columns': title =>
        prisma.document.upsert({ where: { title }, create: { title }, update: { width: 1 } }),
      'delete in raw SQL': title =>
        prisma.$executeRaw`DELETE FROM documents WHERE title = ${title}`,
      'delete in unsafe SQL': () => prisma.$executeRawUnsafe('DELETE FROM documents'),
      'a query that deletes': () => prisma.$queryRaw`DELETE FROM documents RETURNING *`,
      'delete in raw SQL of a transaction': () =>
        prisma.$transaction(async tx => await tx.$executeRaw`DELETE FROM documents`),
      'update in raw SQL': () => prisma.$executeRaw`UPDATE documents SET normal = 'x'`,
      'update of other columns in raw SQL': () =>
        prisma.$executeRaw`UPDATE documents SET width = 1`,
      'a nested upsert': async title => {
        const folder = await prisma.folder.create({ data: { documents: { connect: { title } } } })
        await prisma.folder.update({
          where: { id: folder.id },
          data: {
            documents: {
              upsert: {
                where: { title },
                create: { title: `${title}2` },
                update: { normal: fileData(new File(['x'], 'x.txt')) },
              },
            },
          },
        })
      },
      'a nested connectOrCreate': title =>
        prisma.folder.create({
          data: {
            documents: {
              connectOrCreate: {
                where: { title: `${title}2` },
                create: { title: `${title}2`, normal: fileData(new File(['x'], 'x.txt')) },
              },
            },
          },
        }),
      'a nested createMany': title =>
        prisma.folder.create({
          data: {
            documents: {
              createMany: {
                data: [{ title: `${title}2`, normal: fileData(new File(['x'], 'x.txt')) }],
              },
            },
          },
        }),
      'a nested updateMany': async title => {
        const folder = await prisma.folder.create({ data: { documents: { connect: { title } } } })
        await prisma.folder.update({
          where: { id: folder.id },
          data: { documents: { updateMany: { where: {}, data: { normal: 'other' } } } },
        })
      },
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

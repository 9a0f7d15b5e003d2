import { defineEntity, LockMode, MikroORM, type Options, p } from '@mikro-orm/core'
import { FileSubscriber, fileProperty } from 'stowage/mikro-orm'
import type { Fields, Row, Session, Unit } from './session.ts'

interface Builder {
  update(values: object): Builder
  delete(where: object): Builder
  where(where: object): Builder
  execute(): Promise<unknown>
}

interface SqlManager {
  createQueryBuilder(entity: unknown): Builder
}

/** MikroORM on an empty database, or on one that another process has filled. */
export async function openMikroOrm(
  options: Partial<Options>,
  fields: Fields,
  { create = true }: { readonly create?: boolean } = {},
): Promise<Session> {
  const Document = defineEntity({
    name: 'Document',
    tableName: 'documents',
    properties: {
      id: p.integer().primary(),
      title: p.string().unique(),
      width: p.integer().nullable(),
      height: p.integer().nullable(),
      normal: fileProperty(fields.normal),
      random: fileProperty(fields.random),
      default: fileProperty(fields.default),
      image: fileProperty(fields.image),
    },
  })
  const orm = await MikroORM.init({
    ...options,
    entities: [Document],
    subscribers: [new FileSubscriber()],
  })
  if (create) await orm.schema.refresh()
  type Em = typeof orm.em
  const unit = (em: Em, fresh: boolean): Required<Unit> => ({
    make: title => em.create(Document, { title }) as Row,
    save: async row => {
      await em.persist(row).flush()
    },
    remove: async row => {
      await em.remove(row).flush()
    },
    // Outside of a transaction each row comes from a manager of its own, as in two requests.
    find: async title => (await (fresh ? em.fork() : em).findOneOrFail(Document, { title })) as Row,
    lock: async title =>
      (await em.findOneOrFail(
        Document,
        { title },
        { lockMode: LockMode.PESSIMISTIC_WRITE },
      )) as Row,
    nested: async work => await em.transactional(async inner => await work(unit(inner, false))),
  })
  const loose = (): Required<Unit> => unit(orm.em.fork(), true)
  const ownUnit = (): Unit => ({
    make: title => loose().make(title),
    save: async row => await unit(emOf(row), true).save(row),
    remove: async row => await unit(emOf(row), true).remove(row),
    find: async title => await loose().find(title),
  })
  const emOf = (row: Row): Em => {
    const helper: unknown = Reflect.get(row, '__helper')
    return (Reflect.get(Object(helper), '__em') as Em | undefined) ?? orm.em.fork()
  }
  // What SQL drivers have more than others.
  const connection = () =>
    orm.em.getConnection() as object as {
      execute(sql: string, params?: unknown[]): Promise<unknown>
    }
  const builder = () => (orm.em.fork() as object as SqlManager).createQueryBuilder(Document)
  return {
    ...ownUnit(),
    transaction: async work =>
      await orm.em.fork().transactional(async em => await work(unit(em, false))),
    names: async () => {
      const rows: Record<string, string>[] = await orm.em
        .getConnection()
        .execute('select * from documents')
      return rows.flatMap(row =>
        [row['normal'], row['random'], row['default'], row['image']].map(String),
      )
    },
    endsRows: true,
    bulk: {
      nativeUpdate: title =>
        orm.em.fork().nativeUpdate(Document, { title }, { normal: 'other' as never }),
      'nativeUpdate of other columns': title =>
        orm.em.fork().nativeUpdate(Document, { title }, { width: 1 }),
      nativeDelete: title => orm.em.fork().nativeDelete(Document, { title }),
      upsert: title => orm.em.fork().upsert(Document, { title, normal: 'other' as never }),
      'insertMany of names': title =>
        orm.em.fork().insertMany(Document, [{ title: `${title}2`, normal: 'other' as never }]),
      upsertMany: title =>
        orm.em.fork().upsertMany(Document, [{ title, normal: 'other' as never }]),
      'a query builder that updates': async title =>
        builder().update({ normal: 'other' }).where({ title }).execute(),
      'a query builder that deletes': title => builder().delete({ title }).execute(),
      'delete in raw SQL': title =>
        connection().execute('delete from documents where title = ?', [title]),
      'update in raw SQL': () => connection().execute("update documents set normal = 'x'"),
      'update of other columns in raw SQL': () =>
        connection().execute('update documents set width = 1'),
      'many at once': async title => {
        const em = orm.em.fork()
        for (const end of ['x', 'y']) {
          const row = em.create(Document, { title: title + end })
          row.normal.assign(new File([end], 'x.txt'))
        }
        await em.flush()
      },
      'removal of many': async () => {
        const em = orm.em.fork()
        for (const row of await em.find(Document, {})) em.remove(row)
        await em.flush()
      },
    },
    close: async () => {
      await orm.close()
    },
  }
}

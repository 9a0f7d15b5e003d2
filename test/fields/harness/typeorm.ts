import type { FieldFile } from 'stowage/fields'
import { FileColumn, registerFiles } from 'stowage/typeorm'
import {
  Column,
  DataSource,
  type DataSourceOptions,
  Entity,
  type EntityManager,
  PrimaryGeneratedColumn,
} from 'typeorm'
import type { Fields, Row, Session, Unit } from './session.ts'

/** TypeORM on an empty database, or on one that another process has filled. */
export async function openTypeorm(
  options: DataSourceOptions,
  fields: Fields,
  { create = true }: { readonly create?: boolean } = {},
): Promise<Session> {
  class Document implements Row {
    declare id: number
    declare title: string
    declare width: number | null
    declare height: number | null
    declare normal: FieldFile
    declare random: FieldFile
    declare default: FieldFile
    declare image: FieldFile
  }
  const { prototype } = Document
  PrimaryGeneratedColumn()(prototype, 'id')
  Column({ type: 'varchar', length: 100, unique: true })(prototype, 'title')
  Column({ type: 'int', nullable: true })(prototype, 'width')
  Column({ type: 'int', nullable: true })(prototype, 'height')
  for (const column of ['normal', 'random', 'default', 'image'] as const)
    FileColumn(fields[column])(prototype, column)
  Entity('documents')(Document)

  const source = new DataSource({
    ...options,
    entities: [Document],
    synchronize: create,
    dropSchema: create,
  })
  await registerFiles(source)
  await source.initialize()
  const unit = (manager: EntityManager): Required<Unit> => ({
    make: title => Object.assign(new Document(), { title }),
    save: async row => {
      await manager.save(Document, row)
    },
    remove: async row => {
      await manager.remove(Document, row)
    },
    find: async title => await manager.findOneByOrFail(Document, { title }),
    lock: async title =>
      await manager.findOneOrFail(Document, {
        where: { title },
        lock: { mode: 'pessimistic_write' },
      }),
    nested: async work => await manager.transaction(async inner => await work(unit(inner))),
  })
  const documents = source.getRepository(Document)
  const file = (name: string) => new File(['new'], `${name}-new.txt`)
  return {
    ...unit(source.manager),
    transaction: async work => await source.transaction(async manager => await work(unit(manager))),
    names: async () => {
      const rows = await source.query('SELECT * FROM documents')
      return rows.flatMap((row: Record<string, string>) => [
        row['normal'],
        row['random'],
        row['default'],
        row['image'],
      ])
    },
    bulk: {
      'update by condition': title => documents.update({ title }, { normal: () => "'other'" }),
      'delete by condition': title => documents.delete({ title }),
      'query builder delete': title =>
        documents.createQueryBuilder().delete().where({ title }).execute(),
      'query builder update': title =>
        documents
          .createQueryBuilder()
          .update()
          .set({ normal: () => "'other'" })
          .where({ title })
          .callListeners(false)
          .execute(),
      'query builder delete without listeners': title =>
        documents.createQueryBuilder().delete().where({ title }).callListeners(false).execute(),
      'upsert of content': title => documents.upsert({ title, normal: file(title) }, ['title']),
      'delete in raw SQL': title => source.query('DELETE FROM documents WHERE title = ?', [title]),
      'update in raw SQL': title =>
        source.manager.query("UPDATE documents SET normal = 'x' WHERE title = ?", [title]),
      'update of other columns in raw SQL': () => source.query('UPDATE documents SET width = 1'),
      'deletion of all': () => documents.deleteAll(),
      'soft delete': title => documents.update({ title }, { width: 1 }),
      upsert: title => documents.upsert({ title, width: 2, normal: () => "'other'" }, ['title']),
      'upsert of other columns': title => documents.upsert({ title, width: 2 }, ['title']),
      clear: () => documents.clear(),
      'insert of content': title =>
        documents.insert(
          Object.assign(new Document(), { title: `${title} 2`, normal: file(title) }),
        ),
      'save of many': async title => {
        const rows = ['x', 'y'].map(end => Object.assign(new Document(), { title: title + end }))
        for (const row of rows) row.normal.assign(file(title))
        await documents.save(rows)
      },
      'remove of many': async () => documents.remove(await documents.find()),
    },
    close: async () => {
      await source.destroy()
    },
  }
}

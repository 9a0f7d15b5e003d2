import {
  type CreationOptional,
  DataTypes,
  type InferAttributes,
  type InferCreationAttributes,
  Model,
  type Options,
  Sequelize,
  type Transaction,
} from 'sequelize'
import type { FieldFile } from 'stowage/fields'
import { fileAttribute, registerFiles } from 'stowage/sequelize'
import type { Fields, Row, Session, Unit } from './session.ts'

/** Sequelize on an empty database, or on one that another process has filled. */
export async function openSequelize(
  options: Options,
  fields: Fields,
  { create = true }: { readonly create?: boolean } = {},
): Promise<Session> {
  const sequelize = new Sequelize({ ...options, logging: false })
  class Document
    extends Model<InferAttributes<Document>, InferCreationAttributes<Document>>
    implements Row
  {
    declare id: CreationOptional<number>
    declare title: string
    declare width: CreationOptional<number | null>
    declare height: CreationOptional<number | null>
    declare normal: CreationOptional<FieldFile>
    declare random: CreationOptional<FieldFile>
    declare default: CreationOptional<FieldFile>
    declare image: CreationOptional<FieldFile>
  }
  registerFiles(sequelize)
  Document.init(
    {
      id: { type: DataTypes.INTEGER, primaryKey: true, autoIncrement: true },
      title: { type: DataTypes.STRING(100), allowNull: false, unique: true },
      width: DataTypes.INTEGER,
      height: DataTypes.INTEGER,
      normal: fileAttribute(fields.normal),
      random: fileAttribute(fields.random),
      default: fileAttribute(fields.default),
      image: fileAttribute(fields.image),
    },
    { sequelize, tableName: 'documents', timestamps: false },
  )
  if (create) await sequelize.sync({ force: true })
  const given = (transaction: Transaction | undefined) =>
    transaction === undefined ? {} : { transaction }
  const asRow = (row: Row): Document => {
    if (row instanceof Document) return row
    throw new TypeError('not a row of this table')
  }
  const unit = (transaction?: Transaction): Required<Unit> => ({
    make: title => Document.build({ title }),
    save: async row => {
      await asRow(row).save(given(transaction))
    },
    remove: async row => {
      await asRow(row).destroy(given(transaction))
    },
    find: async title =>
      await Document.findOne({ where: { title }, rejectOnEmpty: true, ...given(transaction) }),
    lock: async title =>
      await Document.findOne({
        where: { title },
        rejectOnEmpty: true,
        lock: true,
        ...given(transaction),
      }),
    // Sequelize calls a savepoint in a savepoint as another one, and goes back to the wrong one.
    nested: async work =>
      await sequelize.transaction(given(transaction), async inner => {
        const { nested, ...own } = unit(inner)
        return await work(own)
      }),
  })
  const file = (name: string): never => new File(['new'], `${name}-new.txt`) as never
  return {
    ...unit(),
    transaction: async work => await sequelize.transaction(async own => await work(unit(own))),
    names: async () => {
      const rows = await Document.findAll({ raw: true })
      return rows.flatMap(row => [row.normal, row.random, row.default, row.image].map(String))
    },
    bulk: {
      'update by condition': title =>
        Document.update({ normal: 'other' as never }, { where: { title } }),
      'update of other columns': title => Document.update({ width: 1 }, { where: { title } }),
      'destroy by condition': title => Document.destroy({ where: { title } }),
      truncate: () => Document.truncate(),
      'update without hooks': title =>
        Document.update({ normal: 'other' as never }, { where: { title }, hooks: false }),
      'destroy without hooks': title => Document.destroy({ where: { title }, hooks: false }),
      'upsert without hooks': title =>
        Document.upsert({ title, normal: 'other' as never }, { hooks: false }),
      'delete in raw SQL': title =>
        sequelize.query('DELETE FROM documents WHERE title = :title', { replacements: { title } }),
      'update in raw SQL': () => sequelize.query("UPDATE documents SET normal = 'x'"),
      'update of other columns in raw SQL': () => sequelize.query('UPDATE documents SET width = 1'),
      'bulkDelete of the query interface': title =>
        sequelize.getQueryInterface().bulkDelete('documents', { title }),
      increment: title => Document.increment('width', { where: { title } }),
      findOrCreate: title =>
        Document.findOrCreate({
          where: { title: `${title}2` },
          defaults: { normal: file(title) } as never,
        }),
      'update of some fields': async title => {
        const row = asRow(await unit().find(title))
        row.normal.assign(new File(['x'], 'x.txt'))
        await row.save({ fields: ['normal'] })
      },
      'update of other fields while content waits': async title => {
        const row = asRow(await unit().find(title))
        row.normal.assign(new File(['x'], 'x.txt'))
        await row.save({ fields: ['title'] })
      },
      upsert: title => Document.upsert({ title, normal: 'other' as never }),
      'bulkCreate of content': title =>
        Document.bulkCreate([{ title: `${title}2`, normal: file(title) }]),
      'bulkCreate with hooks': title =>
        Document.bulkCreate([{ title: `${title}2`, normal: file(title) }], {
          individualHooks: true,
        }),
      create: title => Document.create({ title: `${title}2`, normal: file(title) }),
      update: async title =>
        ((await unit().find(title)) as Document).update({ normal: file(title) }),
    },
    close: async () => {
      await sequelize.close()
    },
  }
}

// 10,000 rows with three file fields each, loaded by every adapter, against the same rows with plain columns; and
// the first access of their files. SQLite (libsql) in a file; Mongoose against the small server of the tests.
//   node bench/fields.mjs [--rows 10000] [--rounds 7] [--adapters typeorm,mikro-orm,sequelize,drizzle,prisma,mongoose] [--json]
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createJiti } from 'jiti'
import { MemoryStorage } from 'stowage'
import { FileField } from 'stowage/fields'
import { best, listOption, machine, median, numberOption, print, table } from './measure.mjs'

const count = numberOption('rows', 10_000)
const rounds = numberOption('rounds', 7)
const names = ['first', 'second', 'third']
const jiti = createJiti(import.meta.url)
const folder = mkdtempSync(join(tmpdir(), 'stowage-bench-fields-'))
const storage = new MemoryStorage({})
const create = table =>
  `CREATE TABLE ${table} (id integer PRIMARY KEY AUTOINCREMENT, title varchar(100) NOT NULL,
   ${names.map(name => `"${name}" varchar(100) NOT NULL DEFAULT ''`).join(', ')})`
const valuesOf = index => ({
  title: `row ${index}`,
  ...Object.fromEntries(names.map(name => [name, `${name}/${index}.txt`])),
})
const fill = table =>
  `WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ${count})
   INSERT INTO ${table} (title, ${names.map(name => `"${name}"`).join(', ')})
   SELECT 'row ' || i, ${names.map(name => `'${name}/' || i || '.txt'`).join(', ')} FROM n`
const fields = Object.fromEntries(names.map(name => [name, new FileField({ storage })]))
let databases = 0

/** A database in a file, with both tables and their rows. */
async function database() {
  const { default: Libsql } = await import('libsql')
  const path = join(folder, `db${++databases}`)
  const db = new Libsql(path)
  for (const table of ['plain', 'filed']) {
    db.exec(create(table))
    db.exec(fill(table))
  }
  db.close()
  return path
}

/** Each gives two ways to load all rows, with plain columns and with files. */
const adapters = {
  typeorm: async () => {
    const { Column, DataSource, Entity, PrimaryGeneratedColumn } = await import('typeorm')
    const { FileColumn, registerFiles } = await import('stowage/typeorm')
    const entity = (table, column) => {
      const Row = class {}
      PrimaryGeneratedColumn()(Row.prototype, 'id')
      Column({ type: 'varchar' })(Row.prototype, 'title')
      for (const name of names) column(Row.prototype, name)
      Entity(table)(Row)
      return Row
    }
    const Plain = entity('plain', Column({ type: 'varchar' }))
    const Filed = entity('filed', (target, name) => FileColumn(fields[name])(target, name))
    const source = new DataSource({
      type: 'better-sqlite3',
      database: await database(),
      driver: (await import('libsql')).default,
      entities: [Plain, Filed],
    })
    await registerFiles(source)
    await source.initialize()
    return {
      plain: () => source.manager.find(Plain),
      filed: () => source.manager.find(Filed),
      close: () => source.destroy(),
    }
  },
  'mikro-orm': async () => {
    const { defineEntity, MikroORM, p } = await import('@mikro-orm/libsql')
    const { FileSubscriber, fileProperty } = await import('stowage/mikro-orm')
    const entity = (name, column) =>
      defineEntity({
        name,
        tableName: name.toLowerCase(),
        properties: {
          id: p.integer().primary(),
          title: p.string(),
          ...Object.fromEntries(names.map(key => [key, column(key)])),
        },
      })
    const Plain = entity('Plain', () => p.string())
    const Filed = entity('Filed', key => fileProperty(fields[key]))
    const orm = await MikroORM.init({
      dbName: await database(),
      entities: [Plain, Filed],
      subscribers: [new FileSubscriber()],
    })
    return {
      plain: () => orm.em.fork().find(Plain, {}),
      filed: () => orm.em.fork().find(Filed, {}),
      close: () => orm.close(),
    }
  },
  sequelize: async () => {
    const { DataTypes, Sequelize } = await import('sequelize')
    const { fileAttribute, registerFiles } = await import('stowage/sequelize')
    const { sqlite3 } = await jiti.import('../test/fields/libsql-as-sqlite3.ts')
    const sequelize = new Sequelize({
      dialect: 'sqlite',
      dialectModule: sqlite3,
      storage: await database(),
      logging: false,
    })
    registerFiles(sequelize)
    const model = (tableName, column) =>
      sequelize.define(
        tableName,
        {
          title: DataTypes.STRING,
          ...Object.fromEntries(names.map(name => [name, column(name)])),
        },
        { tableName, timestamps: false },
      )
    const Plain = model('plain', () => ({ type: DataTypes.STRING }))
    const Filed = model('filed', name => fileAttribute(fields[name]))
    return {
      plain: () => Plain.findAll(),
      filed: () => Filed.findAll(),
      close: () => sequelize.close(),
    }
  },
  drizzle: async () => {
    const { createClient } = await import('@libsql/client')
    const { drizzle } = await import('drizzle-orm/libsql')
    const { integer, sqliteTable, text } = await import('drizzle-orm/sqlite-core')
    const { fileColumn, fileTable } = await import('stowage/drizzle')
    const client = createClient({ url: `file:${await database()}` })
    const db = drizzle(client)
    const made = (name, column) =>
      sqliteTable(name, {
        id: integer('id').primaryKey(),
        title: text('title').notNull(),
        ...Object.fromEntries(names.map(key => [key, column(key)])),
      })
    const plain = made('plain', key => text(key).notNull())
    const filed = fileTable(
      db,
      made('filed', key => fileColumn(fields[key])),
    )
    return {
      plain: () => db.select().from(plain),
      filed: () => filed.find(),
      close: () => client.close(),
    }
  },
  prisma: async () => {
    const { PrismaLibSql } = await import('@prisma/adapter-libsql')
    const { fileExtension } = await import('stowage/prisma')
    const { PrismaClient } = await jiti.import('../test/fixtures/prisma/generated/client.ts')
    const base = new PrismaClient({
      adapter: new PrismaLibSql({ url: `file:${join(folder, 'prisma')}` }),
    })
    await base.$executeRawUnsafe(
      `CREATE TABLE documents (id integer PRIMARY KEY AUTOINCREMENT, title text NOT NULL UNIQUE, width integer,
       height integer, folderId integer, ${['normal', 'random', '"default"', 'image'].map(name => `${name} text NOT NULL DEFAULT ''`).join(', ')})`,
    )
    await base.$executeRawUnsafe(
      fill('documents').replace('"first", "second", "third"', 'normal, random, image'),
    )
    const { first, second, third } = fields
    const files = { document: { normal: first, random: second, image: third } }
    const prisma = base.$extends(fileExtension(files))
    return {
      keys: ['normal', 'random', 'image'],
      plain: () => base.document.findMany(),
      filed: () => prisma.document.findMany(),
      close: () => base.$disconnect(),
    }
  },
  mongoose: async () => {
    const { default: mongoose, Schema } = await import('mongoose')
    const { filePlugin } = await import('stowage/mongoose')
    const { MongoServer } = await jiti.import('../test/fields/mongo-server.ts')
    const server = await MongoServer.start()
    const connection = await mongoose.createConnection(server.url).asPromise()
    const plainSchema = new Schema({
      title: String,
      ...Object.fromEntries(names.map(name => [name, String])),
    })
    const filedSchema = new Schema({ title: String })
    filedSchema.plugin(filePlugin(fields))
    const Plain = connection.model('Plain', plainSchema, 'rows')
    const Filed = connection.model('Filed', filedSchema, 'rows')
    await Plain.insertMany(Array.from({ length: count }, (_, index) => valuesOf(index)))
    return {
      plain: () => Plain.find(),
      filed: () => Filed.find(),
      close: async () => {
        await connection.close()
        await server.close()
      },
    }
  },
}

/** Loads in turn, so that a busy moment meets both. */
async function measure({ plain, filed, keys = names }) {
  const times = { plain: [], filed: [], access: [] }
  for (let round = -1; round < rounds; round++) {
    const order = round % 2 === 0 ? ['plain', 'filed'] : ['filed', 'plain']
    for (const kind of order) {
      globalThis.gc?.()
      const start = process.cpuUsage()
      const rows = await (kind === 'plain' ? plain() : filed())
      const used = process.cpuUsage(start)
      if (rows.length !== count) throw new Error(`${rows.length} rows were loaded, not ${count}.`)
      if (round >= 0) times[kind].push((used.user + used.system) / 1000)
      if (kind === 'plain') continue
      globalThis.gc?.()
      const access = performance.now()
      let found = 0
      for (const row of rows) for (const key of keys) if (row[key].hasFile()) found++
      const each = ((performance.now() - access) * 1000) / found
      if (found !== count * keys.length) throw new Error(`${found} files were found.`)
      if (round >= 0) times.access.push(each)
    }
  }
  return times
}

const results = {}
try {
  for (const name of listOption('adapters', Object.keys(adapters))) {
    const adapter = await adapters[name]()
    const { plain, filed, access } = await measure(adapter)
    await adapter.close()
    results[name] = {
      plain: best(plain),
      filed: best(filed),
      more: best(filed) / best(plain) - 1,
      medianMore: median(filed) / median(plain) - 1,
      access: best(access),
    }
  }
} finally {
  rmSync(folder, { recursive: true, force: true })
}

const percent = share => `${(100 * share).toFixed(0)} %`
print({ machine: machine(), rows: count, results }, () =>
  table([
    [
      '10,000 rows, 3 files each',
      'plain, ms of CPU',
      'with files',
      'more: best (median)',
      'first access, µs',
    ],
    ...Object.entries(results).map(([name, { plain, filed, more, medianMore, access }]) => [
      name,
      plain.toFixed(0),
      filed.toFixed(0),
      `${percent(more)} (${percent(medianMore)})`,
      access.toFixed(2),
    ]),
  ]),
)
process.exit()

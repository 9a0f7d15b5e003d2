import { MariaDbDriver } from '@mikro-orm/mariadb'
import { PostgreSqlDriver } from '@mikro-orm/postgresql'
import { PrismaMariaDb } from '@prisma/adapter-mariadb'
import { PrismaPg } from '@prisma/adapter-pg'
import { eq } from 'drizzle-orm'
import { int, mysqlTable, varchar as mysqlVarchar } from 'drizzle-orm/mysql-core'
import { drizzle as drizzleMysql } from 'drizzle-orm/mysql2'
import { drizzle as drizzlePg } from 'drizzle-orm/node-postgres'
import { integer, pgTable, serial, varchar } from 'drizzle-orm/pg-core'
import { createPool } from 'mysql2/promise'
import pg from 'pg'
import { fileColumn, fileTable } from 'stowage/drizzle'
import { openDrizzle } from '../fields/harness/drizzle.ts'
import { openMikroOrm } from '../fields/harness/mikro-orm.ts'
import { openPrisma } from '../fields/harness/prisma.ts'
import { openSequelize } from '../fields/harness/sequelize.ts'
import type { Fields, Session } from '../fields/harness/session.ts'
import { openTypeorm } from '../fields/harness/typeorm.ts'
import type { PrismaClient } from '../fixtures/prisma/generated/client.ts'
import { execute, type Place } from './place.ts'
import { clientOf } from './prisma-clients.ts'

/** `create`: whether the tables are made; a second process finds them there. */
interface Opening {
  readonly create: boolean
}

type Open = (place: Place, fields: Fields, opening: Opening) => Promise<Session>

/** Connections at most: what runs at once has one each. */
const connections = 6

async function typeorm({ kind, url }: Place, fields: Fields, opening: Opening): Promise<Session> {
  const extra = kind === 'postgres' ? { max: connections } : { connectionLimit: connections }
  return await openTypeorm({ type: kind, url, extra }, fields, opening)
}

async function sequelize({ kind, url }: Place, fields: Fields, opening: Opening): Promise<Session> {
  const { hostname, port, username, pathname } = new URL(url)
  const options = {
    dialect: kind === 'postgres' ? 'postgres' : 'mysql',
    host: hostname,
    port: Number(port),
    username,
    database: pathname.slice(1),
    pool: { max: connections },
  } as const
  return await openSequelize(options, fields, opening)
}

async function mikroOrm({ kind, url }: Place, fields: Fields, opening: Opening): Promise<Session> {
  const driver = kind === 'postgres' ? PostgreSqlDriver : MariaDbDriver
  const options = { driver, clientUrl: url, pool: { max: connections } }
  return await openMikroOrm(options, fields, opening)
}

async function drizzle(place: Place, fields: Fields, { create }: Opening): Promise<Session> {
  if (create) await execute(place, createDocuments(place))
  return place.kind === 'postgres'
    ? drizzleOnPostgres(place, fields)
    : drizzleOnMariadb(place, fields)
}

function drizzleOnPostgres({ url }: Place, fields: Fields): Session {
  const pool = new pg.Pool({ connectionString: url, max: connections })
  // The server may end connections, also while they are in use: the pool makes others.
  pool.on('error', () => {})
  pool.on('connect', client => client.on('error', () => {}))
  const db = drizzlePg(pool)
  const documents = pgTable('documents', {
    id: serial('id').primaryKey(),
    title: varchar('title', { length: 100 }).notNull().unique(),
    width: integer('width'),
    height: integer('height'),
    normal: fileColumn(fields.normal),
    random: fileColumn(fields.random),
    default: fileColumn(fields.default),
    image: fileColumn(fields.image),
  })
  return openDrizzle({
    db,
    rows: handle => fileTable(handle, documents),
    titled: title => eq(documents.title, title),
    names: async () => {
      const found = await db.select().from(documents)
      return found.flatMap(row => [row.normal, row.random, row.default, row.image])
    },
    run: async statement => await db.execute(statement),
    remove: async () => await db.delete(documents),
    change: async values => await db.update(documents).set(values),
    upsert: async title =>
      await db
        .insert(documents)
        .values({ title })
        .onConflictDoUpdate({ target: documents.title, set: { normal: 'x' as never } }),
    close: () => pool.end(),
  })
}

function drizzleOnMariadb({ url }: Place, fields: Fields): Session {
  const pool = createPool({ uri: url, connectionLimit: connections })
  const db = drizzleMysql(pool)
  const documents = mysqlTable('documents', {
    id: int('id').primaryKey().autoincrement(),
    title: mysqlVarchar('title', { length: 100 }).notNull().unique(),
    width: int('width'),
    height: int('height'),
    normal: fileColumn(fields.normal),
    random: fileColumn(fields.random),
    default: fileColumn(fields.default),
    image: fileColumn(fields.image),
  })
  return openDrizzle({
    db,
    rows: handle => fileTable(handle, documents),
    titled: title => eq(documents.title, title),
    names: async () => {
      const found = await db.select().from(documents)
      return found.flatMap(row => [row.normal, row.random, row.default, row.image])
    },
    run: async statement => await db.execute(statement),
    remove: async () => await db.delete(documents),
    change: async values => await db.update(documents).set(values),
    upsert: async title =>
      await db
        .insert(documents)
        .values({ title })
        .onDuplicateKeyUpdate({ set: { normal: 'x' as never } }),
    close: () => pool.end(),
  })
}

async function prisma(place: Place, fields: Fields, { create }: Opening): Promise<Session> {
  if (create) {
    const folders = quoted(place, 'Folder')
    await execute(place, `DROP TABLE IF EXISTS ${folders}`)
    await execute(
      place,
      `CREATE TABLE ${folders} (id ${autoKey(place)}); ${createDocuments(place)}`,
    )
  }
  return await openPrisma(await clientFor(place), fields, { returning: place.kind === 'postgres' })
}

/** Prisma without files. */
export async function clientFor(place: Place): Promise<PrismaClient> {
  const Client = await clientOf(place.kind)
  return new Client({ adapter: prismaAdapter(place) })
}

function prismaAdapter({ kind, url }: Place): PrismaPg | PrismaMariaDb {
  if (kind === 'postgres') return new PrismaPg({ connectionString: url, max: connections })
  const { hostname, port, username, pathname } = new URL(url)
  return new PrismaMariaDb({
    host: hostname,
    port: Number(port),
    user: username,
    database: pathname.slice(1),
    connectionLimit: connections,
  })
}

/** The table of the harnesses that make none themselves. */
function createDocuments(place: Place): string {
  const file = (name: string, value = '') =>
    `${quoted(place, name)} varchar(100) NOT NULL DEFAULT '${value}'`
  return `DROP TABLE IF EXISTS documents; CREATE TABLE documents (
    id ${autoKey(place)}, title varchar(100) NOT NULL UNIQUE, width integer, height integer,
    ${quoted(place, 'folderId')} integer, ${file('normal')}, ${file('random')},
    ${file('default', 'tests/default.txt')}, ${file('image')})`
}

function autoKey({ kind }: Place): string {
  return kind === 'postgres' ? 'serial PRIMARY KEY' : 'integer PRIMARY KEY AUTO_INCREMENT'
}

export function quoted({ kind }: Place, name: string): string {
  return kind === 'postgres' ? `"${name}"` : `\`${name}\``
}

export const adapters = { typeorm, sequelize, mikroOrm, drizzle, prisma } as const satisfies Record<
  string,
  Open
>

export type AdapterName = keyof typeof adapters

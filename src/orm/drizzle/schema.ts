import { getTableColumns, getTableName, is, type Table } from 'drizzle-orm'
import { MySqlTable, getTableConfig as mysqlConfig } from 'drizzle-orm/mysql-core'
import { PgTable, getTableConfig as pgConfig } from 'drizzle-orm/pg-core'
import { SQLiteTable, getTableConfig as sqliteConfig } from 'drizzle-orm/sqlite-core'
import { ImproperlyConfigured } from '../../core/errors.ts'

/** Names of the properties that hold the primary key, also one of several columns. */
export function primaryKeys(table: Table): readonly string[] {
  const columns = getTableColumns(table)
  const composite = configOf(table).primaryKeys.flatMap(key => key.columns.map(({ name }) => name))
  const keys = Object.entries(columns).flatMap(([key, column]) =>
    column.primary || composite.includes(column.name) ? [key] : [],
  )
  if (keys.length > 0) return keys
  throw new ImproperlyConfigured(`The table "${getTableName(table)}" has no primary key.`)
}

/** The schema that statements of other tables of the same name do not name, where it can be known. */
export function schemaOf(table: Table): string | undefined {
  const usual = is(table, PgTable) ? 'public' : is(table, SQLiteTable) ? 'main' : undefined
  return configOf(table).schema ?? usual
}

interface TableShape {
  readonly schema?: string | undefined
  readonly primaryKeys: readonly { readonly columns: readonly { readonly name: string }[] }[]
  readonly foreignKeys: readonly { readonly onDelete: string | undefined }[]
}

function configOf(table: Table): TableShape {
  if (is(table, PgTable)) return pgConfig(table)
  if (is(table, MySqlTable)) return mysqlConfig(table)
  if (is(table, SQLiteTable)) return sqliteConfig(table)
  throw new ImproperlyConfigured('fileTable() takes a table of PostgreSQL, MySQL or SQLite.')
}

/** Whether the database deletes rows of the table with those of another one. */
export function isCascaded(table: Table): boolean {
  return configOf(table).foreignKeys.some(({ onDelete }) => onDelete === 'cascade')
}

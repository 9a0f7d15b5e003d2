import { AsyncLocalStorage } from 'node:async_hooks'
import {
  type Column,
  entityKind,
  eq,
  getTableUniqueName,
  or,
  type SQL,
  type Table,
} from 'drizzle-orm'
import { countUses, type FileModel, FileModels, mostUses } from '../../fields/file-models.ts'

/** On a dialect: the files of its database. */
const filesKey: unique symbol = Symbol('stowage.drizzle.files')

// Drizzle declares its classes once for modules and once for CommonJS: what applications give is typed
// by what is needed of it, and fits both.

/** Any of Drizzle's tables. */
export interface AnyTable {
  readonly _: {
    readonly brand: 'Table'
    readonly columns: Readonly<Record<string, { readonly _: ColumnTypes }>>
  }
  readonly $inferSelect: object
  readonly $inferInsert: object
}

interface ColumnTypes {
  readonly columnType: string
  readonly data: unknown
}

/** A condition: `eq(…)`, `and(…)`. */
export interface AnyCondition {
  readonly queryChunks: readonly unknown[]
  getSQL(): unknown
}

/** What rows are ordered by: a column, `desc(…)`. */
export interface AnyOrder {
  getSQL(): unknown
}

/** Any of Drizzle's databases or transactions. */
export interface AnyDatabase {
  select(...fields: never[]): unknown
  insert(table: never): unknown
  update(table: never): unknown
  delete(table: never): unknown
}

export type Values = Record<string, unknown>

/** Of Drizzle's databases, as much as is needed here. */
export interface Database {
  /** A database shares it with its transactions. */
  readonly dialect: Dialect
  readonly session: Session
  /** Of a transaction: 0, and 1 more for each one that it is in. */
  readonly nestedIndex?: number
  readonly resultKind?: 'sync' | 'async'
  /** Of one with replicas. */
  readonly $primary?: Database
  select(fields?: Values): { from(table: Table): Query }
  insert(table: Table): { values(values: Values): Query }
  update(table: Table): { set(values: Values): Query }
  delete(table: Table): Query
}

export interface Query extends PromiseLike<unknown> {
  where(condition: SQL | undefined): Query
  returning(fields?: Values): Query
  $returningId(): Query
  $withCache(config: false): Query
  orderBy(...orders: unknown[]): Query
  limit(count: number): Query
  offset(count: number): Query
  for(strength: 'update'): Query
}

/** A connection, or what takes one for each statement. */
export interface Session {
  prepareQuery: (...args: unknown[]) => {
    queryWithCache: (...args: unknown[]) => Promise<unknown>
  }
}

interface Dialect {
  [filesKey]?: DatabaseFiles
  readonly casing?: { getColumnCasing(column: Column): string } | undefined
  sqlToQuery: (...args: unknown[]) => { readonly sql: string }
}

/** A table, and its columns by the properties of its rows. */
export interface TableColumns {
  readonly table: Table
  readonly columns: Readonly<Record<string, Column>>
}

/** The files of a database. */
export class DatabaseFiles {
  /** Of every table of the database, since rows of one may name a file of another. */
  readonly #models = new FileModels<TableColumns>()
  readonly #own = new AsyncLocalStorage<true>()
  readonly #casing: Dialect['casing']

  /** Refuses statements that go past a `fileTable`: Drizzle's own, and raw SQL. */
  constructor(dialect: Dialect) {
    this.#casing = dialect.casing
    const { sqlToQuery } = dialect
    const kind = String(Reflect.get(dialect.constructor, entityKind))
    dialect.sqlToQuery = (...args) => {
      const query = Reflect.apply(sqlToQuery, dialect, args)
      if (this.#own.getStore() !== true)
        this.#models.refuseStatement(query.sql, kind, 'update() and delete() of fileTable()')
      return query
    }
  }

  /** The same one for a database and its transactions. */
  static of({ dialect }: Database): DatabaseFiles {
    dialect[filesKey] ??= new DatabaseFiles(dialect)
    return dialect[filesKey]
  }

  /** Name of a column in the database. */
  nameOf(column: Column): string {
    return this.#casing?.getColumnCasing(column) ?? column.name
  }

  meet(columns: TableColumns, model: FileModel): void {
    this.#models.add(columns, model, getTableUniqueName(columns.table))
  }

  /** A statement of a `fileTable`, which is not looked at. */
  async run<R>(query: PromiseLike<R>): Promise<R> {
    return await this.#own.run(true, async () => await query)
  }

  /** Number of rows that name a file, as `db` sees them. */
  async uses(db: Database, storage: unknown, name: string): Promise<number> {
    return await this.#models.uses(storage, async ({ table, columns }, properties) => {
      const own = Object.fromEntries(
        properties.flatMap(property => (columns[property] ? [[property, columns[property]]] : [])),
      )
      const named = or(...Object.values(own).map(column => eq(column, name)))
      const rows = await db.select(own).from(table).where(named).limit(mostUses).$withCache(false)
      return countUses(rows as object[], properties, name)
    })
  }
}

import { AsyncLocalStorage } from 'node:async_hooks'
import {
  and,
  type Column,
  eq,
  getTableColumns,
  getTableName,
  getTableUniqueName,
  type InferSelectModel,
  is,
  isNull,
  or,
  type SQL,
  sql,
  type Table,
} from 'drizzle-orm'
import {
  MySqlTable,
  getTableConfig as mysqlConfig,
  customType as mysqlType,
} from 'drizzle-orm/mysql-core'
import { PgTable, getTableConfig as pgConfig, customType as pgType } from 'drizzle-orm/pg-core'
import {
  SQLiteTable,
  getTableConfig as sqliteConfig,
  customType as sqliteType,
} from 'drizzle-orm/sqlite-core'
import { ImproperlyConfigured, UnsupportedError } from '../core/errors.ts'
import { cascades, vanished } from '../fields/bypass.ts'
import {
  afterDelete,
  afterWrite,
  beforeWrite,
  type FieldFile,
  type FieldHost,
  type FileInput,
} from '../fields/field-file.ts'
import { checkField } from '../fields/field-options.ts'
import type { FileField } from '../fields/file-field.ts'
import { currentScope, type FileScope, inScope } from '../fields/lifecycle.ts'
import { FileProperty, pendingName, rowFields } from '../fields/rows.ts'
import { type FiledTable, refuseStatement } from '../fields/statements.ts'
import { unmet, untilMet } from '../fields/until-met.ts'

declare const fileName: unique symbol

/**
 * Name of a file, as `db.select()` gives it. Only `fileTable` writes it: a statement that went past
 * it would leave files behind, and does not compile.
 */
export type FileName = string & { readonly [fileName]: true }

/** A column for tables of PostgreSQL, MySQL and SQLite alike; never null, `''` stands for no file. */
export interface FileColumnBuilder {
  readonly _: {
    readonly brand: 'ColumnBuilder'
    name: ''
    dataType: 'custom'
    columnType: 'StowageFile'
    data: FileName
    driverParam: string
    enumValues: undefined
    notNull: true
    hasDefault: true
    isPrimaryKey: false
    isAutoincrement: false
    hasRuntimeDefault: false
    identity: undefined
    generated: undefined
    dialect: never
  }
}

/** Fields by their column; Drizzle makes columns of builders, and nothing else survives that. */
const fieldKey: unique symbol = Symbol('stowage.drizzle.field')

/** A file column: `avatar: fileColumn(field)` in a table. */
export function fileColumn(field: FileField): FileColumnBuilder {
  checkField('fileColumn()', field)
  const { maxLength } = field
  const params = { dataType: () => `varchar(${maxLength})` }
  const types = {
    pg: pgType(params),
    mysql: mysqlType(params),
    sqlite: sqliteType({ dataType: () => 'text' }),
  }
  const builders = Object.values(types).map(type =>
    type()
      .notNull()
      .default(field.default ?? ''),
  )
  const [pg, mysql, sqlite] = builders
  // Which table it is for turns out when that is built, and the right one then takes its place.
  return new Proxy(Object(sqlite), {
    get(_target, method) {
      return (...args: unknown[]) => {
        const table = args.find(arg => is(arg, PgTable) || is(arg, MySqlTable))
        const own = table === undefined ? sqlite : is(table, PgTable) ? pg : mysql
        const chosen = method === 'setName' ? builders : [own]
        const results = chosen.map(builder =>
          Reflect.apply(Reflect.get(Object(builder), method), builder, args),
        )
        if (method === 'build') Object.assign(Object(results[0]), { [fieldKey]: field })
        return results[0]
      }
    },
  })
}

/** Columns that hold files. */
type FileKeys<T extends Table> = {
  [K in keyof T['_']['columns']]: T['_']['columns'][K]['_']['columnType'] extends 'StowageFile'
    ? K
    : never
}[keyof T['_']['columns']]

/** A row: its columns, and its files where names of files are. */
export type FileRow<T extends Table> = Omit<InferSelectModel<T>, FileKeys<T>> & {
  readonly [K in FileKeys<T>]: FieldFile
}

/** What a row may be built of. */
export type FileValues<T extends Table> = {
  readonly [K in keyof InferSelectModel<T>]?:
    | (K extends FileKeys<T> ? FileInput : InferSelectModel<T>[K])
    | undefined
}

/** Any of Drizzle's databases or transactions. */
export interface AnyDatabase {
  select(...fields: never[]): unknown
  insert(table: never): unknown
  update(table: never): unknown
  delete(table: never): unknown
}

/**
 * The rows of a table with their files. In a transaction it is made of the transaction, and the
 * transaction stands in `fileTransaction`: `fileTransaction(() => db.transaction(async tx => { const
 * users = fileTable(tx, usersTable) … }))`.
 *
 * @throws ImproperlyConfigured for a table without a primary key, and for rows that the database
 *   deletes by itself (`ON DELETE CASCADE`)
 */
export function fileTable<T extends Table>(db: AnyDatabase, table: T): FileTable<T> {
  return new FileTable(db, table)
}

/** On a dialect: its database, which can be asked once a transaction is over. */
const databaseKey: unique symbol = Symbol('stowage.drizzle.database')
/** On a dialect: what looks at its statements. */
const guardKey: unique symbol = Symbol('stowage.drizzle.guard')

type Values = Record<string, unknown>
type Row = Values & { [loadedKey]?: Values | undefined }

/** What a row had when it was read; a row without is new. */
const loadedKey: unique symbol = Symbol('stowage.drizzle.loaded')

/** Of Drizzle's databases, as much as is needed here. */
interface Database {
  /** A database shares it with its transactions. */
  readonly dialect?: Dialect
  select(fields?: Record<string, unknown>): { from(table: Table): Query }
  insert(table: Table): { values(values: Values): Query }
  update(table: Table): { set(values: Values): Query }
  delete(table: Table): Query
}

interface Dialect {
  [databaseKey]?: Database
  [guardKey]?: StatementGuard
  readonly casing?: { getColumnCasing(column: Column): string } | undefined
  sqlToQuery: (...args: unknown[]) => { readonly sql: string }
}

interface Query extends PromiseLike<unknown> {
  where(condition: SQL | undefined): Query
  returning(fields?: Record<string, unknown>): Query
  $returningId(): Query
  for(strength: 'update'): Query
}

/** Columns of a table that hold files, with their fields. */
interface FileColumns {
  readonly table: Table
  readonly columns: readonly (readonly [column: Column, field: FileField])[]
}

/** Refuses statements that go past a `fileTable`: Drizzle's own, and raw SQL. */
class StatementGuard {
  /** Of every table of the database, since rows of one may name a file of another. */
  readonly fileColumns: Map<string, FileColumns> = new Map()
  readonly #tables = new Map<string, FiledTable>()
  readonly #own = new AsyncLocalStorage<true>()

  constructor(dialect: Dialect) {
    const { sqlToQuery } = dialect
    dialect.sqlToQuery = (...args) => {
      const query = Reflect.apply(sqlToQuery, dialect, args)
      if (this.#own.getStore() !== true)
        refuseStatement(query.sql, this.#tables.values(), 'update() and delete() of fileTable()')
      return query
    }
  }

  static of(dialect: Dialect): StatementGuard {
    dialect[guardKey] ??= new StatementGuard(dialect)
    return dialect[guardKey]
  }

  watch(filed: FiledTable, fileColumns: FileColumns): void {
    this.#tables.set(filed.table, filed)
    this.fileColumns.set(getTableUniqueName(fileColumns.table), fileColumns)
  }

  /** A statement of a `fileTable`, which is not looked at. */
  async run<R>(query: PromiseLike<R>): Promise<R> {
    return await this.#own.run(true, async () => await query)
  }
}

export class FileTable<T extends Table> {
  readonly #db: Database
  readonly #table: T
  readonly #columns: Readonly<Record<string, Column>>
  readonly #files = new Map<string, FileProperty<Row>>()
  readonly #keys: readonly string[]
  readonly #Row: new () => Row
  readonly #guard: StatementGuard | undefined

  constructor(db: AnyDatabase, table: T) {
    this.#db = db as Database
    this.#table = table
    this.#columns = getTableColumns(table)
    this.#keys = primaryKeys(table, this.#columns)
    for (const [key, column] of Object.entries(this.#columns)) {
      const field = (column as Column & { [fieldKey]?: FileField })[fieldKey]
      if (field === undefined) continue
      field.attach(getTableName(table), column.name, key)
      this.#files.set(
        key,
        new FileProperty(key, field, (row, file) => new TableHost(this, row, file)),
      )
    }
    checkCascades(table, this.#files)
    this.#Row = this.#rowClass()
    this.#guard = this.#db.dialect && StatementGuard.of(this.#db.dialect)
    this.#guard?.watch(
      { table: getTableName(table), columns: this.#filedColumns() },
      this.#fileColumns(),
    )
    if (!this.#isTransaction && this.#db.dialect !== undefined)
      this.#db.dialect[databaseKey] ??= this.#db
  }

  /** A new row, which `insert`, or its files' `save`, writes. */
  build(values: FileValues<T> = {}): FileRow<T> {
    const row = Object.assign(new this.#Row(), values)
    return this.#typed(row)
  }

  /** Writes new rows; their content is stored first, and removed again if they cannot be written. */
  async insert(...rows: readonly (FileRow<T> | FileValues<T>)[]): Promise<FileRow<T>[]> {
    const own = rows.map(row => this.#own(row))
    await inScope(this.#writeScope(), async scope => {
      for (const row of own) await this.#insert(row, scope)
    })
    return own.map(row => this.#typed(row))
  }

  /** Writes what has changed in a row, and what `values` say. */
  async update(row: FileRow<T>, values: FileValues<T> = {}): Promise<FileRow<T>> {
    const own = Object.assign(this.#own(row), values)
    await inScope(this.#writeScope(), scope => this.#update(own, scope))
    return row
  }

  /** The rows that meet a condition, all without one. */
  async find(where?: SQL | undefined): Promise<FileRow<T>[]> {
    const found = (await this.#db.select().from(this.#table).where(where)) as Values[]
    return found.map(values => this.#typed(this.#loaded(new this.#Row(), values)))
  }

  /** Deletes rows; their files go with them, unless other rows use them. */
  async delete(...rows: readonly FileRow<T>[]): Promise<void> {
    await inScope(this.#writeScope(), async scope => {
      for (const row of rows) await this.#delete(this.#own(row), scope)
    })
  }

  /** Inserts or updates. */
  async save(row: object): Promise<void> {
    const own = this.#own(row)
    await inScope(this.#writeScope(), scope =>
      own[loadedKey] === undefined ? this.#insert(own, scope) : this.#update(own, scope),
    )
  }

  /** Number of rows of all file tables that name the file, as others see them if that can be had. */
  async uses(storage: unknown, name: string, isOver: boolean): Promise<number> {
    const outside = this.#outside
    // A pool of one connection would wait for itself; nobody else knows a new name by then.
    if (outside !== undefined && !isOver) return 0
    const db = outside ?? this.#db
    let count = 0
    for (const { table, columns } of this.#guard?.fileColumns.values() ?? [this.#fileColumns()]) {
      const own = columns.filter(([, field]) => field.storage === storage)
      if (own.length === 0) continue
      const condition = or(...own.map(([column]) => eq(column, name)))
      const found = await db.select({ one: sql`1` }).from(table).where(condition)
      count += (found as unknown[]).length
    }
    return count
  }

  /** A transaction of which nobody knows the database: it has to count while it is open. */
  get countsInside(): boolean {
    return this.#isTransaction && this.#outside === undefined
  }

  get #isTransaction(): boolean {
    return 'nestedIndex' in this.#db
  }

  /** The database of a transaction; SQLite has one writer, whose own count is right. */
  get #outside(): Database | undefined {
    if (!this.#isTransaction || is(this.#table, SQLiteTable)) return undefined
    return this.#db.dialect?.[databaseKey]
  }

  #writeScope(): FileScope | undefined {
    const scope = currentScope()
    if (scope !== undefined || !this.#isTransaction) return scope
    throw new UnsupportedError(
      'Drizzle tells nobody how a transaction ends: put fileTransaction(() => db.transaction(…)) around it.',
      { operation: 'transaction' },
    )
  }

  async #insert(row: Row, scope: FileScope): Promise<void> {
    for (const file of this.#files.values()) await file.get(row)[beforeWrite](scope)
    const values = this.#values(row, Object.keys(this.#columns))
    const insert = this.#db.insert(this.#table).values(values)
    if (is(this.#table, MySqlTable)) {
      const [id] = (await insert.$returningId()) as Values[]
      const [written] = (await this.#read({ ...values, ...id })) as Values[]
      this.#loaded(row, written ?? values)
    } else {
      const [written] = (await insert.returning()) as Values[]
      this.#loaded(row, written ?? values)
    }
    for (const file of this.#files.values()) await file.get(row)[afterWrite](scope, null)
  }

  async #update(row: Row, scope: FileScope): Promise<void> {
    const fresh = [...this.#files].flatMap(([key, file]) =>
      file.column(row) === pendingName ? [key] : [],
    )
    for (const file of this.#files.values()) await file.peek(row)?.[beforeWrite](scope)
    const before = row[loadedKey] ?? {}
    const values = this.#values(row, Object.keys(this.#columns))
    const changed = Object.keys(values).filter(
      key => values[key] !== before[key] || fresh.includes(key),
    )
    const files = changed.filter(key => this.#files.has(key))
    const set = Object.fromEntries(changed.map(key => [key, values[key]]))
    const previous =
      changed.length === 0
        ? before
        : await this.#swap(before, files, condition => this.#set(set, condition))
    if (previous === undefined) throw vanished(getTableName(this.#table))
    row[loadedKey] = { ...before, ...set }
    for (const [key, file] of this.#files)
      await file.peek(row)?.[afterWrite](scope, text(previous[key]))
  }

  async #delete(row: Row, scope: FileScope): Promise<void> {
    const keys = [...this.#files.keys()]
    const previous = await this.#swap(row[loadedKey] ?? {}, keys, condition =>
      this.#erase(condition),
    )
    row[loadedKey] = undefined
    for (const [key, file] of this.#files)
      await file.get(row)[afterDelete](scope, text(previous?.[key]))
  }

  /** Resolves to what the row had; to `undefined` if there is no such row any more. */
  async #swap(
    known: Values,
    files: readonly string[],
    write: (condition: SQL | undefined) => Promise<number>,
  ): Promise<Values | undefined> {
    let expected: Values | undefined = known
    return await untilMet(async () => {
      if (expected === undefined) return undefined
      const same = expected
      const condition = and(this.#byKey(known), ...files.map(key => this.#equals(key, same[key])))
      if ((await write(condition)) > 0) return same
      expected = await this.#newest(known)
      return unmet
    })
  }

  async #set(values: Values, condition: SQL | undefined): Promise<number> {
    return await this.#affected(this.#db.update(this.#table).set(values).where(condition))
  }

  async #erase(condition: SQL | undefined): Promise<number> {
    return await this.#affected(this.#db.delete(this.#table).where(condition))
  }

  async #affected(query: Query): Promise<number> {
    if (!is(this.#table, MySqlTable))
      return ((await this.#run(query.returning({ one: sql`1` }))) as unknown[]).length
    const [result] = (await this.#run(query)) as [{ readonly affectedRows: number }]
    return result.affectedRows
  }

  async #run(query: Query): Promise<unknown> {
    return this.#guard === undefined ? await query : await this.#guard.run(query)
  }

  #fileColumns(): FileColumns {
    const columns = [...this.#files].map(([key, { field }]) => [this.#column(key), field] as const)
    return { table: this.#table, columns }
  }

  #filedColumns(): Record<string, FileField> {
    const { casing } = this.#db.dialect ?? {}
    return Object.fromEntries(
      [...this.#files].map(([key, { field }]) => {
        const column = this.#column(key)
        return [casing?.getColumnCasing(column) ?? column.name, field]
      }),
    )
  }

  async #read(row: Values): Promise<unknown> {
    return await this.#db.select().from(this.#table).where(this.#byKey(row))
  }

  /** The row as others have committed it, which a transaction that has read it before may not see. */
  async #newest(row: Values): Promise<Values | undefined> {
    const query = this.#db.select().from(this.#table).where(this.#byKey(row))
    const rows = await (is(this.#table, SQLiteTable) ? query : query.for('update'))
    return (rows as Values[])[0]
  }

  #byKey(row: Values): SQL | undefined {
    return and(...this.#keys.map(key => this.#equals(key, row[key])))
  }

  #equals(key: string, value: unknown): SQL {
    return value === null || value === undefined
      ? isNull(this.#column(key))
      : eq(this.#column(key), value)
  }

  #column(key: string): Column {
    const column = this.#columns[key]
    if (column === undefined) throw new TypeError(`there is no column ${key}`)
    return column
  }

  /** What a row's columns are to hold; what nobody has set is left to the database. */
  #values(row: Row, keys: readonly string[]): Values {
    const values: Values = {}
    for (const key of keys) {
      const file = this.#files.get(key)
      const value = file === undefined ? row[key] : columnOf(file, row)
      if (value !== undefined) values[key] = value
    }
    return values
  }

  #loaded(row: Row, values: Values): Row {
    row[loadedKey] = values
    return Object.assign(row, values)
  }

  /** A row of ours, or a new one of plain values. */
  #own(row: object): Row {
    return row instanceof this.#Row ? row : Object.assign(new this.#Row(), row)
  }

  /** Columns are own properties, files are accessors of the class, made at their first access. */
  #rowClass(): new () => Row {
    const files = this.#files
    const Row = class {
      toJSON(): Values {
        const row = this as object as Row
        return { ...row, ...Object.fromEntries([...files.keys()].map(key => [key, row[key]])) }
      }
    }
    for (const file of files.values()) file.defineOn(Row.prototype)
    const fields = Object.fromEntries([...files].map(([key, { field }]) => [key, field]))
    Object.defineProperty(Row.prototype, rowFields, { value: fields })
    return Row as new () => object as new () => Row
  }

  #typed(row: Row): FileRow<T> {
    return row as object as FileRow<T>
  }
}

/** What a file needs of the table of its row. */
interface RowTable {
  readonly countsInside: boolean
  save(row: object): Promise<void>
  uses(storage: unknown, name: string, isOver: boolean): Promise<number>
}

/** A row as its files see it. */
class TableHost implements FieldHost {
  readonly owner: Row
  readonly attribute: string
  readonly #table: RowTable
  readonly #file: FileProperty<Row>

  constructor(table: RowTable, row: Row, file: FileProperty<Row>) {
    this.#table = table
    this.owner = row
    this.attribute = file.property
    this.#file = file
  }

  get countsInside(): boolean {
    return this.#table.countsInside
  }

  setName(): void {
    this.#file.told(this.owner)
  }

  setColumn(column: string, value: number | null): void {
    this.owner[column] = value
  }

  async persist(): Promise<void> {
    await this.#table.save(this.owner)
  }

  scope(): FileScope | undefined {
    return currentScope()
  }

  async uses(name: string, storage: unknown, isOver: boolean): Promise<number> {
    return await this.#table.uses(storage, name, isOver)
  }
}

function columnOf(file: FileProperty<Row>, row: Row): string | undefined {
  const name = file.column(row)
  if (name === pendingName) return undefined
  return name === null && file.peek(row) !== undefined ? '' : (name ?? undefined)
}

function text(value: unknown): string | null {
  return typeof value === 'string' ? value : null
}

/** Names of the properties that hold the primary key, also one of several columns. */
function primaryKeys(table: Table, columns: Readonly<Record<string, Column>>): readonly string[] {
  const composite = configOf(table).primaryKeys.flatMap(key => key.columns.map(({ name }) => name))
  const keys = Object.entries(columns).flatMap(([key, column]) =>
    column.primary || composite.includes(column.name) ? [key] : [],
  )
  if (keys.length > 0) return keys
  throw new ImproperlyConfigured(`The table "${getTableName(table)}" has no primary key.`)
}

interface TableShape {
  readonly primaryKeys: readonly { readonly columns: readonly { readonly name: string }[] }[]
  readonly foreignKeys: readonly { readonly onDelete: string | undefined }[]
}

function configOf(table: Table): TableShape {
  if (is(table, PgTable)) return pgConfig(table)
  if (is(table, MySqlTable)) return mysqlConfig(table)
  if (is(table, SQLiteTable)) return sqliteConfig(table)
  throw new ImproperlyConfigured('fileTable() takes a table of PostgreSQL, MySQL or SQLite.')
}

function checkCascades(table: Table, files: ReadonlyMap<string, FileProperty<Row>>): void {
  if (!configOf(table).foreignKeys.some(({ onDelete }) => onDelete === 'cascade')) return
  for (const { field, property } of files.values())
    if (field.onDelete === 'cleanup')
      throw cascades(`"${getTableName(table)}"`, property, 'delete the rows before their parent')
}

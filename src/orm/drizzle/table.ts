import {
  and,
  type Column,
  eq,
  getTableColumns,
  getTableName,
  type InferSelectModel,
  is,
  isNull,
  type SQL,
  sql,
  type Table,
} from 'drizzle-orm'
import { MySqlTable } from 'drizzle-orm/mysql-core'
import { SQLiteTable } from 'drizzle-orm/sqlite-core'
import { UnsupportedError } from '../../core/errors.ts'
import { vanished } from '../../fields/bypass.ts'
import {
  afterDelete,
  afterWrite,
  beforeWrite,
  type FieldFile,
  type FileInput,
} from '../../fields/field-file.ts'
import type { FileField } from '../../fields/file-field.ts'
import { type FileColumn, FileModel } from '../../fields/file-models.ts'
import { currentScope, type FileScope, inScope } from '../../fields/lifecycle.ts'
import { FileProperty, PropertyHost, pendingName, rowFields } from '../../fields/rows.ts'
import { unmet, untilMet } from '../../fields/until-met.ts'
import { fieldKey } from './column.ts'
import {
  type AnyDatabase,
  type Database,
  DatabaseFiles,
  type Query,
  type Values,
} from './database.ts'
import { isCascaded, primaryKeys } from './schema.ts'

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

type Row = Values & { [loadedKey]?: Values | undefined }

/** What a row had when it was read; a row without is new. */
const loadedKey: unique symbol = Symbol('stowage.drizzle.loaded')

export class FileTable<T extends Table> {
  readonly #db: Database
  readonly #table: T
  readonly #columns: Readonly<Record<string, Column>>
  readonly #properties = new Map<string, FileProperty<Row>>()
  readonly #keys: readonly string[]
  readonly #Row: new () => Row
  readonly #files: DatabaseFiles

  constructor(db: AnyDatabase, table: T) {
    this.#db = db as Database
    this.#table = table
    this.#columns = getTableColumns(table)
    this.#keys = primaryKeys(table)
    this.#files = DatabaseFiles.of(this.#db)
    const model = new FileModel(getTableName(table), this.#fileColumns())
    for (const [key, field] of Object.entries(model.fields))
      this.#properties.set(
        key,
        new FileProperty(key, field, (row, file) => new TableHost(row, file, this)),
      )
    if (isCascaded(table))
      model.refuseCascade(`"${getTableName(table)}"`, 'delete the rows before their parent')
    this.#Row = this.#rowClass()
    this.#files.meet({ table, columns: this.#columns }, model)
    if (!this.#isTransaction) this.#files.outside ??= this.#db
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
    return await this.#files.uses(outside ?? this.#db, storage, name)
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
    return this.#files.outside
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
    for (const file of this.#properties.values()) await file.get(row)[beforeWrite](scope)
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
    for (const file of this.#properties.values()) await file.get(row)[afterWrite](scope, null)
  }

  async #update(row: Row, scope: FileScope): Promise<void> {
    const fresh = [...this.#properties].flatMap(([key, file]) =>
      file.column(row) === pendingName ? [key] : [],
    )
    for (const file of this.#properties.values()) await file.peek(row)?.[beforeWrite](scope)
    const before = row[loadedKey] ?? {}
    const values = this.#values(row, Object.keys(this.#columns))
    const changed = Object.keys(values).filter(
      key => values[key] !== before[key] || fresh.includes(key),
    )
    const files = changed.filter(key => this.#properties.has(key))
    const set = Object.fromEntries(changed.map(key => [key, values[key]]))
    const previous =
      changed.length === 0
        ? before
        : await this.#swap(before, files, condition => this.#set(set, condition))
    if (previous === undefined) throw vanished(getTableName(this.#table))
    row[loadedKey] = { ...before, ...set }
    for (const [key, file] of this.#properties)
      await file.peek(row)?.[afterWrite](scope, text(previous[key]))
  }

  async #delete(row: Row, scope: FileScope): Promise<void> {
    const keys = [...this.#properties.keys()]
    const previous = await this.#swap(row[loadedKey] ?? {}, keys, condition =>
      this.#erase(condition),
    )
    row[loadedKey] = undefined
    for (const [key, file] of this.#properties)
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
    return await this.#files.run(query)
  }

  #fileColumns(): FileColumn[] {
    return Object.entries(this.#columns).flatMap(([property, column]) => {
      const field = (column as Column & { [fieldKey]?: FileField })[fieldKey]
      return field === undefined ? [] : [{ property, field, column: this.#files.nameOf(column) }]
    })
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
      const file = this.#properties.get(key)
      const value = file === undefined ? row[key] : file.value(row)
      if (value !== undefined && value !== pendingName) values[key] = value
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
    const files = this.#properties
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

/** A row as its files see it. */
class TableHost extends PropertyHost<Row> {
  readonly #table: RowTable

  constructor(row: Row, file: FileProperty<Row>, table: RowTable) {
    super(row, file)
    this.#table = table
  }

  get countsInside(): boolean {
    return this.#table.countsInside
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

/** What a file needs of the table of its row. */
interface RowTable {
  readonly countsInside: boolean
  save(row: object): Promise<void>
  uses(storage: unknown, name: string, isOver: boolean): Promise<number>
}

function text(value: unknown): string | null {
  return typeof value === 'string' ? value : null
}

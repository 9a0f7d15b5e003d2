import {
  and,
  type Column,
  eq,
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
import { ImproperlyConfigured, UnsupportedError } from '../../core/errors.ts'
import { vanished } from '../../fields/bypass.ts'
import type { FieldFile, FileInput } from '../../fields/field-file.ts'
import { FileModel } from '../../fields/file-models.ts'
import { currentScope, type FileScope } from '../../fields/lifecycle.ts'
import { leaveRow, type Names, writeRow } from '../../fields/row-writes.ts'
import { pendingName } from '../../fields/rows.ts'
import { unmet, untilMet } from '../../fields/until-met.ts'
import {
  type AnyDatabase,
  type Database,
  DatabaseFiles,
  type Query,
  type Values,
} from './database.ts'
import { loadedKey, type Row, type RowTable, TableRows, text } from './rows.ts'
import { isCascaded } from './schema.ts'

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

export class FileTable<T extends Table> implements RowTable {
  readonly #given: Database
  readonly #table: T
  readonly #rows: TableRows
  readonly #files: DatabaseFiles
  /** Of the transaction that the table was made of. */
  readonly #scope: FileScope | undefined

  constructor(db: AnyDatabase, table: T) {
    this.#given = db as Database
    this.#scope = this.#isTransaction ? currentScope() : undefined
    this.#table = table
    this.#rows = TableRows.of(table)
    this.#files = DatabaseFiles.of(this.#given)
    const { columns, files } = this.#rows
    const named = [...files].map(([property, { field }]) => {
      return { property, field, column: this.#files.nameOf(this.#column(property)) }
    })
    const model = new FileModel(getTableName(table), named)
    if (isCascaded(table))
      model.refuseCascade(`"${getTableName(table)}"`, 'delete the rows before their parent')
    this.#files.meet({ table, columns }, model)
    if (!this.#isTransaction) this.#files.outside ??= this.#primary
  }

  /** A new row, which `insert`, or its files' `save`, writes. */
  build(values: FileValues<T> = {}): FileRow<T> {
    return this.#typed(this.#rows.own(values, this))
  }

  /**
   * Writes new rows, one after the other: the first that cannot be written ends it, and its content,
   * which was stored first, is removed again.
   */
  async insert(...rows: readonly (FileRow<T> | FileValues<T>)[]): Promise<FileRow<T>[]> {
    const own = rows.map(row => this.#rows.own(row, this))
    for (const row of own) await this.#insert(row)
    return own.map(row => this.#typed(row))
  }

  /** Writes what has changed in a row, and what `values` say; `undefined` says nothing. */
  async update(row: FileRow<T>, values: FileValues<T> = {}): Promise<FileRow<T>> {
    const own = this.#rows.set(this.#rows.own(row, this), values)
    await this.#update(own)
    return this.#typed(own)
  }

  /** The rows that meet a condition, all without one. */
  async find(where?: SQL | undefined): Promise<FileRow<T>[]> {
    const found = (await this.#db.select().from(this.#table).where(where)) as Values[]
    return found.map(values => this.#typed(this.#rows.read(values, this)))
  }

  /**
   * Deletes rows, one after the other, until one cannot be deleted; their files go with them, unless
   * other rows use them.
   */
  async delete(...rows: readonly FileRow<T>[]): Promise<void> {
    for (const row of rows) await this.#delete(this.#rows.own(row, this))
  }

  /** Inserts or updates. */
  async save(row: object): Promise<void> {
    const own = this.#rows.own(row, this)
    if (own[loadedKey] === undefined) await this.#insert(own)
    else await this.#update(own)
  }

  /** Number of rows of all file tables that name the file, `undefined` if nobody is left to be asked. */
  async uses(storage: unknown, name: string, isOver: boolean): Promise<number | undefined> {
    const isOutside = this.#isTransaction && (isOver || this.#scope?.isOver === true)
    const db = isOutside ? this.#files.outside : this.#primary
    return db && (await this.#files.uses(db, storage, name))
  }

  /** A transaction of which nobody knows the database: it has to count while it is open. */
  get countsInside(): boolean {
    return this.#isTransaction && this.#files.outside === undefined
  }

  get #isTransaction(): boolean {
    return this.#given.nestedIndex !== undefined
  }

  /** A row may outlive the transaction that it came from. */
  get #db(): Database {
    if (this.#scope?.isOver !== true) return this.#given
    if (this.#files.outside !== undefined) return this.#files.outside
    throw new UnsupportedError(
      'The transaction that this row came from is over: give the row to the fileTable() of the database.',
      { operation: 'transaction' },
    )
  }

  /** A replica may not have yet what was written. */
  get #primary(): Database {
    return this.#db.$primary ?? this.#db
  }

  /** @throws UnsupportedError in a transaction, or a savepoint, whose end nobody would tell */
  #writeScope(): FileScope | undefined {
    const scope = currentScope()
    if ((scope?.depth ?? 0) > (this.#db.nestedIndex ?? -1)) return scope
    throw new UnsupportedError(
      'Drizzle tells nobody how a transaction ends: put fileTransaction(() => db.transaction(…)) around it, and one more around a transaction inside it.',
      { operation: 'transaction' },
    )
  }

  async #insert(row: Row): Promise<void> {
    await writeRow(this.#writeScope(), this.#rows.all(row), async scope => {
      const before = row[loadedKey]
      const values = this.#rows.values(row)
      if (is(this.#table, MySqlTable)) this.#checkKeys(values)
      const insert = this.#primary.insert(this.#table).values(values)
      const [written] = is(this.#table, MySqlTable)
        ? await this.#inserted(values, insert)
        : ((await insert.returning()) as Values[])
      this.#rows.load(row, written ?? values)
      scope.onRollback(() => {
        row[loadedKey] = before
      })
      return [undefined, {}]
    })
  }

  /** MySQL returns the key alone. */
  async #inserted(values: Values, insert: Query): Promise<Values[]> {
    const [id] = (await insert.$returningId()) as Values[]
    const own = this.#byKey({ ...values, ...id })
    return (await this.#primary.select().from(this.#table).where(own)) as Values[]
  }

  /** @throws ImproperlyConfigured for a key that nobody would know */
  #checkKeys(values: Values): void {
    const unknown = this.#rows.keys.find(key => {
      const column = this.#column(key)
      const isTold = column.defaultFn !== undefined || Reflect.get(column, 'autoIncrement') === true
      return values[key] === undefined && !isTold
    })
    if (unknown === undefined) return
    throw new ImproperlyConfigured(
      `MySQL does not tell the key "${unknown}" that it makes for "${getTableName(this.#table)}": give it a value, or the column $defaultFn.`,
      { setting: unknown },
    )
  }

  async #update(row: Row): Promise<void> {
    const fresh = [...this.#rows.files].flatMap(([key, file]) =>
      file.column(row) === pendingName ? [key] : [],
    )
    const touched = this.#rows.touched(row)
    await writeRow(this.#writeScope(), touched, async scope => {
      const before = row[loadedKey] ?? {}
      const written = fresh.map(key => [key, this.#rows.files.get(key)?.value(row)])
      const set: Values = { ...this.#rows.changes(row), ...Object.fromEntries(written) }
      if (Object.keys(set).length === 0) return [undefined, namesOf(before)]
      const files = Object.keys(set).filter(key => this.#rows.files.has(key))
      const previous = await this.#swap(before, files, async condition =>
        this.#affected(this.#primary.update(this.#table).set(set).where(condition)),
      )
      if (previous === undefined) throw vanished(getTableName(this.#table))
      row[loadedKey] = { ...before, ...set }
      scope.onRollback(() => {
        row[loadedKey] = before
      })
      return [undefined, namesOf(previous)]
    })
  }

  async #delete(row: Row): Promise<void> {
    const open = this.#writeScope()
    const before = row[loadedKey]
    const previous = await this.#swap(before ?? {}, [...this.#rows.files.keys()], async condition =>
      this.#affected(this.#primary.delete(this.#table).where(condition)),
    )
    row[loadedKey] = undefined
    open?.onRollback(() => {
      row[loadedKey] = before
    })
    await leaveRow(open, this.#rows.all(row), namesOf(previous ?? {}))
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

  async #affected(query: Query): Promise<number> {
    if (!is(this.#table, MySqlTable))
      return ((await this.#files.run(query.returning({ one: sql`1` }))) as unknown[]).length
    const [result] = (await this.#files.run(query)) as [MySqlResult]
    // Without the flag FOUND_ROWS the number is that of rows that the statement has changed.
    const matched = /matched: (\d+)/.exec(result.info ?? '')?.[1]
    return matched === undefined ? result.affectedRows : Number(matched)
  }

  /** The row as others have committed it, which a transaction that has read it before may not see. */
  async #newest(row: Values): Promise<Values | undefined> {
    const query = this.#primary.select().from(this.#table).where(this.#byKey(row))
    const rows = await (is(this.#table, SQLiteTable) ? query : query.for('update'))
    return (rows as Values[])[0]
  }

  #byKey(row: Values): SQL | undefined {
    return and(...this.#rows.keys.map(key => this.#equals(key, row[key])))
  }

  #equals(key: string, value: unknown): SQL {
    return value === null || value === undefined
      ? isNull(this.#column(key))
      : eq(this.#column(key), value)
  }

  #column(key: string): Column {
    const column = this.#rows.columns[key]
    if (column === undefined) throw new TypeError(`there is no column ${key}`)
    return column
  }

  #typed(row: Row): FileRow<T> {
    return row as object as FileRow<T>
  }
}

interface MySqlResult {
  readonly affectedRows: number
  /** `Rows matched: 1  Changed: 0  Warnings: 0`. */
  readonly info?: string
}

function namesOf(values: Values): Names {
  return Object.fromEntries(Object.entries(values).map(([key, value]) => [key, text(value)]))
}

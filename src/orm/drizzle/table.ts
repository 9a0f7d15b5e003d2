import { and, type Column, eq, getTableName, is, isNull, type SQL, type Table } from 'drizzle-orm'
import { MySqlTable } from 'drizzle-orm/mysql-core'
import { SQLiteTable } from 'drizzle-orm/sqlite-core'
import { ImproperlyConfigured, UnsupportedError } from '../../core/errors.ts'
import { vanished } from '../../fields/bypass.ts'
import type { FileInput } from '../../fields/field-file.ts'
import { columnName } from '../../fields/field-host.ts'
import { FileModel } from '../../fields/file-models.ts'
import type { FileScope } from '../../fields/lifecycle.ts'
import { leaveRow, type Names, orLeave, writeRow } from '../../fields/row-writes.ts'
import { pendingName } from '../../fields/rows.ts'
import { unmet, untilMet } from '../../fields/until-met.ts'
import type { FileOfName } from './column.ts'
import {
  type AnyCondition,
  type AnyDatabase,
  type AnyOrder,
  type AnyTable,
  type Database,
  DatabaseFiles,
  type Query,
  type Values,
} from './database.ts'
import { loadedKey, type Row, type RowTable, TableRows, text } from './rows.ts'
import { isCascaded, schemaOf } from './schema.ts'
import {
  followTransactions,
  runningOf,
  scopeOf,
  type Transaction,
  transactionOf,
} from './transactions.ts'

/** Columns that hold files. */
type FileKeys<T extends AnyTable> = {
  [K in keyof T['_']['columns']]: T['_']['columns'][K]['_']['columnType'] extends 'StowageFile'
    ? K
    : never
}[keyof T['_']['columns']]

/** A row: its columns, and its files where names of files are. */
export type FileRow<T extends AnyTable> = Omit<T['$inferSelect'], FileKeys<T>> & {
  readonly [K in FileKeys<T>]: FileOfName<T['_']['columns'][K]['_']['data']>
}

/** Which of the rows that are found, and in which order. */
export interface Page {
  /** Columns, or what `asc()` and `desc()` make of them; the order of the database without. */
  readonly orderBy?: AnyOrder | readonly AnyOrder[] | undefined
  /** Number of rows, at most. */
  readonly limit?: number | undefined
  /** Number of rows to leave out at the beginning; MySQL and SQLite want a `limit` with it. */
  readonly offset?: number | undefined
}

/** What a row may be built of. */
export type FileValues<T extends AnyTable> = {
  readonly [K in keyof T['$inferSelect']]?:
    | (K extends FileKeys<T> ? FileInput : T['$inferSelect'][K])
    | undefined
}

/** What a row is inserted of: what Drizzle's `insert` asks for. */
export type NewFileRow<T extends AnyTable> = {
  readonly [K in keyof T['$inferInsert']]:
    | T['$inferInsert'][K]
    | (K extends FileKeys<T> ? FileInput : never)
}

/**
 * The rows of a table with their files. In a transaction it is made of the transaction, whose files settle
 * with it: `db.transaction(async tx => { const users = fileTable(tx, usersTable) … })`.
 *
 * @throws ImproperlyConfigured for a table without a primary key, and for rows that the database
 *   deletes by itself (`ON DELETE CASCADE`)
 * @throws UnsupportedError for a transaction whose end nobody would tell
 */
export function fileTable<T extends AnyTable>(db: AnyDatabase, table: T): FileTable<T> {
  return new FileTable(db, table)
}

export class FileTable<T extends AnyTable> implements RowTable {
  readonly #given: Database
  /** Outside of all transactions. */
  readonly #outside: Database
  readonly #table: Table
  readonly #rows: TableRows
  readonly #files: DatabaseFiles

  constructor(db: AnyDatabase, table: T) {
    this.#given = db as Database
    this.#outside = outsideOf(this.#given)
    const own: object = table
    this.#table = own as Table
    this.#rows = TableRows.of(this.#table)
    this.#files = DatabaseFiles.of(this.#given)
    const { columns, files } = this.#rows
    const named = [...files].map(([property, { field }]) => {
      return { property, field, column: this.#files.nameOf(this.#column(property)) }
    })
    const model = new FileModel(getTableName(this.#table), named, schemaOf(this.#table))
    if (isCascaded(this.#table))
      model.refuseCascade(`"${getTableName(this.#table)}"`, 'delete the rows before their parent')
    this.#files.meet({ table: this.#table, columns }, model)
  }

  /** A new row, which `insert`, or its files' `save`, writes. */
  build(values: FileValues<T> = {}): FileRow<T> {
    return this.#typed(this.#rows.own(values, this))
  }

  /**
   * Writes new rows, one after the other: the first that cannot be written ends it, and its content,
   * which was stored first, is removed again.
   */
  async insert(...rows: readonly (FileRow<T> | NewFileRow<T>)[]): Promise<FileRow<T>[]> {
    const own = rows.map(row => this.#rows.own(row, this))
    for (const row of own) await this.#inTurn(row, open => this.#insert(row, open))
    return own.map(row => this.#typed(row))
  }

  /** Writes what has changed in a row, and what `values` say; `undefined` says nothing. */
  async update(row: FileRow<T>, values: FileValues<T> = {}): Promise<FileRow<T>> {
    const own = this.#rows.set(this.#rows.ownStored(row, this), values)
    await this.#inTurn(own, open => this.#update(own, open))
    return this.#typed(own)
  }

  /** The rows that meet a condition, all without one. */
  async find(where?: AnyCondition | undefined, page: Page = {}): Promise<FileRow<T>[]> {
    const { orderBy, limit, offset } = page
    let query = this.#reader.select().from(this.#table)
    query = query.where(where as SQL | undefined)
    if (orderBy !== undefined) query = query.orderBy(...[orderBy].flat())
    if (limit !== undefined) query = query.limit(limit)
    if (offset !== undefined) query = query.offset(offset)
    const found = (await query) as Values[]
    return found.map(values => this.#typed(this.#rows.read(values, this)))
  }

  /**
   * Deletes rows, one after the other, until one cannot be deleted; their files go with them, unless
   * other rows use them.
   */
  async delete(...rows: readonly FileRow<T>[]): Promise<void> {
    const own = rows.map(row => this.#rows.ownStored(row, this))
    for (const row of own) await this.#inTurn(row, open => this.#delete(row, open))
  }

  /** Inserts or updates, as the file of a row asks for, in the transaction that goes on around the program. */
  async save(row: object): Promise<void> {
    const beside = this.#place === undefined ? this.#running : undefined
    if (beside !== undefined) return await fileTable(beside.handle.db, this.#table).save(row)
    const own = this.#rows.own(row, this)
    await this.#inTurn(own, open => {
      // Its other files are gone.
      if (own[loadedKey] === null) throw vanished(getTableName(this.#table))
      return own[loadedKey] ? this.#update(own, open) : this.#insert(own, open)
    })
  }

  /** Of what the file of a row does. */
  scope(): FileScope | undefined {
    return scopeOf(this.#place ?? this.#running)
  }

  /** Number of rows of all file tables that name the file; `isOver`: once the transaction is. */
  async uses(storage: unknown, name: string, isOver: boolean): Promise<number> {
    const db = isOver ? primaryOf(this.#outside) : this.#db
    return await this.#files.uses(db, storage, name)
  }

  /** Where it reads and writes: a transaction that is over has given its connection back. */
  get #place(): Transaction | undefined {
    return transactionOf(this.#given) ?? (this.#given === this.#outside ? undefined : this.#running)
  }

  get #running(): Transaction | undefined {
    return runningOf(this.#given)
  }

  get #reader(): Database {
    return this.#place?.handle.db ?? this.#outside
  }

  get #db(): Database {
    return primaryOf(this.#reader)
  }

  /** Two writes of one row object at once would write each other's files, and a new row twice. */
  async #inTurn(row: Row, write: (open: FileScope | undefined) => Promise<void>): Promise<void> {
    const open = scopeOf(this.#place)
    await this.#rows.turnsOf(row).take(this.#db.session, () => write(open))
  }

  async #insert(row: Row, open: FileScope | undefined): Promise<void> {
    await writeRow(open, this.#rows.all(row), async scope => {
      const values = this.#rows.values(row)
      if (is(this.#table, MySqlTable)) this.#checkKeys(values)
      const insert = this.#db.insert(this.#table).values(values)
      const [written] = is(this.#table, MySqlTable)
        ? await this.#inserted(values, insert)
        : ((await insert.returning()) as Values[])
      scope.onRollback(this.#rows.loadInserted(row, written ?? values))
      return [undefined, {}]
    })
  }

  /** MySQL returns the key alone. */
  async #inserted(values: Values, insert: Query): Promise<Values[]> {
    const [id] = (await insert.$returningId()) as Values[]
    const own = this.#byKey({ ...values, ...id })
    return (await this.#db.select().from(this.#table).where(own)) as Values[]
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

  async #update(row: Row, open: FileScope | undefined): Promise<void> {
    const fresh = [...this.#rows.files].flatMap(([key, file]) =>
      file.column(row) === pendingName ? [key] : [],
    )
    const touched = this.#rows.touched(row)
    await writeRow(open, touched, async scope => {
      const before = row[loadedKey] ?? {}
      const written = fresh.map(key => [key, this.#rows.files.get(key)?.value(row)])
      const set: Values = { ...this.#rows.changes(row), ...Object.fromEntries(written) }
      if (Object.keys(set).length === 0) return [undefined, namesOf(before)]
      const files = Object.keys(set).filter(key => this.#rows.files.has(key))
      const replaced = touched.filter(([key]) => files.includes(key))
      const swapped = await this.#swap(before, files, async (condition, same) =>
        orLeave(scope, replaced, same, 'onReplace', () =>
          this.#met(this.#db.update(this.#table).set(set).where(condition)),
        ),
      )
      if (swapped === undefined) throw vanished(getTableName(this.#table))
      const [previous, told] = swapped
      const made = is(this.#table, MySqlTable) ? await this.#made({ ...before, ...set }) : told
      scope.onRollback(this.#rows.loadUpdated(row, set, made))
      // A file that was not written may be out of date: the row has another one, and keeps it.
      const had = touched.map(([key, file]) => {
        return [key, files.includes(key) ? text(previous[key]) : file[columnName]] as const
      })
      return [undefined, Object.fromEntries(had)]
    })
  }

  async #delete(row: Row, open: FileScope | undefined): Promise<void> {
    open?.checkOpen()
    const before = row[loadedKey]
    const all = this.#rows.all(row)
    const swapped = await this.#swap(
      before ?? {},
      [...this.#rows.files.keys()],
      async (condition, same) =>
        orLeave(open, all, same, 'onDelete', () =>
          this.#met(this.#db.delete(this.#table).where(condition)),
        ),
    )
    row[loadedKey] = null
    open?.onRollback(() => {
      row[loadedKey] = before
    })
    await leaveRow(open, all, namesOf(swapped?.[0] ?? {}))
  }

  /**
   * Resolves to what the row had, and to what the database tells about the write; to `undefined` if there is
   * no such row any more.
   */
  async #swap(
    known: Values,
    files: readonly string[],
    write: (condition: SQL | undefined, same: Names) => Promise<Values | undefined>,
  ): Promise<readonly [previous: Values, told: Values] | undefined> {
    let expected: Values | undefined = known
    return await untilMet(async () => {
      if (expected === undefined) return undefined
      const same = expected
      const condition = and(this.#byKey(known), ...files.map(key => this.#equals(key, same[key])))
      const told = await write(condition, namesOf(same))
      if (told !== undefined) return [same, told] as const
      expected = await this.#newest(known)
      return unmet
    })
  }

  /** What the database tells of the row that a statement has met, MySQL nothing; `undefined` if it has met none. */
  async #met(query: Query): Promise<Values | undefined> {
    if (!is(this.#table, MySqlTable))
      return ((await this.#files.run(query.returning(this.#rows.told))) as Values[])[0]
    const [result] = (await this.#files.run(query)) as [MySqlResult]
    // Without the flag FOUND_ROWS the number is that of rows that the statement has changed.
    const matched = /matched: (\d+)/.exec(result.info ?? '')?.[1]
    return (matched === undefined ? result.affectedRows : Number(matched)) > 0 ? {} : undefined
  }

  /** What MySQL does not tell of a row that was updated. */
  async #made(row: Values): Promise<Values> {
    const { told, keys } = this.#rows
    if (Object.keys(told).length === keys.length) return {}
    const found = await this.#db.select(told).from(this.#table).where(this.#byKey(row))
    return (found as Values[])[0] ?? {}
  }

  /** The row as others have committed it, which a transaction that has read it before may not see. */
  async #newest(row: Values): Promise<Values | undefined> {
    const query = this.#db.select().from(this.#table).where(this.#byKey(row))
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

/** The database that something given is, or that it is a transaction of. */
function outsideOf(given: Database): Database {
  if (given.nestedIndex === undefined) {
    followTransactions(primaryOf(given))
    return given
  }
  const outside = transactionOf(given)?.handle.outside
  if (outside !== undefined) return outside
  throw new UnsupportedError(
    'Nobody would tell how this transaction ends: it is over, its driver is synchronous, or fileTable() of its database was not made before it began.',
    { operation: 'transaction' },
  )
}

/** A replica may not have yet what was written. */
function primaryOf(database: Database): Database {
  return database.$primary ?? database
}

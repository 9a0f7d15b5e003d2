import { isDeepStrictEqual } from 'node:util'
import { type Column, getTableColumns, type Table } from 'drizzle-orm'
import { ValidationError } from '../../core/errors.ts'
import type { FieldFile } from '../../fields/field-file.ts'
import { columnName, isChanged } from '../../fields/field-host.ts'
import type { FileField } from '../../fields/file-field.ts'
import type { FileScope } from '../../fields/lifecycle.ts'
import type { RowFiles } from '../../fields/row-writes.ts'
import { FileProperty, PropertyHost, pendingName, rowFields } from '../../fields/rows.ts'
import { Turns } from '../../fields/turns.ts'
import { fieldKey } from './column.ts'
import type { Values } from './database.ts'
import { primaryKeys } from './schema.ts'

/** What a row had when it was read or written last; a row without is new, `null` is one that was deleted. */
export const loadedKey: unique symbol = Symbol('stowage.drizzle.loaded')
/** The table that a row was read, built or written by last. */
const tableKey: unique symbol = Symbol('stowage.drizzle.table')

export type Row = Values & {
  [loadedKey]?: Values | null | undefined
  [tableKey]?: RowTable | undefined
}

/** What the files of a row need of its table. */
export interface RowTable {
  save(row: object): Promise<void>
  scope(): FileScope | undefined
  uses(storage: unknown, name: string, isOver: boolean): Promise<number>
}

/** On a table: its rows. One of a `fileTable` is taken by every other one of the same table. */
const rowsKey: unique symbol = Symbol('stowage.drizzle.rows')

/** The rows of a table: columns are own properties, files are accessors of the class. */
export class TableRows {
  readonly columns: Readonly<Record<string, Column>>
  readonly keys: readonly string[]
  readonly files: ReadonlyMap<string, FileProperty<Row>>
  /** What an update tells: the key, and columns that get another value although it does not set them. */
  readonly told: Readonly<Record<string, Column>>
  readonly #Row: new () => Row
  /** The other columns, and the files, in the form that is fastest to walk. */
  readonly #plain: readonly string[]
  readonly #loaded: readonly FileProperty<Row>[]
  readonly #turns = new WeakMap<Row, Turns>()

  constructor(table: Table) {
    this.columns = getTableColumns(table)
    this.keys = primaryKeys(table)
    this.files = new Map(
      Object.entries(this.columns).flatMap(([key, column]) => {
        const field = (column as Column & { [fieldKey]?: FileField })[fieldKey]
        if (field === undefined) return []
        return [[key, new FileProperty<Row>(key, field, (row, own) => new TableHost(row, own))]]
      }),
    )
    this.told = Object.fromEntries(
      Object.entries(this.columns).filter(
        ([key, column]) => this.keys.includes(key) || isMade(column),
      ),
    )
    this.#Row = rowClass(this.files)
    this.#plain = Object.keys(this.columns).filter(key => !this.files.has(key))
    this.#loaded = [...this.files.values()]
  }

  static of(table: Table & { [rowsKey]?: TableRows }): TableRows {
    table[rowsKey] ??= new TableRows(table)
    return table[rowsKey]
  }

  /** A row of the table, which is the table's from now on; a new one of plain values, or of a copy of a row. */
  own(row: object, table: RowTable): Row {
    const own: Row = row instanceof this.#Row ? row : this.#make(row)
    own[tableKey] = table
    return own
  }

  /** A row that is in the database. @throws ValidationError for one that nobody has read or written */
  ownStored(row: object, table: RowTable): Row {
    const own = this.own(row, table)
    if (own[loadedKey] !== undefined) return own
    throw new ValidationError(
      'The row was neither read nor inserted, and is no copy of one that was: insert() writes it.',
    )
  }

  /** Of what is written of a row object. */
  turnsOf(row: Row): Turns {
    const turns = this.#turns.get(row) ?? new Turns()
    this.#turns.set(row, turns)
    return turns
  }

  /** What a program gives; `undefined` says nothing. */
  set(row: Row, values: object): Row {
    for (const [key, value] of Object.entries(values)) if (value !== undefined) row[key] = value
    return row
  }

  #make(values: object & { [loadedKey]?: Values | null | undefined }): Row {
    const row = new this.#Row()
    const loaded = values[loadedKey]
    row[loadedKey] = loaded
    if (loaded) for (const file of this.#loaded) file.load(row, text(loaded[file.property]))
    return this.set(row, values)
  }

  /** A row that the database gave. */
  read(values: Values, table: RowTable): Row {
    const row = new this.#Row()
    row[tableKey] = table
    return this.load(row, values)
  }

  /** What the database gave for a row. Thousands are read at once. */
  load(row: Row, values: Values): Row {
    row[loadedKey] = values
    for (const key of this.#plain) {
      const value = values[key]
      if (value !== undefined) row[key] = value
      if (canBeCopied(value)) row[loadedKey] = { ...row[loadedKey], [key]: copyOf(value) }
    }
    for (const file of this.#loaded) {
      const value = values[file.property]
      if (value !== undefined && !holds(file.peek(row), value)) file.load(row, text(value))
    }
    return row
  }

  /** What the database gave for a row that was inserted. Gives what takes it back. */
  loadInserted(row: Row, values: Values): () => void {
    const before = row[loadedKey]
    const given = this.#plain.filter(key => row[key] === undefined)
    this.load(row, values)
    return () => {
      row[loadedKey] = before
      for (const key of given) if (row[key] === values[key]) delete row[key]
    }
  }

  /** What was written to a row, and what the database tells of it. Gives what takes that back. */
  loadUpdated(row: Row, written: Values, told: Values): () => void {
    const before = row[loadedKey]
    const shown = Object.keys(told).map(key => [key, row[key]] as const)
    row[loadedKey] = { ...before, ...copyOf(written), ...copyOf(told) }
    Object.assign(row, told)
    return () => {
      row[loadedKey] = before
      for (const [key, value] of shown) if (row[key] === told[key]) row[key] = value
    }
  }

  /** What the columns are to hold; what nobody has set is left to the database. */
  values(row: Row): Values {
    const values: Values = {}
    for (const key of Object.keys(this.columns)) {
      const file = this.files.get(key)
      const value = file === undefined ? row[key] : file.value(row)
      if (value !== undefined && value !== pendingName) values[key] = value
    }
    return values
  }

  /** What a write has to change, also inside a value that is an object. */
  changes(row: Row): Values {
    const before = row[loadedKey] ?? {}
    return Object.fromEntries(
      Object.entries(this.values(row)).filter(
        ([key, value]) =>
          !this.columns[key]?.generated && this.#mayDiffer(row, key) && !isSame(value, before[key]),
      ),
    )
  }

  /** A file whose write PostgreSQL has taken back without a word is what it was, and differs from what was loaded. */
  #mayDiffer(row: Row, key: string): boolean {
    const file = this.files.get(key)
    return file === undefined || file.peek(row)?.[isChanged] === true
  }

  /** The files that somebody has looked at, or given. */
  touched(row: Row): RowFiles {
    return [...this.files].flatMap(([key, property]) => {
      const file = property.peek(row)
      return file === undefined ? [] : [[key, file] as const]
    })
  }

  all(row: Row): RowFiles {
    return [...this.files].map(([key, property]) => [key, property.get(row)])
  }
}

function rowClass(files: ReadonlyMap<string, FileProperty<Row>>): new () => Row {
  const Row = class {
    toJSON(): Values {
      const row = this as object as Row
      return { ...row, ...Object.fromEntries([...files.keys()].map(key => [key, row[key]])) }
    }
  }
  for (const file of files.values()) file.defineOn(Row.prototype, {}, 'assign')
  const fields = Object.fromEntries([...files].map(([key, { field }]) => [key, field]))
  Object.defineProperty(Row.prototype, rowFields, { value: fields })
  return Row as new () => object as new () => Row
}

/** A row as its files see it. */
class TableHost extends PropertyHost<Row> {
  async persist(): Promise<void> {
    await this.#table.save(this.owner)
  }

  scope(): FileScope | undefined {
    return this.#table.scope()
  }

  async uses(name: string, storage: unknown, isOver: boolean): Promise<number> {
    return await this.#table.uses(storage, name, isOver)
  }

  get #table(): RowTable {
    const table = this.owner[tableKey]
    if (table === undefined) throw new TypeError('a row belongs to a table')
    return table
  }
}

function isMade(column: Column & { readonly hasOnUpdateNow?: boolean }): boolean {
  const { generated, onUpdateFn, hasOnUpdateNow } = column
  return generated !== undefined || onUpdateFn !== undefined || hasOnUpdateNow === true
}

function isSame(value: unknown, before: unknown): boolean {
  return Object.is(value, before) || (canBeCopied(value) && isDeepStrictEqual(value, before))
}

/** JSON, dates and bytes may be changed in place. What else there is in them is taken as it is. */
function copyOf<T>(value: T, seen?: Map<unknown, unknown>): T
function copyOf(value: unknown, seen: Map<unknown, unknown> = new Map()): unknown {
  if (!canBeCopied(value)) return value
  if (value instanceof Date) return new Date(value)
  if (value instanceof Uint8Array) return value.slice()
  if (seen.has(value)) return seen.get(value)
  const copy: object = Array.isArray(value) ? [] : {}
  seen.set(value, copy)
  for (const key of Reflect.ownKeys(value))
    Reflect.set(copy, key, copyOf(Reflect.get(value, key), seen))
  return copy
}

function canBeCopied(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false
  return copied.includes(Object.getPrototypeOf(value))
}

const copied: readonly unknown[] = [
  Object.prototype,
  Array.prototype,
  Date.prototype,
  Uint8Array.prototype,
]

function holds(file: FieldFile | undefined, name: unknown): boolean {
  return file !== undefined && (file[columnName] ?? '') === name
}

export function text(value: unknown): string | null {
  return typeof value === 'string' ? value : null
}

import { types } from 'node:util'
import { UnsupportedError } from '../core/errors.ts'
import type { Storage } from '../core/storage.ts'
import type { FieldFile, FileInput } from './field-file.ts'
import {
  columnName,
  type FieldHost,
  isChanged,
  isPending,
  isUnwritten,
  refresh,
} from './field-host.ts'
import type { FileField } from './file-field.ts'
import type { FileScope } from './lifecycle.ts'

/** File columns of a model by property, as the adapters hand them around. */
export type FileFields = Readonly<Record<string, FileField>>

/**
 * Under this symbol a row of an adapter tells its file fields: its prototype, or the row itself.
 * Caches find the fields of a row by it.
 */
export const rowFields: unique symbol = Symbol.for('stowage.rowFields')

/** What a row keeps per file column: the name as the database gave it, or the file once asked for. */
type Slot = string | null | undefined | FieldFile

/**
 * A file column of rows that are objects of a class: files are made at their first access, so that
 * loading many rows costs nothing. The slot is a private field: no ORM, copy, comparison or serialisation
 * sees it.
 */
export class FileProperty<Row extends object> {
  readonly property: string
  readonly field: FileField
  readonly #slot: RowSlot = newSlot()
  /** Files of rows that nobody has told what they hold: new ones, or loaded without the column. */
  readonly #untold = new WeakSet<FieldFile>()
  readonly #host: (row: Row, property: FileProperty<Row>) => FieldHost

  constructor(
    property: string,
    field: FileField,
    host: (row: Row, property: FileProperty<Row>) => FieldHost,
  ) {
    this.property = property
    this.field = field
    this.#host = host
  }

  /**
   * Puts an accessor on the prototype of the rows, beside what an ORM says about its property.
   *
   * @param set what an assignment does; where rows are loaded by it, nobody can tell that from a program's
   */
  defineOn(
    prototype: object,
    attributes: Pick<PropertyDescriptor, 'configurable' | 'enumerable'> = {},
    set: 'set' | 'assign' = 'set',
  ): void {
    const file = this
    Object.defineProperty(prototype, this.property, {
      ...attributes,
      get(this: Row) {
        return file.get(this)
      },
      set(this: Row, value: FileInput | undefined) {
        file[set](this, value)
      },
    })
  }

  /** The file of a row; a row that has never been told shows the field's default. */
  get(row: Row): FieldFile {
    const slot = this.#slot.read(row)
    if (typeof slot === 'object' && slot !== null) return slot
    if (slot === undefined) this.#refuseProxy(row)
    const name = slot === undefined ? this.field.default : slot
    const file = this.field.file(name, this.#host(row, this))
    if (slot === undefined) this.#untold.add(file)
    this.#slot.write(row, file)
    return file
  }

  /** A host says that the file of its row has changed. */
  told(row: Row): void {
    const file = this.peek(row)
    if (file !== undefined) this.#untold.delete(file)
  }

  /**
   * What a program, or an ORM that loads the row, sets the property to. `undefined` is no value: the row
   * keeps what it has.
   */
  set(row: Row, value: FileInput | undefined): void {
    if (value === undefined) return
    const slot = this.#slot.read(row)
    if (slot === undefined) this.#refuseProxy(row)
    if (typeof slot === 'object' && slot !== null) {
      // What an ORM reads back after it has written the row.
      if (!slot[isPending] && (value || null) === slot[columnName]) return
      slot.assign(value)
    } else if (typeof value === 'string' || (value === null && !slot)) this.load(row, value)
    else this.get(row).assign(value)
  }

  /** What a program gives, and nobody else. `undefined` is no value. */
  assign(row: Row, value: FileInput | undefined): void {
    if (value !== undefined) this.get(row).assign(value)
  }

  /** What the database has in the column; a file that was asked for is no longer that of the row. */
  load(row: Row, name: string | null | undefined): void {
    this.#slot.write(row, name)
  }

  /** What the database has in the column by now, for a row that was read before: what somebody has changed stays. */
  refresh(row: Row, name: string | null): void {
    const slot = this.#slot.read(row)
    if (typeof slot === 'object' && slot !== null) slot[refresh](name)
    else if (slot !== undefined) this.#slot.write(row, name)
  }

  /** Whether nobody has told what the row holds. */
  isUntold(row: Row): boolean {
    const file = this.peek(row)
    return file === undefined ? this.#slot.read(row) === undefined : this.#untold.has(file)
  }

  /** Whether the row has a name that it was read or written with, and nobody has changed since. */
  isAsRead(row: Row): boolean {
    return !this.isUntold(row) && this.peek(row)?.[isChanged] !== true
  }

  /** The file, if it was ever asked for. */
  peek(row: Row): FieldFile | undefined {
    const slot = this.#slot.read(row)
    return typeof slot === 'object' && slot !== null ? slot : undefined
  }

  /** What the column holds, `undefined` if nobody has said, {@link pendingName} until a write begins. */
  column(row: Row): string | null | undefined {
    const slot = this.#slot.read(row)
    if (typeof slot !== 'object' || slot === null) return slot
    if (slot[isUnwritten]) return pendingName
    return this.#untold.has(slot) ? undefined : slot[columnName]
  }

  /**
   * What a write puts into the column: `''` for no file, {@link pendingName}, or `undefined` where nobody
   * has said and for a column that holds NULL, which are left alone.
   */
  value(row: Row): string | undefined {
    const name = this.column(row)
    return name === null && this.peek(row) !== undefined ? '' : (name ?? undefined)
  }

  /** Nobody knows what a proxy is of. */
  #refuseProxy(row: Row): void {
    if (!types.isProxy(row)) return
    throw new UnsupportedError(
      `The row is behind a proxy, which hides its file: take "${this.property}" of the row itself.`,
      { operation: this.property },
    )
  }
}

interface RowSlot {
  read(row: object): Slot
  write(row: object, value: Slot): void
}

/** Its constructor gives back what it is given, so that a class that extends it adds its fields to that. */
class Itself {
  constructor(row: object) {
    // biome-ignore lint/correctness/noConstructorReturn: that is what it is for.
    return row
  }
}

/** A private field of its own with each call, on any object. */
function newSlot(): RowSlot {
  return class Holder extends Itself {
    #value: Slot

    static read(row: object): Slot {
      return #value in row ? row.#value : undefined
    }

    static write(row: object, value: Slot): void {
      const holder = #value in row ? row : new Holder(row)
      holder.#value = value
    }
  }
}

/** Stands for a file that no write of the row has heard of: no name in a database can be equal to it. */
export const pendingName: string = '\0pending'

/** A row whose file columns are {@link FileProperty}s, as its files see it. */
export abstract class PropertyHost<Row extends object> implements FieldHost {
  readonly owner: Row
  readonly attribute: string
  protected readonly column: FileProperty<Row>

  constructor(row: Row, column: FileProperty<Row>) {
    this.owner = row
    this.attribute = column.property
    this.column = column
  }

  /** The slot holds the file, which is asked for its name. */
  setName(): void {
    this.column.told(this.owner)
  }

  setColumn(column: string, value: number | null): void {
    Reflect.set(this.owner, column, value)
  }

  get isUnread(): boolean {
    return this.column.isUntold(this.owner) && this.isStored
  }

  /** Whether the row is in the database, as far as it can be told. */
  protected get isStored(): boolean {
    return false
  }

  abstract persist(): Promise<void>
  abstract scope(): FileScope | undefined
  abstract uses(name: string, storage: Storage, isOver: boolean): Promise<number | undefined>
}

/** On a row: its files, made at their first access. */
const filesKey: unique symbol = Symbol('stowage.files')

/** The file of a row that keeps names itself, if anybody has ever asked for it. */
export function knownFileOfRow(row: object, property: string): FieldFile | undefined {
  return (row as { [filesKey]?: Map<string, FieldFile> })[filesKey]?.get(property)
}

/** The row was read again: content that waits is none that it will be written with. */
export function forgetContentOfRow(row: object, property: string): void {
  const slots: { [filesKey]?: Map<string, FieldFile> } = row
  if (knownFileOfRow(row, property)?.[isPending] === true) slots[filesKey]?.delete(property)
}

/**
 * The file of a row that keeps names itself, and files beside them; a row that was read again, or whose
 * name was changed, has another file.
 *
 * @param value what the row has in its column; {@link pendingName} where it says so while content waits
 */
export function fileOfRow(
  row: object,
  property: string,
  value: unknown,
  make: (name: string | null) => FieldFile,
): FieldFile {
  const known = knownFileOfRow(row, property)
  const name = typeof value === 'string' && value !== '' ? value : null
  const isSame = name === pendingName ? known?.[isPending] : known?.[columnName] === name
  if (known !== undefined && isSame === true) return known
  const file = make(name)
  const slots: { [filesKey]?: Map<string, FieldFile> } = row
  slots[filesKey] ??= new Map()
  slots[filesKey].set(property, file)
  return file
}

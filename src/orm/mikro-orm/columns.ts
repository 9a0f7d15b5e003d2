import { type EntityManager, type EntityMetadata, helper } from '@mikro-orm/core'
import { FieldFile, type FileInput } from '../../fields/field-file.ts'
import { columnName, hasNews, isChanged, isPending, reread } from '../../fields/field-host.ts'
import type { FileField } from '../../fields/file-field.ts'
import { FileProperty, type rowFields } from '../../fields/rows.ts'
import type { DriverFiles } from './driver-files.ts'

export type Row = Record<string, unknown>

/** On the prototype of an entity: its file columns. */
export const columnsKey: unique symbol = Symbol('stowage.mikro-orm.columns')
/** On the prototype of an entity: the files of the drivers that have such rows. */
export const driversKey: unique symbol = Symbol('stowage.mikro-orm.drivers')

/** On the prototype of an entity: of rows that belong to no manager yet, the one that has made them. */
export const makersKey: unique symbol = Symbol('stowage.mikro-orm.makers')

export interface Prototype {
  [makersKey]?: WeakMap<object, EntityManager>
  [driversKey]?: ReadonlySet<DriverFiles>
  [columnsKey]?: ReadonlyMap<string, EntityFile>
  [rowFields]?: Record<string, FileField>
}

/** A file column of entities. */
export class EntityFile extends FileProperty<Row> {
  /** What a program gives. */
  override set(row: Row, value: FileInput | undefined): void {
    if (value === undefined) return
    if (value instanceof FieldFile && isSameRow(row, value.owner)) this.#copy(row, value)
    else if (this.isUntold(row) || !this.#holds(row, value)) this.get(row).assign(value)
  }

  /** What MikroORM has read. */
  read(row: Row, value: FileInput | undefined): void {
    const file = this.peek(row)
    if (typeof value !== 'string' && value !== null) this.set(row, value)
    else if (file === undefined) this.load(row, value)
    else file[reread](value)
  }

  /** The database has taken a write of the file back: MikroORM does not write it again. */
  takeBack(row: Row, name: string | null): void {
    const file = this.peek(row)
    if (file === undefined) this.load(row, name)
    else file[reread](name, true)
  }

  /** What the column is to hold; `undefined` where nobody has said, and the database has something. */
  stored(row: Row): string | null | undefined {
    const name = this.column(row)
    const loaded: Row | undefined = helper(row).__originalEntityData
    if (name === undefined)
      return loaded === undefined
        ? (this.field.default ?? '')
        : (loaded[this.property] as string | undefined)
    const isLeft = name === null && this.peek(row)?.[isChanged] !== true
    return isLeft && loaded?.[this.property] === null ? null : (name ?? '')
  }

  /** Whether a write of the row, of other columns perhaps, has to do with the file. */
  hasNews(row: Row): boolean {
    return this.peek(row)?.[hasNews] === true
  }

  /** A name that the row has already, as MikroORM may read it back. */
  #holds(row: Row, value: FileInput): boolean {
    const file = this.peek(row)
    if (file?.[isPending] === true) return false
    return (value || null) === (file === undefined ? this.column(row) || null : file[columnName])
  }

  /** The same row of another manager, which MikroORM merges into this one. */
  #copy(row: Row, file: FieldFile): void {
    if (file[isPending]) this.get(row).assign(file)
    else if (!this.isUntold(file.owner as Row)) this.read(row, file[columnName])
  }
}

function isSameRow(row: Row, other: object | null): boolean {
  if (other === null || other === row || other.constructor !== row.constructor) return false
  const key: unknown = helper(row).getPrimaryKey()
  return (
    key !== null &&
    key !== undefined &&
    helper(row).getSerializedPrimaryKey() === helper(other).getSerializedPrimaryKey()
  )
}

const none: ReadonlyMap<string, EntityFile> = new Map()

/** The file columns of a row, or of the prototype of rows. */
export function columnsOf(row: object): readonly EntityFile[] {
  return [...columnMap(row).values()]
}

/** By their properties. */
export function columnMap(row: object): ReadonlyMap<string, EntityFile> {
  return (row as Prototype)[columnsKey] ?? none
}

/** Those of an entity class. */
export function columnsOfClass({ prototype }: EntityMetadata): readonly EntityFile[] {
  return columnsOf(prototype as object)
}

/** The manager that a row is written by, or was made by. */
export function managerOfRow(row: object): EntityManager | undefined {
  return helper(row).__em ?? (row as Prototype)[makersKey]?.get(row)
}

export function rememberManager(row: object, em: EntityManager): void {
  if (helper(row).__em === undefined) (row as Prototype)[makersKey]?.set(row, em)
}

import type { EntityManager, EntityMetadata } from '@mikro-orm/core'
import type { FileField } from '../../fields/file-field.ts'
import type { FileProperty, rowFields } from '../../fields/rows.ts'

export type Row = Record<string, unknown>
export type Property = FileProperty<Row>

/** On the prototype of an entity: its file columns. */
export const columnsKey: unique symbol = Symbol('stowage.mikro-orm.columns')
/** On an entity: the manager that made it, or wrote it last. */
export const managerKey: unique symbol = Symbol('stowage.mikro-orm.manager')

export interface Made {
  [managerKey]?: EntityManager
}

export interface Prototype {
  [columnsKey]?: Map<string, Property>
  [rowFields]?: Record<string, FileField>
}

/** The file columns of a row, or of the prototype of rows. */
export function columnsOf(row: object): readonly Property[] {
  return [...((row as Prototype)[columnsKey]?.values() ?? [])]
}

/** Those of an entity class. */
export function columnsOfClass({ prototype }: EntityMetadata): readonly Property[] {
  return columnsOf(prototype as object)
}

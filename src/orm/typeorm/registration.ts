import type { DataSource, EntityManager, ObjectLiteral, QueryRunner } from 'typeorm'
import type { FileField } from '../../fields/file-field.ts'
import type { FileScope } from '../../fields/lifecycle.ts'
import type { FileProperty, rowFields } from '../../fields/rows.ts'

export type Property = FileProperty<ObjectLiteral>

/** File columns of an entity class, kept on its prototype. */
export const columnsKey: unique symbol = Symbol('stowage.typeorm.columns')
/** Data sources that an entity class is registered with. */
export const sourcesKey: unique symbol = Symbol('stowage.typeorm.sources')
/** Managers that have made, loaded or written rows of an entity class, each the last one of its row. */
export const managersKey: unique symbol = Symbol('stowage.typeorm.managers')
/** On a data source: its registration. */
const registrationKey: unique symbol = Symbol('stowage.typeorm.registration')

export interface Prototype {
  [columnsKey]?: ReadonlyMap<string, Property>
  [sourcesKey]?: ReadonlySet<Registration>
  [managersKey]?: WeakMap<object, EntityManager>
  [rowFields]?: Readonly<Record<string, FileField>>
}

/** What the files of a row need of its data source. */
export interface Registration {
  readonly source: DataSource
  readonly isSqlite: boolean
  managerOf(row: object): EntityManager
  scopeOf(runner: QueryRunner | undefined): FileScope | undefined
  uses(storage: unknown, name: string): Promise<number>
}

export function registrationOf(
  source: DataSource & { [registrationKey]?: Registration },
): Registration | undefined {
  return source[registrationKey]
}

export function register(files: Registration): void {
  Object.defineProperty(files.source, registrationKey, { value: files })
}

/** The manager that has loaded or written a row last, if one has. */
export function lastManager(row: Prototype & object): EntityManager | undefined {
  return row[managersKey]?.get(row)
}

export function rememberManager(row: Prototype & object, manager: EntityManager): void {
  row[managersKey]?.set(row, manager)
}

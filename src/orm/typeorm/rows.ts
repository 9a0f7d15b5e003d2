import type {
  BaseEntity,
  EntityManager,
  EntityMetadata,
  ObjectLiteral,
  SelectQueryBuilder,
} from 'typeorm'
import { bypass } from '../../fields/bypass.ts'
import type { FiledTable } from '../../fields/statements.ts'
import { columnsKey, type Property, type Prototype } from './registration.ts'

/** The file columns of an entity's rows. */
export function columnsOf({ target }: EntityMetadata): readonly Property[] {
  if (typeof target !== 'function') return []
  return [...((target.prototype as Prototype)[columnsKey]?.values() ?? [])]
}

/** Where statements find the table of an entity. */
export function placeOf({
  tableName,
  tablePath,
  dataSource,
}: EntityMetadata): Pick<FiledTable, 'schema' | 'others'> {
  const { schema, database } = dataSource.driver
  const schemaIn = (path: string): string | undefined => path.split('.').at(-2) || undefined
  const found = (path: string): string | undefined => schemaIn(path) ?? schema ?? database
  const others = dataSource.entityMetadatas.filter(
    other =>
      other.tableName === tableName &&
      found(other.tablePath) !== found(tablePath) &&
      columnsOf(other).length === 0,
  )
  return { schema: schemaIn(tablePath), others: others.map(other => other.tablePath) }
}

/** The row itself; for a plain object, which `save()` and `remove()` take too, one with the names that it gives. */
export function entityOf(metadata: EntityMetadata, given: ObjectLiteral): ObjectLiteral {
  const { target } = metadata
  if (typeof target === 'function' && given instanceof target) return given
  const row = metadata.create()
  for (const column of columnsOf(metadata)) {
    const value: unknown = given[column.property]
    if (typeof value === 'string' || value === null) column.set(row, value ?? '')
    else if (typeof value === 'object')
      throw bypass(
        'insert(), or save() of a plain object,',
        [column.property],
        'save() of an entity that create() has made',
      )
  }
  return row
}

/** A plain object is written with the columns that follow from the files that it names. */
export function showColumns(
  columns: readonly Property[],
  row: ObjectLiteral,
  given: ObjectLiteral,
): void {
  for (const { field } of columns.filter(column => !column.isAsRead(row) && !column.isUntold(row)))
    for (const other of Object.keys(field.emptyColumns)) given[other] = row[other] ?? null
}

/** A file that nobody has changed here is the one that the row has by now, with the columns that follow from it. */
export function refreshRow(
  row: ObjectLiteral,
  column: Property,
  name: string | null,
  current: ObjectLiteral,
): void {
  if (!column.isAsRead(row) || column.column(row) === name) return
  column.refresh(row, name)
  for (const other of Object.keys(column.field.emptyColumns))
    if (row[other] !== undefined) row[other] = current[other]
}

/** Of a row whose other columns TypeORM has just read again. */
export async function reloadNames(row: BaseEntity): Promise<void> {
  const { manager, metadata } = (row.constructor as typeof BaseEntity).getRepository()
  const columns = columnsOf(metadata)
  const properties = columns.map(({ property }) => property)
  const query = selectNames(manager, metadata.target, properties)
  const names = await query.whereInIds(metadata.getEntityIdMap(row)).getRawOne<ObjectLiteral>()
  for (const column of columns) column.load(row, names?.[column.property])
}

/** Selects what rows have in some properties from the database itself. */
export function selectNames(
  manager: EntityManager,
  target: EntityMetadata['target'],
  properties: readonly string[],
): SelectQueryBuilder<ObjectLiteral> {
  const query = manager.createQueryBuilder(target, 'row').select([]).withDeleted().cache(false)
  for (const property of properties) query.addSelect(`row.${property}`, property)
  return query
}

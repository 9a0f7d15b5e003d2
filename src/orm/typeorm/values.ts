import type { EntityMetadata, ObjectLiteral } from 'typeorm'
import { ImproperlyConfigured } from '../../core/errors.ts'
import { FieldFile } from '../../fields/field-file.ts'
import { columnName } from '../../fields/field-host.ts'
import { pendingName } from '../../fields/rows.ts'
import type { Property } from './registration.ts'

/** The file of a row where TypeORM takes the value of its column, to compare, write or copy it. */
class HeldFile {
  readonly row: ObjectLiteral

  constructor(row: ObjectLiteral) {
    this.row = row
  }
}

/**
 * TypeORM reads and compares names, never files; what nobody has set is left as it is, also in a copy that
 * it makes of a row (`create()`, `merge()`).
 *
 * @param isLoading whether the columns of a row are being filled with what the database has
 */
export function followValues(
  column: EntityMetadata['columns'][number],
  file: Property,
  isLoading: (row: ObjectLiteral) => boolean,
): void {
  const { setEntityValue } = column
  column.getEntityValue = (row: ObjectLiteral | null | undefined, isTransformed) => {
    if (row === null || row === undefined) return row
    if (!Object.hasOwn(row, file.property)) {
      if (isTransformed === true) return file.value(row)
      return file.value(row) === undefined ? undefined : new HeldFile(row)
    }
    const value: unknown = row[file.property]
    if (isTransformed === true) return nameIn(file, value)
    return value === null ? '' : value
  }
  column.setEntityValue = (row, value) => {
    if (isLoading(row)) file.load(row, value)
    else if (!(value instanceof HeldFile)) setEntityValue.call(column, row, value)
    else if (!isOn(row, file)) setEntityValue.call(column, row, file.get(value.row))
    else if (row !== value.row) copy(file, value.row, row)
  }
}

/** The name in a value that TypeORM would write or look for: one that was given, or an entity's own. */
export function nameIn(column: Property, value: unknown): unknown {
  if (value instanceof HeldFile) return column.value(value.row)
  if (!(value instanceof FieldFile)) return value
  const { owner } = value
  const isOwn = owner !== null && column.peek(owner) === value
  const name = isOwn ? column.value(owner) : (value[columnName] ?? '')
  if (name !== undefined && name !== pendingName) return name
  throw new ImproperlyConfigured(
    `"${column.property}" has no name that could be written: call registerFiles(dataSource) for the data source that saves the row.`,
    { setting: 'registerFiles' },
  )
}

/** Whether it is a row, and no plain object. */
function isOn(row: ObjectLiteral, { property }: Property): boolean {
  return property in row && !Object.hasOwn(row, property)
}

/** What was only read is no more than read in the copy. */
function copy(file: Property, from: ObjectLiteral, to: ObjectLiteral): void {
  const name = file.value(from) ?? null
  if (!file.isAsRead(from)) file.assign(to, file.get(from))
  else if (file.isUntold(to)) file.load(to, name)
  else file.refresh(to, name)
}

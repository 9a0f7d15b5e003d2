import { ValidationError } from '../../core/errors.ts'
import { FieldFile, type FileInput } from '../../fields/field-file.ts'
import { type FieldHost, isPending } from '../../fields/field-host.ts'
import type { FileField } from '../../fields/file-field.ts'
import type { FileFields } from '../../fields/rows.ts'
import { isValues, type Values } from './client.ts'

/**
 * A file as a value of a file column in `create` and `update`: content, a stored name, or the file
 * of a row that something was assigned to. It may be used again: for another row, or when a
 * transaction is done again.
 */
export function fileData(value: FileInput): string {
  if (value === null || typeof value === 'string') return value ?? ''
  // Prisma copies arguments, and leaves functions as they are; it refuses one that gets to the database.
  const data = Object.assign(() => {}, { [contentKey]: value, [Symbol.toStringTag]: unseen })
  return data as never
}

/** In Prisma's error. */
const unseen = 'fileData() in a query that no fileExtension sees'
const contentKey: unique symbol = Symbol.for('stowage.prisma.content')

/** What data has for some file columns; columns that it leaves alone are not in it. */
export function givenIn(data: Values, columns: readonly string[]): Record<string, FileInput> {
  const given: Record<string, FileInput> = {}
  for (const column of columns) {
    const value = givenOf(data[column], column)
    if (value !== undefined) given[column] = value
  }
  return given
}

/** What a row that is made past the adapter cannot have: a name takes no file away, and needs none stored. */
export function unnamed(
  given: Readonly<Record<string, FileInput>>,
  fields: FileFields,
): Record<string, FileInput> {
  return Object.fromEntries(
    Object.entries(given).filter(([column, value]) => {
      // Whose columns nobody would fill in.
      const isMeasured = Object.keys(fields[column]?.emptyColumns ?? {}).length > 0
      return typeof value === 'string' ? value !== '' && isMeasured : value !== null
    }),
  )
}

/** Names the default files of a new row where its data says nothing of them. */
export function putDefaults(data: Values, fields: FileFields): void {
  for (const [column, field] of Object.entries(fields)) {
    if (field.default !== null && !(column in givenIn(data, [column]))) data[column] = field.default
  }
}

/** Whether it is stored only when a row is written. */
export function isContent(given: FileInput): boolean {
  if (given === null || typeof given === 'string') return false
  return !(given instanceof FieldFile) || given[isPending]
}

/** The file that is given for a column. */
export function fileOf(given: FileInput, field: FileField, host: FieldHost): FieldFile {
  if (given instanceof FieldFile && given.field === field) return given
  return field.file(null, host).assign(given)
}

function givenOf(value: unknown, column: string): FileInput | undefined {
  if (value === undefined || value === null || typeof value === 'string') return value
  if (typeof value === 'function' && contentKey in value) return value[contentKey] as FileInput
  if (isValues(value) && 'set' in value) return givenOf(value['set'], column)
  // Prisma.skip
  if (isValues(value) && typeof value['ifUndefined'] === 'function') return undefined
  throw new ValidationError(
    `"${column}" takes fileData(file) or the name of a stored file: Prisma copies what it is given, and of a file nothing is left.`,
    { operation: 'fileData' },
  )
}

import { FieldFile, type FieldHost, type FileInput, isPending } from '../../fields/field-file.ts'
import type { FileField } from '../../fields/file-field.ts'

/**
 * A file as a value of a file column in `create` and `update`: content, a stored name, or the file
 * of a row that something was assigned to.
 */
export function fileData(value: FileInput): string {
  if (value === null || typeof value === 'string') return value ?? ''
  const token = `${tokenPrefix}${crypto.randomUUID()}`
  waiting().set(token, value)
  return token
}

/** Prisma clones arguments, and only text survives that: content waits here for its query. */
const waitingKey: unique symbol = Symbol.for('stowage.prisma.waiting')
const tokenPrefix = '\0stowage:'

function waiting(): Map<string, Exclude<FileInput, string | null>> {
  const shared = globalThis as { [waitingKey]?: ReturnType<typeof waiting> | undefined }
  shared[waitingKey] ??= new Map()
  return shared[waitingKey]
}

/** Whether a value of a column stands for content that is not stored yet. */
export function isContent(value: unknown): boolean {
  const given = typeof value === 'string' ? waiting().get(value) : undefined
  return given !== undefined && (!(given instanceof FieldFile) || given[isPending])
}

/** The file that a value of a column stands for. */
export function fileOf(value: unknown, field: FileField, host: FieldHost): FieldFile {
  const token = typeof value === 'string' && value.startsWith(tokenPrefix) ? value : ''
  const given = waiting().get(token)
  waiting().delete(token)
  if (given instanceof FieldFile && given.field === field) return given
  const file = field.file(null, host)
  if (given !== undefined) file.assign(given)
  else if (typeof value === 'string' && token === '') file.assign(value)
  return file
}

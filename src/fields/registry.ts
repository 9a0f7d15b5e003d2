import { ImproperlyConfigured } from '../core/errors.ts'
import type { FileField } from './file-field.ts'

/** Name of the fields on `globalThis`: two installed copies find each other's. */
const fieldsKey: unique symbol = Symbol.for('stowage.fields')

/** `null`: several fields have this name without anybody having asked for it. */
type Fields = Map<string, FileField | null>

function fields(): Fields {
  const shared = globalThis as { [fieldsKey]?: Fields | undefined }
  shared[fieldsKey] ??= new Map()
  return shared[fieldsKey]
}

/**
 * Registers a field under the id that its constructor was given.
 *
 * @throws ImproperlyConfigured when another field has it
 */
export function registerId(id: string, field: FileField): void {
  if (fields().has(id)) throw duplicate(id)
  fields().set(id, field)
}

/**
 * Registers a field under `Table.column`. Several databases may have a table of that name: such an
 * id says nothing, and is refused where it would be used.
 */
export function registerDefaultId(id: string, field: FileField): void {
  const known = fields().get(id)
  fields().set(id, known === undefined || known === field ? field : null)
}

/**
 * The field of an id, for what comes out of a cache.
 *
 * @throws ImproperlyConfigured unless exactly one field has it
 */
export function fieldOf(id: string): FileField {
  const field = fields().get(id)
  if (field === null) throw duplicate(id)
  if (field !== undefined) return field
  throw new ImproperlyConfigured(
    `There is no file field ${JSON.stringify(id)}; its model has to be loaded before a cache is read.`,
    { setting: 'id' },
  )
}

function duplicate(id: string): ImproperlyConfigured {
  return new ImproperlyConfigured(
    `Two file fields have the id ${JSON.stringify(id)}; give each an id of its own.`,
    { setting: 'id' },
  )
}

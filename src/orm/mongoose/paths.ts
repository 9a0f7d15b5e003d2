import type { Document, Schema } from 'mongoose'
import { UnsupportedError } from '../../core/errors.ts'
import { columnName, type FileInput } from '../../fields/field-file.ts'
import { checkField } from '../../fields/field-options.ts'
import type { FileField } from '../../fields/file-field.ts'
import type { FileFields } from '../../fields/rows.ts'
import { fileOf, isDocument } from './document.ts'

/** On the getter of a path: its field. Schemas that are merged of others take their getters along. */
const fieldKey: unique symbol = Symbol('stowage.mongoose.field')

export function addPath(schema: Schema, path: string, field: FileField): void {
  checkField(`filePlugin() of "${path}"`, field)
  function get(this: unknown, value: unknown): unknown {
    if (isDocument(this)) refuseSubdocument(this, path)
    return isDocument(this) ? fileOf(this, path, field, value) : value
  }
  schema.add({
    [path]: {
      type: String,
      // Mongoose takes a third more time to load documents whose paths have defaults.
      ...(field.default === null ? {} : { default: field.default }),
      get: Object.assign(get, { [fieldKey]: field }),
      set(this: unknown, value: FileInput) {
        if (isDocument(this)) refuseSubdocument(this, path)
        if (!isDocument(this) || typeof value === 'string') return value ?? ''
        const file = fileOf(this, path, field, this.get(path, null, { getters: false }))
        file.assign(value)
        return file[columnName] ?? ''
      },
    },
  })
}

/**
 * The file paths of a model: of every plugin call, and of a discriminator also those of its base, whose
 * methods it has replaced.
 */
export function fieldsOf(schema: Schema): FileFields {
  const fields: Record<string, FileField> = {}
  schema.eachPath((path, { options }) => {
    const getter: { [fieldKey]?: FileField } | undefined = options.get
    const field = getter?.[fieldKey]
    if (field !== undefined) fields[path] = field
  })
  return fields
}

/** A document inside another one is written with that: nobody would store its files. */
function refuseSubdocument(document: Document, path: string): void {
  if (!Object(document).$isSubdocument) return
  throw new UnsupportedError(
    `"${path}" is a file in a document inside another one: give the files to the schema of the outer one.`,
    { operation: 'filePlugin' },
  )
}

import type { Document, Model, Schema } from 'mongoose'
import { ImproperlyConfigured, UnsupportedError } from '../../core/errors.ts'
import { FieldFile, type FileInput } from '../../fields/field-file.ts'
import { columnName, isPending } from '../../fields/field-host.ts'
import { checkField } from '../../fields/field-options.ts'
import type { FileField } from '../../fields/file-field.ts'
import { knownFileOfRow, pendingName } from '../../fields/rows.ts'
import { ConnectionFiles, fieldKey } from './connection.ts'
import { fileOf, isContent, RawValue, rawOf } from './document.ts'
import { isDocument, valueAt } from './updates.ts'

/** What a path that the schema declares itself may not say of its file. */
const ownOptions = ['get', 'set', 'cast', 'default', 'lowercase', 'uppercase', 'immutable'] as const

/** A path that holds the name of a file in the database, and shows the file in documents. */
export function addPath(schema: Schema, path: string, field: FileField): void {
  checkField(`filePlugin() of "${path}"`, field)
  function get(this: unknown, value: unknown): unknown {
    if (!isDocument(this)) return value
    meet(this, path)
    return fileOf(this, path, field, value)
  }
  function set(this: unknown, value: FileInput | RawValue | undefined): unknown {
    if (value instanceof RawValue) return value.value
    if (!isDocument(this)) return nameOf(value)
    meet(this, path)
    const raw = valueAt(this, path)
    if (value === undefined) return raw
    // Defaults come as strings, too. A file that nobody has asked for is made when somebody does.
    const known = knownFileOfRow(this, path)
    const isSame = known === undefined || rawOf(known, known[columnName]) === value
    if (typeof value === 'string' && isSame) return value
    const file = fileOf(this, path, field, raw).assign(value)
    return rawOf(file, file[columnName])
  }
  const { Types } = schema.constructor as typeof Schema
  function cast(value: unknown): unknown {
    if (typeof value === 'string' || isContent(value)) return value
    return value instanceof FieldFile ? rawOf(value, value[columnName]) : Types.String.cast()(value)
  }
  schema.add({
    [path]: {
      ...declaredAt(schema, path),
      [schema.get('typeKey') ?? 'type']: String,
      // Names are as they are, whatever strings are told for all schemas.
      ...{ trim: false, lowercase: false, uppercase: false },
      // Mongoose takes a third more time to load documents whose paths have defaults.
      ...(field.default === null ? {} : { default: field.default }),
      get: Object.assign(get, { [fieldKey]: field }),
      set,
      cast,
    },
  })
}

/**
 * What the schema says of the path, such as `required`.
 *
 * @throws ImproperlyConfigured for what would change the file
 * @throws UnsupportedError for a path inside a document inside this one: nobody would store its files
 */
function declaredAt(schema: Schema, path: string): object {
  const keys = path.split('.')
  const outer = keys.map((_, at) => keys.slice(0, at).join('.')).find(key => key in schema.paths)
  if (outer !== undefined) {
    throw new UnsupportedError(
      `"${path}" would be a file in "${outer}", which is a path of the type ${schema.path(outer).instance}: files are in paths of a model's schema, or nested in it ({ ${outer}: { … } } without a type).`,
      { operation: 'filePlugin' },
    )
  }
  const { instance, options } = schema.paths[path] ?? {}
  if (options === undefined || Object(options.get)[fieldKey] !== undefined) return {}
  const refused = instance === 'String' ? ownOptions.find(name => options[name]) : 'type'
  // An alias is there by now, and would be one twice.
  if (refused === undefined) return { ...options, alias: undefined }
  throw new ImproperlyConfigured(
    `"${path}" is a file, and its path takes no "${refused}" from the schema: filePlugin() makes it a String with a getter and a setter, and the default is the FileField's.`,
    { setting: path },
  )
}

/** What a query or an update that goes past documents is given: content in it is refused later. */
function nameOf(value: FileInput | undefined): string | null | undefined {
  if (value instanceof FieldFile) return value[isPending] ? pendingName : value[columnName]
  if (isContent(value)) return pendingName
  return value === null ? '' : value
}

/**
 * The first document of a model whose schema was made of another one, of which nobody has told.
 *
 * @throws UnsupportedError for a document inside another one: nobody would store its files
 */
function meet(document: Document, path: string): void {
  if (!Object(document).$isSubdocument) {
    ConnectionFiles.of(document.db).meet(document.constructor as typeof Model)
    return
  }
  throw new UnsupportedError(
    `"${path}" is a file in a document inside another one: give the files to the schema of the outer one.`,
    { operation: 'filePlugin' },
  )
}

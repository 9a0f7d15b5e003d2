import type { Document, Model, Schema } from 'mongoose'
import { type ContentFile, isContentFile } from '../../core/content-file.ts'
import { UnsupportedError } from '../../core/errors.ts'
import { columnName, FieldFile, type FileInput, isPending } from '../../fields/field-file.ts'
import { checkField } from '../../fields/field-options.ts'
import type { FileField } from '../../fields/file-field.ts'
import { knownFileOfRow, pendingName } from '../../fields/rows.ts'
import { ConnectionFiles, fieldKey } from './connection.ts'
import { fileOf, RawValue, rawOf } from './document.ts'
import { isDocument, valueAt } from './updates.ts'

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
    // Of a copy of a document, which cannot be saved with it.
    if (value === pendingName) return value
    // Defaults come as strings, too. A file that nobody has asked for is made when somebody does.
    const known = knownFileOfRow(this, path)
    const isSame = known === undefined || rawOf(known, known[columnName]) === value
    if (typeof value === 'string' && isSame) return value
    const file = fileOf(this, path, field, raw).assign(value)
    return rawOf(file, file[columnName])
  }
  schema.add({
    [path]: {
      type: String,
      // Mongoose takes a third more time to load documents whose paths have defaults.
      ...(field.default === null ? {} : { default: field.default }),
      get: Object.assign(get, { [fieldKey]: field }),
      set,
    },
  })
  showContent(schema, path)
}

/**
 * Lets validators see the name of content that waits, and not its mark, and lets `Model.validate()`, which
 * knows no setters, take content. The class of a path is what copies of its schema keep.
 */
function showContent(schema: Schema, path: string): void {
  const type = schema.path(path)
  const Text = type.constructor as typeof Schema.Types.String
  class FilePath extends Text {
    // Documents that are loaded come by here: names, which are left as they are.
    override cast(value: unknown, doc?: never, init?: boolean, prev?: unknown): unknown {
      const isFile = value instanceof FieldFile || isContent(value)
      return super.cast(isFile ? nameOf(value) : value, doc, init, prev)
    }
  }
  for (const method of ['doValidate', 'doValidateSync']) {
    const validate: (...args: unknown[]) => unknown = Reflect.get(Text.prototype, method)
    Object.assign(FilePath.prototype, {
      [method](value: unknown, scope: unknown, options: unknown): unknown {
        const shown = isContent(value) || value === pendingName ? shownAt(scope, path) : value
        return Reflect.apply(validate, this, [shown, scope, options])
      },
    })
  }
  Object.setPrototypeOf(type, FilePath.prototype)
}

/** The name of content in a document, or in the values for one. */
function shownAt(scope: unknown, path: string): unknown {
  const value = isDocument(scope) ? scope.get(path) : valueAt(scope, path)
  return Object(value).name
}

function isContent(value: unknown): value is File | ContentFile {
  return value instanceof File || isContentFile(value)
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

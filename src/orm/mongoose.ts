import { AsyncLocalStorage } from 'node:async_hooks'
import {
  type ClientSession,
  type Document,
  Model,
  Error as MongooseErrors,
  type Schema,
} from 'mongoose'
import { PreconditionFailedError, UnavailableError, UnsupportedError } from '../core/errors.ts'
import { bypass } from '../fields/bypass.ts'
import {
  afterDelete,
  afterWrite,
  beforeWrite,
  columnName,
  FieldFile,
  type FieldHost,
  type FileInput,
  isPending,
} from '../fields/field-file.ts'
import { checkField } from '../fields/field-options.ts'
import type { FileField } from '../fields/file-field.ts'
import { currentScope, type FileScope, inScope } from '../fields/lifecycle.ts'
import { type FileFields, rowFields } from '../fields/rows.ts'
import { unmet, untilMet } from '../fields/until-met.ts'

/** On the getter of a path: its field. Schemas that are merged of others take their getters along. */
const fieldKey: unique symbol = Symbol('stowage.mongoose.field')
/** On a document: its files, made at their first access. */
const filesKey: unique symbol = Symbol('stowage.mongoose.files')

interface FileDocument extends Document {
  [filesKey]?: Map<string, FieldFile>
}

/**
 * Makes paths of a schema files: `schema.plugin(filePlugin({ avatar: field }))`. The paths are strings
 * in the database; `''` stands for no file. A transaction stands in `fileTransaction`:
 * `fileTransaction(() => connection.transaction(async session => …))`.
 */
export function filePlugin(fields: FileFields): (schema: Schema) => void {
  return schema => {
    for (const [path, field] of Object.entries(fields)) addPath(schema, path, field)
    schema.on('init', (model: typeof Model) => {
      const { collectionName } = model.collection
      const all = fieldsOf(model.schema)
      for (const [path, field] of Object.entries(all)) field.attach(collectionName, path)
      const toRow = (document: Document): object =>
        document.toObject({ getters: false, virtuals: false })
      const own = Object.create({ toRow }, Object.getOwnPropertyDescriptors(all))
      Object.assign(model.prototype, { [rowFields]: own })
    })
    // create() calls it under its other name.
    for (const name of ['save', '$save']) {
      function save(this: FileDocument, options: SaveOptions = {}): Promise<unknown> {
        return saveWithFiles(this, fieldsOf(modelOf(this).schema), options)
      }
      schema.method(name, save, { suppressWarning: true })
    }
    // Documents that are about to be deleted: Mongoose makes a query of it, which is no query of ours.
    const deleting = new Set<string>()
    followDeletion(schema, fields, deleting)
    guardQueries(schema, fields, deleting)
  }
}

interface SaveOptions {
  readonly session?: ClientSession | null
}

/**
 * The file paths of a model: of every plugin call, and of a discriminator also those of its base, whose
 * methods it has replaced.
 */
function fieldsOf(schema: Schema): FileFields {
  const fields: Record<string, FileField> = {}
  schema.eachPath((path, { options }) => {
    const getter: { [fieldKey]?: FileField } | undefined = options.get
    const field = getter?.[fieldKey]
    if (field !== undefined) fields[path] = field
  })
  return fields
}

function addPath(schema: Schema, path: string, field: FileField): void {
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

/** Getters are called for queries and plain objects, too. */
function isDocument(value: unknown): value is FileDocument {
  return typeof value === 'object' && value !== null && '$isNew' in value
}

/** A document inside another one is written with that: nobody would store its files. */
function refuseSubdocument(document: FileDocument, path: string): void {
  if (!Object(document).$isSubdocument) return
  throw new UnsupportedError(
    `"${path}" is a file in a document inside another one: give the files to the schema of the outer one.`,
    { operation: 'filePlugin' },
  )
}

/** The file of a document; one whose path was set to another name has another file. */
function fileOf(document: FileDocument, path: string, field: FileField, value: unknown): FieldFile {
  document[filesKey] ??= new Map()
  const files = document[filesKey]
  const known = files.get(path)
  const name = typeof value === 'string' && value !== '' ? value : null
  if (known !== undefined && known[columnName] === name) return known
  const file = field.file(name, new DocumentHost(document, path))
  files.set(path, file)
  return file
}

async function saveWithFiles(
  document: FileDocument,
  fields: FileFields,
  options: SaveOptions,
): Promise<unknown> {
  const save: (options: object) => Promise<unknown> = Model.prototype.save.bind(document)
  for (const path of document.isNew ? Object.keys(fields) : [])
    if (document.get(path, null, { getters: false }) === undefined) document.set(path, '')
  const files = Object.keys(fields).flatMap(path => {
    const file: unknown = document.get(path)
    const touched = document.isNew || document.isModified(path)
    return file instanceof FieldFile && (touched || file[isPending]) ? [[path, file] as const] : []
  })
  if (files.length === 0) return await save(options)
  const session = options.session ?? sessionOf(document)
  return await inScope(openScope(session), async scope => {
    for (const [, file] of files) await file[beforeWrite](scope)
    const paths = files.map(([path]) => path)
    let previous: Names = {}
    if (document.isNew) await save(options)
    else previous = await swap(document, paths, session, () => save(options))
    for (const [path, file] of files) await file[afterWrite](scope, previous[path] ?? null)
    return document
  })
}

/** @throws UnsupportedError in a transaction whose end nobody would tell */
function openScope(session: ClientSession | null | undefined): FileScope | undefined {
  const scope = currentScope()
  if (scope !== undefined || session?.inTransaction() !== true) return scope
  throw new UnsupportedError(
    'MongoDB tells nobody how a transaction ends: put fileTransaction(() => connection.transaction(…)) around it.',
    { operation: 'transaction' },
  )
}

type Names = Record<string, string | undefined>

/** Resolves to what the document had. */
async function swap(
  document: FileDocument,
  paths: readonly string[],
  session: ClientSession | null | undefined,
  write: () => Promise<unknown>,
): Promise<Names> {
  const where = document.$where
  try {
    return await untilMet(async () => {
      const names = await currentNames(document, paths, session)
      if (names === null) throw vanished(document)
      document.$where = { ...where, ...names }
      try {
        await write()
        return names
      } catch (error) {
        // Another writer came in between.
        if (!(error instanceof MongooseErrors.DocumentNotFoundError)) throw error
        return unmet
      }
    })
  } finally {
    Object.assign(document, { $where: where })
  }
}

async function currentNames(
  document: FileDocument,
  paths: readonly string[],
  session: ClientSession | null | undefined,
): Promise<Names | null> {
  const query = modelOf(document).collection.findOne(
    { _id: document._id as never },
    session ? { session } : {},
  )
  const found: Record<string, unknown> | null = await query
  if (found === null) return null
  return Object.fromEntries(paths.map(path => [path, valueAt(found, path) as string | undefined]))
}

/** A document is deleted with the files that it has by then. */
function followDeletion(schema: Schema, fields: FileFields, deleting: Set<string>): void {
  const paths = Object.keys(fields)
  const previous = new WeakMap<Document, Names>()
  const onDocument = { document: true, query: false } as const
  schema.pre('deleteOne', onDocument, async function (this: FileDocument) {
    openScope(sessionOf(this))
    const names = await currentNames(this, paths, sessionOf(this))
    if (names === null) {
      deleting.add(String(this._id))
      return
    }
    previous.set(this, names)
    deleting.add(String(this._id))
    this.$where = { ...this.$where, ...names }
  })
  schema.post('deleteOne', onDocument, async function (this: FileDocument) {
    const names = previous.get(this)
    if (names === undefined) return
    Object.assign(this, { $where: undefined })
    if ((await currentNames(this, paths, sessionOf(this))) !== null) {
      throw new UnavailableError('The document was changed by others while it was deleted.')
    }
    await inScope(currentScope(), async scope => {
      for (const path of paths) {
        const file: unknown = this.get(path)
        if (file instanceof FieldFile) await file[afterDelete](scope, names[path] ?? null)
      }
    })
  })
}

/** Ways that change many documents at once go past their files. */
function guardQueries(schema: Schema, fields: FileFields, deleting: Set<string>): void {
  const paths = Object.keys(fields)
  const cleans = Object.values(fields).some(field => field.onDelete === 'cleanup')
  const touches = (update: unknown): boolean =>
    typeof update === 'object' &&
    update !== null &&
    Object.entries(update).some(
      ([key, value]) =>
        paths.some(path => path === key || path.startsWith(`${key}.`)) ||
        (key === '$rename' && paths.some(path => Object.values(Object(value)).includes(path))) ||
        (key.startsWith('$') && touches(value)),
    )
  const waits = (document: unknown): boolean =>
    paths.some(path => {
      const value = valueAt(document, path)
      return typeof value === 'object' && value !== null && !isStored(value)
    })
  schema.pre(
    ['updateOne', 'updateMany', 'findOneAndUpdate', 'replaceOne', 'findOneAndReplace'],
    { document: false, query: true },
    function () {
      const update: unknown = this.getUpdate()
      const replaces = /replace/i.test(String(Reflect.get(this, 'op')))
      if (replaces || [update].flat().some(touches))
        throw bypass('A query', paths, 'save() of the documents')
    },
  )
  schema.pre(
    ['deleteOne', 'deleteMany', 'findOneAndDelete'],
    { document: false, query: true },
    function () {
      if (deleting.delete(String(this.getFilter()['_id']))) return
      if (cleans) throw bypass('A query', paths, 'deleteOne() of the documents')
    },
  )
  schema.pre('insertMany', (documents: unknown) => {
    if ([documents].flat().some(waits)) throw bypass('insertMany()', paths, 'create()')
  })
  schema.pre('bulkWrite', (operations: unknown) => {
    for (const operation of [operations].flat().flatMap(one => Object.entries(Object(one)))) {
      const [kind, what] = operation
      const deletes = kind.startsWith('delete') && cleans
      if (deletes || kind === 'replaceOne' || touches(Reflect.get(Object(what), 'update')))
        throw bypass('bulkWrite()', paths, 'save() and deleteOne() of the documents')
      if (waits(Reflect.get(Object(what), 'document')))
        throw bypass('bulkWrite()', paths, 'create()')
    }
  })
}

function isStored(value: object): boolean {
  return value instanceof FieldFile && !value[isPending]
}

/** Of a path of any depth, in a document or a plain object. */
function valueAt(document: unknown, path: string): unknown {
  return path.split('.').reduce<unknown>((value, key) => Reflect.get(Object(value), key), document)
}

/** A document as its files see it. */
class DocumentHost implements FieldHost {
  readonly owner: FileDocument
  readonly attribute: string

  constructor(document: FileDocument, path: string) {
    this.owner = document
    this.attribute = path
  }

  /** A transaction may be done over, and what it stored the first time is in no document then. */
  get sharesTransactions(): boolean {
    return sessionOf(this.owner)?.inTransaction() ?? false
  }

  setName(name: string | null): void {
    this.owner.set(this.attribute, name ?? '')
    // Content that waits changes no value; Mongoose would not write the path.
    this.owner.markModified(this.attribute)
  }

  setColumn(column: string, value: number | null): void {
    this.owner.set(column, value)
  }

  async persist(): Promise<void> {
    await this.owner.save()
  }

  scope(): FileScope | undefined {
    return openScope(sessionOf(this.owner))
  }

  /** Without the session: whoever asks, the transaction is over. */
  async uses(name: string, storage: unknown): Promise<number> {
    let count = 0
    // Discriminators share the collection of their base, and its paths.
    const counted = new Set<string>()
    for (const { schema, collection } of Object.values(this.owner.db.models)) {
      for (const [path, field] of Object.entries(fieldsOf(schema))) {
        const key = `${collection.collectionName} ${path}`
        if (field.storage !== storage || counted.has(key)) continue
        counted.add(key)
        count += await collection.countDocuments({ [path]: name })
      }
    }
    return count
  }
}

/** The document's own session, or that of the `connection.transaction` that is running. */
function sessionOf(document: Document): ClientSession | null {
  const { base } = document.db
  const running: unknown = Reflect.get(base, 'transactionAsyncLocalStorage')
  if (!(running instanceof AsyncLocalStorage)) return document.$session()
  const store: { readonly session?: ClientSession } | undefined = running.getStore()
  return document.$session() ?? store?.session ?? null
}

function modelOf(document: Document): typeof Model {
  return document.constructor as typeof Model
}

function vanished(document: Document): PreconditionFailedError {
  return new PreconditionFailedError(
    `The document ${String(document._id)} was deleted by others in the meantime.`,
  )
}

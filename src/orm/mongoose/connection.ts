import type { ClientSession, Connection, Document, Model, Schema, SchemaType } from 'mongoose'
import { UnavailableError } from '../../core/errors.ts'
import { FieldFile } from '../../fields/field-file.ts'
import type { FileField } from '../../fields/file-field.ts'
import { FileModel, FileModels } from '../../fields/file-models.ts'
import { type FileFields, rowFields } from '../../fields/rows.ts'
import { filesKey, isContent, type Registration } from './document.ts'
import { type GuardedFiles, guardClient, guardCollection } from './guard.ts'
import { followDocuments } from './writes.ts'

/** On the getter of a path: its field. Schemas that are made of others take their getters along. */
export const fieldKey: unique symbol = Symbol('stowage.mongoose.field')

/** The file paths of a schema: of every plugin call, and of a discriminator also those of its base. */
function fieldsOf(schema: Schema): FileFields {
  const fields: Record<string, FileField> = {}
  schema.eachPath((path, { options }) => {
    const getter: { [fieldKey]?: FileField } | undefined = options.get
    const field = getter?.[fieldKey]
    if (field !== undefined) fields[path] = field
  })
  return fields
}

/** The files of all models of a connection: rows of one may name a file of another. */
export class ConnectionFiles implements Registration, GuardedFiles {
  readonly #connection: Connection
  readonly #models = new FileModels<typeof Model>()
  readonly #met = new Set<typeof Model>()

  constructor(connection: Connection) {
    this.#connection = connection
    const watch = (): void => guardClient(connection.getClient(), name => this.#named(name))
    connection.on('connected', watch)
    if (connection.readyState === 1) watch()
    for (const model of Object.values(connection.models)) this.meet(model)
    connection.on('model', (model: typeof Model) => this.meet(model))
  }

  static of(connection: Connection & { [filesKey]?: ConnectionFiles }): ConnectionFiles {
    connection[filesKey] ??= new ConnectionFiles(connection)
    return connection[filesKey]
  }

  /** Also where no schema has told of its model, as those of another Mongoose do not. */
  static #found(
    connection: Connection & { [filesKey]?: ConnectionFiles },
  ): ConnectionFiles | undefined {
    const models = Object.values(connection.models)
    const hasFiles = models.some(({ schema }) => Object.keys(fieldsOf(schema)).length > 0)
    return connection[filesKey] ?? (hasFiles ? ConnectionFiles.of(connection) : undefined)
  }

  /** Discriminators, schemas made by `pick`, and models without files in a collection with files, too. */
  meet(model: typeof Model): void {
    if (this.#met.has(model)) return
    this.#met.add(model)
    guardCollection(model.collection, this)
    const fields = fieldsOf(model.schema)
    const { collectionName } = model.collection
    if (Object.keys(fields).length > 0) {
      const columns = Object.entries(fields).map(([property, field]) => ({ property, field }))
      this.#models.add(model, new FileModel(collectionName, columns))
      const toRow = (document: Document): object =>
        document.toObject({ getters: false, virtuals: false })
      const own = Object.create({ toRow }, Object.getOwnPropertyDescriptors(fields))
      Object.assign(model.prototype, { [rowFields]: own })
      for (const path of Object.keys(fields)) showNames(model.schema.path(path))
    }
    if (this.#in(collectionName).length === 0) return
    for (const other of this.#met)
      if (other.collection === model.collection) followDocuments(other, fieldsOf(other.schema))
  }

  /** Those of a collection that a condition, or a document, may concern. */
  of(collection: string, values: unknown): readonly FileModel[] {
    return this.#in(collection).flatMap(([{ schema }, files]) => {
      const { discriminatorMapping: kind } = schema as Discriminator
      const asked: unknown = kind?.isRoot === false && Reflect.get(Object(values), kind.key)
      return typeof asked === 'string' && asked !== kind?.value ? [] : [files]
    })
  }

  /** Number of documents that name a file, in all databases that are open. */
  async uses(storage: unknown, name: string, session: ClientSession | null): Promise<number> {
    const counted = new Map<unknown, Set<string>>()
    let count = 0
    for (const connection of connectionsAround(this.#connection)) {
      const files = ConnectionFiles.#found(connection)
      const client = connection.getClient()
      const own = counted.get(client) ?? new Set()
      counted.set(client, own)
      const shares = client === this.#connection.getClient()
      if (files !== undefined) count += await files.#uses(storage, name, own, shares, session)
    }
    return count
  }

  /**
   * @param counted paths of this client: discriminators share the collection of their base, and its paths,
   *   and each `useDb()` may give another connection of one database
   * @param shares whether it is the client of the row whose file may go
   */
  async #uses(
    storage: unknown,
    name: string,
    counted: Set<string>,
    shares: boolean,
    session: ClientSession | null,
  ): Promise<number> {
    const { db, readyState } = this.#connection
    return await this.#models.uses(storage, async ({ collection: { collectionName } }, paths) => {
      // A write is not to wait for a database that is down, and not its own.
      if (db === undefined || (readyState !== 1 && !shares))
        throw new UnavailableError(
          `The connection of the collection "${collectionName}" is not open.`,
        )
      // That of a model which was deleted, or defined again, belongs to a client that may be closed.
      const collection = db.collection(collectionName)
      let count = 0
      for (const path of paths) {
        const key = `${db.databaseName} ${collectionName} ${path}`
        if (counted.has(key)) continue
        counted.add(key)
        // Names are compared as they are spelt, however the collection compares others.
        count += await collection.countDocuments(
          { [path]: name },
          { collation: { locale: 'simple' }, ...(shares && session && { session }) },
        )
      }
      return count
    })
  }

  #in(collection: string): (readonly [typeof Model, FileModel])[] {
    return [...this.#models].filter(([model]) => model.collection.collectionName === collection)
  }

  /** The files of a database of the same client. */
  #named(database: string): ConnectionFiles | undefined {
    const found = connectionsAround(this.#connection).find(
      connection =>
        connection.name === database && connection.getClient() === this.#connection.getClient(),
    )
    return found && ConnectionFiles.of(found)
  }
}

/** Lets the validators of a path see the name of content that waits. */
function showNames(type: SchemaType): void {
  for (const method of ['doValidate', 'doValidateSync']) {
    if (Object.hasOwn(type, method)) continue
    const validate: (...args: unknown[]) => unknown = Reflect.get(type, method)
    Object.assign(type, {
      [method](value: unknown, ...rest: unknown[]): unknown {
        const isFile = isContent(value) || value instanceof FieldFile
        return Reflect.apply(validate, this, [isFile ? value.name : value, ...rest])
      },
    })
  }
}

interface Discriminator {
  readonly discriminatorMapping?: {
    readonly isRoot: boolean
    readonly key: string
    readonly value: string | null
  }
}

/** This one and all others of its Mongoose that nobody has closed, also those of `useDb()`. */
function connectionsAround(connection: Connection): readonly Connection[] {
  const found = new Set<Connection>([connection, ...connection.base.connections])
  for (const { otherDbs } of found as Set<Connection & { readonly otherDbs: Connection[] }>)
    for (const other of otherDbs) found.add(other)
  return [...found].filter(other => {
    const client: object | undefined = other.getClient()
    const isOpen = client !== undefined && Reflect.get(client, '_closeCalled') !== true
    return isOpen || other === connection
  })
}

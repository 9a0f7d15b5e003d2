import type { ClientSession, Collection, Document, Model } from 'mongoose'
import { ImproperlyConfigured, PreconditionFailedError } from '../../core/errors.ts'
import { changedColumns, columnName, isChanged, reread } from '../../fields/field-host.ts'
import { currentScope, type FileScope } from '../../fields/lifecycle.ts'
import { leaveRow, type Names, type RowFiles, writeRow } from '../../fields/row-writes.ts'
import { type FileFields, knownFileOfRow } from '../../fields/rows.ts'
import { unmet, untilMet } from '../../fields/until-met.ts'
import { fileOf, openScope, RawValue } from './document.ts'
import { plainOf } from './guard.ts'
import { setAt, setInUpdate, valueAt, writtenAt } from './updates.ts'

/** On a prototype of documents: the collection that they write through {@link DocumentWrites}. */
const followedKey: unique symbol = Symbol('stowage.mongoose.followed')

/**
 * Lets the documents of a model write through a collection of their own, which stores their files right
 * before the row is written, after validation and hooks, and lets the old ones go right after it.
 */
export function followDocuments(model: typeof Model, fields: FileFields): void {
  const prototype: Record<string | symbol, unknown> = model.prototype
  const { collection } = model
  if (Object.hasOwn(prototype, followedKey) && prototype[followedKey] === collection) return
  prototype[followedKey] = collection
  const writes = (document: Document): Collection =>
    new DocumentWrites(document, fields, plainOf(collection)).collection
  // Where save() finds its collection; `document.collection` and the model's stay as they are.
  const key = Object.getOwnPropertySymbols(prototype).find(
    own => own !== followedKey && prototype[own] === collection,
  )
  if (key === undefined) {
    throw new ImproperlyConfigured('stowage/mongoose does not know this version of Mongoose.', {
      setting: 'mongoose',
    })
  }
  Object.defineProperty(prototype, key, {
    configurable: true,
    get(this: Document) {
      return writes(this)
    },
  })
  const deleteOne = prototype['deleteOne'] as (...args: unknown[]) => object
  prototype['deleteOne'] = function (this: Document, ...args: unknown[]): object {
    const query = Reflect.apply(deleteOne, this, args)
    if ('mongooseCollection' in query) query.mongooseCollection = writes(this)
    return query
  }
  const nested = Object.keys(fields).filter(path => path.includes('.'))
  if (nested.length > 0) rememberNested(prototype, nested)
}

/** Files are known before an object that they are in is set over, which leaves nobody their names. */
function rememberNested(prototype: Record<string, unknown>, nested: readonly string[]): void {
  for (const method of ['set', '$set']) {
    const set = prototype[method] as (...args: unknown[]) => unknown
    prototype[method] = function (this: Document, path: unknown, ...rest: unknown[]): unknown {
      if (!this.isNew)
        for (const inner of nested) if (inner.startsWith(`${String(path)}.`)) this.get(inner)
      return Reflect.apply(set, this, [path, ...rest])
    }
  }
}

interface WriteOptions {
  readonly session?: ClientSession
}

type Values = Record<string, unknown>

/** What MongoDB says of a write; `acknowledged` is false for one that it was to say nothing about. */
interface Outcome {
  readonly acknowledged: boolean
  readonly matchedCount?: number
  readonly deletedCount?: number
}

/** The writes of one document. */
class DocumentWrites {
  readonly #document: Document
  readonly #fields: FileFields
  readonly #plain: Collection

  constructor(document: Document, fields: FileFields, plain: Collection) {
    this.#document = document
    this.#fields = fields
    this.#plain = plain
  }

  get collection(): Collection {
    const own = {
      insertOne: async (values: Values, options?: WriteOptions) =>
        await this.#insert(values, options),
      updateOne: async (filter: Values, update: Values, options?: WriteOptions) =>
        await this.#update(filter, update, options),
      deleteOne: async (filter: Values, options?: WriteOptions) =>
        await this.#delete(filter, options),
    }
    return Object.assign(Object.create(this.#plain), own)
  }

  async #insert(values: Values, options: WriteOptions | undefined): Promise<unknown> {
    const files = this.#files(Object.keys(this.#fields))
    if (files.length === 0) return await this.#plain.insertOne(values, options)
    return await writeRow(this.#scope(options, files), files, async () => {
      this.#settle(files, (path, value) => setAt(values, path, value))
      return [await this.#plain.insertOne(values, options), {}]
    })
  }

  async #update(
    filter: Values,
    update: Values,
    options: WriteOptions | undefined,
  ): Promise<unknown> {
    const paths = Object.keys(this.#fields).filter(path => writtenAt(update, path) !== undefined)
    if (paths.length === 0) return await this.#plain.updateOne(filter, update, options)
    const known = paths.map(path => knownFileOfRow(this.#document, path))
    const files = this.#files(paths)
    // Names that were only read come along with an object that they are in: others may have changed them.
    const read = files.filter(
      ([, file], at) => file === known[at] && file.hasFile() && !file[isChanged],
    )
    return await writeRow(this.#scope(options, files), files, async () => {
      const [outcome, previous] = await this.#swap(paths, options, async names => {
        for (const [path, file] of read) {
          const name = names[path]
          if (name !== undefined && (name || null) !== file[columnName]) file[reread](name)
        }
        this.#settle(files, (path, value) => setInUpdate(update, path, value))
        if (Object.values(names).some(Boolean)) openScope(options?.session)
        return await this.#plain.updateOne({ ...names, ...filter }, update, options)
      })
      if (previous === null) throw vanished(this.#document)
      return [outcome, previous]
    })
  }

  async #delete(filter: Values, options: WriteOptions | undefined): Promise<Outcome> {
    const paths = Object.keys(this.#fields)
    const cleaned = paths.filter(path => this.#fields[path]?.onDelete === 'cleanup')
    const [outcome, previous] = await this.#swap(paths, options, async names => {
      if (cleaned.some(path => names[path])) openScope(options?.session)
      return await this.#plain.deleteOne({ ...names, ...filter }, options)
    })
    if (previous) await leaveRow(currentScope(), this.#files(paths), previous)
    return outcome
  }

  /** A row that gets no file and has none may be written in any transaction. */
  #scope(options: WriteOptions | undefined, files: RowFiles): FileScope | undefined {
    const isGiven = files.some(([, file]) => file.hasFile() && file[isChanged])
    return isGiven ? openScope(options?.session) : currentScope()
  }

  #files(paths: readonly string[]): RowFiles {
    return paths.map(path => {
      const field = this.#fields[path]
      if (field === undefined) throw new TypeError(`there is no file ${path}`)
      return [path, fileOf(this.#document, path, field, valueAt(this.#document, path), true)]
    })
  }

  /** Content is stored by now: its name, and what follows from it, is written instead. */
  #settle(files: RowFiles, set: (path: string, value: unknown) => void): void {
    for (const [path, file] of files) {
      const columns = file[changedColumns]
      set(path, file[columnName] ?? '')
      for (const [column, value] of Object.entries(columns)) set(column, value)
      if (valueAt(this.#document, path) === undefined) this.#document.set(path, new RawValue(''))
      for (const written of [path, ...Object.keys(columns)]) this.#document.unmarkModified(written)
    }
  }

  /**
   * Writes on the condition that the row still has the names that it was seen with. Resolves to what it
   * had; to `null` if it is gone, to `undefined` if it did not meet another condition.
   */
  async #swap<T extends Outcome>(
    paths: readonly string[],
    options: WriteOptions | undefined,
    write: (names: Names) => Promise<T>,
  ): Promise<readonly [T, Names | null | undefined]> {
    let seen = await this.#names(paths, options)
    return await untilMet(async () => {
      const held = seen
      // The driver may leave out what is undefined.
      const names = Object.fromEntries(paths.map(path => [path, held?.[path] ?? null]))
      const outcome = await write(held === null ? {} : names)
      if (held === null) return [outcome, null]
      const count = (outcome.matchedCount ?? 0) + (outcome.deletedCount ?? 0)
      if (count > 0 || !outcome.acknowledged) return [outcome, held]
      seen = await this.#names(paths, options)
      const isSame = seen !== null && paths.every(path => seen?.[path] === held[path])
      return isSame ? [outcome, undefined] : unmet
    })
  }

  async #names(paths: readonly string[], options: WriteOptions | undefined): Promise<Names | null> {
    const { session } = options ?? {}
    const own = { _id: this.#document._id as never }
    const found = await this.#plain.findOne(own, session ? { session } : {})
    if (found === null) return null
    return Object.fromEntries(paths.map(path => [path, valueAt(found, path) as string | undefined]))
  }
}

function vanished(document: Document): PreconditionFailedError {
  return new PreconditionFailedError(
    `The document ${String(document._id)} was deleted by others in the meantime.`,
  )
}

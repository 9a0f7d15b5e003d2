import type { Collection, mongo } from 'mongoose'
import { bypass } from '../../fields/bypass.ts'
import type { FileModel } from '../../fields/file-models.ts'
import { heldAt, writtenAt } from './updates.ts'

/** What a guard asks: the files that a condition, or a document, may concern. */
export interface GuardedFiles {
  of(collection: string, values: unknown): readonly FileModel[]
}

/** What a method does, in the words of `bulkWrite`. */
interface Operation {
  readonly filter?: unknown
  readonly update?: unknown
  readonly replacement?: unknown
  readonly document?: unknown
  readonly deletes?: boolean
}

/** On a collection: itself, without a guard. */
const plainKey: unique symbol = Symbol('stowage.mongoose.plain')

type Guarded = Collection & { [plainKey]?: Collection }

/** Methods, and what their arguments say. */
const methods: Readonly<Record<string, (first: unknown, second: unknown) => readonly Operation[]>> =
  {
    updateOne: (filter, update) => [{ filter, update }],
    updateMany: (filter, update) => [{ filter, update }],
    findOneAndUpdate: (filter, update) => [{ filter, update }],
    replaceOne: (filter, replacement) => [{ filter, replacement }],
    findOneAndReplace: (filter, replacement) => [{ filter, replacement }],
    deleteOne: filter => [{ filter, deletes: true }],
    deleteMany: filter => [{ filter, deletes: true }],
    findOneAndDelete: filter => [{ filter, deletes: true }],
    insertOne: document => [{ document }],
    insertMany: documents => [documents].flat().map(document => ({ document })),
    bulkWrite: operations =>
      [operations].flat().flatMap(one => {
        return Object.entries(Object(one)).map(([name, given]) => operationOf(name, given))
      }),
    initializeOrderedBulkOp: () => [{ deletes: true }],
    initializeUnorderedBulkOp: () => [{ deletes: true }],
  }

/**
 * Refuses what goes past documents: whichever model, hook or option it comes by, it meets the collection.
 */
export function guardCollection(collection: Guarded, files: GuardedFiles): void {
  if (collection[plainKey] !== undefined) return
  const plain: Collection = Object.create(collection)
  collection[plainKey] = plain
  const guard = (method: string, refuse: (args: unknown[]) => void): void => {
    const original: (...args: unknown[]) => unknown = Reflect.get(collection, method)
    const guarded = (...args: unknown[]): unknown => {
      refuse(args)
      return Reflect.apply(original, plain, args)
    }
    const answersAtOnce = method === 'aggregate' || method.startsWith('initialize')
    const later = async (...args: unknown[]): Promise<unknown> => await guarded(...args)
    Object.assign(plain, { [method]: original })
    Object.assign(collection, { [method]: answersAtOnce ? guarded : later })
  }
  for (const [method, read] of Object.entries(methods)) {
    guard(method, ([first, second]) => {
      for (const operation of read(first, second))
        refuseOperation(`${method}()`, operation, files, collection.collectionName)
    })
  }
  guard('aggregate', ([stages]) => {
    for (const target of [stages].flat().flatMap(targetsOf))
      for (const model of files.of(target, {})) refuseReplacement(model)
  })
}

/** The collection as the writes of documents use it, which look after their files. */
export function plainOf(collection: Guarded): Collection {
  return collection[plainKey] ?? collection
}

/** `connection.bulkWrite()`. */
export function guardClient(
  client: mongo.MongoClient & { [plainKey]?: true },
  filesOf: (database: string) => GuardedFiles | undefined,
): void {
  if (client[plainKey]) return
  client[plainKey] = true
  const { bulkWrite } = client
  const guarded = async (...args: unknown[]): Promise<unknown> => {
    for (const one of [args[0]].flat()) {
      const { namespace, name } = Object(one)
      const [, database = '', collection = ''] = /^([^.]*)\.(.*)$/.exec(String(namespace)) ?? []
      const files = filesOf(database)
      if (files !== undefined)
        refuseOperation('bulkWrite()', operationOf(String(name), one), files, collection)
    }
    return await Reflect.apply(bulkWrite, client, args)
  }
  Object.assign(client, { bulkWrite: guarded })
}

function operationOf(name: string, given: unknown): Operation {
  const { filter, update, replacement, document } = Object(given)
  return { filter, update, replacement, document, deletes: name.startsWith('delete') }
}

function refuseOperation(
  method: string,
  { filter, update, replacement, document, deletes }: Operation,
  files: GuardedFiles,
  collection: string,
): void {
  for (const model of files.of(collection, document ?? filter)) {
    const written = model.properties.map(path => {
      if (update !== undefined) return [path, writtenAt(update, path)]
      if (replacement !== undefined) return [path, heldAt(replacement, path)]
      return [path, undefined]
    })
    model.refuseWrite(Object.fromEntries(written), method, 'save() of the documents')
    const content = model.properties.filter(path => isContent(heldAt(document, path)))
    if (content.length > 0) throw bypass(method, content, 'create()')
    if (deletes === true) model.refuseDeletion(method, 'deleteOne() of the documents')
  }
}

function isContent(value: unknown): boolean {
  return typeof value === 'object' && value !== null
}

/** Collections that a stage of an aggregation writes. */
function targetsOf(stage: unknown): readonly string[] {
  const { $out, $merge } = Object(stage)
  const target: unknown = $out?.coll ?? $merge?.into?.coll ?? $merge?.into ?? $out ?? $merge
  return typeof target === 'string' ? [target] : []
}

function refuseReplacement(model: FileModel): void {
  const gone = Object.fromEntries(model.properties.map(path => [path, null]))
  model.refuseWrite(gone, 'aggregate()', 'save() of the documents')
  model.refuseDeletion('aggregate()', 'deleteOne() of the documents')
}

import { AsyncLocalStorage } from 'node:async_hooks'
import type { ClientSession, Document, Model } from 'mongoose'
import { UnsupportedError } from '../../core/errors.ts'
import type { FieldFile, FieldHost } from '../../fields/field-file.ts'
import type { FileField } from '../../fields/file-field.ts'
import { currentScope, type FileScope } from '../../fields/lifecycle.ts'
import type { Names } from '../../fields/row-writes.ts'
import { fileOfRow } from '../../fields/rows.ts'
import { fieldsOf } from './paths.ts'

/** Getters are called for queries and plain objects, too. */
export function isDocument(value: unknown): value is Document {
  return typeof value === 'object' && value !== null && '$isNew' in value
}

/** The file of a document; one whose path was set to another name has another file. */
export function fileOf(
  document: Document,
  path: string,
  field: FileField,
  value: unknown,
): FieldFile {
  return fileOfRow(document, path, value, name =>
    field.file(name, new DocumentHost(document, path)),
  )
}

/** A document as its files see it. */
class DocumentHost implements FieldHost {
  readonly owner: Document
  readonly attribute: string

  constructor(document: Document, path: string) {
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

  /** A transaction that is over has no session any more. */
  async uses(name: string, storage: unknown, isOver: boolean): Promise<number> {
    const session = isOver ? null : sessionOf(this.owner)
    let count = 0
    // Discriminators share the collection of their base, and its paths.
    const counted = new Set<string>()
    for (const { schema, collection } of Object.values(this.owner.db.models)) {
      for (const [path, field] of Object.entries(fieldsOf(schema))) {
        const key = `${collection.collectionName} ${path}`
        if (field.storage !== storage || counted.has(key)) continue
        counted.add(key)
        count += await collection.countDocuments({ [path]: name }, session ? { session } : {})
      }
    }
    return count
  }
}

/** The document's own session, or that of the `connection.transaction` that is running. */
export function sessionOf(document: Document): ClientSession | null {
  const { base } = document.db
  const running: unknown = Reflect.get(base, 'transactionAsyncLocalStorage')
  if (!(running instanceof AsyncLocalStorage)) return document.$session()
  const store: { readonly session?: ClientSession } | undefined = running.getStore()
  return document.$session() ?? store?.session ?? null
}

export function modelOf(document: Document): typeof Model {
  return document.constructor as typeof Model
}

/** @throws UnsupportedError in a transaction whose end nobody would tell */
export function openScope(session: ClientSession | null | undefined): FileScope | undefined {
  const scope = currentScope()
  if (scope !== undefined || session?.inTransaction() !== true) return scope
  throw new UnsupportedError(
    'MongoDB tells nobody how a transaction ends: put fileTransaction(() => connection.transaction(…)) around it.',
    { operation: 'transaction' },
  )
}

export async function currentNames(
  document: Document,
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

/** Of a path of any depth, in a document or a plain object. */
export function valueAt(document: unknown, path: string): unknown {
  return path.split('.').reduce<unknown>((value, key) => Reflect.get(Object(value), key), document)
}

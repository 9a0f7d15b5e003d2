import { AsyncLocalStorage } from 'node:async_hooks'
import type { ClientSession, Connection, Document } from 'mongoose'
import { type ContentFile, isContentFile } from '../../core/content-file.ts'
import { UnsupportedError } from '../../core/errors.ts'
import { FieldFile } from '../../fields/field-file.ts'
import { type FieldHost, isPending } from '../../fields/field-host.ts'
import type { FileField } from '../../fields/file-field.ts'
import { currentScope, type FileScope } from '../../fields/lifecycle.ts'
import { fileOfRow, forgetContentOfRow, knownFileOfRow } from '../../fields/rows.ts'
import { Turns } from '../../fields/turns.ts'
import { valueAt } from './updates.ts'

/** On a connection: its files. */
export const filesKey: unique symbol = Symbol('stowage.mongoose.files')

/** What files need of their connection. */
export interface Registration {
  uses(storage: unknown, name: string, session: ClientSession | null): Promise<number>
}

/** What a path of a document is to hold, and no value of a program's. */
export class RawValue {
  readonly value: string | FieldFile | undefined

  constructor(value: string | FieldFile | undefined) {
    this.value = value
  }
}

/**
 * The file of a document; one whose path was set to another name has another file.
 *
 * @param value what the path holds: a name, or the file itself while content waits, which copies of a
 *   document hold, too
 * @param isGiven whether a name came from the program, and not from the database
 */
export function fileOf(
  document: Document,
  path: string,
  field: FileField,
  value: unknown,
  isGiven: boolean = document.isModified(path),
): FieldFile {
  const known = knownFileOfRow(document, path)
  if (known !== undefined && value === known) return known
  // What it was in was set over.
  forgetContentOfRow(document, path)
  const given = isGiven && value !== '' && value !== field.default ? value : null
  const file = fileOfRow(document, path, value, stored => {
    const host = new DocumentHost(document, path)
    host.file = field.file(given === null ? stored : null, host)
    return host.file
  })
  if (value instanceof FieldFile) return file.assign(value)
  return file === known || typeof given !== 'string' ? file : file.assign(given)
}

export function isContent(value: unknown): value is File | ContentFile {
  return value instanceof File || isContentFile(value)
}

/** What the path of a file holds: itself while content waits, so that copies of a document have it, too. */
export function rawOf(file: FieldFile | undefined, name: string | null): string | FieldFile {
  return file?.[isPending] === true ? file : (name ?? '')
}

/** On a document: its saves that files ask for. */
const turnsKey: unique symbol = Symbol('stowage.mongoose.turns')

/** A document as its files see it. */
class DocumentHost implements FieldHost {
  file: FieldFile | undefined
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

  setName(name: string | null, isChanged: boolean): void {
    if (!this.#isShown) return
    const isLeft = name === null && !isChanged && !this.#isRead
    this.owner.set(this.attribute, new RawValue(isLeft ? undefined : rawOf(this.file, name)))
    // Other content changes no value, and a name that is back is a change to Mongoose.
    if (isChanged) this.owner.markModified(this.attribute)
    else this.owner.unmarkModified(this.attribute)
  }

  setColumn(column: string, value: number | null): void {
    if (this.#isShown) this.owner.set(column, value)
  }

  get isUnread(): boolean {
    return !this.#isRead && valueAt(this.owner, this.attribute) === undefined
  }

  get #isRead(): boolean {
    return this.owner.isNew || this.owner.isSelected(this.attribute)
  }

  /** A path that was set over has another file, which this one leaves alone when a transaction rolls back. */
  get #isShown(): boolean {
    return knownFileOfRow(this.owner, this.attribute) === this.file
  }

  /** Mongoose refuses to save a document twice at once, which two of its files may ask for. */
  async persist(): Promise<void> {
    const { owner }: { readonly owner: Document & { [turnsKey]?: Turns } } = this
    owner[turnsKey] ??= new Turns()
    await owner[turnsKey].take(undefined, async () => {
      await owner.save()
    })
  }

  scope(): FileScope | undefined {
    return openScope(sessionOf(this.owner))
  }

  /** A transaction that is over has no session any more. */
  async uses(name: string, storage: unknown, isOver: boolean): Promise<number | undefined> {
    const session = isOver ? null : sessionOf(this.owner)
    const { db }: { readonly db: Connection & { [filesKey]?: Registration } } = this.owner
    return await db[filesKey]?.uses(storage, name, session)
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

/** @throws UnsupportedError in a transaction whose end nobody would tell */
export function openScope(session: ClientSession | null | undefined): FileScope | undefined {
  const scope = currentScope()
  if (scope !== undefined || session?.inTransaction() !== true) return scope
  throw new UnsupportedError(
    'MongoDB tells nobody how a transaction ends: put fileTransaction(() => connection.transaction(…)) around it.',
    { operation: 'transaction' },
  )
}

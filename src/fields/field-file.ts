import type { Bytes } from '../core/bytes.ts'
import type { Content } from '../core/content.ts'
import { type ContentFile, isContentFile } from '../core/content-file.ts'
import { NoFileError, UnsupportedError, ValidationError } from '../core/errors.ts'
import { checkArguments, kindOf } from '../core/options.ts'
import { quoteName } from '../core/quote.ts'
import type { Storage, UrlOptions } from '../core/storage.ts'
import { toWebStream } from '../core/web-stream.ts'
import { Activity, idle, noColumns, none, type Snapshot } from './activity.ts'
import {
  afterDelete,
  afterLoss,
  afterWrite,
  beforeWrite,
  changedColumns,
  columnName,
  type FieldHost,
  hasNews,
  holdName,
  hostOf,
  isChanged,
  isPending,
  isUnwritten,
  refresh,
  reread,
} from './field-host.ts'
import type { FileField, StoredUpload } from './file-field.ts'
import { type Creation, currentScope, type FileScope, inScope, newCreation } from './lifecycle.ts'
import { PendingFile } from './pending-file.ts'
import { areSomeIn, fieldsOfDefault } from './registry.ts'
import { StoredFile } from './stored-file.ts'
import { Turns } from './turns.ts'

/** What a field can be given: a stored name, content with a name, another row's file, or nothing. */
export type FileInput = string | File | ContentFile | FieldFile | null

/** A file that belongs to no row: it can be read, and stored with `save: false`. */
const detached: FieldHost = {
  owner: null,
  setName: () => {},
  scope: () => currentScope(),
}

/**
 * The file of a row's column, as Django's `FieldFile`. Everything about it is private: a clone or
 * a serialisation of it holds no storage, and so no credentials.
 */
export class FieldFile {
  readonly #field: FileField
  readonly #host: FieldHost
  /** Name of a stored file. */
  #stored: string | null
  #activity: Activity = idle

  /** Applications get one from a row, or from `field.file(name)`. */
  constructor(field: FileField, host: FieldHost | undefined, name: string | null) {
    this.#field = field
    this.#host = host ?? detached
    this.#stored = name === '' ? null : name
  }

  /** Of the stored file, or of content that waits for the row to be saved; `null` without a file. */
  get name(): string | null {
    return this.#activity.pending?.name ?? this.#stored
  }

  get storage(): Storage {
    return this.#field.storage
  }

  get field(): FileField {
    return this.#field
  }

  /** The row; `null` for a file that came out of a cache. */
  get owner(): object | null {
    return this.#host.owner
  }

  /** Whether the file is not open. */
  get closed(): boolean {
    return (this.#activity.pending ?? this.#activity.reading)?.closed ?? true
  }

  hasFile(): boolean {
    return this.name !== null
  }

  /**
   * Stores the content under the name that `uploadTo` and the storage make of `name`, sets the
   * column and writes the row, unless `save` is false. If the row cannot be written, the new file is
   * removed again. The file that the row had goes once its transaction has committed.
   *
   * @throws ValidationError from a validator, before anything is stored
   * @throws UnsupportedError without `save: false` where there is no row
   */
  async save(
    name: string,
    content: Content,
    options: { readonly save?: boolean | undefined } = {},
  ): Promise<void> {
    checkArguments('save', { save: 'boolean' }, options)
    if (typeof name !== 'string')
      throw new ValidationError(`The name of a file is a string, not ${kindOf(name)}.`)
    await this.#inTurn(() => this.#save(name, content, options.save ?? true))
  }

  /**
   * Empties the column and writes the row, unless `save` is false; the file goes once the
   * transaction has committed, and stays if another row uses it. The field's default file goes only
   * with `default: true`.
   */
  async delete(
    options: { readonly save?: boolean | undefined; readonly default?: boolean | undefined } = {},
  ): Promise<void> {
    checkArguments('delete', { save: 'boolean', default: 'boolean' }, options)
    await this.#inTurn(() => this.#delete(options.save ?? true, options.default ?? false))
  }

  /** Opens the file (`rb` bytes, `r` text), or goes back to its start. Resolves to itself. */
  async open(mode: 'r' | 'rb' = 'rb'): Promise<this> {
    const name = this.requireFile('open')
    if (mode !== 'r' && mode !== 'rb') {
      throw new ValidationError(
        `The file of a row is opened with 'rb' or 'r', not ${quoteName(String(mode))}; save() gives it other content.`,
        { operation: 'open', file: name },
      )
    }
    await this.#content(name).open(mode)
    return this
  }

  /**
   * The next bytes (or characters, after `open('r')`), at most `n`, all that remain without `n`.
   *
   * @throws ClosedFileError after `close`
   */
  async read(n?: number): Promise<Bytes | string> {
    return await this.#content(this.requireFile('read')).read(n)
  }

  /** The whole file as UTF-8, wherever `read` stands. */
  async text(): Promise<string> {
    return await this.#content(this.requireFile('text')).text()
  }

  /** The whole file in memory, wherever `read` stands. */
  async bytes(): Promise<Bytes> {
    return await this.#content(this.requireFile('bytes')).bytes()
  }

  /** The file from its start, wherever `read` stands; `chunkSize` in bytes, default 65,536. */
  chunks(options: { readonly chunkSize?: number | undefined } = {}): AsyncGenerator<Bytes> {
    return this.#chunks(options.chunkSize, undefined)
  }

  /** The file from its start; nothing is requested before the first read. */
  readable(): ReadableStream<Bytes> {
    this.requireFile('readable')
    return toWebStream(cancelled => this.#chunks(undefined, cancelled))
  }

  /** Harmless when repeated. */
  async close(): Promise<void> {
    this.#activity.pending?.close()
    if (this.#stored === null) return
    await this.#readingOf(this.#stored).close()
  }

  /** Bytes, asked of the storage each time. */
  async size(): Promise<number> {
    const name = this.requireFile('size')
    return this.#activity.pending?.size ?? (await this.storage.size(name))
  }

  /** @throws NoFileError also while content waits for the row to be saved */
  async url(options?: UrlOptions): Promise<string> {
    return await this.storage.url(this.#requireStored('url'), options)
  }

  /** @throws UnsupportedError where files have no local path */
  path(): string {
    return this.storage.path(this.#requireStored('path'))
  }

  /**
   * Gives the row another file without writing anything: content is stored when the row is saved; a
   * string is the name of a file that is stored already; `null` empties the column.
   *
   * @throws ValidationError for content without a name, and for what is none of these
   */
  assign(value: FileInput): this {
    this.#own.assignments++
    if (value instanceof FieldFile) this.#assignFile(value)
    else if (value === null || typeof value === 'string') this.#assignName(value)
    else if (value instanceof File || isContentFile(value)) this.#assignContent(value)
    else {
      throw new ValidationError(
        `A file field takes a stored name, a File, a ContentFile, the file of another row or null, not ${kindOf(value)}; save(name, content) takes bytes, Blobs and streams.`,
        { operation: 'assign' },
      )
    }
    return this
  }

  toString(): string {
    return this.name ?? ''
  }

  toJSON(): string | null {
    return this.name
  }

  /** For MongoDB, where no schema says that it is a file; nothing while content waits. */
  toBSON(): string | null {
    return this[isPending] ? null : this.#stored
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return `<FieldFile: ${this.name ?? 'None'}>`
  }

  /** Also tells libraries that copy objects member by member that this is none to be copied. */
  get [Symbol.toStringTag](): string {
    return 'FieldFile'
  }

  get [hostOf](): FieldHost {
    return this.#host
  }

  get [columnName](): string | null {
    return this.#stored
  }

  get [changedColumns](): StoredUpload['columns'] {
    return this.#activity.columns
  }

  get [isPending](): boolean {
    return this.#activity.pending !== undefined
  }

  get [isUnwritten](): boolean {
    return this.#activity.unwritten || this.#activity.pending !== undefined
  }

  get [isChanged](): boolean {
    return this.#activity.changed || this[isUnwritten]
  }

  get [hasNews](): boolean {
    const { deletion, forgotten, creation } = this.#activity
    return (
      this[isChanged] || deletion !== undefined || forgotten.size > 0 || creation?.kept === false
    )
  }

  /** @param isAll whether content that waits is none that the row is to be written with */
  [reread](name: string | null, isAll = false): void {
    const stored = name === '' ? null : name
    // Perhaps by its own write, while content waits for the next one.
    if (isAll || stored !== this.#stored) {
      if (this.#activity.unsaved && this.#stored !== null) this.#forget(this.#stored)
      this.#closeReading()
      this.#stored = stored
      Object.assign(this.#own, {
        pending: undefined,
        unsaved: false,
        unwritten: false,
        changed: false,
        unmeasured: false,
        columns: noColumns,
      })
    }
    this.#host.setName(stored, false)
  }

  [refresh](name: string | null): void {
    if (this[isChanged] || name === this.#stored) return
    this.#stored = name === '' ? null : name
    this.#closeReading()
  }

  /** @param uses counts for a file of no row, which a query was given */
  async [beforeWrite](scope: FileScope, uses?: FieldHost['uses']): Promise<void> {
    this.#own.unwritten = false
    for (let { pending } = this.#activity; pending !== undefined; { pending } = this.#activity) {
      // A row that is saved twice at once stores its content once.
      const first = this.#activity.storing === undefined
      const storing =
        this.#activity.storing ?? this.#field.store(this.#host.owner, pending.name, pending.content)
      this.#own.storing = storing
      try {
        const upload = await storing
        if (!first) continue
        if (this.#activity.pending === pending) this.#apply(scope, upload, uses)
        else this.#discard(scope, upload, uses)
      } finally {
        if (this.#activity.storing === storing) this.#own.storing = undefined
      }
    }
    this[holdName](scope)
    await this.#measure()
  }

  [holdName](scope: FileScope): string | null {
    const { creation } = this.#activity
    // Perhaps stored by another write of this row, which may fail while this one does not.
    if (creation?.name === this.#stored && !creation.kept) scope.created(creation)
    return this.#stored
  }

  /** @param written what it was written with, where another write may have changed that meanwhile */
  async [afterWrite](
    scope: FileScope,
    previous: string | null,
    written: string | null = this.#stored,
  ): Promise<void> {
    const { creation, deletion, forgotten } = this.#activity
    // What the row has been given meanwhile, another write of it settles.
    const isLatest = written === this.#stored
    const gone = new Set(isLatest ? forgotten : none)
    if (deletion !== undefined || this.#field.onReplace === 'cleanup') gone.add(previous ?? '')
    if (creation !== undefined && creation.name === written)
      Object.assign(creation, { settled: this.#host.sharesTransactions !== true, written: true })
    if (written !== null && written !== previous) scope.named(this.storage, written)
    if (isLatest) this.#written(scope)
    gone.delete(written ?? '')
    for (const name of gone) await this.#remove(scope, name, deletion?.default ?? false)
  }

  async [afterDelete](scope: FileScope, previous: string | null): Promise<void> {
    const gone = new Set(this.#activity.forgotten)
    if (this.#activity.unsaved) gone.add(this.#stored ?? '')
    if (this.#field.onDelete === 'cleanup') gone.add(previous ?? '')
    this.#own.forgotten = none
    this.#own.unsaved = false
    await this.#dropReading()
    for (const name of gone) await this.#remove(scope, name, false)
  }

  /** What the row had goes if no row names it, which the scope finds out when it is abandoned. */
  async [afterLoss](
    scope: FileScope,
    previous: string | null,
    option: 'onDelete' | 'onReplace',
  ): Promise<void> {
    if (this.#field[option] === 'cleanup')
      await this.#remove(scope, previous ?? '', this.#activity.deletion?.default ?? false)
  }

  /** The name, for a method that needs a file. @throws NoFileError */
  protected requireFile(operation?: string): string {
    if (this.name !== null) return this.name
    throw new NoFileError(`The '${this.#attribute}' attribute has no file associated with it.`, {
      operation,
    })
  }

  protected pendingContent(): File | ContentFile | undefined {
    return this.#activity.pending?.content
  }

  /** To be written to. */
  get #own(): Activity {
    if (this.#activity === idle) this.#activity = new Activity()
    return this.#activity
  }

  get #attribute(): string {
    return this.#host.attribute ?? this.#field.attribute
  }

  async *#chunks(
    chunkSize: number | undefined,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<Bytes> {
    yield* this.#content(this.requireFile('chunks')).chunks(chunkSize, signal)
  }

  /** What is read: content that waits, or the stored file. */
  #content(name: string): PendingFile | StoredFile {
    return this.#activity.pending ?? this.#readingOf(name)
  }

  #readingOf(name: string): StoredFile {
    const { reading } = this.#activity
    if (reading?.name === name) return reading
    // It is that of the file which the row had while its content waited.
    const own = new StoredFile(this.storage, name)
    this.#own.reading = own
    return own
  }

  #requireStored(operation: string): string {
    const name = this.requireFile(operation)
    if (this.#activity.pending === undefined) return name
    throw new NoFileError(
      `The content of '${this.#attribute}' is stored when its row is saved; until then it has no ${operation}.`,
      { operation, file: name },
    )
  }

  /** The database has what the row in memory shows. */
  #written(scope: FileScope): void {
    const { changed, columns, deletion } = this.#activity
    const before = deletion?.before
    if (before !== undefined) scope.onRollback(() => this.#undelete(before))
    if (changed)
      scope.onRollback(() => {
        this.#own.changed = true
        this.#own.columns = { ...columns, ...this.#activity.columns }
        this.#host.setName(this.#stored, true)
      })
    Object.assign(this.#own, {
      forgotten: none,
      deletion: undefined,
      unsaved: false,
      changed: false,
      columns: noColumns,
    })
  }

  async #save(name: string, content: Content, persist: boolean): Promise<void> {
    if (persist) this.#requireRow('save')
    const work = async (scope: FileScope): Promise<void> => {
      const { assignments } = this.#activity
      const upload = await this.#field.store(this.#host.owner, name, content)
      const isGiven = assignments !== this.#activity.assignments
      const given = this.#activity.pending?.content ?? this.#stored
      const creation = this.#apply(scope, upload)
      creation.settled = !persist
      this.#own.unwritten = true
      await this.#dropReading()
      if (persist) scope.checkOpen()
      if (persist) await this.#host.persist?.(this)
      // Somebody has given the row another file meanwhile.
      if (isGiven) this.assign(given)
    }
    // Whoever writes the row has a scope, which tells what became of the write.
    await inScope(this.#host.scope?.(), work, () => false)
  }

  async #delete(persist: boolean, alsoDefault: boolean): Promise<void> {
    const isNews = this.#host.isUnread === true || (persist && this.#activity.changed)
    if (this.name === null && !isNews) return
    if (persist) this.#requireRow('delete')
    const before = this.#snapshot()
    await this.#dropReading()
    this.#forgetUnsaved()
    this.#setStored(null, this.#field.emptyColumns)
    // What the row has in the database, its write tells: it may have got another file since.
    // A row that was never written shows the default, which no write of it will name.
    const isDefault = alsoDefault && before.stored === this.#field.default
    if (before.stored !== null && isDefault) this.#forget(before.stored)
    this.#own.deletion = { default: alsoDefault, before: persist ? before : undefined }
    if (!persist) return await this.#deleteUnsaved(before, alsoDefault)
    try {
      await this.#host.persist?.(this)
    } catch (error) {
      // The row may be written although something behind that has failed.
      if (this.#activity.deletion !== undefined) this.#undelete(before)
      throw error
    }
  }

  #undelete(before: Snapshot): void {
    if (this.#stored === null && !this[isPending]) this.#restore(before)
  }

  /** As Django: gone at once, and the row in the database names a file that is gone until it is saved. */
  async #deleteUnsaved({ stored: name, changed }: Snapshot, alsoDefault: boolean): Promise<void> {
    const open = this.#host.scope?.()
    // In a transaction the row's own write decides, or nothing is removed.
    if (name === null || (open !== undefined && this.#host.persist !== undefined)) return
    // The row itself still names the file in the database, unless it was only given it.
    const own = changed ? 0 : 1
    if (((await this.#host.uses?.(name, this.storage, true)) ?? 0) > own) return
    await inScope(open, async scope => {
      if (name === this.#field.default && !alsoDefault) return
      const others = fieldsOfDefault(name, this.#field)
      if (others.length > 0 && (await areSomeIn(this.storage, others))) return
      scope.removed({ storage: this.storage, name })
    })
  }

  #requireRow(operation: string): void {
    if (this.#host.persist !== undefined) return
    throw new UnsupportedError(
      `This file belongs to no row that could be saved; ${operation}() needs { save: false } here.`,
      { operation, file: this.name ?? undefined },
    )
  }

  async #remove(scope: FileScope, name: string, alsoDefault: boolean): Promise<void> {
    if (name === '' || (name === this.#field.default && !alsoDefault)) return
    const { storage } = this
    const others = fieldsOfDefault(name, this.#field)
    if (others.length > 0 && (await areSomeIn(storage, others))) return
    // Every row without a file of its own uses the default; who asks for it means all of them.
    const uses = name === this.#field.default ? undefined : this.#host.uses
    scope.removed({ storage, name, uses: uses && this.#counter(name) })
  }

  /** The row in memory has the new file; if that file goes again, it has what it had before. */
  #apply(scope: FileScope, { name, columns }: StoredUpload, uses = this.#host.uses): Creation {
    const before = this.#snapshot()
    const { storage } = this
    this.#forgetUnsaved(scope)
    this.#setStored(name, columns)
    this.#own.unmeasured = false
    this.#own.unsaved = true
    const creation = newCreation({
      storage,
      name,
      mayBeOld: this.#field.overwrite,
      uses: this.#counter(name, uses),
      revert: () => {
        if (this.#stored === name) this.#restore(before)
      },
    })
    this.#own.creation = creation
    scope.created(creation)
    return creation
  }

  /** Stored for a row that was given another file meanwhile. */
  #discard(scope: FileScope, { name }: StoredUpload, uses = this.#host.uses): void {
    const { storage } = this
    scope.created(newCreation({ storage, name, uses: this.#counter(name, uses) }))
  }

  #counter(name: string, uses = this.#host.uses): Creation['uses'] {
    return uses && (isOver => uses.call(this.#host, name, this.storage, isOver))
  }

  #setStored(name: string | null, columns: StoredUpload['columns']): void {
    this.#stored = name
    this.#own.pending = undefined
    this.#own.unsaved = false
    this.#own.changed = true
    this.#host.setName(name, true)
    this.#own.columns = { ...this.#activity.columns, ...columns }
    this.#show(columns)
  }

  /** A name that was assigned brings no content along whose columns could be known. */
  async #measure(): Promise<void> {
    const name = this.#stored
    if (!this.#activity.unmeasured || name === null) return
    const columns = await this.#field.columnsOfStored(name)
    if (this.#stored !== name) return
    this.#own.unmeasured = false
    this.#own.columns = { ...this.#activity.columns, ...columns }
    this.#show(columns)
  }

  #show(columns: StoredUpload['columns']): void {
    for (const [column, value] of Object.entries(columns)) this.#host.setColumn?.(column, value)
  }

  #snapshot(): Snapshot {
    const { owner } = this.#host
    const columns = Object.keys(this.#field.emptyColumns)
    return {
      stored: this.#stored,
      pending: this.#activity.pending,
      unsaved: this.#activity.unsaved,
      unwritten: this.#activity.unwritten,
      changed: this.#activity.changed,
      unmeasured: this.#activity.unmeasured,
      shown: Object.fromEntries(columns.map(name => [name, owner && Reflect.get(owner, name)])),
      columns: this.#activity.columns,
    }
  }

  #restore(before: Snapshot): void {
    if (before.stored !== this.#stored) this.#closeReading()
    this.#stored = before.stored
    this.#own.pending = before.pending
    this.#own.unsaved = before.unsaved
    this.#own.unwritten = before.unwritten
    this.#own.changed = before.changed
    this.#own.unmeasured = before.unmeasured
    this.#own.deletion = undefined
    if (before.stored !== null) this.#remember(before.stored)
    this.#host.setName(before.stored, this[isChanged])
    this.#own.columns = before.columns
    this.#show(before.shown)
  }

  #assignFile(file: FieldFile): void {
    if (file === this) return
    if (file.#activity.pending !== undefined) this.#assignContent(file.#activity.pending.content)
    else if (file.#stored === null || file.storage === this.storage) {
      const before = this.#snapshot()
      const { creation } = file.#activity
      const name = file.#stored
      this.#assignName(name)
      if (creation === undefined || creation.kept || creation.name !== name) return
      // Its own row may not be written, and takes it away then.
      creation.followers.add(() => {
        if (this.#stored === name) this.#restore(before)
      })
    } else {
      throw new ValidationError(
        'The file is in another storage; save(name, await other.storage.file(name)) copies it.',
        { operation: 'assign', file: file.#stored },
      )
    }
  }

  #assignName(name: string | null): void {
    if (this.#stored !== name) this.#forgetUnsaved()
    const stored = name === '' ? null : name
    const isOther = stored !== this.#stored
    this.#closeReading()
    // In the database there may be another one, with columns that follow from it.
    this.#setStored(stored, isOther || stored === null ? this.#field.emptyColumns : {})
    this.#own.unmeasured ||= isOther
  }

  #assignContent(content: File | ContentFile): void {
    this.#own.pending = new PendingFile(content)
    this.#closeReading()
    this.#host.setName(this.#stored, true)
  }

  /** A stored file that no row has yet goes with the next write, unless another one is about to write it. */
  #forgetUnsaved(scope?: FileScope): void {
    const { unsaved, creation } = this.#activity
    if (!unsaved || this.#stored === null) return
    const isHeld = creation !== undefined && creation.holders > 0
    if (!isHeld || (scope ?? this.#host.scope?.())?.holds(creation)) this.#forget(this.#stored)
  }

  #forget(name: string): void {
    this.#own.forgotten = new Set([...this.#activity.forgotten, name])
  }

  #remember(name: string): void {
    this.#own.forgotten = new Set([...this.#activity.forgotten].filter(other => other !== name))
  }

  /** Whatever is open belongs to the file that the row had. */
  #closeReading(): void {
    this.#own.deletion = undefined
    const { reading } = this.#activity
    this.#own.reading = undefined
    reading?.close().catch(() => {})
  }

  async #dropReading(): Promise<void> {
    const { reading } = this.#activity
    this.#own.reading = undefined
    await reading?.close()
  }

  /**
   * Saves and deletions of one file object happen one after the other; those that a hook of the row or
   * `uploadTo` asks for during another one happen within it.
   */
  async #inTurn(work: () => Promise<void>): Promise<void> {
    this.#own.turns ??= new Turns()
    await this.#own.turns.take(this.#host.line, work)
  }
}

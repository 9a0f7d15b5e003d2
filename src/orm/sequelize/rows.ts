import { AsyncLocalStorage } from 'node:async_hooks'
import type { Model, ModelStatic, Sequelize, Transaction } from 'sequelize'
import { vanished } from '../../fields/bypass.ts'
import type { FieldFile } from '../../fields/field-file.ts'
import { beforeWrite, changedColumns, holdName, isPending } from '../../fields/field-host.ts'
import type { FileModel } from '../../fields/file-models.ts'
import { type FileScope, inScope } from '../../fields/lifecycle.ts'
import { leaveRow, type Names, orLeave, type RowFiles, writeRow } from '../../fields/row-writes.ts'
import { forgetContentOfRow, knownFileOfRow } from '../../fields/rows.ts'
import { Turns } from '../../fields/turns.ts'
import { unmet, untilMet } from '../../fields/until-met.ts'
import type { Cascades } from './cascades.ts'
import { everyRow, modelOf } from './table.ts'
import { rootOf, type Transactions } from './transactions.ts'

/** What is known about the files of models. */
interface Files {
  readonly cascades: Cascades
  filesOf(model: ModelStatic<Model>): FileModel | undefined
  uses(storage: unknown, name: string): Promise<number>
}

/** What Sequelize writes a row with; it looks at `fields` again behind the statement. */
interface WriteOptions {
  readonly transaction?: Transaction | null
  readonly fields?: string[]
  readonly ignoreDuplicates?: boolean
  readonly force?: boolean
}

/** The statement that writes or deletes a row, whose files are looked after. */
export interface Own {
  readonly row: Model
  /** Whether Sequelize is to tell how many rows it has deleted. */
  readonly isCounted?: boolean
  /** Called right before it. */
  begin?(): Promise<void>
}

/** A save of a row with files, until Sequelize has made its statement. */
interface Saving {
  readonly row: Model
  isWritten: boolean
}

/** What Sequelize resolves to when it has written a row, and the number of rows. */
type Written = readonly [row: unknown, count: unknown]

/**
 * The rows of one Sequelize, when they are written and deleted one by one: each by the one statement that
 * Sequelize makes of it, on the condition that the row has the files that it was seen with. No transaction
 * is begun for it.
 */
export class Rows {
  readonly #sequelize: Sequelize
  readonly #transactions: Transactions
  readonly #files: Files
  readonly #own = new AsyncLocalStorage<Own>()
  readonly #saving = new AsyncLocalStorage<Saving>()
  readonly #turns = new WeakMap<Model, Turns>()

  constructor(sequelize: Sequelize, transactions: Transactions, files: Files) {
    this.#sequelize = sequelize
    this.#transactions = transactions
    this.#files = files
  }

  /** The statement for a row that is looked after here, if it is this one, and not one that a hook makes. */
  async begin(row: unknown): Promise<Own | undefined> {
    const own = this.#own.getStore()
    if (own === undefined || own.row !== row) return undefined
    await own.begin?.()
    return own
  }

  /** Behind all hooks come these methods, with one statement each. */
  watch(): void {
    const queries = this.#sequelize.getQueryInterface()
    const { insert, update, delete: remove } = queries
    type Insert = Parameters<typeof insert>
    type Update = Parameters<typeof update>
    type Remove = Parameters<typeof remove>
    Object.assign(queries, {
      insert: async (...[row, table, values, options]: Insert) =>
        await this.#insert(row, values, options as WriteOptions, own =>
          insert.call(queries, row, table, values, own),
        ),
      update: async (...[row, table, values, where, options]: Update) =>
        await this.#update(row, values, options as WriteOptions, async (names, own) => {
          const condition = { ...where, ...names } as typeof where
          return (await update.call(queries, row, table, values, condition, own)) as never
        }),
      delete: async (...[row, table, where, options]: Remove) =>
        await this.#delete(row, options as WriteOptions, (names, own) =>
          remove.call(queries, row, table, { ...where, ...names } as typeof where, own),
        ),
    })
  }

  /**
   * Two writes of one row object at once would write each other's files, also those that others have
   * replaced meanwhile.
   */
  async save<T>(
    row: Model,
    options: WriteOptions,
    save: (options: WriteOptions) => Promise<T>,
  ): Promise<T> {
    const turns = this.#turns.get(row) ?? new Turns()
    this.#turns.set(row, turns)
    const { transaction } = this.#inside(options)
    return await turns.take(rootOf(transaction), () => this.#save(row, options, save))
  }

  /** Content that waits is stored before Sequelize looks whether the row is valid. */
  async #save<T>(
    row: Model,
    options: WriteOptions,
    save: (options: WriteOptions) => Promise<T>,
  ): Promise<T> {
    const asked = this.#propertiesOf(row).filter(attribute => {
      const isAsked = options.fields?.includes(attribute) ?? true
      // Sequelize takes what was assigned during its last statement for written.
      const isWaiting = knownFileOfRow(row, attribute)?.[isPending] === true
      return isAsked && (isWaiting || row.changed(attribute as never))
    })
    const { own, scope: open } = this.#inside(options)
    if (asked.length === 0) return await save(own)
    return await inScope(open, async scope => {
      if (!maySkip(row, options))
        for (const [, file] of filesOf(row, asked)) await file[beforeWrite](scope)
      return await this.#saveAll(row, asked, async () => await save(own))
    })
  }

  /** Another save of the row, in another transaction, may end meanwhile, and says that nothing is changed. */
  async #saveAll<T>(row: Model, asked: readonly string[], save: () => Promise<T>): Promise<T> {
    const saving: Saving = { row, isWritten: false }
    const result = await this.#saving.run(saving, save)
    if (saving.isWritten) return result
    for (const attribute of asked) row.changed(attribute as never, true)
    return await save()
  }

  /** What refers to the row, and hooks, are in the transaction that is running, too. */
  async destroy<Options extends WriteOptions>(
    options: Options,
    destroy: (options: Options) => Promise<void>,
  ): Promise<void> {
    await destroy(this.#inside(options).own)
  }

  /** A row belongs to the transaction that it is used in. */
  meet(row: Model, transaction: Transaction | null | undefined): void {
    if (transaction) this.#transactions.meet(row, transaction)
  }

  /** Content that waited is not of the row as it was read. */
  reloaded(row: Model): void {
    for (const property of this.#propertiesOf(row))
      if (!row.changed(property as never)) forgetContentOfRow(row, property)
  }

  async #insert<T>(
    row: Model | null,
    values: object,
    options: WriteOptions,
    insert: (options: WriteOptions) => Promise<T>,
  ): Promise<T> {
    const files = row === null ? [] : this.#filesIn(row, values)
    if (row === null || files.length === 0) return await insert(options)
    const { own, scope: open } = this.#inside(options)
    const fresh = maySkip(row, options) ? files.filter(([, file]) => file[isPending]) : []
    return await inScope(open, async scope => {
      const result = await this.#write(row, files, scope, async scope => {
        const written = addChanges(row, files, values, own, scope)
        return [await insert(own), {}, written]
      })
      for (const [, { storage, name }] of fresh)
        if (name !== null)
          scope.removed({ storage, name, uses: () => this.#files.uses(storage, name) })
      return result
    })
  }

  async #update(
    row: Model,
    values: object,
    options: WriteOptions,
    update: (names: Names, options: WriteOptions) => Promise<Written>,
  ): Promise<Written> {
    const files = this.#filesIn(row, values)
    if (files.length === 0) return await update({}, options)
    const { own, scope, transaction } = this.#inside(options)
    const properties = files.map(([property]) => property)
    // Sequelize itself looks whether the version of the row is met.
    const isLast = Boolean(modelOf(row).options.version)
    return await this.#write(row, files, scope, async scope => {
      let written: Names = {}
      const isWritten = (held: Names) => areSame(written, held)
      const swap = await this.#swap(
        row,
        properties,
        transaction,
        isLast,
        isWritten,
        async (names, held) => {
          written = addChanges(row, files, values, own, scope)
          return await orLeave(scope, files, held, 'onReplace', () => update(names, own))
        },
      )
      const [result, previous] = swap
      if (previous === null) throw vanished(row.constructor.name)
      return [result, previous, written]
    })
  }

  /** A hook may have given the row other files after {@link save}, or files at all. */
  async #write<T>(
    row: Model,
    files: RowFiles,
    scope: FileScope | undefined,
    write: (scope: FileScope) => Promise<readonly [T, Names | undefined, Names]>,
  ): Promise<T> {
    const saving = this.#saving.getStore()
    if (saving?.row === row) saving.isWritten = true
    return await writeRow(scope, files, async own => await this.#own.run({ row }, write, own))
  }

  async #delete(
    row: Model | null,
    options: WriteOptions,
    remove: (names: Names, options: WriteOptions) => Promise<unknown>,
  ): Promise<unknown> {
    const properties = row === null ? [] : this.#propertiesOf(row)
    const { cascades } = this.#files
    if (row === null || (properties.length === 0 && !cascades.hasParent(row)))
      return await remove({}, options)
    const { own, scope, transaction } = this.#inside(options)
    await cascades.refuseHidden(row, transaction, options.force === true)
    const begin = () => cascades.refuseLeft(row, transaction)
    if (properties.length === 0) return await this.#own.run({ row, begin }, () => remove({}, own))
    const isGone = () => false
    const files = filesOf(row, properties)
    const [, previous] = await this.#swap(
      row,
      properties,
      transaction,
      true,
      isGone,
      async (names, held) => {
        const counted = { row, begin, isCounted: true }
        const run = () => this.#own.run(counted, () => remove(names, own))
        return [row, await orLeave(scope, files, held, 'onDelete', run)]
      },
    )
    if (previous !== undefined) await leaveRow(scope, files, previous ?? {})
    return row
  }

  /**
   * Writes on the condition that the row still has the names that it was seen with. Resolves to what it
   * had; to `null` if it is gone, to `undefined` if it did not meet another condition.
   *
   * @param isLast whether there may be other conditions, so that it is not to be tried again
   * @param isSame whether the row, which has some names, was written with the same ones
   */
  async #swap(
    row: Model,
    attributes: readonly string[],
    transaction: Transaction | undefined,
    isLast: boolean,
    isSame: (held: Names) => boolean,
    write: (names: Names, held: Names) => Promise<Written>,
  ): Promise<readonly [Written, Names | null | undefined]> {
    let seen = knownNames(row, attributes) ?? (await this.#names(row, attributes, transaction))
    return await untilMet(async () => {
      const held = seen
      const names = held && attributes.map(name => [columnOf(row, name), held[name] ?? null])
      const written = await write(Object.fromEntries(names ?? []), held ?? {})
      if (held === null || Number(written[1]) > 0) return [written, held]
      seen = await this.#names(row, attributes, transaction)
      if (seen === null || !areSame(seen, held)) return unmet
      // MySQL counts rows that were changed.
      if (isSame(held)) return [written, held]
      return isLast ? [written, undefined] : unmet
    })
  }

  /** What a row is written with, and the files of its transaction, if there is one. */
  #inside<Options extends WriteOptions>(options: Options) {
    const transaction = this.#transactions.current(options.transaction)
    if (transaction === undefined) return { own: options, transaction, scope: undefined }
    const scope = this.#transactions.scopeOf(transaction)
    return { own: { ...options, transaction }, transaction, scope }
  }

  /** The names that the row has right now; in a transaction with a lock, to see what others have committed. */
  async #names(
    row: Model,
    attributes: readonly string[],
    transaction: Transaction | undefined,
  ): Promise<Names | null> {
    const found = await modelOf(row)
      .unscoped()
      .findOne({
        ...everyRow,
        where: row.where() as never,
        attributes: [...attributes],
        transaction: transaction ?? null,
        ...(transaction && { lock: transaction.LOCK.UPDATE }),
        rejectOnEmpty: false,
        raw: true,
      })
    // With `raw` it is no model but the columns.
    const columns: object | null = found
    return columns as Names | null
  }

  /** The files that values for columns are for. */
  #filesIn(row: Model, values: object): RowFiles {
    return filesOf(
      row,
      this.#propertiesOf(row).filter(name => columnOf(row, name) in values),
    )
  }

  /** An attribute may have been removed from the model. */
  #propertiesOf(row: Model): readonly string[] {
    const model = modelOf(row)
    const properties = this.#files.filesOf(model)?.properties ?? []
    return properties.filter(property => property in model.getAttributes())
  }
}

/** On a model's prototype: the rows of its Sequelize. */
const rowsKey: unique symbol = Symbol('stowage.sequelize.rows')

type Row = Model & { [rowsKey]: Rows }

/** Around all hooks come these methods. A class may be initialised again, for another Sequelize. */
export function extendRows(model: ModelStatic<Model>, rows: Rows): void {
  const prototype: Model = model.prototype
  const isExtended = rowsKey in prototype
  Object.assign(prototype, { [rowsKey]: rows })
  if (isExtended) return
  const { save, destroy, reload, increment } = prototype
  prototype.save = async function (this: Row, options: WriteOptions = {}) {
    this[rowsKey].meet(this, options.transaction)
    return await this[rowsKey].save(this, options, own => save.call(this, own as object) as never)
  }
  prototype.destroy = async function (this: Row, options = {}) {
    this[rowsKey].meet(this, options.transaction)
    await this[rowsKey].destroy(options, own => destroy.call(this, own))
  }
  prototype.increment = async function (this: Row, fields, options) {
    this[rowsKey].meet(this, options?.transaction)
    return await increment.call(this, fields as never, options)
  }
  prototype.reload = async function (this: Row, options) {
    this[rowsKey].meet(this, options?.transaction)
    await reload.call(this, options)
    this[rowsKey].reloaded(this)
    return this
  }
}

function filesOf(row: Model, attributes: readonly string[]): RowFiles {
  return attributes.map(attribute => [attribute, row.get(attribute as never) as FieldFile])
}

/** The names that a row was read or written with; `undefined` if it was read without one of them. */
function knownNames(row: Model, attributes: readonly string[]): Names | undefined {
  const names = attributes.map(name => [name, row.previous(name as never) as unknown] as const)
  return names.some(([, name]) => name === undefined)
    ? undefined
    : (Object.fromEntries(names) as Names)
}

function areSame(one: Names, other: Names): boolean {
  return Object.keys(one).every(name => one[name] === other[name])
}

/** The database may leave the row out, and does not say so. */
function maySkip(row: Model, { ignoreDuplicates }: WriteOptions): boolean {
  return row.isNewRecord && ignoreDuplicates === true
}

function columnOf(row: Model, attribute: string): string {
  return modelOf(row).getAttributes()[attribute]?.field ?? attribute
}

/**
 * What has come about since Sequelize took the values: names of files, and columns that follow from them.
 * Gives the names, and lets the scope hold their files, which another write may have stored.
 */
function addChanges(
  row: Model,
  files: RowFiles,
  values: object,
  { fields }: WriteOptions,
  scope: FileScope,
): Names {
  const names = files.map(([property, file]) => [property, file[holdName](scope) ?? ''] as const)
  const columns = files.flatMap(([, file]) => Object.keys(file[changedColumns]))
  const others = columns.map(name => [name, row.getDataValue(name as never)] as const)
  for (const [attribute, value] of [...names, ...others]) {
    Reflect.set(values, columnOf(row, attribute), value)
    if (fields?.includes(attribute) === false) fields.push(attribute)
  }
  return Object.fromEntries(names)
}

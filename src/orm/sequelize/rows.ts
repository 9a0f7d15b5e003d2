import { AsyncLocalStorage } from 'node:async_hooks'
import type { Model, ModelStatic, Sequelize, Transaction } from 'sequelize'
import { vanished } from '../../fields/bypass.ts'
import { beforeWrite, changedColumns, type FieldFile, isPending } from '../../fields/field-file.ts'
import type { FileModel } from '../../fields/file-models.ts'
import { inScope } from '../../fields/lifecycle.ts'
import { leaveRow, type Names, type RowFiles, writeRow } from '../../fields/row-writes.ts'
import type { Cascades } from './cascades.ts'
import { everyRow, modelOf } from './table.ts'
import type { Transactions } from './transactions.ts'

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
}

/** The statement that writes or deletes a row, whose files are looked after. */
interface Own {
  readonly row: Model
  /** Called right before it. */
  begin?(): Promise<void>
}

/** A save of a row with files, until Sequelize has made its statement. */
interface Saving {
  readonly row: Model
  isWritten: boolean
}

/** The rows of one Sequelize, when they are written and deleted one by one. */
export class Rows {
  readonly #sequelize: Sequelize
  readonly #transactions: Transactions
  readonly #files: Files
  readonly #own = new AsyncLocalStorage<Own>()
  readonly #saving = new AsyncLocalStorage<Saving>()

  constructor(sequelize: Sequelize, transactions: Transactions, files: Files) {
    this.#sequelize = sequelize
    this.#transactions = transactions
    this.#files = files
  }

  /** Whether a statement for a row is one that is looked after here, and not one that a hook makes. */
  async begin(row: unknown): Promise<boolean> {
    const own = this.#own.getStore()
    if (own === undefined || own.row !== row) return false
    await own.begin?.()
    return true
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
        await this.#write(row, values, options as WriteOptions, own =>
          insert.call(queries, row, table, values, own),
        ),
      update: async (...[row, table, values, where, options]: Update) =>
        await this.#write(row, values, options as WriteOptions, own =>
          update.call(queries, row, table, values, where, own),
        ),
      delete: async (...[row, table, where, options]: Remove) =>
        await this.#delete(row, options as WriteOptions, own =>
          remove.call(queries, row, table, where, own),
        ),
    })
  }

  /** Content that waits is stored before Sequelize looks whether the row is valid. */
  async save<T>(
    row: Model,
    options: WriteOptions,
    save: (options: WriteOptions) => Promise<T>,
  ): Promise<T> {
    const asked = this.#propertiesOf(row).filter(attribute => {
      const isAsked = options.fields?.includes(attribute) ?? true
      return isAsked && (row.isNewRecord || row.changed(attribute as never))
    })
    const running = this.#transactions.current(options.transaction)
    if (options.transaction) this.#transactions.meet(row, options.transaction)
    if (asked.length === 0)
      return await save(running ? { ...options, transaction: running } : options)
    return await this.#within(options, async inside => {
      return await inScope(this.#transactions.scopeOf(inside.transaction), async scope => {
        if (!maySkip(row, options))
          for (const [, file] of filesOf(row, asked)) await file[beforeWrite](scope)
        return await this.#saveAll(row, asked, async () => await save(inside))
      })
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

  /** Hooks and what refers to the row are in the transaction, too. */
  async destroy<Options extends WriteOptions>(
    options: Options,
    destroy: (options: Options) => Promise<void>,
  ): Promise<void> {
    await this.#within(options, destroy)
  }

  /** A hook may have given the row other files after {@link save}, or files at all. */
  async #write<T>(
    row: Model | null,
    values: object,
    options: WriteOptions,
    write: (options: WriteOptions) => Promise<T>,
  ): Promise<T> {
    const written =
      row === null ? [] : this.#propertiesOf(row).filter(name => columnOf(row, name) in values)
    if (row === null || written.length === 0) return await write(options)
    const saving = this.#saving.getStore()
    if (saving?.row === row) saving.isWritten = true
    return await this.#within(options, async inside => {
      const { transaction } = inside
      const previous = row.isNewRecord ? {} : await this.#lock(row, written, transaction)
      if (previous === null) throw vanished(row.constructor.name)
      const files = filesOf(row, written)
      const fresh = maySkip(row, options) ? files.filter(([, file]) => file[isPending]) : []
      const scope = this.#transactions.scopeOf(transaction)
      const result = await writeRow(scope, files, async () => {
        addChanges(row, files, values, options)
        return [await this.#own.run({ row }, () => write(inside)), previous]
      })
      for (const [, { storage, name }] of fresh)
        if (name !== null)
          scope.removed({ storage, name, uses: () => this.#files.uses(storage, name) })
      return result
    })
  }

  async #delete<T>(
    row: Model | null,
    options: WriteOptions,
    remove: (options: WriteOptions) => Promise<T>,
  ): Promise<T> {
    const properties = row === null ? [] : this.#propertiesOf(row)
    const { cascades } = this.#files
    if (row === null || (properties.length === 0 && !cascades.hasParent(row)))
      return await remove(options)
    return await this.#within(options, async inside => {
      const { transaction } = inside
      const previous = await this.#lock(row, properties, transaction)
      const begin = () => cascades.refuseHidden(row, transaction)
      const result = await this.#own.run({ row, begin }, () => remove(inside))
      const scope = this.#transactions.scopeOf(transaction)
      await leaveRow(scope, filesOf(row, properties), previous ?? {})
      return result
    })
  }

  /** In a transaction: the column of a file may not change between a look at it and the statement. */
  async #within<T, Options extends WriteOptions>(
    options: Options,
    work: (options: Options & { transaction: Transaction }) => Promise<T>,
  ): Promise<T> {
    return await this.#transactions.within(
      this.#transactions.current(options.transaction),
      async transaction => await work({ ...options, transaction }),
    )
  }

  /** The names that the row has right now, with a lock where the database has locks for rows. */
  async #lock(
    row: Model,
    attributes: readonly string[],
    transaction: Transaction,
  ): Promise<Names | null> {
    if (attributes.length === 0) return null
    const found = await modelOf(row)
      .unscoped()
      .findOne({
        ...everyRow,
        where: row.where() as never,
        attributes: [...attributes],
        transaction,
        lock: transaction.LOCK.UPDATE,
        rejectOnEmpty: false,
        raw: true,
      })
    // With `raw` it is no model but the columns.
    const columns: object | null = found
    return columns as Names | null
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
  const { save, destroy } = prototype
  prototype.save = async function (this: Row, options: WriteOptions = {}) {
    return await this[rowsKey].save(this, options, own => save.call(this, own as object) as never)
  }
  prototype.destroy = async function (this: Row, options = {}) {
    await this[rowsKey].destroy(options, own => destroy.call(this, own))
  }
}

function filesOf(row: Model, attributes: readonly string[]): RowFiles {
  return attributes.map(attribute => [attribute, row.get(attribute as never) as FieldFile])
}

/** The database may leave the row out, and does not say so. */
function maySkip(row: Model, { ignoreDuplicates }: WriteOptions): boolean {
  return row.isNewRecord && ignoreDuplicates === true
}

function columnOf(row: Model, attribute: string): string {
  return modelOf(row).getAttributes()[attribute]?.field ?? attribute
}

/** What has come about since Sequelize took the values: names of files, and columns that follow from them. */
function addChanges(row: Model, files: RowFiles, values: object, { fields }: WriteOptions): void {
  for (const [property, file] of files)
    for (const attribute of [property, ...Object.keys(file[changedColumns])]) {
      Reflect.set(values, columnOf(row, attribute), row.getDataValue(attribute as never))
      if (fields?.includes(attribute) === false) fields.push(attribute)
    }
}

import { AsyncLocalStorage } from 'node:async_hooks'
import {
  type Model,
  type ModelStatic,
  Op,
  type SaveOptions,
  type Sequelize,
  type Transaction,
} from 'sequelize'
import { vanished } from '../../fields/bypass.ts'
import { changedColumns, type FieldFile, isPending } from '../../fields/field-file.ts'
import type { FileField } from '../../fields/file-field.ts'
import { FileModel, FileModels } from '../../fields/file-models.ts'
import { FileScope } from '../../fields/lifecycle.ts'
import { leaveRow, type Names, type RowFiles, writeRow } from '../../fields/row-writes.ts'
import { rowFields } from '../../fields/rows.ts'
import { fieldKey, type Registration, registrationKey } from './attribute.ts'
import { guardBulk, refuseCascades } from './guard.ts'

/**
 * Lets the file attributes of all models follow their rows and transactions; models may be defined
 * before or after.
 *
 * @throws ImproperlyConfigured for a row that the database deletes by itself (`ON DELETE CASCADE`)
 */
export function registerFiles(sequelize: Sequelize): void {
  new SequelizeFiles(sequelize).register()
}

/** The files of one Sequelize, and of its transactions. */
class SequelizeFiles implements Registration {
  readonly #sequelize: Sequelize
  readonly #running = new AsyncLocalStorage<Transaction>()
  readonly #scopes = new WeakMap<Transaction, FileScope>()
  readonly #models = new FileModels<ModelStatic<Model>>()
  /** Whether a row is being written or deleted here, whose files are looked after. */
  readonly #own = new AsyncLocalStorage<true>()

  constructor(sequelize: Sequelize) {
    this.#sequelize = sequelize
  }

  register(): void {
    for (const model of Object.values(this.#sequelize.models)) this.#add(model)
    for (const [model, files] of this.#models) refuseCascades(this.#sequelize, model, files)
    this.#sequelize.addHook('afterDefine', model => this.#add(model as ModelStatic<Model>))
    this.#followTransactions()
    this.#watchStatements()
  }

  /** The transaction that a row is written in: the one given, or the one that is running. */
  current(given?: Transaction | null): Transaction | undefined {
    const running = this.#running.getStore()
    return given ?? (running !== undefined && !('finished' in running) ? running : undefined)
  }

  /** The files of a transaction; they settle when it does. */
  scopeOf(transaction: Transaction): FileScope {
    const known = this.#scopes.get(transaction)
    if (known !== undefined) return known
    const parent = (transaction as { parent?: Transaction }).parent
    const scope = new FileScope(parent && this.scopeOf(parent))
    this.#scopes.set(transaction, scope)
    const { commit, rollback } = transaction
    transaction.commit = async () => {
      try {
        await commit.call(transaction)
      } catch (error) {
        await scope.rollback()
        throw error
      }
      await scope.commit()
    }
    transaction.rollback = async () => {
      try {
        await rollback.call(transaction)
      } finally {
        await scope.rollback()
      }
    }
    return scope
  }

  async uses(storage: unknown, name: string): Promise<number> {
    const transaction = this.current()
    return await this.#models.uses(storage, async (model, attributes) => {
      const where = { [Op.or]: attributes.map(attribute => ({ [attribute]: name })) }
      const options = { where, paranoid: false, ...(transaction && { transaction }) }
      return await model.unscoped().count(options)
    })
  }

  #followTransactions(): void {
    type Run = (transaction: Transaction) => Promise<unknown>
    const { transaction } = this.#sequelize
    this.#sequelize.transaction = async (...args: unknown[]) => {
      const inside = (run: Run): Run => {
        return own => this.#running.run(own, () => run(own))
      }
      const given = args.map(arg => (typeof arg === 'function' ? inside(arg as Run) : arg))
      return await Reflect.apply(transaction, this.#sequelize, given)
    }
  }

  /** Raw SQL, and bulk methods that were told to call no hooks. */
  #watchStatements(): void {
    const { query } = this.#sequelize
    const guarded = async (...args: unknown[]): Promise<unknown> => {
      const [given] = args
      const sql: unknown = typeof given === 'string' ? given : Reflect.get(Object(given), 'query')
      if (this.#own.getStore() !== true)
        this.#models.refuseStatement(String(sql), 'save() and destroy() of the rows')
      return await Reflect.apply(query, this.#sequelize, args)
    }
    Object.assign(this.#sequelize, { query: guarded })
  }

  #add(model: ModelStatic<Model>): void {
    const columns = Object.entries(model.getAttributes()).flatMap(([property, options]) => {
      const field = (options.get as { [fieldKey]?: FileField } | undefined)?.[fieldKey]
      return field === undefined ? [] : [{ property, field, column: options.field }]
    })
    const { key, table } = tableOf(model)
    if (columns.length === 0 || this.#models.of(key) !== undefined) return
    const files = new FileModel(table, columns)
    this.#models.add(model, files, key)
    this.#watch(model, files)
    guardBulk(model, files)
  }

  /** Rows are written and deleted in a transaction: the file's column may not change in between. */
  #watch(model: ModelStatic<Model>, { fields, properties }: FileModel): void {
    const prototype: Model & { [registrationKey]?: Registration; [rowFields]?: object } =
      model.prototype
    prototype[registrationKey] = this
    prototype[rowFields] = Object.create(
      { toRow: (row: Model): object => row.dataValues },
      Object.getOwnPropertyDescriptors(fields),
    )
    const { save, destroy } = prototype
    const files = this
    prototype.save = async function (this: Model, options: SaveOptions = {}) {
      return await files.#write(
        this,
        properties,
        options,
        inside => save.call(this, inside) as never,
      )
    }
    prototype.destroy = async function (this: Model, options = {}) {
      await files.#delete(this, properties, options.transaction, async transaction => {
        await destroy.call(this, { ...options, transaction })
      })
    }
  }

  async #write<T>(
    row: Model,
    attributes: readonly string[],
    options: SaveOptions,
    save: (options: SaveOptions) => Promise<T>,
  ): Promise<T> {
    this.#meet(row)
    const written = attributes.filter(attribute => {
      const asked = options.fields?.includes(attribute as never) ?? true
      return asked && (row.isNewRecord || row.changed(attribute as never))
    })
    const given = this.current(options.transaction)
    if (written.length === 0)
      return await save(given ? { ...options, transaction: given } : options)
    return await this.#within(given, async transaction => {
      const scope = this.scopeOf(transaction)
      const previous = await this.#lock(row, written, transaction)
      if (previous === null && !row.isNewRecord) throw vanished(row.constructor.name)
      const files = filesOf(row, written)
      const mayBeSkipped = row.isNewRecord && Reflect.get(options, 'ignoreDuplicates') === true
      const fresh = mayBeSkipped ? files.filter(([, file]) => file[isPending]) : []
      const result = await writeRow(scope, files, async () => {
        const inside = { ...withColumns(options, files), transaction }
        return [await this.#own.run(true, () => save(inside)), previous ?? {}]
      })
      // The database does not say whether it has left the row out.
      for (const [, { storage, name }] of fresh)
        if (name !== null) scope.removed({ storage, name, uses: () => this.uses(storage, name) })
      return result
    })
  }

  async #delete(
    row: Model,
    attributes: readonly string[],
    given: Transaction | null | undefined,
    destroy: (transaction: Transaction) => Promise<void>,
  ): Promise<void> {
    this.#meet(row)
    await this.#within(this.current(given), async transaction => {
      const previous = await this.#lock(row, attributes, transaction)
      await this.#own.run(true, () => destroy(transaction))
      // A row that is only marked as deleted can be restored, and needs its files then.
      if ((await this.#lock(row, attributes, transaction)) !== null) return
      await leaveRow(this.scopeOf(transaction), filesOf(row, attributes), previous ?? {})
    })
  }

  /** `Model.schema()` makes a model for the same table in another schema, whose rows name files, too. */
  #meet(row: Model): void {
    const model = row.constructor as ModelStatic<Model>
    const { key, table } = tableOf(model)
    if (this.#models.of(key) !== undefined) return
    const known = [...this.#models].find(([, files]) => files.table === table)
    if (known !== undefined) this.#models.add(model, known[1], key)
  }

  async #within<T>(
    given: Transaction | undefined,
    work: (transaction: Transaction) => Promise<T>,
  ): Promise<T> {
    return given === undefined ? await this.#sequelize.transaction(work) : await work(given)
  }

  /** The names that the row has right now, with a lock where the database has locks for rows. */
  async #lock(
    row: Model,
    attributes: readonly string[],
    transaction: Transaction,
  ): Promise<Names | null> {
    if (row.isNewRecord) return null
    const model = row.constructor as ModelStatic<Model>
    const found = await model.unscoped().findOne({
      where: row.where() as never,
      attributes: [...attributes],
      transaction,
      lock: transaction.LOCK.UPDATE,
      paranoid: false,
      raw: true,
    })
    // With `raw` it is no model but the columns.
    const columns: object | null = found
    return columns as Names | null
  }
}

function filesOf(row: Model, attributes: readonly string[]): RowFiles {
  return attributes.map(attribute => [attribute, row.get(attribute as never) as FieldFile])
}

/** Who asks for a file to be written asks for the columns that follow from it. */
function withColumns(options: SaveOptions, files: RowFiles): SaveOptions {
  if (options.fields === undefined) return options
  const columns = files.flatMap(([, file]) => Object.keys(file[changedColumns]))
  return { ...options, fields: [...new Set([...options.fields, ...(columns as never[])])] }
}

/** With a schema the name is an object. */
function tableOf(model: ModelStatic<Model>): { readonly key: string; readonly table: string } {
  const name = model.getTableName()
  if (typeof name === 'string') return { key: name, table: name }
  return { key: `${name.schema}.${name.tableName}`, table: name.tableName }
}

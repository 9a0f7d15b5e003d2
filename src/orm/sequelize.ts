import { AsyncLocalStorage } from 'node:async_hooks'
import {
  type CountOptions,
  DataTypes,
  type Model,
  type ModelAttributeColumnOptions,
  type ModelStatic,
  type SaveOptions,
  type Sequelize,
  type Transaction,
  type WhereOptions,
} from 'sequelize'
import { ImproperlyConfigured } from '../core/errors.ts'
import { bypass, cascades, vanished } from '../fields/bypass.ts'
import {
  afterDelete,
  afterWrite,
  beforeWrite,
  changedColumns,
  columnName,
  type FieldFile,
  type FieldHost,
  type FileInput,
  isPending,
} from '../fields/field-file.ts'
import { checkField } from '../fields/field-options.ts'
import type { FileField } from '../fields/file-field.ts'
import { FileScope, inScope } from '../fields/lifecycle.ts'
import { type FileFields, rowFields } from '../fields/rows.ts'
import { type FiledTable, refuseStatement } from '../fields/statements.ts'

/** On the getter of an attribute: its field. Sequelize copies attributes, but not their functions. */
const fieldKey: unique symbol = Symbol('stowage.sequelize.field')
/** On a row: its files, made at their first access. */
const filesKey: unique symbol = Symbol('stowage.sequelize.files')
/** On a model's prototype: the files of its Sequelize. */
const registrationKey: unique symbol = Symbol('stowage.sequelize.registration')

interface FileRow {
  [filesKey]?: Map<string, FieldFile>
  [registrationKey]?: SequelizeFiles
}

/**
 * A file column: `avatar: fileAttribute(field)` in `Model.init`, declared as
 * `CreationOptional<FieldFile>`. It is never null; `''` stands for no file.
 */
export function fileAttribute(field: FileField): ModelAttributeColumnOptions {
  checkField('fileAttribute()', field)
  // Called with the attribute's name, which the types do not say.
  function get(this: Model, ...[attribute]: unknown[]): FieldFile {
    return fileOf(this, String(attribute), field)
  }
  return {
    type: DataTypes.STRING(field.maxLength),
    allowNull: false,
    defaultValue: field.default ?? '',
    get: Object.assign(get, { [fieldKey]: field }),
    set(this: Model, value: unknown, ...[attribute]: unknown[]): void {
      fileOf(this, String(attribute), field).assign(value as FileInput)
    },
  }
}

/** The file of a row; a row that was read again has another one. */
function fileOf(row: Model, attribute: string, field: FileField): FieldFile {
  const slots = row as Model & FileRow
  slots[filesKey] ??= new Map()
  const files = slots[filesKey]
  const name: unknown = row.getDataValue(attribute as never)
  const column = typeof name === 'string' && name !== '' ? name : null
  const known = files.get(attribute)
  if (known !== undefined && known[columnName] === column) return known
  const file = field.file(column, new RowHost(row, attribute, field))
  files.set(attribute, file)
  return file
}

/**
 * Lets the file attributes of all models follow their rows and transactions; models may be defined
 * before or after.
 *
 * @throws ImproperlyConfigured for a row that the database deletes by itself (`ON DELETE CASCADE`)
 */
export function registerFiles(sequelize: Sequelize): void {
  new SequelizeFiles(sequelize).register()
}

class SequelizeFiles {
  readonly #sequelize: Sequelize
  readonly #running = new AsyncLocalStorage<Transaction>()
  readonly #scopes = new WeakMap<Transaction, FileScope>()
  readonly #models = new Map<ModelStatic<Model>, FileFields>()
  readonly #tables: FiledTable[] = []
  /** Whether a row is being written or deleted here, whose files are looked after. */
  readonly #own = new AsyncLocalStorage<true>()

  constructor(sequelize: Sequelize) {
    this.#sequelize = sequelize
  }

  register(): void {
    for (const model of Object.values(this.#sequelize.models)) this.#add(model)
    for (const model of this.#models.keys()) this.#checkCascades(model)
    this.#sequelize.addHook('afterDefine', model => this.#add(model as ModelStatic<Model>))
    type Run = (transaction: Transaction) => Promise<unknown>
    const { transaction } = this.#sequelize
    this.#sequelize.transaction = async (...args: unknown[]) => {
      const inside = (run: Run): Run => {
        return own => this.#running.run(own, () => run(own))
      }
      const given = args.map(arg => (typeof arg === 'function' ? inside(arg as Run) : arg))
      return await Reflect.apply(transaction, this.#sequelize, given)
    }
    this.#watchStatements()
  }

  /** Raw SQL, and bulk methods that were told to call no hooks. */
  #watchStatements(): void {
    const { query } = this.#sequelize
    const guarded = async (...args: unknown[]): Promise<unknown> => {
      const [given] = args
      const sql: unknown = typeof given === 'string' ? given : Reflect.get(Object(given), 'query')
      if (this.#own.getStore() !== true)
        refuseStatement(String(sql), this.#tables, 'save() and destroy() of the rows')
      return await Reflect.apply(query, this.#sequelize, args)
    }
    Object.assign(this.#sequelize, { query: guarded })
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
    let count = 0
    for (const [model, fields] of this.#models) {
      for (const [attribute, field] of Object.entries(fields)) {
        if (field.storage !== storage) continue
        const options: CountOptions = { where: { [attribute]: name }, paranoid: false }
        const transaction = this.current()
        if (transaction !== undefined) options.transaction = transaction
        count += await model.unscoped().count(options)
      }
    }
    return count
  }

  #add(model: ModelStatic<Model>): void {
    const fields: Record<string, FileField> = {}
    const columns: Record<string, FileField> = {}
    for (const [attribute, options] of Object.entries(model.getAttributes())) {
      const field = (options.get as { [fieldKey]?: FileField } | undefined)?.[fieldKey]
      if (field === undefined) continue
      fields[attribute] = field.attach(tableNameOf(model), options.field ?? attribute, attribute)
      columns[options.field ?? attribute] = field
    }
    if (Object.keys(fields).length === 0 || this.#models.has(model)) return
    this.#models.set(model, fields)
    this.#tables.push({ table: tableNameOf(model), columns })
    this.#watch(model, fields)
    this.#guard(model, fields)
  }

  /** Rows are written and deleted in a transaction: the file's column may not change in between. */
  #watch(model: ModelStatic<Model>, fields: FileFields): void {
    const prototype: Model & FileRow & { [rowFields]?: object } = model.prototype
    prototype[registrationKey] = this
    prototype[rowFields] = Object.create(
      { toRow: (row: Model): object => row.dataValues },
      Object.getOwnPropertyDescriptors(fields),
    )
    const { save, destroy } = prototype
    const files = this
    prototype.save = async function (this: Model, options: SaveOptions = {}) {
      return await files.#write(this, fields, options, inside => save.call(this, inside) as never)
    }
    prototype.destroy = async function (this: Model, options = {}) {
      await files.#delete(this, fields, options.transaction, async transaction => {
        await destroy.call(this, { ...options, transaction })
      })
    }
  }

  async #write<T>(
    row: Model,
    fields: FileFields,
    options: SaveOptions,
    save: (options: SaveOptions) => Promise<T>,
  ): Promise<T> {
    const written = Object.keys(fields).filter(attribute => {
      const asked = options.fields?.includes(attribute as never) ?? true
      return asked && (row.isNewRecord || row.changed(attribute as never))
    })
    const given = this.current(options.transaction)
    if (written.length === 0)
      return await save(given ? { ...options, transaction: given } : options)
    return await this.#within(given, async (transaction, scope) => {
      const previous = await this.#lock(row, written, transaction)
      if (previous === null && !row.isNewRecord) throw vanished(row.constructor.name)
      const files = written.map(attribute => row.get(attribute as never) as FieldFile)
      const mayBeSkipped = row.isNewRecord && Reflect.get(options, 'ignoreDuplicates') === true
      const fresh = mayBeSkipped ? files.filter(file => file[isPending]) : []
      for (const file of files) await file[beforeWrite](scope)
      const inside = { ...withColumns(options, files), transaction }
      const result = await this.#own.run(true, () => save(inside))
      for (const [index, file] of files.entries())
        await file[afterWrite](scope, previous?.[written[index] ?? ''] ?? null)
      // The database does not say whether it has left the row out.
      for (const { storage, name } of fresh)
        if (name !== null) scope.removed({ storage, name, uses: () => this.uses(storage, name) })
      return result
    })
  }

  async #delete(
    row: Model,
    fields: FileFields,
    given: Transaction | null | undefined,
    destroy: (transaction: Transaction) => Promise<void>,
  ): Promise<void> {
    const attributes = Object.keys(fields)
    await this.#within(this.current(given), async (transaction, scope) => {
      const previous = await this.#lock(row, attributes, transaction)
      await this.#own.run(true, () => destroy(transaction))
      // A row that is only marked as deleted can be restored, and needs its files then.
      if ((await this.#lock(row, attributes, transaction)) !== null) return
      for (const attribute of attributes) {
        const file = row.get(attribute as never) as FieldFile
        await file[afterDelete](scope, previous?.[attribute] ?? null)
      }
    })
  }

  async #within<T>(
    given: Transaction | undefined,
    work: (transaction: Transaction, scope: FileScope) => Promise<T>,
  ): Promise<T> {
    const run = async (transaction: Transaction): Promise<T> =>
      await inScope(this.scopeOf(transaction), scope => work(transaction, scope))
    return given === undefined ? await this.#sequelize.transaction(run) : await run(given)
  }

  /** The names that the row has right now, with a lock where the database has locks for rows. */
  async #lock(
    row: Model,
    attributes: string[],
    transaction: Transaction,
  ): Promise<Record<string, string | null> | null> {
    if (row.isNewRecord) return null
    const model = row.constructor as ModelStatic<Model>
    const found = await model.unscoped().findOne({
      where: row.where() as WhereOptions,
      attributes,
      transaction,
      lock: transaction.LOCK.UPDATE,
      paranoid: false,
      raw: true,
    })
    // With `raw` it is no model but the columns.
    const columns: object | null = found
    return columns as Record<string, string | null> | null
  }

  /** Ways that change many rows at once go past their files. */
  #guard(model: ModelStatic<Model>, fields: FileFields): void {
    const names = Object.keys(fields)
    const touched = (given: object | undefined): string[] =>
      names.filter(name => given !== undefined && name in given)
    model.addHook('beforeBulkUpdate', options => {
      if (touched(Reflect.get(options, 'attributes')).length > 0)
        throw bypass('Model.update()', names, 'save() of the rows')
    })
    model.addHook('beforeUpsert', (values: object) => {
      if (touched(values).length > 0) throw bypass('Model.upsert()', names, 'create() or save()')
    })
    model.addHook('beforeBulkDestroy', ({ force }) => {
      // Rows that are only marked as deleted can be restored, with their files.
      if (force !== true && marksDeleted(model)) return
      if (Object.values(fields).some(field => field.onDelete === 'cleanup'))
        throw bypass('Model.destroy()', names, 'destroy() of the rows')
    })
    model.addHook('beforeBulkCreate', (rows, options) => {
      if (options.individualHooks === true) return
      const waits = rows.some(row =>
        names.some(name => (row.get(name as never) as FieldFile)[isPending]),
      )
      const replaces = names.some(name => options.updateOnDuplicate?.includes(name as never))
      if (waits || replaces)
        throw bypass('bulkCreate()', names, 'create(), or individualHooks: true')
    })
  }

  #checkCascades(model: ModelStatic<Model>): void {
    for (const { references, onDelete } of Object.values(model.getAttributes())) {
      if (references === undefined || !/^cascade$/i.test(onDelete ?? '')) continue
      const handled = Object.values(this.#sequelize.models)
        .flatMap(parent => Object.values(parent.associations))
        .some(association => association.target === model && hasHooks(association))
      const cleaned = Object.entries(this.#models.get(model) ?? {}).find(
        ([, field]) => field.onDelete === 'cleanup',
      )
      if (!handled && cleaned !== undefined)
        throw cascades(model.name, cleaned[0], 'give the association hooks: true')
    }
  }
}

/** A row as its files see it. */
class RowHost implements FieldHost {
  readonly owner: Model
  readonly attribute: string
  readonly #field: FileField

  constructor(row: Model, attribute: string, field: FileField) {
    this.owner = row
    this.attribute = attribute
    this.#field = field
  }

  setName(name: string | null): void {
    this.owner.setDataValue(this.attribute as never, (name ?? '') as never)
    // Content that waits changes no value; Sequelize would not write the row.
    this.owner.changed(this.attribute as never, true)
  }

  setColumn(column: string, value: number | null): void {
    this.owner.set(column as never, value as never)
  }

  async persist(): Promise<void> {
    this.owner.changed(this.attribute as never, true)
    await this.owner.save()
  }

  scope(): FileScope | undefined {
    const files = (this.owner as Model & FileRow)[registrationKey]
    const transaction = files?.current()
    return transaction && files?.scopeOf(transaction)
  }

  async uses(name: string): Promise<number> {
    const files = (this.owner as Model & FileRow)[registrationKey]
    if (files !== undefined) return await files.uses(this.#field.storage, name)
    throw new ImproperlyConfigured(
      `Nobody knows the files of ${this.owner.constructor.name}: call registerFiles(sequelize).`,
      { setting: 'registerFiles' },
    )
  }
}

/** Who asks for a file to be written asks for the columns that follow from it. */
function withColumns(options: SaveOptions, files: readonly FieldFile[]): SaveOptions {
  if (options.fields === undefined) return options
  const columns = files.flatMap(file => Object.keys(file[changedColumns]))
  return { ...options, fields: [...new Set([...options.fields, ...(columns as never[])])] }
}

function marksDeleted({ options }: ModelStatic<Model>): boolean {
  return options.paranoid === true && options.timestamps !== false
}

/** With a schema it is an object. */
function tableNameOf(model: ModelStatic<Model>): string {
  const name = model.getTableName()
  return typeof name === 'string' ? name : name.tableName
}

/** Whether deleting the parent deletes the rows one by one. */
function hasHooks(association: object): boolean {
  const options: unknown = Reflect.get(association, 'options')
  return typeof options === 'object' && options !== null && Reflect.get(options, 'hooks') === true
}

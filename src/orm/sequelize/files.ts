import {
  type Model,
  type ModelStatic,
  Op,
  QueryTypes,
  type Sequelize,
  type Transaction,
} from 'sequelize'
import type { FileField } from '../../fields/file-field.ts'
import { countUses, FileModel, FileModels, mostUses } from '../../fields/file-models.ts'
import type { FileScope } from '../../fields/lifecycle.ts'
import { rowFields } from '../../fields/rows.ts'
import { fieldKey, type Registration, registrationKey } from './attribute.ts'
import { Cascades } from './cascades.ts'
import { guardBulk } from './guard.ts'
import { extendRows, Rows } from './rows.ts'
import { everyRow, tableOf } from './table.ts'
import { type StatementOptions, Transactions } from './transactions.ts'

/**
 * Lets the file attributes of all models follow their rows and transactions; models may be defined
 * before or after. If the database deletes rows with files by itself (`ON DELETE CASCADE`), the
 * first statement is refused with `ImproperlyConfigured`.
 */
export function registerFiles(sequelize: Sequelize): void {
  new SequelizeFiles(sequelize).register()
}

/** On a model's prototype: its files. */
const filesKey: unique symbol = Symbol('stowage.sequelize.files')

type Filed = Model & { [filesKey]?: FileModel }

/** A model of a table. */
function keyOf(model: ModelStatic<Model>): string {
  return `${tableOf(model).key} ${model.name}`
}

/** The files of one Sequelize. */
class SequelizeFiles implements Registration {
  readonly #sequelize: Sequelize
  readonly #transactions: Transactions
  readonly #rows: Rows
  readonly #models = new FileModels<ModelStatic<Model>>()
  #areCascadesChecked = false

  constructor(sequelize: Sequelize) {
    this.#sequelize = sequelize
    this.#transactions = new Transactions(sequelize)
    this.#rows = new Rows(sequelize, this.#transactions, this)
  }

  register(): void {
    for (const model of Object.values(this.#sequelize.models)) this.#add(model)
    this.#sequelize.addHook('afterDefine', model => this.#add(model as ModelStatic<Model>))
    this.#transactions.follow()
    this.#rows.watch()
    this.#watchStatements()
  }

  get cascades(): Cascades {
    return new Cascades(this.#sequelize, model => this.filesOf(model))
  }

  /** `Model.schema()` makes a model for the same table in another schema, whose rows name files, too. */
  filesOf(model: ModelStatic<Model>): FileModel | undefined {
    const { [filesKey]: files }: Filed = model.prototype
    // A class may inherit from one with files.
    if (files === undefined || files.table !== tableOf(model).table) return undefined
    if (this.#models.of(keyOf(model)) === undefined) this.#models.add(model, files, keyOf(model))
    return files
  }

  transactionOf(row: Model): Transaction | undefined {
    return this.#transactions.of(row)
  }

  scopeOf(transaction: Transaction): FileScope {
    return this.#transactions.scopeOf(transaction)
  }

  /** Several models may stand for one table. */
  async uses(storage: unknown, name: string, transaction?: Transaction): Promise<number> {
    const counted = new Set<string>()
    return await this.#models.uses(storage, async (model, properties) => {
      const attributes = properties.filter(property => {
        const attribute = model.getAttributes()[property]
        const column = `${tableOf(model).key}.${attribute?.field}`
        return attribute !== undefined && !counted.has(column) && counted.add(column)
      })
      if (attributes.length === 0) return 0
      const where = { [Op.or]: attributes.map(attribute => ({ [attribute]: name })) }
      const rows = await model.unscoped().findAll({
        ...everyRow,
        where,
        attributes,
        limit: mostUses,
        transaction: transaction ?? null,
        raw: true,
      })
      return countUses(rows, attributes, name)
    })
  }

  #add(model: ModelStatic<Model>): void {
    this.#areCascadesChecked = false
    const columns = Object.entries(model.getAttributes()).flatMap(([property, options]) => {
      const field = (options.get as { [fieldKey]?: FileField } | undefined)?.[fieldKey]
      return field === undefined ? [] : [{ property, field, column: options.field }]
    })
    if (columns.length === 0) return
    const files = new FileModel(tableOf(model).table, columns)
    // One that is defined again takes the place of the other.
    this.#models.add(model, files, keyOf(model))
    const prototype: Filed & { [registrationKey]?: Registration; [rowFields]?: object } =
      model.prototype
    prototype[registrationKey] = this
    prototype[filesKey] = files
    prototype[rowFields] = Object.create(
      { toRow: (row: Model): object => row.dataValues },
      Object.getOwnPropertyDescriptors(files.fields),
    )
    extendRows(model, this.#rows)
    model.addHook('afterBulkCreate', (rows, { transaction }) => {
      for (const row of rows) this.#rows.meet(row, transaction)
    })
    guardBulk(model, files)
  }

  /** Raw SQL, and methods that were told to call no hooks. */
  #watchStatements(): void {
    const { query } = this.#sequelize
    const guarded = async (given: unknown, options?: StatementOptions): Promise<unknown> => {
      this.#checkCascades()
      const sql: unknown = typeof given === 'string' ? given : Reflect.get(Object(given), 'query')
      const own = await this.#rows.begin(options?.instance)
      if (own === undefined)
        this.#models.refuseStatement(
          String(sql),
          this.#sequelize.getDialect(),
          'save() and destroy() of the rows',
          () => this.cascades.tables(),
        )
      // Sequelize tells the number of rows that were deleted for this type alone.
      const type = own?.isCounted === true && { type: QueryTypes.BULKDELETE }
      const run: Promise<unknown> = Reflect.apply(query, this.#sequelize, [
        given,
        type ? { ...options, ...type } : options,
      ])
      return await this.#transactions.watch(run, options)
    }
    Object.assign(this.#sequelize, { query: guarded })
  }

  /** Models and their associations may be defined in any order before the first statement. */
  #checkCascades(): void {
    if (this.#areCascadesChecked) return
    this.cascades.refuseSilent()
    this.#areCascadesChecked = true
  }
}

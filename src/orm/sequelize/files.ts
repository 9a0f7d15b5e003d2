import { type Model, type ModelStatic, Op, type Sequelize, type Transaction } from 'sequelize'
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
    // Another model of the table may have no files.
    if (!(registrationKey in model.prototype)) return undefined
    const { key, table } = tableOf(model)
    const files = this.#models.of(key)
    if (files !== undefined) return files
    const known = [...this.#models].find(([, other]) => other.table === table)?.[1]
    if (known !== undefined) this.#models.add(model, known, key)
    return known
  }

  transactionOf(row: Model): Transaction | undefined {
    return this.#transactions.of(row)
  }

  scopeOf(transaction: Transaction): FileScope {
    return this.#transactions.scopeOf(transaction)
  }

  async uses(storage: unknown, name: string, transaction?: Transaction): Promise<number> {
    return await this.#models.uses(storage, async (model, attributes) => {
      const where = { [Op.or]: attributes.map(attribute => ({ [attribute]: name })) }
      const rows = await model.unscoped().findAll({
        ...everyRow,
        where,
        attributes: [...attributes],
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
    const { key, table } = tableOf(model)
    if (columns.length === 0 || this.#models.of(key) !== undefined) return
    const files = new FileModel(table, columns)
    this.#models.add(model, files, key)
    const prototype: Model & { [registrationKey]?: Registration; [rowFields]?: object } =
      model.prototype
    prototype[registrationKey] = this
    prototype[rowFields] = Object.create(
      { toRow: (row: Model): object => row.dataValues },
      Object.getOwnPropertyDescriptors(files.fields),
    )
    extendRows(model, this.#rows)
    guardBulk(model, files)
  }

  /** Raw SQL, and methods that were told to call no hooks. */
  #watchStatements(): void {
    const { query } = this.#sequelize
    const guarded = async (given: unknown, options?: StatementOptions): Promise<unknown> => {
      this.#checkCascades()
      const sql: unknown = typeof given === 'string' ? given : Reflect.get(Object(given), 'query')
      if (!(await this.#rows.begin(options?.instance)))
        this.#models.refuseStatement(
          String(sql),
          this.#sequelize.getDialect(),
          'save() and destroy() of the rows',
          () => this.cascades.tables(),
        )
      const run: Promise<unknown> = Reflect.apply(query, this.#sequelize, [given, options])
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

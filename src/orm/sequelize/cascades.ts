import type { Model, ModelStatic, Sequelize, Transaction, WhereOptions } from 'sequelize'
import { bypass, cascades } from '../../fields/bypass.ts'
import { FileField } from '../../fields/file-field.ts'
import type { FileModel } from '../../fields/file-models.ts'
import type { FiledTable } from '../../fields/statements.ts'
import { everyRow, marksDeleted, modelOf, tableOf } from './table.ts'

/** Rows that the database deletes by itself with those of their parent (`ON DELETE CASCADE`). */
interface Cascade {
  readonly child: ModelStatic<Model>
  /** Of the child: what refers to the parent. */
  readonly attribute: string
  /** Of the parent: the column that is referred to. */
  readonly key: string | undefined
  /** `undefined` for a table that no model stands for. */
  readonly parent: ModelStatic<Model> | undefined
}

/** Of which rows there is to be one number. */
interface CountOptions {
  readonly where: WhereOptions
  readonly transaction: Transaction | null
  readonly hooks: boolean
}

/** Deletions of rows, from parent to child, at whose ends there are files that go with their rows. */
export class Cascades {
  readonly #all: readonly Cascade[]
  /** File columns that are reached from a model. */
  readonly #columns = new Map<ModelStatic<Model>, readonly string[]>()

  /** @param filesOf what is known about the files of a model */
  constructor(sequelize: Sequelize, filesOf: (model: ModelStatic<Model>) => FileModel | undefined) {
    const models = Object.values(sequelize.models)
    const found: Cascade[] = []
    for (const model of models) {
      const column = filesOf(model)?.cleaned
      if (column !== undefined) this.#columns.set(model, [`${model.name}.${column}`])
    }
    // Those that are added meanwhile come later in it.
    for (const [child, columns] of this.#columns) {
      for (const { table, ...cascade } of cascadesTo(child)) {
        const parent = models.find(model => isTableOf(table, model))
        found.push({ child, parent, ...cascade })
        if (parent !== undefined && !this.#columns.has(parent)) this.#columns.set(parent, columns)
      }
    }
    this.#all = found
  }

  /** @throws ImproperlyConfigured for rows that the database deletes without telling anybody */
  refuseSilent(): void {
    for (const { child, attribute, parent } of this.#all) {
      const associations: readonly object[] = Object.values(parent?.associations ?? {})
      if (associations.some(association => deletesRows(association, child, attribute))) continue
      const [column = ''] = this.#columnsOf(child)
      const instead = `give the hasMany() or hasOne() of "${attribute}" onDelete: 'CASCADE' and hooks: true`
      throw cascades(child.name, column, instead)
    }
  }

  /** Tables whose rows take files along that are those of other rows. */
  *tables(): Generator<FiledTable> {
    for (const parent of new Set(this.#all.map(cascade => cascade.parent))) {
      if (parent === undefined) continue
      const columns = this.#columnsOf(parent).map(name => [name, goesWithRow])
      yield { table: tableOf(parent).table, columns: Object.fromEntries(columns) }
    }
  }

  /** Whether rows with files go with a row. */
  hasParent(row: Model): boolean {
    return this.#all.some(({ parent }) => parent !== undefined && row instanceof parent)
  }

  /**
   * Before anything is deleted with a row.
   *
   * @throws UnsupportedError for rows that Sequelize will not delete with it, and the database would
   */
  async refuseHidden(
    row: Model,
    transaction: Transaction | undefined,
    force: boolean,
  ): Promise<void> {
    await this.#refuse(row, transaction, async (child, options) => {
      const isMarked = marksDeleted(child) && !force
      return isMarked ? 0 : await child.count(options)
    })
  }

  /**
   * Right before a row is deleted: Sequelize has deleted those that refer to it, as far as it sees them.
   *
   * @throws UnsupportedError for rows that are left
   */
  async refuseLeft(row: Model, transaction: Transaction | undefined): Promise<void> {
    await this.#refuse(row, transaction, async () => 0)
  }

  /** @param seen number of the rows that refer to another one, as far as Sequelize deletes them */
  async #refuse(
    row: Model,
    transaction: Transaction | undefined,
    seen: (child: ModelStatic<Model>, options: CountOptions) => Promise<number>,
  ): Promise<void> {
    for (const { child, attribute, key, parent } of this.#all) {
      if (parent === undefined || !(row instanceof parent)) continue
      const where = { [attribute]: referredTo(row, key) }
      const options: CountOptions = { where, transaction: transaction ?? null, hooks: false }
      const all = await child.unscoped().count({ ...options, ...everyRow })
      const instead = `destroy({ force: true }) first, of the rows of ${child.name} that a scope or paranoid hides`
      if (all > 0 && all > (await seen(child, options)))
        throw bypass(`destroy() of ${parent.name}`, this.#columnsOf(child), instead)
    }
  }

  #columnsOf(model: ModelStatic<Model>): readonly string[] {
    return this.#columns.get(model) ?? []
  }
}

/** Stands for a column of other rows, which no statement names. */
const goesWithRow = new FileField({ onReplace: 'keep' })

function cascadesTo(child: ModelStatic<Model>) {
  return Object.entries(child.getAttributes()).flatMap(([attribute, { references, onDelete }]) => {
    if (references === undefined || !/^cascade$/i.test(onDelete ?? '')) return []
    return typeof references === 'string'
      ? []
      : [{ attribute, table: references.model, key: references.key }]
  })
}

/** What an attribute refers to is the name of a table, alone or with its schema. */
function isTableOf(table: unknown, model: ModelStatic<Model>): boolean {
  const { key, table: name } = tableOf(model)
  if (typeof table === 'string') return table === name
  const { schema, tableName } = Object(table) as { schema?: string; tableName?: string }
  return tableName === name && (!schema || key === `${schema}.${tableName}`)
}

/** A reference names the column. */
function referredTo(row: Model, column: string | undefined): unknown {
  const { rawAttributes, primaryKeyAttribute } = modelOf(row)
  const known = Object.entries(rawAttributes).find(([, { field }]) => field === column)
  return row.get(known?.[0] ?? primaryKeyAttribute)
}

/** Whether Sequelize deletes the children one by one before the parent. */
function deletesRows(association: object, child: ModelStatic<Model>, attribute: string): boolean {
  const { target, foreignKey, options } = association as {
    target: unknown
    foreignKey: unknown
    options: { onDelete?: string; useHooks?: boolean }
  }
  if (target !== child || foreignKey !== attribute || options.useHooks !== true) return false
  return /^cascade$/i.test(options.onDelete ?? '')
}

import type { FieldHost } from '../../fields/field-host.ts'
import type { FileField } from '../../fields/file-field.ts'
import type { FileModels } from '../../fields/file-models.ts'
import {
  type Client,
  type DataModel,
  isValues,
  type ModelShape,
  type Query,
  type Values,
  valuesOf,
} from './client.ts'
import type { Key } from './schema.ts'
import type { Transaction } from './transactions.ts'

/** Where the files are in what a query gives. */
export interface RowPlan {
  /** The query's, with the columns that its files need. */
  readonly args: Values
  readonly model: string
  /** File columns that the rows may have. */
  readonly columns: readonly (readonly [column: string, field: FileField])[]
  /** Columns that nobody asked for, and nobody is shown. */
  readonly added: readonly string[]
  readonly relations: readonly (readonly [name: string, plan: RowPlan])[]
}

/**
 * What the files of a row see of it.
 *
 * @param row with the columns that nobody is shown
 * @param shown what the user has of it, which may be the same
 */
type HostOf = (
  model: string,
  transaction: Transaction | undefined,
  row: Values,
  shown: Values,
) => FieldHost

/** Of a client and its schema, what results depend on. */
interface Shapes {
  readonly models: DataModel['models']
  /** Columns that the client leaves out of results unless it is asked for them. */
  omitOf(model: string): Values
  /** `undefined` for a model without an id. */
  findKey(model: string): Key | undefined
}

/**
 * Makes files of the names in what queries give. Prisma's own way, an extension of its results, puts a
 * proxy around each row, which takes several times as long as loading it; these rows stay plain objects.
 */
export class PrismaRows {
  readonly #shapes: Shapes
  readonly #files: FileModels<string>
  readonly #hostOf: HostOf
  /** Columns of models that extensions of results need. */
  readonly #needs = new Map<string, ReadonlySet<string>>()
  /** Columns that the files of a model need, by model. */
  readonly #needed = new Map<string, readonly string[]>()

  constructor(shapes: Shapes, files: FileModels<string>, hostOf: HostOf) {
    this.#shapes = shapes
    this.#files = files
    this.#hostOf = hostOf
  }

  /** Takes note of what a client's extensions of results need, whoever is shown it. */
  learn(client: Client): void {
    for (const model of Object.keys(this.#shapes.models)) {
      const computed = Object.values(client._extensions.getAllComputedFields(model) ?? {})
      if (computed.length === 0) continue
      const needs = [...this.#needsOf(model), ...computed.flatMap(field => field.needs)]
      this.#needs.set(model, new Set(needs))
    }
  }

  /** `undefined` for a query that gives no files. */
  plan(model: string, args: Values): RowPlan | undefined {
    const [own, relations] = this.#relations(model, args)
    const { select } = args
    const omit = { ...this.#shapes.omitOf(model), ...valuesOf(args['omit']) }
    const needs = this.#needsOf(model)
    // Prisma adds what an extension needs when it sends the query.
    const isComputing =
      needs.size > 0 && (!isValues(select) || asksForMore(select, this.#shapes.models[model]))
    const columns = Object.entries(this.#files.of(model)?.fields ?? {}).filter(
      ([column]) =>
        (isComputing && needs.has(column)) ||
        (isValues(select) ? select[column] === true : omit[column] !== true),
    )
    if (columns.length === 0 && relations.length === 0) return undefined
    const needed = columns.length === 0 ? [] : this.#neededBy(model)
    const { args: wider, added } = withColumns(own, needed, this.#shapes.omitOf(model))
    return { args: wider, model, columns, added, relations }
  }

  /** The result of a query with files where their names are. */
  withFiles(plan: RowPlan, transaction: Transaction | undefined, result: unknown): unknown {
    if (!Array.isArray(result))
      return isValues(result) ? this.#row(plan, transaction, result) : result
    for (let index = 0; index < result.length; index++)
      result[index] = this.withFiles(plan, transaction, result[index])
    return result
  }

  /** What sums up rows has files of its own, which belong to no row. */
  withSummedFiles(model: string, result: unknown): unknown {
    const fields = Object.entries(this.#files.of(model)?.fields ?? {})
    const groups = [result].flat().filter(isValues)
    for (const part of groups.flatMap(group => [group, group['_min'], group['_max']])) {
      if (!isValues(part)) continue
      for (const [column, field] of fields) {
        const name = part[column]
        if (typeof name === 'string') part[column] = field.file(name)
      }
    }
    return result
  }

  #row(
    { model, columns, added, relations }: RowPlan,
    transaction: Transaction | undefined,
    row: Values,
  ): Values {
    for (const [name, plan] of relations) row[name] = this.withFiles(plan, transaction, row[name])
    if (columns.length === 0) return row
    const shown = added.length === 0 ? row : without(row, added, this.#needsOf(model))
    const host = this.#hostOf(model, transaction, row, shown)
    for (const [column, field] of columns) {
      const name = row[column]
      if (typeof name !== 'string') continue
      row[column] = field.file(name, host)
      shown[column] = row[column]
    }
    return shown
  }

  #needsOf(model: string): ReadonlySet<string> {
    return this.#needs.get(model) ?? nothing
  }

  /** Those that are asked for and have files, or relations with files. */
  #relations(model: string, args: Values): [args: Values, relations: [string, RowPlan][]] {
    const relations: [string, RowPlan][] = []
    let own = args
    for (const part of ['select', 'include']) {
      for (const [name, asked] of Object.entries(valuesOf(args[part]))) {
        const field = this.#shapes.models[model]?.fields.find(known => known.name === name)
        if (!asked || field?.kind !== 'object') continue
        const given = valuesOf(asked)
        const plan = this.plan(field.type, given)
        if (plan === undefined) continue
        relations.push([name, plan])
        if (plan.args !== given)
          own = { ...own, [part]: { ...valuesOf(own[part]), [name]: plan.args } }
      }
    }
    return [own, relations]
  }

  /** The key finds the row again, and `uploadTo` may look at any column. */
  #neededBy(model: string): readonly string[] {
    const known = this.#needed.get(model)
    if (known !== undefined) return known
    const { fields, properties } = this.#files.of(model) ?? { fields: {}, properties: [] }
    const isAsking = Object.values(fields).some(field => field.looksAtRow)
    const key = isAsking ? undefined : this.#shapes.findKey(model)
    const needed = key?.columns ?? plainColumns(this.#shapes.models[model], properties)
    this.#needed.set(model, needed)
    return needed
  }
}

const nothing: ReadonlySet<string> = new Set()

/** The columns of a model without those of its files. */
export function plainColumns(shape: ModelShape | undefined, files: readonly string[]): string[] {
  return (shape?.fields ?? []).flatMap(({ name, kind }) =>
    kind === 'object' || files.includes(name) ? [] : [name],
  )
}

/** Whether something is selected that is no column and no relation, such as what an extension computes. */
function asksForMore(select: Values, shape: ModelShape | undefined): boolean {
  return Object.keys(select).some(
    name => select[name] === true && !shape?.fields.some(field => field.name === name),
  )
}

/**
 * The same query, with some columns in what it gives; `added` are those that nobody asked for.
 *
 * @param omitted what the client leaves out unless it is asked for it
 */
export function withColumns(
  args: Values,
  columns: readonly string[],
  omitted: Values,
): { readonly args: Values; readonly added: readonly string[] } {
  const { select, omit } = args
  const given = isValues(select) ? select : { ...omitted, ...valuesOf(omit) }
  const added = columns.filter(column => (given[column] === true) !== isValues(select))
  if (added.length === 0) return { args, added }
  const shown = Object.fromEntries(added.map(column => [column, isValues(select)]))
  return isValues(select)
    ? { args: { ...args, select: { ...select, ...shown } }, added }
    : { args: { ...args, omit: { ...valuesOf(omit), ...shown } }, added }
}

/** @param needed what extensions of results compute with after this; nobody else sees it */
function without(row: Values, columns: readonly string[], needed: ReadonlySet<string>): Values {
  // To delete members of a copy takes ten times as long.
  const shown: Values = {}
  for (const column of Object.keys(row)) if (!columns.includes(column)) shown[column] = row[column]
  for (const column of columns) {
    if (needed.has(column))
      Object.defineProperty(shown, column, {
        value: row[column],
        configurable: true,
        writable: true,
      })
  }
  return shown
}

/** Of what a query really gives. */
export function planOf(plan: RowPlan, { __internalParams }: Query): RowPlan | undefined {
  // `select` and `include` stand between the names of the relations.
  const names = (__internalParams.dataPath ?? []).filter((_step, index) => index % 2 === 1)
  return names.reduce<RowPlan | undefined>(
    (found, name) => found?.relations.find(([relation]) => relation === name)?.[1],
    plan,
  )
}

import { AsyncLocalStorage } from 'node:async_hooks'
import { ImproperlyConfigured, UnsupportedError } from '../core/errors.ts'
import { bypass, cascades } from '../fields/bypass.ts'
import {
  afterDelete,
  afterWrite,
  beforeWrite,
  changedColumns,
  columnName,
  FieldFile,
  type FieldHost,
  type FileInput,
  isPending,
} from '../fields/field-file.ts'
import { checkField } from '../fields/field-options.ts'
import type { FileField } from '../fields/file-field.ts'
import { currentScope, type FileScope, fileTransaction, inScope } from '../fields/lifecycle.ts'
import { type FiledTable, refuseStatement } from '../fields/statements.ts'
import { unmet, untilMet } from '../fields/until-met.ts'
import {
  type DataModel,
  isValues,
  type ModelShape,
  PrismaRows,
  type RowPlan,
  type Values,
  valuesOf,
  withColumns,
} from './prisma-rows.ts'

/** File columns by model and column, as in `{ user: { avatar: field } }`. */
export type PrismaFiles<F> = {
  readonly [M in keyof F]: { readonly [C in keyof F[M]]: FileField }
}

type FilesByModel = Readonly<Record<string, Readonly<Record<string, FileField>>>>

type Nothing = Record<never, never>

/** What `$extends` takes: the columns are files in what queries give. */
export type FileExtension<F extends PrismaFiles<F>> = (client: object) => {
  $extends: {
    extArgs: {
      result: {
        [M in keyof F]: { [C in keyof F[M]]: () => { needs: Nothing; compute: () => FieldFile } }
      }
      model: Nothing
      query: Nothing
      client: Nothing
    }
  }
}

/**
 * Makes text columns files: `prisma.$extends(fileExtension({ user: { avatar: field } }))`. The
 * columns are `String @default("")`; `''` stands for no file. `$transaction` with a function
 * carries the files along.
 *
 * @param options.keys unique column of the models that have no `id`
 * @throws ImproperlyConfigured for unknown models and columns, and for rows that the database deletes
 *   by itself (`onDelete: Cascade`)
 */
export function fileExtension<const F extends PrismaFiles<F>>(
  files: F,
  options: { readonly keys?: { readonly [M in keyof F]?: string } | undefined } = {},
): FileExtension<F> {
  return client =>
    new PrismaExtension(client as Client, files as object as FilesByModel, options.keys ?? {})
      .extended as never
}

/**
 * A file as a value of a file column in `create` and `update`: content, a stored name, or the file
 * of a row that something was assigned to.
 */
export function fileData(value: FileInput): string {
  if (value === null || typeof value === 'string') return value ?? ''
  const token = `${tokenPrefix}${crypto.randomUUID()}`
  waiting().set(token, value)
  return token
}

/** Prisma clones arguments, and only text survives that: content waits here for its query. */
const waitingKey: unique symbol = Symbol.for('stowage.prisma.waiting')
const tokenPrefix = '\0stowage:'

function waiting(): Map<string, Exclude<FileInput, string | null>> {
  const shared = globalThis as { [waitingKey]?: ReturnType<typeof waiting> | undefined }
  shared[waitingKey] ??= new Map()
  return shared[waitingKey]
}

/** Whether a value of a column stands for content that is not stored yet. */
function isContent(value: unknown): boolean {
  const given = typeof value === 'string' ? waiting().get(value) : undefined
  return given !== undefined && (!(given instanceof FieldFile) || given[isPending])
}

/** Columns and the names in them. */
type Names = readonly (readonly [column: string, name: string | null])[]

interface Delegate {
  count(args: Values): Promise<number>
  findUnique(args: Values): Promise<Values | null>
  update(args: Values): Promise<unknown>
  updateMany(args: Values): Promise<{ readonly count: number }>
}

/** Of Prisma's client, as much as is needed here. */
interface Client {
  readonly _runtimeDataModel: DataModel
  readonly _engineConfig: { readonly inlineSchema?: unknown; readonly activeProvider?: unknown }
  $extends(extension: object): Client
  $transaction(work: unknown, options?: unknown): Promise<unknown>
}

type Transact = Client['$transaction']

/** A query in the words of the database. */
interface RawQuery {
  readonly args: unknown
  readonly query: (args: unknown) => Promise<unknown>
}

const rawOperations = ['$executeRaw', '$executeRawUnsafe', '$queryRaw', '$queryRawUnsafe'] as const

interface Query {
  readonly model: string
  readonly operation: string
  readonly args: Values
  readonly query: (args: Values) => Promise<unknown>
  readonly __internalParams?: {
    readonly transaction?: { readonly kind: string } | undefined
    /** Of a relation that is asked for as a method of another query: what is given is its rows. */
    readonly dataPath?: readonly string[]
  }
}

/** Operations that give no rows: names stay names there. */
const summaries: readonly string[] = ['aggregate', 'count', 'groupBy']

/** Databases in which a write says whether its condition was met. */
const returning: readonly unknown[] = ['sqlite', 'postgresql', 'cockroachdb']

class PrismaExtension {
  /** The client whose rows have files. */
  readonly extended: unknown
  readonly #files: Readonly<Record<string, Readonly<Record<string, FileField>>>>
  readonly #keys: Readonly<Record<string, string | undefined>>
  readonly #models: DataModel['models']
  readonly #rows: PrismaRows
  readonly #client: Client
  readonly #isReturning: boolean
  /** The client of the interactive transaction that is running. */
  readonly #transaction = new AsyncLocalStorage<Client>()
  /** Our own queries are not looked at once more. */
  readonly #own = new AsyncLocalStorage<true>()

  constructor(
    client: Client,
    files: FilesByModel,
    keys: Readonly<Record<string, string | undefined>>,
  ) {
    this.#models = client._runtimeDataModel.models
    this.#files = byModelName(files, this.#models)
    this.#keys = keys
    this.#check(client._engineConfig)
    this.#isReturning = returning.includes(client._engineConfig.activeProvider)
    for (const [model, fields] of Object.entries(this.#files)) {
      for (const [column, field] of Object.entries(fields)) field.attach(model, column)
    }
    const hostOf = (model: string, row: Values, shown: Values): FieldHost =>
      new PrismaHost(this, model, row, shown)
    this.#rows = new PrismaRows(this.#models, this.#files, hostOf)
    const tables = Object.entries(this.#files).map(([model, fields]) =>
      tableOf(this.#models[model], model, fields),
    )
    const raw = async ({ args, query: run }: RawQuery): Promise<unknown> => {
      refuseStatement(statementOf(args), tables, 'update() and delete() of each row')
      return await run(args)
    }
    const query = {
      $allModels: { $allOperations: (call: Query) => this.#query(call) },
      ...Object.fromEntries(rawOperations.map(operation => [operation, raw])),
    }
    const own = client.$extends({ name: 'stowage', query })
    this.#client = own
    const $transaction: Transact = (work, options) =>
      this.#transact(own.$transaction.bind(own), work, options)
    this.extended = own.$extends({ name: 'stowage transactions', client: { $transaction } })
  }

  /** Number of rows that name a file of this storage. */
  async uses(storage: unknown, name: string): Promise<number> {
    let count = 0
    for (const [model, fields] of Object.entries(this.#files)) {
      for (const [column, field] of Object.entries(fields)) {
        if (field.storage !== storage) continue
        count += await this.#quietly(() =>
          this.#delegate(model).count({ where: { [column]: name } }),
        )
      }
    }
    return count
  }

  /** Writes the column of a row that has the file. */
  async persist(model: string, row: Values, file: FieldFile): Promise<void> {
    const key = this.#keyOf(model)
    const column = Object.keys(this.#files[model] ?? {}).find(name => row[name] === file)
    if (column === undefined) {
      throw new UnsupportedError('The row has another file by now; save that one.', {
        operation: 'save',
      })
    }
    const data = { [column]: fileData(file) }
    await this.#delegate(model).update({ where: { [key]: row[key] }, data })
  }

  async #transact(run: Transact, work: unknown, options: unknown): Promise<unknown> {
    if (typeof work !== 'function') return await run(work, options)
    const inside = (own: Client): unknown => this.#transaction.run(own, () => work(own))
    return await fileTransaction(() => run(inside, options))
  }

  async #query(call: Query): Promise<unknown> {
    if (this.#own.getStore() === true) return await call.query(call.args)
    const givesRows = !summaries.includes(call.operation)
    const plan = givesRows ? this.#rows.plan(call.model, call.args ?? {}) : undefined
    if (plan === undefined) return await this.#look(call)
    const result = await this.#look({ ...call, args: plan.args })
    const shown = planOf(plan, call)
    return shown === undefined ? result : this.#rows.withFiles(shown, result)
  }

  async #look(call: Query): Promise<unknown> {
    const { model, operation, args, query } = call
    const written = [args?.['data'], args?.['create'], args?.['update']].filter(isValues)
    for (const data of written) this.#refuseNested(model, data)
    const fields = this.#files[model]
    if (fields === undefined) return await query(args)
    const columns = Object.keys(fields)
    const rows = [args?.['data'] ?? []].flat().filter(isValues)
    const touched = [...rows, ...written].some(data => columns.some(column => column in data))
    this.#checkTransaction(call, touched || operation === 'delete')
    if (operation.startsWith('create')) {
      // Nobody says which rows were left out, and whose files are to go.
      if (
        args['skipDuplicates'] === true &&
        rows.some(row => columns.some(name => isContent(row[name])))
      )
        throw bypass(`${operation}() with skipDuplicates`, columns, 'create() of each row')
      return await this.#create(call, rows)
    }
    if (operation === 'update') return await this.#update(call, columns, args['data'] as Values)
    if (operation === 'delete') return await this.#delete(call, columns)
    if (touched) throw bypass(`${operation}()`, columns, 'create() and update()')
    const cleans = Object.values(fields).some(field => field.onDelete === 'cleanup')
    if (operation === 'deleteMany' && cleans)
      throw bypass('deleteMany()', columns, 'delete() of each row')
    return await query(args)
  }

  async #create({ model, args, query }: Query, rows: readonly Values[]): Promise<unknown> {
    return await inScope(currentScope(), async scope => {
      const files: FieldFile[] = []
      for (const data of rows) files.push(...(await this.#store(model, data, scope)).values())
      const result = await query(args)
      for (const file of files) await file[afterWrite](scope, null)
      return result
    })
  }

  async #update(call: Query, columns: readonly string[], data: Values): Promise<unknown> {
    const changed = columns.filter(column => column in data)
    if (changed.length === 0) return await call.query(call.args)
    return await inScope(currentScope(), async scope => {
      const files = await this.#store(call.model, data, scope)
      const [result, previous] = await this.#swap(call, changed)
      for (const [column, file] of files) await file[afterWrite](scope, text(previous[column]))
      return result
    })
  }

  async #delete(call: Query, columns: readonly string[]): Promise<unknown> {
    return await inScope(currentScope(), async scope => {
      const [result, previous] = await this.#swap(call, columns)
      for (const column of columns) {
        const file = this.#file(call.model, column, null, previous)
        await file[afterDelete](scope, text(previous[column]))
      }
      return result
    })
  }

  /** Puts names where content stood, in the very data that the query gets. */
  async #store(model: string, data: Values, scope: FileScope): Promise<Map<string, FieldFile>> {
    const files = new Map<string, FieldFile>()
    for (const column of Object.keys(this.#files[model] ?? {})) {
      if (!(column in data)) continue
      const value = isValues(data[column]) ? data[column]['set'] : data[column]
      const file = this.#file(model, column, value, data)
      files.set(column, file)
      await file[beforeWrite](scope, (name, storage) => this.uses(storage, name))
      data[column] = file[columnName] ?? ''
      Object.assign(data, file[changedColumns])
    }
    return files
  }

  /** The file that a value of a column stands for. */
  #file(model: string, column: string, value: unknown, row: Values): FieldFile {
    const field = this.#fieldOf(model, column)
    const token = typeof value === 'string' && value.startsWith(tokenPrefix) ? value : ''
    const given = waiting().get(token)
    waiting().delete(token)
    if (given instanceof FieldFile && given.field === field) return given
    const file = field.file(null, new PrismaHost(this, model, row))
    if (given !== undefined) file.assign(given)
    else if (typeof value === 'string' && token === '') file.assign(value)
    return file
  }

  #fieldOf(model: string, column: string): FileField {
    const field = this.#files[model]?.[column]
    if (field === undefined) throw new TypeError(`there is no column ${column}`)
    return field
  }

  /** Resolves to the result and to what the row had. */
  async #swap(
    call: Query,
    columns: readonly string[],
  ): Promise<[result: unknown, previous: Values]> {
    const { model, args } = call
    const where = valuesOf(args['where'])
    return await untilMet<[unknown, Values]>(async () => {
      const found = await this.#quietly(() => this.#delegate(model).findUnique({ where }))
      const names = columns.map(column => [column, text(found?.[column])] as const)
      try {
        const result = await this.#writeIf(call, columns, names, found)
        return result === unmet ? unmet : [result, Object.fromEntries(names)]
      } catch (error) {
        // "Record not found": another writer came in between, or there never was such a row.
        if (Reflect.get(Object(error), 'code') !== 'P2025' || found === null) throw error
        return unmet
      }
    })
  }

  /**
   * One conditional write, {@link unmet} if its condition was not. On MySQL and MariaDB Prisma reads
   * first, and does not look whether the statement that follows has found the row.
   */
  async #writeIf(
    { model, operation, args, query }: Query,
    columns: readonly string[],
    names: Names,
    found: Values | null,
  ): Promise<unknown> {
    if (found === null) return await query(args)
    const same = names.map(([column, name]) => ({ [column]: name }))
    const where = {
      ...valuesOf(args['where']),
      AND: [valuesOf(args['where'])['AND'] ?? [], same].flat(),
    }
    if (this.#isReturning) return await query({ ...args, where })
    const key = this.#keyOf(model)
    const row = { [key]: found[key] }
    if (operation === 'delete') {
      const result = await query({ ...args, where })
      const left = await this.#quietly(() => this.#delegate(model).count({ where: row }))
      return left === 0 ? result : unmet
    }
    const data = Object.fromEntries(columns.map(column => [column, valuesOf(args['data'])[column]]))
    if (this.#transaction.getStore() === undefined)
      return await writeAlone(data, { ...args, where }, query)
    // A transaction may see an old state of the row: the names first, and the rest on top.
    if ((await this.#updateMany(model, { ...row, AND: same }, data)) === 0) return unmet
    try {
      return await query(args)
    } catch (error) {
      // The transaction may go on, and the row has its old files then.
      await this.#updateMany(model, row, Object.fromEntries(names)).catch(() => {})
      throw error
    }
  }

  async #updateMany(model: string, where: Values, data: Values): Promise<number> {
    const delegate = this.#delegate(model)
    return (await this.#quietly(() => delegate.updateMany({ where, data }))).count
  }

  #refuseNested(model: string, data: Values): void {
    for (const { name, kind, type } of this.#models[model]?.fields ?? []) {
      const nested = data[name]
      if (kind !== 'object' || !isValues(nested)) continue
      const columns = Object.keys(this.#files[type] ?? {})
      for (const [operation, given] of Object.entries(nested)) {
        if (columns.length > 0 && operation.startsWith('delete'))
          throw bypass(`a nested ${operation}`, columns, `delete() of ${lower(type)}`)
        for (const value of [given].flat().flatMap(partsOf)) {
          if (columns.some(column => column in value))
            throw bypass(`a nested ${operation}`, columns, `${operation}() of ${lower(type)}`)
          this.#refuseNested(type, value)
        }
      }
    }
  }

  #checkTransaction({ __internalParams }: Query, writesFiles: boolean): void {
    const kind = __internalParams?.transaction?.kind
    if (!writesFiles || kind === undefined) return
    if (kind === 'itx' && this.#transaction.getStore() !== undefined) return
    throw new UnsupportedError(
      'Files follow a transaction with a function of the extended client: prisma.$transaction(async tx => …).',
      { operation: '$transaction' },
    )
  }

  #check(engine: { readonly inlineSchema?: unknown }): void {
    for (const [, model = '', block = ''] of String(engine.inlineSchema ?? '').matchAll(
      /^\s*model\s+(\w+)\s*\{([^}]*)\}/gm,
    )) {
      for (const column of Object.keys(this.#files[model] ?? {})) {
        if (new RegExp(`^\\s*${column}\\s+String\\?`, 'm').test(block))
          throw nullable(model, column)
      }
      const cleaned = Object.entries(this.#files[model] ?? {}).find(
        ([, field]) => field.onDelete === 'cleanup',
      )
      if (cleaned !== undefined && /onDelete:\s*Cascade/.test(block))
        throw cascades(model, cleaned[0], 'delete the rows before their parent')
    }
  }

  #keyOf(model: string): string {
    const key = this.#keys[lower(model)] ?? 'id'
    if (this.#models[model]?.fields.some(({ name }) => name === key) === true) return key
    throw new ImproperlyConfigured(
      `${model} has no column "${key}"; say which one is unique: fileExtension(files, { keys: { ${lower(model)}: 'column' } }).`,
      { setting: 'keys' },
    )
  }

  #delegate(model: string): Delegate {
    const client = this.#transaction.getStore() ?? this.#client
    return Reflect.get(client, lower(model)) as Delegate
  }

  /** Prisma's promises begin when they are awaited: that has to happen inside. */
  async #quietly<T>(work: () => Promise<T>): Promise<T> {
    return await this.#own.run(true, async () => await work())
  }
}

/** A row as its files see it; they share one, since many are made. */
class PrismaHost implements FieldHost {
  readonly owner: Values
  readonly #extension: PrismaExtension
  readonly #model: string
  readonly #shown: Values

  /** @param shown what the user has of the row, where that is not all of it */
  constructor(extension: PrismaExtension, model: string, row: Values, shown = row) {
    this.#extension = extension
    this.#model = model
    this.owner = row
    this.#shown = shown
  }

  /** Rows are what a query gave: a write is made of the file itself. */
  setName(): void {}

  setColumn(column: string, value: number | null): void {
    for (const row of [this.owner, this.#shown]) if (column in row) row[column] = value
  }

  async persist(file: FieldFile): Promise<void> {
    await this.#extension.persist(this.#model, this.owner, file)
  }

  scope(): FileScope | undefined {
    return currentScope()
  }

  async uses(name: string, storage: unknown): Promise<number> {
    return await this.#extension.uses(storage, name)
  }
}

/** A write whose result tells whether it was done: it has read what it has written. */
async function writeAlone(data: Values, args: Values, query: Query['query']): Promise<unknown> {
  const { args: wider, added } = withColumns(args, Object.keys(data))
  const result = await query(wider)
  const row: Values = Object(result)
  const isMet = Object.entries(data).every(([column, value]) => text(row[column]) === value)
  for (const column of added) Reflect.deleteProperty(row, column)
  return isMet ? result : unmet
}

function nullable(model: string, column: string): ImproperlyConfigured {
  return new ImproperlyConfigured(
    `"${column}" of ${model} may be null; a file column is String @default(""), where "" stands for no file.`,
    { setting: column },
  )
}

function byModelName(files: FilesByModel, models: DataModel['models']): FilesByModel {
  const found: Record<string, Readonly<Record<string, FileField>>> = {}
  for (const [name, fields] of Object.entries(files)) {
    const model = Object.keys(models).find(known => lower(known) === name)
    const columns = models[model ?? '']?.fields.map(field => field.name) ?? []
    const missing = Object.keys(fields).find(column => !columns.includes(column))
    if (model === undefined || missing !== undefined) {
      const what = model === undefined ? `model "${name}"` : `column "${missing}" in ${model}`
      throw new ImproperlyConfigured(`The Prisma schema has no ${what}.`, { setting: name })
    }
    for (const [column, field] of Object.entries(fields))
      checkField(`fileExtension() of "${name}.${column}"`, field)
    found[model] = fields
  }
  return found
}

/** Of what a query really gives. */
function planOf(plan: RowPlan, { __internalParams }: Query): RowPlan | undefined {
  // `select` and `include` stand between the names of the relations.
  const names = (__internalParams?.dataPath ?? []).filter((_step, index) => index % 2 === 1)
  return names.reduce<RowPlan | undefined>(
    (found, name) => found?.relations.find(([relation]) => relation === name)?.[1],
    plan,
  )
}

function tableOf(
  model: ModelShape | undefined,
  name: string,
  fields: Readonly<Record<string, FileField>>,
): FiledTable {
  const columns = Object.entries(fields).map(([column, field]) => {
    const known = model?.fields.find(other => other.name === column)
    return [known?.dbName ?? column, field]
  })
  return { table: model?.dbName ?? name, columns: Object.fromEntries(columns) }
}

/** The text of a raw query: a template's, or a plain one with its values behind it. */
function statementOf(args: unknown): string {
  const [first] = Array.isArray(args) ? args : [args]
  return typeof first === 'string'
    ? first
    : [Reflect.get(Object(first), 'strings')].flat().join('?')
}

/** The data in an argument of a nested write: itself, or what it holds. */
function partsOf(given: unknown): Values[] {
  if (!isValues(given)) return []
  return [given, given['data'], given['create'], given['update']].flat().filter(isValues)
}

function lower(model: string): string {
  return model.charAt(0).toLowerCase() + model.slice(1)
}

function text(value: unknown): string | null {
  if (value instanceof FieldFile) return value[columnName] ?? ''
  return typeof value === 'string' ? value : null
}

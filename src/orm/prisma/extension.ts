import { AsyncLocalStorage } from 'node:async_hooks'
import { ImproperlyConfigured, UnsupportedError } from '../../core/errors.ts'
import { bypass } from '../../fields/bypass.ts'
import { changedColumns, columnName, type FieldFile } from '../../fields/field-file.ts'
import type { FileField } from '../../fields/file-field.ts'
import type { FileModel, FileModels } from '../../fields/file-models.ts'
import { currentScope, fileTransaction } from '../../fields/lifecycle.ts'
import { leaveRow, type RowFiles, writeRow } from '../../fields/row-writes.ts'
import {
  type Client,
  type DataModel,
  type Delegate,
  isValues,
  memberOf,
  type Query,
  type RawQuery,
  rawOperations,
  statementOf,
  type Transact,
  type Values,
} from './client.ts'
import { type Database, writeIfSame } from './conditional-write.ts'
import { fileData, fileOf, isContent } from './file-data.ts'
import { PrismaHost, type RowWriter } from './host.ts'
import { refuseNested } from './nested.ts'
import { PrismaRows, planOf } from './rows.ts'
import { checkSchema, type FilesByModel, modelsWithFiles } from './schema.ts'

/** File columns by model and column, as in `{ user: { avatar: field } }`. */
export type PrismaFiles<F> = {
  readonly [M in keyof F]: { readonly [C in keyof F[M]]: FileField }
}

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

/** Operations that give no rows: names stay names there. */
const summaries: readonly string[] = ['aggregate', 'count', 'groupBy']

/** Databases in which a write says whether its condition was met. */
const returning: readonly unknown[] = ['sqlite', 'postgresql', 'cockroachdb']

class PrismaExtension implements Database, RowWriter {
  /** The client whose rows have files. */
  readonly extended: unknown
  readonly isReturning: boolean
  readonly #files: FileModels<string>
  readonly #keys: Readonly<Record<string, string | undefined>>
  readonly #models: DataModel['models']
  readonly #rows: PrismaRows
  readonly #client: Client
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
    this.#files = modelsWithFiles(files, this.#models)
    this.#keys = keys
    checkSchema(client._engineConfig.inlineSchema, this.#files)
    this.isReturning = returning.includes(client._engineConfig.activeProvider)
    this.#rows = new PrismaRows(
      this.#models,
      this.#files,
      (model, row, shown) => new PrismaHost(this, model, row, shown),
    )
    const raw = async ({ args, query: run }: RawQuery): Promise<unknown> => {
      this.#files.refuseStatement(statementOf(args), 'update() and delete() of each row')
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

  readonly #uses = async (name: string, storage: unknown): Promise<number> =>
    await this.uses(storage, name)

  get isInTransaction(): boolean {
    return this.#transaction.getStore() !== undefined
  }

  async uses(storage: unknown, name: string): Promise<number> {
    return await this.#files.uses(storage, async (model, columns) => {
      const where = { OR: columns.map(column => ({ [column]: name })) }
      return await this.run(model, delegate => delegate.count({ where }))
    })
  }

  async persist(model: string, row: Values, file: FieldFile): Promise<void> {
    const key = this.keyOf(model)
    const column = this.#files.of(model)?.properties.find(name => row[name] === file)
    if (column === undefined) {
      throw new UnsupportedError('The row has another file by now; save that one.', {
        operation: 'save',
      })
    }
    const data = { [column]: fileData(file) }
    await this.#delegate(model).update({ where: { [key]: row[key] }, data })
  }

  keyOf(model: string): string {
    const key = this.#keys[memberOf(model)] ?? 'id'
    if (this.#models[model]?.fields.some(({ name }) => name === key) === true) return key
    throw new ImproperlyConfigured(
      `${model} has no column "${key}"; say which one is unique: fileExtension(files, { keys: { ${memberOf(model)}: 'column' } }).`,
      { setting: 'keys' },
    )
  }

  /** Prisma's promises begin when they are awaited: that has to happen inside. */
  async run<T>(model: string, query: (delegate: Delegate) => Promise<T>): Promise<T> {
    return await this.#own.run(true, async () => await query(this.#delegate(model)))
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
    for (const data of written) refuseNested(this.#models, this.#files, model, data)
    const files = this.#files.of(model)
    if (files === undefined) return await query(args)
    const columns = files.properties
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
      return await this.#create(call, files, rows)
    }
    if (operation === 'update') return await this.#update(call, files, args['data'] as Values)
    if (operation === 'delete') return await this.#delete(call, files)
    if (touched) throw bypass(`${operation}()`, columns, 'create() and update()')
    if (operation === 'deleteMany') files.refuseDeletion('deleteMany()', 'delete() of each row')
    return await query(args)
  }

  async #create(
    { model, args, query }: Query,
    { fields }: FileModel,
    rows: readonly Values[],
  ): Promise<unknown> {
    const written = rows.map(row => [row, this.#filesOf(model, fields, row)] as const)
    const files = written.flatMap(([, own]) => own)
    return await writeRow(
      currentScope(),
      files,
      async () => {
        for (const [row, own] of written) putNames(row, own)
        return [await query(args), {}]
      },
      this.#uses,
    )
  }

  async #update(call: Query, { fields }: FileModel, data: Values): Promise<unknown> {
    const files = this.#filesOf(call.model, fields, data)
    if (files.length === 0) return await call.query(call.args)
    return await writeRow(
      currentScope(),
      files,
      async () => {
        putNames(data, files)
        const columns = files.map(([column]) => column)
        return await writeIfSame(this, call, columns)
      },
      this.#uses,
    )
  }

  async #delete(call: Query, { fields, properties }: FileModel): Promise<unknown> {
    const [result, previous] = await writeIfSame(this, call, properties)
    const host = new PrismaHost(this, call.model, previous)
    const files = Object.entries(fields).map(
      ([column, field]) => [column, fileOf(null, field, host)] as const,
    )
    await leaveRow(currentScope(), files, previous)
    return result
  }

  /** The files that the data has for its row. */
  #filesOf(model: string, fields: FileModel['fields'], data: Values): RowFiles {
    const host = new PrismaHost(this, model, data)
    return Object.entries(fields).flatMap(([column, field]) => {
      if (!(column in data)) return []
      const value = isValues(data[column]) ? data[column]['set'] : data[column]
      return [[column, fileOf(value, field, host)] as const]
    })
  }

  #checkTransaction({ __internalParams }: Query, writesFiles: boolean): void {
    const kind = __internalParams?.transaction?.kind
    if (!writesFiles || kind === undefined) return
    if (kind === 'itx' && this.isInTransaction) return
    throw new UnsupportedError(
      'Files follow a transaction with a function of the extended client: prisma.$transaction(async tx => …).',
      { operation: '$transaction' },
    )
  }

  #delegate(model: string): Delegate {
    const client = this.#transaction.getStore() ?? this.#client
    return Reflect.get(client, memberOf(model)) as Delegate
  }
}

/** Puts names where content stood, in the very data that the query gets. */
function putNames(data: Values, files: RowFiles): void {
  for (const [column, file] of files) {
    data[column] = file[columnName] ?? ''
    Object.assign(data, file[changedColumns])
  }
}

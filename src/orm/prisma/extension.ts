import { UnsupportedError } from '../../core/errors.ts'
import { bypass } from '../../fields/bypass.ts'
import {
  changedColumns,
  columnName,
  type FieldFile,
  type FieldHost,
  type FileInput,
} from '../../fields/field-file.ts'
import type { FileField } from '../../fields/file-field.ts'
import { countUses, type FileModel, type FileModels, mostUses } from '../../fields/file-models.ts'
import { leaveRow, type RowFiles, writeRow } from '../../fields/row-writes.ts'
import {
  type Client,
  type DataModel,
  type Delegate,
  isValues,
  type ModelShape,
  memberOf,
  type PrismaPromise,
  type Query,
  type RawQuery,
  rawOperations,
  statementOf,
  text,
  type Values,
  valuesOf,
} from './client.ts'
import { ClientFiles } from './client-files.ts'
import { type Database, writeIfSame } from './conditional-write.ts'
import { fileData, fileOf, givenIn, isContent } from './file-data.ts'
import { PrismaHost, type RowWriter } from './host.ts'
import { refuseNested } from './nested.ts'
import { PrismaRows, planOf, type Shapes } from './rows.ts'
import { type FilesByModel, type Key, modelsWithFiles, PrismaSchema } from './schema.ts'
import { type Transaction, Transactions } from './transactions.ts'

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
 * @param options.keys unique column of the models that have neither `@id` nor `@@id`
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

/** Operations that give no rows. */
const summaries: readonly string[] = ['aggregate', 'count', 'groupBy']

/** Databases in which a write says whether its condition was met. */
const returning: readonly unknown[] = ['sqlite', 'postgresql', 'cockroachdb']

class PrismaExtension implements Database, RowWriter, Shapes {
  /** The client whose rows have files. */
  readonly extended: unknown
  readonly isReturning: boolean
  readonly models: DataModel['models']
  readonly files: FileModels<string>
  readonly #client: Client
  readonly #clientFiles: ClientFiles
  readonly #schema: PrismaSchema
  readonly #keys: Readonly<Record<string, string | undefined>>
  readonly #rows: PrismaRows
  readonly #transactions = new Transactions()

  constructor(
    client: Client,
    files: FilesByModel,
    keys: Readonly<Record<string, string | undefined>>,
  ) {
    this.#client = client
    this.#keys = keys
    this.models = client._runtimeDataModel.models
    this.files = modelsWithFiles(files, this.models)
    this.#schema = new PrismaSchema(client._engineConfig.inlineSchema)
    this.#schema.check(this.files)
    this.#clientFiles = ClientFiles.of(client)
    this.#clientFiles.add(this.files)
    this.isReturning = returning.includes(client._engineConfig.activeProvider)
    this.#rows = new PrismaRows(
      this,
      (model, transaction, row, shown) => new PrismaHost(this, model, transaction, row, shown),
    )
    this.extended = this.#extend(client)
  }

  get running(): Transaction | undefined {
    return this.#transactions.running
  }

  shapeOf(model: string): ModelShape | undefined {
    return this.models[model]
  }

  keyOf(model: string): Key {
    return this.#schema.keyOf(model, this.models[model], this.#keys[memberOf(model)])
  }

  omitOf(model: string): Values {
    return this.#client._globalOmit?.[memberOf(model)] ?? {}
  }

  async ask<T>(
    model: string,
    transaction: Transaction | undefined,
    query: (delegate: Delegate) => PrismaPromise<T>,
  ): Promise<T> {
    const promise = query(Reflect.get(this.#client, memberOf(model)) as Delegate)
    const handle = transaction?.open?.handle
    return await (handle === undefined ? promise : promise.requestTransaction(handle))
  }

  async uses(
    storage: unknown,
    name: string,
    transaction: Transaction | undefined,
  ): Promise<number> {
    return await this.#clientFiles.uses(storage, async (model, columns) => {
      const where = { OR: columns.map(column => ({ [column]: name })) }
      const select = Object.fromEntries(columns.map(column => [column, true]))
      const found = await this.ask(model, transaction, rows =>
        rows.findMany({ where, select, take: mostUses }),
      )
      // Another extension of the client may have made files of them.
      const rows = found.map(row =>
        Object.fromEntries(columns.map(column => [column, text(row[column])])),
      )
      return countUses(rows, columns, name)
    })
  }

  async persist(
    model: string,
    row: Values,
    file: FieldFile,
    transaction: Transaction | undefined,
  ): Promise<void> {
    const files = this.files.of(model)
    const column = files?.properties.find(name => row[name] === file)
    if (files === undefined || column === undefined) {
      throw new UnsupportedError('The row has another file by now; save that one.', {
        operation: 'save',
      })
    }
    const { columns, name } = this.keyOf(model)
    const values = Object.fromEntries(columns.map(key => [key, row[key]]))
    const call: Query = {
      model,
      operation: 'update',
      args: {
        where: columns.length === 1 ? values : { [name]: values },
        data: { [column]: fileData(file) },
      },
      query: args => this.ask(model, transaction, rows => rows.update(args)),
    }
    await this.#update(call, files, transaction)
  }

  /** With an extension of its queries, and one of its transactions, as whoever it is called on begins them. */
  #extend(client: Client): unknown {
    const raw = async (call: RawQuery): Promise<unknown> => {
      const database = String(client._engineConfig.activeProvider)
      this.files.refuseStatement(
        statementOf(call.args),
        database,
        'update() and delete() of each row',
      )
      return await call.query(call.args)
    }
    const transactions = this.#transactions
    const query = {
      $allModels: {
        $allOperations: transactions.watched((call: Query, own) => this.#query(call, own)),
      },
      ...Object.fromEntries(
        rawOperations.map(operation => [operation, transactions.watched(raw)] as const),
      ),
    }
    const { $transaction: begin } = client
    async function $transaction(this: Client, work: unknown, options?: unknown): Promise<unknown> {
      const run = (inside: unknown): Promise<unknown> => begin.call(this, inside, options)
      if (typeof work !== 'function') return await run(work)
      return await transactions.follow(this, run, tx => work(tx))
    }
    return client.$extends({ name: 'stowage', query, client: { $transaction } })
  }

  async #query(call: Query, transaction: Transaction | undefined): Promise<unknown> {
    const { model, operation } = call
    const args = valuesOf(call.args)
    if (summaries.includes(operation))
      return this.#rows.withSummedFiles(model, await call.query(args))
    const plan = this.#rows.plan(model, args)
    const result = await this.#look({ ...call, args: plan?.args ?? args }, transaction)
    const shown = plan && planOf(plan, call)
    return shown === undefined ? result : this.#rows.withFiles(shown, transaction, result)
  }

  async #look(call: Query, transaction: Transaction | undefined): Promise<unknown> {
    const { model, operation, args, query } = call
    const written = [args['data'], args['create'], args['update']].flat().filter(isValues)
    for (const data of written) refuseNested(this.models, this.files, model, data)
    const files = this.files.of(model)
    if (files === undefined) return await query(args)
    const given = written.map(data => givenIn(data, files.properties))
    this.#checkTransaction(call, files, given)
    if (operation.startsWith('create')) {
      // Nobody says which rows were left out, and whose files are to go.
      const isSkipping = args['skipDuplicates'] === true
      if (isSkipping && given.some(values => Object.values(values).some(isContent)))
        throw bypass(`${operation}() with skipDuplicates`, files.properties, 'create() of each row')
      return await this.#create(call, files, written, transaction)
    }
    if (operation === 'update') return await this.#update(call, files, transaction)
    if (operation === 'delete') return await this.#delete(call, files, transaction)
    for (const values of given) files.refuseWrite(values, `${operation}()`, 'create() and update()')
    if (operation === 'deleteMany') files.refuseDeletion('deleteMany()', 'delete() of each row')
    return await query(args)
  }

  async #create(
    { model, args, query }: Query,
    files: FileModel,
    rows: readonly Values[],
    transaction: Transaction | undefined,
  ): Promise<unknown> {
    const written = rows.map(row => [row, this.#filesOf(model, files, row, transaction)] as const)
    const all = written.flatMap(([, own]) => own)
    return await writeRow(
      transaction?.scope,
      all,
      async () => {
        for (const [row, own] of written) putNames(row, own)
        return [await query(args), {}]
      },
      this.#counter(transaction),
    )
  }

  async #update(
    call: Query,
    files: FileModel,
    transaction: Transaction | undefined,
  ): Promise<unknown> {
    const data = valuesOf(call.args['data'])
    const written = this.#filesOf(call.model, files, data, transaction)
    if (written.length === 0) return await call.query(call.args)
    return await writeRow(
      transaction?.scope,
      written,
      async () => {
        putNames(data, written)
        if (!this.#isFollowed(call)) return [await call.query(call.args), {}]
        const columns = written.map(([column]) => column)
        return await writeIfSame(this, call, columns, transaction)
      },
      this.#counter(transaction),
    )
  }

  async #delete(
    call: Query,
    { fields, properties }: FileModel,
    transaction: Transaction | undefined,
  ): Promise<unknown> {
    if (!this.#isFollowed(call)) return await call.query(call.args)
    const [result, previous] = await writeIfSame(this, call, properties, transaction)
    const host = new PrismaHost(this, call.model, transaction, { ...previous })
    const files = Object.entries(fields).map(
      ([column, field]) => [column, fileOf(null, field, host)] as const,
    )
    await leaveRow(transaction?.scope, files, previous)
    return result
  }

  /** The files that the data has for its row. */
  #filesOf(
    model: string,
    { fields, properties }: FileModel,
    data: Values,
    transaction: Transaction | undefined,
  ): RowFiles {
    const host = new PrismaHost(this, model, transaction, data)
    const given = givenIn(data, properties)
    return Object.entries(fields).flatMap(([column, field]) =>
      column in given ? [[column, fileOf(given[column] ?? null, field, host)] as const] : [],
    )
  }

  /** Of files that a write was given, and that belong to no row. */
  #counter(transaction: Transaction | undefined): FieldHost['uses'] {
    return async (name, storage, isOver) =>
      await this.uses(storage, name, isOver ? undefined : transaction)
  }

  /** Whether it is known how what the query does will end. */
  #isFollowed({ __internalParams }: Query): boolean {
    const handle = __internalParams?.transaction
    return handle === undefined || this.#transactions.of(handle) !== undefined
  }

  #checkTransaction(
    call: Query,
    files: FileModel,
    given: readonly Readonly<Record<string, FileInput>>[],
  ): void {
    const isDeletion = call.operation === 'delete' && files.cleaned !== undefined
    const isTouched = isDeletion || given.some(values => files.touched(values).length > 0)
    if (!isTouched || this.#isFollowed(call)) return
    throw new UnsupportedError(
      'Files follow a transaction with a function of the extended client: prisma.$transaction(async tx => …).',
      { operation: '$transaction' },
    )
  }
}

/** Puts names where content stood, in the very data that the query gets. */
function putNames(data: Values, files: RowFiles): void {
  for (const [column, file] of files) {
    data[column] = file[columnName] ?? ''
    Object.assign(data, file[changedColumns])
  }
}

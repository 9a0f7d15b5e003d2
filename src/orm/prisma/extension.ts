import { UnsupportedError } from '../../core/errors.ts'
import { bypass } from '../../fields/bypass.ts'
import type { FieldFile } from '../../fields/field-file.ts'
import type { FileField } from '../../fields/file-field.ts'
import type { FileModels } from '../../fields/file-models.ts'
import {
  type Client,
  delegateOf,
  isValues,
  type Query,
  type RawQuery,
  rawOperations,
  statementOf,
  type Values,
  valuesOf,
} from './client.ts'
import { PrismaDatabase } from './database.ts'
import { fileData, givenIn, isContent, putDefaults, unnamed } from './file-data.ts'
import { PrismaHost, type RowWriter } from './host.ts'
import { enterNested } from './nested.ts'
import { PrismaRows, planOf } from './rows.ts'
import { type FilesByModel, modelsWithFiles } from './schema.ts'
import { type Transaction, Transactions } from './transactions.ts'
import { PrismaWrites } from './writes.ts'

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
        [M in keyof F]: {
          [C in keyof F[M]]: () => { needs: Nothing; compute: () => ReturnType<F[M][C]['file']> }
        }
      }
      model: Nothing
      query: Nothing
      client: Nothing
    }
  }
}

/**
 * Makes text columns files: `prisma.$extends(fileExtension({ user: { avatar: field } }))`. The
 * columns are `String @default("")`; `''` stands for no file. A `default` in the schema is
 * that of the field. `$transaction` with a function carries the files along.
 *
 * @param options.keys unique column of the models that have neither `@id` nor `@@id`
 * @param options.unrestricted a client of the same schema whose role sees all rows, where row level
 *   security hides some from the others; it is asked which files are in use, and writes nothing
 * @throws ImproperlyConfigured for unknown models and columns, and for rows that the database deletes
 *   by itself (`onDelete: Cascade`)
 */
export function fileExtension<const F extends PrismaFiles<F>>(
  files: F,
  options: {
    readonly keys?: { readonly [M in keyof F]?: string } | undefined
    readonly unrestricted?: object | undefined
  } = {},
): FileExtension<F> {
  const { keys = {}, unrestricted } = options
  return client => {
    const database = new PrismaDatabase(client as Client, keys, unrestricted)
    return new PrismaExtension(client as Client, files as object as FilesByModel, database)
      .extended as never
  }
}

/** Operations that give no rows: sums of them, or how many there were. */
const summaries: readonly string[] = ['aggregate', 'count', 'groupBy']
const counting: readonly string[] = ['createMany', 'deleteMany', 'updateMany']

class PrismaExtension implements RowWriter {
  /** The client whose rows have files. */
  readonly extended: Client
  readonly #database: PrismaDatabase
  readonly #files: FileModels<string>
  readonly #rows: PrismaRows
  readonly #writes: PrismaWrites
  readonly #transactions: Transactions

  constructor(client: Client, files: FilesByModel, database: PrismaDatabase) {
    this.#database = database
    this.#transactions = new Transactions(database.unanswered)
    this.#files = modelsWithFiles(files, database)
    database.schema.check(this.#files)
    database.files.add(this.#files)
    this.#rows = new PrismaRows(
      database,
      this.#files,
      (model, transaction, row, shown) => new PrismaHost(this, model, transaction, row, shown),
    )
    this.#rows.learn(client)
    this.#writes = new PrismaWrites(this, database)
    this.extended = this.#extend(client)
  }

  get running(): Transaction | undefined {
    return this.#transactions.running
  }

  async uses(
    storage: unknown,
    name: string,
    transaction: Transaction | undefined,
  ): Promise<number> {
    return await this.#database.uses(storage, name, transaction)
  }

  async persist(
    model: string,
    row: Values,
    file: FieldFile,
    transaction: Transaction | undefined,
  ): Promise<void> {
    const column = this.#files.of(model)?.properties.find(name => row[name] === file)
    if (column === undefined) {
      throw new UnsupportedError('The row has another file by now; save that one.', {
        operation: 'save',
      })
    }
    const { columns, name } = this.#database.keyOf(model)
    const values = Object.fromEntries(columns.map(key => [key, row[key]]))
    const promise = delegateOf(this.extended, model).update({
      where: columns.length === 1 ? values : { [name]: values },
      data: { [column]: fileData(file) },
    })
    const handle = transaction?.open?.handle
    await (handle === undefined ? promise : promise.requestTransaction(handle))
  }

  /** With an extension of its queries, and one of its transactions, as whoever it is called on begins them. */
  #extend(client: Client): Client {
    const raw = async (call: RawQuery): Promise<unknown> => {
      const database = String(client._engineConfig.activeProvider)
      this.#files.refuseStatement(
        statementOf(call.args),
        database,
        'update() and delete() of each row',
      )
      return await call.query(call.args)
    }
    const transactions = this.#transactions
    const rows = this.#rows
    const query = {
      $allModels: {
        $allOperations: transactions.watched((call: Query, own) => this.#query(call, own)),
      },
      ...Object.fromEntries(
        rawOperations.map(operation => [operation, transactions.watched(raw)] as const),
      ),
    }
    const { $transaction: begin, $extends: extend } = client
    async function $transaction(this: Client, work: unknown, options?: unknown): Promise<unknown> {
      const run = (inside: unknown): Promise<unknown> => begin.call(this, inside, options)
      if (typeof work !== 'function') return await run(work)
      return await transactions.follow(this, run, tx => work(tx))
    }
    function $extends(this: Client, extension: object): Client {
      const extended = extend.call(this, extension)
      rows.learn(extended)
      return extended
    }
    return client.$extends({ name: 'stowage', query, client: { $transaction, $extends } })
  }

  async #query(call: Query, transaction: Transaction | undefined): Promise<unknown> {
    const { model, operation } = call
    const args = valuesOf(call.args)
    if (summaries.includes(operation))
      return this.#rows.withSummedFiles(model, await call.query(args))
    const plan = counting.includes(operation) ? undefined : this.#rows.plan(model, args)
    const result = await this.#look({ ...call, args: plan?.args ?? args }, transaction)
    const shown = plan && planOf(plan, call)
    return shown === undefined ? result : this.#rows.withFiles(shown, transaction, result)
  }

  async #look(call: Query, transaction: Transaction | undefined): Promise<unknown> {
    const { model, operation, args, query } = call
    const isCreation = operation.startsWith('create')
    // `upsert` has both.
    const made = [args[isCreation ? 'data' : 'create']].flat().filter(isValues)
    const changed = isCreation ? [] : [args['data'], args['update']].filter(isValues)
    for (const data of [...made, ...changed])
      enterNested(this.#database.models, this.#files, model, data)
    const files = this.#files.of(model)
    if (files === undefined) return await query(args)
    const { fields, properties } = files
    const created = made.map(data => givenIn(data, properties))
    const given = changed.map(data => givenIn(data, properties))
    const hasContent = created.some(values => Object.values(values).some(isContent))
    const isLosing = operation === 'delete' && files.cleaned !== undefined
    if (hasContent || isLosing || given.some(values => files.touched(values).length > 0))
      await this.#checkTransaction(call, transaction)
    if (isCreation) {
      // Nobody says which rows were left out, and whose files are to go.
      if (hasContent && args['skipDuplicates'] === true)
        throw bypass(`${operation}() with skipDuplicates`, properties, 'create() of each row')
      return await this.#writes.create(call, files, made, transaction)
    }
    if (operation === 'update') return await this.#writes.update(call, files, transaction)
    if (operation === 'delete') return await this.#writes.delete(call, files, transaction)
    for (const values of [...given, ...created.map(one => unnamed(one, fields))])
      files.refuseWrite(values, `${operation}()`, 'create() and update()')
    if (operation === 'deleteMany') files.refuseDeletion('deleteMany()', 'delete() of each row')
    for (const data of made) putDefaults(data, fields)
    return await query(args)
  }

  /** @throws UnsupportedError where it is not known how what the query does will end */
  async #checkTransaction(call: Query, transaction: Transaction | undefined): Promise<void> {
    if (transaction !== undefined) return
    if (call.__internalParams.transaction === undefined)
      return await this.#database.requireAllRows(call.model)
    throw new UnsupportedError(
      'Files follow a transaction with a function of the extended client: prisma.$transaction(async tx => …).',
      { operation: '$transaction' },
    )
  }
}

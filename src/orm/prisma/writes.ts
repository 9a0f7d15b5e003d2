import { FieldFile } from '../../fields/field-file.ts'
import {
  changedColumns,
  columnName,
  type FieldHost,
  hasNews,
  hostOf,
} from '../../fields/field-host.ts'
import type { FileModel } from '../../fields/file-models.ts'
import { leaveRow, type Names, orLeave, type RowFiles, writeRow } from '../../fields/row-writes.ts'
import { isOperation, type Query, type Values, valuesOf } from './client.ts'
import { fulfilled, plainly, resultOf, writeIfSame } from './conditional-write.ts'
import type { PrismaDatabase } from './database.ts'
import { fileOf, givenIn, isContent, putDefaults } from './file-data.ts'
import { PrismaHost, type RowWriter } from './host.ts'
import { plainColumns } from './rows.ts'
import type { Transaction } from './transactions.ts'

/** Writes of rows with files, each by one query of the application. */
export class PrismaWrites {
  readonly #writer: RowWriter
  readonly #database: PrismaDatabase

  constructor(writer: RowWriter, database: PrismaDatabase) {
    this.#writer = writer
    this.#database = database
  }

  async create(
    { model, args, query }: Query,
    files: FileModel,
    rows: readonly Values[],
    transaction: Transaction | undefined,
  ): Promise<unknown> {
    const written = rows.map(
      row => [row, this.#filesOf(model, files, row, row, transaction)] as const,
    )
    const all = written.flatMap(([, own]) => own)
    return await writeRow(
      transaction?.scope,
      all,
      async () => {
        for (const [row, own] of written) {
          putNames(row, own)
          putDefaults(row, files.fields)
        }
        return [await query(args), {}]
      },
      this.#counter(transaction),
    )
  }

  async update(
    call: Query,
    files: FileModel,
    transaction: Transaction | undefined,
  ): Promise<unknown> {
    const { model, args, query } = call
    const data = valuesOf(args['data'])
    this.#leaveUntouched(call, files, data)
    const given = givenIn(data, files.properties)
    if (Object.keys(given).length === 0) return await query(args)
    const isAsking = Object.entries(given).some(
      ([column, value]) => isContent(value) && files.fields[column]?.looksAtRow,
    )
    const row = isAsking ? await this.#rowOf(call, files, transaction) : {}
    const written = this.#filesOf(model, files, data, changed(row, data), transaction)
    const outcome = await writeRow(
      transaction?.scope,
      written,
      async scope => {
        putNames(data, written)
        // A file that was given as none knows nothing of the one that the row loses.
        for (const [, file] of written)
          if (!file.hasFile()) Object.assign(data, file.field.emptyColumns)
        if (!isFollowed(call, transaction)) return [fulfilled(await query(args)), {}]
        const columns = written.map(([column]) => column)
        const done = await writeIfSame(this.#database, call, columns, transaction)
        await this.#leave(call, files, done.taken, transaction)
        const { isLost, outcome, previous } = done
        if (isLost) {
          const had = this.#filesNamed(model, files, previous, transaction)
          await orLeave(scope, had, previous, 'onReplace', async () => resultOf(outcome))
        }
        return [outcome, previous]
      },
      this.#counter(transaction),
    )
    return resultOf(outcome)
  }

  /**
   * A file that the row was read with, and that nobody has touched since, is no change: the row may have
   * got another one meanwhile, and this one be gone.
   */
  #leaveUntouched({ model, args }: Query, { fields, properties }: FileModel, data: Values): void {
    const where = plainly(valuesOf(args['where']), this.#database.shapeOf(model))
    for (const [column, file] of Object.entries(givenIn(data, properties))) {
      if (!(file instanceof FieldFile) || file[hasNews]) continue
      const host = file[hostOf]
      const isOwn = host instanceof PrismaHost && host.isOf(model, where)
      if (isOwn && file.field === fields[column] && file.field.onReplace === 'cleanup')
        Reflect.deleteProperty(data, column)
    }
  }

  async delete(
    call: Query,
    files: FileModel,
    transaction: Transaction | undefined,
  ): Promise<unknown> {
    const { args, query } = call
    if (!isFollowed(call, transaction)) return await query(args)
    const done = await writeIfSame(this.#database, call, files.properties, transaction)
    await this.#leave(call, files, [...done.taken, done.previous], transaction)
    return resultOf(done.outcome)
  }

  async #leave(
    { model }: Query,
    files: FileModel,
    all: readonly Names[],
    transaction: Transaction | undefined,
  ): Promise<void> {
    for (const names of all) {
      const had = this.#filesNamed(model, files, names, transaction)
      await leaveRow(transaction?.scope, had, names)
    }
  }

  /** Files of a row that had some names. */
  #filesNamed(
    model: string,
    { fields }: FileModel,
    names: Names,
    transaction: Transaction | undefined,
  ): RowFiles {
    const host = new PrismaHost(this.#writer, model, transaction, { ...names })
    return Object.entries(fields).map(([column, field]) => [column, fileOf(null, field, host)])
  }

  /** What the data says nothing of, for `uploadTo`; Prisma's error for a row that is not there. */
  async #rowOf(
    { model, args }: Query,
    files: FileModel,
    transaction: Transaction | undefined,
  ): Promise<Values> {
    const columns = plainColumns(this.#database.shapeOf(model), files.properties)
    const select = Object.fromEntries(columns.map(column => [column, true]))
    const where = valuesOf(args['where'])
    return await this.#database.ask(model, transaction, rows =>
      rows.findUniqueOrThrow({ where, select }),
    )
  }

  /**
   * The files that the data has for its row.
   *
   * @param row as it will be
   */
  #filesOf(
    model: string,
    { fields, properties }: FileModel,
    data: Values,
    row: Values,
    transaction: Transaction | undefined,
  ): RowFiles {
    const host = new PrismaHost(this.#writer, model, transaction, row)
    const given = givenIn(data, properties)
    return Object.entries(fields).flatMap(([column, field]) =>
      column in given ? [[column, fileOf(given[column] ?? null, field, host)] as const] : [],
    )
  }

  /** Of files that a write was given, and that belong to no row. */
  #counter(transaction: Transaction | undefined): FieldHost['uses'] {
    return async (name, storage, isOver) =>
      await this.#writer.uses(storage, name, isOver ? undefined : transaction)
  }
}

/** Whether it is known how what the query does will end. */
function isFollowed({ __internalParams }: Query, transaction: Transaction | undefined): boolean {
  return transaction !== undefined || __internalParams.transaction === undefined
}

/** A row with the values of some data; of `{ increment: 1 }` and the like only the database knows. */
function changed(row: Values, data: Values): Values {
  const given = Object.entries(data).flatMap(([column, value]) => {
    if (value === undefined) return []
    if (!isOperation(value)) return [[column, value] as const]
    return 'set' in value ? [[column, value['set']] as const] : []
  })
  return { ...row, ...Object.fromEntries(given) }
}

/** Puts names where content stood, in the very data that the query gets. */
function putNames(data: Values, files: RowFiles): void {
  for (const [column, file] of files) {
    data[column] = file[columnName] ?? ''
    Object.assign(data, file[changedColumns])
  }
}

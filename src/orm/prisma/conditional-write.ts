import { isDeepStrictEqual } from 'node:util'
import type { Names } from '../../fields/row-writes.ts'
import { unmet, untilMet } from '../../fields/until-met.ts'
import { type ModelShape, type Query, text, type Values, valuesOf } from './client.ts'
import type { PrismaDatabase } from './database.ts'
import { withColumns } from './rows.ts'
import type { Transaction } from './transactions.ts'

/** What became of a write, and the names that the row had before. */
export interface Written {
  readonly outcome: PromiseSettledResult<unknown>
  readonly previous: Names
}

export function fulfilled(value: unknown): PromiseFulfilledResult<unknown> {
  return { status: 'fulfilled', value }
}

/** The result of a write, or the error that an extension has thrown after it. */
export function resultOf(outcome: PromiseSettledResult<unknown>): unknown {
  if (outcome.status === 'rejected') throw outcome.reason
  return outcome.value
}

/**
 * Updates or deletes a row on the condition that it still has the files that it was seen with.
 *
 * @param columns those of the files that the row loses
 */
export async function writeIfSame(
  database: PrismaDatabase,
  call: Query,
  columns: readonly string[],
  transaction: Transaction | undefined,
): Promise<Written> {
  const { isReturning } = database
  const key = isReturning ? [] : database.keyOf(call.model).columns
  const select = Object.fromEntries([...columns, ...key].map(column => [column, true]))
  const where = valuesOf(call.args['where'])
  const write = new Write(call)
  let missed: { readonly names: Names; readonly error: unknown } | undefined
  return await untilMet<Written>(async () => {
    const found = await database.ask(call.model, transaction, rows =>
      rows.findUnique({ where, select }),
    )
    if (found === null) return { outcome: fulfilled(await write.run(call.args)), previous: {} }
    const previous = Object.fromEntries(columns.map(column => [column, text(found[column])]))
    // The row is as it was: what was not found is another record, such as one to be connected.
    if (missed !== undefined && isDeepStrictEqual(missed.names, previous)) throw missed.error
    missed = undefined
    const same = Object.entries(previous).map(([column, name]) => ({ [column]: name }))
    try {
      const result = isReturning
        ? await write.run({ ...call.args, where: { ...where, AND: both(where['AND'], same) } })
        : await writeAndLook(database, call, write, same, found, transaction)
      return result === unmet ? unmet : { outcome: fulfilled(result), previous }
    } catch (error) {
      if (write.isDone) return { outcome: { status: 'rejected', reason: error }, previous }
      // "Record not found": another writer may have come in between.
      if (Reflect.get(Object(error), 'code') !== 'P2025') throw error
      missed = { names: previous, error }
      return unmet
    }
  })
}

/** A query that tells whether the database has carried it out: an extension behind may throw afterwards. */
class Write {
  readonly #call: Query
  #isDone = false

  constructor(call: Query) {
    this.#call = call
  }

  get isDone(): boolean {
    return this.#isDone
  }

  async run(args: Values): Promise<unknown> {
    const { query, __internalParams: params } = this.#call
    const { unpacker } = params
    this.#isDone = false
    params.unpacker = data => {
      this.#isDone = true
      return unpacker === undefined ? data : unpacker(data)
    }
    try {
      return await query(args)
    } finally {
      params.unpacker = unpacker
    }
  }
}

/**
 * On MySQL and MariaDB Prisma reads first, and does not look whether the statement that follows has found
 * the row: {@link unmet} if it has not.
 *
 * @param same the condition
 * @param found the row as it was seen
 */
async function writeAndLook(
  database: PrismaDatabase,
  { model, operation, args }: Query,
  write: Write,
  same: readonly Values[],
  found: Values,
  transaction: Transaction | undefined,
): Promise<unknown> {
  const given = valuesOf(args['where'])
  const where = { ...given, AND: both(given['AND'], same) }
  const { columns, name } = database.keyOf(model)
  const row = Object.fromEntries(columns.map(column => [column, found[column]]))
  if (operation === 'delete') {
    const result = await write.run({ ...args, where })
    const left = await database.ask(model, transaction, rows => rows.count({ where: row }))
    return left === 0 ? result : unmet
  }
  const names = Object.assign({}, ...same) as Values
  const data = Object.fromEntries(
    Object.keys(names).map(column => [column, valuesOf(args['data'])[column]]),
  )
  if (transaction === undefined)
    return await writeAlone(data, { ...args, where }, write, database.omitOf(model))
  // A transaction may see an old state of the row: the names first, and the rest on top.
  const give = async (values: Values, condition: Values): Promise<number> => {
    const written = await database.ask(model, transaction, rows =>
      rows.updateMany({ where: condition, data: values }),
    )
    return written.count
  }
  const all = { AND: [...same, row, plainly(given, database.shapeOf(model))] }
  if ((await give(data, all)) === 0) return unmet
  try {
    // The names have changed by now: who asked for them has got what was asked for.
    return await write.run({ ...args, where: columns.length === 1 ? row : { [name]: row } })
  } catch (error) {
    // The transaction may go on, and the row has its old files then.
    if (!write.isDone) await give(names, row).catch(() => {})
    throw error
  }
}

/** A write whose result tells whether it was done: it has read what it has written. */
async function writeAlone(
  data: Values,
  args: Values,
  write: Write,
  omitted: Values,
): Promise<unknown> {
  const { args: wider, added } = withColumns(args, Object.keys(data), omitted)
  const result = await write.run(wider)
  const row: Values = Object(result)
  const isMet = Object.entries(data).every(([column, value]) => text(row[column]) === value)
  for (const column of added) Reflect.deleteProperty(row, column)
  return isMet ? result : unmet
}

function both(given: unknown, same: readonly Values[]): unknown[] {
  return [given ?? [], same].flat()
}

/** The condition for one row as one for many: those know no name of several columns together. */
function plainly(where: Values, shape: ModelShape | undefined): Values {
  const known = new Set(['AND', 'OR', 'NOT', ...(shape?.fields.map(({ name }) => name) ?? [])])
  const parts = Object.entries(where).map(([name, value]) =>
    known.has(name) ? { [name]: value } : valuesOf(value),
  )
  return Object.assign({}, ...parts)
}

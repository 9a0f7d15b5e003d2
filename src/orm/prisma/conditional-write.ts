import type { Names } from '../../fields/row-writes.ts'
import { unmet, untilMet } from '../../fields/until-met.ts'
import {
  type Delegate,
  type ModelShape,
  type PrismaPromise,
  type Query,
  text,
  type Values,
  valuesOf,
} from './client.ts'
import { withColumns } from './rows.ts'
import type { Key } from './schema.ts'
import type { Transaction } from './transactions.ts'

/** What a write that depends on the row's state needs of its database. */
export interface Database {
  /** Whether a write says whether its condition was met. */
  readonly isReturning: boolean
  keyOf(model: string): Key
  shapeOf(model: string): ModelShape | undefined
  /** Columns that the client leaves out of results unless it is asked for them. */
  omitOf(model: string): Values
  /** A query of our own, which is not looked at. */
  ask<T>(
    model: string,
    transaction: Transaction | undefined,
    query: (delegate: Delegate) => PrismaPromise<T>,
  ): Promise<T>
}

/**
 * Updates or deletes a row on the condition that it still has the files that it was seen with. Resolves
 * to the result and to what the row had.
 *
 * @param columns those of the files that the row loses
 */
export async function writeIfSame(
  database: Database,
  call: Query,
  columns: readonly string[],
  transaction: Transaction | undefined,
): Promise<[result: unknown, previous: Names]> {
  const { isReturning } = database
  const key = isReturning ? [] : database.keyOf(call.model).columns
  const select = Object.fromEntries([...columns, ...key].map(column => [column, true]))
  const where = valuesOf(call.args['where'])
  return await untilMet<[unknown, Names]>(async () => {
    const found = await database.ask(call.model, transaction, rows =>
      rows.findUnique({ where, select }),
    )
    if (found === null) return [await call.query(call.args), {}]
    const names = Object.fromEntries(columns.map(column => [column, text(found[column])]))
    const same = Object.entries(names).map(([column, name]) => ({ [column]: name }))
    try {
      const result = isReturning
        ? await call.query({ ...call.args, where: { ...where, AND: both(where['AND'], same) } })
        : await writeAndLook(database, call, same, found, transaction)
      return result === unmet ? unmet : [result, names]
    } catch (error) {
      // "Record not found": another writer came in between.
      if (Reflect.get(Object(error), 'code') === 'P2025') return unmet
      throw error
    }
  })
}

/**
 * On MySQL and MariaDB Prisma reads first, and does not look whether the statement that follows has found
 * the row: {@link unmet} if it has not.
 *
 * @param same the condition
 * @param found the row as it was seen
 */
async function writeAndLook(
  database: Database,
  { model, operation, args, query }: Query,
  same: readonly Values[],
  found: Values,
  transaction: Transaction | undefined,
): Promise<unknown> {
  const given = valuesOf(args['where'])
  const where = { ...given, AND: both(given['AND'], same) }
  const { columns, name } = database.keyOf(model)
  const row = Object.fromEntries(columns.map(column => [column, found[column]]))
  if (operation === 'delete') {
    const result = await query({ ...args, where })
    const left = await database.ask(model, transaction, rows => rows.count({ where: row }))
    return left === 0 ? result : unmet
  }
  const names = Object.assign({}, ...same) as Values
  const data = Object.fromEntries(
    Object.keys(names).map(column => [column, valuesOf(args['data'])[column]]),
  )
  if (transaction === undefined)
    return await writeAlone(data, { ...args, where }, query, database.omitOf(model))
  // A transaction may see an old state of the row: the names first, and the rest on top.
  const write = async (values: Values, condition: Values): Promise<number> => {
    const written = await database.ask(model, transaction, rows =>
      rows.updateMany({ where: condition, data: values }),
    )
    return written.count
  }
  const all = { AND: [...same, row, plainly(given, database.shapeOf(model))] }
  if ((await write(data, all)) === 0) return unmet
  try {
    // The names have changed by now: who asked for them has got what was asked for.
    return await query({ ...args, where: columns.length === 1 ? row : { [name]: row } })
  } catch (error) {
    // The transaction may go on, and the row has its old files then.
    await write(names, row).catch(() => {})
    throw error
  }
}

/** A write whose result tells whether it was done: it has read what it has written. */
async function writeAlone(
  data: Values,
  args: Values,
  query: Query['query'],
  omitted: Values,
): Promise<unknown> {
  const { args: wider, added } = withColumns(args, Object.keys(data), omitted)
  const result = await query(wider)
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

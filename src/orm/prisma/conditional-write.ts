import type { Names } from '../../fields/row-writes.ts'
import { unmet, untilMet } from '../../fields/until-met.ts'
import { type Delegate, type Query, text, type Values, valuesOf } from './client.ts'
import { withColumns } from './rows.ts'

/** What a write that depends on the row's state needs of its database. */
export interface Database {
  /** Whether a write says whether its condition was met. */
  readonly isReturning: boolean
  readonly isInTransaction: boolean
  keyOf(model: string): string
  /** A query of our own, which is not looked at. */
  run<T>(model: string, query: (delegate: Delegate) => Promise<T>): Promise<T>
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
): Promise<[result: unknown, previous: Names]> {
  const where = valuesOf(call.args['where'])
  return await untilMet<[unknown, Names]>(async () => {
    const found = await database.run(call.model, delegate => delegate.findUnique({ where }))
    const names = Object.fromEntries(columns.map(column => [column, text(found?.[column])]))
    try {
      const result = await attempt(database, call, names, found)
      return result === unmet ? unmet : [result, names]
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
async function attempt(
  database: Database,
  { model, operation, args, query }: Query,
  names: Names,
  found: Values | null,
): Promise<unknown> {
  if (found === null) return await query(args)
  const same = Object.entries(names).map(([column, name]) => ({ [column]: name }))
  const where = {
    ...valuesOf(args['where']),
    AND: [valuesOf(args['where'])['AND'] ?? [], same].flat(),
  }
  if (database.isReturning) return await query({ ...args, where })
  const key = database.keyOf(model)
  const row = { [key]: found[key] }
  if (operation === 'delete') {
    const result = await query({ ...args, where })
    const left = await database.run(model, delegate => delegate.count({ where: row }))
    return left === 0 ? result : unmet
  }
  const data = Object.fromEntries(
    Object.keys(names).map(column => [column, valuesOf(args['data'])[column]]),
  )
  if (!database.isInTransaction) return await writeAlone(data, { ...args, where }, query)
  // A transaction may see an old state of the row: the names first, and the rest on top.
  const write = async (condition: Values, values: Values): Promise<number> => {
    const done = await database.run(model, delegate =>
      delegate.updateMany({ where: condition, data: values }),
    )
    return done.count
  }
  if ((await write({ ...row, AND: same }, data)) === 0) return unmet
  try {
    return await query(args)
  } catch (error) {
    // The transaction may go on, and the row has its old files then.
    await write(row, names).catch(() => {})
    throw error
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

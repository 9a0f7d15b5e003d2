import { isDeepStrictEqual } from 'node:util'
import { databaseAnswer } from '../../fields/database-answer.ts'
import type { Names } from '../../fields/row-writes.ts'
import { unmet, untilMet } from '../../fields/until-met.ts'
import {
  isValues,
  type ModelShape,
  type Query,
  send,
  text,
  type Values,
  valuesOf,
} from './client.ts'
import type { PrismaDatabase } from './database.ts'
import { withColumns } from './rows.ts'
import type { Transaction } from './transactions.ts'

/** What became of a write, and the names that the row had before. */
export interface Written {
  readonly outcome: PromiseSettledResult<unknown>
  readonly previous: Names
  /** What it has taken from the row before somebody else gave it another file. */
  readonly taken: readonly Names[]
  /** Whether the database has not answered. */
  readonly isLost: boolean
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
  const write = new Write(call, transaction)
  let missed: { readonly names: Names; readonly error: unknown } | undefined
  const settled = (outcome: PromiseSettledResult<unknown>, previous: Names): Written => {
    const isLost = outcome.status === 'rejected' && databaseAnswer(outcome.reason) === 'lost'
    return { outcome, previous, taken: write.taken, isLost: isLost && !write.isDone }
  }
  return await untilMet<Written>(async () => {
    const found = await database.ask(call.model, transaction, rows =>
      rows.findUnique({ where, select }),
    )
    const previous = Object.fromEntries(columns.map(column => [column, text(found?.[column])]))
    // The row is as it was: what was not found is another record, such as one to be connected.
    if (missed !== undefined && isDeepStrictEqual(missed.names, previous)) throw missed.error
    missed = undefined
    const same = Object.entries(previous).map(([column, name]) => ({ [column]: name }))
    try {
      if (found === null) return settled(fulfilled(await write.run(call.args)), {})
      const result = isReturning
        ? await write.run({ ...call.args, where: { ...where, AND: both(where['AND'], same) } })
        : await writeAndLook(database, call, write, same, found, transaction)
      return result === unmet ? unmet : settled(fulfilled(result), previous)
    } catch (error) {
      const outcome = { status: 'rejected', reason: error } as const
      if (write.isDone || databaseAnswer(error) === 'lost') return settled(outcome, previous)
      // "Record not found": another writer may have come in between.
      const isMissing = Reflect.get(Object(error), 'code') === 'P2025'
      if (found !== null && isMissing) {
        missed = { names: previous, error }
        return unmet
      }
      if (write.taken.length > 0) return settled(outcome, {})
      throw error
    }
  })
}

/** A query that tells whether the database has carried it out: an extension behind may throw afterwards. */
class Write {
  readonly #call: Query
  readonly #transaction: Transaction | undefined
  #isDone = false
  readonly taken: Names[] = []

  constructor(call: Query, transaction: Transaction | undefined) {
    this.#call = call
    this.#transaction = transaction
  }

  /** @throws PreconditionFailedError where its transaction is over, beside which it would be done */
  checkOpen(): void {
    this.#transaction?.checkOpen()
  }

  get isDone(): boolean {
    return this.#isDone
  }

  async run(args: Values): Promise<unknown> {
    this.#isDone = false
    this.checkOpen()
    return await send(this.#call, args, () => {
      this.#isDone = true
    })
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
  const names = Object.assign({}, ...same) as Values
  const isDeletion = operation === 'delete'
  const data = Object.fromEntries(
    Object.keys(names).map(column => [column, isDeletion ? '' : valuesOf(args['data'])[column]]),
  )
  const isEmptied = Object.values(data).every(value => value === '')
  // What is nested in it would be done even if the condition was not met.
  const isPlain = !hasNested(valuesOf(args['data']), database.shapeOf(model))
  if (transaction === undefined && !isEmptied && isPlain)
    return await writeAlone(data, { ...args, where }, write, database.omitOf(model))
  // The names first, and the rest on top: a transaction may see an old state of the row, and of several
  // writers that empty a column, or delete the row, one alone may take the file away.
  const give = async (values: Values, condition: Values): Promise<number> => {
    write.checkOpen()
    const written = await database.ask(model, transaction, rows =>
      rows.updateMany({ where: condition, data: values }),
    )
    return written.count
  }
  const all = { AND: [...same, row, plainly(given, database.shapeOf(model))] }
  if ((await give(data, all)) === 0) return unmet
  const key = columns.length === 1 ? row : { [name]: row }
  // The names have changed by now: who asked for them has got what was asked for.
  const rest: Values = { ...args, where: isDeletion ? { ...key, AND: [data] } : key }
  if (transaction === undefined && !isDeletion) rest['data'] = without(valuesOf(args['data']), data)
  try {
    const result = await write.run(rest)
    if (!isDeletion) return result
    if (!write.isDone) {
      // An extension behind has answered by itself: the row may be there, and only marked as deleted.
      await untilAnswered(() => give(names, { AND: [row, data] }))
      return withNames(result, names)
    }
    const left = await database.ask(model, transaction, rows => rows.count({ where: row }))
    if (left === 0) return withNames(result, names)
  } catch (error) {
    if (write.isDone) throw error
    // The transaction may go on, and the row has its old files then, unless it has got others.
    const back = await untilAnswered(() => give(names, { AND: [row, data] }))
    if (back === 0 && transaction === undefined) write.taken.push(names as Names)
    throw error
  }
  // Somebody has given the row another file meanwhile.
  write.taken.push(names as Names)
  return unmet
}

function hasNested(data: Values, shape: ModelShape | undefined): boolean {
  return shape?.fields.some(({ name, kind }) => kind === 'object' && isValues(data[name])) === true
}

function without(values: Values, others: Values): Values {
  return Object.fromEntries(Object.entries(values).filter(([column]) => !(column in others)))
}

/** `undefined` if the database refuses again and again, as in a transaction that it has taken back. */
async function untilAnswered(ask: () => Promise<number>): Promise<number | undefined> {
  for (let left = 3; left > 0; left--) {
    const count = await ask().catch(() => undefined)
    if (count !== undefined) return count
  }
  return undefined
}

/** A deleted row as it was. */
function withNames(result: unknown, names: Values): unknown {
  const row: Values = Object(result)
  for (const [column, name] of Object.entries(names)) if (column in row) row[column] = name
  return result
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
export function plainly(where: Values, shape: ModelShape | undefined): Values {
  const known = new Set(['AND', 'OR', 'NOT', ...(shape?.fields.map(({ name }) => name) ?? [])])
  const parts = Object.entries(where).map(([name, value]) =>
    known.has(name) ? { [name]: value } : valuesOf(value),
  )
  return Object.assign({}, ...parts)
}

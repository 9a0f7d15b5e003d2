import { AsyncLocalStorage } from 'node:async_hooks'
import { Model, QueryTypes, type Sequelize, type Transaction } from 'sequelize'
import { databaseAnswer } from '../../fields/database-answer.ts'
import { FileScope } from '../../fields/lifecycle.ts'

/** What the options of a statement say. */
export interface StatementOptions {
  readonly transaction?: Transaction | null
  readonly instance?: unknown
  readonly type?: string
  readonly where?: unknown
}

/** The transactions of one Sequelize, the files of each, and the rows that were found in it. */
export class Transactions {
  readonly #sequelize: Sequelize
  readonly #running = new AsyncLocalStorage<Transaction>()
  /** Those with a callback, which alone is in them. */
  readonly #withCallback = new WeakSet<Transaction>()
  readonly #scopes = new WeakMap<Transaction, FileScope>()
  readonly #committed = new WeakSet<Transaction>()
  /** Those whose commit the database has not answered. */
  readonly #lost = new WeakSet<Transaction>()
  readonly #rows = new WeakMap<Model, Transaction>()

  constructor(sequelize: Sequelize) {
    this.#sequelize = sequelize
  }

  follow(): void {
    this.#followCallbacks()
    this.#followCommits()
  }

  /**
   * The transaction that a row is written in: the one given, `null` for none, or the one that is running
   * here or that CLS knows.
   */
  current(given?: Transaction | null): Transaction | undefined {
    if (given !== undefined) return given ?? undefined
    return stillOpen(this.#running.getStore()) ?? this.#ofCls()
  }

  /** The transaction that the file of a row is changed in if nobody names one. */
  of(row: Model): Transaction | undefined {
    const own = stillOpen(this.#rows.get(row))
    const running = this.current()
    if (own === undefined || this.#withCallback.has(own)) return running
    return isInside(running, own) ? running : own
  }

  /** A row belongs to a transaction, and so do those that came along with it by `include`. */
  meet(value: unknown, transaction: Transaction): void {
    if (Array.isArray(value)) for (const item of value) this.meet(item, transaction)
    if (!(value instanceof Model) || this.#rows.get(value) === transaction) return
    this.#rows.set(value, transaction)
    for (const other of Object.values(value.dataValues as object)) this.meet(other, transaction)
  }

  /** A statement that runs: the rows that it finds, or its failure, have to do with its transaction. */
  async watch(run: Promise<unknown>, options: StatementOptions | undefined): Promise<unknown> {
    const given = options?.transaction
    const transaction = given === undefined ? this.#ofCls() : (given ?? undefined)
    try {
      const result = await run
      if (transaction && options?.type === QueryTypes.SELECT) this.meet(result, transaction)
      return result
    } catch (error) {
      // What it has done until now may be undone, although it can be committed.
      if (transaction) this.scopeOf(transaction).doubt()
      throw error
    }
  }

  /** The files of a transaction; they settle when it does. */
  scopeOf(transaction: Transaction): FileScope {
    const known = this.#scopes.get(transaction)
    if (known !== undefined) return known
    const parent = parentOf(transaction)
    const scope = new FileScope(parent && this.scopeOf(parent), parent !== undefined)
    this.#scopes.set(transaction, scope)
    const { commit, rollback } = transaction
    transaction.commit = async () => {
      try {
        await commit.call(transaction)
      } finally {
        // A commit also rejects for a callback of `afterCommit()`, long after the database's word.
        if (this.#committed.has(transaction)) await this.#settle(transaction, 'commit')
        else if (this.#lost.has(transaction)) await this.#settle(transaction, 'abandon')
        else await this.#settle(transaction, 'rollback')
      }
    }
    transaction.rollback = async () => {
      try {
        await rollback.call(transaction)
      } catch (error) {
        // Of a savepoint: what it did may stand, or all of its transaction is undone.
        if (parent !== undefined) this.scopeOf(parent).doubt()
        throw error
      } finally {
        await this.#settle(transaction, 'rollback')
      }
    }
    return scope
  }

  /** With a transaction ends what nobody has ended in it. */
  async #settle(transaction: Transaction, end: 'commit' | 'abandon' | 'rollback'): Promise<void> {
    const { savepoints = [] } = transaction as { savepoints?: readonly Transaction[] }
    for (const savepoint of savepoints) await this.#settle(savepoint, end)
    await this.#scopes.get(transaction)?.[end]()
  }

  /** What Sequelize itself takes where nobody names a transaction (`Sequelize.useCLS()`). */
  #ofCls(): Transaction | undefined {
    const { _cls: namespace } = this.#sequelize.constructor as {
      readonly _cls?: { get(key: string): Transaction | null | undefined }
    }
    return stillOpen(namespace?.get('transaction') ?? undefined)
  }

  #followCallbacks(): void {
    type Run = (transaction: Transaction) => Promise<unknown>
    const { transaction } = this.#sequelize
    this.#sequelize.transaction = async (...args: unknown[]) => {
      // `findOrCreate()` begins a savepoint with its own options, and never ends it or goes back to it.
      const { where, transaction: outer } = Object(args[0]) as StatementOptions
      if (where !== undefined && outer && args.length === 1) return outer as never
      const inside = (run: Run): Run => {
        return own => {
          this.#withCallback.add(own)
          return this.#running.run(own, () => run(own))
        }
      }
      const given = args.map(arg => (typeof arg === 'function' ? inside(arg as Run) : arg))
      return await Reflect.apply(transaction, this.#sequelize, given)
    }
  }

  #followCommits(): void {
    const queries = this.#sequelize.getQueryInterface()
    const { commitTransaction } = queries
    queries.commitTransaction = async (transaction, options) => {
      try {
        await commitTransaction.call(queries, transaction, options)
      } catch (error) {
        if (databaseAnswer(error) !== 'answered') this.#lost.add(transaction)
        throw error
      }
      this.#committed.add(transaction)
    }
  }
}

function parentOf(transaction: Transaction): Transaction | undefined {
  return (transaction as { parent?: Transaction }).parent
}

/** The one around all savepoints. */
export function rootOf(transaction: Transaction | undefined): Transaction | undefined {
  const parent = transaction && parentOf(transaction)
  return parent === undefined ? transaction : rootOf(parent)
}

/** The transaction, or the one around a savepoint that is over. A savepoint is over with all around it. */
function stillOpen(transaction: Transaction | undefined): Transaction | undefined {
  if (transaction === undefined) return undefined
  const outer = stillOpen(parentOf(transaction))
  return 'finished' in transaction || outer !== parentOf(transaction) ? outer : transaction
}

function isInside(transaction: Transaction | undefined, outer: Transaction): boolean {
  if (transaction === undefined || transaction === outer) return transaction === outer
  return isInside(parentOf(transaction), outer)
}

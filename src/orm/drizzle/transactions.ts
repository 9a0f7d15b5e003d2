import { currentScope, type FileScope } from '../../fields/lifecycle.ts'
import { type Transaction as Any, Transactions } from '../../fields/transactions.ts'
import type { Database, Session } from './database.ts'

/** A transaction or savepoint, and the database outside of it. */
export interface Inside {
  readonly db: Database
  readonly outside: Database
}

export type Transaction = Any<Inside>

type Work = (tx: Database) => Promise<unknown>
interface Begin {
  (this: Database, work: Work, ...config: unknown[]): Promise<unknown>
  [followedKey]?: true
}

/** Of all databases, by the sessions of their statements: where there is one connection, it is shared. */
const transactions = new Transactions<Inside>()
/** On what begins transactions, and on a session: that it is followed by this copy of the package. */
const followedKey: unique symbol = Symbol('stowage.drizzle.followed')

/** The transaction that a statement of a database, or of a transaction, would be in. */
export function transactionOf({ session }: Database): Transaction | undefined {
  return transactions.of(session)
}

/** The transaction of the same database in whose function the program is. */
export function runningOf({ dialect }: Database): Transaction | undefined {
  return transactions.runningIn(({ db }) => db.dialect === dialect)
}

/** The files of what a transaction does, or of what is done outside of one. */
export function scopeOf(transaction: Transaction | undefined): FileScope | undefined {
  if (transaction !== undefined) return transaction.scope
  // What is done beside a transaction does not end with it.
  return transactions.running === undefined ? currentScope() : undefined
}

/** Lets the transactions of a database, and of all others of its class, tell how they end. */
export function followTransactions(database: object): void {
  let owner: object | null = database
  while (owner !== null && !Object.hasOwn(owner, 'transaction'))
    owner = Object.getPrototypeOf(owner)
  if (owner === null) return
  const described = Object.getOwnPropertyDescriptor(owner, 'transaction')
  const begin = described?.value as Begin
  if (begin[followedKey] === true) return
  const transaction: Begin = function (work, ...config) {
    // The function of a synchronous driver cannot wait for files.
    if (this.resultKind === 'sync') return begin.call(this, work, ...config)
    return run(this, work, own => begin.call(this, own, ...config))
  }
  transaction[followedKey] = true
  Object.defineProperty(owner, 'transaction', { ...described, value: transaction })
}

async function run(
  database: Database,
  work: Work,
  begin: (work: Work) => Promise<unknown>,
): Promise<unknown> {
  const parent = transactionOf(database)
  const outside = parent?.handle.outside ?? database
  return await transactions.run(
    parent,
    async enter =>
      await begin(async tx => {
        followTransactions(tx)
        watch(tx.session)
        return await enter(tx.session, { db: tx, outside }, async () => await work(tx))
      }),
    true,
  )
}

/**
 * PostgreSQL takes all of a transaction back in which a statement has failed, and answers its commit as if
 * all was well; so does MySQL after a deadlock.
 */
function watch(session: Session & { [followedKey]?: true }): void {
  if (session[followedKey] === true) return
  session[followedKey] = true
  const { prepareQuery } = session
  session.prepareQuery = (...args) => {
    const query = prepareQuery.apply(session, args)
    const { queryWithCache } = query
    query.queryWithCache = async (...given) => {
      try {
        return await queryWithCache.apply(query, given)
      } catch (error) {
        transactions.of(session)?.scope?.doubt()
        throw error
      }
    }
    return query
  }
}

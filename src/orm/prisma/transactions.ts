import { AsyncLocalStorage } from 'node:async_hooks'
import { databaseAnswer } from '../../fields/database-answer.ts'
import { type FileScope, inScope, runInScope } from '../../fields/lifecycle.ts'
import type { Client, Query, TransactionHandle } from './client.ts'

/** An interactive transaction, or a savepoint: one inside another. */
export class Transaction {
  readonly handle: TransactionHandle
  readonly #parent: Transaction | undefined
  /** Of the transaction and the savepoints that are open in it: statements belong to the last. */
  readonly #scopes: FileScope[]
  #isOver = false

  constructor(handle: TransactionHandle, scope: FileScope, parent: Transaction | undefined) {
    this.handle = handle
    this.#parent = parent
    this.#scopes = parent === undefined ? [] : parent.#scopes
    this.#scopes.push(scope)
  }

  /** Itself, or the one around it that goes on. */
  get open(): Transaction | undefined {
    return this.#isOver ? this.#parent?.open : this
  }

  get scope(): FileScope | undefined {
    return this.#scopes.at(-1)
  }

  end(): void {
    this.#isOver = true
    this.#scopes.pop()
  }
}

/** The interactive transactions of an extended client, whose queries say which one they belong to. */
export class Transactions {
  readonly #known = new WeakMap<TransactionHandle, Transaction>()
  readonly #running = new AsyncLocalStorage<Transaction>()

  /** The one of a query. */
  of(handle: TransactionHandle | undefined): Transaction | undefined {
    return handle && this.#known.get(handle)?.open
  }

  /** The one in whose function the program is; work that it has left behind may go on after it. */
  get running(): Transaction | undefined {
    return this.#running.getStore()?.open
  }

  /**
   * Calls with the transaction of a query. PostgreSQL takes all of a transaction back in which a statement
   * has failed, and answers its commit as if all was well.
   */
  watched<Q extends Pick<Query, '__internalParams'>>(
    answer: (query: Q, transaction: Transaction | undefined) => Promise<unknown>,
  ): (query: Q) => Promise<unknown> {
    return async query => {
      const transaction = this.of(query.__internalParams?.transaction)
      try {
        return await answer(query, transaction)
      } catch (error) {
        transaction?.scope?.doubt()
        throw error
      }
    }
  }

  /** @param begin Prisma's own `$transaction` */
  async run(
    client: Client,
    begin: (work: (tx: Client) => Promise<unknown>) => Promise<unknown>,
    work: (tx: Client) => unknown,
  ): Promise<unknown> {
    const parent = this.of(await handleOf(client))
    let own: Transaction | undefined
    let isCommitting = false
    const run = async (scope: FileScope): Promise<unknown> => {
      try {
        return await begin(async tx => {
          const handle = await handleOf(tx)
          if (handle === undefined) throw new TypeError('a transaction has a handle')
          own = new Transaction(handle, scope, parent)
          this.#known.set(handle, own)
          const done = this.#running.run(own, () => runInScope(scope, async () => await work(tx)))
          const result = await done
          isCommitting = true
          return result
        })
      } finally {
        own?.end()
      }
    }
    const isLost = (error: unknown) => isCommitting && databaseAnswer(error) !== 'answered'
    return await inScope(parent?.scope, run, isLost)
  }
}

/** What the queries of a client are given. */
async function handleOf(client: Client): Promise<TransactionHandle | undefined> {
  return await client._createPrismaPromise(async handle => handle)
}

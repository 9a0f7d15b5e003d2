import {
  Transactions as AllTransactions,
  type Transaction as Any,
} from '../../fields/transactions.ts'
import type { Client, Query, TransactionHandle } from './client.ts'

/** An interactive transaction, or a savepoint: one inside another. */
export type Transaction = Any<TransactionHandle>

/** The interactive transactions of an extended client, whose queries say which one they belong to. */
export class Transactions extends AllTransactions<TransactionHandle> {
  /**
   * Calls with the transaction of a query. PostgreSQL takes all of a transaction back in which a statement
   * has failed, and answers its commit as if all was well.
   */
  watched<Q extends Pick<Query, '__internalParams'>>(
    answer: (query: Q, transaction: Transaction | undefined) => Promise<unknown>,
  ): (query: Q) => Promise<unknown> {
    return async query => {
      const transaction = this.of(query.__internalParams.transaction)
      try {
        return await answer(query, transaction)
      } catch (error) {
        transaction?.scope?.doubt()
        throw error
      }
    }
  }

  /** @param begin Prisma's own `$transaction` */
  async follow(
    client: Client,
    begin: (work: (tx: Client) => Promise<unknown>) => Promise<unknown>,
    work: (tx: Client) => unknown,
  ): Promise<unknown> {
    const parent = this.of(await handleOf(client))
    return await this.run(parent, async enter =>
      begin(async tx => {
        const handle = await handleOf(tx)
        if (handle === undefined) throw new TypeError('a transaction has a handle')
        return await enter(handle, handle, async () => await work(tx))
      }),
    )
  }
}

/** What the queries of a client are given. */
async function handleOf(client: Client): Promise<TransactionHandle | undefined> {
  return await client._createPrismaPromise(async handle => handle)
}

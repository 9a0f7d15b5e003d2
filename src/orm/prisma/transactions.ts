import {
  Transactions as AllTransactions,
  type Transaction as Any,
} from '../../fields/transactions.ts'
import { type Client, type Query, send, type TransactionHandle } from './client.ts'

/** An interactive transaction, or a savepoint: one inside another. */
export type Transaction = Any<TransactionHandle>

/** The interactive transactions of an extended client, whose queries say which one they belong to. */
export class Transactions extends AllTransactions<TransactionHandle> {
  /**
   * Calls with the transaction of a query, which is sent until it is carried out. PostgreSQL takes all of
   * a transaction back in which a statement has failed, and answers its commit as if all was well.
   */
  watched<Q extends Sent>(
    answer: (query: Q, transaction: Transaction | undefined) => Promise<unknown>,
  ): (query: Q) => Promise<unknown> {
    return async call => {
      const transaction = this.of(call.__internalParams.transaction)
      try {
        if (transaction === undefined) return await answer(call, transaction)
        const query = (args: never): Promise<unknown> => carriedOut(call, args)
        return await answer({ ...call, query }, transaction)
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

type Sent = Pick<Query, '__internalParams'> & {
  readonly query: (args: never) => PromiseLike<unknown>
}

/** More than a program asks for at once; an extension behind may have no answer at all. */
const maxRounds = 100

/**
 * Prisma puts what a transaction is asked for at once into one batch, and leaves out what comes behind a
 * query that fails: that resolves to nothing, and is sent again.
 */
async function carriedOut(call: Sent, args: never): Promise<unknown> {
  let isDone = false
  for (let round = 1; ; round++) {
    const result = await send(call, args, () => {
      isDone = true
    })
    if (result !== undefined || isDone || round === maxRounds) return result
  }
}

/** What the queries of a client are given. */
async function handleOf(client: Client): Promise<TransactionHandle | undefined> {
  return await client._createPrismaPromise(async handle => handle)
}

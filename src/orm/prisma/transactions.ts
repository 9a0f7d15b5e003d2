import {
  Transactions as AllTransactions,
  type Transaction as Any,
} from '../../fields/transactions.ts'
import { type Client, type Query, send, type TransactionHandle } from './client.ts'

/** An interactive transaction, or a savepoint: one inside another. */
export type Transaction = Any<TransactionHandle>

/** What transactions have asked the database for, and has not been answered. */
export class Unanswered {
  readonly #queries = new WeakMap<TransactionHandle, Set<Promise<unknown>>>()

  async during<T>(handle: TransactionHandle, query: () => PromiseLike<T>): Promise<T> {
    const queries = this.#queries.get(handle) ?? new Set()
    this.#queries.set(handle, queries)
    const answer = Promise.resolve(query())
    queries.add(answer)
    try {
      return await answer
    } finally {
      queries.delete(answer)
    }
  }

  async settled(handle: TransactionHandle): Promise<void> {
    const queries = this.#queries.get(handle)
    while (queries !== undefined && queries.size > 0) await Promise.allSettled(queries)
  }
}

/** The interactive transactions of an extended client, whose queries say which one they belong to. */
export class Transactions extends AllTransactions<TransactionHandle> {
  readonly #unanswered: Unanswered

  constructor(unanswered: Unanswered) {
    super()
    this.#unanswered = unanswered
  }

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
        const query = async (args: never): Promise<unknown> =>
          await this.#unanswered.during(transaction.handle, () => carriedOut(call, args))
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
        try {
          return await enter(handle, handle, async () => await work(tx))
        } finally {
          // Prisma sends what is left of a query behind the end of its transaction, on a connection without one.
          await this.#unanswered.settled(handle)
        }
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

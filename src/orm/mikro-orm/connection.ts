import { EventType } from '@mikro-orm/core'
import { UnsupportedError } from '../../core/errors.ts'
import { FileScope } from '../../fields/lifecycle.ts'

type Method<T> = (...args: unknown[]) => T

/** Of a connection of SQL, as much as is needed here. */
export interface Connection {
  execute: Method<Promise<unknown>>
  stream: Method<AsyncIterableIterator<unknown>>
  executeDump: (sql: string) => Promise<void>
  /** What both of the first two do with a query, whatever form it has. */
  prepareQuery: Method<{ readonly query: string; readonly params: unknown }>
  begin: (options?: BeginOptions) => Promise<object>
  commit: End
  rollback: End
}

type End = (
  transaction: object,
  broadcaster?: Broadcaster,
  ...rest: readonly unknown[]
) => Promise<void>

interface BeginOptions {
  /** For a savepoint: the transaction around it. */
  readonly ctx?: object | undefined
  readonly eventBroadcaster?: Broadcaster | undefined
}

interface Broadcaster {
  dispatchEvent(event: string, transaction?: object): Promise<void>
}

/** @param check throws for a statement that must not be run */
export function watchStatements(
  connection: Connection,
  check: (sql: string, values: unknown) => void,
): void {
  const { prepareQuery, executeDump } = connection
  if (typeof prepareQuery !== 'function')
    throw new UnsupportedError('fileProperty() is for the SQL drivers of MikroORM.')
  connection.prepareQuery = (...args) => {
    const prepared = prepareQuery.apply(connection, args)
    check(prepared.query, prepared.params)
    return prepared
  }
  connection.executeDump = async sql => {
    check(sql, [])
    await executeDump.call(connection, sql)
  }
}

/** A transaction, or a savepoint. */
interface Open {
  readonly scope: FileScope
  readonly outer: object | undefined
  isCommitting: boolean
  isOver: boolean
}

/**
 * The scopes of the transactions of a connection, whoever begins them: what they do to files settles
 * before an application hears of their end.
 */
export class TransactionScopes {
  readonly #opened = new WeakMap<object, Open>()

  of(transaction: object): FileScope | undefined {
    return this.#opened.get(transaction)?.scope
  }

  isOpen(transaction: object | undefined): boolean {
    return transaction !== undefined && this.#opened.get(transaction)?.isOver === false
  }

  isOver(transaction: object): boolean {
    return this.#opened.get(transaction)?.isOver === true
  }

  /** The one around it that is not over, if there is one. */
  around(transaction: object): object | undefined {
    const outer = this.#opened.get(transaction)?.outer
    return outer === undefined || this.isOpen(outer) ? outer : this.around(outer)
  }

  /** Whether it is the other one, or a savepoint in it. */
  isInside(transaction: object, other: object): boolean {
    if (transaction === other) return true
    const outer = this.#opened.get(transaction)?.outer
    return outer !== undefined && this.isInside(outer, other)
  }

  watch(connection: Connection): void {
    this.#watchFailures(connection)
    const { begin, commit, rollback } = connection
    connection.begin = async (options = {}) => {
      const { eventBroadcaster, ctx } = options
      const own = heard(eventBroadcaster, EventType.afterTransactionStart, transaction =>
        this.#open(transaction, ctx),
      )
      return await begin.call(connection, { ...options, eventBroadcaster: own })
    }
    connection.commit = async (transaction, broadcaster, ...rest) => {
      const settle = () => this.#settle(transaction)
      const own = heard(broadcaster, EventType.afterTransactionCommit, settle)
      const opened = this.#opened.get(transaction)
      if (opened !== undefined) opened.isCommitting = opened.outer === undefined
      await commit.call(connection, transaction, own, ...rest)
      // MySQL's tells nobody that a savepoint was released.
      await settle()
    }
    connection.rollback = async (transaction, broadcaster, ...rest) => {
      const settle = () => this.#settle(transaction, true)
      const own = heard(broadcaster, EventType.afterTransactionRollback, settle)
      // What is sent from now on would be carried out behind it.
      this.of(transaction)?.end()
      try {
        await rollback.call(connection, transaction, own, ...rest)
      } catch (error) {
        // The connection is lost, and the transaction with it, unless its commit was under way.
        const opened = this.#opened.get(transaction)
        if (opened?.isCommitting === true) {
          opened.isOver = true
          await opened.scope.abandon()
        } else await settle()
        throw error
      }
    }
  }

  #open(transaction: object, outer: object | undefined): void {
    const scope = new FileScope(outer && this.of(outer))
    this.#opened.set(transaction, { scope, outer, isCommitting: false, isOver: false })
  }

  async #settle(
    transaction: object,
    isRolledBack = Reflect.get(transaction, 'isRolledBack') === true,
  ): Promise<void> {
    const opened = this.#opened.get(transaction)
    if (opened === undefined) return
    opened.scope.end()
    await (isRolledBack ? opened.scope.rollback() : opened.scope.commit())
    opened.isOver = true
  }

  #watchFailures(connection: Connection): void {
    const { execute, stream } = connection
    const doubt = (transaction: unknown) => this.of(Object(transaction))?.doubt()
    connection.execute = async (...args) => {
      try {
        return await execute.apply(connection, args)
      } catch (error) {
        doubt(args[3])
        throw error
      }
    }
    connection.stream = async function* (...args) {
      try {
        yield* stream.apply(connection, args)
      } catch (error) {
        doubt(args[2])
        throw error
      }
    }
  }
}

/** One that hears of an event before those that it is meant for. */
function heard(
  broadcaster: Broadcaster | undefined,
  event: EventType,
  hear: (transaction: object) => unknown,
): Broadcaster {
  return {
    async dispatchEvent(name, transaction) {
      if (name === event && transaction !== undefined) await hear(transaction)
      await broadcaster?.dispatchEvent(name, transaction)
    },
  }
}

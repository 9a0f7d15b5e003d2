import { AsyncLocalStorage } from 'node:async_hooks'
import type { DataSource, EntityManager, EntitySubscriberInterface, QueryRunner } from 'typeorm'
import { FileScope } from '../../fields/lifecycle.ts'

interface TransactionEvent {
  readonly queryRunner: QueryRunner
}

/** The transactions of a data source, with what each does to files. */
export class SourceTransactions implements EntitySubscriberInterface {
  readonly #source: DataSource
  readonly #onEnd: (runner: QueryRunner) => void
  /** The manager of the transaction that `transaction()` is running. */
  readonly #manager = new AsyncLocalStorage<EntityManager>()
  readonly #scopes = new WeakMap<QueryRunner, FileScope[]>()

  /** @param onEnd called when a transaction, or a savepoint in it, is over */
  constructor(source: DataSource, onEnd: (runner: QueryRunner) => void) {
    this.#source = source
    this.#onEnd = onEnd
  }

  follow(): void {
    this.#source.subscribers.push(this)
    const { manager } = this.#source
    const transaction: EntityManager['transaction'] = manager.transaction
    type Run = (manager: EntityManager) => Promise<unknown>
    const inside = (run: Run): Run => {
      return own => this.#manager.run(own, () => run(own))
    }
    manager.transaction = async (...args: unknown[]) => {
      let runner: QueryRunner | undefined
      const run = (argument: unknown): unknown => {
        if (typeof argument !== 'function') return argument
        return inside(async own => {
          runner = own.queryRunner
          return await argument(own)
        })
      }
      try {
        return await Reflect.apply(transaction, manager, args.map(run))
      } finally {
        await this.#leaveAll(runner)
      }
    }
  }

  /** Of the transaction that is running here, or of none: what others see. */
  get manager(): EntityManager {
    const running = this.#manager.getStore()
    return running?.queryRunner?.isReleased === false ? running : this.#source.manager
  }

  scopeOf(runner: QueryRunner | undefined): FileScope | undefined {
    return runner && this.#scopes.get(runner)?.at(-1)
  }

  afterTransactionStart({ queryRunner }: TransactionEvent): void {
    const scopes = this.#scopes.get(queryRunner) ?? []
    this.#scopes.set(queryRunner, [...scopes, new FileScope(scopes.at(-1))])
  }

  async afterTransactionCommit({ queryRunner }: TransactionEvent): Promise<void> {
    await this.#leave(queryRunner)?.commit()
  }

  async afterTransactionRollback({ queryRunner }: TransactionEvent): Promise<void> {
    await this.#leave(queryRunner)?.rollback()
  }

  /** A rollback that the database refuses, as MySQL does after a deadlock, tells nobody that it is over. */
  async #leaveAll(runner: QueryRunner | undefined): Promise<void> {
    if (runner === undefined) return
    for (let open = this.#leave(runner); open !== undefined; open = this.#leave(runner))
      await open.rollback()
  }

  #leave(runner: QueryRunner): FileScope | undefined {
    this.#onEnd(runner)
    const scopes = this.#scopes.get(runner) ?? []
    this.#scopes.set(runner, scopes.slice(0, -1))
    return scopes.at(-1)
  }
}

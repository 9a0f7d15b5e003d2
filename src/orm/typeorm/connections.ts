import { AsyncLocalStorage } from 'node:async_hooks'
import {
  type DataSource,
  type EntityManager,
  type EntitySubscriberInterface,
  QueryFailedError,
  type QueryRunner,
  QueryRunnerAlreadyReleasedError,
} from 'typeorm'
import { databaseAnswer } from '../../fields/database-answer.ts'
import { FileScope } from '../../fields/lifecycle.ts'
import { Turns } from '../../fields/turns.ts'

interface TransactionEvent {
  readonly queryRunner: QueryRunner
}

interface AfterQuery extends TransactionEvent {
  readonly query: string
  readonly rawResults?: unknown
}

/** What `transaction()` is running. */
interface Running {
  readonly manager: EntityManager
  isOver: boolean
}

/** What a data source does with its connections, as far as files are concerned. */
export interface ConnectionEvents {
  /** A statement is about to run that tells no subscriber. */
  onStream(runner: QueryRunner, query: string, parameters: unknown): void
  /** A transaction is over. */
  onEnd(runner: QueryRunner): void
}

/** The connections of a data source, and what their transactions do to files. */
export class SourceConnections implements EntitySubscriberInterface {
  readonly #source: DataSource
  readonly #isOne: boolean
  readonly #events: ConnectionEvents
  readonly #running = new AsyncLocalStorage<Running>()
  /** Whose transaction has just ended here. */
  readonly #ended = new AsyncLocalStorage<QueryRunner>()
  /** A `save()` or `remove()` of no transaction, which begins one of its own. */
  readonly #saving = new AsyncLocalStorage<object>()
  /** Connections that one has taken for itself. */
  readonly #savers = new WeakMap<QueryRunner, object>()
  readonly #scopes = new WeakMap<QueryRunner, FileScope[]>()
  /** Those that PostgreSQL has rolled back when it was to commit them. */
  readonly #aborted = new WeakSet<QueryRunner>()
  /** Those whose commit the database has not answered. */
  readonly #lost = new WeakSet<QueryRunner>()
  readonly #settling = new WeakMap<QueryRunner, Promise<void>>()
  readonly #watched = new WeakSet<QueryRunner>()
  readonly #turns = new WeakMap<QueryRunner, Promise<unknown>>()

  /** @param isOne whether there is one connection, and everybody in the transaction that is open on it */
  constructor(source: DataSource, isOne: boolean, events: ConnectionEvents) {
    this.#source = source
    this.#isOne = isOne
    this.#events = events
  }

  follow(): void {
    const { manager, createQueryRunner } = this.#source
    this.#source.createQueryRunner = mode => this.#watch(createQueryRunner.call(this.#source, mode))
    const transaction: EntityManager['transaction'] = manager.transaction
    type Run = (manager: EntityManager) => Promise<unknown>
    const inside = (run: Run): Run => {
      return async own => {
        const running = { manager: own, isOver: false }
        try {
          return await this.#running.run(running, () => run(own))
        } finally {
          running.isOver = true
        }
      }
    }
    manager.transaction = async (...args: unknown[]) => {
      const given = args.map(arg => (typeof arg === 'function' ? inside(arg as Run) : arg))
      return await Reflect.apply(transaction, manager, given)
    }
    const turns = new Turns()
    // Those of SQLite's drivers would be in each other's transactions, and files take their time: one would
    // end while another one is still storing.
    if (this.#isOne) around(manager, ['transaction', ...saves], work => turns.take(undefined, work))
    else around(manager, saves, work => this.#saving.run({}, work))
  }

  /** Of the transaction that is running here, or of none. */
  get manager(): EntityManager {
    const running = this.#running.getStore()
    if (running === undefined) return this.#source.manager
    // Work that goes on after the transaction; within it TypeORM says that the connection is lost.
    const isLeft = running.isOver && running.manager.queryRunner?.isReleased !== false
    return isLeft ? this.#source.manager : running.manager
  }

  /** Whether what is done here may be done on a connection: not on that of a save which runs beside it. */
  isFree(runner: QueryRunner): boolean {
    const saver = this.#savers.get(runner)
    return !runner.isReleased && (saver === undefined || saver === this.#saving.getStore())
  }

  scopeOf(runner: QueryRunner | undefined): FileScope | undefined {
    return runner && this.#scopes.get(runner)?.at(-1)
  }

  /** Work that may settle files: what others see is asked for on the connection itself, which has written. */
  async settling<T>(runner: QueryRunner, work: () => Promise<T>): Promise<T> {
    return await this.#ended.run(runner, work)
  }

  /** Asks the database as it is after the write that is being settled, and never a replica. */
  async ask<T>(question: (runner: QueryRunner) => Promise<T>): Promise<T> {
    const ended = this.#ended.getStore()
    if (ended?.isReleased === false) return await question(ended)
    const runner = this.#source.createQueryRunner('master')
    try {
      return await question(runner)
    } finally {
      await runner.release()
    }
  }

  /** One after the other: TypeORM tells of all entities at once, and PostgreSQL's connections take one query. */
  async inTurn<T>(runner: QueryRunner, query: () => Promise<T>): Promise<T> {
    const turn = Promise.resolve(this.#turns.get(runner)).then(query)
    this.#turns.set(
      runner,
      turn.catch(() => {}),
    )
    return await turn
  }

  afterTransactionStart({ queryRunner }: TransactionEvent): void {
    const scopes = this.#scopes.get(queryRunner) ?? []
    this.#scopes.set(queryRunner, [...scopes, new FileScope(scopes.at(-1))])
  }

  afterQuery({ query, rawResults, queryRunner }: AfterQuery): void {
    if (query === 'COMMIT' && Reflect.get(Object(rawResults), 'command') === 'ROLLBACK')
      this.#aborted.add(queryRunner)
  }

  async afterTransactionCommit({ queryRunner }: TransactionEvent): Promise<void> {
    const isAborted = this.#aborted.delete(queryRunner)
    await this.#settle(queryRunner, scope => (isAborted ? scope.rollback() : scope.commit()))
  }

  async afterTransactionRollback({ queryRunner }: TransactionEvent): Promise<void> {
    await this.#settle(queryRunner, scope => this.#undo(queryRunner, scope))
  }

  #watch(runner: QueryRunner): QueryRunner {
    if (this.#watched.has(runner)) return runner
    this.#watched.add(runner)
    const saver = this.#saving.getStore()
    if (saver !== undefined) this.#savers.set(runner, saver)
    const { commitTransaction, release, rollbackTransaction, stream } = runner
    let isEnded = false
    runner.commitTransaction = async () => {
      const isLast = this.#scopes.get(runner)?.length === 1
      const wasReleased = runner.isReleased
      try {
        await commitTransaction.call(runner)
      } catch (error) {
        if (isLast && isOfDatabase(error)) {
          // One that was released before has not even been given the commit.
          isEnded = wasReleased || databaseAnswer(error) === 'answered'
          if (!isEnded) this.#lost.add(runner)
        }
        throw error
      }
    }
    runner.rollbackTransaction = async () => {
      // What is sent from now on would be carried out behind it.
      if (!this.#isOne) this.scopeOf(runner)?.end()
      try {
        await rollbackTransaction.call(runner)
      } catch (error) {
        isEnded ||= isOfDatabase(error)
        throw error
      }
    }
    runner.release = async () => {
      // Its connection is not given away while rows are counted on it, though a subscriber has thrown.
      await this.#settling.get(runner)
      // By the driver, when the connection was lost.
      isEnded ||= runner.isReleased
      await release.call(runner)
      if (isEnded) await this.#leaveAll(runner, scope => this.#undo(runner, scope))
      else if (runner.isReleased) await this.#leaveAll(runner, scope => scope.abandon())
      isEnded = false
    }
    runner.stream = async (query, parameters, ...events) => {
      this.#events.onStream(runner, query, parameters)
      return await stream.call(runner, query, parameters, ...events)
    }
    return runner
  }

  async #settle(runner: QueryRunner, how: (scope: FileScope) => Promise<void>): Promise<void> {
    const scope = this.#leave(runner)
    if (scope === undefined) return
    const settled = this.settling(runner, () => how(scope))
    this.#settling.set(runner, settled)
    await settled
  }

  /**
   * An end that the database refuses tells nobody that the transaction is over: MySQL has undone all of it
   * after a deadlock, or the connection is lost. One that nobody has asked for may come with the next use of
   * the connection.
   */
  async #leaveAll(runner: QueryRunner, how: (scope: FileScope) => Promise<void>): Promise<void> {
    for (let open = this.#leave(runner); open !== undefined; open = this.#leave(runner))
      await how(open)
  }

  async #undo(runner: QueryRunner, scope: FileScope): Promise<void> {
    await (this.#lost.delete(runner) ? scope.abandon() : scope.rollback())
  }

  #leave(runner: QueryRunner): FileScope | undefined {
    const scopes = this.#scopes.get(runner) ?? []
    if (scopes.length <= 1) {
      this.#events.onEnd(runner)
      // Others may be in it who have not begun it.
      if (!this.#isOne) scopes[0]?.end()
    }
    this.#scopes.set(runner, scopes.slice(0, -1))
    return scopes.at(-1)
  }
}

/** And not of a subscriber. */
function isOfDatabase(error: unknown): boolean {
  return error instanceof QueryFailedError || error instanceof QueryRunnerAlreadyReleasedError
}

/** What a manager does in transactions of their own. */
const saves = ['save', 'remove', 'softRemove', 'recover'] as const

function around(
  manager: EntityManager,
  methods: readonly ('transaction' | (typeof saves)[number])[],
  run: (work: () => Promise<unknown>) => Promise<unknown>,
): void {
  for (const method of methods) {
    const work: (...args: never[]) => Promise<unknown> = manager[method]
    Reflect.set(manager, method, async (...args: unknown[]) =>
      run(async () => Reflect.apply(work, manager, args)),
    )
  }
}

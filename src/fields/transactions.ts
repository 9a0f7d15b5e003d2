import { AsyncLocalStorage } from 'node:async_hooks'
import { databaseAnswer } from './database-answer.ts'
import { type FileScope, inScope, runInScope } from './lifecycle.ts'

/** A transaction whose function an ORM calls, or a savepoint: one inside another. */
export class Transaction<Handle> {
  /** What the ORM gives for it. */
  readonly handle: Handle
  /** The one, perhaps of another database, in whose function it has begun. */
  readonly around: Transaction<Handle> | undefined
  readonly #parent: Transaction<Handle> | undefined
  /** Of the transaction and the savepoints that are open in it: statements belong to the last. */
  readonly #scopes: FileScope[]
  readonly #own: FileScope
  #isOver = false

  constructor(
    handle: Handle,
    scope: FileScope,
    parent: Transaction<Handle> | undefined,
    around: Transaction<Handle> | undefined,
  ) {
    this.handle = handle
    this.around = around
    this.#parent = parent
    this.#own = scope
    this.#scopes = parent === undefined ? [] : parent.#scopes
    this.#scopes.push(scope)
  }

  /** Itself, or the one around it that goes on. */
  get open(): Transaction<Handle> | undefined {
    return this.#isOver ? this.#parent?.open : this
  }

  get scope(): FileScope | undefined {
    return this.#scopes.at(-1)
  }

  /** @throws PreconditionFailedError when it, or one that it is in, is over */
  checkOpen(): void {
    this.#own.checkOpen()
  }

  end(): void {
    this.#isOver = true
    this.#scopes.pop()
    this.#own.end()
  }
}

/** The transactions of an ORM, by what their statements are given: each settles its own files. */
export class Transactions<Handle> {
  readonly #known = new WeakMap<object, Transaction<Handle>>()
  readonly #running = new AsyncLocalStorage<Transaction<Handle>>()

  /** The one of a statement. */
  of(key: object | undefined): Transaction<Handle> | undefined {
    return key && this.#known.get(key)?.open
  }

  /** The one in whose function the program is; work that it has left behind may go on after it. */
  get running(): Transaction<Handle> | undefined {
    return this.#running.getStore()?.open
  }

  /** The innermost one in whose function the program is, of those of one database. */
  runningIn(isOf: (handle: Handle) => boolean): Transaction<Handle> | undefined {
    let { running } = this
    while (running !== undefined && !isOf(running.handle)) running = running.around?.open
    return running
  }

  /**
   * @param parent around a savepoint
   * @param begin has the ORM begin the transaction, which does its work by `enter`
   * @param isExact whether a savepoint that cannot be undone is sure to put the transaction in doubt
   */
  async run<R>(
    parent: Transaction<Handle> | undefined,
    begin: (
      enter: (key: object, handle: Handle, work: () => Promise<R>) => Promise<R>,
    ) => Promise<R>,
    isExact = false,
  ): Promise<R> {
    let isCommitting = false
    const run = async (scope: FileScope): Promise<R> =>
      await begin(async (key, handle, work) => {
        const own = new Transaction(handle, scope, parent, this.running)
        this.#known.set(key, own)
        try {
          const result = await this.#running.run(own, () => runInScope(scope, work))
          isCommitting = true
          return result
        } finally {
          own.end()
        }
      })
    const isLost = (error: unknown) => isCommitting && databaseAnswer(error) !== 'answered'
    return await inScope(parent?.scope, run, isLost, isExact && parent !== undefined)
  }
}

import { AsyncLocalStorage } from 'node:async_hooks'
import { PreconditionFailedError } from '../core/errors.ts'
import type { Storage } from '../core/storage.ts'
import { databaseAnswer } from './database-answer.ts'

/** One file that leaves when its transaction has settled. */
export interface Removal {
  readonly storage: Storage
  readonly name: string
  /**
   * Number of rows that name the file, asked right before it is removed; a file in use stays. `isOver`:
   * so is the whole transaction. `undefined`: nobody can tell.
   */
  readonly uses?: ((isOver: boolean) => Promise<number | undefined>) | undefined
  /** Whether it has perhaps replaced a file of the same name, which a row may name. */
  readonly mayBeOld?: boolean | undefined
  /** Puts the row in memory back to what it was before; called when a new file goes again. */
  readonly revert?: (() => void) | undefined
}

/** One file that was stored for a row which is not yet in the database for good. */
export interface Creation extends Removal {
  /** Whether a row was written with it, or somebody asked for no row to be written. */
  settled: boolean
  /** Whether it is settled since a row was written with it. */
  written: boolean
  /**
   * Scopes in which the row is being written with it: two transactions may save one row object at
   * once. The file goes when the last of them has rolled back; `kept`, it stays for good.
   */
  holders: number
  kept: boolean
  /** Of other rows, which were given its name: called by {@link revert}, too. */
  readonly followers: Set<() => void>
}

/** A file that was just stored. */
export function newCreation({ revert, ...removal }: Removal): Creation {
  const followers = new Set<() => void>()
  return {
    ...removal,
    settled: false,
    written: false,
    holders: 0,
    kept: false,
    followers,
    revert: () => {
      for (const follow of followers) follow()
      revert?.()
    },
  }
}

/** When it happened, by the clock of the outermost scope. */
interface Timed extends Removal {
  readonly at: number
}

/** What is to be done in memory if the database rolls back, and since when, by the same clock. */
interface Undo {
  readonly undo: () => void
  readonly at: number
}

/**
 * What a transaction does to files. Nothing that a row may still name is removed before the
 * database has committed, and whatever was stored for a row that never came is removed when it
 * rolled back. A scope inside another (a savepoint) hands its files up when it commits.
 */
export class FileScope {
  /** Of the outermost scope: counts what happens, in all scopes inside it. */
  #clock = 0
  readonly #parent: FileScope | undefined
  /** Whether it is sure to be undone when it rolls back, unless somebody {@link doubt}s the one around it. */
  readonly #isSavepoint: boolean
  #creations = new Set<Creation>()
  #removals: Timed[] = []
  /** Names that rows were written with, and when the last one was. */
  #named = new Map<Storage, Map<string, number>>()
  #undone: Undo[] = []
  #isSettled = false
  #isRolledBack = false
  /** Whether the function of its transaction has ended, and statements are in it no more. */
  #isEnded = false
  /**
   * Whether a scope inside has rolled back. If that was no savepoint, what it did may stand all the same;
   * and PostgreSQL, where a statement has failed, turns the commit into a rollback without a word.
   */
  #isDoubtful = false
  /** Whether nobody knows what became of a scope inside. */
  #isLost = false

  constructor(parent?: FileScope | undefined, isSavepoint = false) {
    this.#parent = parent
    this.#isSavepoint = isSavepoint
  }

  created(creation: Creation): void {
    if (this.#creations.has(creation)) return
    creation.holders++
    this.#creations.add(creation)
    this.onRollback(() => {
      if (creation.holders <= 0 && !creation.kept) creation.revert?.()
    })
  }

  /** Whether it, or a scope that it is in, holds a new file. */
  holds(creation: Creation): boolean {
    if (this.#creations.has(creation)) return true
    return this.#parent === undefined ? false : this.#parent.holds(creation)
  }

  /** Whether a row that named the file has left it here, or in a scope that it is in. */
  isLeaving(storage: Storage, name: string): boolean {
    const isOwn = this.#removals.some(
      removal => removal.storage === storage && removal.name === name,
    )
    return isOwn || this.#parent?.isLeaving(storage, name) === true
  }

  removed(removal: Removal): void {
    this.#removals.push({ ...removal, at: this.#tick() })
  }

  /** What is to be done in memory if the database rolls back. */
  onRollback(undo: () => void): void {
    this.#undone.push({ undo, at: this.#tick() })
  }

  /** Whether the whole transaction is over. */
  get isOver(): boolean {
    return this.#parent?.isOver ?? this.#isSettled
  }

  /** The function of its transaction has ended: what it has left behind is not in it. */
  end(): void {
    this.#isEnded = true
  }

  /** @throws PreconditionFailedError for a row that would be written beside the transaction, when that is over */
  checkOpen(): void {
    this.#parent?.checkOpen()
    if (!this.#isEnded) return
    throw new PreconditionFailedError(
      'The transaction ended before the row was written: await all writes inside of it, also when one fails (Promise.allSettled).',
      { operation: 'save' },
    )
  }

  /** Whether a scope inside was abandoned. */
  get isLost(): boolean {
    return this.#isLost
  }

  /** Number of scopes that it is in, itself included. */
  get depth(): number {
    return 1 + (this.#parent?.depth ?? 0)
  }

  /** A row was written that names the file: whatever another row did before, it stays. */
  named(storage: Storage, name: string): void {
    this.#keep(storage, name, this.#tick())
  }

  /** A statement has failed: as {@link #isDoubtful} says, a commit may not be one. MySQL does so after a deadlock. */
  doubt(): void {
    this.#isDoubtful = true
  }

  /** The database has committed. Never rejects: what cannot be removed is left to `stowage gc`. */
  async commit(): Promise<void> {
    const { creations, removals, named, undone } = this.#take()
    const outer = this.#outer
    if (outer === undefined) {
      const isLate = this.#wasRolledBack
      for (const creation of creations)
        creation.kept ||= creation.settled && !isLate && !(this.#isDoubtful && creation.written)
      if (this.#isLost) await keepUndecided(creations)
      // Beside what was replaced, a failed write that the application has got over, inside a
      // transaction that went on. Each name once: it may be another file's as soon as it is free.
      const free = removals.filter(
        ({ storage, name, at }) => at > (named.get(storage)?.get(name) ?? 0),
      )
      const gone = [...free, ...unheld(creations).toReversed()]
      await removeUnused(gone, this.#isDoubtful ? 'leave' : 'remove')
      for (const creation of creations) {
        creation.kept ||= creation.holders <= 0
        // A file that stays for good keeps no other rows in memory.
        if (creation.kept) creation.followers.clear()
      }
      return
    }
    outer.#isDoubtful ||= this.#isDoubtful
    outer.#isLost ||= this.#isLost
    for (const [storage, names] of named)
      for (const [name, at] of names) outer.#keep(storage, name, at)
    for (const creation of creations) outer.#inherit(creation)
    outer.#removals.push(...removals)
    outer.#undone.push(...undone)
  }

  /** The database has rolled back. Never rejects, so that the first error is the one that is seen. */
  async rollback(): Promise<void> {
    const { creations, removals, undone } = this.#take()
    this.#isRolledBack = true
    const gone = unheld(creations)
    undoAll(undone)
    const outer = this.#outer
    if (outer !== undefined && !this.#isSavepoint) {
      outer.#isDoubtful = true
      outer.#removals.push(...removals.filter(({ uses }) => uses !== undefined))
    }
    const doubtful = await removeUnused(gone, outer === undefined ? 'remove' : 'wait')
    // It may have settled meanwhile, where nobody has waited for this one.
    const open = this.#outer
    if (open === undefined) {
      await removeUnused(doubtful, 'remove')
      return
    }
    for (const creation of doubtful) {
      creation.settled = false
      open.created(creation)
    }
  }

  /**
   * The connection was lost during the commit, or during a write of no transaction, which may have been
   * carried out, or be about to be: a new file stays, named or not, until `stowage gc` is sure. What a scope
   * inside another has done, the end of the other decides. Never rejects.
   */
  async abandon(): Promise<void> {
    const { creations, removals, undone } = this.#take()
    const outer = this.#outer
    if (outer === undefined) {
      const undecided = keepUndecided(creations)
      undoAll(undone)
      await undecided
      // Of what was replaced or deleted, the rows still tell.
      await removeUnused(removals, 'leave')
      return
    }
    outer.#isLost = true
    outer.#isDoubtful = true
    outer.#undone.push(...undone)
    outer.#removals.push(...removals.filter(({ uses }) => uses !== undefined))
    for (const creation of creations) {
      creation.settled = false
      outer.#inherit(creation)
    }
  }

  /** Whatever was to be removed until then stays. A savepoint may hand up late what happened in it. */
  #keep(storage: Storage, name: string, at: number): void {
    const names = this.#named.get(storage) ?? new Map<string, number>()
    this.#named.set(storage, names.set(name, Math.max(at, names.get(name) ?? 0)))
  }

  #tick(): number {
    return this.#parent === undefined ? ++this.#clock : this.#parent.#tick()
  }

  /** What a scope inside held is held here. */
  #inherit(creation: Creation): void {
    if (this.#creations.has(creation)) creation.holders--
    else this.#creations.add(creation)
  }

  /** Work that nobody has waited for may end after the transaction in which it began. */
  get #outer(): FileScope | undefined {
    const parent = this.#parent
    if (parent === undefined || !parent.#isSettled) return parent
    return parent.#outer
  }

  /** Whether that in which it began was: what is done later is done for nobody. */
  get #wasRolledBack(): boolean {
    if (this.#isRolledBack || this.#parent === undefined) return this.#isRolledBack
    return this.#parent.#wasRolledBack
  }

  /** Settling twice must not remove twice. */
  #take(): {
    creations: readonly Creation[]
    removals: readonly Timed[]
    named: ReadonlyMap<Storage, ReadonlyMap<string, number>>
    undone: readonly Undo[]
  } {
    const taken = {
      creations: [...this.#creations],
      removals: this.#removals,
      named: this.#named,
      undone: this.#undone,
    }
    this.#undone = []
    this.#named = new Map()
    this.#creations = new Set()
    this.#removals = []
    this.#isSettled = true
    return taken
  }
}

/** Name of the state on `globalThis`: two installed copies share the scope that is open. */
const scopesKey: unique symbol = Symbol.for('stowage.fileScopes')

function scopes(): AsyncLocalStorage<FileScope> {
  const shared = globalThis as { [scopesKey]?: AsyncLocalStorage<FileScope> | undefined }
  shared[scopesKey] ??= new AsyncLocalStorage()
  return shared[scopesKey]
}

/** The scope of the {@link fileTransaction} that is running, if any. */
export function currentScope(): FileScope | undefined {
  return scopes().getStore()
}

/**
 * Lets files follow a database transaction. It goes around it:
 * `fileTransaction(() => knex.transaction(…))`. Replaced and deleted files are removed after `fn` has
 * resolved, new ones are removed if it rejects. Inside another `fileTransaction` its files settle
 * with the outer one. TypeORM, MikroORM, Sequelize, Prisma and Drizzle settle their own files with their own
 * transactions, with or without this.
 */
export async function fileTransaction<T>(fn: () => Promise<T>): Promise<T> {
  return await inScope(currentScope(), scope => runInScope(scope, fn))
}

/** Does the work with a scope as the {@link currentScope}: that of a transaction which an adapter follows. */
export async function runInScope<T>(scope: FileScope, work: () => Promise<T>): Promise<T> {
  return await scopes().run(scope, work)
}

/**
 * Does the work in a scope inside `open`, or in one of its own, which settles with the work.
 *
 * @param isLost whether nobody knows what became of work that has failed with an error
 */
export async function inScope<T>(
  open: FileScope | undefined,
  work: (scope: FileScope) => Promise<T>,
  isLost: (error: unknown, scope: FileScope) => boolean = mayBeDone,
  isSavepoint = false,
): Promise<T> {
  const scope = new FileScope(open, isSavepoint)
  let result: T
  try {
    result = await work(scope)
  } catch (error) {
    await (isLost(error, scope) ? scope.abandon() : scope.rollback())
    throw error
  }
  await scope.commit()
  return result
}

/** Whether a statement, perhaps the commit, was given to the database, which has not answered. */
function mayBeDone(error: unknown, scope: FileScope): boolean {
  return scope.isLost || databaseAnswer(error) === 'lost'
}

/** New files of which nobody knows whether a row names them, or will. */
async function keepUndecided(creations: readonly Creation[]): Promise<void> {
  const undecided = creations.filter(({ kept }) => !kept)
  for (const creation of undecided) creation.kept = true
  for (const creation of undecided) {
    const uses = await creation.uses?.(true).catch(() => undefined)
    if ((uses ?? 0) > 0) continue
    const name = JSON.stringify(creation.name)
    emitLeft(
      `Whether a row names the file ${name} is not known: it stays.`,
      'The database has not answered.',
    )
  }
}

/** Last first, whatever scope has handed it up when. */
function undoAll(undone: readonly Undo[]): void {
  for (const { undo } of undone.toSorted((a, b) => b.at - a.at)) undo()
}

/** Those that nobody else may still write a row with. */
function unheld(creations: readonly Creation[]): Creation[] {
  for (const creation of creations) creation.holders--
  return creations.filter(({ holders, kept }) => holders <= 0 && !kept)
}

/**
 * @param unknown what to do where nobody can tell whether the file is used: `wait` for somebody who asks
 *   again when the whole transaction is over
 * @returns those to ask for again: a transaction may see rows that are long gone, or nothing at all
 */
async function removeUnused<R extends Removal>(
  removals: readonly R[],
  unknown: 'remove' | 'leave' | 'wait',
): Promise<R[]> {
  const seen = new Map<Storage, Set<string>>()
  const doubtful: R[] = []
  for (const removal of removals) {
    const { storage, name } = removal
    const names = seen.get(storage) ?? new Set<string>()
    if (names.has(name)) continue
    seen.set(storage, names.add(name))
    try {
      const uses = await removal.uses?.(unknown !== 'wait')
      if (uses === 0 || (uses === undefined && mayGo(removal, unknown))) await remove(removal)
      else if (unknown === 'wait') doubtful.push(removal)
      else if (uses === undefined) warnOf(name, 'Nobody can tell whether a row names it.')
    } catch (error) {
      // PostgreSQL answers nothing more in a transaction in which a statement has failed.
      if (unknown === 'wait') doubtful.push(removal)
      else warnOf(name, error)
    }
  }
  return doubtful
}

/** Of a file of which nobody knows who uses it. */
function mayGo({ uses, mayBeOld }: Removal, unknown: 'remove' | 'leave' | 'wait'): boolean {
  if (mayBeOld === true) return false
  return unknown === 'remove' || (unknown === 'wait' && uses === undefined)
}

/** The row is written already: a file that cannot be removed now must not look like a failed write. */
async function remove({ storage, name, revert }: Removal): Promise<void> {
  revert?.()
  try {
    await storage.delete(name)
  } catch (error) {
    warnOf(name, error)
  }
}

function warnOf(name: string, error: unknown): void {
  const reason = error instanceof Error ? error.message : String(error)
  emitLeft(`The file ${JSON.stringify(name)} is no longer used and stays for now.`, reason)
}

function emitLeft(message: string, reason: string): void {
  process.emitWarning(message, {
    type: 'StowageWarning',
    code: 'STOWAGE_FILE_LEFT',
    detail: `${reason} \`stowage gc\` finds and removes what no row names.`,
  })
}

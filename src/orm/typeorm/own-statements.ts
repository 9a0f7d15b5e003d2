import type { EntityMetadata, QueryRunner } from 'typeorm'

type Verb = 'UPDATE' | 'DELETE FROM'

/** Rows of a table that are about to be written by statements that begin in one way. */
interface Announced {
  readonly beginning: string
  /** The first column of the key, and what compares it with a value. */
  readonly key: string
  rows: number
}

/**
 * The statements by which TypeORM itself writes entities. It tells of each row before, so that a statement
 * for no more rows than it has told of passes, once. Those of hooks around it do not.
 */
export class OwnStatements {
  readonly #announced = new WeakMap<QueryRunner, Map<string, Announced>>()

  /** Files that were stored for rows which are about to be inserted. */
  readonly #stored = new WeakMap<QueryRunner, Set<unknown>>()

  /** A row is about to be written. */
  announce(runner: QueryRunner, verb: Verb, { tablePath, primaryColumns }: EntityMetadata): void {
    const escaped = (name: string): string => runner.dataSource.driver.escape(name)
    const table = tablePath.split('.').map(part => part && escaped(part))
    const beginning = `${verb} ${table.join('.')} ${verb === 'UPDATE' ? 'SET' : 'WHERE'} `
    const all = this.#announced.get(runner) ?? new Map<string, Announced>()
    this.#announced.set(runner, all)
    const key = `${escaped(primaryColumns[0]?.databaseName ?? '')} = `
    const known = all.get(beginning) ?? { beginning, key, rows: 0 }
    all.set(beginning, known)
    known.rows++
  }

  /** Whether the statement writes rows that were announced, by their keys; they have been, then. */
  take(runner: QueryRunner, statement: string): boolean {
    for (const announced of this.#announced.get(runner)?.values() ?? []) {
      if (announced.rows === 0 || !statement.includes(announced.beginning)) continue
      const where = statement.slice(statement.lastIndexOf('WHERE '))
      const rows = where.split(announced.key).length - 1
      if (rows === 0 || rows > announced.rows) continue
      announced.rows -= rows
      return true
    }
    return false
  }

  /** A row is about to be inserted, and has these new files. */
  announceFiles(runner: QueryRunner, names: readonly (string | null | undefined)[]): void {
    this.#stored.set(runner, new Set([...(this.#stored.get(runner) ?? []), ...names]))
  }

  /** A row with these files was inserted. */
  takeFiles(runner: QueryRunner, names: readonly (string | null | undefined)[]): void {
    for (const name of names) this.#stored.get(runner)?.delete(name)
  }

  /** Whether a statement may leave out a row for which a file was stored, and nobody tells. */
  mayLeaveOut(runner: QueryRunner, statement: string, parameters: unknown): boolean {
    const names = this.#stored.get(runner)
    if (names === undefined || !conditional.test(statement)) return false
    return Array.isArray(parameters) && parameters.some(value => names.has(value))
  }

  /** The transaction is over, and with it whatever has not come. */
  forget(runner: QueryRunner): void {
    this.#announced.delete(runner)
    this.#stored.delete(runner)
  }
}

/** `orIgnore()` and `orUpdate()`, in the words of each database. */
const conditional = /\b(?:IGNORE INTO|ON CONFLICT|ON DUPLICATE KEY|MERGE INTO)\b/

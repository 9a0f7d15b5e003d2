import Libsql from 'libsql'

type Callback = (
  this: { lastID?: unknown; changes?: unknown },
  error: Error | null,
  rows?: unknown,
) => void

/**
 * As much of the package `sqlite3` as Sequelize calls, on libsql: the tests then need no package
 * that is compiled when it is installed.
 */
class Database {
  filename: string
  readonly #database: Libsql.Database

  constructor(filename: string, _mode: number, done: (error: Error | null) => void) {
    this.filename = filename
    this.#database = new Libsql(filename)
    this.#database.pragma('journal_mode = WAL')
    setImmediate(done, null)
  }

  run(sql: string, ...rest: unknown[]): this {
    return this.#execute('run', sql, rest)
  }

  all(sql: string, ...rest: unknown[]): this {
    return this.#execute('all', sql, rest)
  }

  serialize(work: () => void): void {
    work()
  }

  close(done?: (error: Error | null) => void): void {
    this.#database.close()
    if (done !== undefined) setImmediate(done, null)
  }

  #execute(method: 'run' | 'all', sql: string, rest: unknown[]): this {
    const done = rest.find((item): item is Callback => typeof item === 'function')
    const given = rest.find(item => typeof item === 'object' && item !== null) ?? {}
    const bound = Object.fromEntries(
      Object.entries(given).map(([name, value]) => [name.replace(/^\$/, ''), value]),
    )
    let error: Error | null = null
    let rows: unknown
    let result = {}
    try {
      // A prepared BEGIN that met a lock would stay in progress.
      if (/^(BEGIN|COMMIT|ROLLBACK|SAVEPOINT)/.test(sql)) {
        this.#database.exec(sql)
        setImmediate(() => done?.call(new Statement(), null))
        return this
      }
      const statement = this.#database.prepare(sql)
      const args = Object.keys(bound).length === 0 ? [] : [bound]
      if (method === 'all' && statement.reader) rows = statement.all(...args)
      else {
        const { lastInsertRowid, changes } = statement.run(...args)
        result = { lastID: lastInsertRowid, changes }
        if (method === 'all') rows = []
      }
    } catch (cause) {
      const { message, code } = cause as Error & { code?: string }
      error = Object.assign(
        new Error(`${/^SQLITE_[A-Z]+/.exec(code ?? '')?.[0] ?? 'SQLITE_ERROR'}: ${message}`),
        { code },
      )
    }
    setImmediate(() => done?.call(Object.assign(new Statement(), result), error, rows))
    return this
  }
}

/** Sequelize looks at the class's name. */
class Statement {}

export const sqlite3 = { Database, OPEN_READWRITE: 2, OPEN_CREATE: 4, OPEN_FULLMUTEX: 0x10000 }

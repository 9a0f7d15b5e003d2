/** A database whose SQL is known, or one that speaks it too. */
type Dialect = 'mysql' | 'postgresql' | 'sqlite' | 'mssql'

type Feature =
  /** `\` escapes in `'…'`. */
  | 'backslash'
  /** `"…"` is a literal, in which `\` escapes, too. */
  | 'string'
  /** Names stand in `[…]`. */
  | 'bracket'
  /** `#` begins a comment. */
  | 'hash'
  /** `#` begins a name. */
  | 'temporary'
  /** What stands in a comment after an exclamation mark is done. */
  | 'conditional'
  /** `--` begins a comment in front of a space only: `5--3` is 8. */
  | 'spaced'
  /** Comments may stand in comments. */
  | 'nested'
  /** A carriage return ends a line. */
  | 'carriage'
  /** Statements may follow each other without `;`. */
  | 'unseparated'
  /** Few databases are set like this: what looks as if this one were not is not read so. */
  | 'unusual'

/** How a database reads SQL. */
export type Syntax = ReadonlySet<Feature>

const mysql: readonly Feature[] = ['hash', 'conditional', 'spaced']
const postgresql: readonly Feature[] = ['nested', 'carriage']

/** The usual syntax first, then those that a setting makes of it; they differ in what `\` does. */
const syntaxes: Readonly<Record<Dialect, readonly Syntax[]>> = {
  mysql: [
    new Set([...mysql, 'backslash', 'string']),
    // ANSI_QUOTES
    new Set([...mysql, 'backslash', 'unusual']),
    // NO_BACKSLASH_ESCAPES
    new Set([...mysql, 'unusual']),
  ],
  postgresql: [
    new Set(postgresql),
    // standard_conforming_strings = off
    new Set([...postgresql, 'backslash', 'unusual']),
  ],
  sqlite: [new Set(['bracket'])],
  mssql: [new Set(['bracket', 'nested', 'temporary', 'unseparated'])],
}

/** What ORMs call their databases, drivers and dialects. */
const names: Readonly<Record<Dialect, RegExp>> = {
  mysql: /mysql|maria/i,
  postgresql: /postgre|cockroach|^pg/i,
  sqlite: /sqlite|libsql|sqljs|capacitor|cordova|expo|nativescript|react-native/i,
  mssql: /mssql|sqlserver/i,
}

const dialects = Object.keys(names) as Dialect[]

/** @param database as its ORM calls it */
export function dialectOf(database: string): Dialect | undefined {
  return dialects.find(dialect => names[dialect].test(database))
}

/**
 * The ways in which a text may be read: a list for each dialect that it may be in, which is one unless the
 * database is unknown, of what depends on its settings.
 */
export function readingsOf(sql: string, database: string): readonly (readonly Syntax[])[] {
  const known = dialectOf(database)
  const all = known === undefined ? dialects : [known]
  const count = sql.includes('\\') ? undefined : 1
  return all.map(dialect => syntaxes[dialect].slice(0, count))
}

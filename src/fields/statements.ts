import { bypass } from './bypass.ts'
import type { FileField } from './file-field.ts'
import { pendingName } from './rows.ts'
import { readingsOf, type Syntax } from './sql-dialects.ts'
import { type Name, readStatement, type Write } from './sql-writes.ts'

/** A table whose rows have files, as SQL names it. */
export interface FiledTable {
  readonly table: string
  /** Statements that name another schema are for another table; without it any schema is meant. */
  readonly schema?: string | undefined
  /** How statements name other tables that are called the same and have no files, such as `archive.users`. */
  readonly others?: readonly string[] | undefined
  /** Fields by the names of their columns in the database. */
  readonly columns: Readonly<Record<string, FileField>>
}

/**
 * Refuses a statement that would take files away from rows without their adapter: one that deletes or
 * replaces rows whose files go with them, or writes a column of files whose old ones go. It is read as
 * its database reads it. Where that depends on settings of the database, it is refused if it does that
 * in each of their ways, and where nobody knows the database, if it does that in one of those known.
 * What procedures and triggers do it cannot see.
 *
 * @param database as the ORM calls it: what users have typed may stand in the text, and nothing of it
 *   is a statement where that is read as it is meant
 * @param instead what to use, as the end of a sentence
 * @throws UnsupportedError
 */
export function refuseStatement(
  sql: string,
  database: string,
  tables: Iterable<FiledTable>,
  instead: string,
): void {
  if (!changes.test(sql)) return
  const text = sql.toLowerCase()
  const named = [...tables].filter(({ table }) => mentions(text, table))
  if (named.length === 0) return
  for (const syntaxes of readingsOf(sql, database)) {
    const names = filesLeft(sql, syntaxes, named)
    if (names.length > 0) throw bypass('This statement', names, instead)
  }
}

/** Columns whose files a text leaves behind in each way of reading it in which it can be done. */
function filesLeft(
  sql: string,
  syntaxes: readonly Syntax[],
  tables: readonly FiledTable[],
): readonly string[] {
  const all: string[] = []
  for (const syntax of syntaxes) {
    const { writes, isBroken } = readStatement(sql, syntax)
    const names = tables.flatMap(table => writes.flatMap(write => filesIn(write, table)))
    if (names.length === 0 && !isBroken) return []
    all.push(...names)
  }
  return all
}

/** Most statements only read. A version may stand in front: MySQL's `/*!50000DELETE`. */
const changes = /(?:delete|truncate|replace|update|merge)\b/i

/** Whether a text, in small letters, may name the table: few do. */
function mentions(text: string, table: string): boolean {
  const name = table.toLowerCase()
  return text.includes(name.slice(name.lastIndexOf('.') + 1)) || escaped.test(text)
}

/** Names that may read differently from what they are, as in `U&"\0075sers"` or `"a""b"`. */
const escaped = /u&["']|""|``|\]\]/

/**
 * Refuses a statement whose values stand for content that nobody has stored: its row is written without
 * the events by which files are stored, and would name a file that there is not.
 *
 * @param method what has made the statement, as the beginning of a sentence
 * @throws UnsupportedError
 */
export function refuseUnstored(values: unknown, method: string, instead: string): void {
  if (Array.isArray(values) && values.includes(pendingName))
    throw bypass(method, ['the row'], instead)
}

/** Columns of a table whose files a write would leave behind. */
function filesIn({ tables, columns, removes }: Write, filed: FiledTable): string[] {
  if (!tables.some(table => isSame(table, filed))) return []
  return Object.entries(filed.columns).flatMap(([column, { onDelete, onReplace }]) => {
    const isGone = removes && onDelete === 'cleanup'
    return isGone || (onReplace === 'cleanup' && columns.includes(column.toLowerCase()))
      ? [column]
      : []
  })
}

/** Schema and table may also stand in one pair of quotes. */
function isSame(name: Name, { table, schema, others = [] }: FiledTable): boolean {
  if (others.some(other => other.toLowerCase() === name.join('.'))) return false
  const own = (schema === undefined ? [table] : [schema, table]).map(part => part.toLowerCase())
  return agree(name, own) || agree(name.join('.').split('.'), own.join('.').split('.'))
}

/** One that has no schema may be in any. */
function agree(name: Name, own: Name): boolean {
  const [schema, ownSchema] = [name.at(-2), own.at(-2)]
  return name.at(-1) === own.at(-1) && (!schema || !ownSchema || schema === ownSchema)
}

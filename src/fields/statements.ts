import { bypass } from './bypass.ts'
import type { FileField } from './file-field.ts'
import { pendingName } from './rows.ts'

/** A table whose rows have files, as SQL names it. */
export interface FiledTable {
  readonly table: string
  /** Fields by the names of their columns in the database. */
  readonly columns: Readonly<Record<string, FileField>>
}

/**
 * Refuses a statement that would take files away from rows without their adapter: one that deletes or
 * replaces rows whose files go with them, or writes a column of files whose old ones go. This looks at
 * words, as a careful reader would; what procedures and triggers do it cannot see.
 *
 * @param instead what to use, as the end of a sentence
 * @throws UnsupportedError
 */
export function refuseStatement(sql: string, tables: Iterable<FiledTable>, instead: string): void {
  if (!changes.test(sql)) return
  const statements = sql.replace(unread, ' ').split(';')
  for (const { table, columns } of tables) {
    const name = identifier(table)
    for (const statement of statements) {
      const names = removes(statement, name)
        ? Object.keys(columns).filter(column => columns[column]?.onDelete === 'cleanup')
        : written(statement, name, columns)
      if (names.length > 0) throw bypass('This statement', names, instead)
    }
  }
}

/** Most statements only read. */
const changes = /\b(?:delete|truncate|replace|update|merge)\b/i
/** Comments, and literals: nothing in them is done. */
const unread = /--[^\n]*|\/\*.*?\*\/|'(?:[^']|'')*'/gs

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

/** A name, in quotes or without. */
function identifier(name: string): string {
  const own = name.slice(name.lastIndexOf('.') + 1).replace(/[^\p{L}\p{N}_]/gu, '\\$&')
  return `(?:["\`[]${own}["\`\\]]|\\b${own}\\b)`
}

/** The same behind the name of its schema, or without. */
function qualified(name: string): string {
  return `(?:["\`[]?[\\w$]+["\`\\]]?\\s*\\.\\s*)?${name}`
}

/**
 * What stands behind the last of some patterns, each looked for behind the one before. Step by step, and
 * never back: statements may have megabytes, and one expression of all would try all their combinations.
 */
function behind(text: string, ...patterns: readonly string[]): string | undefined {
  let rest: string | undefined = text
  for (const pattern of patterns) {
    const found = new RegExp(pattern, 'iu').exec(rest)
    if (found === null) return undefined
    rest = rest.slice(found.index + found[0].length)
  }
  return rest
}

function removes(statement: string, name: string): boolean {
  const table = qualified(name)
  return [
    [`\\bdelete\\s+(?:(?:low_priority|quick|ignore)\\s+)*from\\s+(?:only\\s+)?${table}`],
    ['\\bdelete\\s+(?!from\\b)', '\\bfrom\\b', name],
    ['\\btruncate\\s+(?=[\\w"`[])', name],
    [`\\breplace\\s+(?:(?:low_priority|delayed)\\s+)?into\\s+${table}`],
    [`\\binsert\\s+or\\s+replace\\s+into\\s+${table}`],
    [`\\bmerge\\s+into\\s+${table}`, '\\bdelete\\b'],
  ].some(patterns => behind(statement, ...patterns) !== undefined)
}

/** Columns that the statement gives another value, and whose old files would have to go. */
function written(statement: string, name: string, columns: FiledTable['columns']): string[] {
  const values = valuesSet(statement, name)?.split(/\bwhere\b/i, 1)[0]
  if (values === undefined) return []
  return Object.entries(columns).flatMap(([column, { onReplace }]) =>
    onReplace === 'cleanup' && new RegExp(`${identifier(column)}\\s*=`, 'iu').test(values)
      ? [column]
      : [],
  )
}

/** What stands behind `SET` of an update of the table, or of an insertion that may become one. */
function valuesSet(statement: string, name: string): string | undefined {
  const into = `\\binto\\s+${qualified(name)}`
  const values =
    behind(statement, into, '\\bon\\s+(?:conflict|duplicate\\s+key)\\b', '\\bupdate\\b') ??
    behind(statement, `\\bmerge\\s+into\\s+${qualified(name)}`, '\\bupdate\\s+set\\b')
  if (values !== undefined) return values
  const [tables = '', ...set] = behind(statement, '\\bupdate\\b')?.split(/\bset\b/i) ?? []
  return new RegExp(name, 'iu').test(tables) ? set.join(' ') : undefined
}

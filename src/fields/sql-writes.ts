import type { Syntax } from './sql-dialects.ts'
import { type Token, Tokens } from './sql-tokens.ts'

/** A table, in small letters: its name, and in front of it what the statement has there. */
export type Name = readonly string[]

/** What a statement does to rows that are there. */
export interface Write {
  /** One of these, or all. */
  readonly tables: readonly Name[]
  /** Columns that get another value, in small letters. */
  readonly columns: readonly string[]
  /** Whole rows may go. */
  readonly removes: boolean
}

/** What a text does. */
export interface Reading {
  readonly writes: readonly Write[]
  /** A database that reads it like this does not take it, or not all of it. */
  readonly isBroken: boolean
}

/**
 * Reads a text of SQL in one way: its writes, in one pass, wherever they stand, and without what is only
 * defined (procedures, triggers) or explained.
 */
export function readStatement(sql: string, syntax: Syntax): Reading {
  return new Reader(sql, syntax).read()
}

interface Reference {
  readonly name: Name
  readonly alias: string | undefined
}

/** A statement, or the part of one that stands in parentheses. */
class Part {
  readonly verb: string
  clause: 'targets' | 'sources' | 'columns' | 'rest'
  /** An item of the clause's list comes next. */
  isFresh: boolean
  removes: boolean
  readonly targets: Reference[] = []
  readonly sources: Reference[] = []
  readonly columns: (readonly [qualifier: string, column: string])[] = []

  constructor(verb: string) {
    this.verb = verb
    this.clause = verb === '' ? 'rest' : 'targets'
    this.isFresh = verb !== ''
    this.removes = removing.has(verb)
  }

  enter(clause: Part['clause']): void {
    this.clause = clause
    this.isFresh = clause !== 'rest'
  }

  /** Aliases stand for their tables; a column whose table is not said may be of each. */
  writes(): Write[] {
    const aliases = new Map(this.sources.map(({ name, alias }) => [alias ?? name.at(-1), name]))
    const real = ({ name, alias }: Reference) =>
      (alias === undefined && name.length === 1 ? aliases.get(name[0]) : undefined) ?? name
    const { removes } = this
    const all = { tables: this.targets.map(real), columns: [] as string[], removes }
    const each = new Map<
      string | undefined,
      { tables: Name[]; columns: string[]; removes: false }
    >()
    for (const target of this.targets) {
      const called = target.alias ?? target.name.at(-1)
      const own = each.get(called) ?? { tables: [], columns: [], removes: false }
      own.tables.push(real(target))
      each.set(called, own)
    }
    for (const [qualifier, column] of this.columns)
      (each.get(qualifier) ?? all).columns.push(column)
    return [all, ...each.values()]
  }
}

class Reader {
  readonly #tokens: Tokens
  readonly #syntax: Syntax
  /** Of texts in texts. */
  readonly #depth: number
  readonly #idle = new Part('')
  #previous: Token | undefined
  #token: Token | undefined
  #next: Token | undefined
  /** What is read now, behind what it stands in. */
  #parts: Part[] = [this.#idle]
  /** The first word of the statement. */
  #first = ''
  /** The word that is read is that one. */
  #isFirst = false
  #isDefined = false
  #isAnalyzed = false
  #found: Write[] = []
  readonly #writes: Write[] = []

  constructor(sql: string, syntax: Syntax, depth = 0) {
    this.#tokens = new Tokens(sql, syntax)
    this.#syntax = syntax
    this.#depth = depth
    this.#next = this.#tokens.next()
  }

  read(): Reading {
    for (let token = this.#take(); token !== undefined; token = this.#take()) {
      if (token.kind === 'mark') {
        this.#mark(token.text)
        continue
      }
      const part = this.#part
      this.#isFirst = this.#first === ''
      this.#first ||= token.text
      if (token.kind === 'quoted') this.#code(token.text)
      const isColumn = part.clause === 'columns' && this.#isNext('=')
      if (part.isFresh && (isColumn || !isWord(token, switches))) this.#item(part, token.text)
      else if (token.kind === 'word') this.#word(part, token.text)
    }
    const { isBroken } = this.#tokens
    if (!isBroken) this.#end()
    return { writes: this.#writes, isBroken }
  }

  get #part(): Part {
    return this.#parts.at(-1) ?? this.#idle
  }

  #take(): Token | undefined {
    this.#previous = this.#token
    this.#token = this.#next
    this.#next = this.#tokens.next()
    return this.#token
  }

  #mark(mark: string): void {
    const part = this.#part
    if (mark === ';') this.#end()
    else if (mark === ',') part.isFresh = part.clause !== 'rest'
    else if (mark === '(' || mark === '[') this.#open(part, mark)
    // `{ OJ users LEFT OUTER JOIN … }`
    else if (mark === '{' && isWord(this.#next, bracedJoin)) this.#take()
    // MariaDB takes `.users` for the one of the present database.
    else if (mark !== '.') {
      part.isFresh = false
      if (mark === ')' || mark === ']') this.#close(part)
    }
  }

  /** Parentheses at the beginning of an item, but of a subquery, belong to the list: `(a, b) = …`. */
  #open(part: Part, mark: string): void {
    const isList = mark === '(' && part.isFresh && !isWord(this.#next, queries)
    if (!isList) part.isFresh = false
    this.#parts.push(isList ? part : this.#idle)
  }

  #close(part: Part): void {
    if (this.#parts.length === 1) return
    this.#parts.pop()
    if (this.#part !== part) this.#collect(part)
  }

  /** A table, or a column that gets a value. */
  #item(part: Part, first: string): void {
    // `ONLY users`, `ONLY (users)`
    if (first === 'only' && (this.#next?.kind !== 'mark' || this.#next.text === '(')) return
    const name = [first.toLowerCase()]
    while (this.#isNext('.')) {
      this.#take()
      if (this.#isNext('*')) this.#take()
      else if (this.#next !== undefined && this.#next.kind !== 'mark')
        name.push(this.#take()?.text.toLowerCase() ?? '')
    }
    part.isFresh = false
    if (part.clause === 'columns') {
      const isRow = this.#parts.at(-2) === part
      if (this.#next?.kind === 'mark' && (isRow || !this.#isNext(',')))
        part.columns.push([name.at(-2) ?? '', name.at(-1) ?? ''])
      return
    }
    const references = part.clause === 'targets' ? part.targets : part.sources
    references.push({ name, alias: this.#alias() })
    if (single.has(part.verb)) part.enter('rest')
  }

  #alias(): string | undefined {
    if (this.#next?.kind === 'word' && this.#next.text === 'as') this.#take()
    if (this.#next === undefined || this.#next.kind === 'mark') return undefined
    if (isWord(this.#next, switches) || isWord(this.#next, unlikeAliases)) return undefined
    return this.#take()?.text.toLowerCase()
  }

  #word(part: Part, word: string): void {
    if (word.startsWith('analy')) this.#isAnalyzed = true
    const isList = part.clause === 'targets' || part.clause === 'sources'
    if (this.#definesRoutine(word)) this.#routine()
    // `SET STATEMENT … FOR DELETE …`
    else if (word === 'for' && this.#first === 'set' && this.#parts.length === 1) this.#end()
    else if (word === 'set' && part.verb === 'update' && part.clause === 'targets')
      part.enter('columns')
    else if (joins.has(word) && isList) part.isFresh = true
    else if (ends.has(word)) part.enter('rest')
    else if (
      (word === 'from' && this.#previous?.text !== 'distinct' && sourced.has(part.verb)) ||
      (word === 'using' && part.verb === 'delete')
    ) {
      if (part.clause !== 'rest') part.enter('sources')
    } else if (verbs.has(word) && !this.#goesOn(part, word) && this.#begins(part, word))
      this.#begin(word)
  }

  /** Whether a verb is one of the statement that is read: `THEN DELETE`, `ON CONFLICT DO UPDATE SET`. */
  #goesOn(part: Part, verb: string): boolean {
    if (part.verb === 'merge') {
      if (verb === 'update') part.enter('columns')
      else if (verb === 'insert') part.enter('rest')
      else if (
        verb === 'delete' &&
        (this.#previous?.text === 'then' || this.#next?.text === 'where')
      )
        part.removes = true
      return true
    }
    if (verb !== 'update' || !single.has(part.verb)) return false
    const isUpsert = this.#previous?.text === 'key' || this.#next?.text === 'set'
    if (isUpsert) part.enter('columns')
    return isUpsert
  }

  #begins(part: Part, verb: string): boolean {
    const [previous, next] = [this.#previous, this.#next]
    if (next === undefined) return false
    const isList = verb === 'update' && next.kind === 'mark' && lists.has(next.text)
    if (next.kind === 'mark' && next.text !== '.' && !isList) return false
    if (previous === undefined) return true
    if (previous.kind === 'mark' ? this.#opens(previous.text) : part.clause !== 'columns') {
      if (previous.kind === 'mark' || this.#isFirst || isWord(previous, starts)) return true
      if (this.#first === 'prepare' && isWord(previous, preparing)) return true
    }
    return (
      (this.#syntax.has('unseparated') || unseparated.has(this.#first)) &&
      previous.kind !== 'mark' &&
      !isWord(previous, columnsFollow) &&
      (verb === 'update' ? previous.text !== 'on' : isWord(next, followers))
    )
  }

  /** A statement may begin behind the mark; `SELECT count(*) delete` has an alias there. */
  #opens(mark: string): boolean {
    const isAliased = mark === ')' && this.#first === 'select' && !this.#syntax.has('unseparated')
    return opening.has(mark) && !isAliased
  }

  #begin(verb: string): void {
    this.#collect(this.#part)
    const part = new Part(verb)
    this.#parts[this.#parts.length - 1] = part
    while (isWord(this.#next, modifiers)) {
      this.#take()
      const modifier = this.#token?.text
      // `OR REPLACE`, `OR IGNORE`, …
      if (modifier === 'or' && this.#take()?.text === 'replace') part.removes = true
      // `TOP (10)`
      if (modifier === 'top' && this.#isNext('('))
        while (this.#next !== undefined && !isMark(this.#take(), ')'));
    }
  }

  #definesRoutine(word: string): boolean {
    if (this.#isDefined || !defining.has(this.#first)) return false
    this.#isDefined = routines.has(word) || objects.has(word)
    return routines.has(word)
  }

  /** Passes the rest of a definition: a body may hold `;` between `BEGIN` and `END`. */
  #routine(): void {
    let [blocks, parentheses] = [0, 0]
    for (let token = this.#take(); token !== undefined; token = this.#take()) {
      if (isMark(token, '(')) parentheses++
      else if (isMark(token, ')')) parentheses--
      if (parentheses > 0) continue
      if (isMark(token, ';') && blocks <= 0) {
        this.#end()
        return
      }
      if (isWord(token, blockStarts) && !this.#isNamed()) blocks++
      if (isWord(token, blockEnds) && !isWord(this.#next, loops)) blocks--
    }
  }

  /** Whether the word is a name or a part of one, or belongs to the word in front of it. */
  #isNamed(): boolean {
    return isMark(this.#previous, '.') || isWord(this.#previous, namedBehind)
  }

  /** Text that is done: `DO $$ … $$`, `EXECUTE IMMEDIATE '…'`, `PREPARE x FROM '…'`. */
  #code(text: string): void {
    const before = this.#previous?.text
    // A text that is done may have others done: `EXECUTE '…'`.
    const isDone =
      this.#depth > 0 ||
      (this.#first === 'do' && this.#previous?.kind === 'word') ||
      before === 'immediate' ||
      (before === 'from' && this.#first === 'prepare')
    if (!isDone || this.#depth === 2) return
    const { writes } = new Reader(text, this.#syntax, this.#depth + 1).read()
    for (const write of writes) this.#found.push(write)
  }

  #collect(part: Part): void {
    if (part.targets.length === 0) return
    for (const write of part.writes()) this.#found.push(write)
  }

  #end(): void {
    for (const part of new Set(this.#parts)) this.#collect(part)
    const isDone = !explaining.has(this.#first) || this.#isAnalyzed
    if (isDone) for (const write of this.#found) this.#writes.push(write)
    this.#parts = [this.#idle]
    this.#first = ''
    this.#isDefined = false
    this.#isAnalyzed = false
    this.#found = []
  }

  #isNext(mark: string): boolean {
    return isMark(this.#next, mark)
  }
}

function isMark(token: Token | undefined, mark: string): boolean {
  return token?.kind === 'mark' && token.text === mark
}

function isWord(token: Token | undefined, words: ReadonlySet<string>): boolean {
  return token?.kind === 'word' && words.has(token.text)
}

function words(text: string): ReadonlySet<string> {
  return new Set(text.split(' '))
}

const verbs = words('delete truncate replace insert update merge')
/** They take rows away. */
const removing = words('delete truncate replace')
/** They have one table. */
const single = words('insert replace merge')
/** Their tables may stand behind `FROM`. */
const sourced = words('delete update')
/** Between a verb and its tables. */
const modifiers = words('low_priority high_priority delayed quick ignore from into table top or')
/** A statement may begin behind them. */
const starts = words('begin then else do loop atomic repeat analyze analyse verbose')
const opening = words('; ( )')
/** Several tables may stand behind them: `UPDATE (users, others)`. */
const lists = words('( {')
const preparing = words('as')
/** In statements that begin with them a verb may follow anything: `LOAD DATA INFILE 'x' REPLACE INTO`. */
const unseparated = words('load analyze begin declare')
/** Behind a verb they leave no doubt that it is one. */
const followers = words('from into table or top')
/** A verb behind them is a column, an alias, an event or a lock. */
const columnsFollow = words(
  'select distinct all as and or not where when by in is of for key after before no grant revoke',
)
/** They end an item, and begin something else. */
const joins = words('join straight_join apply')
const ends = words('where returning order')
const switches = new Set([...joins, ...ends, 'set', 'from', 'using'])
/** Nor are they aliases. */
const unlikeAliases = words(
  'output limit on left right inner outer cross natural full partition with use force ignore values value select default',
)
const bracedJoin = words('oj')
const queries = words('select with values')
const explaining = words('explain describe desc')
const defining = words('create alter')
const routines = words('trigger procedure proc function event rule policy package')
const objects = words('table view index sequence type domain schema database user role')
const blockStarts = words('begin case')
const blockEnds = words('end')
/** `CREATE FUNCTION begin`, `RENAME TO begin`, `END CASE` */
const namedBehind = new Set([...routines, ...words('exists returns to'), ...blockEnds])
const loops = words('if loop while repeat for')

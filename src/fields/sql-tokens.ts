/** A word or number (in small letters), a name or literal in quotes (without them), or one mark. */
export interface Token {
  readonly kind: 'word' | 'quoted' | 'mark'
  readonly text: string
}

/** What databases read in different ways. */
type Feature =
  | 'backslash'
  | 'hash'
  | 'temporary'
  | 'conditional'
  | 'spaced'
  | 'nested'
  | 'carriage'
  | 'bracket'

/** How one of the databases reads; `unseparated`: statements may follow each other without `;`. */
export type Dialect = ReadonlySet<Feature | 'unseparated'>

/** What a text has where a way of reading matters. */
const signs: Readonly<Record<Feature, RegExp>> = {
  /** `\` escapes in every literal, not only in `E'…'`. */
  backslash: /\\/,
  /** `#` begins a comment. */
  hash: /#/,
  /** `#` begins a name. */
  temporary: /#/,
  /** What stands in a comment after an exclamation mark is done. */
  conditional: /\/\*M?!/,
  /** `--` begins a comment in front of a space only: `5--3` is 8. */
  spaced: /--[\w"'`(]/,
  /** Comments may stand in comments. */
  nested: /\/\*.*\/\*/s,
  /** A carriage return ends a line. */
  carriage: /\r(?!\n)/,
  /** Names stand in `[…]`. */
  bracket: /\[/,
}

const dialects: readonly Dialect[] = [
  new Set(['backslash', 'hash', 'conditional', 'spaced']), // MySQL, MariaDB
  new Set(['hash', 'conditional', 'spaced']), // The same in NO_BACKSLASH_ESCAPES
  new Set(['nested', 'carriage']), // PostgreSQL
  new Set(['bracket']), // SQLite
  new Set(['bracket', 'nested', 'temporary', 'unseparated']), // SQL Server
]

/** Dialects that read a text differently: one for most texts. */
export function dialectsOf(sql: string): Iterable<Dialect> {
  const found = (Object.keys(signs) as Feature[]).filter(feature => signs[feature].test(sql))
  return new Map(
    dialects.map(dialect => [found.filter(feature => dialect.has(feature)).join(), dialect]),
  ).values()
}

/** The tokens of a text as one dialect reads it, without comments. */
export class Tokens {
  /** A text that no database of the dialect takes: what it would do from its last `;` on is not done. */
  isBroken = false
  readonly #sql: string
  readonly #dialect: Dialect
  readonly #escapes: boolean
  #at = 0
  /** Comments that are done and have not ended yet. */
  #conditional = 0
  #hasDollars = true

  constructor(sql: string, dialect: Dialect) {
    this.#sql = sql
    this.#dialect = dialect
    this.#escapes = dialect.has('backslash')
  }

  next(): Token | undefined {
    this.#skip()
    const sql = this.#sql
    const start = this.#at
    if (start >= sql.length) return undefined
    const first = sql.charAt(start)
    if (first === "'" || first === '"') return this.#quoted(first, this.#escapes)
    if (first === '`') return this.#quoted('`', false)
    if (first === '[' && this.#dialect.has('bracket')) return this.#quoted(']', false)
    return (first === '$' ? this.#dollars() : undefined) ?? this.#word(first)
  }

  #skip(): void {
    const sql = this.#sql
    for (; this.#at < sql.length; ) {
      const code = sql.charCodeAt(this.#at)
      if (code <= 32 || code === 0xfeff) this.#at++
      else if (!(code === 45 || code === 47 || code === 42 || code === 35) || !this.#comment())
        return
    }
  }

  /** Passes a comment, or what stands around one that is done. */
  #comment(): boolean {
    const sql = this.#sql
    const at = this.#at
    if (sql.startsWith('--', at)) {
      if (this.#dialect.has('spaced') && signs.spaced.test(sql.slice(at, at + 3))) return false
      return this.#line()
    }
    if (sql.startsWith('#', at)) {
      if (this.#dialect.has('hash')) return this.#line()
      const isMark = !this.#dialect.has('temporary') || isWord(sql.charCodeAt(at + 1))
      return isMark ? false : this.#break()
    }
    if (sql.startsWith('/*', at)) return this.#block()
    if (!sql.startsWith('*/', at)) return false
    if (this.#conditional === 0) return sql.startsWith('*/*', at) ? false : this.#break()
    this.#conditional--
    return this.#to(at + 2)
  }

  #line(): true {
    const end = this.#dialect.has('carriage') ? /[\r\n]/g : /\n/g
    end.lastIndex = this.#at
    return this.#to((end.exec(this.#sql)?.index ?? this.#sql.length) + 1)
  }

  #block(): true {
    const at = this.#at
    const mark = /\/\*M?!\d*/y
    mark.lastIndex = at
    if (this.#dialect.has('conditional') && mark.test(this.#sql)) {
      this.#conditional++
      return this.#to(mark.lastIndex)
    }
    const edge = this.#dialect.has('nested') ? /\/\*|\*\//g : /\*\//g
    edge.lastIndex = at + 2
    let depth = 1
    for (let found = edge.exec(this.#sql); found !== null; found = edge.exec(this.#sql)) {
      depth += found[0] === '/*' ? 1 : -1
      if (depth === 0) return this.#to(edge.lastIndex)
    }
    return this.#to(this.#sql.length)
  }

  #quoted(close: string, escapes: boolean): Token {
    const sql = this.#sql
    const start = this.#at + 1
    let isDoubled = false
    for (let end = sql.indexOf(close, start); end >= 0; end = sql.indexOf(close, end + 1)) {
      if (escapes && isEscaped(sql, start, end)) continue
      if (sql.charAt(end + 1) !== close) {
        this.#at = end + 1
        const text = sql.slice(start, end)
        return { kind: 'quoted', text: isDoubled ? text.replaceAll(close + close, close) : text }
      }
      isDoubled = true
      end++
    }
    this.#break()
    return { kind: 'quoted', text: '' }
  }

  /** `$tag$…$tag$`, which is PostgreSQL's alone: nothing else that is read here has the like. */
  #dollars(): Token | undefined {
    if (!this.#hasDollars) return undefined
    const open = /\$(?:[\p{L}_][\p{L}\p{N}_]*)?\$/uy
    open.lastIndex = this.#at
    const tag = open.exec(this.#sql)?.[0]
    if (tag === undefined) return undefined
    const end = this.#sql.indexOf(tag, open.lastIndex)
    // One that has no end is looked for once, so that many of them take no longer.
    this.#hasDollars = end >= 0
    if (end < 0) return undefined
    this.#at = end + tag.length
    return { kind: 'quoted', text: this.#sql.slice(open.lastIndex, end) }
  }

  #word(first: string): Token {
    const sql = this.#sql
    const start = this.#at++
    const isName = first === '#' && this.#dialect.has('temporary')
    if (!isName && !isWord(first.charCodeAt(0))) return { kind: 'mark', text: first }
    while (isWord(sql.charCodeAt(this.#at))) this.#at++
    const text = sql.slice(start, this.#at).toLowerCase()
    const after = sql.charAt(this.#at)
    if (text === 'e' && after === "'") return this.#quoted("'", true)
    if (text === 'u' && after === '&' && /["']/.test(sql.charAt(this.#at + 1))) {
      this.#at++
      const { kind, text: escaped } = this.#quoted(sql.charAt(this.#at), false)
      return { kind, text: escaped.replace(/\\(?:\+([\da-f]{6})|([\da-f]{4}))/gi, character) }
    }
    return { kind: 'word', text }
  }

  #to(at: number): true {
    this.#at = at
    return true
  }

  #break(): true {
    this.isBroken = true
    return this.#to(this.#sql.length)
  }
}

/** A letter, also one beyond ASCII, a digit, `_`, `$` or `@`. */
function isWord(code: number): boolean {
  return (
    (code >= 97 && code <= 122) ||
    (code >= 64 && code <= 90) ||
    (code >= 48 && code <= 57) ||
    code === 95 ||
    code === 36 ||
    code > 127
  )
}

/** Whether an odd number of backslashes stands in front. */
function isEscaped(sql: string, start: number, end: number): boolean {
  let at = end
  while (at > start && sql.charCodeAt(at - 1) === 92) at--
  return (end - at) % 2 === 1
}

/** What `\XXXX` or `\+XXXXXX` stands for. */
function character(sequence: string, long?: string, short?: string): string {
  const code = Number.parseInt(long ?? short ?? '', 16)
  return code > 0x10ffff ? sequence : String.fromCodePoint(code)
}

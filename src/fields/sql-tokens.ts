import type { Syntax } from './sql-dialects.ts'

/** A word or number (in small letters), a name or literal in quotes (without them), or one mark. */
export interface Token {
  readonly kind: 'word' | 'quoted' | 'mark'
  readonly text: string
}

/** The tokens of a text as one syntax has them, without comments. */
export class Tokens {
  /** A text that no database of the syntax takes: what it would do from its last `;` on is not done. */
  isBroken = false
  readonly #sql: string
  readonly #syntax: Syntax
  #at = 0
  /** Comments that are done and have not ended yet. */
  #conditional = 0
  #hasDollars = true

  constructor(sql: string, syntax: Syntax) {
    this.#sql = sql
    this.#syntax = syntax
  }

  next(): Token | undefined {
    this.#skip()
    const sql = this.#sql
    const start = this.#at
    if (start >= sql.length) return undefined
    const first = sql.charAt(start)
    const syntax = this.#syntax
    if (first === "'") return this.#quoted("'", syntax.has('backslash'))
    if (first === '"') return this.#quoted('"', syntax.has('string'))
    if (first === '`') return this.#quoted('`', false)
    if (first === '[' && syntax.has('bracket')) return this.#quoted(']', false)
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
      const isSign = this.#syntax.has('spaced') && !isBlank(sql.charCodeAt(at + 2))
      return isSign ? false : this.#line()
    }
    if (sql.startsWith('#', at)) {
      if (this.#syntax.has('hash')) return this.#line()
      const isMark = !this.#syntax.has('temporary') || isWord(sql.charCodeAt(at + 1))
      return isMark ? false : this.#break()
    }
    if (sql.startsWith('/*', at)) return this.#block()
    if (!sql.startsWith('*/', at)) return false
    if (this.#conditional === 0) return sql.startsWith('*/*', at) ? false : this.#break()
    this.#conditional--
    return this.#to(at + 2)
  }

  #line(): true {
    const end = this.#syntax.has('carriage') ? /[\r\n]/g : /\n/g
    end.lastIndex = this.#at
    return this.#to((end.exec(this.#sql)?.index ?? this.#sql.length) + 1)
  }

  #block(): true {
    const at = this.#at
    const mark = /\/\*M?!\d*/y
    mark.lastIndex = at
    if (this.#syntax.has('conditional') && mark.test(this.#sql)) {
      this.#conditional++
      return this.#to(mark.lastIndex)
    }
    const edge = this.#syntax.has('nested') ? /\/\*|\*\//g : /\*\//g
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
    let hasEscaped = false
    for (let end = sql.indexOf(close, start); end >= 0; end = sql.indexOf(close, end + 1)) {
      const isAfterBackslash = sql.charAt(end - 1) === '\\'
      hasEscaped ||= isAfterBackslash
      if (escapes && isAfterBackslash && isEscaped(sql, start, end)) continue
      if (sql.charAt(end + 1) !== close) {
        // Half of `'it\'s'`
        const isHalf = hasEscaped && isWord(sql.charCodeAt(end + 1))
        if (isHalf && this.#syntax.has('unusual')) break
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
    const isName = first === '#' && this.#syntax.has('temporary')
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

/** White space, a control character, or the end. */
function isBlank(code: number): boolean {
  return !(code > 32) || code === 127
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

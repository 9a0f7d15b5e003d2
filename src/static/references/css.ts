import {
  type CSSToken,
  type TokenAtKeyword,
  type TokenFunction,
  type TokenString,
  TokenType,
  type TokenURL,
  tokenizer,
} from '@csstools/css-tokenizer'
import { LineCounter, type Reference, type Scan, type ScanProblem } from './reference.ts'

/** Functions whose strings are URLs (CSS Images 4, section 2.4; CSS Values 4, section 4.5). */
const imageSets: ReadonlySet<string> = new Set(['image-set', '-webkit-image-set'])

/**
 * The references of a style sheet: `url()`, `src()`, `@import`, the strings of `image-set()`, and
 * the comment that names a source map. Comments, other strings and `url(var(…))` hold none.
 */
export function scanCss(text: string): Scan {
  return new CssScanner(text).scan()
}

class CssScanner {
  readonly #text: string
  readonly #lines: LineCounter
  readonly #references: Reference[] = []
  readonly #problems: ScanProblem[] = []
  /** Where the tokenizer's text begins in the whole text. */
  #base = 0
  #read: () => CSSToken
  /** A token that was looked at, and is still to be taken. */
  #pending: CSSToken | undefined
  #depth = 0
  /** Depths at which an `image-set(` is open. */
  readonly #imageSets: number[] = []
  /** In the condition of `@supports`, which asks for a property and loads nothing. */
  #isAsking = false

  constructor(text: string) {
    this.#text = text
    this.#lines = new LineCounter(text)
    this.#read = this.#tokensFrom(0)
  }

  scan(): Scan {
    for (;;) {
      const token = this.#next()
      if (token[0] === TokenType.EOF) break
      this.#take(token)
    }
    return { references: this.#references, problems: this.#problems }
  }

  #tokensFrom(offset: number): () => CSSToken {
    this.#base = offset
    const css = offset === 0 ? this.#text : this.#text.slice(offset)
    const tokens = tokenizer({ css }, { onParseError: () => {} })
    return () => tokens.nextToken()
  }

  #next(): CSSToken {
    const token = this.#pending ?? this.#read()
    this.#pending = undefined
    return token
  }

  #take(token: CSSToken): void {
    switch (token[0]) {
      case TokenType.URL:
        this.#takeUrl(token)
        break
      case TokenType.Function:
        this.#takeFunction(token)
        break
      case TokenType.AtKeyword:
        this.#takeAtKeyword(token)
        break
      case TokenType.OpenCurly:
        this.#isAsking = false
        break
      case TokenType.Comment:
        this.#takeComment(token)
        break
      case TokenType.String:
        if (this.#imageSets.at(-1) === this.#depth) this.#addString(token)
        break
      case TokenType.OpenParen:
        this.#depth++
        break
      case TokenType.CloseParen:
        this.#close()
        break
      default:
    }
  }

  #close(): void {
    if (this.#imageSets.at(-1) === this.#depth) this.#imageSets.pop()
    if (this.#depth > 0) this.#depth--
  }

  #takeUrl(token: TokenURL): void {
    if (token[1].endsWith(')')) this.#add('css-url', token[2], token[3] + 1, token[4].value)
    else this.#problem(token[2], 'url( has no end: the style sheet is cut off')
  }

  #takeFunction(token: TokenFunction): void {
    const name = token[4].value.toLowerCase()
    this.#depth++
    if (imageSets.has(name)) this.#imageSets.push(this.#depth)
    if (name === 'url' || name === 'src') this.#takeQuotedUrl(token, name)
  }

  /** `url("…")`, or with `src` a string that is replaced alone. */
  #takeQuotedUrl(opening: CSSToken, name: string): void {
    const first = this.#nextThatCounts()
    const isBad = first[0] === TokenType.BadString
    if (isBad || (first[0] === TokenType.String && !isClosed(first[1]))) {
      this.#takeMixedQuotes(opening, first)
      return
    }
    if (first[0] !== TokenType.String) {
      this.#pending = first
      return
    }
    const after = this.#nextThatCounts()
    this.#pending = after
    if (name === 'url' && after[0] === TokenType.CloseParen)
      this.#add('css-url', opening[2], after[3] + 1, first[4].value)
    else this.#addString(first)
  }

  /**
   * `url("x')`: Django takes either quote for the end, browsers the rest of the style sheet. It is
   * mended as Django does, so that names are equal.
   */
  #takeMixedQuotes(opening: CSSToken, string: CSSToken): void {
    const start = this.#base + string[2]
    const other = this.#text[start] === '"' ? "'" : '"'
    this.#problem(opening[2], 'a string in url() has no end')
    // On its line, or nowhere: a style sheet full of such places is looked through once.
    const line = /[^\n\r"']*/y
    line.lastIndex = start + 1
    const [url = ''] = line.exec(this.#text) ?? []
    const end = start + 1 + url.length
    const rest = /^\s*\)/.exec(this.#text.slice(end + 1, end + 100))
    if (this.#text[end] !== other || rest === null) return
    const after = end + 1 + rest[0].length
    this.#add('css-url', opening[2], after - this.#base, url)
    this.#close()
    this.#read = this.#tokensFrom(after)
  }

  #takeAtKeyword(token: TokenAtKeyword): void {
    const name = token[4].value.toLowerCase()
    this.#isAsking = name === 'supports'
    if (name === 'import') this.#takeImport(token)
  }

  #takeImport(keyword: CSSToken): void {
    const blank = this.#next()
    const token = blank[0] === TokenType.Whitespace ? this.#next() : blank
    if (token[0] === TokenType.String && isClosed(token[1])) {
      this.#add('css-import', keyword[2], token[3] + 1, token[4].value)
      return
    }
    // A comment in between has to stay: the string is replaced alone.
    const later = token[0] === TokenType.Comment ? this.#nextThatCounts() : token
    if (later !== token && later[0] === TokenType.String && isClosed(later[1]))
      this.#add('css-url', later[2], later[3] + 1, later[4].value)
    else this.#pending = later
  }

  /** The source map, where it stands alone on its line, as Django wants it. */
  #takeComment(token: CSSToken): void {
    const [, raw, from, to] = token
    if (!/^\/\*#[ \t]sourceMappingURL=/.test(raw) || !raw.endsWith('*/')) return
    const url = raw.slice(raw.indexOf('=') + 1, -2).trimEnd()
    const start = this.#base + from
    const before = start === 0 ? '\n' : this.#text[start - 1]
    const after = this.#text[this.#base + to + 1] ?? '\n'
    if (before !== '\n' || !/[\r\n]/.test(after) || /[\n"']/.test(url)) return
    this.#add('css-map', from, to + 1, url, 'map')
  }

  #nextThatCounts(): CSSToken {
    for (;;) {
      const token = this.#next()
      if (token[0] !== TokenType.Whitespace && token[0] !== TokenType.Comment) return token
    }
  }

  #addString(token: TokenString): void {
    if (isClosed(token[1])) this.#add('css-string', token[2], token[3] + 1, token[4].value)
  }

  #add(
    form: Reference['form'],
    start: number,
    end: number,
    url: string,
    weight: Reference['weight'] = this.#isAsking ? 'optional' : 'required',
  ): void {
    const from = this.#base + start
    const line = this.#lines.lineOf(from)
    this.#references.push({ start: from, end: this.#base + end, url, line, form, weight })
  }

  #problem(start: number, message: string): void {
    this.#problems.push({ line: this.#lines.lineOf(this.#base + start), message })
  }
}

/** A string at the end of the file may have no closing quote; `"abc\"` ends in an escaped one. */
function isClosed(raw: string): boolean {
  const last = raw.length - 1
  if (last < 1 || raw[last] !== raw[0]) return false
  let backslashes = 0
  while (raw[last - 1 - backslashes] === '\\') backslashes++
  return backslashes % 2 === 0
}

import type { Reference } from './reference.ts'

/** Characters of ASCII that the search looks for. */
const code = {
  lineFeed: 0x0a,
  carriageReturn: 0x0d,
  tab: 0x09,
  space: 0x20,
  doubleQuote: 0x22,
  dollar: 0x24,
  singleQuote: 0x27,
  openParen: 0x28,
  star: 0x2a,
  dot: 0x2e,
  slash: 0x2f,
  underscore: 0x5f,
  backtick: 0x60,
  openBrace: 0x7b,
} as const

/** Where a string begins, or a comment in front of one. */
const stringStarts: ReadonlySet<number> = new Set([
  code.doubleQuote,
  code.singleQuote,
  code.backtick,
  code.slash,
])

/**
 * Whether a script may name other files, `import.meta` included: false is certain, true has to be
 * looked at by a lexer. Most of a site's scripts need none, and hardly one of its largest.
 */
export function mayImport(bytes: Buffer): boolean {
  return (
    hasWord(bytes, 'import', end => mayBeImport(bytes, end)) ||
    hasWord(bytes, 'export', end => mayBeReexport(bytes, end)) ||
    hasWord(bytes, 'Worker', end => isCallWithString(bytes, end))
  )
}

const mapWord = 'sourceMappingURL='

/**
 * The comments that name source maps, each at the start of a line; `undefined` if only a lexer can
 * tell whether they stand in code. They do where neither a comment nor a template ends after them.
 */
export function findMapComments(bytes: Buffer): readonly Reference[] | undefined {
  const comments: Reference[] = []
  for (let at = bytes.indexOf(mapWord); at >= 0; at = bytes.indexOf(mapWord, at + 1)) {
    const comment = mapCommentAt(bytes, at)
    if (comment !== undefined) comments.push(comment)
  }
  const [first] = comments
  if (first === undefined) return []
  const mayBeInside = bytes.includes('*/', first.start) || bytes.includes('`', first.start)
  return mayBeInside ? undefined : comments
}

function hasWord(bytes: Buffer, word: string, isMeant: (end: number) => boolean): boolean {
  for (let at = bytes.indexOf(word); at >= 0; at = bytes.indexOf(word, at + 1))
    if (isMeant(at + word.length)) return true
  return false
}

/** `import x from`, `import "x"`, `import("x")`, `import.meta`; no `important` and no `.import`. */
function mayBeImport(bytes: Buffer, end: number): boolean {
  const before = bytes[end - 'import'.length - 1]
  if (isIdentifier(before) || before === code.dot || isIdentifier(bytes[end])) return false
  const next = bytes[afterBlanks(bytes, end)] ?? 0
  if (next === code.openParen) return isCallWithString(bytes, end)
  if (next === code.dot || next === code.openBrace || next === code.star) return true
  return stringStarts.has(next) || isIdentifier(next)
}

/** `export { x } from`, `export * from`; what is declared is exported in other words. */
function mayBeReexport(bytes: Buffer, end: number): boolean {
  const next = bytes[afterBlanks(bytes, end)]
  return next === code.openBrace || next === code.star || next === code.slash
}

function isCallWithString(bytes: Buffer, end: number): boolean {
  const open = afterBlanks(bytes, end)
  if (bytes[open] === code.slash) return true
  return (
    bytes[open] === code.openParen && stringStarts.has(bytes[afterBlanks(bytes, open + 1)] ?? 0)
  )
}

/** `//# sourceMappingURL=…` around its word, as Django wants it: alone on its line. */
function mapCommentAt(bytes: Buffer, word: number): Reference | undefined {
  const start = word - '//# '.length
  const before = start > 0 ? bytes[start - 1] : code.lineFeed
  if (start < 0 || (before !== code.lineFeed && before !== code.carriageReturn)) return undefined
  const opening = bytes.toString('latin1', start, word)
  if (opening !== '//# ' && opening !== '//#\t') return undefined
  const from = word + mapWord.length
  const end = endOfLine(bytes, from)
  const url = bytes.toString('utf8', from, end)
  if (/["']/.test(url)) return undefined
  const line = lineOf(bytes, start)
  return { start, end, url: url.trimEnd(), line, form: 'js-map', weight: 'map' }
}

function endOfLine(bytes: Buffer, from: number): number {
  let end = from
  while (end < bytes.length && bytes[end] !== code.lineFeed && bytes[end] !== code.carriageReturn)
    end++
  return end
}

function lineOf(bytes: Buffer, offset: number): number {
  let line = 1
  for (let at = 0; at < offset; at++) if (bytes[at] === code.lineFeed) line++
  return line
}

function afterBlanks(bytes: Buffer, from: number): number {
  let at = from
  while (isBlank(bytes[at])) at++
  return at
}

function isBlank(byte: number | undefined): boolean {
  return (
    byte === code.space || (byte !== undefined && byte >= code.tab && byte <= code.carriageReturn)
  )
}

/** Letters, digits, `$`, `_`, and everything beyond ASCII. */
function isIdentifier(byte: number | undefined): boolean {
  if (byte === undefined) return false
  if (byte >= 0x80 || byte === code.dollar || byte === code.underscore) return true
  const lower = byte | 0x20
  return (lower >= 0x61 && lower <= 0x7a) || (byte >= 0x30 && byte <= 0x39)
}

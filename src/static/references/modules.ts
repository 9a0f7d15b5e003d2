import { type DynamicImport, type Import, init, parse } from 'es-module-lexer'
import { LineCounter, type Reference, type Scan, type ScanProblem } from './reference.ts'

/** Compiles the lexer; needed once before {@link scanScript}. */
export async function loadScriptLexer(): Promise<void> {
  await init()
}

/**
 * The references of a script: static and dynamic imports of relative and absolute paths,
 * `export … from`, `new URL('…', import.meta.url)`, `import.meta.resolve('…')`, `new Worker('…')`
 * and the comment that names a source map.
 *
 * @param modules false: the source map alone, as Django's default
 */
export function scanScript(text: string, modules: boolean): Scan {
  return new ScriptScanner(text, modules).scan()
}

/** A place that only the lexer can tell from the same text in a string or comment. */
interface Candidate {
  readonly start: number
  readonly kind: 'worker' | 'map'
  readonly url: string
  readonly end: number
}

class ScriptScanner {
  readonly #text: string
  readonly #modules: boolean
  readonly #lines: LineCounter
  readonly #references: Reference[] = []
  readonly #problems: ScanProblem[] = []
  /** By the offset of the `import(` that stands in their place. */
  readonly #candidates = new Map<number, Candidate>()

  constructor(text: string, modules: boolean) {
    this.#text = text
    this.#modules = modules
    this.#lines = new LineCounter(text)
  }

  scan(): Scan {
    const marked = this.#markCandidates()
    if (!this.#modules && this.#candidates.size === 0) return this.#result()
    try {
      for (const found of parse(marked)[0]) this.#take(found)
    } catch (error) {
      const at = error instanceof Error && 'idx' in error ? Number(error.idx) : 0
      const line = this.#lines.lineOf(Number.isFinite(at) ? at : 0)
      const message = 'the script does not parse, and was left as it is'
      return { references: [], problems: [{ line, message }] }
    }
    return this.#result()
  }

  #result(): Scan {
    const references = this.#references.sort((a, b) => a.start - b.start)
    return { references, problems: this.#problems }
  }

  /**
   * The text with `import(` at each candidate, in the same number of characters: the lexer reports
   * those that stand in code, and skips those in strings, templates and comments.
   */
  #markCandidates(): string {
    const pieces: string[] = []
    let from = 0
    for (const { start, text, offset, candidate } of this.#findCandidates()) {
      if (start < from) continue
      this.#candidates.set(start + offset, candidate)
      pieces.push(this.#text.slice(from, start), text)
      from = start + text.length
    }
    if (from === 0) return this.#text
    pieces.push(this.#text.slice(from))
    return pieces.join('')
  }

  #findCandidates(): readonly {
    readonly start: number
    readonly text: string
    readonly offset: number
    readonly candidate: Candidate
  }[] {
    const found = []
    for (const match of this.#text.matchAll(/^\/\/#[ \t]sourceMappingURL=([^\n\r"']*)$/gm)) {
      const [whole, url = ''] = match
      const candidate = {
        start: match.index,
        end: match.index + whole.length,
        kind: 'map',
        url: url.trimEnd(),
      } as const
      // `;import("")` is shorter than every such comment.
      found.push({
        start: match.index,
        text: ';import("")'.padEnd(whole.length),
        offset: 1,
        candidate,
      })
    }
    if (!this.#modules) return found
    for (const match of this.#text.matchAll(/\bnew\s+(?:Shared)?Worker\s*\(/g)) {
      const [whole] = match
      const candidate = { start: match.index, end: 0, kind: 'worker', url: '' } as const
      const offset = whole.length - 'import('.length
      found.push({ start: match.index, text: 'import('.padStart(whole.length), offset, candidate })
    }
    return found.sort((a, b) => a.start - b.start)
  }

  #take(found: Import): void {
    const candidate = this.#candidates.get(found.importStart)
    if (candidate?.kind === 'map')
      this.#add('js-map', candidate.start, candidate.end, candidate.url, 'map')
    else if (!this.#modules) return
    else if (found.type === 'import-meta') this.#takeMeta(found.start)
    else if (found.type === 'dynamic') this.#takeDynamic(found, candidate !== undefined)
    else if (isPath(found.specifier) && !found.typeOnly)
      this.#add('js-string', found.start, found.end, found.specifier)
  }

  #takeDynamic(found: DynamicImport, worker: boolean): void {
    const { start, end, specifier } = found
    if (specifier === undefined || !isPath(specifier)) return
    // A worker's path is relative to the page: it is meant only if such a file is there.
    if (!found.glob)
      this.#add('js-literal', start, end, specifier, worker ? 'optional' : 'required')
    else this.#problem(start, runTime(this.#text.slice(start, end)))
  }

  /** `new URL('…', import.meta.url)` and `import.meta.resolve('…')`, where it stands in code. */
  #takeMeta(start: number): void {
    const resolved = /^import\.meta\.resolve\(\s*("[^"\\\n]*"|'[^'\\\n]*')\s*\)/.exec(
      this.#text.slice(start, start + 2_048),
    )
    const specifier = resolved?.[1]
    if (specifier !== undefined && isPath(specifier.slice(1, -1))) {
      const from = start + (resolved?.[0].indexOf(specifier) ?? 0)
      this.#add('js-url', from, from + specifier.length, specifier.slice(1, -1))
      return
    }
    const before = this.#text.slice(Math.max(0, start - 2_048), start)
    const opening = /\bnew\s+URL\s*\(\s*("[^"\\\n]*"|'[^'\\\n]*'|`[^`\\]*`)\s*,\s*$/.exec(before)
    const literal = opening?.[1]
    if (opening === null || literal === undefined) return
    if (!/^import\.meta\.url\s*,?\s*\)/.test(this.#text.slice(start, start + 200))) return
    const from = start - before.length + opening.index + opening[0].indexOf(literal)
    if (literal.startsWith('`') && literal.includes('${')) this.#problem(from, runTime(literal))
    else this.#add('js-url', from, from + literal.length, literal.slice(1, -1))
  }

  #add(
    form: Reference['form'],
    start: number,
    end: number,
    url: string,
    weight: Reference['weight'] = 'required',
  ): void {
    this.#references.push({ start, end, url, line: this.#lines.lineOf(start), form, weight })
  }

  #problem(start: number, message: string): void {
    this.#problems.push({ line: this.#lines.lineOf(start), message })
  }
}

function runTime(literal: string): string {
  const shown = literal.length > 80 ? `${literal.slice(0, 80)}…` : literal
  return `${shown} is put together at run time, and was left as it is`
}

/** Other specifiers name packages or other hosts. */
function isPath(specifier: string): boolean {
  return /^\.{0,2}\//.test(specifier)
}

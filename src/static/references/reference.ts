/**
 * A place in a file that names another file. Offsets count the characters of the text that was
 * scanned; those of a whole file are turned into bytes by {@link inBytes}.
 */
export interface Reference {
  /** What is replaced if the reference is rewritten. */
  readonly start: number
  readonly end: number
  /** The URL as it is meant: without quotes, escapes undone. */
  readonly url: string
  readonly line: number
  readonly form: ReferenceForm
  /** Source maps are no part of a site: a missing one only warns. Others may be no files at all. */
  readonly weight: 'required' | 'map' | 'optional'
}

/** How the new URL is written into the text. */
export type ReferenceForm =
  | 'css-url'
  | 'css-import'
  | 'css-string'
  | 'css-map'
  | 'js-string'
  | 'js-literal'
  | 'js-url'
  | 'js-map'
  | 'attribute'
  | 'text'
  | 'encoded-text'
  | 'json-string'

/** What a tokenizer found in a file. */
export interface Scan {
  /** In their order, none overlapping. */
  readonly references: readonly Reference[]
  /** What could not be understood, and was left as it is. */
  readonly problems: readonly ScanProblem[]
}

export interface ScanProblem {
  readonly line: number
  readonly message: string
}

/** What was found in the text of a file, with offsets that count the bytes of its UTF-8. */
export function inBytes(text: string, byteLength: number, scan: Scan): Scan {
  // ASCII: it is the same.
  if (text.length === byteLength) return scan
  let at = 0
  let bytes = 0
  const byteAt = (offset: number): number => {
    bytes += Buffer.byteLength(text.slice(at, offset))
    at = offset
    return bytes
  }
  const references = scan.references.map(reference => {
    const start = byteAt(reference.start)
    return { ...reference, start, end: byteAt(reference.end) }
  })
  return { ...scan, references }
}

/** Counts lines forward, so that a file is counted through once, however many places are asked for. */
export class LineCounter {
  readonly #text: string
  #line = 1
  /** Bounds of the line that was counted last: one of a million characters is looked through once. */
  #start = 0
  #end: number

  constructor(text: string) {
    this.#text = text
    this.#end = this.#endOf(0)
  }

  /** The line of an offset, from 1 on. Offsets in lines before the last one are counted from the start. */
  lineOf(offset: number): number {
    if (offset < this.#start) {
      this.#line = 1
      this.#start = 0
      this.#end = this.#endOf(0)
    }
    while (offset > this.#end) {
      this.#line++
      this.#start = this.#end + 1
      this.#end = this.#endOf(this.#start)
    }
    return this.#line
  }

  #endOf(start: number): number {
    const end = this.#text.indexOf('\n', start)
    return end < 0 ? this.#text.length : end
  }
}

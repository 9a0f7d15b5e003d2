/** A place in a file that names another file. Offsets count UTF-16 units. */
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
  | 'js-map'
  | 'attribute'
  | 'text'
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

/** Counts lines forward, so that a file is counted through once. */
export class LineCounter {
  readonly #text: string
  #line = 1
  #at = 0

  constructor(text: string) {
    this.#text = text
  }

  /** The line of an offset, from 1 on. Offsets that go back are counted from the start. */
  lineOf(offset: number): number {
    if (offset < this.#at) {
      this.#line = 1
      this.#at = 0
    }
    for (;;) {
      const end = this.#text.indexOf('\n', this.#at)
      if (end < 0 || end >= offset) return this.#line
      this.#line++
      this.#at = end + 1
    }
  }
}

import { QuoteType, Tokenizer } from 'htmlparser2'
import { scanCss } from './css.ts'
import { LineCounter, type Reference, type Scan, type ScanProblem } from './reference.ts'

/** Attributes that hold a URL, by element (HTML Standard, "Attributes"; `*` is any element). */
const urlAttributes: Readonly<Record<string, readonly string[]>> = {
  src: ['audio', 'embed', 'img', 'input', 'script', 'source', 'track', 'video'],
  href: ['link', 'image', 'use', 'feimage', 'pattern', 'lineargradient', 'radialgradient'],
  'xlink:href': ['image', 'use', 'feimage', 'pattern', 'lineargradient', 'radialgradient'],
  poster: ['video'],
  data: ['object'],
}
/** Lists of URLs with descriptors. */
const srcsetAttributes: Readonly<Record<string, readonly string[]>> = {
  srcset: ['img', 'source'],
  imagesrcset: ['link'],
}
/** What a `link` leads to rather than loads is no file of the site's build. */
const followedRelations = /\b(canonical|alternate|next|prev|author|license|search|help)\b/i

/** A value between its quotes, in which nothing was decoded: offsets are the text's own. */
interface Attribute {
  readonly name: string
  readonly start: number
  readonly end: number
  readonly value: string
}

/**
 * The references of a page (`html`) or a drawing (`svg`): attributes that load something,
 * `srcset`, style sheets in `<style>` and `style="…"`.
 */
export function scanMarkup(text: string, kind: 'html' | 'svg'): Scan {
  return new MarkupScanner(text, kind).scan()
}

class MarkupScanner {
  readonly #text: string
  readonly #kind: 'html' | 'svg'
  readonly #lines: LineCounter
  readonly #references: Reference[] = []
  readonly #problems: ScanProblem[] = []
  #tag = ''
  #open = ''
  #attribute = ''
  #valueStart = -1
  #valueEnd = -1
  #attributes: Attribute[] = []
  /** Whether relative URLs lead to where a `<base>` says, and not to the page's folder. */
  #isBased = false

  constructor(text: string, kind: 'html' | 'svg') {
    this.#text = text
    this.#kind = kind
    this.#lines = new LineCounter(text)
  }

  scan(): Scan {
    const tokens = new Tokenizer(
      { xmlMode: this.#kind === 'svg', decodeEntities: false, recognizeSelfClosing: true },
      this.#callbacks(),
    )
    tokens.write(this.#text)
    tokens.end()
    const references = this.#references
      .filter(({ url }) => !this.#isBased || url.startsWith('/'))
      .sort((a, b) => a.start - b.start)
    return { references, problems: this.#problems }
  }

  #callbacks(): ConstructorParameters<typeof Tokenizer>[1] {
    const nothing = (): void => {}
    return {
      onopentagname: (start, end) => {
        this.#tag = this.#text.slice(start, end).toLowerCase()
        this.#attributes = []
      },
      onattribname: (start, end) => {
        this.#attribute = this.#text.slice(start, end).toLowerCase()
        this.#valueStart = -1
      },
      onattribdata: (start, end) => {
        if (this.#valueStart < 0) this.#valueStart = start
        this.#valueEnd = end
      },
      onattribend: quote => this.#endAttribute(quote),
      onopentagend: () => this.#endTag(this.#tag),
      onselfclosingtag: () => this.#endTag(''),
      onclosetag: () => {
        this.#open = ''
      },
      ontext: (start, end) => {
        // In a drawing text is written with entities, in a page that of a style sheet is not.
        if (this.#open === 'style') this.#addCss(start, end, this.#kind === 'svg')
      },
      oncdata: (start, end, offset) => {
        if (this.#open === 'style') this.#addCss(start, end - offset, false)
      },
      onattribentity: nothing,
      oncomment: nothing,
      ondeclaration: nothing,
      onend: nothing,
      onprocessinginstruction: nothing,
      ontextentity: nothing,
    }
  }

  #endAttribute(quote: QuoteType): void {
    if (quote === QuoteType.NoValue || this.#valueStart < 0) return
    const start = this.#valueStart
    const end = this.#valueEnd
    this.#attributes.push({
      name: this.#attribute,
      start,
      end,
      value: this.#text.slice(start, end),
    })
  }

  #endTag(open: string): void {
    this.#open = open
    const relation = this.#attributes.find(({ name }) => name === 'rel')?.value ?? ''
    const followed = this.#tag === 'link' && followedRelations.test(relation)
    if (this.#tag === 'base' && this.#attributes.some(({ name }) => name === 'href'))
      this.#isBased = true
    for (const attribute of followed ? [] : this.#attributes) this.#takeAttribute(attribute)
  }

  #takeAttribute(attribute: Attribute): void {
    const { name, start, end, value } = attribute
    if (name === 'style') this.#addCss(start, end, true)
    else if (urlAttributes[name]?.includes(this.#tag)) this.#addTrimmed(start, value)
    else if (srcsetAttributes[name]?.includes(this.#tag)) this.#addSrcset(start, value)
  }

  #addTrimmed(start: number, value: string): void {
    const blank = value.length - value.trimStart().length
    this.#add(start + blank, value.trim())
  }

  /** Candidates of a `srcset`: a URL without blanks, descriptors, a comma (HTML Standard). */
  #addSrcset(start: number, value: string): void {
    let at = 0
    while (at < value.length) {
      if (/[\s,]/.test(value[at] ?? '')) {
        at++
        continue
      }
      const blank = value.slice(at).search(/\s/)
      const end = blank < 0 ? value.length : at + blank
      const url = value.slice(at, end)
      const commas = url.endsWith(',')
      this.#add(start + at, commas ? withoutCommas(url) : url)
      const next = commas ? end : value.indexOf(',', end)
      at = next < 0 ? value.length : next + 1
    }
  }

  #add(start: number, raw: string): void {
    const url = new EncodedText(raw).text
    const line = this.#lines.lineOf(start)
    if (url === '' || anEntity.test(url)) return
    this.#references.push({
      start,
      end: start + raw.length,
      url,
      line,
      form: 'attribute',
      weight: 'required',
    })
  }

  #addCss(start: number, end: number, encoded: boolean): void {
    const raw = this.#text.slice(start, end)
    const css = encoded ? new EncodedText(raw) : { text: raw, offsetOf: (at: number) => at }
    const { references, problems } = scanCss(css.text)
    const line = this.#lines.lineOf(start) - 1
    for (const reference of references) {
      if (reference.form === 'css-map') continue
      // The URL alone, where it is written without escapes: new quotes would end the attribute.
      const inner = startOfUrl(css.text, reference)
      if (inner === undefined) continue
      this.#references.push({
        ...reference,
        form: encoded ? 'encoded-text' : 'text',
        start: start + css.offsetOf(inner),
        end: start + css.offsetOf(inner + reference.url.length),
        line: line + reference.line,
      })
    }
    for (const problem of problems) this.#problems.push({ ...problem, line: line + problem.line })
  }
}

/** Where a reference of a style sheet has its URL; `undefined` if that is written with escapes. */
function startOfUrl(css: string, { start, end, url }: Reference): number | undefined {
  const opening = /^[^"'(]*(?:\(\s*)?["']?/.exec(css.slice(start, end))?.[0] ?? ''
  const inner = start + opening.length
  return css.startsWith(url, inner) ? inner : undefined
}

function withoutCommas(url: string): string {
  let end = url.length
  while (url[end - 1] === ',') end--
  return url.slice(0, end)
}

/** An entity that {@link EncodedText} does not know: what holds one is left alone. */
const anEntity = /&[a-z][a-z0-9]*;/i
const entities: Readonly<Record<string, string>> = {
  amp: '&',
  quot: '"',
  apos: "'",
  lt: '<',
  gt: '>',
}

/** Text that is written with entities: those of the five characters that mean something, and numbers. */
class EncodedText {
  readonly text: string
  /** Where an entity's character stands in the text, and how much is written more up to there. */
  readonly #entities: { readonly at: number; readonly excess: number }[] = []

  constructor(raw: string) {
    let excess = 0
    this.text = raw.replaceAll(
      /&(?:#x([0-9a-f]{1,6})|#(\d{1,7})|(amp|quot|apos|lt|gt));/gi,
      (
        entity,
        hex: string | undefined,
        decimal: string | undefined,
        name: string,
        from: number,
      ) => {
        const char =
          entities[name?.toLowerCase()] ??
          characterOf(hex === undefined ? Number(decimal) : Number.parseInt(hex, 16))
        const at = from - excess
        excess += entity.length - char.length
        this.#entities.push({ at, excess })
        return char
      },
    )
  }

  /** Where a character of the text stands in what was written. */
  offsetOf(at: number): number {
    let low = 0
    let high = this.#entities.length
    while (low < high) {
      const middle = (low + high) >> 1
      if ((this.#entities[middle]?.at ?? at) < at) low = middle + 1
      else high = middle
    }
    return at + (this.#entities[low - 1]?.excess ?? 0)
  }
}

function characterOf(code: number): string {
  return code <= 0x10ffff ? String.fromCodePoint(code) : '\ufffd'
}

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
    const references = this.#references.sort((a, b) => a.start - b.start)
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
        if (this.#open === 'style') this.#addCss(start, end)
      },
      oncdata: (start, end, offset) => {
        if (this.#open === 'style') this.#addCss(start, end - offset)
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
    for (const attribute of followed ? [] : this.#attributes) this.#takeAttribute(attribute)
  }

  #takeAttribute(attribute: Attribute): void {
    const { name, start, end, value } = attribute
    if (name === 'style') this.#addCss(start, end)
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
    const url = decodeAmpersands(raw)
    const line = this.#lines.lineOf(start)
    if (url === '') return
    if (url.includes('&') && /&[a-z#][a-z0-9]*;/i.test(url)) return
    this.#references.push({
      start,
      end: start + raw.length,
      url,
      line,
      form: 'attribute',
      weight: 'required',
    })
  }

  #addCss(start: number, end: number): void {
    const { references, problems } = scanCss(this.#text.slice(start, end))
    const line = this.#lines.lineOf(start) - 1
    for (const reference of references) {
      if (reference.form === 'css-map') continue
      const { url } = reference
      const from = start + reference.start
      // The URL alone, where it is written without escapes: new quotes would end the attribute.
      const inner = this.#text.slice(from, start + reference.end).indexOf(url)
      if (inner < 0) continue
      this.#references.push({
        ...reference,
        form: 'text',
        start: from + inner,
        end: from + inner + url.length,
        line: line + reference.line,
      })
    }
    for (const problem of problems) this.#problems.push({ ...problem, line: line + problem.line })
  }
}

function withoutCommas(url: string): string {
  let end = url.length
  while (url[end - 1] === ',') end--
  return url.slice(0, end)
}

/** The one entity that URLs are full of. Others are left alone, and so is what holds them. */
function decodeAmpersands(text: string): string {
  return text.replaceAll(/&amp;|&#38;|&#x26;/gi, '&')
}

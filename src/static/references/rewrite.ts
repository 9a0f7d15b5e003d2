import type { Reference, ReferenceForm } from './reference.ts'

/**
 * A file's bytes with other URLs in the place of some references, whose offsets count bytes.
 *
 * @returns bytes of their own, also if nothing is replaced
 */
export function rewriteReferences(
  bytes: Uint8Array,
  references: readonly Reference[],
  urlOf: (reference: Reference) => string | undefined,
): Uint8Array {
  const pieces: Uint8Array[] = []
  let from = 0
  for (const reference of references) {
    const url = urlOf(reference)
    if (url === undefined) continue
    const written = writeUrl[reference.form](
      url,
      charAt(bytes, reference.start),
      charAt(bytes, reference.start - 1),
    )
    pieces.push(bytes.subarray(from, reference.start), Buffer.from(written, 'utf8'))
    from = reference.end
  }
  pieces.push(bytes.subarray(from))
  return Buffer.concat(pieces)
}

/** What is asked for is a quote, or nothing of interest. */
function charAt(bytes: Uint8Array, at: number): string {
  return String.fromCharCode(bytes[at] ?? 0)
}

/** First and previous character tell the quotes that stand there. */
type Writer = (url: string, first: string, before: string) => string

/** The forms of Django's templates, so that hashed names are the same. */
const writeUrl: Readonly<Record<ReferenceForm, Writer>> = {
  'css-url': url => `url(${cssString(url)})`,
  'css-import': url => `@import url(${cssString(url)})`,
  'css-string': url => cssString(url),
  'css-map': url => `/*# sourceMappingURL=${withoutBlanks(url)} */`,
  'js-string': (url, _first, before) => scriptText(url, before),
  'js-literal': inQuotes,
  'js-url': inQuotes,
  'js-map': url => `//# sourceMappingURL=${withoutBlanks(url)}`,
  attribute: url => withoutBlanks(url).replaceAll(/[&"'<>]/g, char => `&#${char.charCodeAt(0)};`),
  text: cssInMarkup,
  'encoded-text': url => cssInMarkup(url).replaceAll('&', '&amp;'),
  'json-string': url => JSON.stringify(url),
}

/** A blank ends the URL of a source map, and one in a `srcset`, however it is written. */
function withoutBlanks(url: string): string {
  return url.replaceAll(/\s/g, encodeURIComponent)
}

function inQuotes(url: string, quote: string): string {
  return quote + scriptText(url, quote) + quote
}

/** CSS Syntax 3, section 4.3.5: a quote, a backslash and a line end have to be escaped. */
function cssString(text: string): string {
  const escaped = text.replaceAll(/["\\]/g, char => `\\${char}`)
  return `"${escaped.replaceAll(/[\n\r\f]/g, char => `\\${char.charCodeAt(0).toString(16)} `)}"`
}

/** In a style sheet inside of markup both languages would have to be escaped: neither is. */
function cssInMarkup(url: string): string {
  return url.replaceAll(
    /[\s"'()<>\\]/g,
    char => `%${char.charCodeAt(0).toString(16).padStart(2, '0')}`,
  )
}

function scriptText(text: string, quote: string): string {
  const escaped = text.replaceAll('\\', '\\\\').replaceAll(quote, `\\${quote}`)
  const whole = quote === '`' ? escaped.replaceAll('${', '\\${') : escaped
  return whole.replaceAll('\n', '\\n').replaceAll('\r', '\\r')
}

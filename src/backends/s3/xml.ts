import { IntegrityError } from '../../core/errors.ts'

/** Largest nesting; S3's answers need five. */
const maxDepth = 64
/** Longest document in UTF-16 units, and with it the sum of its texts. */
const maxLength = 64 * 1024 * 1024

export type XmlToken = 'open' | 'text' | 'close' | 'end'

/**
 * Reads an XML 1.0 document (https://www.w3.org/TR/xml/) of the kind that S3 answers, token by
 * token: elements, text, CDATA, the five entities and character references. Comments, processing
 * instructions and attributes are checked and passed over, prefixes of names are dropped. A
 * DOCTYPE is refused: nothing is expanded, nothing is fetched.
 *
 * Character references to control characters are beyond XML 1.0, but S3 writes them for keys that
 * hold such characters; they are read.
 *
 * The constructor and all methods throw IntegrityError for what is not well-formed, nested more
 * than 64 deep or longer than 64 Mi characters.
 */
export class XmlReader {
  /** Local name of the element that the last `open` or `close` was about. */
  name = ''
  /** The last text, references resolved. A comment or CDATA within splits a text. */
  text = ''
  readonly #xml: string
  readonly #open: string[] = []
  #at = 0
  #rootSeen = false
  /** After `<a/>`, whose `close` comes next. */
  #closing = false

  constructor(xml: string) {
    if (xml.length > maxLength) throw malformed('it is too long')
    this.#xml = normalizeLineEnds(xml.charCodeAt(0) === byteOrderMark ? xml.slice(1) : xml)
    checkCharacters(this.#xml)
    if (/^<\?xml[\s?]/.test(this.#xml)) this.#readXmlDeclaration()
  }

  /** How many elements are open. */
  get depth(): number {
    return this.#open.length
  }

  /** The next token; `end` once, after the root element was closed. */
  next(): XmlToken {
    if (this.#closing) return this.#close()
    for (;;) {
      if (this.#at >= this.#xml.length) return this.#end()
      if (this.#xml.charCodeAt(this.#at) !== lessThan) {
        if (this.#readText()) return 'text'
        continue
      }
      const next = this.#xml.charCodeAt(this.#at + 1)
      if (next === slash) return this.#readClosingTag()
      if (next === questionMark) this.#readInstruction()
      else if (next !== exclamationMark) return this.#readOpeningTag()
      else if (this.#readDeclaration()) return 'text'
    }
  }

  /** Opens the root element and gives its name. */
  root(): string {
    while (this.next() !== 'open') if (this.#rootSeen) throw malformed('it has two root elements')
    return this.name
  }

  /** Calls `visit` for each element in the open one, up to its end; what is not read is skipped. */
  eachChild(visit: (name: string) => void): void {
    const { depth } = this
    for (;;) {
      const token = this.next()
      if (token === 'close') return
      if (token !== 'open') continue
      visit(this.name)
      while (this.depth > depth) this.next()
    }
  }

  /**
   * Passes over what `shape` (sticky) matches here and gives its groups; nothing if the document
   * goes on otherwise. Only for shapes of whole elements with plain text, which reading token by
   * token would take for the same.
   */
  take(shape: RegExp): RegExpExecArray | undefined {
    if (this.#closing) return undefined
    shape.lastIndex = this.#at
    const match = shape.exec(this.#xml)
    if (match === null) return undefined
    this.#at = shape.lastIndex
    return match
  }

  /** The text of the open element, up to its end, without that of elements in it. */
  content(): string {
    const { depth } = this
    let text = ''
    for (;;) {
      const token = this.next()
      if (token === 'close') return text
      if (token === 'text') text = text === '' ? this.text : text + this.text
      else while (this.depth > depth) this.next()
    }
  }

  /** The contents of the elements in the open one by their names; the first of each name counts. */
  fields(): Map<string, string> {
    const fields = new Map<string, string>()
    this.eachChild(name => {
      if (!fields.has(name)) fields.set(name, this.content())
    })
    return fields
  }

  #readText(): boolean {
    const next = this.#xml.indexOf('<', this.#at)
    const raw = this.#xml.slice(this.#at, next === -1 ? this.#xml.length : next)
    this.#at += raw.length
    if (this.#open.length === 0) {
      if (/[^ \t\n]/.test(raw)) throw malformed('there is text outside its root element')
      return false
    }
    if (raw.includes(']]>')) throw malformed('"]]>" stands in text')
    this.text = resolveReferences(raw)
    return true
  }

  /** Whether it was text. */
  #readDeclaration(): boolean {
    if (this.#xml.startsWith('<!--', this.#at)) {
      this.#readComment()
      return false
    }
    if (!this.#xml.startsWith('<![CDATA[', this.#at))
      throw malformed('it has a DOCTYPE or another declaration')
    if (this.#open.length === 0) throw malformed('there is text outside its root element')
    const start = this.#at + '<![CDATA['.length
    const end = this.#find(']]>', start)
    this.text = this.#xml.slice(start, end)
    this.#at = end + ']]>'.length
    return true
  }

  #readComment(): void {
    const end = this.#find('--', this.#at + '<!--'.length)
    if (this.#xml.charCodeAt(end + 2) !== greaterThan) throw malformed('"--" stands in a comment')
    this.#at = end + '-->'.length
  }

  #readInstruction(): void {
    const end = this.#find('?>', this.#at + 2)
    namePattern.lastIndex = this.#at + 2
    const target = namePattern.exec(this.#xml)?.[0]
    if (target === undefined) throw malformed('a processing instruction has no name')
    if (/^xml$/i.test(target)) throw malformed('an XML declaration stands where none may')
    const after = this.#at + 2 + target.length
    if (after !== end && !isSpace(this.#xml.charCodeAt(after)))
      throw malformed('a processing instruction is wrong')
    this.#at = end + 2
  }

  #readXmlDeclaration(): void {
    const end = this.#find('?>', 0)
    const match = xmlDeclaration.exec(this.#xml.slice(0, end + 2))
    if (match === null) throw malformed('its XML declaration is wrong')
    const encoding = match[3] ?? 'UTF-8'
    // The bytes were decoded as UTF-8; those of another encoding would give other characters.
    if (!/^utf-?8$/i.test(encoding) && /[^\u0000-\u007f]/.test(this.#xml))
      throw malformed('it is not written in UTF-8')
    this.#at = end + 2
  }

  #readOpeningTag(): 'open' {
    if (this.#rootSeen && this.#open.length === 0) throw malformed('it has two root elements')
    if (this.#open.length >= maxDepth) throw malformed('it is nested too deeply')
    this.#rootSeen = true
    const start = this.#at + 1
    const end = this.#endOfName(start)
    const name = this.#xml.slice(start, end)
    if (this.#xml.charCodeAt(end) === greaterThan) this.#at = end + 1
    else this.#readAttributes(end)
    this.#open.push(name)
    this.name = localName(name)
    return 'open'
  }

  /** The usual names by their characters, any other by the grammar. */
  #endOfName(start: number): number {
    let end = start
    while (isLetter(this.#xml.charCodeAt(end))) end++
    const stop = this.#xml.charCodeAt(end)
    if (end > start && (stop === greaterThan || stop === slash || isSpace(stop))) return end
    namePattern.lastIndex = start
    const name = namePattern.exec(this.#xml)?.[0]
    if (name === undefined) throw malformed('a tag is not well-formed')
    return start + name.length
  }

  #readAttributes(start: number): void {
    restOfTag.lastIndex = start
    const match = restOfTag.exec(this.#xml)
    if (match === null) throw malformed('a tag is not well-formed')
    const [rest, attributes = '', end] = match
    if (attributes !== '') checkAttributes(attributes)
    this.#closing = end === '/'
    this.#at = start + rest.length
  }

  #readClosingTag(): 'close' {
    const name = this.#open.at(-1)
    const start = this.#at + 2
    if (name === undefined || !this.#xml.startsWith(name, start))
      throw malformed('its tags do not match')
    let end = start + name.length
    while (isSpace(this.#xml.charCodeAt(end))) end++
    if (this.#xml.charCodeAt(end) !== greaterThan) throw malformed('its tags do not match')
    this.#at = end + 1
    return this.#close()
  }

  #close(): 'close' {
    this.#closing = false
    this.name = localName(this.#open.pop() ?? '')
    return 'close'
  }

  #end(): 'end' {
    if (this.#open.length > 0 || !this.#rootSeen) throw malformed('it ends too early')
    return 'end'
  }

  #find(text: string, from: number): number {
    const found = this.#xml.indexOf(text, from)
    if (found === -1) throw malformed('it ends too early')
    return found
  }
}

const byteOrderMark = 0xfeff
const lessThan = 0x3c
const greaterThan = 0x3e
const slash = 0x2f
const questionMark = 0x3f
const exclamationMark = 0x21

/** Carriage returns were normalised away. */
function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x0a || code === 0x09
}

function isLetter(code: number): boolean {
  return (code >= 0x61 && code <= 0x7a) || (code >= 0x41 && code <= 0x5a)
}

const nameStart =
  ':A-Z_a-z\\u00c0-\\u00d6\\u00d8-\\u00f6\\u00f8-\\u02ff\\u0370-\\u037d\\u037f-\\u1fff\\u200c\\u200d\\u2070-\\u218f\\u2c00-\\u2fef\\u3001-\\ud7ff\\uf900-\\ufdcf\\ufdf0-\\ufffd\\u{10000}-\\u{effff}'
const name = `[${nameStart}][${nameStart}.0-9\\u00b7\\u0300-\\u036f\\u203f\\u2040-]*`
const attribute = `(${name})[ \\t\\n]*=[ \\t\\n]*("[^"<]*"|'[^'<]*')`
const namePattern = new RegExp(name, 'uy')
const attributePattern = new RegExp(attribute, 'gu')
const restOfTag = new RegExp(
  `((?:[ \\t\\n]+${attribute.replaceAll(/\((?!\?)/g, '(?:')})*)[ \\t\\n]*(/?)>`,
  'uy',
)
const xmlDeclaration =
  /^<\?xml[ \t\n]+version[ \t\n]*=[ \t\n]*(["'])1\.[0-9]+\1(?:[ \t\n]+encoding[ \t\n]*=[ \t\n]*(["'])([A-Za-z][\w.-]*)\2)?(?:[ \t\n]+standalone[ \t\n]*=[ \t\n]*(["'])(?:yes|no)\4)?[ \t\n]*\?>$/

/** An element's attributes carry nothing that we need, but must be well-formed. */
function checkAttributes(attributes: string): void {
  const seen = new Set<string>()
  for (const [, attributeName = '', value = ''] of attributes.matchAll(attributePattern)) {
    if (seen.has(attributeName)) throw malformed('an attribute stands twice')
    seen.add(attributeName)
    resolveReferences(value)
  }
}

function localName(qualified: string): string {
  const colon = qualified.indexOf(':')
  return colon === -1 ? qualified : qualified.slice(colon + 1)
}

/** XML 1.0, section 2.11. */
function normalizeLineEnds(xml: string): string {
  return xml.includes('\r') ? xml.replaceAll(/\r\n?/g, '\n') : xml
}

/** Control characters, lone surrogates and U+FFFE/F are no characters of XML 1.0 (section 2.2). */
function checkCharacters(xml: string): void {
  if (/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/.test(xml) || !xml.isWellFormed())
    throw malformed('it holds a character that XML cannot have')
}

function resolveReferences(raw: string): string {
  let ampersand = raw.indexOf('&')
  if (ampersand === -1) return raw
  let text = ''
  let at = 0
  while (ampersand !== -1) {
    const end = raw.indexOf(';', ampersand)
    if (end === -1) throw malformed('"&" stands alone')
    text += raw.slice(at, ampersand) + resolve(raw.slice(ampersand + 1, end))
    at = end + 1
    ampersand = raw.indexOf('&', at)
  }
  return text + raw.slice(at)
}

function resolve(reference: string): string {
  switch (reference) {
    case 'quot':
      return '"'
    case 'amp':
      return '&'
    case 'lt':
      return '<'
    case 'gt':
      return '>'
    case 'apos':
      return "'"
    default:
      return character(reference)
  }
}

function character(reference: string): string {
  const match = /^#(?:x([0-9a-fA-F]+)|([0-9]+))$/.exec(reference)
  if (match === null) throw malformed('it has an unknown entity')
  const code = match[1] === undefined ? Number(match[2]) : Number.parseInt(match[1], 16)
  if (code === 0 || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
    throw malformed('it refers to no character')
  return String.fromCodePoint(code)
}

function malformed(reason: string): IntegrityError {
  return new IntegrityError(`The service sent a document that is no well-formed XML: ${reason}.`)
}

import { IntegrityError } from '../../core/errors.ts'

/** Largest nesting; S3's answers need five. */
const maxDepth = 64
/** Longest document in UTF-16 units. */
const maxLength = 64 * 1024 * 1024

/** What a document consists of, in its order. Text between two tags is one token. */
export interface XmlHandler {
  /** `name` without its namespace prefix. */
  open(name: string, depth: number): void
  text(text: string): void
  close(name: string, depth: number): void
}

/**
 * Reads an XML 1.0 document (https://www.w3.org/TR/xml/) as S3's answers are: elements, text,
 * CDATA, comments, processing instructions, the five entities and character references. Attributes
 * are checked and passed over. A DOCTYPE is refused: nothing is expanded, nothing is fetched.
 *
 * @throws IntegrityError for what is not well-formed, nested too deeply or too long
 */
export function readXml(xml: string, handler: XmlHandler): void {
  if (xml.length > maxLength) throw malformed('it is too long')
  new XmlReader(xml, handler).read()
}

class XmlReader {
  readonly #xml: string
  readonly #handler: XmlHandler
  readonly #open: string[] = []
  #at = 0
  #rootSeen = false

  constructor(xml: string, handler: XmlHandler) {
    // A byte order mark is no part of the document.
    this.#xml = xml.startsWith('\ufeff') ? xml.slice(1) : xml
    this.#handler = handler
  }

  read(): void {
    if (/^<\?xml[\s?]/.test(this.#xml)) this.#readInstruction()
    while (this.#at < this.#xml.length) {
      const tag = this.#xml.indexOf('<', this.#at)
      const end = tag === -1 ? this.#xml.length : tag
      if (end > this.#at) this.#readText(this.#xml.slice(this.#at, end))
      this.#at = end
      if (tag !== -1) this.#readMarkup()
    }
    if (this.#open.length > 0 || !this.#rootSeen) throw malformed('it ends too early')
  }

  #readText(raw: string): void {
    if (this.#open.length === 0) {
      if (/[^ \t\r\n]/.test(raw)) throw malformed('there is text outside its root element')
      return
    }
    if (raw.includes(']]>')) throw malformed('"]]>" stands in text')
    this.#handler.text(decodeText(checkCharacters(raw)))
  }

  #readMarkup(): void {
    const next = this.#xml[this.#at + 1]
    if (next === '/') this.#readClosingTag()
    else if (next === '?') this.#readInstruction()
    else if (next === '!') this.#readDeclaration()
    else this.#readOpeningTag()
  }

  #readDeclaration(): void {
    if (this.#xml.startsWith('<!--', this.#at)) this.#readComment()
    else if (this.#xml.startsWith('<![CDATA[', this.#at)) this.#readCharacterData()
    else throw malformed('it has a DOCTYPE or another declaration')
  }

  #readCharacterData(): void {
    const end = this.#find(']]>', this.#at + 9)
    if (this.#open.length === 0) throw malformed('there is text outside its root element')
    this.#handler.text(normalizeLineEnds(checkCharacters(this.#xml.slice(this.#at + 9, end))))
    this.#at = end + 3
  }

  #readComment(): void {
    const end = this.#find('--', this.#at + 4)
    if (this.#xml[end + 2] !== '>') throw malformed('"--" stands in a comment')
    checkCharacters(this.#xml.slice(this.#at, end))
    this.#at = end + 3
  }

  #readInstruction(): void {
    const end = this.#find('?>', this.#at + 2)
    const content = this.#xml.slice(this.#at + 2, end)
    const target = namePattern.exec(content)?.[0]
    if (target === undefined || !/^(\s|$)/.test(content.slice(target.length)))
      throw malformed('a processing instruction has no name')
    if (
      /^xml$/i.test(target) &&
      (target !== 'xml' || this.#at > 0 || !xmlDeclaration.test(content))
    ) {
      throw malformed('its XML declaration is wrong')
    }
    checkCharacters(content)
    this.#at = end + 2
  }

  #readOpeningTag(): void {
    if (this.#open.length === 0 && this.#rootSeen) throw malformed('it has two root elements')
    tagPattern.lastIndex = this.#at
    const match = tagPattern.exec(this.#xml)
    if (match === null) throw malformed('a tag is not well-formed')
    const [all, name = '', attributes = '', slash] = match
    if (attributes !== '') checkAttributes(attributes)
    this.#at += all.length
    this.#rootSeen = true
    if (this.#open.length >= maxDepth) throw malformed('it is nested too deeply')
    this.#handler.open(localName(name), this.#open.length)
    if (slash === '/') this.#handler.close(localName(name), this.#open.length)
    else this.#open.push(name)
  }

  #readClosingTag(): void {
    const end = this.#find('>', this.#at + 2)
    const name = this.#xml.slice(this.#at + 2, end).replace(/[ \t\r\n]+$/, '')
    if (name !== this.#open.pop()) throw malformed('its tags do not match')
    this.#at = end + 1
    this.#handler.close(localName(name), this.#open.length)
  }

  #find(text: string, from: number): number {
    const found = this.#xml.indexOf(text, from)
    if (found === -1) throw malformed('it ends too early')
    return found
  }
}

const nameStart =
  ':A-Z_a-z\\u00c0-\\u00d6\\u00d8-\\u00f6\\u00f8-\\u02ff\\u0370-\\u037d\\u037f-\\u1fff\\u200c\\u200d\\u2070-\\u218f\\u2c00-\\u2fef\\u3001-\\ud7ff\\uf900-\\ufdcf\\ufdf0-\\ufffd\\u{10000}-\\u{effff}'
const name = `[${nameStart}][${nameStart}.0-9\\u00b7\\u0300-\\u036f\\u203f\\u2040-]*`
const namePattern = new RegExp(`^${name}`, 'u')
const tagPattern = new RegExp(
  `<(${name})((?:[ \\t\\r\\n]+${name}[ \\t\\r\\n]*=[ \\t\\r\\n]*(?:"[^"<]*"|'[^'<]*'))*)[ \\t\\r\\n]*(/?)>`,
  'uy',
)
const attributePattern = new RegExp(`(${name})[ \\t\\r\\n]*=[ \\t\\r\\n]*("[^"<]*"|'[^'<]*')`, 'gu')
const xmlDeclaration =
  /^xml[ \t\r\n]+version[ \t\r\n]*=[ \t\r\n]*(["'])1\.[0-9]+\1([ \t\r\n]+encoding[ \t\r\n]*=[ \t\r\n]*(["'])[A-Za-z][\w.-]*\3)?([ \t\r\n]+standalone[ \t\r\n]*=[ \t\r\n]*(["'])(yes|no)\5)?[ \t\r\n]*$/

/** An element's attributes carry nothing that we need, but must be well-formed. */
function checkAttributes(attributes: string): void {
  const seen = new Set<string>()
  for (const [, attribute = '', value = ''] of attributes.matchAll(attributePattern)) {
    if (seen.has(attribute)) throw malformed('an attribute stands twice')
    seen.add(attribute)
    decodeText(checkCharacters(value))
  }
}

function localName(name: string): string {
  const colon = name.indexOf(':')
  return colon === -1 ? name : name.slice(colon + 1)
}

/** Text with its references resolved and its line ends normalised (XML 1.0, section 2.11). */
function decodeText(raw: string): string {
  const text = normalizeLineEnds(raw)
  if (!text.includes('&')) return text
  return text.replaceAll(/&([^;&<]*);?/g, (reference, body: string) => {
    if (!reference.endsWith(';')) throw malformed('"&" stands alone')
    return entities[body] ?? character(body)
  })
}

function normalizeLineEnds(text: string): string {
  return text.includes('\r') ? text.replaceAll(/\r\n?/g, '\n') : text
}

const entities: Readonly<Record<string, string | undefined>> = {
  amp: '&',
  lt: '<',
  gt: '>',
  quot: '"',
  apos: "'",
}

/**
 * A character reference. Those to control characters are beyond XML 1.0, but S3 writes them for
 * keys that hold such characters.
 */
function character(body: string): string {
  const match = /^#(?:x([0-9a-fA-F]+)|([0-9]+))$/.exec(body)
  if (match === null) throw malformed('it has an unknown entity')
  const code = match[1] === undefined ? Number(match[2]) : Number.parseInt(match[1], 16)
  if (code === 0 || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
    throw malformed('it refers to no character')
  return String.fromCodePoint(code)
}

/** Raw control characters, lone surrogates and U+FFFE/F are no characters of XML 1.0. */
function checkCharacters(text: string): string {
  if (/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/.test(text) || !text.isWellFormed()) {
    throw malformed('it holds a character that XML cannot have')
  }
  return text
}

function malformed(reason: string): IntegrityError {
  return new IntegrityError(`The service sent a document that is no well-formed XML: ${reason}.`)
}

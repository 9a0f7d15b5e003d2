import { SaxesParser } from 'saxes'

/** The namespace of all S3 answers but errors. */
const S3_NAMESPACE = 'http://s3.amazonaws.com/doc/2006-03-01/'

const SPECIAL = /[&<>"\u0000-\u0008\u000b-\u001f\ufffe\uffff]/g
const ENTITIES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' }

/**
 * Escapes text. Characters that XML 1.0 cannot hold become references such as `&#x1;`, which is what
 * S3 sends for such keys, and why `encoding-type=url` exists.
 */
export function escapeXml(text: string): string {
  return text.replace(SPECIAL, c => ENTITIES[c] ?? `&#x${c.charCodeAt(0).toString(16)};`)
}

/** `<name>text</name>`, the text escaped. */
export function element(name: string, text: string | number | boolean): string {
  return `<${name}>${typeof text === 'string' ? escapeXml(text) : text}</${name}>`
}

/** A whole document around its root element. */
export function xmlDocument(root: string): string {
  return `<?xml version="1.0" encoding="UTF-8"?>\n${root}`
}

/** A whole document whose root is in S3's namespace. */
export function s3Document(root: string, content: string): string {
  return xmlDocument(`<${root} xmlns="${S3_NAMESPACE}">${content}</${root}>`)
}

/** An element of a request's body: local name, attributes, text, children. */
export class XmlNode {
  readonly name: string
  readonly attributes: Readonly<Record<string, string>>
  readonly children: XmlNode[] = []
  text = ''

  constructor(name: string, attributes: Record<string, string>) {
    this.name = name
    this.attributes = attributes
  }

  all(name: string): XmlNode[] {
    return this.children.filter(child => child.name === name)
  }

  first(name: string): XmlNode | undefined {
    return this.children.find(child => child.name === name)
  }

  textOf(name: string): string | undefined {
    return this.first(name)?.text
  }
}

/** Parses a request's body; undefined if it is not well-formed or has a document type. */
export function parseXml(bytes: Uint8Array): XmlNode | undefined {
  const parser = new SaxesParser({ xmlns: false })
  const top = new XmlNode('', {})
  const open = [top]
  let broken = false
  parser.on('error', () => {
    broken = true
  })
  parser.on('doctype', () => {
    broken = true
  })
  parser.on('opentag', tag => {
    const node = new XmlNode(localName(tag.name), { ...tag.attributes })
    open.at(-1)?.children.push(node)
    open.push(node)
  })
  parser.on('text', text => append(open, text))
  parser.on('cdata', text => append(open, text))
  parser.on('closetag', () => {
    open.pop()
  })
  try {
    parser.write(new TextDecoder('utf-8', { fatal: true }).decode(bytes)).close()
  } catch {
    return undefined
  }
  return broken ? undefined : top.children[0]
}

function append(open: XmlNode[], text: string): void {
  const node = open.at(-1)
  if (node !== undefined) node.text += text
}

function localName(name: string): string {
  return name.slice(name.indexOf(':') + 1)
}

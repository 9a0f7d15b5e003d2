import { S3Error } from './errors.ts'

const RESERVED = /[^A-Za-z0-9\-._~]/
const NEEDS_MORE = /[!'()*]/g
const HIGH_BYTES = /[\u0080-\u00ff]/

/** RFC 3986: everything but unreserved characters, as signatures need it. */
export function encodeRfc3986(text: string): string {
  if (!RESERVED.test(text)) return text
  return encodeURIComponent(text).replace(NEEDS_MORE, hexOf)
}

/** The same for a path: `/` stays. */
export function encodePath(text: string): string {
  return text.split('/').map(encodeRfc3986).join('/')
}

/**
 * What `encoding-type=url` does in listings: a form encoding (blank as `+`) that leaves `/`,
 * as "test_file(3).png will appear as test_file%283%29.png" in ListObjectsV2's documentation.
 */
export function encodeListed(text: string): string {
  if (!/[^A-Za-z0-9\-._*/]/.test(text)) return text
  return encodeURIComponent(text)
    .replace(/[!'()~]/g, hexOf)
    .replaceAll('%2F', '/')
    .replaceAll('%20', '+')
}

/** Percent-decodes UTF-8; `InvalidURI` where that is impossible. */
export function decodeUri(text: string): string {
  const wire = HIGH_BYTES.test(text) ? Buffer.from(text, 'latin1').toString('utf8') : text
  if (!wire.includes('%')) return wire
  try {
    return decodeURIComponent(wire)
  } catch {
    throw new S3Error('InvalidURI')
  }
}

/** Decodes what a form or a query wrote: `+` is a blank. */
export function decodeForm(text: string): string {
  return decodeUri(text.includes('+') ? text.replaceAll('+', ' ') : text)
}

/** The decoded parameters of a query, in their order; the first of a name counts. */
export class Query {
  readonly entries: readonly (readonly [name: string, value: string])[]
  readonly #first = new Map<string, string>()

  constructor(search: string) {
    const entries: [string, string][] = []
    for (const part of search.split('&')) {
      if (part === '') continue
      const at = part.indexOf('=')
      const name = decodeForm(at < 0 ? part : part.slice(0, at))
      const value = at < 0 ? '' : decodeForm(part.slice(at + 1))
      entries.push([name, value])
      if (!this.#first.has(name)) this.#first.set(name, value)
    }
    this.entries = entries
  }

  has(name: string): boolean {
    return this.#first.has(name)
  }

  get(name: string): string | undefined {
    return this.#first.get(name)
  }
}

function hexOf(character: string): string {
  return `%${character.charCodeAt(0).toString(16).toUpperCase()}`
}

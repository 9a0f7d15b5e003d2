import type { Capabilities, FileProperties } from './backend.ts'
import { contentTypeOf } from './content-type.ts'
import { UnsupportedError, ValidationError } from './errors.ts'
import { kindOf } from './options.ts'

/**
 * Checks what is to be stored beside the bytes, and that the backend can store it. Where a backend
 * keeps no properties, the content type follows from the name; one that says the same is fine.
 *
 * @throws UnsupportedError for a property that would be lost
 * @throws ValidationError for metadata and header values that no service takes
 */
export function checkProperties(
  options: FileProperties & { readonly acl?: string | undefined },
  capabilities: Capabilities,
  name: string,
): void {
  if (!capabilities.properties) refuseProperties(options, name)
  if (!capabilities.acl && options.acl !== undefined) throw unsupported('acl')
  for (const property of textProperties) checkHeader(property, options[property])
  checkHeader('acl', options.acl)
  if (options.metadata !== undefined) checkMetadata(options.metadata)
}

const textProperties = [
  'contentType',
  'contentEncoding',
  'cacheControl',
  'contentDisposition',
] as const

function refuseProperties(options: FileProperties, name: string): void {
  if (options.contentType !== undefined && options.contentType !== contentTypeOf(name)) {
    throw new UnsupportedError(
      `This storage keeps no content type: it follows from the name (${contentTypeOf(name) ?? 'none'}). Leave "contentType" out, or name the file accordingly.`,
    )
  }
  for (const property of [
    'contentEncoding',
    'cacheControl',
    'contentDisposition',
    'metadata',
  ] as const) {
    if (options[property] !== undefined) throw unsupported(property)
  }
}

function unsupported(property: string): UnsupportedError {
  return new UnsupportedError(`This storage cannot keep "${property}"; leave the option out.`)
}

/** Whether it is visible characters and blanks, as a header's value has to be (RFC 9110, section 5.5). */
export function isHeaderValue(value: string): boolean {
  return /^[\u0020-\u007e\u00a0-\ud7ff\ue000-\u{10ffff}]*$/u.test(value)
}

function checkHeader(property: string, value: string | undefined): void {
  if (value === undefined || isHeaderValue(value)) return
  throw new ValidationError(
    `Option "${property}" holds a control character or a lone surrogate, which no header can carry.`,
  )
}

/** A name of metadata is part of a header's name: a token (RFC 9110, section 5.6.2). */
const token = /^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/

function checkMetadata(metadata: Readonly<Record<string, string>>): void {
  const seen = new Set<string>()
  for (const [name, value] of Object.entries(metadata)) {
    const lower = name.toLowerCase()
    const problem =
      findMetadataProblem(name, value) ??
      (seen.has(lower) ? 'stands twice; case does not count' : undefined)
    if (problem !== undefined)
      throw new ValidationError(`Metadata ${JSON.stringify(name)} ${problem}.`)
    seen.add(lower)
  }
}

/** What is wrong with an entry of metadata, as the end of a sentence. */
export function findMetadataProblem(name: string, value: unknown): string | undefined {
  if (!token.test(name)) return "is no valid name: letters, digits and !#$%&'*+.^_`|~- are"
  if (typeof value !== 'string') return `is not a string but ${kindOf(value)}`
  if (!value.isWellFormed()) return 'holds a lone surrogate'
  return /[\u0000-\u001f\u007f]/.test(value) ? 'holds a control character' : undefined
}

/** Metadata as it comes back: with names in lower case, as S3 gives them. */
export function lowerCaseNames(metadata: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(metadata).map(([name, value]) => [name.toLowerCase(), value]),
  )
}

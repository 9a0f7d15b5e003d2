import { UnsupportedError, ValidationError } from '../../core/errors.ts'
import type { ObjectParameters } from './object-parameters.ts'
import { isOfCustomerKey, parameterHeaders } from './object-parameters.ts'
import type { PostCondition } from './post-policy.ts'

/** Stands in a key for the browser's name of the file. */
// biome-ignore lint/suspicious/noTemplateCurlyInString: S3 wants it so
export const filenameVariable = '${filename}'

/** Fields that the form has anyway, and what its policy says of them. */
const ownFields: readonly string[] = [
  'key',
  'bucket',
  'policy',
  'file',
  'signature',
  'awsaccesskeyid',
  'x-amz-algorithm',
  'x-amz-credential',
  'x-amz-date',
  'x-amz-security-token',
  'x-amz-signature',
]

/** Header that has another name as a field of a form. */
const fieldNames: Readonly<Record<string, string>> = { 'x-amz-acl': 'acl' }

/**
 * The fields of a form by which a storage's parameters are stored with the file. Tags are a
 * document there (https://docs.aws.amazon.com/AmazonS3/latest/API/RESTObjectPOST.html).
 */
export function parameterFields(parameters: ObjectParameters): Record<string, string> {
  const { Tagging, ...others } = parameters
  if (others.SSECustomerKey !== undefined) throw keyInForm()
  const headers = parameterHeaders(others)
  const fields: Record<string, string> = {}
  for (let i = 0; i + 1 < headers.length; i += 2) {
    const [name = '', value = ''] = [headers[i], headers[i + 1]]
    fields[fieldNames[name] ?? name] = value
  }
  if (Tagging !== undefined) fields['tagging'] = taggingDocument(Tagging)
  return fields
}

/** What a form is asked for beside its name. */
export interface FormWishes {
  readonly fields: Readonly<Record<string, string>>
  readonly conditions: readonly PostCondition[]
  readonly maxSize: number | undefined
}

/**
 * @throws ValidationError for fields that the form has by itself, and for values and conditions that
 *   no policy can have
 * @throws UnsupportedError for a customer's key, which everybody could read in the form
 */
export function checkForm({ fields, conditions, maxSize }: FormWishes): void {
  for (const [name, value] of Object.entries(fields)) {
    if (ownFields.includes(name.toLowerCase()))
      throw new ValidationError(
        `A form has its field "${name}" by itself: leave it out of "fields".`,
      )
    if (typeof value !== 'string') throw new ValidationError(`Field "${name}" is a string.`)
    if (isOfCustomerKey(name.toLowerCase())) throw keyInForm()
  }
  if (!Array.isArray(conditions) || !conditions.every(isCondition))
    throw new ValidationError(
      '"conditions" is a list such as [["starts-with", "$Content-Type", "image/"], { acl: "private" }].',
    )
  if (maxSize !== undefined && !(Number.isSafeInteger(maxSize) && maxSize >= 0))
    throw new ValidationError(`maxSize is a whole number of bytes, not ${maxSize}.`)
}

function keyInForm(): UnsupportedError {
  return new UnsupportedError(
    'A form would show the customer’s key to everybody who gets it: sign a URL to write to (method PUT) instead.',
  )
}

function isCondition(condition: unknown): boolean {
  if (!Array.isArray(condition))
    return (
      typeof condition === 'object' && condition !== null && Object.keys(condition).length === 1
    )
  const [operator, first, second] = condition
  if (condition.length !== 3) return false
  if (operator === 'content-length-range')
    return Number.isSafeInteger(first) && Number.isSafeInteger(second)
  const known = operator === 'eq' || operator === 'starts-with'
  return known && typeof first === 'string' && typeof second === 'string'
}

/** The conditions, and for each field that none of them is about: it has to be as it is. */
export function conditionsFor(
  fields: Readonly<Record<string, string>>,
  conditions: readonly PostCondition[],
): PostCondition[] {
  const covered = new Set([...ownFields, ...conditions.map(subjectOf)])
  const missing = Object.entries(fields).filter(([name]) => !covered.has(name.toLowerCase()))
  return [...conditions, ...missing.map(([name, value]) => ({ [name]: value }))]
}

/** Whether a condition is about the field of that name. */
export function isAbout(condition: PostCondition, field: string): boolean {
  return subjectOf(condition) === field.toLowerCase()
}

function subjectOf(condition: PostCondition): string {
  if (isList(condition)) return String(condition[1]).replace(/^\$/, '').toLowerCase()
  return (Object.keys(condition)[0] ?? '').toLowerCase()
}

function isList(
  condition: PostCondition,
): condition is Exclude<PostCondition, Readonly<Record<string, string>>> {
  return Array.isArray(condition)
}

function taggingDocument(tagging: string): string {
  const tags = [...new URLSearchParams(tagging)].map(
    ([name, value]) => `<Tag><Key>${escapeXml(name)}</Key><Value>${escapeXml(value)}</Value></Tag>`,
  )
  return `<Tagging><TagSet>${tags.join('')}</TagSet></Tagging>`
}

function escapeXml(text: string): string {
  return text.replaceAll(/[&<>"]/g, character => `&#${character.charCodeAt(0)};`)
}

import type { ObjectParameters } from './object-parameters.ts'
import { parameterHeaders } from './object-parameters.ts'
import type { PostCondition } from './post-policy.ts'

/** Stands in a key for the browser's name of the file. */
// biome-ignore lint/suspicious/noTemplateCurlyInString: S3 wants it so
export const filenameVariable = '${filename}'

/** Fields that the form has anyway, and what its policy says of them. */
const ownFields = ['key', 'bucket', 'policy', 'file', 'x-amz-signature', 'signature']

/** Header that has another name as a field of a form. */
const fieldNames: Readonly<Record<string, string>> = { 'x-amz-acl': 'acl' }

/**
 * The fields of a form by which a storage's parameters are stored with the file. Tags are a
 * document there (https://docs.aws.amazon.com/AmazonS3/latest/API/RESTObjectPOST.html).
 */
export function parameterFields(parameters: ObjectParameters): Record<string, string> {
  const { Tagging, ...others } = parameters
  const headers = parameterHeaders(others)
  const fields: Record<string, string> = {}
  for (let i = 0; i + 1 < headers.length; i += 2) {
    const [name = '', value = ''] = [headers[i], headers[i + 1]]
    fields[fieldNames[name] ?? name] = value
  }
  if (Tagging !== undefined) fields['tagging'] = taggingDocument(Tagging)
  return fields
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

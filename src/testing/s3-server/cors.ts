import { S3Error } from './errors.ts'
import type { HeaderMap } from './message.ts'
import { element, s3Document, type XmlNode } from './xml.ts'

const METHODS = ['GET', 'PUT', 'POST', 'DELETE', 'HEAD']
const MAX_RULES = 100

/** One rule: https://docs.aws.amazon.com/AmazonS3/latest/userguide/ManageCorsUsing.html */
export interface CorsRule {
  readonly origins: readonly string[]
  readonly methods: readonly string[]
  readonly headers: readonly string[]
  readonly exposed: readonly string[]
  readonly maxAge: number | undefined
}

/** Reads a CORSConfiguration document. @throws S3Error MalformedXML */
export function corsFromXml(root: XmlNode): CorsRule[] {
  const rules = root.all('CORSRule').map(ruleFromXml)
  if (rules.length === 0 || rules.length > MAX_RULES) throw new S3Error('MalformedXML')
  return rules
}

/** Writes a CORSConfiguration document. */
export function corsDocument(rules: readonly CorsRule[]): string {
  const list = rules.map(rule => {
    const elements = (name: string, values: readonly string[]): string =>
      values.map(value => element(name, value)).join('')
    return `<CORSRule>${elements('AllowedOrigin', rule.origins)}${elements('AllowedMethod', rule.methods)}${elements('AllowedHeader', rule.headers)}${elements('ExposeHeader', rule.exposed)}${rule.maxAge === undefined ? '' : element('MaxAgeSeconds', rule.maxAge)}</CORSRule>`
  })
  return s3Document('CORSConfiguration', list.join(''))
}

/**
 * The headers that let a page of another origin read an answer; none if no rule fits.
 * @param method of the request itself, or the one that a preflight asks for
 */
export function corsHeaders(
  rules: readonly CorsRule[] | undefined,
  request: HeaderMap,
  method: string,
): Record<string, string> | undefined {
  const origin = request.get('origin')
  if (origin === undefined) return undefined
  const asked = (request.get('access-control-request-headers') ?? '')
    .split(',')
    .map(name => name.trim().toLowerCase())
    .filter(name => name !== '')
  const rule = rules?.find(
    ({ origins, methods, headers }) =>
      methods.includes(method) &&
      origins.some(pattern => fits(pattern, origin)) &&
      asked.every(name => headers.some(pattern => fits(pattern.toLowerCase(), name))),
  )
  return rule === undefined ? undefined : headersOf(rule, origin, asked)
}

function headersOf(
  rule: CorsRule,
  origin: string,
  asked: readonly string[],
): Record<string, string> {
  const isOpen = rule.origins.includes('*')
  const headers: Record<string, string> = {
    'access-control-allow-origin': isOpen ? '*' : origin,
    'access-control-allow-methods': rule.methods.join(', '),
    vary: 'Origin, Access-Control-Request-Headers, Access-Control-Request-Method',
  }
  if (!isOpen) headers['access-control-allow-credentials'] = 'true'
  if (asked.length > 0) headers['access-control-allow-headers'] = asked.join(', ')
  if (rule.exposed.length > 0) headers['access-control-expose-headers'] = rule.exposed.join(', ')
  if (rule.maxAge !== undefined) headers['access-control-max-age'] = String(rule.maxAge)
  return headers
}

function ruleFromXml(node: XmlNode): CorsRule {
  const texts = (name: string): string[] => node.all(name).map(child => child.text)
  const rule = {
    origins: texts('AllowedOrigin'),
    methods: texts('AllowedMethod'),
    headers: texts('AllowedHeader'),
    exposed: texts('ExposeHeader'),
    maxAge: maxAgeOf(node),
  }
  if (rule.origins.length === 0 || rule.methods.length === 0) throw new S3Error('MalformedXML')
  const unknown = rule.methods.find(method => !METHODS.includes(method))
  if (unknown === undefined) return rule
  throw new S3Error(
    'InvalidRequest',
    `Found unsupported HTTP method in CORS config. Unsupported method is ${unknown}`,
  )
}

function maxAgeOf(node: XmlNode): number | undefined {
  const text = node.textOf('MaxAgeSeconds')
  if (text === undefined) return undefined
  if (/^\d{1,9}$/.test(text)) return Number(text)
  throw new S3Error('MalformedXML')
}

/** A pattern holds one `*` at most. */
function fits(pattern: string, text: string): boolean {
  const at = pattern.indexOf('*')
  if (at < 0) return pattern === text
  const [start, end] = [pattern.slice(0, at), pattern.slice(at + 1)]
  return text.length >= start.length + end.length && text.startsWith(start) && text.endsWith(end)
}

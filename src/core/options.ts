import { ImproperlyConfigured, ValidationError } from './errors.ts'
import { suggestion } from './nearest.ts'
import { quoteName } from './quote.ts'
import { currentSettings, type SettingsSource } from './settings.ts'

/** What an option may be. `bytes` and `seconds` are whole numbers; they read better in the docs. */
export type OptionType =
  | 'string'
  | 'boolean'
  | 'boolean or string'
  | 'integer'
  | 'strings'
  | 'object'
  | 'function'
  | 'object or function'
  | 'string or object'
  | 'mode'

/** One option of a constructor: everything that checks, messages and the docs table need. */
export interface OptionSpec {
  readonly type: OptionType
  /** Historical names, the first wins. */
  readonly settings?: readonly string[] | undefined
  readonly default?: unknown
  /** Further values that are accepted, such as `null` for "explicitly none". */
  readonly or?: readonly unknown[] | undefined
  /** The problem with a value of the right type, as the end of a sentence. */
  readonly check?: ((value: never) => string | undefined) | undefined
  /** One sentence for the docs table. */
  readonly meaning: string
}

export type OptionSchema<T extends object> = { readonly [K in keyof Required<T>]: OptionSpec }

/**
 * The options of a constructor: what was given, else what is configured under a historical name,
 * else the environment, else the default.
 *
 * @throws ImproperlyConfigured for an unknown option (with the nearest known one) and for a wrong
 *   type or value, naming the option and where it came from, never its value
 */
export function resolveOptions<T extends object>(
  owner: string,
  schema: OptionSchema<T>,
  given: unknown,
  source: SettingsSource = currentSettings(),
): T {
  const entry = source.configured?.entry
  const place = entry === undefined ? owner : `${owner} (${entry})`
  const options = checkGiven(place, Object.keys(schema), given)
  const resolved: Record<string, unknown> = {}
  for (const [name, spec] of Object.entries<OptionSpec>(schema)) {
    if (isOfEveryObject(options, name))
      throw new ImproperlyConfigured(everyObjectHas(name), { setting: name })
    const value = options[name] ?? (options[name] === null ? null : undefined)
    resolved[name] = value === undefined ? fromSettings(name, spec, source) : value
    if (value !== undefined)
      checkValue(spec, value, { setting: name, where: `Option "${name}" of ${place}` })
    resolved[name] ??= resolved[name] === null ? null : spec.default
  }
  return resolved as T
}

function checkGiven(
  place: string,
  known: readonly string[],
  given: unknown,
): Record<string, unknown> {
  if (given === undefined) return {}
  checkOptionsObject(place, given)
  const options = given as Record<string, unknown>
  for (const name of Object.keys(options)) {
    if (known.includes(name)) continue
    throw new ImproperlyConfigured(`${place} has no option "${name}".${suggestion(name, known)}`, {
      setting: name,
    })
  }
  return options
}

/** @throws ImproperlyConfigured for what is no object */
export function checkOptionsObject(owner: string, given: unknown): void {
  if (isPlainObject(given)) return
  throw new ImproperlyConfigured(`The options of ${owner} are an object, not ${kindOf(given)}.`)
}

function fromSettings(name: string, spec: OptionSpec, source: SettingsSource): unknown {
  for (const historical of spec.settings ?? []) {
    const value = source.configured?.values[historical]
    if (value === undefined) continue
    checkValue(spec, value, {
      setting: name,
      where: `${historical} in ${source.configured?.origin}`,
    })
    return value
  }
  for (const historical of spec.settings ?? []) {
    const text = source.environment[historical]
    if (text === undefined || text === '') continue
    const where = `The environment variable ${historical}`
    const value = parseText(spec.type, text)
    checkValue(spec, value, { setting: name, where })
    return value
  }
  return undefined
}

const words: Readonly<Record<string, boolean>> = {
  true: true,
  false: false,
  1: true,
  0: false,
  yes: true,
  no: false,
  on: true,
  off: false,
}

/** A value of the environment by the type of its option; what does not parse stays text. */
function parseText(type: OptionType, text: string): unknown {
  if (type === 'boolean' || type === 'boolean or string')
    return words[text.trim().toLowerCase()] ?? text
  if (type === 'integer') return /^\s*-?\d+\s*$/.test(text) ? Number(text) : text
  if (type === 'mode')
    return /^(0o)?[0-7]+$/.test(text) ? Number.parseInt(text.replace('0o', ''), 8) : text
  if (type === 'strings' || type === 'object' || type === 'object or function')
    return parseJson(text)
  if (type === 'string or object' && text.trimStart().startsWith('{')) return parseJson(text)
  return text
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

/** @throws ImproperlyConfigured unless `value` is what `spec` says */
function checkValue(
  spec: OptionSpec,
  value: unknown,
  place: { readonly setting: string; readonly where: string },
): void {
  if (spec.or?.includes(value)) return
  if (!isOfType(spec.type, value)) {
    throw new ImproperlyConfigured(
      `${place.where} must be ${article(spec)}, not ${kindOf(value)}.`,
      place,
    )
  }
  const problem = spec.check?.(value as never)
  if (problem !== undefined) throw new ImproperlyConfigured(`${place.where} ${problem}.`, place)
}

function isOfType(type: OptionType, value: unknown): boolean {
  switch (type) {
    case 'integer':
      return Number.isSafeInteger(value)
    case 'mode':
      return isMode(value)
    case 'strings':
      return Array.isArray(value) && value.every(item => typeof item === 'string')
    case 'object':
      return isPlainObject(value)
    case 'boolean or string':
      return typeof value === 'boolean' || typeof value === 'string'
    case 'string or object':
      return typeof value === 'string' || isPlainObject(value)
    case 'object or function':
      return isPlainObject(value) || typeof value === 'function'
    default:
      return typeof value === type
  }
}

/** Not -0, which `JSON.parse` makes of `-0`: Node ends the process when it is given that for a mode. */
function isMode(value: unknown): boolean {
  if (!Number.isSafeInteger(value) || Object.is(value, -0)) return false
  return Number(value) >= 0 && Number(value) <= 0o7777
}

function isPlainObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

const articles: Readonly<Record<OptionType, string>> = {
  string: 'a string',
  boolean: 'true or false',
  'boolean or string': 'true, false or a string',
  integer: 'a whole number',
  strings: 'a list of strings',
  object: 'an object',
  function: 'a function',
  'object or function': 'an object or a function',
  'string or object': 'a string or an object',
  mode: 'permission bits such as 0o644',
}

function article(spec: OptionSpec): string {
  return [articles[spec.type], ...(spec.or ?? []).map(String)].join(' or ')
}

/** What a value is, for messages that must not show it. */
export function kindOf(value: unknown): string {
  if (value === null || value === undefined) return String(value)
  if (Array.isArray(value)) return 'a list'
  if (value instanceof Promise) return 'a promise (await it)'
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`
}

/** An argument in a message: text and numbers as they are, anything else by its kind. */
export function showArgument(value: unknown): string {
  if (typeof value === 'string') return quoteName(value)
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : kindOf(value)
}

/** Whether a member is nobody's wish: something put it on the prototype of all objects. */
function isOfEveryObject(options: object, name: string): boolean {
  return Object.hasOwn(Object.prototype, name) && !Object.hasOwn(options, name)
}

function everyObjectHas(name: string): string {
  return `Object.prototype has a member "${name}", so that all options seem to have it: find out what put it there, and remove it.`
}

/** Types of the members of a method's options; `unknown` members are checked by their method. */
export type ArgumentTypes<T extends object> = {
  readonly [K in keyof Required<T>]:
    | 'string'
    | 'boolean'
    | 'number'
    | 'object'
    | 'function'
    | 'unknown'
    | 'signal'
}

/**
 * Checks the options of a method.
 *
 * @throws ValidationError for an unknown member (with the nearest known one) or a wrong type
 */
export function checkArguments<T extends object>(
  operation: string,
  types: ArgumentTypes<T>,
  options: T | undefined,
): void {
  if (options === undefined) return
  if (!isPlainObject(options)) {
    throw new ValidationError(
      `The options of ${operation}() are an object, not ${kindOf(options)}.`,
      { operation },
    )
  }
  for (const name in options) {
    if (isOfEveryObject(options, name))
      throw new ValidationError(everyObjectHas(name), { operation })
    const type = Object.hasOwn(types, name) ? types[name] : undefined
    if (type === undefined) throw unknownArgument(operation, name, Object.keys(types))
    const value: unknown = options[name]
    if (value === undefined || type === 'unknown') continue
    if (!isArgument(value, type)) throw wrongArgument(operation, name, type, value)
  }
}

function isArgument(value: unknown, type: string): boolean {
  if (type === 'signal') return value instanceof AbortSignal
  return type === 'object' ? isPlainObject(value) : typeof value === type
}

function unknownArgument(
  operation: string,
  name: string,
  known: readonly string[],
): ValidationError {
  return new ValidationError(`${operation}() has no option "${name}".${suggestion(name, known)}`, {
    operation,
  })
}

function wrongArgument(
  operation: string,
  name: string,
  type: string,
  value: unknown,
): ValidationError {
  const wanted = type === 'signal' ? 'an AbortSignal' : `a ${type}`.replace('a object', 'an object')
  return new ValidationError(
    `Option "${name}" of ${operation}() must be ${wanted}, not ${kindOf(value)}.`,
    { operation },
  )
}

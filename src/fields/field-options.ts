import { isStorage } from '../config/storage-kind.ts'
import { ImproperlyConfigured } from '../core/errors.ts'
import { suggestion } from '../core/nearest.ts'
import { kindOf } from '../core/options.ts'
import { checkTemplate } from './upload-to.ts'

/** What is wrong with a value, as the end of a sentence. */
export type OptionCheck = (value: unknown) => string | undefined

/**
 * Checks the options of a field; a value is never shown.
 *
 * @throws ImproperlyConfigured for an unknown option (with the nearest known one) or a wrong value
 */
export function checkFieldOptions(
  kind: string,
  checks: Readonly<Record<string, OptionCheck>>,
  options: unknown,
): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options))
    throw new ImproperlyConfigured(`The options of ${kind} are an object, not ${kindOf(options)}.`)
  for (const [name, value] of Object.entries(options)) {
    const check = Object.hasOwn(checks, name) ? checks[name] : undefined
    if (check === undefined) {
      const near = suggestion(name, Object.keys(checks))
      throw new ImproperlyConfigured(`${kind} has no option "${name}".${near}`, { setting: name })
    }
    const problem = value === undefined ? undefined : check(value)
    if (problem === undefined) continue
    throw new ImproperlyConfigured(
      `Option "${name}" of ${kind} ${problem}, not ${kindOf(value)}.`,
      {
        setting: name,
      },
    )
  }
}

/** Options that every file field has. */
export const fileFieldChecks: Readonly<Record<string, OptionCheck>> = {
  storage: value => {
    if (isClass(value))
      throw new ImproperlyConfigured('Option "storage" is a class: make a storage with "new".', {
        setting: 'storage',
      })
    return typeof value === 'function' || isStorage(value)
      ? undefined
      : 'must be a Storage or a function that gives one'
  },
  uploadTo: value => {
    if (typeof value === 'string') checkTemplate(value)
    else if (typeof value !== 'function') return 'must be a string or a function'
    return undefined
  },
  id: isName,
  default: isName,
  maxLength: isCount,
  onDelete: isCleanup,
  onReplace: isCleanup,
  overwrite: value => (typeof value === 'boolean' ? undefined : 'must be true or false'),
  validators: value =>
    Array.isArray(value) && value.every(item => typeof item === 'function')
      ? undefined
      : 'must be a list of functions',
}

/** @throws ImproperlyConfigured for what an adapter was given in the place of a field */
export function checkField(taker: string, value: unknown): void {
  // Another copy of the package has a class of its own.
  if (typeof Reflect.get(Object(value), 'attach') === 'function') return
  throw new ImproperlyConfigured(
    `${taker} takes a FileField, as new FileField({ uploadTo: 'avatars/' }), not ${kindOf(value)}.`,
    { setting: 'field' },
  )
}

/** A class can be called no more than any other function can be made with `new`. */
function isClass(value: unknown): boolean {
  return typeof value === 'function' && /^class\b/.test(Function.prototype.toString.call(value))
}

export function isName(value: unknown): string | undefined {
  return typeof value === 'string' && value !== ''
    ? undefined
    : 'must be a string that is not empty'
}

export function isCount(value: unknown): string | undefined {
  return Number.isSafeInteger(value) && Number(value) >= 1
    ? undefined
    : 'must be a whole number of at least 1'
}

function isCleanup(value: unknown): string | undefined {
  return value === 'cleanup' || value === 'keep' ? undefined : `must be 'cleanup' or 'keep'`
}

import type { Document } from 'mongoose'
import { pendingName } from '../../fields/rows.ts'

/** Whether a write of one path writes the other one, too. */
function covers(key: string, path: string): boolean {
  return key === path || path.startsWith(`${key}.`) || key.startsWith(`${path}.`)
}

/** Getters are called for queries and plain objects, too. */
export function isDocument(value: unknown): value is Document {
  return typeof value === 'object' && value !== null && '$isNew' in value
}

/** Of a path of any depth, in a document or a plain object. */
export function valueAt(values: unknown, path: string): unknown {
  if (isDocument(values)) return values.get(path, null, { getters: false })
  if (Object.hasOwn(Object(values), path)) return Reflect.get(Object(values), path)
  return path.split('.').reduce<unknown>((value, key) => Reflect.get(Object(value), key), values)
}

/** What MongoDB makes of a path: a name, `null` where that is taken away or computed, or content. */
export function writtenAt(update: unknown, path: string): unknown {
  const values = [update].flat().flatMap(stage => Object.entries(Object(stage)))
  const isPipeline = Array.isArray(update)
  for (const [operator, given] of values) {
    const value = isPipeline ? stageAt(operator, given, path) : operatorAt(operator, given, path)
    if (value !== undefined) return value
  }
  return undefined
}

/** What a document, or one that another is replaced by, holds at a path. */
export function heldAt(document: unknown, path: string): unknown {
  const value = valueAt(document, path)
  return value === pendingName ? { value } : (value ?? null)
}

function operatorAt(operator: string, given: unknown, path: string): unknown {
  const value = givenAt(given, path)
  const renamed = operator === '$rename' ? Object.values(Object(given)) : []
  if (renamed.some(key => covers(String(key), path))) return null
  // A row that is new has no file yet.
  if (operator === '$setOnInsert') return typeof value === 'object' ? value : undefined
  if (operator === '$set' || value === undefined) return value
  return null
}

function stageAt(stage: string, given: unknown, path: string): unknown {
  if (stage === '$unset')
    return [given].flat().some(key => covers(String(key), path)) ? null : undefined
  if (stage !== '$set' && stage !== '$addFields') return null
  return givenAt(given, path) === undefined ? undefined : null
}

/** Of values by their paths, where a path may stand in the value of another one. */
function givenAt(given: unknown, path: string): unknown {
  const entry = Object.entries(Object(given)).find(([key]) => covers(key, path))
  if (entry === undefined) return undefined
  const [key, value] = entry
  if (key === path) return heldAt({ [key]: value }, key)
  return path.startsWith(key) ? heldAt(value, path.slice(key.length + 1)) : null
}

/** Lets an update write a value, wherever it writes the path. */
export function setInUpdate(update: Record<string, unknown>, path: string, value: unknown): void {
  const unset = Object.keys(Object(update['$unset'])).find(key => covers(key, path))
  // With all that it stood in.
  if (unset !== undefined && unset !== path) return
  if (unset !== undefined) Reflect.deleteProperty(Object(update['$unset']), path)
  if (Object.keys(Object(update['$unset'])).length === 0) delete update['$unset']
  const set = Object(update['$set'] ?? {})
  update['$set'] = set
  const outer = Object.keys(set).find(key => path.startsWith(`${key}.`))
  if (outer === undefined) set[path] = value
  else setAt(Object(set[outer]), path.slice(outer.length + 1), value)
}

export function setAt(values: Record<string, unknown>, path: string, value: unknown): void {
  const keys = path.split('.')
  const last = keys.pop() ?? path
  const inner = keys.reduce<Record<string, unknown>>((at, key) => {
    at[key] ??= {}
    return Object(at[key])
  }, values)
  inner[last] = value
}

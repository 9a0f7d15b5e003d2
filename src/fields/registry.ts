import { loadedTarget } from '../config/storage-kind.ts'
import { ImproperlyConfigured } from '../core/errors.ts'
import type { Storage } from '../core/storage.ts'
import type { FileField } from './file-field.ts'

/** Names of the registries on `globalThis`: two installed copies find each other's fields. */
const fieldsKey: unique symbol = Symbol.for('stowage.fields')
const defaultsKey: unique symbol = Symbol.for('stowage.defaultFields')

interface Registry {
  [fieldsKey]?: Map<string, Entry> | undefined
  [defaultsKey]?: Set<FileField> | undefined
}

/** What a field is made from: a module that is evaluated again makes its fields once more. */
export interface FieldOrigin {
  /** Where `new` was called, as the stack shows it; `undefined` when it shows nothing. */
  readonly file: string | undefined
  /** The option `storage`. */
  readonly storage: unknown
}

/** Who has an id. */
interface Entry {
  /** `null`: several fields have it without anybody having asked for it. */
  readonly field: FileField | null
  readonly origin: FieldOrigin
  /** Columns of the field. */
  readonly columns: Set<string>
  /** Columns of the field that had the id before. */
  readonly earlier: ReadonlySet<string> | undefined
  /** Whether the code that made the field is still running: what it makes beside it is another one. */
  isRunning: boolean
}

function fields(): Map<string, Entry> {
  const shared = globalThis as Registry
  shared[fieldsKey] ??= new Map()
  return shared[fieldsKey]
}

function fieldsWithDefaults(): Set<FileField> {
  const shared = globalThis as Registry
  shared[defaultsKey] ??= new Set()
  return shared[defaultsKey]
}

function put(id: string, field: FileField | null, origin: FieldOrigin, known?: Entry): void {
  const earlier = known?.columns
  const entry: Entry = { field, origin, columns: new Set(), earlier, isRunning: true }
  queueMicrotask(() => {
    entry.isRunning = false
  })
  fields().set(id, entry)
}

/**
 * Registers a field under the id that its constructor was given. One that the same file made before has
 * been replaced: development servers evaluate a module again when it changes.
 *
 * @throws ImproperlyConfigured when another field has it
 */
export function registerId(id: string, field: FileField, origin: FieldOrigin): void {
  const known = fields().get(id)
  if (known !== undefined && !isMadeAgain(known, origin)) throw duplicate(id)
  if (known?.field) fieldsWithDefaults().delete(known.field)
  put(id, field, origin, known)
}

/**
 * Tells the column of a field with an id of its own.
 *
 * @throws ImproperlyConfigured when the field that had the id before is one of other columns
 */
export function registerColumn(id: string, field: FileField, column: string): void {
  const known = fields().get(id)
  if (known?.field !== field) return
  const { columns, earlier } = known
  const isOther = earlier !== undefined && earlier.size > 0 && !earlier.has(column)
  if (columns.size === 0 && isOther) throw duplicate(id)
  columns.add(column)
}

/**
 * Registers a field under `Table.column`. Several databases may have a table of that name: such an
 * id says nothing, and is refused where it would be used.
 */
export function registerDefaultId(id: string, field: FileField, origin: FieldOrigin): void {
  const known = fields().get(id)
  if (known?.field === field) return
  const isSame =
    known === undefined || (isMadeAgain(known, origin) && known.origin.storage === origin.storage)
  put(id, isSame ? field : null, origin, known)
}

function isMadeAgain({ field, origin, isRunning }: Entry, { file }: FieldOrigin): boolean {
  return field !== null && !isRunning && file !== undefined && file === origin.file
}

/**
 * The field of an id, for what comes out of a cache.
 *
 * @throws ImproperlyConfigured unless exactly one field has it
 */
export function fieldOf(id: string): FileField {
  const field = fields().get(id)?.field
  if (field === null) throw duplicate(id)
  if (field !== undefined) return field
  throw new ImproperlyConfigured(
    `There is no file field ${JSON.stringify(id)}; its model has to be loaded before a cache is read.`,
    { setting: 'id' },
  )
}

/** The file that calls a constructor: without what a development server puts behind its name, and the line. */
export function callerOf(made: NewableFunction): string | undefined {
  const holder: { stack?: unknown } = {}
  Error.captureStackTrace(holder, made)
  const frame = typeof holder.stack === 'string' ? holder.stack.split('\n')[1] : undefined
  return frame?.replace(/(:\d+)*\)?$/, '').replace(/\?[^?]*$/, '')
}

/** Lets the default file of a field be in use, whether a row shows it or not. */
export function registerDefault(field: FileField): void {
  fieldsWithDefaults().add(field)
}

/** Other fields that show a file of this name for rows without one of their own, each in its storage. */
export function fieldsOfDefault(name: string, except: FileField): readonly FileField[] {
  return [...fieldsWithDefaults()].filter(field => field.default === name && field !== except)
}

/** Whether one of the fields has its files in this storage. */
export async function areSomeIn(
  storage: Storage,
  candidates: readonly FileField[],
): Promise<boolean> {
  for (const field of candidates) if (await isIn(field, storage)) return true
  return false
}

/** The files that fields show for rows without one of their own. */
export async function* defaultsIn(storage: Storage): AsyncGenerator<string> {
  for (const field of fieldsWithDefaults()) {
    if (field.default !== null && (await isIn(field, storage))) yield field.default
  }
}

async function isIn(field: FileField, storage: Storage): Promise<boolean> {
  try {
    return (
      field.storage === storage ||
      (await loadedTarget(field.storage)) === (await loadedTarget(storage))
    )
  } catch {
    // A storage that cannot be told yet may be this one.
    return true
  }
}

function duplicate(id: string): ImproperlyConfigured {
  return new ImproperlyConfigured(
    `Two file fields have the id ${JSON.stringify(id)}; give each an id of its own.`,
    { setting: 'id' },
  )
}

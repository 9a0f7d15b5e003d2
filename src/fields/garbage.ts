import { hasCode, isStorageError, StorageError, ValidationError } from '../core/errors.ts'
import { checkArguments, kindOf } from '../core/options.ts'
import { batches } from '../core/pool.ts'
import type { Storage } from '../core/storage.ts'
import { NameSet } from './name-set.ts'
import { defaultsIn } from './registry.ts'

export interface GarbageOptions {
  readonly storage: Storage
  /** Only files in this folder. Default: all. */
  readonly folder?: string | undefined
  /**
   * Names in the database's columns, in any order; read once, as a stream. The defaults of fields that
   * this process has loaded are in use beside them.
   */
  readonly used: AsyncIterable<string | null> | Iterable<string | null>
  /** Seconds, default 86,400: what is younger may belong to a row that is being written. */
  readonly olderThan?: number | undefined
  /** Whether orphans are removed. Default false: they are only reported. */
  readonly delete?: boolean | undefined
  /** Whether orphans are removed also if not one name came, and so all files are. Default false. */
  readonly allowEmpty?: boolean | undefined
  readonly signal?: AbortSignal | undefined
}

export interface GarbageFinding {
  readonly name: string
  /** `orphan`: no row names the file. `missing`: a row names it, and it is not there. */
  readonly state: 'orphan' | 'missing' | 'deleted'
}

/** A day: no transaction takes that long. */
const defaultAge = 86_400
/** Names per request; what S3 takes. */
const deleteBatch = 1000

/**
 * Compares a storage with the names that a database holds: reports files that no row names, and
 * names without a file. Memory is flat: 16 bytes or so for each file, of any number of rows.
 *
 * Files are listed, then `used` is read, then they are listed once more: a row that is written
 * meanwhile is no orphan, as long as its file is younger than `olderThan` or was named before.
 *
 * @throws ValidationError with `delete` when not one name came, before anything is removed
 * @throws StorageError at the end, whose `errors` has one per file that could not be removed
 */
export async function* collectGarbage(options: GarbageOptions): AsyncGenerator<GarbageFinding> {
  const { storage, signal, olderThan = defaultAge, folder = '' } = options
  checkOptions(options)
  const before = new Date(Date.now() - olderThan * 1000)
  const stored = new NameSet()
  for await (const { name } of storage.list(folder, { recursive: true, signal })) stored.add(name)
  yield* missingFiles(options, stored)
  for await (const name of defaultsIn(storage)) stored.mark(name)
  const orphans = orphanNames(storage, folder, stored, before, signal)
  if (options.delete === true) yield* remove(storage, orphans, signal)
  else for await (const name of orphans) yield { name, state: 'orphan' }
}

function checkOptions(options: GarbageOptions): void {
  const { storage, used, ...others } = options
  checkArguments(
    'collectGarbage',
    {
      folder: 'string',
      olderThan: 'number',
      delete: 'boolean',
      allowEmpty: 'boolean',
      signal: 'signal',
    },
    others,
  )
  const { olderThan = defaultAge } = options
  if (!(olderThan >= 0))
    throw new ValidationError(`olderThan is a number of seconds of at least 0, not ${olderThan}.`)
  if (typeof used === 'string' || !isIterable(used))
    throw new ValidationError('used is an iterable of names, such as a stream of a column.')
  if (storage === undefined) throw new ValidationError('collectGarbage() needs a storage.')
}

function isIterable(value: unknown): boolean {
  const object = Object(value)
  return Symbol.asyncIterator in object || Symbol.iterator in object
}

/** Marks what is used; a name that was not listed is asked for: its file may be newer. */
async function* missingFiles(
  { storage, used, folder = '', signal, ...options }: GarbageOptions,
  stored: NameSet,
): AsyncGenerator<GarbageFinding> {
  const prefix = folder === '' || folder.endsWith('/') ? folder : `${folder}/`
  let isEmpty = true
  for await (const name of used) {
    signal?.throwIfAborted()
    if (isNoName(name)) continue
    isEmpty = false
    if (!name.startsWith(prefix) || stored.mark(name)) continue
    if (!(await isThere(storage, name, signal))) yield { name, state: 'missing' }
  }
  // A query that went wrong gives no names, and every file would look like garbage.
  if (!isEmpty || options.delete !== true || options.allowEmpty === true) return
  throw new ValidationError(
    'Not one name is in use, so every file would be removed; allow that (allowEmpty, --allow-empty) if it is right.',
  )
}

/** @throws ValidationError for what is neither a name nor the value of a column without one */
function isNoName(value: unknown): value is null | '' {
  if (value === null || value === '') return true
  if (typeof value === 'string') return false
  throw new ValidationError(
    `used gives names, and null for rows without one, not ${kindOf(value)}: a column may be misspelt.`,
  )
}

/** A name that no storage accepts has no file. */
async function isThere(storage: Storage, name: string, signal?: AbortSignal): Promise<boolean> {
  try {
    return await storage.exists(name, { signal })
  } catch (error) {
    if (hasCode(error, 'ERR_STORAGE_SUSPICIOUS_FILE_OPERATION')) return false
    throw error
  }
}

async function* orphanNames(
  storage: Storage,
  folder: string,
  stored: NameSet,
  before: Date,
  signal: AbortSignal | undefined,
): AsyncGenerator<string> {
  for await (const { name, modifiedTime } of storage.list(folder, { recursive: true, signal })) {
    // A file that came after the first listing is in no table of ours, however old it says it is.
    if (modifiedTime <= before && stored.has(name) && !stored.isMarked(name)) yield name
  }
}

async function* remove(
  storage: Storage,
  orphans: AsyncIterable<string>,
  signal: AbortSignal | undefined,
): AsyncGenerator<GarbageFinding> {
  const failures: StorageError[] = []
  for await (const batch of batches(orphans, deleteBatch)) {
    const failed = new Set<string | undefined>()
    try {
      await storage.deleteMany(batch, { signal })
    } catch (error) {
      if (!isStorageError(error) || error.errors === undefined) throw error
      failures.push(...error.errors)
      for (const { file } of error.errors) failed.add(file)
    }
    for (const name of batch) yield { name, state: failed.has(name) ? 'orphan' : 'deleted' }
  }
  if (failures.length === 0) return
  throw new StorageError(`${failures.length} orphans could not be removed.`, {
    operation: 'collectGarbage',
    errors: failures,
  })
}

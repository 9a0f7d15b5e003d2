import { hasCode, isStorageError, StorageError, ValidationError } from '../core/errors.ts'
import type { FileStat } from '../core/file-stat.ts'
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
  /** Whether orphans are removed also if not one of the names has a file, and so all are. Default false. */
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
 * names without a file. Memory is flat: 16 bytes or so for each file (32 on disk), of any number of rows.
 * A file that links on disk give several names is no orphan under any of them.
 *
 * Files are listed, then `used` is read, then they are listed once more: a row that is written
 * meanwhile is no orphan, as long as its file is younger than `olderThan` or was named before.
 *
 * @throws ValidationError with `delete` when not one of the names has a file, before anything is removed
 * @throws StorageError at the end, whose `errors` has one per file that could not be removed
 */
export async function* collectGarbage(options: GarbageOptions): AsyncGenerator<GarbageFinding> {
  const { storage, signal, olderThan = defaultAge, folder = '' } = options
  checkOptions(options)
  const before = new Date(Date.now() - olderThan * 1000)
  const stored = new NameSet()
  const files = new Files(storage)
  for await (const stat of storage.list(folder, { recursive: true, signal })) {
    stored.add(stat.name)
    files.add(stat)
  }
  yield* missingFiles(options, stored)
  for await (const name of defaultsIn(storage)) stored.mark(name)
  const orphans = orphanNames(options, stored, files, before)
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
  let isAnyThere = false
  for await (const name of used) {
    signal?.throwIfAborted()
    if (isNoName(name) || !name.startsWith(prefix)) continue
    if (stored.mark(name) || (await isThere(storage, name, signal))) isAnyThere = true
    else yield { name, state: 'missing' }
  }
  // A query that went wrong gives no names, or others, and every file would look like garbage.
  if (isAnyThere || options.delete !== true || options.allowEmpty === true) return
  throw new ValidationError(
    'Not one name in use is that of a file here, so every file would be removed; allow that (allowEmpty, --allow-empty) if it is right.',
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
  { storage, folder = '', signal }: GarbageOptions,
  stored: NameSet,
  files: Files,
  before: Date,
): AsyncGenerator<string> {
  for await (const stat of storage.list(folder, { recursive: true, signal })) {
    const { name, modifiedTime } = stat
    if (modifiedTime > before || files.haveOtherNames(stat)) continue
    // A file that came after the first listing is in no table of ours, however old it says it is.
    if (stored.has(name) && !stored.isMarked(name)) yield name
  }
}

/** Where links may give a file several names, and a row names it by another one: on disk. */
class Files {
  readonly #storage: Storage
  /** Versions of files, which hold their inodes there. */
  readonly #seen = new NameSet()
  readonly #linked = new NameSet()
  #isOnDisk: boolean | undefined

  constructor(storage: Storage) {
    this.#storage = storage
  }

  add({ name, etag }: FileStat): void {
    this.#isOnDisk ??= hasPath(this.#storage, name)
    if (this.#isOnDisk && etag !== undefined && !this.#seen.add(etag)) this.#linked.add(etag)
  }

  haveOtherNames({ etag }: FileStat): boolean {
    return etag !== undefined && this.#linked.has(etag)
  }
}

function hasPath(storage: Storage, name: string): boolean {
  try {
    storage.path(name)
    return true
  } catch (error) {
    return !hasCode(error, 'ERR_STORAGE_UNSUPPORTED')
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

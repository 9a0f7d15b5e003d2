import type { Backend, OperationOptions } from './backend.ts'
import { StorageError, sameKind, ValidationError } from './errors.ts'
import { type Name, parseReadName } from './names.ts'
import { kindOf } from './options.ts'
import { batches, pool } from './pool.ts'

/** Limit of S3's DeleteObjects; other backends take names in the same portions. */
const batchSize = 1000
/** Requests in flight where each name needs one of its own. */
const concurrency = 16

/**
 * Deletes all names, portion by portion.
 *
 * @throws ValidationError for anything that is no iterable of names
 * @throws StorageError with one error per name that failed, after all were tried
 */
export async function deleteNames(
  backend: Backend,
  names: Iterable<string> | AsyncIterable<string>,
  options: OperationOptions,
): Promise<void> {
  if (!isIterable(names))
    throw new ValidationError(
      `deleteMany() takes a list or another iterable of names, not ${kindOf(names)}.`,
    )
  const errors: StorageError[] = []
  for await (const batch of batches(names, batchSize)) {
    options.signal?.throwIfAborted()
    const accepted = acceptedNames(backend, batch, errors)
    if (accepted.length === 0) continue
    const failed = await deleteBatch(backend, accepted, options)
    for (const [name, error] of failed) errors.push(errorOf(backend, name, error))
  }
  if (errors.length === 0) return
  const [first] = errors
  throw new StorageError(
    `${errors.length === 1 ? 'One file' : `${errors.length} files`} could not be deleted, the first: ${first?.message}`,
    { errors, cause: first },
  )
}

/** A string is none: its letters are no names. */
function isIterable(names: unknown): boolean {
  return (
    typeof names === 'object' &&
    names !== null &&
    (Symbol.iterator in names || Symbol.asyncIterator in names)
  )
}

function acceptedNames(backend: Backend, batch: readonly string[], errors: StorageError[]): Name[] {
  const accepted = new Set<Name>()
  for (const name of batch) {
    try {
      accepted.add(parseReadName(name))
    } catch (error) {
      errors.push(errorOf(backend, name, error))
    }
  }
  return [...accepted]
}

async function deleteBatch(
  backend: Backend,
  names: readonly Name[],
  options: OperationOptions,
): Promise<ReadonlyMap<Name, unknown>> {
  if (backend.deleteMany === undefined) return await deleteEach(backend, names, options)
  try {
    return await backend.deleteMany(names, options)
  } catch (error) {
    // The request as a whole failed: none of its names can be taken as deleted.
    return new Map(names.map(name => [name, error]))
  }
}

async function deleteEach(
  backend: Backend,
  names: readonly Name[],
  options: OperationOptions,
): Promise<ReadonlyMap<Name, unknown>> {
  const failed = new Map<Name, unknown>()
  await pool(names, concurrency, async name => {
    options.signal?.throwIfAborted()
    try {
      await backend.delete(name, options)
    } catch (error) {
      failed.set(name, error)
    }
  })
  return failed
}

function errorOf(backend: Backend, name: string, error: unknown): StorageError {
  return sameKind(error, { operation: 'deleteMany', file: name, backend: backend.name })
}

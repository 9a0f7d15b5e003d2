import type { StorageError } from '../../core/errors.ts'
import type { RequestOptions } from './engine.ts'
import { s3Error } from './errors.ts'
import { fitsXml } from './list-xml.ts'

/** How an engine deletes. */
export interface KeyDeletion {
  /** With one DeleteObjects; resolves to the keys that failed. */
  listed(keys: readonly string[]): Promise<ReadonlyMap<string, StorageError>>
  one(key: string): Promise<void>
  /** Waits before the attempt that follows `attempts` of them; throws when there is none. */
  pauseAfter(failure: unknown, attempts: number): Promise<void>
}

/**
 * Deletes keys as far as it can: those that failed for a reason that passes again, and those that no
 * XML document can hold one by one. Resolves to the errors of those that are left.
 */
export async function deleteKeys(
  keys: readonly string[],
  { signal }: RequestOptions,
  deletion: KeyDeletion,
): Promise<ReadonlyMap<string, Error>> {
  const errors = new Map<string, Error>()
  let listed = keys.filter(fitsXml)
  for (let attempts = 1; listed.length > 0; attempts++) {
    const failed = await deletion.listed(listed)
    for (const key of listed) errors.delete(key)
    for (const [key, error] of failed) errors.set(key, error)
    listed = [...failed].flatMap(([key, error]) => (error.retryable ? [key] : []))
    const [key] = listed
    if (key === undefined) break
    const goOn = await deletion.pauseAfter(errors.get(key), attempts).then(
      () => true,
      () => signal?.throwIfAborted(),
    )
    if (goOn !== true) break
  }
  for (const key of keys.filter(each => !fitsXml(each)))
    await deletion.one(key).catch(error => errors.set(key, error))
  return errors
}

/** What DeleteObjects says of a key. */
export interface KeyError {
  readonly key: string
  readonly code: string | undefined
  readonly message: string | undefined
}

/** The errors by kind, of the keys that are not merely missing. */
export function deletionErrors(
  errors: readonly KeyError[],
  bucketName: string,
): ReadonlyMap<string, StorageError> {
  const left = errors.filter(({ code }) => code !== 'NoSuchKey')
  return new Map(
    left.map(({ key, code, message }) => [
      key,
      s3Error({ ...noAnswer, code, message, bucketName }, 'object'),
    ]),
  )
}

/** The whole answer was a success. */
const noAnswer = {
  status: 0,
  method: 'POST',
  region: undefined,
  requestId: undefined,
  retryAfter: undefined,
}

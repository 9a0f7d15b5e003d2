import { hasCode, PreconditionFailedError } from '../core/errors.ts'
import { formatManifest, type Manifest } from './manifest.ts'
import type { StaticManifest, StoredManifest } from './static-manifest.ts'

/** The manifest is asked for anew by browsers and caches, if it is public at all. */
const cacheControl = 'no-cache'

/**
 * Checks that no other run has finished since the manifest was read.
 *
 * @throws PreconditionFailedError
 */
export async function checkUncontested(
  place: StaticManifest,
  before: StoredManifest,
  signal: AbortSignal | undefined,
): Promise<void> {
  const current = await currentVersion(place, signal)
  if (current !== before.etag) throw contested(place)
}

/**
 * Puts a manifest in force, if the one that it is based on still is.
 *
 * @throws PreconditionFailedError if another run was faster
 */
export async function commitManifest(
  place: StaticManifest,
  before: StoredManifest,
  manifest: Manifest,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { manifestStorage: storage, manifestName: name } = place
  const text = formatManifest(manifest)
  const { properties, ifMatch } = storage.backend.capabilities
  const headers = properties ? { contentType: 'application/json', cacheControl } : {}
  try {
    if (before.etag === undefined) {
      const writer = await storage.open(name, 'w', { ...headers, overwrite: false, signal })
      await writer.write(text)
      await writer.close()
    } else {
      const condition = ifMatch ? { ifMatch: before.etag } : { overwrite: true }
      await storage.save(name, text, { ...headers, ...condition, signal })
    }
  } catch (error) {
    const lost =
      hasCode(error, 'ERR_STORAGE_PRECONDITION_FAILED') || hasCode(error, 'ERR_STORAGE_FILE_EXISTS')
    throw lost ? contested(place, error) : error
  }
  // The version is unknown, so that the next look reads it again.
  place.replace({ manifest, etag: '' })
}

async function currentVersion(
  place: StaticManifest,
  signal: AbortSignal | undefined,
): Promise<string | undefined> {
  try {
    return (await place.manifestStorage.stat(place.manifestName, { signal })).etag ?? ''
  } catch (error) {
    if (hasCode(error, 'ERR_STORAGE_FILE_NOT_FOUND')) return undefined
    throw error
  }
}

function contested(place: StaticManifest, cause?: unknown): PreconditionFailedError {
  return new PreconditionFailedError(
    `Another run finished while this one collected: its ${place.manifestName} is in force, and this one's was not written. Run collectstatic again.`,
    { operation: 'collectStatic', file: place.manifestName, cause },
  )
}

import { setTimeout } from 'node:timers/promises'
import { linkSignals } from '../core/abort.ts'
import { isStorageError, UnavailableError } from '../core/errors.ts'
import type { Storage } from '../core/storage.ts'
import { type Manifest, sameManifest } from './manifest.ts'
import { commitManifest } from './manifest-commit.ts'
import type { StaticManifest, StoredManifest } from './static-manifest.ts'

/** A run that deletes is done by then, in milliseconds; so nobody has to wait longer for it. */
const longestPruning = 45_000
/** Above that, by what a request that was given up may still be on its way. */
const longestWait = 60_000
/** Between two looks at the manifest, in milliseconds. */
const pause = 500
/** Names that are deleted together: so many S3 takes with one request. */
const batch = 1000

/** What time is taken from. */
export interface Clock {
  /** Milliseconds since some moment. */
  now(): number
  sleep(time: number, signal: AbortSignal | undefined): Promise<void>
  /** A signal that aborts after some milliseconds. */
  timeout(time: number): AbortSignal
}

const systemClock: Clock = {
  now: () => performance.now(),
  sleep: (time, signal) => setTimeout(time, undefined, signal && { signal }),
  timeout: time => AbortSignal.timeout(time),
}

/**
 * The manifest, once no other run is deleting: a listing would show files that go a moment later. A
 * run that died meanwhile is waited for a minute, and only once.
 */
export async function readSettled(
  place: StaticManifest,
  signal: AbortSignal | undefined,
  onWait: () => void,
  clock: Clock = systemClock,
): Promise<StoredManifest> {
  let stored = await place.read({ signal })
  if (stored.manifest.pruning?.running === true) onWait()
  let started = clock.now()
  while (stored.manifest.pruning?.running === true) {
    if (clock.now() - started > longestWait) return stored
    await clock.sleep(pause, signal)
    const { created } = stored.manifest
    stored = await place.read({ signal })
    if (stored.manifest.created !== created) started = clock.now()
  }
  return stored
}

/**
 * Deletes what a manifest that is in force names as to be pruned, and writes there that it is done.
 *
 * @throws UnavailableError when it takes too long; the next run goes on with it
 */
export async function prune(
  files: Storage,
  place: StaticManifest,
  manifest: Manifest,
  signal: AbortSignal | undefined,
  clock: Clock = systemClock,
): Promise<void> {
  const names = manifest.pruning?.names ?? []
  const limit = clock.timeout(longestPruning)
  const both = linkSignals(signal, limit)
  let done = 0
  try {
    for (; done < names.length; done += batch)
      await files.deleteMany(names.slice(done, done + batch), { signal: both.signal })
  } catch (error) {
    if (!both.signal.aborted && !isOpen(error)) await settle(place, manifest, names.slice(done))
    throw limit.aborted && signal?.aborted !== true ? tooSlow(error) : error
  } finally {
    both.release()
  }
  await settle(place, manifest, [])
}

/** Whether a request that was given up may still be carried out: the next run waits then. */
function isOpen(error: unknown): boolean {
  return !isStorageError(error) || error.retryable || (error.errors ?? []).some(isOpen)
}

/** What another run has put in force meanwhile is left alone: it goes on with what is left, or has no need to. */
async function settle(
  place: StaticManifest,
  manifest: Manifest,
  left: readonly string[],
): Promise<void> {
  // Not the caller's: whoever gives up now would let the next run wait.
  const signal = AbortSignal.timeout(10_000)
  const pruning = left.length === 0 ? undefined : { names: left, running: false }
  try {
    const current = await place.read({ signal })
    if (!sameManifest(current.manifest, manifest)) return
    await commitManifest(place, current, { ...manifest, pruning }, signal)
  } catch (error) {
    // The site is in force, and what was to be deleted is. The next run waits its minute.
    if (!isStorageError(error) && !signal.aborted) throw error
  }
}

function tooSlow(cause: unknown): UnavailableError {
  return new UnavailableError(
    `The site is in force; what no generation names could not be deleted within ${longestPruning / 1000} s. The next run goes on with it.`,
    { operation: 'collectStatic', cause },
  )
}

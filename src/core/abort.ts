/** What waits for a signal to abort. */
const waiting = new WeakMap<AbortSignal, Set<() => void>>()

/**
 * Calls `listener` when the signal aborts, at once if it has already; what this returns takes it
 * back. The signal bears one listener of ours, for however many calls it is used: at eleven Node
 * warns of a leak.
 */
export function whenAborted(signal: AbortSignal | undefined, listener: () => void): () => void {
  if (signal === undefined) return doNothing
  if (signal.aborted) {
    listener()
    return doNothing
  }
  const listeners = waiting.get(signal) ?? listenTo(signal)
  listeners.add(listener)
  return () => {
    listeners.delete(listener)
    if (listeners.size === 0) forget(signal)
  }
}

function doNothing(): void {}

function listenTo(signal: AbortSignal): Set<() => void> {
  const listeners = new Set<() => void>()
  waiting.set(signal, listeners)
  signal.addEventListener('abort', callAll, { once: true })
  return listeners
}

function forget(signal: AbortSignal): void {
  waiting.delete(signal)
  signal.removeEventListener('abort', callAll)
}

function callAll(this: AbortSignal): void {
  const listeners = waiting.get(this) ?? []
  waiting.delete(this)
  for (const listener of listeners) listener()
}

/**
 * `work`, or `signal.reason` as soon as the signal aborts: a cancelled call comes back at once,
 * whatever the backend still has to clean up.
 */
export function untilAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work
  return new Promise<T>((resolve, reject) => {
    const release = whenAborted(signal, () => reject(signal.reason))
    work.then(resolve, reject).finally(release)
  })
}

/** A signal that aborts when one of several does, until it is released. */
export interface LinkedSignal {
  readonly signal: AbortSignal
  /** To be called when the work is done: nothing of it stays with signals that live longer. */
  release(): void
}

/** As `AbortSignal.any`, which leaves something with each of the signals every time (Node 20). */
export function linkSignals(...signals: readonly (AbortSignal | undefined)[]): LinkedSignal {
  const controller = new AbortController()
  const links = signals.map(signal => whenAborted(signal, () => controller.abort(signal?.reason)))
  return {
    signal: controller.signal,
    release() {
      for (const unlink of links) unlink()
    },
  }
}

/**
 * The items of `source`; rejects with `signal.reason` as soon as the signal aborts, also while an
 * item is awaited that never comes. `cancel` ends the source then.
 */
export async function* itemsUntilAborted<T>(
  source: AsyncIterable<T>,
  signal: AbortSignal | undefined,
  cancel?: (reason: unknown) => void,
): AsyncGenerator<T> {
  const iterator = source[Symbol.asyncIterator]()
  let ended = false
  try {
    for (;;) {
      signal?.throwIfAborted()
      // A hand-written iterator may answer without a promise; `for await` takes that, too.
      const result = await untilAborted(Promise.resolve(iterator.next()), signal)
      if (result.done) {
        ended = true
        return
      }
      yield result.value
    }
  } catch (error) {
    if (signal?.aborted === true) cancel?.(signal.reason)
    throw error
  } finally {
    if (!ended) await endIterator(iterator, signal)
  }
}

/** How long a source that is left early may take to end, in milliseconds. */
const endingTime = 1000

/**
 * Lets the source end. One that hangs in `next` cannot be ended: after an abort nobody waits for
 * it, and otherwise nobody for long.
 */
async function endIterator(
  iterator: AsyncIterator<unknown>,
  signal: AbortSignal | undefined,
): Promise<void> {
  const ending = endQuietly(iterator)
  if (signal?.aborted === true) return
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<void>(resolve => {
    timer = setTimeout(resolve, endingTime)
  })
  await Promise.race([ending, late])
  clearTimeout(timer)
}

/** What fails here fails after the error that matters. */
async function endQuietly(iterator: AsyncIterator<unknown>): Promise<void> {
  try {
    await iterator.return?.()
  } catch {}
}

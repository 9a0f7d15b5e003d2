/**
 * `work`, or `signal.reason` as soon as the signal aborts: a cancelled call comes back at once,
 * whatever the backend still has to clean up.
 */
export function untilAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work
  return new Promise<T>((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason)
    // The work may never end: a listener that cannot be called any more would stay with the signal.
    if (signal.aborted) onAbort()
    else signal.addEventListener('abort', onAbort, { once: true })
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort))
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
  const links = signals.flatMap(signal => {
    if (signal === undefined) return []
    const onAbort = (): void => controller.abort(signal.reason)
    if (signal.aborted) onAbort()
    else signal.addEventListener('abort', onAbort, { once: true })
    return [() => signal.removeEventListener('abort', onAbort)]
  })
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

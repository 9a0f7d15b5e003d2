/**
 * Calls `work` for each item, at most `concurrency` at a time, in the order of the items. The
 * first error stops taking further items and is thrown after those in flight have settled.
 */
export async function pool<T>(
  items: Iterable<T> | AsyncIterable<T>,
  concurrency: number,
  work: (item: T, index: number) => Promise<void>,
): Promise<void> {
  const inFlight = new Set<Promise<void>>()
  let failure: { readonly error: unknown } | undefined
  let index = 0
  for await (const item of items) {
    if (failure !== undefined) break
    const task = work(item, index++)
      .catch(error => {
        failure ??= { error }
      })
      .finally(() => inFlight.delete(task))
    inFlight.add(task)
    if (inFlight.size >= concurrency) await Promise.race(inFlight)
  }
  await Promise.all(inFlight)
  if (failure !== undefined) throw failure.error
}

/** Groups of `size` items; the last may be smaller. */
export async function* batches<T>(
  items: Iterable<T> | AsyncIterable<T>,
  size: number,
): AsyncGenerator<T[]> {
  let batch: T[] = []
  for await (const item of items) {
    batch.push(item)
    if (batch.length < size) continue
    yield batch
    batch = []
  }
  if (batch.length > 0) yield batch
}

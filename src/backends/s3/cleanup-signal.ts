/** How long the clean-up after a failure may take, in milliseconds: the caller waits for it. */
const cleanupTime = 30_000

/** For the requests of a clean-up: the caller's own signal may be what failed. */
export function cleanupSignal(): AbortSignal {
  return AbortSignal.timeout(cleanupTime)
}

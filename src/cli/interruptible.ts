const signals = ['SIGINT', 'SIGTERM'] as const

/**
 * Does work that is cancelled by SIGINT and SIGTERM: what it began is undone before the process ends
 * by that signal. A second one ends it at once.
 */
export async function interruptible<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController()
  const stop = (name: NodeJS.Signals): void => {
    release()
    // When the clean-up is done, too, nothing else is left to do.
    process.once('beforeExit', () => process.kill(process.pid, name))
    controller.abort(new Error(`Interrupted (${name}).`))
  }
  const release = (): void => {
    for (const name of signals) process.off(name, stop)
  }
  for (const name of signals) process.on(name, stop)
  try {
    return await work(controller.signal)
  } finally {
    release()
  }
}

import { say } from './output.ts'

/**
 * Sees to it that a process does not end with 0 when its work was not done, or when its results could
 * not be written.
 *
 * @returns what is to be called when the work is done or has failed
 */
export function watchEnding(): () => void {
  let settled = false
  let unwritable = false

  // Whoever reads us may have read enough (`| head`): the work goes on, its words go nowhere. So does
  // work whose words cannot be written, but that is no success.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE' || unwritable) return
    unwritable = true
    say(`stowage: Standard output cannot be written: ${error.message}`)
  })
  process.stderr.on('error', () => undefined)

  process.on('exit', code => {
    if (code !== 0) return
    // Node ends when nothing is left that could go on, and calls that a success.
    if (!settled)
      say(
        'stowage: The command ended before its work was done: a module that it runs waits for what never comes, or ends the process.',
      )
    if (!settled || unwritable) process.exitCode = 1
  })

  return () => {
    settled = true
  }
}

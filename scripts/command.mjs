// Runs commands for the checks: output is kept, time is bounded, failures carry both.
import { spawn } from 'node:child_process'

/**
 * Runs a command to its end. A time-out, in seconds, ends the command's whole process group.
 *
 * @param {string[]} command
 * @param {{ cwd?: string, env?: NodeJS.ProcessEnv, timeout?: number }} [options]
 * @returns {Promise<{ stdout: string, stderr: string, status: number | null, timedOut: boolean }>}
 */
export function run([file, ...args], { cwd, env, timeout = 300 } = {}) {
  return new Promise((resolve, reject) => {
    const stdio = ['ignore', 'pipe', 'pipe']
    const child = spawn(file, args, { cwd, env: { ...process.env, ...env }, stdio, detached: true })
    const result = { stdout: '', stderr: '', status: null, timedOut: false }
    for (const name of ['stdout', 'stderr']) {
      child[name].setEncoding('utf8').on('data', text => {
        result[name] += text
      })
    }
    const timer = setTimeout(() => {
      result.timedOut = true
      process.kill(-child.pid, 'SIGKILL')
    }, timeout * 1000)
    child.once('error', reject)
    child.once('close', status => {
      clearTimeout(timer)
      resolve({ ...result, status })
    })
  })
}

/** As `run`, for commands that must succeed: returns what they wrote to stdout. */
export async function output(command, options) {
  const { stdout, stderr, status, timedOut } = await run(command, options)
  if (status === 0) return stdout
  const end = timedOut ? 'took too long' : `ended with status ${status}`
  throw new Error(`${command.join(' ')} ${end}\n${stdout}${stderr}`)
}

import { fork, spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { fileURLToPath } from 'node:url'

/**
 * Starts the null S3 server: the C program, compiled now, or the one on node:net where there is no
 * compiler.
 *
 * @returns {Promise<{ origin: string, kind: string, counters(): Promise<Record<string, number>>, stop(): void }>}
 */
export async function startNullServer() {
  const folder = mkdtempSync(`${tmpdir()}/stowage-null-server-`)
  const program = compile(folder)
  const child =
    program === undefined
      ? fork(fileOf('null-server.mjs'), { stdio: ['ignore', 'pipe', 'inherit', 'ipc'] })
      : spawn(program, { stdio: ['ignore', 'pipe', 'inherit'] })
  const origin = `http://127.0.0.1:${await firstLine(child)}`
  return {
    origin,
    kind: program === undefined ? 'node:net' : 'C',
    counters: async () => (await fetch(`${origin}/_null/counters`)).json(),
    stop() {
      child.kill('SIGTERM')
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

function compile(folder) {
  const program = `${folder}/null-server`
  for (const compiler of ['gcc', 'cc']) {
    const { status } = spawnSync(compiler, ['-O2', '-o', program, fileOf('null-server.c')])
    if (status === 0) return program
  }
  return undefined
}

function firstLine(child) {
  return new Promise((resolve, reject) => {
    child.stdout.once('data', data => resolve(String(data).trim()))
    child.once('exit', code => reject(new Error(`The null server ended with ${code}.`)))
  })
}

function fileOf(name) {
  return fileURLToPath(new URL(name, import.meta.url))
}

import { fork, spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { fileURLToPath } from 'node:url'

/**
 * Starts the null S3 server: the C program, compiled now, or the one on Node where there is no
 * compiler, or where it is to speak TLS.
 *
 * @returns {Promise<{ origin: string, kind: string, counters(): Promise<Record<string, number>>, stop(): void }>}
 */
export async function startNullServer({ tls = false } = {}) {
  const folder = mkdtempSync(`${tmpdir()}/stowage-null-server-`)
  const program = tls ? undefined : compile(folder)
  const child =
    program === undefined
      ? fork(fileOf('null-server.mjs'), tls ? ['--tls'] : [], {
          stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
        })
      : spawn(program, { stdio: ['ignore', 'pipe', 'inherit'] })
  const [port, plainPort = port] = (await firstLine(child)).split(' ')
  return {
    origin: `${tls ? 'https' : 'http'}://127.0.0.1:${port}`,
    kind: program === undefined ? (tls ? 'node:tls' : 'node:net') : 'C',
    counters: async () => (await fetch(`http://127.0.0.1:${plainPort}/_null/counters`)).json(),
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

import { fork } from 'node:child_process'
import { cpus } from 'node:os'
import { fileURLToPath } from 'node:url'
import { startNullServer } from './null-server/start.mjs'

/** Runs `work` beside a null server, over TLS with `--tls`, which ends with it. */
export async function withNullServer(work) {
  const server = await startNullServer({ tls: process.argv.includes('--tls') })
  try {
    return await work(server)
  } finally {
    server.stop()
  }
}

/** The authority of the null server's certificate, for all engines alike. */
const authority = fileURLToPath(new URL('../test/fixtures/tls/ca.pem', import.meta.url))
const trust = {
  NODE_EXTRA_CA_CERTS: authority,
  AWS_CA_BUNDLE: authority,
  SSL_CERT_FILE: authority,
}

/** One engine in a process of its own. */
export class Worker {
  #child

  static async start(engine, origin) {
    const file = fileURLToPath(new URL('worker.mjs', import.meta.url))
    const execArgv = process.env.BENCH_NODE_OPTIONS?.split(' ') ?? []
    const env = {
      ...process.env,
      AWS_EC2_METADATA_DISABLED: 'true',
      NODE_NO_WARNINGS: '1',
      ...trust,
    }
    const child = fork(file, [engine, origin], { env, execArgv })
    const worker = new Worker(engine, child)
    worker.operations = (await worker.#answer()).operations
    return worker
  }

  constructor(engine, child) {
    this.engine = engine
    this.#child = child
  }

  async perform(job) {
    this.#child.send(job)
    return await this.#answer()
  }

  stop() {
    this.#child.disconnect()
  }

  #answer() {
    return new Promise((resolve, reject) => {
      const onExit = code => reject(new Error(`The process of ${this.engine} ended with ${code}.`))
      this.#child.once('exit', onExit)
      this.#child.once('message', message => {
        this.#child.off('exit', onExit)
        resolve(message)
      })
    })
  }
}

/** What `work` caused at the server, by the difference of its counters. */
export async function countAround(server, work) {
  const before = await server.counters()
  const result = await work()
  const after = await server.counters()
  const counted = Object.fromEntries(
    Object.keys(after).map(name => [name, after[name] - before[name]]),
  )
  return { result, counted }
}

/** @throws Error when the server saw something else than was measured */
export function expectCounted(counted, expected, where) {
  for (const [name, count] of Object.entries(expected)) {
    if (counted[name] !== count)
      throw new Error(`${where}: the server counted ${counted[name]} ${name}, not ${count}.`)
  }
}

export function best(values) {
  return Math.min(...values)
}

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

/** Where the figures were taken: they compare only within one machine. */
export function machine() {
  return `Node ${process.versions.node}, ${cpus().length} × ${cpus()[0]?.model ?? 'unknown CPU'}, ${process.platform} ${process.arch}`
}

/** Rows as a Markdown table; the first one is the head. */
export function table(rows) {
  const [head, ...body] = rows.map(row => `| ${row.join(' | ')} |`)
  return [head, head.replaceAll(/[^|]+/g, ' --- '), ...body].join('\n')
}

/** Prints as text or, with `--json`, as JSON: one object, two forms. */
export function print(report, toText) {
  console.log(
    process.argv.includes('--json') ? JSON.stringify(report, undefined, 2) : toText(report),
  )
}

/** A number after `--name` on the command line, or the default. */
export function numberOption(name, fallback) {
  const at = process.argv.indexOf(`--${name}`)
  return at === -1 ? fallback : Number(process.argv[at + 1])
}

/** A list after `--name`, comma-separated, or the default. */
export function listOption(name, fallback) {
  const at = process.argv.indexOf(`--${name}`)
  return at === -1 ? fallback : process.argv[at + 1].split(',')
}

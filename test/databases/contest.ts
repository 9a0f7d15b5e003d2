import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { rolldown } from 'rolldown'
import type { AdapterName } from './adapters.ts'
import type { Place } from './place.ts'

/** Where the rows and the files of a contest are. */
export interface Arena {
  readonly adapter: AdapterName
  readonly place: Place
  /** Of a FileSystemStorage. */
  readonly folder: string
}

/** What a contender is to do, `count` times, all beginning at `start` (milliseconds since 1970). */
export interface Order {
  readonly task: 'replace' | 'mix'
  /** Titles of the rows to work on. */
  readonly titles: readonly string[]
  /** Told apart by it. */
  readonly id: number
  readonly count: number
  readonly start: number
}

/** What came of it. */
export interface Outcome {
  readonly done: number
  /** Messages of what the database or the adapter refused. */
  readonly refused: readonly string[]
}

const folder = fileURLToPath(new URL('../../.tmp/databases', import.meta.url))
const source = (path: string): string =>
  fileURLToPath(new URL(`../../src/${path}`, import.meta.url))

/** Bundles the program of a contender; resolves to its path. */
export async function bundleContender(name: string): Promise<string> {
  const entries = ['fields', 'drizzle', 'mikro-orm', 'prisma', 'sequelize', 'typeorm']
  const alias = Object.fromEntries(
    entries.map(entry => [`stowage/${entry}`, source(`${entry}.ts`)]),
  )
  const bundle = await rolldown({
    input: fileURLToPath(new URL('./contender.ts', import.meta.url)),
    platform: 'node',
    resolve: { alias: { ...alias, stowage: source('index.ts') } },
    external: id => !/^([./]|stowage(\/|$))/.test(id),
  })
  const file = `${name}.mjs`
  await bundle.write({ dir: folder, entryFileNames: file, chunkFileNames: `${name}-[name].mjs` })
  await bundle.close()
  return join(folder, file)
}

/** A process that works on the rows of an arena. */
export class Contender {
  readonly #child: ChildProcess

  private constructor(child: ChildProcess) {
    this.#child = child
  }

  static async start(script: string, arena: Arena): Promise<Contender> {
    const child = fork(script, [JSON.stringify(arena)], { execArgv: [] })
    const contender = new Contender(child)
    await contender.#answer()
    return contender
  }

  async run(order: Order): Promise<Outcome> {
    this.#child.send(order)
    return (await this.#answer()) as Outcome
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    this.#child.kill()
    await once(this.#child, 'exit')
  }

  async #answer(): Promise<unknown> {
    const ended = once(this.#child, 'exit').then(([code]) => {
      throw new Error(`A contender ended with ${code}.`)
    })
    const [answer] = await Promise.race([once(this.#child, 'message'), ended])
    ended.catch(() => {})
    return answer
  }
}

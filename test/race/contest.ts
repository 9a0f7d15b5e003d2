import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

/** What a process of a race does, with which storage. Goes to it as JSON. */
export interface Contender {
  /** URL or path of a module of this package, and the class in it. */
  readonly module: string
  readonly className: string
  readonly options: object
  readonly task: Task
  /** Told apart by it. */
  readonly id: number
  /** Of the file that all work on; a `%` is replaced by the turn. */
  readonly name: string
  /** How often; `0`: until it is killed. */
  readonly count: number
  /** Bytes of a content. */
  readonly size?: number | undefined
  /** Milliseconds from turn to turn, so that all try the same at the same moment; default: none. */
  readonly pace?: number | undefined
}

/**
 * - `save`: saves contents of its own and says the names that they got; with a `size`, bytes that
 *   are the contender's number, in turn as one piece and as a stream of unknown length.
 * - `overwrite`: replaces the file by as many equal bytes.
 * - `increment`: adds one to the number in the file, on the condition that nobody else did.
 */
export type Task = 'save' | 'overwrite' | 'increment'

/** A process of a race. */
export class Runner {
  readonly #child: ChildProcess
  readonly #lines: AsyncIterator<string>
  readonly #exit: Promise<void>
  #errors = ''

  constructor(contender: Contender) {
    const script = fileURLToPath(new URL('./contender.ts', import.meta.url))
    const args = ['--import', 'jiti/register', script, JSON.stringify(contender)]
    this.#child = spawn(process.execPath, args, { stdio: 'pipe' })
    const { stdout, stderr } = this.#child
    if (stdout === null || stderr === null) throw new Error('A contender needs pipes.')
    this.#lines = createInterface({ input: stdout })[Symbol.asyncIterator]()
    stderr.setEncoding('utf8').on('data', text => {
      this.#errors += text
    })
    this.#exit = new Promise(resolve => this.#child.once('close', () => resolve()))
  }

  /** Waits until it is about to begin. */
  async ready(): Promise<void> {
    if ((await this.next()) !== 'ready') throw new Error(`A contender failed: ${this.#errors}`)
  }

  /** @param start of the first turn, in milliseconds since 1970 */
  begin(start: number = Date.now()): void {
    this.#child.stdin?.write(`${start}\n`)
  }

  /** What it says next; `undefined` at its end. */
  async next(): Promise<unknown> {
    const line = await this.#lines.next()
    return line.done === true ? undefined : JSON.parse(line.value)
  }

  /** Everything it says until it ends. */
  async results(): Promise<unknown[]> {
    const results: unknown[] = []
    for (let line = await this.next(); line !== undefined; line = await this.next())
      results.push(line)
    await this.#exit
    if (this.#child.exitCode !== 0 && this.#child.signalCode === null)
      throw new Error(`A contender failed: ${this.#errors}`)
    return results
  }

  /** Ends it at once, as `kill -9` does. */
  async kill(): Promise<unknown[]> {
    this.#child.kill('SIGKILL')
    return await this.results()
  }
}

/** Lets all begin together; resolves to what each has said. */
export async function race(contenders: readonly Contender[]): Promise<unknown[][]> {
  const runners = contenders.map(contender => new Runner(contender))
  try {
    await Promise.all(runners.map(runner => runner.ready()))
    const start = Date.now() + 20
    for (const runner of runners) runner.begin(start)
    return await Promise.all(runners.map(runner => runner.results()))
  } catch (error) {
    await Promise.allSettled(runners.map(runner => runner.kill()))
    throw error
  }
}

/** The content that contender `id` saves the `turn`-th time. */
export function contentOf(id: number, turn: number): string {
  return `contender ${id}, turn ${turn}\n`
}

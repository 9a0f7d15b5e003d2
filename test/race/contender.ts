/**
 * A process of a race: makes the storage that it is told, says `ready`, waits for a line, and then
 * does its task and says each result, a line of JSON. See `contest.ts`.
 */
import { once } from 'node:events'
import { writeSync } from 'node:fs'
import type { Content } from '../../src/core/content.ts'
import { PreconditionFailedError } from '../../src/core/errors.ts'
import type { Storage } from '../../src/core/storage.ts'
import { type Contender, contentOf, type Task } from './contest.ts'

type Work = (storage: Storage, contender: Contender, start: number) => Promise<void>

const tasks: Readonly<Record<Task, Work>> = {
  save: async (storage, { id, name, count, size, pace = 0 }, start) => {
    for (let turn = 0; turn < count; turn++) {
      waitUntil(start + turn * pace)
      const content = size === undefined ? contentOf(id, turn) : largeContent(id, turn, size)
      say(await storage.save(name.replace('%', String(turn)), content))
    }
  },
  overwrite: async (storage, { name, count, size = 0 }) => {
    for (let turn = 0; turn < (count || Number.POSITIVE_INFINITY); turn++) {
      const content = new Uint8Array(size).fill(turn)
      // In turn as one piece and as a stream.
      await storage.save(name, turn % 2 === 0 ? content : new Blob([content]), { overwrite: true })
      say(turn)
    }
  },
  increment: async (storage, { name, count }) => {
    for (let turn = 0; turn < (count || Number.POSITIVE_INFINITY); turn++)
      say(await increment(storage, name))
  },
}

function largeContent(id: number, turn: number, size: number): Content {
  const bytes = new Uint8Array(size).fill(id)
  return (id + turn) % 2 === 0 ? bytes : new Blob([bytes]).stream()
}

/** Reads the number and its version in one go, so that what is written belongs to what was read. */
async function increment(storage: Storage, name: string): Promise<number> {
  for (;;) {
    const { etag = '' } = await storage.stat(name)
    try {
      const reader = await storage.open(name, 'r')
      const next = Number(await reader.read()) + 1
      await storage.save(name, String(next), { ifMatch: etag })
      return next
    } catch (error) {
      if (!(error instanceof PreconditionFailedError)) throw error
    }
  }
}

async function makeStorage({ module, className, options }: Contender): Promise<Storage> {
  const exports: Record<string, new (options: object) => Storage> = await import(module)
  const Class = exports[className]
  if (Class === undefined) throw new Error(`There is no class ${className} in ${module}.`)
  return new Class(options)
}

/** To the microsecond, which no timer is. */
function waitUntil(time: number): void {
  while (performance.timeOrigin + performance.now() < time);
}

/** At once: what was said must not be lost when the process is killed. */
function say(result: unknown): void {
  writeSync(1, `${JSON.stringify(result)}\n`)
}

const contender = JSON.parse(process.argv[2] ?? '') as Contender
const storage = await makeStorage(contender)
say('ready')
const [start] = await once(process.stdin, 'data')
await tasks[contender.task](storage, contender, Number(start))
process.exit(0)

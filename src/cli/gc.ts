import { createReadStream } from 'node:fs'
import { resolve } from 'node:path'
import { loadConfig } from '../config/configured-storage.ts'
import { importModule } from '../config/load-config.ts'
import { StorageStandIn } from '../config/stand-in.ts'
import { ValidationError } from '../core/errors.ts'
import { collectGarbage } from '../fields/garbage.ts'
import { print } from './output.ts'

/** Options of `stowage gc`. */
export interface GcOptions {
  readonly config?: string
  readonly storage: string
  /** `-` for standard input, a text file with a name per line, or a module. */
  readonly used: string
  readonly folder?: string
  readonly olderThan: number
  readonly delete?: boolean
  readonly allowEmpty?: boolean
  readonly json?: boolean
}

/**
 * Compares a configured storage with the names that a database holds, and prints a line per
 * finding. Without `--delete` nothing is removed.
 *
 * @returns whether every name that is used has its file
 */
export async function gc(options: GcOptions): Promise<boolean> {
  await loadConfig({ file: options.config })
  const storage = new StorageStandIn(options.storage)
  const { folder, olderThan, allowEmpty } = options
  const used = await namesOf(options.used)
  let complete = true
  for await (const { name, state } of collectGarbage({
    storage,
    used,
    folder,
    olderThan,
    delete: options.delete ?? false,
    allowEmpty,
  })) {
    if (state === 'missing') complete = false
    print(options.json === true ? JSON.stringify({ name, state }) : `${state} ${name}`)
  }
  return complete
}

/** The names that are used: lines of text, or what a module's default function yields. */
async function namesOf(source: string): Promise<AsyncIterable<string> | Iterable<string>> {
  if (!/\.[cm]?[jt]s$/.test(source)) return linesOf(source)
  const module = await importModule(resolve(source), undefined)
  const names: unknown = Reflect.get(module, 'default')
  if (typeof names === 'function') return names()
  throw new ValidationError(`${source} has no default export that is a function of names.`)
}

/**
 * Opened when the first name is asked for: until then the storage is listed, and `readline` would
 * lose what comes meanwhile. What is no UTF-8 would be other names, and their files look like garbage.
 */
async function* linesOf(source: string): AsyncGenerator<string> {
  const input: AsyncIterable<Uint8Array> = source === '-' ? process.stdin : createReadStream(source)
  const decoder = new TextDecoder('utf-8', { fatal: true })
  let rest = ''
  for await (const chunk of input) {
    const lines = (rest + decoded(decoder, chunk, source)).split('\n')
    rest = lines.pop() ?? ''
    yield* lines.map(withoutReturn)
  }
  yield withoutReturn(rest + decoded(decoder, undefined, source))
}

function decoded(decoder: TextDecoder, chunk: Uint8Array | undefined, source: string): string {
  try {
    return decoder.decode(chunk, { stream: chunk !== undefined })
  } catch {
    const input = source === '-' ? 'Standard input' : source
    throw new ValidationError(`${input} is no UTF-8, so the names in it are not known.`)
  }
}

function withoutReturn(line: string): string {
  return line.endsWith('\r') ? line.slice(0, -1) : line
}

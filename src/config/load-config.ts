import { createRequire } from 'node:module'
import { dirname, isAbsolute, join, relative, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { ImproperlyConfigured } from '../core/errors.ts'

// An `import` of it would load Node's streams.
const { readFileSync, statSync } = process.getBuiltinModule('node:fs')

/** In this order; the first one that a folder has is taken. */
const fileNames = [
  'stowage.config.ts',
  'stowage.config.js',
  'stowage.config.mjs',
  'stowage.config.json',
]

/** Path of the config file in the working directory or the nearest folder above it. */
export function findConfigFile(): string | undefined {
  let folder = process.cwd()
  for (;;) {
    const found = fileNames.map(name => join(folder, name)).find(isFile)
    const parent = dirname(folder)
    if (found !== undefined || parent === folder) return found
    folder = parent
  }
}

/** A path as an argument of a command gives it. */
export function absolutePath(path: string): string {
  return resolve(path)
}

/** The file in messages: as seen from the working directory. */
export function originOf(file: string): string {
  return relative(process.cwd(), file)
}

export function isJson(file: string): boolean {
  return file.endsWith('.json')
}

/**
 * What a JSON config file holds.
 *
 * @throws ImproperlyConfigured without a cause where the text does not parse: the engine's message
 *   would quote it, and it may hold keys
 */
export function readJsonConfig(file: string): unknown {
  // Some editors on Windows begin a file with a byte order mark, which is no JSON.
  const text = readText(file).replace(/^\ufeff/, '')
  try {
    return JSON.parse(text)
  } catch (error) {
    const where = /at position (\d+)/.exec(String(error))?.[1]
    const line = where === undefined ? '' : ` (line ${lineOf(text, Number(where))})`
    throw new ImproperlyConfigured(`${file} is not valid JSON${line}.`)
  }
}

/**
 * The default export of a config file, in an object: a promise that it may be is not awaited.
 *
 * @throws ImproperlyConfigured for a file that cannot be found, read or run (`cause` says why)
 */
export async function importConfig(file: string): Promise<{ readonly exported: unknown }> {
  if (isJson(file)) return { exported: readJsonConfig(file) }
  if (!isFile(file)) throw new ImproperlyConfigured(`There is no config file ${file}.`)
  let namespace: object
  try {
    namespace = await importFile(file)
  } catch (error) {
    throw new ImproperlyConfigured(`${file} could not be loaded: ${reasonOf(error)}`, {
      cause: error,
    })
  }
  if (!('default' in namespace) || namespace.default === undefined)
    throw new ImproperlyConfigured(
      `${file} has no default export; write: export default defineConfig({ … })`,
    )
  return { exported: transpiledDefault(namespace.default) }
}

/** What `export default` became in a file that a compiler wrote as CommonJS: `exports.default`. */
function transpiledDefault(exported: unknown): unknown {
  const isTranspiled = typeof exported === 'object' && exported !== null && '__esModule' in exported
  return isTranspiled && 'default' in exported ? exported.default : exported
}

/**
 * A module as the config file `from` names it: a path relative to that file, or a package that it
 * can import. Without a file, as the working directory sees it.
 */
export async function importModule(specifier: string, from: string | undefined): Promise<object> {
  const importer = from ?? join(process.cwd(), 'stowage.config.js')
  if (/^\.{1,2}\//.test(specifier)) return await importFile(resolve(dirname(importer), specifier))
  if (isAbsolute(specifier)) return await importFile(specifier)
  const file = resolvePackage(specifier, importer)
  return file === undefined ? await importNatively(specifier) : await importFile(file)
}

/** First line of an error's message. */
export function reasonOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error)
  return message.split('\n', 1)[0] ?? ''
}

/**
 * Path of a package's module. A package with exports for `import` alone cannot be resolved from
 * another file without a flag of Node; then this package's own place must do.
 */
function resolvePackage(specifier: string, importer: string): string | undefined {
  try {
    const found = createRequire(importer).resolve(specifier)
    return isAbsolute(found) ? found : undefined
  } catch {
    return undefined
  }
}

async function importFile(file: string): Promise<object> {
  const url = pathToFileURL(file).href
  if (!/\.[cm]?tsx?$/.test(file)) return await importNatively(url)
  try {
    return await importNatively(url)
  } catch (error) {
    // Node 22.18 strips types itself; before that a loader such as tsx may be registered.
    if (stripsTypes() || codeOf(error) !== 'ERR_UNKNOWN_FILE_EXTENSION') throw error
    return await importThroughJiti(file)
  }
}

function stripsTypes(): boolean {
  return 'typescript' in process.features && Boolean(process.features.typescript)
}

async function importNatively(specifier: string): Promise<object> {
  return await import(/* webpackIgnore: true */ /* @vite-ignore */ specifier)
}

async function importThroughJiti(file: string): Promise<object> {
  const { createJiti } = await findJiti()
  const jiti = createJiti(import.meta.url, { fsCache: false, interopDefault: false })
  return await jiti.import<object>(file)
}

async function findJiti(): Promise<typeof import('jiti')> {
  try {
    return await import('jiti')
  } catch (error) {
    if (codeOf(error) !== 'ERR_MODULE_NOT_FOUND') throw error
    throw new ImproperlyConfigured(
      `Node ${process.versions.node} runs no TypeScript by itself; install jiti (npm install --save-dev jiti), or use Node 22.18 or later.`,
      { cause: error },
    )
  }
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new ImproperlyConfigured(`${file} could not be read: ${reasonOf(error)}`, {
      cause: error,
    })
  }
}

function isFile(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false })?.isFile() === true
  } catch {
    return false
  }
}

function lineOf(text: string, position: number): number {
  return text.slice(0, position).split('\n').length
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined
}

import { type Command, InvalidArgumentError } from 'commander'
import { loadConfig } from '../config/configured-storage.ts'
import { configuredRoots } from '../static/collect-settings.ts'
import { findStatic } from '../static/find-static.ts'
import { print, say } from './output.ts'

interface Options {
  readonly config?: string
  readonly first?: boolean
  readonly verbosity: number
  readonly json?: boolean
}

/** Adds the command to the program. */
export function defineFindstatic(program: Command): void {
  program
    .command('findstatic')
    .description('say which file is collected under a name')
    .argument('<name...>', 'names of static files')
    .option('--config <file>', 'configuration file')
    .option('--first', 'only the file that is collected')
    .option('-v, --verbosity <level>', '0 paths only, 1, 2 also where was searched', parseLevel, 1)
    .option('--json', 'one JSON object per line')
    .action(async (names: readonly string[], options: Options) => {
      process.exitCode = (await run(names, options)) ? 0 : 1
    })
}

async function run(names: readonly string[], options: Options): Promise<boolean> {
  await loadConfig({ file: options.config })
  let found = true
  for (const name of names) {
    const all = await findStatic(name, { all: true })
    const paths = options.first === true ? all.slice(0, 1) : all
    if (paths.length === 0) found = false
    await report(name, paths, options)
  }
  return found
}

/** Django's words. */
async function report(name: string, paths: readonly string[], options: Options): Promise<void> {
  const { verbosity, json } = options
  if (json === true) {
    print(JSON.stringify({ name, paths }))
  } else if (paths.length === 0) {
    say(`No matching file found for '${name}'.`)
  } else if (verbosity === 0) {
    for (const path of paths) print(path)
  } else {
    print(`Found '${name}' here:`)
    for (const path of paths) print(`  ${path}`)
  }
  if (verbosity < 2 || json === true) return
  print('Looking in the following locations:')
  for (const { dir } of await configuredRoots({})) print(`  ${dir}`)
}

function parseLevel(text: string): number {
  if (/^[0-3]$/.test(text)) return Number(text)
  throw new InvalidArgumentError('It is 0, 1, 2 or 3.')
}

import { createInterface } from 'node:readline/promises'
import { type Command, InvalidArgumentError, Option } from 'commander'
import type { MissingPolicy } from '../config/configuration.ts'
import { configuredStorage, loadConfig } from '../config/configured-storage.ts'
import type { Storage } from '../core/storage.ts'
import { type CollectOptions, type CollectResult, collectStatic } from '../static/collect.ts'
import { rollbackStatic } from '../static/rollback.ts'
import { formatWarning } from '../static/warning.ts'
import { interruptible } from './interruptible.ts'
import { print, say, visible } from './output.ts'
import { ProgressBar } from './progress-bar.ts'

/** Options as the command line gives them: Django's, and our own. */
interface Options {
  readonly config?: string
  readonly storage: string
  /** `--no-input` */
  readonly input: boolean
  readonly clear?: boolean
  readonly dryRun?: boolean
  readonly link?: boolean
  /** `--no-post-process` */
  readonly postProcess: boolean
  readonly ignore: readonly string[]
  /** `--no-default-ignore` */
  readonly defaultIgnore: boolean
  readonly verbosity: number
  readonly missing?: MissingPolicy
  readonly keep?: number
  readonly rollback?: boolean
  readonly json?: boolean
}

/** Adds the command to the program. */
export function defineCollectstatic(program: Command): void {
  program
    .command('collectstatic')
    .description('collect static files into their storage, hashed and rewritten')
    .option('--config <file>', 'configuration file')
    .option('--storage <alias>', 'storage of the configuration', 'staticfiles')
    .option('--no-input', 'ask nothing')
    .addOption(new Option('--noinput', 'ask nothing').hideHelp().implies({ input: false }))
    .option('-c, --clear', 'write everything again, and delete the rest of the storage')
    .option('-n, --dry-run', 'write nothing, only say what would be')
    .option('-l, --link', 'links instead of copies')
    .option('--no-post-process', 'no hashed names')
    .option('-i, --ignore <pattern>', 'leave out what matches; may be repeated', collect, [])
    .option('--no-default-ignore', "do not leave out CVS, '.*' and '*~'")
    .option('-v, --verbosity <level>', '0 quiet, 1, 2 every file, 3', parseLevel, 1)
    .addOption(
      new Option('--missing <policy>', 'what a reference to a missing file is').choices([
        'error',
        'warn',
        'ignore',
      ]),
    )
    .option('--keep <generations>', 'generations that are kept, this one included', parseCount)
    .option('--rollback', 'put the generation before the current one in force again')
    .option('--json', 'one JSON object per line')
    .action(async (options: Options) => {
      process.exitCode = (await run(options)) ? 0 : 1
    })
}

async function run(options: Options): Promise<boolean> {
  await loadConfig({ file: options.config })
  const storage = await configuredStorage(options.storage)
  if (options.rollback === true) return await rollback(storage, options)
  const destination = localPath(storage)
  if (!(await isAgreed(storage, destination, options))) {
    say('Collecting static files cancelled.')
    return false
  }
  const result = await interruptible(signal => collectWithProgress(storage, options, signal))
  if (options.json === true) print(JSON.stringify(result))
  else report(result, destination, options)
  return true
}

async function rollback(storage: Storage, options: Options): Promise<boolean> {
  const { hash, created, from } = await rollbackStatic({ storage })
  if (options.json === true) print(JSON.stringify({ hash, created, from }))
  else
    print(
      `Generation ${hash} of ${created ?? 'unknown time'} is in force again, before it ${from}.`,
    )
  return true
}

/** Asks in a terminal before files are overwritten; in a pipe nobody could answer. */
async function isAgreed(
  storage: Storage,
  destination: string | undefined,
  options: Options,
): Promise<boolean> {
  const { input, dryRun, clear } = options
  if (!input || dryRun === true || process.stdin.isTTY !== true) return true
  if (destination !== undefined && (await isEmpty(storage))) return true
  const what =
    clear === true ? 'DELETE ALL OTHER FILES in this location' : 'overwrite existing files'
  const place = destination === undefined ? '.' : `:\n\n    ${visible(destination)}\n`
  const question = `
You have requested to collect static files at the destination
location as specified in your settings${place}
This will ${what}!
Are you sure you want to do this?

Type 'yes' to continue, or 'no' to cancel: `
  const terminal = createInterface({ input: process.stdin, output: process.stderr })
  try {
    return (await terminal.question(question)) === 'yes'
  } finally {
    terminal.close()
  }
}

async function isEmpty(storage: Storage): Promise<boolean> {
  for await (const _ of storage.list('', { recursive: true })) return false
  return true
}

async function collectWithProgress(
  storage: Storage,
  options: Options,
  signal: AbortSignal,
): Promise<CollectResult> {
  const bar = options.verbosity > 0 && process.stderr.isTTY ? new ProgressBar() : undefined
  try {
    return await collectStatic({
      ...callOptions(options),
      signal,
      // What the configuration says of static files (STATIC_URL) is about this alias.
      storage: options.storage === 'staticfiles' ? undefined : storage,
      onProgress: progress => bar?.show(progress),
      onWarning: warning => {
        if (options.verbosity > 0) say(`Warning: ${formatWarning(warning)}`)
      },
    })
  } finally {
    bar?.clear()
  }
}

function callOptions(options: Options): CollectOptions {
  const { clear, dryRun, link, postProcess, ignore, defaultIgnore, missing, keep } = options
  const base = { noInput: true, clear, dryRun, link, postProcess, ignore, missing }
  return { ...base, useDefaultIgnore: defaultIgnore, keepGenerations: keep }
}

/** Django's words. */
function report(result: CollectResult, destination: string | undefined, options: Options): void {
  const { verbosity, dryRun = false, link = false } = options
  if (verbosity > 1) {
    const verb = link ? 'Linking' : 'Copying'
    for (const name of result.copied)
      print(`${dryRun ? `Pretending to ${link ? 'link' : 'copy'}` : verb} '${name}'`)
    for (const name of result.postProcessed) print(`Post-processed '${name}'`)
    for (const name of result.deleted)
      print(`${dryRun ? 'Pretending to delete' : 'Deleting'} '${name}'`)
  }
  if (verbosity > 0) for (const name of result.skipped) say(shadowed(name))
  if (verbosity > 0) print(summary(result, destination, link))
}

function shadowed(name: string): string {
  return `Found another file with the destination path '${name}'. It will be ignored since only the first encountered file is collected.`
}

function summary(result: CollectResult, destination: string | undefined, link: boolean): string {
  const { copied, unchanged, postProcessed, deleted } = result
  const parts = [
    `${copied.length} static file${copied.length === 1 ? '' : 's'} ${link ? 'symlinked' : 'copied'}${destination === undefined ? '' : ` to '${destination}'`}`,
    ...(unchanged.length > 0 ? [`${unchanged.length} unmodified`] : []),
    ...(postProcessed.length > 0 ? [`${postProcessed.length} post-processed`] : []),
    ...(deleted.length > 0 ? [`${deleted.length} deleted`] : []),
  ]
  return `${parts.join(', ')}.`
}

/** The folder of a storage on disk. */
function localPath(storage: Storage): string | undefined {
  const probe = 'x'
  try {
    return storage.path(probe).slice(0, -probe.length - 1)
  } catch {
    return undefined
  }
}

function collect(value: string, before: readonly string[]): readonly string[] {
  return [...before, value]
}

function parseLevel(text: string): number {
  if (/^[0-3]$/.test(text)) return Number(text)
  throw new InvalidArgumentError('It is 0, 1, 2 or 3.')
}

function parseCount(text: string): number {
  if (/^[1-9]\d{0,6}$/.test(text)) return Number(text)
  throw new InvalidArgumentError('It is a whole number of at least 1.')
}

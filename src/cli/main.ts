#!/usr/bin/env node
import { Command, CommanderError, InvalidArgumentError } from 'commander'
import { cleanupUploads } from './cleanup-uploads.ts'
import { defineCollectstatic } from './collectstatic.ts'
import { runDemo } from './demo/demo.ts'
import { doctor } from './doctor.ts'
import { defineFindstatic } from './findstatic.ts'
import { gc } from './gc.ts'
import { say } from './output.ts'
import { watchEnding } from './watch-ending.ts'

/** Exit statuses: done, failed, wrong usage. */
const done = 0
const failed = 1
const wrongUsage = 2

const settle = watchEnding()

const program = new Command('stowage')
  .description('File storage for TypeScript: disk, memory and S3 behind one Storage.')
  .exitOverride()
  .configureOutput({ outputError: text => say(text.trimEnd()) })

program
  .command('demo')
  .description(
    'run the main job on disk, in memory and on an embedded S3 server, and say what came out',
  )
  .option('--json', 'one JSON object per line')
  .action(async (options: { json?: boolean }) => {
    process.exitCode = (await runDemo({ json: options.json ?? false })) ? done : failed
  })

program
  .command('cleanup-uploads')
  .description('remove open multipart uploads and temporary files that dead processes left behind')
  .option('--config <file>', 'configuration file')
  .option('--storage <alias>', 'storage of the configuration', 'default')
  .option('--older-than <seconds>', 'only what is older', parseSeconds, 86_400)
  .option('--json', 'one JSON object per line')
  .action(async (options: Parameters<typeof cleanupUploads>[0]) => {
    process.exitCode = (await cleanupUploads(options)) ? done : failed
  })

program
  .command('gc')
  .description('find files that no row of the database names, and names without a file')
  .requiredOption(
    '--used <source>',
    'names in use: a file with one per line, - for standard input, or a module',
  )
  .option('--config <file>', 'configuration file')
  .option('--storage <alias>', 'storage of the configuration', 'default')
  .option('--folder <name>', 'only files in this folder')
  .option('--older-than <seconds>', 'only what is older', parseSeconds, 86_400)
  .option('--delete', 'remove orphans; without it they are only reported')
  .option('--allow-empty', 'remove orphans even if not one name in use has a file')
  .option('--json', 'one JSON object per line')
  .action(async (options: Parameters<typeof gc>[0]) => {
    process.exitCode = await gc(options).then(isWhole => (isWhole ? done : failed), report)
    settle()
    // The module that gave names may have left its database connected.
    process.stdout.write('', () => process.stderr.write('', () => process.exit()))
  })

program
  .command('doctor')
  .description('look at a storage step by step, on the real service, and say what to do')
  .option('--config <file>', 'configuration file')
  .option('--storage <alias>', 'storage of the configuration', 'default')
  .option('--json', 'one JSON object per line')
  .action(async (options: Parameters<typeof doctor>[0]) => {
    process.exitCode = (await doctor(options)) ? done : failed
  })

defineCollectstatic(program)
defineFindstatic(program)

program
  .parseAsync()
  .catch((error: unknown) => {
    process.exitCode = report(error)
  })
  .finally(settle)

function parseSeconds(text: string): number {
  if (/^\d+$/.test(text)) return Number(text)
  throw new InvalidArgumentError('It is a whole number of seconds.')
}

function report(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? done : wrongUsage
  say(`stowage: ${error instanceof Error ? error.message : String(error)}`)
  return failed
}

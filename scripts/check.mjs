// Runs the checks of the house, one line each while they are fine.
// Usage: npm run check [-- name …] [--report file.json]
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { run } from './command.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
const work = mkdtempSync(join(tmpdir(), 'stowage-check-'))
const bin = name => join(root, 'node_modules/.bin', name)
const script = name => ['node', join(root, 'scripts', name)]
const tarball = join(work, 'stowage.tgz')

/** In order: what is quick comes first, what needs the packed package comes after `pack`. */
const checks = {
  types: [bin('tsc'), '-p', 'tsconfig.json'],
  'core types': [bin('tsc'), '-p', 'tsconfig.core.json'],
  'contract types': [bin('tsc'), '-p', 'test/types/tsconfig.json'],
  declarations: script('check-declarations.mjs'),
  lint: [bin('biome'), 'ci', '--colors=off', '.'],
  imports: script('check-imports.mjs'),
  knip: [bin('knip')],
  docs: script('check-docs.mjs'),
  pack: [...script('pack.mjs'), tarball],
  publint: [bin('publint'), 'run', tarball, '--strict'],
  attw: [bin('attw'), tarball, '--profile', 'esm-only'],
  package: [...script('check-package.mjs'), tarball],
}

const args = process.argv.slice(2)
const reportFile = args.includes('--report')
  ? args.splice(args.indexOf('--report'), 2)[1]
  : undefined
const unknown = args.filter(name => !Object.hasOwn(checks, name))
if (unknown.length > 0) {
  console.error(`There is no check ${unknown.join(', ')}: ${Object.keys(checks).join(', ')}`)
  process.exit(2)
}

try {
  const results = []
  for (const name of selected()) results.push({ name, passed: await check(name) })
  if (reportFile !== undefined) writeFileSync(reportFile, JSON.stringify(results))
  process.exitCode = results.every(result => result.passed) ? 0 : 1
} finally {
  rmSync(work, { recursive: true, force: true })
}

/** Those that were named, or all; what looks at the package needs it packed. */
function selected() {
  if (args.length === 0) return Object.keys(checks)
  const needed = args.some(name => checks[name].includes(tarball)) ? ['pack', ...args] : args
  return [...new Set(needed)]
}

async function check(name) {
  const started = performance.now()
  const { status, stdout, stderr, timedOut } = await run(checks[name], {
    cwd: root,
    env: { NO_COLOR: '1' },
  })
  const seconds = ((performance.now() - started) / 1000).toFixed(1)
  const passed = status === 0
  const detail = passed
    ? summaryOf(checks[name], stdout)
    : ` ${timedOut ? 'took too long' : 'failed'}`
  console.log(`${passed ? 'ok  ' : 'FAIL'} ${name.padEnd(14)} ${seconds.padStart(5)} s${detail}`)
  if (!passed) console.log(`${stdout}${stderr}`.trimEnd())
  return passed
}

/** Our own scripts end with a line that says what they saw. */
function summaryOf(command, stdout) {
  return command[0] === 'node' ? `  ${stdout.trim().split('\n').at(-1)}` : ''
}

// Runs the built command line, built first where a source is newer.
// Usage: node scripts/run-built.mjs <command> [arguments]
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const build = run(['scripts/build.mjs', '--if-stale'], root)
process.exitCode = build === 0 ? run([`${root}dist/cli/main.js`, ...process.argv.slice(2)]) : build

function run(args, cwd = process.cwd()) {
  return spawnSync(process.execPath, args, { cwd, stdio: 'inherit' }).status ?? 1
}

// Compiles src to dist. Usage: node scripts/build.mjs [--if-stale] [--forgive]
//   --if-stale  only when a source is newer than what was compiled
//   --forgive   an unfinished source is no failure: `npm install` must leave a checkout that can be
//               worked on, and tests run from the sources
import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const has = option => process.argv.includes(option)

if (!(has('--if-stale') && isFresh())) {
  const built = build()
  if (!built && has('--forgive')) console.error('stowage: not built; npm test works without.')
  process.exitCode = built || has('--forgive') ? 0 : 1
}

function isFresh() {
  const main = `${root}dist/cli/main.js`
  return existsSync(main) && statSync(main).mtimeMs > newestSource()
}

/** Folders count too: their time changes when a file is removed. */
function newestSource() {
  const inside = readdirSync(`${root}src`, { withFileTypes: true, recursive: true })
    .filter(entry => entry.isDirectory() || entry.name.endsWith('.ts'))
    .map(entry => `${entry.parentPath}/${entry.name}`)
  const configurations = ['base', 'build'].map(name => `${root}tsconfig.${name}.json`)
  return Math.max(...[...inside, ...configurations].map(path => statSync(path).mtimeMs))
}

/** Compiles beside dist and swaps, so that a program that runs from dist meets no half of it. */
function build() {
  const output = `${root}dist.${process.pid}`
  try {
    const compiler = `${root}node_modules/typescript/bin/tsc`
    const args = [compiler, '-p', 'tsconfig.build.json', '--outDir', output]
    const { status } = spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit' })
    if (status !== 0) return false
    chmodSync(`${output}/cli/main.js`, 0o755)
    if (existsSync(`${root}dist`)) renameSync(`${root}dist`, `${output}.old`)
    renameSync(output, `${root}dist`)
    return true
  } finally {
    for (const left of [output, `${output}.old`]) rmSync(left, { recursive: true, force: true })
  }
}

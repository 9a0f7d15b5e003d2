// Compiles src to dist. With --if-stale only when a source is newer than what was compiled.
import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, readdirSync, rmSync, statSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const main = `${root}dist/cli/main.js`

function newest(folder) {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter(entry => entry.isFile() && entry.name.endsWith('.ts'))
    .reduce((latest, entry) => Math.max(latest, statSync(`${entry.parentPath}/${entry.name}`).mtimeMs), 0)
}

const fresh = existsSync(main) && statSync(main).mtimeMs > newest(`${root}src`)
if (!(process.argv.includes('--if-stale') && fresh)) {
  rmSync(`${root}dist`, { recursive: true, force: true })
  const { status } = spawnSync(process.execPath, [`${root}node_modules/typescript/bin/tsc`, '-p', 'tsconfig.build.json'], { cwd: root, stdio: 'inherit' })
  if (status !== 0) process.exit(status ?? 1)
  chmodSync(main, 0o755)
}

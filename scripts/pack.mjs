// Builds the package and packs it. Usage: node scripts/pack.mjs <file to write>
import { mkdtempSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { output } from './command.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
const target = resolve(process.argv[2])
// Beside the target, so that the result can be moved there.
const folder = mkdtempSync(join(dirname(target), 'pack-'))
try {
  await output(['npm', 'pack', '--pack-destination', folder], { cwd: root })
  const [name] = readdirSync(folder)
  renameSync(join(folder, name), target)
  console.log(`${name}, ${Math.round(statSync(target).size / 1024)} KiB`)
} catch (error) {
  console.error(error.message)
  process.exitCode = 1
} finally {
  rmSync(folder, { recursive: true, force: true })
}

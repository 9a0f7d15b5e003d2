// Checks that the declarations follow from each module alone, as `isolatedDeclarations` wants it.
// Members named by a symbol are excepted: their types are written down, only the name is computed.
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const compiler = `${root}node_modules/typescript/bin/tsc`
const flags = ['--isolatedDeclarations', '--noEmit', '--emitDeclarationOnly', 'false']
const args = [compiler, '-p', 'tsconfig.build.json', ...flags]
const { stdout } = spawnSync(process.execPath, args, { cwd: root, encoding: 'utf8' })
const problems = stdout.split('\n').filter(line => /error TS/.test(line) && !/ TS9038:/.test(line))
if (problems.length > 0) {
  console.error(problems.join('\n'))
  process.exitCode = 1
}

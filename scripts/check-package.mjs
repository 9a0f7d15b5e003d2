// Checks the package as its users get it: packs it, installs it into an empty folder without any
// optional peer, and uses it there. Usage: node scripts/check-package.mjs [tarball]
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { output, run } from './command.mjs'

/** What an installation that is ready for S3 may take. */
const maxBytes = 4 * 1024 * 1024
const maxPackages = 10
/** The oldest TypeScript whose users we promise types, and the newest, which is ours. */
const oldestTypeScript = '5.7'
/** Packages that may be loaded with `stowage` and `stowage/s3`; the rest waits for its first use. */
const loadedAtImport = ['stowage']
/** Entries that do nothing without a package that their users have. */
const peers = {
  'stowage/drizzle': 'drizzle-orm',
  'stowage/mikro-orm': '@mikro-orm/core',
  'stowage/mongoose': 'mongoose',
  'stowage/prisma': '@prisma/client',
  'stowage/sequelize': 'sequelize',
  'stowage/typeorm': 'typeorm',
}

const root = fileURLToPath(new URL('..', import.meta.url))
const work = mkdtempSync(join(tmpdir(), 'stowage-package-'))
const app = join(work, 'app')
const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
const entries = Object.keys(exports)
  .filter(entry => entry !== './package.json')
  .map(entry => join('stowage', entry))
const ownEntries = entries.filter(entry => !Object.hasOwn(peers, entry))

try {
  await install(process.argv[2] === undefined ? await pack() : resolve(process.argv[2]))
  checkFiles()
  const size = checkSize()
  for (const entry of ownEntries) await checkEntry(entry)
  await checkLoaded()
  await checkTypes()
  await checkProgram()
  await checkUncaught()
  await checkCommandLine()
  for (const [entry, peer] of Object.entries(peers)) {
    linkPeer(peer)
    await checkEntry(entry)
  }
  const time = (await output(['node', join(root, 'bench/cold-import.mjs'), app])).trim()
  console.log(`${entries.length} entries; ${size}; ${time}`)
} catch (error) {
  console.error(error.message)
  process.exitCode = 1
} finally {
  rmSync(work, { recursive: true, force: true })
}

async function pack() {
  const tarball = join(work, 'stowage.tgz')
  await output(['node', join(root, 'scripts/pack.mjs'), tarball])
  return tarball
}

async function install(tarball) {
  mkdirSync(app)
  writeFileSync(join(app, 'package.json'), '{ "name": "app", "private": true, "type": "module" }')
  const quiet = ['--prefer-offline', '--ignore-scripts', '--no-audit', '--no-fund']
  await output(['npm', 'install', ...quiet, tarball], { cwd: app })
}

/** What a package needs is there, nothing of the tests travels along. */
function checkFiles() {
  const folder = join(app, 'node_modules/stowage')
  const wanted = ['README.md', 'LICENSE', 'CHANGELOG.md', 'package.json']
  expectNone(
    'files that are not in the package',
    wanted.filter(name => !existsSync(join(folder, name))),
  )
  const tests = filesBelow(folder).filter(path => /\.test\.|\/fixtures\/|\/\.ci\//.test(path))
  expectNone('files of tests in the package', tests)
  // npm warns of each of them, and asks its user to allow it.
  const { scripts } = JSON.parse(
    readFileSync(join(app, 'node_modules/stowage/package.json'), 'utf8'),
  )
  const atInstall = ['preinstall', 'install', 'postinstall', 'prepublish', 'prepare']
  expectNone(
    'scripts that run where the package is installed',
    atInstall.filter(name => name in scripts),
  )
}

function checkSize() {
  const modules = join(app, 'node_modules')
  const packages = packagesBelow(modules)
  // What files and folders occupy on disk, as du counts it, in the blocks of 512 bytes of lstat.
  const paths = readdirSync(modules, { recursive: true }).map(path => join(modules, path))
  const bytes = paths.reduce((sum, path) => sum + lstatSync(path).blocks * 512, 0)
  const size = `${packages.length} packages, ${(bytes / 1024 / 1024).toFixed(2)} MiB`
  if (packages.length > maxPackages || bytes > maxBytes)
    throw new Error(`Installed: ${size} (${packages.join(', ')})`)
  return size
}

/** The same names by import and by require, which Node has for ES modules since 20.19. */
async function checkEntry(entry) {
  const list = 'm => console.log(Object.keys(m).filter(k => k !== "__esModule").sort().join())'
  const evaluate = (type, code) =>
    output(['node', '--no-warnings', `--input-type=${type}`, '-e', code], { cwd: app })
  const imported = await evaluate('module', `(${list})(await import('${entry}'))`)
  const required = await evaluate('commonjs', `(${list})(require('${entry}'))`)
  if (imported.trim() === '') throw new Error(`${entry} exports nothing`)
  if (imported !== required)
    throw new Error(`${entry}: import gives ${imported}require gives ${required}`)
}

/** As installed by the user: the one that the tests use. */
function linkPeer(name) {
  const path = join(app, 'node_modules', name)
  mkdirSync(dirname(path), { recursive: true })
  symlinkSync(join(root, 'node_modules', name), path)
}

/** V8's coverage names every script that was loaded, whoever imported or required it. */
async function checkLoaded() {
  const control = await packagesLoadedBy("await import('undici')")
  if (!control.includes('undici'))
    throw new Error('The check of loaded packages does not see undici when it is loaded')
  const loaded = await packagesLoadedBy("await import('stowage'); await import('stowage/s3')")
  expectNone(
    'packages loaded at import',
    loaded.filter(name => !loadedAtImport.includes(name)),
  )
  const report = 'console.log(process.moduleLoadList.join())'
  const code = `await import('stowage'); await import('stowage/s3'); ${report}`
  const modules = await output(['node', '--input-type=module', '-e', code], { cwd: app })
  expectNone(
    'modules of Node that are loaded at import, and cost more than all of ours',
    ['crypto', 'http', 'stream', 'zlib'].filter(name => modules.includes(`NativeModule ${name},`)),
  )
}

async function packagesLoadedBy(code) {
  const folder = mkdtempSync(join(work, 'loaded-'))
  await output(['node', '--input-type=module', '-e', code], {
    cwd: app,
    env: { NODE_V8_COVERAGE: folder },
  })
  const base = `${pathToFileURL(join(app, 'node_modules')).href}/`
  const urls = readdirSync(folder).flatMap(file =>
    JSON.parse(readFileSync(join(folder, file), 'utf8')).result.map(script => script.url),
  )
  const inside = urls.filter(url => url.startsWith(base))
  return [
    ...new Set(
      inside.map(url =>
        url
          .slice(base.length)
          .split('/', url.startsWith(`${base}@`) ? 2 : 1)
          .join('/'),
      ),
    ),
  ]
}

/** A program of a user, with every declaration of the package checked as well. */
async function checkTypes() {
  const old = join(work, 'typescript')
  mkdirSync(old)
  writeFileSync(join(old, 'package.json'), '{ "private": true }')
  const args = ['--prefer-offline', '--no-audit', '--no-fund', `typescript@${oldestTypeScript}`]
  await output(['npm', 'install', ...args], { cwd: old })
  writeFileSync(
    join(app, 'program.ts'),
    readFileSync(join(root, 'test/package/program.ts'), 'utf8'),
  )
  writeFileSync(
    join(app, 'entries.ts'),
    ownEntries.map((entry, index) => `export * as e${index} from '${entry}'\n`).join(''),
  )
  for (const [module, moduleResolution] of [
    ['nodenext', 'nodenext'],
    ['esnext', 'bundler'],
  ]) {
    writeFileSync(
      join(app, 'tsconfig.json'),
      JSON.stringify(programConfig(module, moduleResolution)),
    )
    for (const compiler of [root, old]) {
      await output(['node', join(compiler, 'node_modules/typescript/bin/tsc'), '-p', '.'], {
        cwd: app,
      })
    }
  }
}

function programConfig(module, moduleResolution) {
  const lib = ['es2023', 'dom', 'dom.iterable', 'dom.asynciterable', 'esnext.disposable']
  const strict = { strict: true, exactOptionalPropertyTypes: true, skipLibCheck: false }
  return {
    compilerOptions: {
      target: 'es2022',
      module,
      moduleResolution,
      lib,
      types: [],
      outDir: 'out',
      ...strict,
    },
    files: ['program.ts', 'entries.ts'],
  }
}

async function checkProgram() {
  const said = (await output(['node', 'out/program.js'], { cwd: app })).trim()
  const wanted = 'contents at /media/a%20b.txt ERR_STORAGE_FILE_NOT_FOUND'
  if (said !== wanted) throw new Error(`The program says ${said}, not ${wanted}`)
}

/** Node prints the line in which an error was thrown: it must not be all of a bundle. */
async function checkUncaught() {
  const program = "new (await import('stowage')).MemoryStorage().path('a')"
  const { stderr } = await run(['node', '--input-type=module', '-e', program], { cwd: app })
  if (!stderr.includes('UnsupportedError') || stderr.length > 4096)
    throw new Error(`An uncaught error prints ${stderr.length} characters: ${stderr.slice(-500)}`)
}

async function checkCommandLine() {
  const stowage = join(app, 'node_modules/.bin/stowage')
  const help = await output([stowage, '--help'], { cwd: app })
  if (!help.includes('Usage: stowage')) throw new Error(`stowage --help says ${help}`)
  const { status } = await run([stowage, 'no-such-command'], { cwd: app })
  if (status !== 2) throw new Error(`A wrong command ends with status ${status}, not 2`)
  const demo = await output([stowage, 'demo', '--json'], { cwd: app, timeout: 120 })
  const lines = demo.trim().split('\n')
  for (const line of lines) JSON.parse(line)
}

function filesBelow(folder) {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter(entry => entry.isFile())
    .map(entry => join(entry.parentPath, entry.name))
}

function packagesBelow(modules) {
  return readdirSync(modules).flatMap(name => {
    if (name.startsWith('.')) return []
    if (name.startsWith('@'))
      return packagesBelow(join(modules, name)).map(inner => `${name}/${inner}`)
    const nested = join(modules, name, 'node_modules')
    return [name, ...(existsSync(nested) ? packagesBelow(nested) : [])]
  })
}

function expectNone(what, found) {
  if (found.length > 0) throw new Error(`There are ${what}: ${found.join(', ')}`)
}

// Compiles src to dist. Usage: node scripts/build.mjs [--if-stale] [--forgive]
//   --if-stale  only when a source is newer than what was compiled
//   --forgive   an unfinished source is no failure: `npm install` must leave a checkout that can be
//               worked on, and tests run from the sources
import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { mergeDeclarations } from './merge-declarations.mjs'

/** Modules that find a neighbour by their own URL, or are found so, and thus keep their place. */
const inPlace = ['cli/demo/places', 'cli/demo/server']

/** Packages that are bundled instead of installed with us: see docs/dependencies.md. */
const inlined =
  /^(?:@csstools\/css-tokenizer|commander|es-module-lexer|htmlparser2|image-size|mime|saxes|xmlchars|dom(?:elementtype|handler|utils)|dom-serializer|entities)(?:\/|$)|^\/.*\/node_modules\//

const root = fileURLToPath(new URL('..', import.meta.url))
const { exports } = JSON.parse(readFileSync(`${root}package.json`, 'utf8'))
const entries = Object.values(exports).flatMap(
  entry => /^\.\/dist\/(.+)\.js$/.exec(entry.default)?.[1] ?? [],
)
const has = option => process.argv.includes(option)

if (!(has('--if-stale') && isFresh())) {
  const built = await build()
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
  const scripts = ['build', 'break-lines', 'merge-declarations'].map(name => `scripts/${name}.mjs`)
  const others = ['tsconfig.base.json', 'tsconfig.build.json', ...scripts]
  return Math.max(
    ...[...inside, ...others.map(path => root + path)].map(path => statSync(path).mtimeMs),
  )
}

/** Compiles beside dist and swaps, so that a program that runs from dist meets no half of it. */
async function build() {
  const output = `${root}dist.${process.pid}`
  try {
    if (!declare(output)) return false
    await bundle(output)
    if (existsSync(`${root}dist`)) renameSync(`${root}dist`, `${output}.old`)
    renameSync(output, `${root}dist`)
    return true
  } finally {
    for (const left of [output, `${output}.old`]) rmSync(left, { recursive: true, force: true })
  }
}

/** Checks the types and writes the declarations, of which the entries' users see only some. */
function declare(output) {
  const compiler = `${root}node_modules/typescript/bin/tsc`
  const args = [compiler, '-p', 'tsconfig.build.json', '--outDir', output]
  const { status } = spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit' })
  if (status !== 0) return false
  const reached = new Set()
  for (const entry of entries) reachDeclarations(join(output, `${entry}.d.ts`), reached)
  for (const entry of readdirSync(output, { withFileTypes: true, recursive: true })) {
    const path = join(entry.parentPath, entry.name)
    if (entry.isFile() && !reached.has(path)) rmSync(path)
  }
  mergeDeclarations(
    output,
    [...reached],
    entries.map(entry => join(output, `${entry}.d.ts`)),
  )
  removeEmptyFolders(output)
  return true
}

/** @returns whether nothing is left of the folder */
function removeEmptyFolders(folder) {
  const left = readdirSync(folder, { withFileTypes: true }).filter(
    entry => !(entry.isDirectory() && removeEmptyFolders(join(folder, entry.name))),
  )
  if (left.length === 0) rmdirSync(folder)
  return left.length === 0
}

function reachDeclarations(path, reached) {
  if (reached.has(path)) return
  reached.add(path)
  for (const [, specifier] of readFileSync(path, 'utf8').matchAll(
    /(?:from |import\()["'](\.[^"']+)\.(?:ts|js)["']/g,
  )) {
    reachDeclarations(join(dirname(path), `${specifier}.d.ts`), reached)
  }
}

/**
 * Few files instead of one per module: importing is bound by the number of files, and so is what
 * they occupy on disk. White space goes but for the ends of lines, a sixth of the size; names and
 * order stay as they were written, for stack traces. Comments stand in the declarations.
 */
async function bundle(output) {
  // Loaded here, so that an installation without development dependencies can be forgiven.
  const { rolldown } = await import('rolldown')
  const { minify } = await import('rolldown/utils')
  const { readTree } = await import('./source-tree.mjs')
  const { breakLines } = await import('./break-lines.mjs')
  const names = [...entries, 'cli/main', ...inPlace]
  const build = await rolldown({
    input: Object.fromEntries(names.map(name => [name, `${root}src/${name}.ts`])),
    platform: 'node',
    external: specifier => /^[^./]/.test(specifier) && !inlined.test(specifier),
    // `await using`, which Node 20 lacks, would need helpers of a package that is not there.
    transform: { target: 'es2022' },
    plugins: [shortenPackages(minify)],
  })
  const together = loadedWith(['index.ts', 's3.ts'], readTree(`${root}src`))
  await build.write({
    dir: output,
    format: 'esm',
    chunkFileNames: 'shared/[name]-[hash].js',
    comments: false,
    codeSplitting: { groups: [{ name: 'core', test: id => together.has(id) }] },
    minify: { compress: false, mangle: false, codegen: { removeWhitespace: true } },
  })
  for (const path of readdirSync(output, { recursive: true }))
    if (path.endsWith('.js')) finish(join(output, path), breakLines)
  chmodSync(`${output}/cli/main.js`, 0o755)
}

/** A single character that is no ASCII would let the engine hold the file in twice the memory. */
function finish(path, breakLines) {
  const code = breakLines(path, readFileSync(path, 'utf8'))
  const other = /[^\0-\x7f]/g
  if (/\\[^\0-\x7f]/.test(code)) throw new Error(`${path} escapes a character that is no ASCII.`)
  const escaped = unit => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`
  writeFileSync(path, code.replace(other, escaped))
}

/** The modules that are loaded with these: not what is imported as a type only, or later. */
function loadedWith(paths, tree, found = new Set()) {
  for (const path of paths) {
    const id = `${root}src/${path}`
    if (found.has(id)) continue
    found.add(id)
    const imports = tree.get(path).imports.filter(each => !each.typeOnly && !each.lazy)
    loadedWith(
      imports.flatMap(({ target }) => target ?? []),
      tree,
      found,
    )
  }
  return found
}

/**
 * Bundled packages are made small, module by module; our own lines stay as they were written.
 * Tables become JSON, which V8 reads several times faster than an object's source
 * (https://v8.dev/blog/cost-of-javascript-2019#json).
 */
function shortenPackages(minify) {
  const options = { module: true, mangle: { toplevel: true } }
  return {
    name: 'shorten-packages',
    async transform(code, id) {
      if (/\/node_modules\/mime\/.*\/types\/\w+\.js$/.test(id)) {
        const table = JSON.stringify((await import(id)).default)
        return { code: `export default JSON.parse(${JSON.stringify(table)})`, map: null }
      }
      if (!/\/node_modules\/.*\.m?js$/.test(id)) return
      return { code: (await minify(id, code, options)).code, map: null }
    },
  }
}

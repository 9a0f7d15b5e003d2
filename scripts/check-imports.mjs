// Checks that imports go one way, that platform modules stay at the edge, and that modules keep no
// state. Usage: node scripts/check-imports.mjs [root of a project, default this one]
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { readTree } from './source-tree.mjs'

/**
 * What a folder may import: other folders of src, packages, and whether node:*. A file or folder
 * follows the longest path here that holds it, and may always import from itself.
 */
const house = {
  core: {
    reason: 'the core runs wherever ECMAScript and Web APIs do',
    imports: [],
    packages: ['mime'],
  },
  'backends/memory': { reason: 'backends know the core and never each other', imports: ['core'] },
  'backends/filesystem': {
    reason: 'backends know the core and never each other',
    imports: ['core'],
    node: true,
  },
  'backends/s3': {
    reason: 'backends know the core and never each other; what is of Node stands in platform/',
    imports: ['core'],
  },
  'backends/s3/platform': {
    reason: 'the one place where the S3 backend touches its platform',
    imports: ['core', 'backends/s3'],
    packages: ['undici', '@aws-sdk/credential-providers', '@aws-sdk/client-s3', 'aws-sdk'],
    node: true,
  },
  layers: {
    reason: 'layers take a backend and give one: the interface is all they know',
    imports: ['core'],
  },
  config: {
    reason: 'configuration constructs storages, and loads an entry only when it is in use',
    imports: ['core', 'backends', 'layers'],
    lazyFrom: ['entries'],
  },
  'config/load-config.ts': {
    reason: 'the one module of the configuration that reads files',
    imports: ['core', 'config'],
    packages: ['jiti'],
    node: true,
  },
  static: {
    reason: 'static files stand on storages and their configuration',
    imports: ['core', 'backends', 'layers', 'config'],
    node: true,
  },
  'static/references': {
    reason: 'the one place that knows tokenizers',
    imports: ['core', 'config', 'static'],
    packages: ['@csstools/css-tokenizer', 'es-module-lexer', 'htmlparser2'],
  },
  fields: {
    reason: 'file fields know storages and their configuration, and no ORM',
    imports: ['core', 'config'],
    packages: ['image-size'],
  },
  ...Object.fromEntries(
    ['lifecycle', 'transactions', 'turns'].map(name => [
      `fields/${name}.ts`,
      {
        reason: 'three modules of the fields follow asynchronous calls',
        imports: ['core', 'fields'],
        node: true,
      },
    ]),
  ),
  'fields/rows.ts': {
    reason: 'rows of ORMs, which run on Node alone, may be proxies',
    imports: ['core', 'fields'],
    node: true,
  },
  orm: {
    reason: 'adapters are thin: one file per ORM, and no ORM knows another',
    imports: ['core', 'fields'],
    packages: [
      'typeorm',
      '@mikro-orm/core',
      'sequelize',
      'drizzle-orm',
      '@prisma/client',
      'mongoose',
    ],
    node: true,
  },
  doctor: {
    reason:
      'the doctor looks at storages, also configured ones and those with a manifest, and knows what S3 is asked besides',
    imports: ['core', 'backends', 'config', 'static'],
  },
  'testing/contract': {
    reason:
      'the suite runs in any test framework on any platform; of backends it knows the reference alone',
    imports: ['core', 'layers', 'backends/memory'],
    typesFrom: ['backends'],
  },
  'testing/s3-server': {
    reason: 'a server that shared code with the client would share its mistakes',
    imports: [],
    packages: ['saxes'],
    node: true,
  },
  'testing/fault-proxy': {
    reason: 'a proxy knows bytes and sockets, and nothing of who talks through it',
    imports: [],
    node: true,
  },
  cli: {
    reason: 'the command line stands on top of everything',
    imports: [
      'core',
      'backends',
      'layers',
      'config',
      'static',
      'fields',
      'testing',
      'entries',
      'doctor',
    ],
    packages: ['commander'],
    node: true,
  },
  entries: {
    reason: 'an entry only re-exports',
    imports: [
      'core',
      'backends',
      'layers',
      'config',
      'static',
      'fields',
      'orm',
      'testing',
      'doctor',
    ],
  },
}

/** What a backend without a line in the house may import: the core, and the SDK of its service. */
const newBackend = {
  reason:
    'backends know the core and never each other; one that needs Node gets a line in the house',
  imports: ['core'],
  anyPackage: true,
}

/** Caches that nobody can tell from no cache, each with its reason. */
const harmlessState = {
  'core/abort.ts': ['waiting'], // weakly, per signal of the caller: goes with it
  'testing/s3-server/auth/sigv4.ts': ['keys'], // derived keys, remembered weakly per account object
}

const root = resolve(process.argv[2] ?? fileURLToPath(new URL('..', import.meta.url)))
const modules = readTree(`${root}/src`)
for (const path of modules.keys()) {
  const [folder, name, file] = path.split('/')
  if (folder === 'backends' && file !== undefined) house[`backends/${name}`] ??= newBackend
}
const problems = []
for (const [path, module] of modules) {
  if (!isTest(path)) checkModule(path, module)
}
checkCycles()
for (const problem of problems) console.error(problem)
if (problems.length === 0) console.log(`${modules.size} modules import one way`)
process.exitCode = problems.length === 0 ? 0 : 1

function report(path, line, text) {
  problems.push(`src/${path}:${line} ${text}`)
}

function checkModule(path, module) {
  if (module.syntaxError !== undefined)
    return report(path, 1, `does not parse: ${module.syntaxError}`)
  const place = placeOf(path)
  if (place === undefined)
    return report(path, 1, 'stands in a folder that scripts/check-imports.mjs does not know')
  for (const entry of module.imports) checkImport(path, place, entry)
  for (const line of module.awaitLines)
    report(path, line, 'awaits at the top level: importers could not be required')
  if (place === 'entries') {
    for (const line of module.ownLines)
      report(path, line, 'holds code of its own: entries only re-export')
  } else {
    for (const line of module.reexportLines)
      report(path, line, 're-exports: only entries do, import from where it is made')
  }
  if (!path.startsWith('config/')) checkState(path, module)
}

function checkState(path, module) {
  for (const { name, why, line } of module.state) {
    if (!harmlessState[path]?.includes(name)) report(path, line, `keeps state: ${name} ${why}`)
  }
}

function checkImport(path, place, entry) {
  const rule = house[place]
  const { specifier, target, line } = entry
  if (target !== undefined) return checkInner(path, place, entry)
  if (specifier.startsWith('node:')) {
    if (!rule.node) report(path, line, `imports ${specifier}: ${rule.reason}`)
  } else if (!rule.anyPackage && !rule.packages?.includes(packageOf(specifier))) {
    report(path, line, `imports the package ${packageOf(specifier)}: ${rule.reason}`)
  }
}

function checkInner(path, place, { specifier, target, typeOnly, lazy, line }) {
  const rule = house[place]
  if (!modules.has(target))
    return report(path, line, `imports ${specifier}, which is not a module of src`)
  if (isTest(target)) return report(path, line, `imports the test ${specifier}`)
  const other = placeOf(target)
  const allowed = [
    ...rule.imports,
    ...(typeOnly ? (rule.typesFrom ?? []) : []),
    ...(lazy ? (rule.lazyFrom ?? []) : []),
    familyOf(place),
  ]
  const within = allowed.some(folder => other === folder || other?.startsWith(`${folder}/`))
  if (!within)
    report(
      path,
      line,
      `imports ${target}: ${other === 'entries' ? 'entries are for programs' : rule.reason}`,
    )
}

/** `backends/s3/platform` and `backends/s3` are one family, so are `config` and its one file. */
function familyOf(place) {
  return Object.keys(house).find(folder => place?.startsWith(`${folder}/`)) ?? place
}

function placeOf(path) {
  if (!path.includes('/')) return 'entries'
  return Object.keys(house)
    .filter(folder => path === folder || path.startsWith(`${folder}/`))
    .sort((a, b) => b.length - a.length)[0]
}

function packageOf(specifier) {
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/')
}

function isTest(path) {
  return /\.test\.ts$/.test(path)
}

/** Cycles of what is loaded: a module met again while it is still open. Types are erased, `import()` waits. */
function checkCycles() {
  const state = new Map()
  const visit = (path, trail) => {
    if (state.get(path) === 'done') return
    const start = trail.indexOf(path)
    if (start >= 0)
      return report(path, 1, `imports itself: ${[...trail.slice(start), path].join(' > ')}`)
    for (const { target, typeOnly, lazy } of modules.get(path)?.imports ?? []) {
      if (target !== undefined && !typeOnly && !lazy) visit(target, [...trail, path])
    }
    state.set(path, 'done')
  }
  for (const path of modules.keys()) if (!isTest(path)) visit(path, [])
}

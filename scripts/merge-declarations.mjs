// Puts the declarations of many modules into one file: each file occupies whole blocks on disk, and half
// of what the declarations took was the unused ends of these. Modules that import a package stay on their
// own, so that nobody needs the types of an ORM that is not used; so do those that name such a module, and
// those whose names are taken.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'

const merged = 'shared/declarations'
const imports = /^import (?:type )?\{([^}]*)\} from '([^']+)';\n/gm
const exports = /^export (?:type )?\{([^}]*)\}(?: from '([^']+)')?;\n/gm
const declarations =
  /^(?:export )?(?:declare )?(?:abstract )?(?:class|const|enum|function|interface|type) ([\w$]+)/gm

/**
 * @param folder where the declarations are
 * @param paths of all of them
 * @param entries those that users import, which stay where they are
 */
export function mergeDeclarations(folder, paths, entries) {
  const modules = new Map(paths.map(path => [path, read(path)]))
  const chosen = choose(modules, entries)
  const target = join(folder, `${merged}.d.ts`)
  mkdirSync(dirname(target), { recursive: true })
  writeFileSync(target, bodyOf(modules, chosen, target))
  for (const [path, { text }] of modules) {
    if (chosen.has(path)) rmSync(path)
    else writeFileSync(path, retarget(text, path, chosen, target))
  }
}

function read(path) {
  const text = readFileSync(path, 'utf8')
  if (/\bimport\(/.test(text) || /^(?:import (?!type \{|\{)|export (?:\*|default|=))/m.test(text))
    throw new Error(`${path} has an import or export that cannot be merged.`)
  const found = expression =>
    [...text.matchAll(expression)].map(([, names, from]) => {
      return { names: namesOf(names), from, module: from && target(path, from) }
    })
  return {
    text,
    imports: found(imports),
    exports: found(exports),
    names: [...text.matchAll(declarations)].map(([, name]) => name),
  }
}

/** As written, without `type` in front. */
function namesOf(list) {
  return list.split(',').flatMap(name => name.trim().replace(/^type /, '') || [])
}

/** Path of the declarations that a module names; of a package, its name. */
function target(path, from) {
  return from.startsWith('.') ? resolve(dirname(path), from.replace(/\.ts$/, '.d.ts')) : from
}

/** Modules that can stand in one file: with no package, no other name for anything, no name twice. */
function choose(modules, entries) {
  const chosen = new Set(
    [...modules.keys()].filter(path => {
      const module = modules.get(path)
      const links = [...module.imports, ...module.exports]
      return (
        !entries.includes(path) &&
        !needsPackage(modules, path) &&
        links.every(({ from, names }) => from?.startsWith('.') !== false && isPlain(names))
      )
    }),
  )
  for (;;) {
    const meanings = new Map()
    const clashing = [...chosen].find(path =>
      meaningsOf(modules, path).some(([name, module]) => {
        const known = meanings.get(name)
        meanings.set(name, module)
        return known !== undefined && known !== module
      }),
    )
    if (clashing === undefined) return chosen
    chosen.delete(clashing)
  }
}

/** Whether a module, or one that it names, imports a package. */
function needsPackage(modules, path, seen = new Set()) {
  const module = modules.get(path)
  if (module === undefined || seen.has(path)) return false
  seen.add(path)
  return [...module.imports, ...module.exports].some(({ from, module: other }) => {
    if (from === undefined || from.startsWith('node:')) return false
    return !from.startsWith('.') || needsPackage(modules, other, seen)
  })
}

/** Names that a module declares or imports, with the modules that declare them. */
function meaningsOf(modules, path) {
  const { imports: links, names } = modules.get(path)
  return [
    ...names.map(name => [name, path]),
    ...links.flatMap(link => link.names.map(name => [name, origin(modules, link.module, name)])),
  ]
}

/** The module that declares what another one may only hand on. */
function origin(modules, path, name) {
  const link = modules.get(path)?.exports.find(({ names, from }) => from && names.includes(name))
  return link === undefined ? path : origin(modules, link.module, name)
}

function isPlain(names) {
  return names.every(name => !name.includes(' '))
}

function bodyOf(modules, chosen, target) {
  const outside = new Map()
  const bodies = [...chosen].map(path => {
    for (const [name, module] of meaningsOf(modules, path))
      if (!chosen.has(module)) outside.set(module, (outside.get(module) ?? new Set()).add(name))
    return modules.get(path).text.replace(imports, '').replace(exports, '')
  })
  const heads = [...outside].map(
    ([module, names]) =>
      `import type { ${[...names].join(', ')} } from '${specifier(target, module)}';\n`,
  )
  return `${heads.join('')}${bodies.join('')}export {};\n`
}

function specifier(path, module) {
  const way = relative(dirname(path), module).replace(/\.d\.ts$/, '.ts')
  return way.startsWith('.') ? way : `./${way}`
}

function retarget(text, path, chosen, file) {
  return text.replace(/(\} from ')(\.[^']+)(';\n)/g, (whole, head, from, tail) =>
    chosen.has(target(path, from)) ? `${head}${specifier(path, file)}${tail}` : whole,
  )
}

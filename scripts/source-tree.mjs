// What the modules of src/ import and keep, read from their syntax trees.
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { parseSync } from 'vite'

/**
 * Every TypeScript module below `folder`, by its path there.
 *
 * @returns {Map<string, ReturnType<typeof readModule>>}
 */
export function readTree(folder) {
  const paths = readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter(entry => entry.isFile() && /\.ts$/.test(entry.name))
    .map(entry =>
      join(entry.parentPath, entry.name)
        .slice(folder.length + 1)
        .replaceAll('\\', '/'),
    )
    .sort()
  return new Map(
    paths.map(path => [path, readModule(path, readFileSync(join(folder, path), 'utf8'))]),
  )
}

/** One module: its imports, what its statements are, and what it keeps between calls. */
export function readModule(path, text) {
  const { program, errors } = parseSync(path, text, { lang: 'ts', sourceType: 'module' })
  const lineOf = node => text.slice(0, node.start).split('\n').length
  return {
    syntaxError: errors[0]?.message,
    imports: importsOf(program, path, lineOf),
    reexportLines: program.body.filter(isReexport).map(lineOf),
    ownLines: program.body.filter(statement => !isReexport(statement)).map(lineOf),
    awaitLines: topLevelAwaits(program).map(lineOf),
    state: moduleState(program).map(({ node, ...found }) => ({ ...found, line: lineOf(node) })),
  }
}

/** Static, dynamic and type imports alike: `{ specifier, target, typeOnly, lazy, line }`. */
function importsOf(program, path, lineOf) {
  const found = []
  const add = (node, source, how) => {
    const specifier = source?.value
    if (typeof specifier !== 'string') return
    const target = specifier.startsWith('.') ? normalize(join(dirname(path), specifier)) : undefined
    found.push({ specifier, target, typeOnly: false, lazy: false, line: lineOf(node), ...how })
  }
  walk(program, node => {
    if (node.type === 'ImportDeclaration' || node.type.startsWith('Export')) {
      add(node, node.source, { typeOnly: importsOnlyTypes(node) })
    }
    if (node.type === 'ImportExpression') add(node, node.source, { lazy: true })
    if (node.type === 'TSImportType') add(node, node.source ?? node.argument, { typeOnly: true })
  })
  return found
}

function importsOnlyTypes(node) {
  if ((node.importKind ?? node.exportKind) === 'type') return true
  const names = node.specifiers ?? []
  return names.length > 0 && names.every(name => (name.importKind ?? name.exportKind) === 'type')
}

function isReexport(statement) {
  return (
    statement.type === 'ExportAllDeclaration' ||
    Boolean(statement.type === 'ExportNamedDeclaration' && statement.source)
  )
}

function topLevelAwaits(program) {
  const found = []
  walk(program, node => {
    if (isFunction(node)) return false
    if (node.type === 'AwaitExpression' || (node.type === 'ForOfStatement' && node.await))
      found.push(node)
  })
  return found
}

const mutators = new Set([
  'set',
  'add',
  'delete',
  'clear',
  'push',
  'pop',
  'shift',
  'unshift',
  'splice',
  'sort',
  'reverse',
  'fill',
])
const collections = new Set(['Map', 'Set', 'WeakMap', 'WeakSet', 'Array'])

/**
 * Variables that can change: `let` and `var`, collections that the module itself changes, exported
 * collections that others could change, and static members that are not readonly.
 */
function moduleState(program) {
  const found = []
  const changed = changedNames(program)
  for (const statement of program.body) {
    const exported = statement.type === 'ExportNamedDeclaration'
    const node = exported ? statement.declaration : statement
    if (node?.type === 'VariableDeclaration' && !node.declare) {
      for (const variable of node.declarations)
        found.push(...variableState(node, variable, exported, changed))
    }
    if (node?.type === 'ClassDeclaration') found.push(...staticState(node))
  }
  return found
}

function variableState(node, variable, exported, changed) {
  const name = variable.id.name ?? 'destructured names'
  if (node.kind !== 'const') return [{ node, name, why: `is declared with ${node.kind}` }]
  if (changed.has(name)) return [{ node, name, why: 'is changed after its declaration' }]
  if (exported && isOpenCollection(variable)) {
    return [
      { node, name, why: 'is exported and could be changed by others: annotate it as readonly' },
    ]
  }
  return []
}

function staticState(node) {
  return node.body.body
    .filter(
      member =>
        member.type === 'PropertyDefinition' &&
        member.static &&
        !member.readonly &&
        !member.declare,
    )
    .map(member => ({
      node: member,
      name: `${node.id.name}.${member.key.name}`,
      why: 'is a static member that is not readonly',
    }))
}

/** A collection whose declared type does not say Readonly… or readonly, and that is not `as const`. */
function isOpenCollection({ id, init }) {
  const annotation = id.typeAnnotation?.typeAnnotation
  if (annotation !== undefined && annotation !== null)
    return !isReadonlyType(annotation) && isCollection(init)
  return isCollection(init)
}

function isReadonlyType(type) {
  if (type.type === 'TSTypeOperator') return type.operator === 'readonly'
  const name = type.typeName?.name ?? ''
  return name.startsWith('Readonly') || !/^(Map|Set|WeakMap|WeakSet|Array|Record)$/.test(name)
}

function isCollection(init) {
  if (init?.type === 'NewExpression') return collections.has(init.callee.name)
  return init?.type === 'ArrayExpression'
}

/** Names on which the module calls a mutator, or whose members it assigns or deletes. */
function changedNames(program) {
  const found = new Set()
  const declared = new Set(program.body.flatMap(namesOf))
  walk(program, (node, shadowed) => {
    const name = changedName(node)
    if (name !== undefined && declared.has(name) && !shadowed.has(name)) found.add(name)
  })
  return found
}

function namesOf(statement) {
  const node = statement.type === 'ExportNamedDeclaration' ? statement.declaration : statement
  return node?.type === 'VariableDeclaration'
    ? node.declarations.map(variable => variable.id.name)
    : []
}

function changedName(node) {
  if (node.type === 'CallExpression' && node.callee.type === 'MemberExpression') {
    return mutators.has(node.callee.property.name) ? node.callee.object.name : undefined
  }
  const place = node.type === 'AssignmentExpression' ? node.left : node.argument
  const changes =
    ['AssignmentExpression', 'UpdateExpression'].includes(node.type) ||
    (node.type === 'UnaryExpression' && node.operator === 'delete')
  if (!changes || place?.type !== 'MemberExpression') return undefined
  // A sticky expression is told where to start right before each use.
  return place.property.name === 'lastIndex' ? undefined : place.object.name
}

function isFunction(node) {
  return ['FunctionDeclaration', 'FunctionExpression', 'ArrowFunctionExpression'].includes(
    node.type,
  )
}

/** Visits every node with the names that functions around it declare; false stops the descent. */
function walk(node, visit, shadowed = new Set()) {
  const inner = isFunction(node) ? new Set([...shadowed, ...localNames(node)]) : shadowed
  if (visit(node, inner) === false) return
  for (const value of Object.values(node)) {
    for (const child of Array.isArray(value) ? value : [value]) {
      if (typeof child?.type === 'string') walk(child, visit, inner)
    }
  }
}

/** Parameters and variables of a function, without those of functions inside it. */
function localNames(fn) {
  const names = []
  const collect = node => {
    if (node !== fn && isFunction(node)) return
    if (node.type === 'VariableDeclarator' || fn.params.includes(node))
      names.push(...patternNames(node.id ?? node))
    for (const value of Object.values(node)) {
      for (const child of Array.isArray(value) ? value : [value])
        if (typeof child?.type === 'string') collect(child)
    }
  }
  collect(fn)
  return names
}

function patternNames(pattern) {
  if (pattern.type === 'Identifier') return [pattern.name]
  const parts = pattern.properties ??
    pattern.elements ?? [pattern.value ?? pattern.argument ?? pattern.left ?? pattern.parameter]
  return parts.filter(Boolean).flatMap(patternNames)
}

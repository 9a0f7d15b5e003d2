// Checks the docs: every ```ts block compiles as a module of its own against the sources, every
// ```ts run block runs against the build and exits with 0, and every relative link leads somewhere.
// ```ts fragment marks the rare block that is no module; how many there are is printed.
// Usage: node scripts/check-docs.mjs [file.md …]
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { run } from './command.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
const pages =
  process.argv.length > 2
    ? process.argv.slice(2).map(path => relative(root, resolve(path)))
    : allPages()
const problems = []

const blocks = pages.flatMap(page => blocksOf(page, readPage(page)))
const modules = blocks.filter(block => /^ts( run)?$/.test(block.info))
const fragments = blocks.filter(block => block.info === 'ts fragment')
const runnable = modules.filter(block => block.info === 'ts run')
const links = pages.flatMap(page => linksOf(page, readPage(page)))

for (const block of blocks) {
  if (
    /^(ts|typescript)/.test(block.info) &&
    !modules.includes(block) &&
    !fragments.includes(block)
  ) {
    problems.push(`${block.page}:${block.line} has a block of an unknown kind: ${block.info}`)
  }
}
for (const link of links) checkLink(link)
await checkBlocks()
for (const problem of problems) console.error(problem)
if (problems.length === 0) {
  console.log(
    `${modules.length} examples compile, ${runnable.length} of them run; ${fragments.length} fragments; ${links.length} links`,
  )
}
process.exitCode = problems.length === 0 ? 0 : 1

function allPages() {
  const below = folder =>
    existsSync(join(root, folder))
      ? readdirSync(join(root, folder)).map(name => join(folder, name))
      : []
  return [
    ...readdirSync(root),
    ...below('docs'),
    ...below('decisions'),
    ...below('examples'),
  ].filter(path => path.endsWith('.md'))
}

function readPage(page) {
  return readFileSync(join(root, page), 'utf8')
}

function blocksOf(page, text) {
  const found = []
  let open
  for (const [index, line] of text.split('\n').entries()) {
    const fence = /^(\s*)(`{3,})(.*)$/.exec(line)
    if (open === undefined && fence)
      open = { page, line: index + 1, fence: fence[2], info: fence[3].trim(), lines: [] }
    else if (open !== undefined && fence?.[2] === open.fence && fence[3].trim() === '') {
      found.push(open)
      open = undefined
    } else open?.lines.push(line)
  }
  if (open !== undefined) problems.push(`${page}:${open.line} opens a block that is never closed`)
  return found
}

function linksOf(page, text) {
  const prose = text
    .replace(/^(`{3,})[^\n]*\n[\s\S]*?^\1\s*$/gm, block => block.replace(/[^\n]/g, ''))
    .replace(/`[^`\n]*`/g, '')
  return [...prose.matchAll(/\]\(([^)\s]+)\)/g)]
    .map(match => ({
      page,
      target: match[1],
      line: prose.slice(0, match.index).split('\n').length,
    }))
    .filter(({ target }) => !/^[a-z][a-z0-9+.-]*:/i.test(target))
}

function checkLink({ page, target, line }) {
  const [path, anchor] = target.split('#')
  const file = path === '' ? page : join(dirname(page), path)
  if (!existsSync(join(root, file)))
    problems.push(`${page}:${line} links to ${target}, which does not exist`)
  else if (
    anchor !== undefined &&
    file.endsWith('.md') &&
    !anchorsOf(readPage(file)).includes(anchor)
  ) {
    problems.push(`${page}:${line} links to ${target}, and ${file} has no such heading`)
  }
}

/** As GitHub makes them of headings: lower case, blanks to dashes, no punctuation. */
function anchorsOf(text) {
  return [...text.matchAll(/^#+ +(.+)$/gm)].map(([, heading]) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .trim()
      .replace(/ /g, '-'),
  )
}

async function checkBlocks() {
  if (modules.length === 0) return
  mkdirSync(join(root, '.tmp'), { recursive: true })
  // Inside the project, so that the examples find the package by its name, and its dependencies.
  const folder = mkdtempSync(join(root, '.tmp/docs-'))
  try {
    await compile(folder)
    if (runnable.length > 0) await runBlocks(folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

async function compile(folder) {
  for (const block of modules) {
    block.name = `${block.page.replace(/\W+/g, '-')}-${block.line}`
    // Blank lines in front: the compiler then speaks of the lines of the page.
    const code = `${'\n'.repeat(block.line)}${block.lines.join('\n')}\nexport {}\n`
    writeFileSync(join(folder, `${block.name}.ts`), code)
  }
  const config = {
    extends: '../../test/types/tsconfig.json',
    compilerOptions: {
      noEmit: false,
      rootDir: '../..',
      outDir: 'out',
      rewriteRelativeImportExtensions: true,
    },
    files: modules.map(block => `${block.name}.ts`),
  }
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config))
  const tsc = join(root, 'node_modules/.bin/tsc')
  const { status, stdout } = await run([tsc, '-p', 'tsconfig.json', '--pretty', 'false'], {
    cwd: folder,
  })
  const names = new Map(modules.map(block => [block.name, block.page]))
  const lines = stdout
    .trim()
    .replace(/^([\w-]+)\.ts\((\d+),\d+\)/gm, (_all, name, line) => `${names.get(name)}:${line}`)
  if (status !== 0) problems.push(lines)
}

async function runBlocks(folder) {
  const built = await run(['node', join(root, 'scripts/build.mjs'), '--if-stale'])
  if (built.status !== 0) {
    problems.push(`The examples cannot run, src does not compile:\n${built.stderr}${built.stdout}`)
    return
  }
  const env = { AWS_EC2_METADATA_DISABLED: 'true' }
  for (const { name, page, line } of runnable) {
    const file = join(folder, 'out', relative(root, folder), `${name}.js`)
    const place = mkdtempSync(join(folder, 'run-'))
    const { status, stdout, stderr } = await run(['node', file], { cwd: place, env, timeout: 60 })
    if (status !== 0) problems.push(`${page}:${line} does not run:\n${stdout}${stderr}`)
  }
}

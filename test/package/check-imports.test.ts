import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const script = fileURLToPath(new URL('../../scripts/check-imports.mjs', import.meta.url))

/** Modules that break one rule each; the first line is what should be found, and in which line. */
const violations: Readonly<Record<string, readonly [source: string, found: string]>> = {
  'core/outward.ts': ["import '../layers/prefixed.ts'", '1 imports layers/prefixed.ts: the core'],
  'core/platform.ts': ["import 'node:fs'", '1 imports node:fs: the core'],
  'core/npm.ts': ["import 'undici'", '1 imports the package undici: the core'],
  'core/lazy.ts': ["export const f = () => import('node:os')", '1 imports node:os: the core'],
  'backends/s3/other.ts': [
    "\nimport type { Disk } from '../filesystem/disk.ts'",
    '2 imports backends/filesystem/disk.ts: backends know the core and never each other',
  ],
  'backends/s3/hash.ts': [
    "import { createHash } from 'node:crypto'",
    '1 imports node:crypto: backends',
  ],
  'backends/new/disk.ts': [
    "import '../filesystem/disk.ts'",
    '1 imports backends/filesystem/disk.ts: backends know the core and never each other',
  ],
  'backends/new/files.ts': ["import 'node:fs'", '1 imports node:fs: backends'],
  'layers/over-disk.ts': [
    "import '../backends/filesystem/disk.ts'",
    '1 imports backends/filesystem',
  ],
  'config/up.ts': ["import '../cli/main.ts'", '1 imports cli/main.ts: configuration'],
  'config/eager.ts': ["import '../s3.ts'", '1 imports s3.ts: entries are for programs'],
  'testing/contract/disk.ts': [
    "import '../../backends/filesystem/disk.ts'",
    '1 imports backends/filesystem/disk.ts: the suite',
  ],
  'testing/contract/framework.ts': ["import 'vitest'", '1 imports the package vitest: the suite'],
  'testing/s3-server/shared.ts': [
    "import '../../core/open.ts'",
    '1 imports core/open.ts: a server',
  ],
  'core/entry.ts': ["import '../s3.ts'", '1 imports s3.ts: entries are for programs'],
  'index.ts': ['export const answer = 42', '1 holds code of its own: entries only re-export'],
  'core/barrel.ts': ["export { open } from './open.ts'", '1 re-exports: only entries do'],
  'core/awaits.ts': ['export const now = await Promise.resolve(1)', '1 awaits at the top level'],
  'core/awaits-loop.ts': ['for await (const x of []) console.log(x)', '1 awaits at the top level'],
  'core/let.ts': [
    'let count = 0\nexport const next = () => ++count',
    '1 keeps state: count is declared',
  ],
  'core/cache.ts': [
    'const cache = new Map<string, number>()\nexport const put = (k: string) => cache.set(k, 1)',
    '1 keeps state: cache is changed after its declaration',
  ],
  'core/table.ts': [
    'const table: Record<string, number> = {}\nexport function put(k: string) { table[k] = 1 }',
    '1 keeps state: table is changed after its declaration',
  ],
  'core/exported.ts': [
    'export const names = new Set<string>()',
    '1 keeps state: names is exported',
  ],
  'core/static.ts': [
    'export class Counter {\n  static count = 0\n}',
    '2 keeps state: Counter.count is a static member that is not readonly',
  ],
  'core/cycle-a.ts': [
    "import './cycle-b.ts'",
    '1 imports itself: core/cycle-a.ts > core/cycle-b.ts',
  ],
  'elsewhere/new.ts': ['export const x = 1', '1 stands in a folder that scripts/check-imports.mjs'],
  'core/missing.ts': ["import './gone.ts'", '1 imports ./gone.ts, which is not a module of src'],
  'core/tested.ts': ["import './open.test.ts'", '1 imports the test ./open.test.ts'],
}

/** What the house allows, some of it close to what it forbids. */
const allowed: Readonly<Record<string, string>> = {
  'core/open.ts':
    "import mime from 'mime'\nimport type { A } from './type-cycle.ts'\nexport const open = (a: A): unknown => [mime, a]",
  'core/type-cycle.ts':
    "import { open } from './open.ts'\nexport type A = string\nexport { open as reopened }",
  'core/constants.ts':
    'export const names: ReadonlySet<string> = new Set()\nexport const sizes = [1, 2] as const\nexport class K { static readonly max = 1 }\nconst sticky = /a/y\nexport const seek = (at: number): void => void (sticky.lastIndex = at)\nconst cache = [1]\nexport function own(cache: number[]) { cache.push(2) }\nexport const read = () => cache[0]',
  'core/open.test.ts':
    "import { it } from 'vitest'\nimport '../s3.ts'\nlet n = 0\nit('', () => { n++ })",
  'core/cycle-b.ts': "import './cycle-a.ts'",
  'backends/memory/memory.ts': "import '../../core/open.ts'",
  'backends/filesystem/disk.ts':
    "import 'node:fs'\nimport '../../core/open.ts'\nexport type Disk = 1",
  'backends/s3/s3.ts': "import './platform/files.ts'",
  'backends/s3/platform/files.ts':
    "import 'node:fs'\nimport type { D } from 'undici'\nexport type E = D",
  'backends/new/new.ts': "import 'its-sdk'\nimport '../../core/open.ts'\nimport './own.ts'",
  'backends/new/own.ts': "import '../../core/open.ts'",
  'layers/prefixed.ts': "import '../core/open.ts'",
  'config/registry.ts':
    "let current = 0\nexport const set = () => ++current\nexport const load = () => import('../s3.ts')",
  'config/load-config.ts': "import 'node:fs'\nimport './registry.ts'",
  'testing/contract/suite.ts':
    "import type { Disk } from '../../backends/filesystem/disk.ts'\nimport '../../backends/memory/memory.ts'\nexport type D = Disk",
  'testing/s3-server/server.ts': "import 'node:http'\nimport 'saxes'",
  'cli/main.ts': "import 'commander'\nimport '../s3.ts'\nimport '../config/registry.ts'",
  's3.ts':
    "export * from './backends/s3/s3.ts'\nexport type { Disk } from './backends/filesystem/disk.ts'",
}

describe('check-imports', () => {
  let folder: string
  const roots = { clean: '', broken: '' }

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'stowage-imports-'))
    const clean = { ...allowed, 'core/cycle-b.ts': '' }
    const broken = Object.entries(violations).map(([path, [source]]) => [path, source] as const)
    roots.clean = writeTree(join(folder, 'clean'), clean)
    roots.broken = writeTree(join(folder, 'broken'), { ...allowed, ...Object.fromEntries(broken) })
  })

  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  it('says one line for a tree that keeps the rules', () => {
    const { status, stdout, stderr } = check(roots.clean)
    expect(stderr).toBe('')
    expect(stdout).toBe(`${Object.keys(allowed).length} modules import one way\n`)
    expect(status).toBe(0)
  })

  describe('of a tree with one violation per rule', () => {
    let lines: readonly string[]
    let status: number | null

    beforeAll(() => {
      const checked = check(roots.broken)
      lines = checked.stderr.trim().split('\n')
      status = checked.status
    })

    it.each(Object.entries(violations))('reports %s', (path, [, found]) => {
      const reported = lines.filter(line => line.startsWith(`src/${path}:`))
      expect(reported).toHaveLength(1)
      expect(reported[0]).toContain(`src/${path}:${found}`)
    })

    it('reports nothing else, and fails', () => {
      expect(lines).toHaveLength(Object.keys(violations).length)
      expect(status).toBe(1)
    })
  })
})

function writeTree(root: string, files: Readonly<Record<string, string>>): string {
  for (const [path, source] of Object.entries(files)) {
    const file = join(root, 'src', path)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, source)
  }
  return root
}

function check(root: string): ReturnType<typeof run> {
  return run([script, root])
}

function run(args: readonly string[]) {
  return spawnSync(process.execPath, args, { encoding: 'utf8', timeout: 30_000 })
}

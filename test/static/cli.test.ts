import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { beforeAll, describe, expect, it } from 'vitest'
import { Folders, type Tree, writeTree } from './folders.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const binary = join(root, 'dist', 'cli', 'main.js')
const run = promisify(execFile)

beforeAll(async () => {
  await run(process.execPath, [join(root, 'scripts', 'build.mjs'), '--if-stale'])
}, 120_000)

interface Outcome {
  readonly status: number
  readonly stdout: string
  readonly stderr: string
}

/** A project with a configuration, in which the command is run. */
class Project implements Disposable {
  readonly folders: Folders = new Folders()
  readonly dir: string

  constructor(files: Tree, configuration: object = {}) {
    this.dir = this.folders.make('project', files)
    const settings = {
      STATICFILES_STORAGE: 'django.contrib.staticfiles.storage.ManifestStaticFilesStorage',
      STATIC_ROOT: 'out',
      STATICFILES_DIRS: ['assets'],
      ...configuration,
    }
    writeFileSync(join(this.dir, 'stowage.config.json'), JSON.stringify(settings))
  }

  async stowage(...args: string[]): Promise<Outcome> {
    try {
      const { stdout, stderr } = await run(process.execPath, [binary, ...args], { cwd: this.dir })
      return { status: 0, stdout, stderr }
    } catch (error) {
      const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string }
      return { status: code, stdout, stderr }
    }
  }

  /** In a terminal of its own (util-linux `script`), answering its question. */
  async inTerminal(answer: string, ...args: string[]): Promise<{ status: number; output: string }> {
    const command = [process.execPath, binary, ...args].map(arg => `'${arg}'`).join(' ')
    const child = spawn('script', ['-qec', command, '/dev/null'], { cwd: this.dir })
    let output = ''
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString()
      if (output.includes("'no' to cancel:") && child.stdin.writable) child.stdin.end(answer)
    })
    const [status] = await once(child, 'close')
    return { status, output }
  }

  read(name: string): string {
    return readFileSync(join(this.dir, name), 'utf8')
  }

  [Symbol.dispose](): void {
    this.folders[Symbol.dispose]()
  }
}

const assets = { 'assets/a.css': 'b{c:url(p.png)}', 'assets/p.png': 'p' }

describe('stowage collectstatic', () => {
  it("collects with Django's settings, and says what it did in Django's words", async () => {
    using project = new Project(assets)
    expect(await project.stowage('collectstatic')).toEqual({
      status: 0,
      stdout: `2 static files copied to '${join(project.dir, 'out')}', 2 post-processed.\n`,
      stderr: '',
    })
    expect(JSON.parse(project.read('out/staticfiles.json'))).toMatchObject({ version: '1.1' })
    expect((await project.stowage('collectstatic', '--no-input')).stdout).toBe(
      `0 static files copied to '${join(project.dir, 'out')}', 2 unmodified.\n`,
    )
  })

  it.each(['SIGINT', 'SIGTERM'] as const)(
    'leaves no half file when it is ended by %s',
    async name => {
      const files = Array.from({ length: 3000 }, (_, i) => [`assets/${i}.css`, `a${i}{}`] as const)
      using project = new Project(Object.fromEntries(files))
      const child = spawn(process.execPath, [binary, 'collectstatic'], { cwd: project.dir })
      const out = join(project.dir, 'out')
      while (!existsSync(out) || readdirSync(out).length < 50) await setTimeout(5)
      child.kill(name)
      expect(await once(child, 'exit')).toEqual([null, name])
      const left = readdirSync(out)
      expect(left.filter(file => file.endsWith('.tmp'))).toEqual([])
      expect(left).not.toContain('staticfiles.json')
      expect(left.length).toBeLessThan(2 * files.length)
    },
  )

  it('knows the path of static files on the site', async () => {
    using project = new Project(
      { 'assets/a.css': 'b{c:url(/st/p.png)}', 'assets/p.png': 'p' },
      {
        STATICFILES_STORAGE: undefined,
        STATIC_ROOT: undefined,
        STATIC_URL: '/st/',
        storages: {
          staticfiles: {
            backend: 'stowage/staticfiles#ManifestStaticFilesStorage',
            options: { location: 'out', baseUrl: 'https://cdn.example/' },
          },
        },
      },
    )
    await project.stowage('collectstatic')
    const { paths } = JSON.parse(project.read('out/staticfiles.json'))
    expect(project.read(`out/${paths['a.css']}`)).toBe(`b{c:url("/st/${paths['p.png']}")}`)
  })

  it('gives one object with --json', async () => {
    using project = new Project(assets)
    const { stdout } = await project.stowage('collectstatic', '--noinput', '--json')
    expect(JSON.parse(stdout)).toMatchObject({
      copied: ['a.css', 'p.png'],
      postProcessed: ['a.css', 'p.png'],
      warnings: [],
    })
  })

  it('takes the options of Django', async () => {
    using project = new Project({ ...assets, 'assets/.dot': 'd', 'assets/x.md': 'x' })
    const dry = await project.stowage('collectstatic', '-n', '-v', '2', '-i', '*.md', '-i', 'q*')
    expect(dry.stdout).toContain("Pretending to copy 'a.css'")
    expect(dry.stdout).not.toContain('x.md')
    expect(existsSync(join(project.dir, 'out'))).toBe(false)
    await project.stowage('collectstatic', '--no-post-process', '--no-default-ignore', '--link')
    expect(existsSync(join(project.dir, 'out/.dot'))).toBe(true)
    expect(existsSync(join(project.dir, 'out/staticfiles.json'))).toBe(false)
    writeTree(project.dir, { 'out/foreign.txt': 'f' })
    const cleared = await project.stowage('collectstatic', '--clear', '-v', '2')
    expect(cleared.stdout).toContain("Deleting 'foreign.txt'")
    expect(await project.stowage('collectstatic', '-v', '0')).toMatchObject({ stdout: '' })
  })

  it('fails with every missing reference, or warns', async () => {
    using project = new Project({ 'assets/a.css': '\nb{c:url(gone.png)}' })
    const failed = await project.stowage('collectstatic')
    expect(failed).toMatchObject({ status: 1, stdout: '' })
    expect(failed.stderr).toContain('stowage: a.css:2: "gone.png" leads to "gone.png"')
    const warned = await project.stowage('collectstatic', '--missing', 'warn')
    expect(warned).toMatchObject({
      status: 0,
      stderr: expect.stringContaining('Warning: a.css:2:'),
    })
    expect((await project.stowage('collectstatic', '--missing', 'x')).status).toBe(2)
  })

  it('rolls back', async () => {
    using project = new Project(assets)
    await project.stowage('collectstatic')
    const before = JSON.parse(project.read('out/staticfiles.json')).paths
    writeTree(project.dir, { 'assets/p.png': 'q' })
    await project.stowage('collectstatic', '--keep', '2')
    const { stdout } = await project.stowage('collectstatic', '--rollback')
    expect(stdout).toContain('is in force again')
    expect(JSON.parse(project.read('out/staticfiles.json')).paths).toEqual(before)
    expect((await project.stowage('collectstatic', '--rollback')).status).toBe(1)
  })

  it('asks in a terminal before it overwrites, and shows a bar', async () => {
    using project = new Project(assets)
    const first = await project.inTerminal('', 'collectstatic')
    expect(first).toMatchObject({ status: 0, output: expect.stringContaining('2 static files') })
    expect(first.output).toContain('[##############################] 4/4')
    expect(first.output).not.toContain('Are you sure')
    writeTree(project.dir, { 'assets/p.png': 'q' })
    const no = await project.inTerminal('no\n', 'collectstatic')
    expect(no).toMatchObject({ status: 1, output: expect.stringContaining('cancelled.') })
    expect(project.read('out/p.png')).toBe('p')
    const yes = await project.inTerminal('yes\n', 'collectstatic')
    expect(yes).toMatchObject({ status: 0, output: expect.stringContaining('overwrite existing') })
    expect(project.read('out/p.png')).toBe('q')
    expect((await project.inTerminal('', 'collectstatic', '--no-input')).output).not.toContain(
      'sure',
    )
  })
})

describe('stowage findstatic', () => {
  it('names every file of a name, and fails for one that there is not', async () => {
    using project = new Project(
      { 'assets/a.css': '1', 'more/a.css': '2' },
      { STATICFILES_DIRS: ['assets', 'more'] },
    )
    const paths = ['assets/a.css', 'more/a.css'].map(name => join(project.dir, name))
    expect((await project.stowage('findstatic', 'a.css')).stdout).toBe(
      `Found 'a.css' here:\n  ${paths.join('\n  ')}\n`,
    )
    expect((await project.stowage('findstatic', '--first', '-v', '0', 'a.css')).stdout).toBe(
      `${paths[0]}\n`,
    )
    expect((await project.stowage('findstatic', '-v', '2', 'a.css')).stdout).toContain(
      `Looking in the following locations:\n  ${join(project.dir, 'assets')}\n`,
    )
    expect(JSON.parse((await project.stowage('findstatic', '--json', 'a.css')).stdout)).toEqual({
      name: 'a.css',
      paths,
    })
    expect(await project.stowage('findstatic', 'nope')).toEqual({
      status: 1,
      stdout: '',
      stderr: "No matching file found for 'nope'.\n",
    })
    expect((await project.stowage('findstatic', '../x')).status).toBe(1)
  })
})

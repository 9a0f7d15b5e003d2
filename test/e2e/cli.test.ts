import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))
const binary = join(root, 'dist', 'cli', 'main.js')
const run = promisify(execFile)
let folder = ''

beforeAll(async () => {
  await run(process.execPath, [join(root, 'scripts', 'build.mjs'), '--if-stale'])
  folder = await mkdtemp(join(tmpdir(), 'stowage-cli-'))
  const options = { location: join(folder, 'media') }
  const storages = { default: { backend: 'stowage#FileSystemStorage', options } }
  await writeFile(join(folder, 'stowage.config.json'), JSON.stringify({ storages }))
}, 120_000)

afterAll(() => rm(folder, { recursive: true, force: true }))

interface Outcome {
  readonly status: number
  readonly stdout: string
  readonly stderr: string
}

async function stowage(...args: string[]): Promise<Outcome> {
  try {
    const { stdout, stderr } = await run(process.execPath, [binary, ...args], { cwd: folder })
    return { status: 0, stdout, stderr }
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string }
    return { status: code, stdout, stderr }
  }
}

/** What a killed save leaves, as old as can be. */
async function leaveTemporaryFile(): Promise<void> {
  await mkdir(join(folder, 'media'), { recursive: true })
  await writeFile(join(folder, 'media', '.stowage-abcdefghijklmnopqrst.tmp'), 'half')
}

describe('the command stowage', () => {
  it('says what it can do', async () => {
    const { status, stdout } = await stowage('--help')
    expect([status, stdout]).toEqual([0, expect.stringContaining('cleanup-uploads')])
  })

  it.each([
    [['nope'], 'unknown command'],
    [['demo', '--jsno'], 'unknown option'],
    [['cleanup-uploads', '--older-than', 'x'], 'whole number of seconds'],
  ])('ends with 2 after %j', async (args, message) => {
    const { status, stdout, stderr } = await stowage(...args)
    expect([status, stdout, stderr]).toEqual([2, '', expect.stringContaining(message)])
  })

  it('ends with 1 and one line when it fails', async () => {
    const { status, stdout, stderr } = await stowage('cleanup-uploads', '--storage', 'nope')
    expect([status, stdout]).toEqual([1, ''])
    expect(stderr).toMatch(/^stowage: .*nope.*\n$/)
  })

  it('cleans up a storage, in words and as JSON', async () => {
    await leaveTemporaryFile()
    expect(await stowage('cleanup-uploads')).toMatchObject({ status: 0, stdout: '' })
    const name = '.stowage-abcdefghijklmnopqrst.tmp'
    expect(await stowage('cleanup-uploads', '--older-than', '0')).toMatchObject({
      status: 0,
      stdout: `removed ${name}\n`,
    })
    await leaveTemporaryFile()
    const { stdout } = await stowage('cleanup-uploads', '--older-than', '0', '--json')
    expect(JSON.parse(stdout)).toEqual({ removed: name })
    expect(await readdir(join(folder, 'media'))).toEqual([])
  })

  it('runs the demo right, and to its end when nobody reads it', async () => {
    const demo = spawn(process.execPath, [binary, 'demo', '--json'], { cwd: folder })
    let errors = ''
    demo.stderr.on('data', text => {
      errors += text
    })
    const whole = stowage('demo', '--json')
    await once(demo.stdout, 'data')
    demo.stdout.destroy()
    const [status] = await once(demo, 'exit')
    expect([status, errors]).toEqual([0, ''])
    const { stdout } = await whole
    const lines = stdout
      .trim()
      .split('\n')
      .map(line => JSON.parse(line) as { ok?: boolean; wrong?: number })
    expect(lines.filter(line => line.ok === false)).toEqual([])
    expect(lines.at(-1)?.wrong).toBe(0)
  }, 120_000)
})

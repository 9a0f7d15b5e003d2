import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { S3Storage } from '../../src/s3.ts'
import { S3Server } from '../../src/testing.ts'

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
  return await stowageIn({}, ...args)
}

async function stowageIn(variables: Record<string, string>, ...args: string[]): Promise<Outcome> {
  const env = { ...process.env, AWS_EC2_METADATA_DISABLED: 'true', ...variables }
  try {
    const { stdout, stderr } = await run(process.execPath, [binary, ...args], { cwd: folder, env })
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

  it.each([
    ['waits for what never comes', 'await new Promise(() => {})'],
    ['ends the process', 'process.exit(0)'],
  ])('does not end with 0 where the configuration %s', async (_what, code) => {
    await writeFile(join(folder, 'ending.mjs'), `${code}\nexport default {}`)
    const { status, stdout, stderr } = await stowage('doctor', '--config', 'ending.mjs')
    expect([status, stdout]).toEqual([1, ''])
    expect(stderr).toMatch(/^stowage: The command ended before its work was done: .*\n$/)
  })

  it('ends when names have come from a module that keeps its database connected', async () => {
    const names = 'setInterval(() => {}, 1000)\nexport default () => '
    await writeFile(join(folder, 'names.mjs'), `${names}['gone.txt']`)
    const { status, stdout } = await stowage('gc', '--used', 'names.mjs')
    expect([status, stdout]).toEqual([1, 'missing gone.txt\n'])
    await writeFile(join(folder, 'none.mjs'), `${names}[7]`)
    const { stderr } = await stowage('gc', '--used', 'none.mjs')
    expect(stderr).toMatch(/^stowage: used gives names, .*\n$/)
  })

  it.each([
    ['names.ts', "export default (): string[] => ['gone.txt']"],
    ['names.cjs', "module.exports = () => ['gone.txt']"],
  ])('takes names from a module %s', async (name, code) => {
    await writeFile(join(folder, name), code)
    const { status, stdout } = await stowage('gc', '--used', name)
    expect([status, stdout]).toEqual([1, 'missing gone.txt\n'])
  })

  it('lets no control character of a configuration into a message', async () => {
    await writeFile(join(folder, 'red.mjs'), 'export default { "a\\x1b[31m": 1 }')
    const { status, stderr } = await stowage('doctor', '--config', 'red.mjs')
    expect([status, stderr]).toEqual([1, expect.stringContaining('a\\u001b[31m')])
  })

  it.runIf(process.platform === 'linux')('says in one line what it cannot write to', async () => {
    const command = `"${process.execPath}" "${binary}" doctor > /dev/full`
    const { code, stderr } = await run('sh', ['-c', command], { cwd: folder }).then(
      () => ({ code: 0, stderr: '' }),
      (error: { code: number; stderr: string }) => error,
    )
    expect(code).toBe(1)
    expect(stderr).toMatch(/^stowage: Standard output cannot be written: ENOSPC.*\n$/)
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
    // What the environment says of other services is not for the demo's own.
    const whole = stowageIn(
      {
        AWS_LOCATION: 'elsewhere',
        AWS_S3_CUSTOM_DOMAIN: 'cdn.example.com',
        AWS_S3_SIGNATURE_VERSION: 's3',
        AWS_SESSION_TOKEN: 'of-somebody',
        http_proxy: 'http://127.0.0.1:9',
      },
      'demo',
      '--json',
    )
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

  it('ends the demo with 1 where a line is wrong, and says which', async () => {
    // Whatever it is asked, it has it.
    const server = createServer((_, response) => {
      const modified = 'Wed, 25 Nov 2026 12:00:00 GMT'
      response.writeHead(200, { etag: '"x"', 'last-modified': modified, 'content-length': 0 }).end()
    })
    await once(server.listen(0, '127.0.0.1'), 'listening')
    try {
      const { port } = server.address() as AddressInfo
      const { status, stdout } = await stowageIn(demoService(`http://127.0.0.1:${port}`), 'demo')
      expect(status).toBe(1)
      expect(stdout).toContain(
        "await storage.exists('storage_test')\n    true   <-- WRONG, expected false",
      )
    } finally {
      server.closeAllConnections()
      server.close()
    }
  }, 120_000)

  it('leaves nothing at a service where the demo stops half-way', async () => {
    const server = await S3Server.start({ buckets: ['media'] })
    try {
      // Nobody answers under the domain of its signed URLs, which come after the first file.
      const variables = {
        ...demoService(server.endpoint),
        AWS_ACCESS_KEY_ID: server.accessKey,
        AWS_SECRET_ACCESS_KEY: server.secretKey,
        AWS_S3_CUSTOM_DOMAIN: '127.0.0.1:9',
      }
      const { status, stderr } = await stowageIn(variables, 'demo')
      expect([status, stderr]).toEqual([1, expect.stringMatching(/^stowage: .+\n$/)])
      expect(server.requests.map(({ method }) => method)).toContain('PUT')
      const left = new S3Storage({
        endpointUrl: server.endpoint,
        accessKey: server.accessKey,
        secretKey: server.secretKey,
        bucketName: 'media',
      })
      expect(await left.listdir('')).toEqual([[], []])
    } finally {
      await server.close()
    }
  }, 120_000)

  it('ends the demo with 1 when its server dies', async () => {
    const temporary = await mkdtemp(join(folder, 'tmp-'))
    const demo = spawn(process.execPath, [binary, 'demo', '--json'], {
      env: { ...process.env, TMPDIR: temporary },
    })
    let errors = ''
    demo.stderr.on('data', text => {
      errors += text
    })
    const ended = once(demo, 'exit')
    await once(demo.stdout, 'data')
    const children = await readFile(`/proc/${demo.pid}/task/${demo.pid}/children`, 'utf8')
    process.kill(Number(children.trim()), 'SIGKILL')
    demo.stdout.resume()
    expect([await ended, errors]).toEqual([[1, null], expect.stringMatching(/^stowage: .+\n$/)])
    expect(await readdir(temporary)).toEqual([])
  }, 120_000)
})

/** What points the demo at a service. */
function demoService(endpoint: string): Record<string, string> {
  return {
    STOWAGE_DEMO_ENDPOINT: endpoint,
    AWS_STORAGE_BUCKET_NAME: 'media',
    AWS_ACCESS_KEY_ID: 'key',
    AWS_SECRET_ACCESS_KEY: 'secret',
  }
}

import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { S3Storage } from '../../src/backends/s3/s3-storage.ts'
import { S3Server } from '../../src/testing/s3-server/s3-server.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const run = promisify(execFile)
let folder: string
let server: S3Server

beforeAll(async () => {
  await run(process.execPath, [join(root, 'scripts', 'build.mjs'), '--if-stale'])
  folder = await mkdtemp(join(tmpdir(), 'stowage-doctor-'))
  server = await S3Server.start({ buckets: ['media'] })
}, 120_000)

afterAll(async () => {
  await server.close()
  await rm(folder, { recursive: true, force: true })
})

/** The built program, configured by the environment alone. */
async function doctor(
  args: readonly string[],
  settings: Readonly<Record<string, string>> = {},
): Promise<{ readonly status: number; readonly output: string }> {
  const env = {
    ...process.env,
    AWS_EC2_METADATA_DISABLED: 'true',
    DEFAULT_FILE_STORAGE: 'storages.backends.s3.S3Storage',
    AWS_S3_ENDPOINT_URL: server.endpoint,
    AWS_ACCESS_KEY_ID: server.accessKey,
    AWS_SECRET_ACCESS_KEY: server.secretKey,
    AWS_STORAGE_BUCKET_NAME: 'media',
    ...settings,
  }
  const binary = join(root, 'dist', 'cli', 'main.js')
  try {
    const { stdout, stderr } = await run(process.execPath, [binary, 'doctor', ...args], {
      cwd: folder,
      env,
    })
    return { status: 0, output: stdout + stderr }
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string }
    return { status: code, output: stdout + stderr }
  }
}

describe('stowage doctor', () => {
  it('finds nothing wrong with a bucket that is right, and leaves nothing in it', async () => {
    const { status, output } = await doctor([])
    expect(output.trimEnd().split('\n').at(-1)).toBe('s3(media): 0 failed, 0 to look at')
    expect(status).toBe(0)
    const { endpoint: endpointUrl, accessKey, secretKey } = server
    const storage = new S3Storage({ endpointUrl, accessKey, secretKey, bucketName: 'media' })
    expect(await storage.listdir('')).toEqual([[], []])
    expect(server.openUploads()).toBe(0)
  })

  it('prints an object a line for programs', async () => {
    const { status, output } = await doctor(['--json'])
    const lines = output.trimEnd().split('\n')
    const steps = lines.map(line => JSON.parse(line))
    expect(steps.slice(0, -1).every(({ outcome }) => outcome === 'ok')).toBe(true)
    expect(steps.at(-1)).toEqual({ storage: 's3(media)', ok: true, failed: 0, warnings: 0 })
    expect(status).toBe(0)
  })

  it('says which setting is wrong without showing it, and ends with 1', async () => {
    const secret = 'a-secret-that-is-not-the-one'
    const { status, output } = await doctor([], { AWS_SECRET_ACCESS_KEY: secret })
    expect(output).toMatch(/FAILED {3}credentials .*\n +Correct "secretKey"/)
    expect(output).not.toContain(secret)
    expect(output).not.toContain(server.secretKey)
    expect(status).toBe(1)
  })

  it('tells a bucket that is missing from a service that does not answer', async () => {
    const missing = await doctor([], { AWS_STORAGE_BUCKET_NAME: 'nowhere' })
    expect([missing.status, missing.output]).toEqual([
      1,
      expect.stringContaining('There is no bucket "nowhere"'),
    ])
    const silent = await doctor([], { AWS_S3_ENDPOINT_URL: 'http://127.0.0.1:1' })
    expect([silent.status, silent.output]).toEqual([
      1,
      expect.stringContaining('the connection was refused'),
    ])
  })
})

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { FileSystemStorage } from '../../src/backends/filesystem/filesystem-storage.ts'
import { S3Storage } from '../../src/backends/s3/s3-storage.ts'
import type { Storage } from '../../src/core/storage.ts'
import { S3Server } from '../../src/testing/s3-server/s3-server.ts'
import { bundleProgram, type Program } from './program.ts'

/** Each costs the start of a process. */
const rounds = process.env['CI'] === 'true' ? 100 : 25
const mebi = 1024 * 1024
let program: Program

beforeAll(async () => {
  program = await bundleProgram('overwriter')
})

afterAll(() => program.remove())

interface Victim {
  readonly kind: 's3' | 'disk'
  readonly options: object
  readonly size: number
}

/** Milliseconds that a save lasts about: grows until it is found too long. */
let lasting = 5

/** Lets a process overwrite once, and kills it anywhere in the next time or two. */
async function overwriteAndDie(victim: Victim): Promise<void> {
  const child = spawn(process.execPath, [program.script, JSON.stringify(victim)], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, AWS_EC2_METADATA_DISABLED: 'true' },
  })
  const ended = once(child, 'exit')
  let saves = 0
  child.stdout.on('data', said => {
    saves += said.length
  })
  await once(child.stdout, 'data')
  const wait = Math.random() * lasting
  const before = saves
  await sleep(wait)
  if (saves > before) lasting = wait + 1
  else lasting *= 1.2
  child.kill('SIGKILL')
  expect(await ended).toEqual([null, 'SIGKILL'])
}

async function expectWhole(storage: Storage, size: number): Promise<void> {
  const bytes = await (await storage.file('file.bin')).bytes()
  expect(bytes.byteLength).toBe(size)
  expect(Buffer.compare(bytes, Buffer.alloc(size, bytes[0])), 'bytes of one content').toBe(0)
}

describe(`${rounds} processes that are killed while they overwrite`, () => {
  it('leave the old file or the new one, whole, on disk', async () => {
    const size = 3 * mebi
    const location = join(program.work, 'files')
    const storage = new FileSystemStorage({ location })
    for (let round = 0; round < rounds; round++) {
      await overwriteAndDie({ kind: 'disk', options: { location }, size })
      await expectWhole(storage, size)
    }
    expect(await storage.listdir('')).toEqual([[], ['file.bin']])
    await storage.cleanupUploads({ olderThan: 0 })
    expect(await readdir(location)).toEqual(['file.bin'])
  }, 240_000)

  it('leave the old file or the new one, whole, on S3', async () => {
    const size = 5 * mebi + 70_000
    await using server = await S3Server.start({ buckets: ['media'] })
    const { endpoint: endpointUrl, accessKey, secretKey } = server
    const place = { bucketName: 'media', regionName: 'us-east-1', endpointUrl }
    const transferConfig = { partSize: 5 * mebi, multipartThreshold: 5 * mebi }
    const options = { ...place, accessKey, secretKey, transferConfig }
    const storage = new S3Storage(options)
    for (let round = 0; round < rounds; round++) {
      await overwriteAndDie({ kind: 's3', options, size })
      await expectWhole(storage, size)
    }
    expect(await storage.listdir('')).toEqual([[], ['file.bin']])
    expect(server.openUploads(), 'uploads that died with their process').toBeGreaterThan(0)
    await storage.cleanupUploads({ olderThan: 0 })
    expect(server.openUploads()).toBe(0)
  }, 240_000)
})

import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { describe, expect, it } from 'vitest'
import { FileSystemStorage } from '../backends/filesystem/filesystem-storage.ts'
import { S3Storage } from '../backends/s3/s3-storage.ts'
import { S3Server } from '../testing/s3-server/s3-server.ts'
import type { Storage } from './storage.ts'

setFlagsFromString('--expose-gc')
const collect: () => void = runInNewContext('gc')

/** More than a part of the smallest size: the upload is open when the writer is forgotten. */
const size = 11 * 1024 * 1024

async function openAndForget(storage: Storage, signal?: AbortSignal): Promise<void> {
  const writer = await storage.open('forgotten.bin', 'wb', { signal })
  await writer.write(new Uint8Array(size))
}

/** Collects garbage until something is warned of, or not. */
async function warningsAfter(work: () => Promise<void>): Promise<Error[]> {
  const warnings: Error[] = []
  const note = (warning: Error): void => {
    if (warning.name === 'UnclosedFileWarning') warnings.push(warning)
  }
  process.on('warning', note)
  try {
    await work()
    for (let round = 0; round < 40 && warnings.length === 0; round++) {
      collect()
      await sleep(5)
    }
  } finally {
    process.off('warning', note)
  }
  return warnings
}

async function withS3(work: (storage: Storage, server: S3Server) => Promise<void>): Promise<void> {
  await using server = await S3Server.start({ buckets: ['media'] })
  const { endpoint, accessKey, secretKey } = server
  const transferConfig = { partSize: 5 * 1024 * 1024, multipartThreshold: 5 * 1024 * 1024 }
  const place = { bucketName: 'media', endpointUrl: endpoint, regionName: 'us-east-1' }
  await work(new S3Storage({ ...place, accessKey, secretKey, transferConfig }), server)
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  for (let round = 0; round < 1000; round++) {
    if (await condition()) return
    await sleep(5)
  }
  throw new Error('what was waited for did not come')
}

describe('a writer that is neither closed nor aborted', () => {
  it('leaves no upload behind, and a warning that says where it was opened', async () => {
    await withS3(async (storage, server) => {
      let uploads = 0
      const warnings = await warningsAfter(async () => {
        await openAndForget(storage)
        uploads = server.openUploads()
      })
      expect(uploads).toBe(1)
      expect(warnings.length).toBe(1)
      expect(warnings[0]?.message).toContain('"forgotten.bin" of s3(media)')
      expect(warnings[0]?.message).toContain('openAndForget')
      await until(() => server.openUploads() === 0)
      expect(await storage.exists('forgotten.bin')).toBe(false)
    })
  })

  it('leaves no temporary file behind', async () => {
    const location = await mkdtemp(join(tmpdir(), 'stowage-unclosed-'))
    const storage = new FileSystemStorage({ location })
    const warnings = await warningsAfter(() => openAndForget(storage))
    expect(warnings.length).toBe(1)
    await until(async () => (await readdir(location)).length === 0)
    await rm(location, { recursive: true })
  })

  it('is not warned of when it was cancelled, closed or aborted', async () => {
    await withS3(async storage => {
      const warnings = await warningsAfter(async () => {
        const controller = new AbortController()
        await openAndForget(storage, controller.signal)
        controller.abort()
        const closed = await storage.open('closed', 'w')
        await closed.write('x')
        await closed.close()
        const aborted = await storage.open('aborted', 'w')
        await aborted.abort()
      })
      expect(warnings).toEqual([])
    })
  })

  it('is kept while its stream is in use', async () => {
    await withS3(async storage => {
      const open = async (): Promise<WritableStreamDefaultWriter<Uint8Array>> =>
        (await storage.open('streamed', 'wb')).writable().getWriter()
      const stream = await open()
      await stream.write(new Uint8Array(size))
      const warnings = await warningsAfter(async () => {})
      expect(warnings).toEqual([])
      await stream.close()
      expect(await storage.size('streamed')).toBe(size)
    })
  })
})

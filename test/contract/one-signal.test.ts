import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { FileSystemStorage } from '../../src/backends/filesystem/filesystem-storage.ts'
import { MemoryStorage } from '../../src/backends/memory/memory-storage.ts'
import type { Storage } from '../../src/core/storage.ts'
import { S3Storage } from '../../src/s3.ts'
import { S3Server } from '../../src/testing/s3-server/s3-server.ts'

const MiB = 1024 ** 2

let server: S3Server
let folder: string
let warnings: string[] = []

beforeAll(async () => {
  server = await S3Server.start({ buckets: ['media'] })
  folder = await mkdtemp(join(tmpdir(), 'stowage-signal-'))
})

afterAll(async () => {
  await server.close()
  await rm(folder, { recursive: true })
})

function note(warning: Error): void {
  warnings.push(warning.message)
}

beforeEach(() => {
  warnings = []
  process.on('warning', note)
})

afterEach(() => {
  process.off('warning', note)
})

const storages: Readonly<Record<string, () => Storage>> = {
  MemoryStorage: () => new MemoryStorage(),
  FileSystemStorage: () => new FileSystemStorage({ location: folder }),
  S3Storage: () => {
    const { endpoint: endpointUrl, accessKey, secretKey } = server
    const transferConfig = { partSize: 5 * MiB, multipartThreshold: 5 * MiB }
    return new S3Storage({
      endpointUrl,
      accessKey,
      secretKey,
      bucketName: 'media',
      transferConfig,
    })
  },
}

const works: Readonly<
  Record<string, (storage: Storage, name: string, signal: AbortSignal) => Promise<unknown>>
> = {
  saves: (storage, name, signal) => storage.save(name, 'x', { signal }),
  'saves of streams': (storage, name, signal) =>
    storage.save(name, new Blob(['x'.repeat(6 * MiB)]).stream(), { signal }),
  reads: async (storage, name, signal) => {
    await storage.save(name, 'x'.repeat(MiB))
    const file = await storage.open(name, 'rb', { signal })
    await file.read(1)
    for await (const _ of file.chunks()) break
    await file.close()
  },
  'copies, moves and deletions': async (storage, name, signal) => {
    await storage.save(name, 'x')
    await storage.copy(name, `${name}-2`, { signal })
    await storage.move(`${name}-2`, `${name}-3`, { signal })
    await storage.deleteMany([name, `${name}-3`], { signal })
  },
  lists: async (storage, _name, signal) => {
    for await (const _ of storage.list('', { signal })) break
  },
}

describe('one signal for many calls at once', () => {
  for (const [kind, open] of Object.entries(storages))
    for (const [what, work] of Object.entries(works))
      it(`makes Node warn of no leak: ${kind}, ${what}`, async () => {
        const storage = open()
        const { signal } = new AbortController()
        const names = Array.from({ length: 12 }, (_, at) => `${what}/${at}`)
        await Promise.all(names.map(name => work(storage, name, signal)))
        await new Promise(resolve => setImmediate(resolve))
        expect(warnings).toEqual([])
      })
})

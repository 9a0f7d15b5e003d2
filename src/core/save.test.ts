import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { FileSystemStorage } from '../backends/filesystem/filesystem-storage.ts'
import { MemoryStorage } from '../backends/memory/memory-storage.ts'
import { S3Storage } from '../backends/s3/s3-storage.ts'
import { S3Server } from '../testing/s3-server/s3-server.ts'
import { ValidationError } from './errors.ts'
import type { Storage } from './storage.ts'

let server: S3Server
let location = ''

beforeAll(async () => {
  server = await S3Server.start({ buckets: ['media'] })
  location = await mkdtemp(join(tmpdir(), 'stowage-save-'))
})

afterAll(async () => {
  await server.close()
  await rm(location, { recursive: true })
})

const mebi = 1024 * 1024
const open: Readonly<Record<string, () => Storage>> = {
  memory: () => new MemoryStorage(),
  disk: () => new FileSystemStorage({ location }),
  S3: () => {
    const { endpoint, accessKey, secretKey } = server
    const bucket = { bucketName: 'media', endpointUrl: endpoint, regionName: 'us-east-1' }
    const transferConfig = { partSize: 5 * mebi, multipartThreshold: 5 * mebi }
    return new S3Storage({ ...bucket, accessKey, secretKey, transferConfig })
  },
}

describe.each(Object.keys(open))('save in %s', kind => {
  const storage = (): Storage => (open[kind] ?? open['memory'] ?? (() => new MemoryStorage()))()

  it.each([10, 6 * mebi])('of %i bytes stands, whatever its observer throws', async size => {
    const place = storage()
    let name = ''
    const uncaught = await uncaughtDuring(async () => {
      name = await place.save(`watched-${size}`, new Uint8Array(size).fill(7), {
        onProgress() {
          throw new RangeError('a bug of the observer')
        },
      })
    })
    expect(uncaught.map(({ message }) => message)).toContain('a bug of the observer')
    expect(await place.size(name)).toBe(size)
  })

  it('fails although its source does not end', async () => {
    const hanging = {
      [Symbol.asyncIterator]: () => ({
        next: async () => ({ value: 5 as never, done: false }),
        return: () => new Promise<never>(() => {}),
      }),
    }
    await expect(storage().save('hanging', hanging)).rejects.toThrow(ValidationError)
    expect(await storage().exists('hanging')).toBe(false)
  })

  it('tells its own failure although the source cannot be destroyed', async () => {
    const content = Readable.from(['x'])
    content.destroy = () => {
      throw new RangeError('no')
    }
    await expect(storage().save('../up', content)).rejects.toThrow('..')
  })

  it('refuses bytes that were given away', async () => {
    const bytes = new Uint8Array(10)
    structuredClone(bytes.buffer, { transfer: [bytes.buffer] })
    await expect(storage().save('gone', bytes)).rejects.toThrow(ValidationError)
    const writer = await storage().open('gone', 'wb')
    await expect(writer.write(bytes)).rejects.toThrow(ValidationError)
    await writer.abort()
    expect(await storage().exists('gone')).toBe(false)
  })
})

it('a failed save leaves no temporary file', async () => {
  expect((await readdir(location)).filter(name => !name.startsWith('watched'))).toEqual([])
})

/** Uncaught exceptions while the work is done; Vitest's own listeners are put aside meanwhile. */
async function uncaughtDuring(work: () => Promise<void>): Promise<Error[]> {
  const errors: Error[] = []
  const collect = (error: Error): void => void errors.push(error)
  const others = process.rawListeners('uncaughtException')
  process.removeAllListeners('uncaughtException')
  process.on('uncaughtException', collect)
  try {
    await work()
    await new Promise(resolve => setImmediate(resolve))
  } finally {
    process.off('uncaughtException', collect)
    for (const listener of others) process.on('uncaughtException', listener as () => void)
  }
  return errors
}

import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { S3Server } from '../../testing/s3-server/s3-server.ts'
import type { ProviderName } from './profiles.ts'
import { S3Storage } from './s3-storage.ts'

const size = 9 * 1024 * 1024
let server: S3Server

beforeEach(async () => {
  server = await S3Server.start({ buckets: ['media'] })
})

afterEach(async () => {
  await server.close()
})

function connect(profile?: ProviderName): S3Storage {
  const { endpoint: endpointUrl, accessKey, secretKey } = server
  const keys = { endpointUrl, accessKey, secretKey, bucketName: 'media' }
  return new S3Storage({ ...keys, profile, location: 'site', fileOverwrite: false })
}

/** A stream of unknown length; `during` runs when a part of it is on its way. */
async function* streamOf(
  byte: number,
  during?: () => Promise<unknown>,
): AsyncGenerator<Uint8Array> {
  yield new Uint8Array(size - 1).fill(byte)
  await during?.()
  yield new Uint8Array(1).fill(byte)
}

async function byteOf(storage: S3Storage, name: string): Promise<number[]> {
  const bytes = await (await storage.file(name)).bytes()
  return [...new Set(bytes)]
}

function requestsOf(method: string): string[] {
  return server.requests.filter(each => each.method === method).map(each => each.path)
}

// Where nothing is checked when parts are put together, only PutObject is sure.
describe.each(['ceph', 'aws'] as const)('a large save without overwriting (%s)', profile => {
  it('takes another name than a file that came while it was uploaded', async () => {
    const storage = connect(profile)
    const intruder = (): Promise<unknown> => storage.save('a.bin', new Uint8Array(10).fill(2))
    const content = new Blob([new Uint8Array(size).fill(1)])
    const parts: Promise<unknown>[] = []
    const name = await storage.save('a.bin', content, {
      onProgress: () => void (parts.length === 0 && parts.push(intruder())),
    })
    await Promise.all(parts)
    expect([await byteOf(storage, name), await byteOf(storage, 'a.bin')].flat().sort()).toEqual(
      name === 'a.bin' ? [1, 1] : [1, 2],
    )
    expect((await storage.listdir(''))[1]).toHaveLength(2)
    expect(server.openUploads()).toBe(0)
  })

  it('gives two streams of one name two names', async () => {
    const storage = connect(profile)
    const names = await Promise.all([1, 2, 3].map(byte => storage.save('a.bin', streamOf(byte))))
    expect(new Set(names).size).toBe(3)
    for (const [index, name] of names.entries())
      expect(await byteOf(storage, name)).toEqual([index + 1])
    expect((await storage.listdir(''))[1].sort()).toEqual(names.toSorted())
    expect(server.openUploads()).toBe(0)
  })
})

describe('a stream where the service checks nothing when parts are put together', () => {
  it('takes another name when its own is taken while it is uploaded', async () => {
    const storage = connect('ceph')
    const intruder = (): Promise<unknown> => storage.save('a.bin', 'taken')
    const name = await storage.save('a.bin', streamOf(1, intruder), { contentType: 'x/y' })
    expect(name).toMatch(/^a_\w{7}\.bin$/)
    expect(await byteOf(storage, name)).toEqual([1])
    expect((await storage.stat(name)).contentType).toBe('x/y')
    expect(await (await storage.file('a.bin')).text()).toBe('taken')
  })

  it('lies under a key that no listing shows until it has its name', async () => {
    const storage = connect('ceph')
    const seen: string[][] = []
    const look = async (): Promise<void> => {
      for await (const { name } of storage.list('', { recursive: true })) seen.push([name])
    }
    await storage.save('a.bin', streamOf(1, look))
    expect(seen).toEqual([])
    const temporary = requestsOf('DELETE').filter(path => path.includes('.stowage-'))
    expect(temporary).toHaveLength(1)
    expect((await storage.listdir(''))[1]).toEqual(['a.bin'])
  })

  it('is removed by cleanupUploads when its process died', async () => {
    const key = `.stowage-${'a'.repeat(32)}.tmp`
    const root = connect()
    await root.save(key, 'left')
    await root.save('.stowage-mine.tmp', 'a file')
    expect((await root.listdir(''))[1]).toEqual(['.stowage-mine.tmp'])
    expect(await root.cleanupUploads({ olderThan: 60 })).toEqual([])
    expect(await root.cleanupUploads({ olderThan: 0 })).toEqual([`object ${key}`])
    expect(await root.exists('.stowage-mine.tmp')).toBe(true)
  })
})

describe('a stream where the service checks the condition when parts are put together', () => {
  it('gives way to an upload of the same name that was begun before', async () => {
    const storage = connect('aws')
    let second = ''
    const begin = async (): Promise<void> => {
      second = await storage.save('a.bin', streamOf(2))
    }
    const first = await storage.save('a.bin', streamOf(1, begin))
    expect([first === 'a.bin', second === 'a.bin']).not.toContain(undefined)
    expect(first).not.toBe(second)
    expect(await byteOf(storage, first)).toEqual([1])
    expect(await byteOf(storage, second)).toEqual([2])
  })

  it('says that it has to be saved again when a small file took the name meanwhile', async () => {
    const storage = connect('aws')
    const intruder = (): Promise<unknown> => storage.save('a.bin', 'taken')
    await expect(storage.save('a.bin', streamOf(1, intruder))).rejects.toMatchObject({
      name: 'FileExistsError',
      message: expect.stringContaining('save it once more'),
    })
    expect(await (await storage.file('a.bin')).text()).toBe('taken')
    expect(server.openUploads()).toBe(0)
  })
})

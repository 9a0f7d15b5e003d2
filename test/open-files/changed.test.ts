import { S3Storage } from 'stowage/s3'
import { FaultProxy, S3Server } from 'stowage/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { CarelessService } from '../s3-engines/careless-service.ts'

const size = 3_000_000
const old = new Uint8Array(size).fill(65)
const replacement = new Uint8Array(size).fill(66)

let server: S3Server
let proxy: FaultProxy
/** Whose requests meet faults, and whose do not. */
let storage: S3Storage
let other: S3Storage

beforeAll(async () => {
  server = await S3Server.start({ buckets: ['media'] })
  proxy = await FaultProxy.start({ target: server.endpoint })
  const { accessKey, secretKey } = server
  const keys = { accessKey, secretKey, bucketName: 'media' }
  const retries = { baseDelay: 20, maxDelay: 50, maxAttempts: 90 }
  storage = new S3Storage({ ...keys, endpointUrl: proxy.endpoint, retries })
  other = new S3Storage({ ...keys, endpointUrl: server.endpoint })
})

afterAll(async () => {
  await proxy.close()
  await server.close()
})

/** Each opens the file, and gives what reads it then. */
const ways: Readonly<Record<string, () => Promise<() => Promise<unknown>>>> = {
  'bytes() of a stored file': async () => {
    const file = await storage.file('a')
    return () => file.bytes()
  },
  'text() of a slice': async () => {
    const slice = (await storage.file('a')).slice(100, -100)
    return () => slice.text()
  },
  'stream() of a stored file': async () => {
    const file = await storage.file('a')
    return () => new Response(file.stream()).arrayBuffer()
  },
  'read() of a reader': async () => {
    const reader = await storage.open('a')
    return () => reader.read()
  },
  'read() of a text reader': async () => {
    const reader = await storage.open('a', 'r')
    return () => reader.read()
  },
  'readable() of a reader': async () => {
    const reader = await storage.open('a')
    return () => new Response(reader.readable()).arrayBuffer()
  },
  'a line': async () => {
    const reader = await storage.open('a', 'r')
    return () => reader.readline()
  },
  'pieces after a seek': async () => {
    const reader = await storage.open('a')
    await reader.seek(-1_000_000, 'end')
    return async () => {
      for await (const piece of reader.chunks(100_000)) void piece
    }
  },
  'a save of a stored file': async () => {
    const file = await storage.file('a')
    return () => storage.save('b', file)
  },
  'a save of a reader': async () => {
    const reader = await storage.open('a')
    return () => storage.save('b', reader)
  },
}

describe('a file that changed after it was opened is a FileChangedError for', () => {
  it.each(Object.entries(ways))('%s', async (_way, open) => {
    for (const change of [() => other.save('a', replacement), () => other.delete('a')]) {
      proxy.begin({ next: () => undefined })
      await other.save('a', old)
      const read = await open()
      await change()
      await expect(read()).rejects.toMatchObject({ name: 'FileChangedError', file: 'a' })
    }
    expect([await other.exists('b'), server.openUploads()]).toEqual([false, 0])
  })

  it.each(Object.entries(ways))(
    '%s, when it changed in the middle of a body',
    async (_way, open) => {
      proxy.begin({ next: () => undefined })
      await other.save('a', old)
      const read = await open()
      let isReplaced = false
      let gets = 0
      proxy.begin({
        next({ method }) {
          if (method !== 'GET') return undefined
          if (gets++ === 0) return { kind: 'cut', at: 'answer-body' }
          // Until the other version is there, nobody learns of either.
          return isReplaced ? undefined : { kind: 'answer', status: 500 }
        },
      })
      const outcome = expect(read()).rejects.toMatchObject({ name: 'FileChangedError', file: 'a' })
      await other.save('a', replacement)
      isReplaced = true
      await outcome
      expect(gets).toBeGreaterThan(1)
      expect([await other.exists('b'), server.openUploads()]).toEqual([false, 0])
    },
  )
})

describe('a file that changed while it was read', () => {
  it('is not mixed with the other version by a service that ignores conditions', async () => {
    await using service = await CarelessService.start()
    const keys = { accessKey: 'a', secretKey: 'b', bucketName: 'media' }
    const retries = { baseDelay: 1 }
    const careless = new S3Storage({ ...keys, endpointUrl: service.endpoint, retries })
    const file = await careless.file('a')
    await expect(file.bytes()).rejects.toMatchObject({ name: 'FileChangedError', file: 'a' })
  })
})

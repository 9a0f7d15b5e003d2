import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { FileSystemStorage } from '../../src/backends/filesystem/filesystem-storage.ts'
import { MemoryStorage } from '../../src/backends/memory/memory-storage.ts'
import type { S3StorageOptions } from '../../src/backends/s3/options.ts'
import { S3Storage } from '../../src/backends/s3/s3-storage.ts'
import type { Storage } from '../../src/core/storage.ts'
import { FileField } from '../../src/fields/file-field.ts'
import { FaultProxy } from '../../src/testing/fault-proxy/fault-proxy.ts'
import type { ProxyFault } from '../../src/testing/fault-proxy/proxy-fault.ts'
import { S3Server } from '../../src/testing/s3-server/s3-server.ts'
import { keyOf, SyntheticEndpoint } from './synthetic-endpoint.ts'

setFlagsFromString('--expose-gc')
const collect: () => void = runInNewContext('gc')

const mebi = 1024 * 1024
const multipart = { transferConfig: { partSize: 5 * mebi, multipartThreshold: 5 * mebi } }

let server: S3Server
let location = ''

beforeAll(async () => {
  server = await S3Server.start({ buckets: ['media'] })
  location = await mkdtemp(join(tmpdir(), 'stowage-resources-'))
})

afterAll(async () => {
  await server.close()
  await rm(location, { recursive: true })
})

function onS3(endpointUrl: string = server.endpoint, options: S3StorageOptions = {}): S3Storage {
  const { accessKey, secretKey } = server
  const place = { bucketName: 'media', regionName: 'us-east-1', endpointUrl }
  return new S3Storage({ ...place, accessKey, secretKey, ...multipart, ...options })
}

const kinds: Readonly<Record<string, () => Storage>> = {
  memory: () => new MemoryStorage(),
  disk: () => new FileSystemStorage({ location }),
  S3: () => onS3(),
}

/** Bytes that are in use after a collection. */
async function memoryInUse(): Promise<number> {
  for (let round = 0; round < 3; round++) {
    collect()
    await new Promise(resolve => setImmediate(resolve))
  }
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

function pause(milliseconds: number): Promise<undefined> {
  return new Promise(resolve => setTimeout(resolve, milliseconds))
}

describe.each(Object.entries(kinds))('in %s', (_, open) => {
  it('200 half-read handles do not keep others from working', async () => {
    const storage = open()
    const content = new Uint8Array(2 * mebi).fill(1)
    await storage.save('half', content)
    const readers = await Promise.all(Array.from({ length: 200 }, () => storage.open('half')))
    const iterators = readers.map(reader => reader[Symbol.asyncIterator]())
    for (const iterator of iterators) await iterator.next()

    const names = Array.from({ length: 300 }, (__, n) => `beside/${n}`)
    await Promise.all(names.map(name => storage.save(name, name)))
    for (const name of names.slice(0, 20)) {
      const reader = await storage.open(name, 'r')
      expect(await reader.read()).toBe(name)
      await reader.close()
    }

    for (const reader of readers.slice(0, 3)) {
      let length = reader.tell()
      for await (const piece of reader) length += piece.byteLength
      expect(length).toBe(content.byteLength)
    }
    await Promise.all(readers.map(reader => reader.close()))
    await storage.deleteMany([...names, 'half'])
  })

  it('10,000 times open, read and close leave memory as it was', async () => {
    const storage = open()
    await storage.save('again', new Uint8Array(10_000))
    const cycles = async (count: number): Promise<void> => {
      for (let n = 0; n < count; n++) {
        const reader = await storage.open('again')
        await reader.read(100)
        await reader.close()
      }
    }
    await cycles(1_000)
    const before = await memoryInUse()
    await cycles(9_000)
    // The test server keeps its last 10,000 requests, which are some 3 MiB.
    expect((await memoryInUse()) - before).toBeLessThan(8 * mebi)
    await storage.delete('again')
  }, 120_000)

  it('of two writers of one name one wins whole', async () => {
    const storage = open()
    const write = async (byte: number): Promise<void> => {
      const writer = await storage.open('both', 'wb')
      for (let n = 0; n < 30; n++) await writer.write(new Uint8Array(200_000).fill(byte))
      await writer.close()
    }
    await Promise.all([write(1), write(2)])
    const bytes = await (await storage.file('both')).bytes()
    expect(bytes.byteLength).toBe(6_000_000)
    expect([1, 2]).toContain(bytes[0])
    expect(Buffer.compare(bytes, Buffer.alloc(6_000_000, bytes[0]))).toBe(0)
    await storage.delete('both')
  })
})

describe('on S3', () => {
  it('leaving an iteration frees its connection', async () => {
    await using proxy = await FaultProxy.start({ target: server.endpoint })
    const storage = onS3(proxy.endpoint)
    await storage.save('left', new Uint8Array(6 * mebi))
    for (const read of [
      async () => {
        for await (const _ of await storage.open('left')) break
      },
      async () => {
        for await (const _ of (await storage.file('left')).stream()) break
      },
      async () => {
        const stream = (await storage.open('left')).readable()
        for await (const _ of stream) break
      },
    ]) {
      await read()
      for (let round = 0; round < 500 && proxy.pending > 0; round++)
        await new Promise(resolve => setTimeout(resolve, 2))
      expect(proxy.pending).toBe(0)
    }
    await storage.delete('left')
  })

  it.each(['answer', 'answer-body'] as const)(
    'cancelling a stream ends the transfer that it waits for, and no other (%s)',
    async at => {
      await using proxy = await FaultProxy.start({ target: server.endpoint })
      const storage = onS3(proxy.endpoint)
      const content = new Uint8Array(6 * mebi).map((_, index) => index % 251)
      await storage.save('stalled', content)
      const field = new FileField({ storage })
      const reader = await storage.open('stalled')
      const text = await storage.open('stalled', 'r')
      const file = await storage.file('stalled')
      const streams: (() => ReadableStream<unknown>)[] = [
        () => file.stream(),
        () => file.slice(mebi).stream(),
        () => reader.readable(),
        () => text.readable(),
        () => field.file('stalled').readable(),
      ]
      for (const stream of streams) {
        proxy.begin({ next: () => ({ kind: 'stall', at }) })
        const waiting = stream().getReader()
        // Once nothing comes for a while, the stall is reached.
        for (let came: unknown = 'first'; came !== undefined; )
          came = await Promise.race([waiting.read(), pause(100)])
        await waiting.cancel('enough')
        for (let round = 0; round < 500 && proxy.pending > 0; round++) await pause(2)
        expect([proxy.pending, proxy.requests]).toEqual([0, 1])
      }
      proxy.begin({ next: () => undefined })
      const start = reader.tell()
      expect(Buffer.compare(await reader.read(), content.subarray(start))).toBe(0)
      await storage.delete('stalled')
    },
  )

  describe('an abort is answered before anything else happens', () => {
    const content = new Uint8Array(6 * mebi)
    type State = (storage: Storage, signal: AbortSignal) => Promise<unknown>
    const states: Readonly<Record<string, readonly [before: number, State]>> = {
      'while it opens': [0, (storage, signal) => storage.open('a', 'rb', { signal })],
      'while it reads': [
        1,
        async (storage, signal) => (await storage.open('a', 'rb', { signal })).read(),
      ],
      'while it reads a line': [
        1,
        async (storage, signal) => {
          const reader = await storage.open('a', 'r', { signal })
          await reader.seek(3 * mebi)
          return await reader.readline()
        },
      ],
      'while it iterates': [
        2,
        async (storage, signal) => {
          for await (const piece of await storage.open('a', 'rb', { signal })) void piece
        },
      ],
      'while its stream is read': [
        1,
        async (storage, signal) => {
          const reader = await storage.open('a', 'rb', { signal })
          return await new Response(reader.readable()).arrayBuffer()
        },
      ],
      'while it writes': [
        0,
        async (storage, signal) => {
          const writer = await storage.open('b', 'wb', { signal })
          for (let n = 0; n < 20; n++) await writer.write(content)
        },
      ],
      'while it closes': [
        0,
        async (storage, signal) => {
          const writer = await storage.open('b', 'wb', { signal })
          await writer.write(new Uint8Array(10))
          await writer.close()
        },
      ],
      'while it waits for a slow service to take more': [
        1,
        async (storage, signal) => {
          const writer = await storage.open('b', 'wb', { signal })
          const stream = new Blob([content, content, content]).stream()
          await stream.pipeTo(writer.writable())
        },
      ],
      'while it puts parts together': [
        3,
        async (storage, signal) => storage.save('b', new Blob([content]).stream(), { signal }),
      ],
      'while it looks': [0, (storage, signal) => storage.exists('a', { signal })],
      'while it lists': [
        0,
        async (storage, signal) => {
          for await (const { name } of storage.list('', { signal })) void name
        },
      ],
      'while it removes': [0, (storage, signal) => storage.deleteMany(['a', 'c'], { signal })],
      'while it copies': [0, (storage, signal) => storage.copy('a', 'c', { signal })],
      'while a slice is read': [
        1,
        async (storage, signal) => {
          const file = await storage.file('a', { signal })
          return await file.slice(5, mebi).text()
        },
      ],
      'while it saves a stored file': [
        1,
        async (storage, signal) =>
          storage.save('b', await storage.file('a', { signal }), { signal }),
      ],
    }

    /** What an abort comes to when the fault of a request, and of all after it, has begun. */
    async function abortDuring(
      fault: ProxyFault,
      before: number,
      work: State,
      options: S3StorageOptions = {},
    ): Promise<readonly [unknown, unknown]> {
      await using proxy = await FaultProxy.start({ target: server.endpoint })
      await onS3().save('a', content)
      let begun = (): void => {}
      const begins = new Promise<void>(resolve => {
        begun = resolve
      })
      proxy.begin({
        next({ index }) {
          if (index < before) return undefined
          begun()
          return fault
        },
      })
      const controller = new AbortController()
      const outcome = work(onS3(proxy.endpoint, options), controller.signal).then(
        () => 'done',
        error => error,
      )
      await begins
      // The answer of a fault that has one is there by then, and what follows it has begun.
      if (fault.kind === 'answer') await new Promise(resolve => setTimeout(resolve, 30))
      const reason = new RangeError('enough')
      controller.abort(reason)
      const late = new Promise(resolve => setTimeout(() => resolve('late'), 100))
      return [await Promise.race([outcome, late]), reason]
    }

    it.each(Object.entries(states))('%s', async (__, [before, work]) => {
      const [outcome, reason] = await abortDuring({ kind: 'stall', at: 'answer' }, before, work)
      expect(outcome).toBe(reason)
    })

    const read: State = async (storage, signal) =>
      (await storage.open('a', 'rb', { signal })).read()
    const save: State = (storage, signal) => storage.save('b', content, { signal })
    const list: State = (storage, signal) => storage.listdir('', { signal })

    it.each<[string, ProxyFault, readonly State[]]>([
      ['nothing of a request is read', { kind: 'stall', at: 'accept' }, [read, save, list]],
      ['an answer stalls half-way', { kind: 'stall', at: 'answer-body' }, [read, list]],
      [
        'it waits to try again',
        { kind: 'answer', status: 503, retryAfter: 20 },
        [read, save, list],
      ],
    ])('while %s', async (__, fault, works) => {
      for (const work of works) {
        const retries = { maxDelay: 60_000 }
        const [outcome, reason] = await abortDuring(fault, 0, work, { retries })
        expect(outcome).toBe(reason)
      }
    })

    it('while it waits for its turn among the requests', async () => {
      const one = { transferConfig: { maxRequests: 1 } }
      const first = new AbortController()
      const [outcome, reason] = await abortDuring(
        { kind: 'stall', at: 'answer' },
        0,
        (storage, signal) => {
          storage.stat('a', { signal: first.signal }).catch(() => {})
          return storage.stat('a', { signal })
        },
        one,
      )
      expect(outcome).toBe(reason)
      first.abort()
    })

    it('while keys are asked for', async () => {
      const never = new Promise<never>(() => {})
      const storage = new S3Storage({
        bucketName: 'media',
        endpointUrl: server.endpoint,
        credentials: () => never,
      })
      const controller = new AbortController()
      const outcome = storage.stat('a', { signal: controller.signal }).catch(error => error)
      await new Promise(resolve => setTimeout(resolve, 30))
      const reason = new RangeError('enough')
      controller.abort(reason)
      const late = new Promise(resolve => setTimeout(() => resolve('late'), 100))
      expect(await Promise.race([outcome, late])).toBe(reason)
    })
  })
})

describe('a bucket of 1,000,000 keys', () => {
  const count = 1_000_000

  it('is listed in flat memory, and listdir holds its names alone', async () => {
    const endpoint = await SyntheticEndpoint.start({ size: 1, pages: count / 1000 })
    const storage = onS3(endpoint.url)
    for await (const { name: first } of storage.list('', { recursive: true })) {
      expect(first).toBe(keyOf(0))
      break
    }
    expect(endpoint.requests).toBe(1)

    const before = await memoryInUse()
    let seen = 0
    let highest = 0
    for await (const stat of storage.list('a-folder-of-keys')) {
      if (stat.name !== keyOf(seen)) throw new Error(`${stat.name} is number ${seen}`)
      if (++seen % 250_000 === 0) highest = Math.max(highest, (await memoryInUse()) - before)
    }
    expect(seen).toBe(count)
    expect(highest).toBeLessThan(16 * mebi)

    const [, files] = await storage.listdir('a-folder-of-keys')
    expect(files.length).toBe(count)
    expect(files[count - 1]).toBe('file-09990999.jpeg')
    // 18 bytes a name and what an engine needs around them, instead of 400 of its page.
    expect(((await memoryInUse()) - before) / count).toBeLessThan(100)
    await endpoint.close()
  }, 240_000)
})

import { describe, expect, it } from 'vitest'
import { MemoryBackend } from '../backends/memory/memory-backend.ts'
import type { Backend, ReadBody } from '../core/backend.ts'
import { FileNotFoundError, UnavailableError } from '../core/errors.ts'
import type { Name } from '../core/names.ts'
import { Storage } from '../core/storage.ts'
import { faulty } from './faulty.ts'
import { type LogEntry, logging } from './logging.ts'

/** A storage in memory that keeps its log; durations are left out. */
function logged(inner: Backend = new MemoryBackend()): { storage: Storage; log: object[] } {
  const log: object[] = []
  const keep = ({ duration, ...entry }: LogEntry): void => {
    expect(duration).toBeGreaterThanOrEqual(0)
    log.push(entry)
  }
  return { storage: new Storage(logging(inner, keep)), log }
}

const done = { backend: 'memory', outcome: 'done' }

describe('logging', () => {
  it('refuses what is no backend, and a log that is no function', () => {
    const { backend } = new Storage(new MemoryBackend())
    expect(() => logging(undefined as never, () => {})).toThrow('stands over a backend')
    expect(() => logging(new Storage(backend) as never, () => {})).toThrow('storage.backend')
    expect(() => logging(backend, undefined as never)).toThrow('is a function, not undefined.')
  })

  it('tells of each call with its name and bytes, when it is over', async () => {
    const { storage, log } = logged()
    await storage.save('a.txt', 'content')
    expect(log.splice(0)).toMatchObject([{ ...done, operation: 'write', name: 'a.txt', bytes: 7 }])
    expect(await (await storage.file('a.txt')).text()).toBe('content')
    expect(log.splice(0).at(-1)).toMatchObject({
      ...done,
      operation: 'read',
      name: 'a.txt',
      bytes: 7,
    })
    await storage.copy('a.txt', 'b.txt')
    await storage.delete('a.txt')
    expect(log.map(entry => (entry as LogEntry).operation)).toContain('delete')
  })

  it('counts the files of a page', async () => {
    const { storage, log } = logged()
    await storage.save('d/a', '1')
    await storage.save('d/b', '2')
    log.length = 0
    for await (const _file of storage.list('d'));
    expect(log[0]).toMatchObject({ ...done, operation: 'list', name: 'd/', count: 2 })
  })

  it('tells why a call failed', async () => {
    const { storage, log } = logged()
    await expect(storage.stat('gone')).rejects.toThrow()
    expect(log).toMatchObject([
      { operation: 'head', name: 'gone', outcome: 'failed', error: expect.any(FileNotFoundError) },
    ])
    const error = new UnavailableError('down')
    const failing = logged(faulty(new MemoryBackend(), { fail: () => error }))
    await expect(failing.storage.save('a', 'x')).rejects.toBe(error)
    expect(failing.log).toMatchObject([{ operation: 'write', outcome: 'failed', error }])
  })

  it('tells of a body that broke, and of one that nobody read to its end', async () => {
    const inner = new MemoryBackend()
    await new Storage(inner).save('a', 'content')
    const broken = logged(
      faulty(inner, { fail: call => (call.operation === 'read' ? { cut: 3 } : undefined) }),
    )
    await expect((await broken.storage.file('a')).text()).rejects.toThrow()
    expect(broken.log.at(-1)).toMatchObject({ operation: 'read', outcome: 'failed' })
    const left = logged(inner)
    const { body } = await left.storage.backend.read('a' as Name, {})
    body.cancel()
    expect(left.log).toMatchObject([{ operation: 'read', outcome: 'cancelled' }])
  })

  it('tells of a loop over a body that was left', async () => {
    const inner = new MemoryBackend()
    await new Storage(inner).save('a', 'content')
    const { storage, log } = logged(inner)
    const { body } = await storage.backend.read('a' as Name, {})
    for await (const _chunk of body.chunks()) break
    expect(log).toMatchObject([{ operation: 'read', outcome: 'cancelled', bytes: 7 }])
  })

  it('tells a cancellation from a failure', async () => {
    const { storage, log } = logged(
      faulty(new MemoryBackend(), { fail: () => ({ delay: 60_000 }) }),
    )
    const cancel = new AbortController()
    const saving = storage.save('a', 'x', { signal: cancel.signal })
    await Promise.resolve()
    cancel.abort(new Error('enough'))
    await expect(saving).rejects.toThrow('enough')
    await expect.poll(() => log.length).toBe(1)
    expect(log).toMatchObject([{ operation: 'write', outcome: 'cancelled', error: undefined }])
  })

  it('lets no log disturb a call', async () => {
    const storage = new Storage(
      logging(new MemoryBackend(), () => {
        throw new Error('disk full')
      }),
    )
    expect(await storage.save('a', 'x')).toBe('a')
    expect(await (await storage.file('a')).text()).toBe('x')
  })

  it('tells nothing of a signed URL', async () => {
    class Signing extends MemoryBackend {
      override readonly url = async (): Promise<string> => 'https://x/?X-Amz-Signature=hunter2'
    }
    const { storage, log } = logged(new Signing({ baseUrl: undefined }))
    expect(await storage.url('a')).toContain('hunter2')
    expect(log).toHaveLength(1)
    expect(JSON.stringify(log)).not.toContain('hunter2')
  })

  it('passes on what a body gives, in one piece or several', async () => {
    const inner = new MemoryBackend()
    await new Storage(inner).save('a', 'content')
    const { storage } = logged(inner)
    const text = async (take: (body: ReadBody) => Promise<Uint8Array>): Promise<string> => {
      const { body } = await storage.backend.read('a' as Name, { start: 1, end: 4 })
      return new TextDecoder().decode(await take(body))
    }
    expect(await text(body => body.bytes())).toBe('ont')
    expect(
      await text(async body => {
        const chunks: Uint8Array[] = []
        for await (const chunk of body.chunks()) chunks.push(chunk)
        return Buffer.concat(chunks)
      }),
    ).toBe('ont')
  })
})

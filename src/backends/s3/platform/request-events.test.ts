import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { inspect } from 'node:util'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { FileNotFoundError, UnavailableError } from '../../../core/errors.ts'
import { S3Server } from '../../../testing/s3-server/s3-server.ts'
import { S3Storage } from '../s3-storage.ts'
import type { RequestEvent } from './request-events.ts'

let server: S3Server
let storage: S3Storage
let events: RequestEvent[]

beforeEach(async () => {
  server = await S3Server.start({ buckets: ['media'] })
  const { endpoint: endpointUrl, accessKey, secretKey } = server
  const place = { endpointUrl, accessKey, secretKey, bucketName: 'media', location: 'up' }
  storage = new S3Storage({ ...place, retries: { baseDelay: 1 } })
  events = []
  subscribe('stowage:request', keep)
})

afterEach(async () => {
  unsubscribe('stowage:request', keep)
  await server.close()
})

function keep(event: unknown): void {
  events.push(event as RequestEvent)
}

describe('the events of requests', () => {
  it('tell what was asked, and how many bytes went each way', async () => {
    await storage.save('a.txt', 'twelve bytes')
    await (await storage.file('a.txt')).text()
    const seen = events.map(event => ({ ...event, duration: event.duration > 0 }))
    const common = { bucket: 'media', key: 'up/a.txt', attempt: 1, status: 200, duration: true }
    expect(seen).toEqual([
      { ...common, operation: 'PutObject', bytesSent: 12, bytesReceived: 0, error: undefined },
      { ...common, operation: 'HeadObject', bytesSent: 0, bytesReceived: 0, error: undefined },
      { ...common, operation: 'GetObject', bytesSent: 0, bytesReceived: 12, error: undefined },
    ])
  })

  it('tell of an attempt that failed, and of the one that followed', async () => {
    server.failNext({ match: { method: 'PUT' }, status: 503 })
    await storage.save('a.txt', 'content')
    expect(events.map(({ attempt, status, error }) => [attempt, status, error])).toEqual([
      [1, 503, expect.any(UnavailableError)],
      [2, 200, undefined],
    ])
  })

  it('tell of an answer that never came', async () => {
    server.failNext({ match: { method: 'HEAD' }, connection: 'reset', times: 20 })
    await expect(storage.stat('a.txt')).rejects.toThrow(UnavailableError)
    expect(events.length).toBeGreaterThan(1)
    expect(events.at(-1)).toMatchObject({
      status: undefined,
      bytesReceived: undefined,
      error: expect.any(UnavailableError),
    })
  })

  it('tell of a file that is missing, and hold no secret', async () => {
    await expect(storage.file('none.txt')).rejects.toThrow(FileNotFoundError)
    await storage.save('a.txt', 'content')
    const text = inspect(events, { depth: 9 }) + JSON.stringify(events)
    expect(text).toContain('none.txt')
    expect(text).not.toContain(server.secretKey)
    expect(text).not.toMatch(/signature/i)
  })

  it('are not made while nobody listens', async () => {
    unsubscribe('stowage:request', keep)
    await storage.save('a.txt', 'content')
    expect(events).toEqual([])
  })
})

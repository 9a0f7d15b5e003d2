import { createServer, type Server } from 'node:http'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { S3Storage } from '../s3-storage.ts'

/** Requests that the service answers at a time; what comes beside them is refused. */
const capacity = 10

let server: Server
let inFlight: number
/** How many were in flight, with each request. */
let seen: number[]
/** Of the bodies. */
let lengths: Set<string | undefined>

beforeEach(async () => {
  inFlight = 0
  seen = []
  lengths = new Set()
  server = createServer((request, response) => {
    seen.push(++inFlight)
    lengths.add(request.headers['content-length'])
    const isTooMuch = inFlight > capacity
    const answer = (): void => {
      inFlight--
      if (isTooMuch) response.writeHead(503).end('<Error><Code>SlowDown</Code></Error>')
      else response.writeHead(200, { etag: '"1"' }).end()
    }
    request.resume().on('end', () => setTimeout(answer, isTooMuch ? 0 : 5))
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
})

afterEach(async () => {
  server.closeAllConnections()
  await new Promise(resolve => server.close(resolve))
})

function connect(): S3Storage {
  const address = server.address()
  return new S3Storage({
    endpointUrl: `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`,
    accessKey: 'a',
    secretKey: 'b',
    bucketName: 'media',
  })
}

describe('a service that takes few requests at a time', () => {
  it('gets no more of a storage before long, and each save is stored', async () => {
    const storage = connect()
    const names = Array.from({ length: 600 }, (_, index) => `f${index}`)
    const saves = names.map(name => storage.save(name, 'x', { overwrite: true }))
    expect(await Promise.all(saves)).toEqual(names)
    // Some more than it takes are tried now and then: it may have become faster.
    expect(Math.max(...seen.slice(-300))).toBeLessThanOrEqual(capacity * 2)
  })

  it('gets nothing of what was given away while it waited for its turn', async () => {
    const storage = connect()
    await storage.save('first', new Uint8Array(1000), { overwrite: true })
    const contents = Array.from({ length: 300 }, () => new Uint8Array(1000))
    const saves = contents.map((bytes, at) => storage.save(`f${at}`, bytes, { overwrite: true }))
    await Promise.race(saves)
    for (const { buffer } of contents) structuredClone(buffer, { transfer: [buffer] })
    const failures = (await Promise.allSettled(saves)).filter(({ status }) => status === 'rejected')
    expect(failures.length).toBeGreaterThan(0)
    for (const failure of failures)
      expect(failure).toMatchObject({ reason: { name: 'ValidationError' } })
    expect([...lengths]).toEqual(['1000'])
  })
})

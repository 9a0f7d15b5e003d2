import { createServer, type Server } from 'node:http'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { S3Storage } from '../s3-storage.ts'

/** Requests that the service answers at a time; what comes beside them is refused. */
const capacity = 10

let server: Server
let inFlight: number
/** How many were in flight, with each request. */
let seen: number[]

beforeEach(async () => {
  inFlight = 0
  seen = []
  server = createServer((request, response) => {
    seen.push(++inFlight)
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

describe('a service that takes few requests at a time', () => {
  it('gets no more of a storage before long, and each save is stored', async () => {
    const address = server.address()
    const storage = new S3Storage({
      endpointUrl: `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`,
      accessKey: 'a',
      secretKey: 'b',
      bucketName: 'media',
    })
    const names = Array.from({ length: 600 }, (_, index) => `f${index}`)
    const saves = names.map(name => storage.save(name, 'x', { overwrite: true }))
    expect(await Promise.all(saves)).toEqual(names)
    // Some more than it takes are tried now and then: it may have become faster.
    expect(Math.max(...seen.slice(-300))).toBeLessThanOrEqual(capacity * 2)
  })
})

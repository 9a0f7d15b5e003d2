import { createServer, type IncomingMessage, type Server } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { S3Storage } from '../../backends/s3/s3-storage.ts'
import { S3Server } from '../s3-server/s3-server.ts'
import { FaultProxy } from './fault-proxy.ts'
import { allFaults, seededFaults } from './fault-schedule.ts'
import type { ProxiedRequest, ProxyFault } from './proxy-fault.ts'

/** What an endpoint saw of one request. */
interface Seen {
  readonly method: string
  readonly host: string
  readonly body: string
  /** False when the request broke off. */
  readonly whole: boolean
}

let server: Server
let proxy: FaultProxy
let seen: Seen[] = []

beforeEach(async () => {
  seen = []
  server = createServer((request, response) => {
    void bodyOf(request).then(({ body, whole }) => {
      seen.push({
        method: request.method ?? '',
        host: request.headers.host ?? '',
        body,
        whole,
      })
      if (request.url === '/chunked') {
        response.write('chunk one, ')
        response.end('chunk two')
      } else response.end(`answer ${body}`)
    })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', () => resolve()))
  const { port } = server.address() as AddressInfo
  proxy = await FaultProxy.start({ target: `http://127.0.0.1:${port}` })
})

afterEach(async () => {
  await proxy.close()
  server.closeAllConnections()
  await new Promise(resolve => server.close(resolve))
})

/** The first request meets the fault, later ones pass. */
function once(fault: ProxyFault): void {
  proxy.begin({ next: ({ index }) => (index === 0 ? fault : undefined) })
}

describe('a fault proxy', () => {
  it('passes requests and answers as they are, over one connection', async () => {
    const client = new RawClient(proxy)
    client.send(put('0123456789'))
    expect(await client.until('answer 0123456789')).toMatch(/^HTTP\/1\.1 200 OK\r\n/)
    client.send(put('more'))
    await client.until('answer more')
    client.send('GET /chunked HTTP/1.1\r\nHost: h\r\n\r\n')
    await client.until('chunk one, \r\n9\r\nchunk two\r\n0\r\n\r\n')
    expect(seen).toMatchObject([{ host: 'media.example' }, { body: 'more' }, { method: 'GET' }])
    expect([proxy.connections, proxy.requests, proxy.pending]).toEqual([1, 3, 0])
    expect(proxy.story).toEqual([])
  })

  it('passes a chunked request', async () => {
    const client = new RawClient(proxy)
    client.send('PUT /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nab')
    client.send('cd\r\n1\r\ne\r\n0\r\n\r\n')
    await client.until('answer abcde')
  })

  it.each(['reset', 'half-close'] as const)('cuts before it forwards (%s)', async how => {
    once({ kind: 'cut', at: 'before', how })
    const client = new RawClient(proxy)
    client.send(put('0123456789'))
    expect(await client.ended()).toEqual({ text: '', how })
    expect(seen).toEqual([])
    expect(proxy.story).toEqual([`#0 PUT /a: cut (${how}) before it was forwarded`])
  })

  it('cuts half-way through the body of a request', async () => {
    once({ kind: 'cut', at: 'request-body' })
    const client = new RawClient(proxy)
    client.send(put('0123456789'))
    expect(await client.ended()).toEqual({ text: '', how: 'reset' })
    await until(() => seen.length === 1)
    expect(seen).toMatchObject([{ body: '01234', whole: false }])
  })

  it('loses the answer of a request that was carried out', async () => {
    once({ kind: 'cut', at: 'answer', how: 'half-close' })
    const client = new RawClient(proxy)
    client.send(put('0123456789'))
    expect(await client.ended()).toEqual({ text: '', how: 'half-close' })
    expect(seen).toMatchObject([{ body: '0123456789', whole: true }])
  })

  it('loses half of an answer', async () => {
    once({ kind: 'cut', at: 'answer-body', how: 'half-close' })
    const client = new RawClient(proxy)
    client.send(put('012345678'))
    const { text } = await client.ended()
    expect(text).toMatch(/\r\n\r\nanswer 0$/)
    expect(seen).toMatchObject([{ whole: true }])
  })

  it('stalls where it is told, until the client leaves', async () => {
    for (const [at, arrived, carriedOut] of [
      ['accept', '', 0],
      ['answer', '', 1],
      ['answer-body', 'answer 0', 2],
    ] as const) {
      once({ kind: 'stall', at })
      const client = new RawClient(proxy)
      client.send(put('012345678'))
      await until(() => proxy.story.length === 1 && seen.length === carriedOut)
      await client.until(arrived)
      expect(proxy.pending).toBe(1)
      client.leave()
      await until(() => proxy.connections === 0)
      expect(client.text.endsWith(arrived)).toBe(true)
    }
  })

  it('answers slowly', async () => {
    once({ kind: 'slow', delay: 1, pieces: 5 })
    const client = new RawClient(proxy)
    client.send(put('0123456789'))
    await client.until('answer 0123456789')
  })

  it('flips a bit on the way there and on the way back', async () => {
    once({ kind: 'corrupt', at: 'request-body' })
    const client = new RawClient(proxy)
    client.send(put('0123456789'))
    await client.until('answer 0123446789')
    once({ kind: 'corrupt', at: 'answer-body' })
    const other = new RawClient(proxy)
    other.send(put(''))
    await other.until('ansver ')
    expect(seen).toMatchObject([{ body: '0123446789' }, { body: '' }])
  })

  it('answers in the place of the endpoint, and takes the next request', async () => {
    once({ kind: 'answer', status: 503, retryAfter: 2 })
    const client = new RawClient(proxy)
    client.send(put('0123456789'))
    const answer = await client.until('</Error>')
    expect(answer).toMatch(/^HTTP\/1\.1 503 Slow Down\r\n/)
    expect(answer).toContain('retry-after: 2\r\n')
    expect(answer).toContain('<Code>SlowDown</Code>')
    client.send(put('x'))
    await client.until('answer x')
    expect(seen).toMatchObject([{ body: 'x' }])
  })

  it.each([
    [{ kind: 'answer', status: 500, body: 'empty' }, /^HTTP\/1\.1 500 .*\r\n\r\n$/s],
    [{ kind: 'answer', status: 502, body: 'html', early: true }, /<h1>502/],
    [{ kind: 'answer', status: 429, body: 'garbage' }, /^HTTP\/1\.1 429 .*<<<$/s],
    [{ kind: 'garbage' }, /no HTTP/],
  ] as const)('answers %j', async (fault, expected) => {
    once(fault)
    const client = new RawClient(proxy)
    client.send(put('0123456789'))
    await until(() => expected.test(client.text))
    expect(seen).toEqual([])
  })

  it('ends a connection that the client keeps for later', async () => {
    once({ kind: 'close-idle', how: 'half-close' })
    const client = new RawClient(proxy)
    client.send(put('0123456789'))
    const { text, how } = await client.ended()
    expect(text).toMatch(/answer 0123456789$/)
    expect(how).toBe('half-close')
  })

  it('ends the client when the endpoint is not there', async () => {
    server.closeAllConnections()
    await new Promise(resolve => server.close(resolve))
    const client = new RawClient(proxy)
    client.send(put('0123456789'))
    expect((await client.ended()).text).toBe('')
    await until(() => proxy.connections === 0)
  })

  it('takes the signatures of path-style requests along', async () => {
    await using s3 = await S3Server.start({ buckets: ['media'] })
    await using front = await FaultProxy.start({ target: s3.endpoint })
    const { accessKey, secretKey } = s3
    const options = { bucketName: 'media', accessKey, secretKey, regionName: 'us-east-1' }
    const storage = new S3Storage({ ...options, endpointUrl: front.endpoint })
    await storage.save('a.txt', 'through the proxy')
    expect(await (await storage.file('a.txt')).text()).toBe('through the proxy')
    expect(front.requests).toBeGreaterThan(1)
  })

  it('tells seed and story, and no signature', async () => {
    proxy.begin({ seed: 7, next: () => ({ kind: 'answer', status: 500 }) })
    const client = new RawClient(proxy)
    client.send('GET /a?X-Amz-Signature=secret&x=1 HTTP/1.1\r\nHost: h\r\n\r\n')
    await client.until('</Error>')
    expect(String(proxy)).toBe(
      'seed 7, 1 requests:\n  #0 GET /a?X-Amz-Signature=…&x=1: answered 500 (xml) instead',
    )
  })
})

describe('seeded faults', () => {
  const request = (index: number): ProxiedRequest => ({ index, method: 'GET', path: '/', size: 0 })
  const play = (seed: number, count: number): (ProxyFault | undefined)[] => {
    const schedule = seededFaults({ seed, count })
    return Array.from({ length: 40 }, (_, index) => schedule.next(request(index)))
  }

  it('follow from the seed', () => {
    expect(play(3, 4)).toEqual(play(3, 4))
    expect(play(3, 4)).not.toEqual(play(4, 4))
  })

  it('come as often as they are told', () => {
    for (let seed = 0; seed < 50; seed++)
      expect(play(seed, 3).filter(fault => fault !== undefined).length).toBe(3)
  })

  it('reach every fault within 400 seeds', () => {
    const met = new Set<string>()
    for (let seed = 0; seed < 400; seed++) met.add(JSON.stringify(play(seed, 1).find(Boolean)))
    expect(met.size).toBe(allFaults.length)
  })

  it('spare what does not suit', () => {
    const schedule = seededFaults({
      seed: 1,
      count: 40,
      rate: 1,
      suits: ({ kind }) => kind === 'cut',
    })
    const kinds = Array.from({ length: 40 }, (_, index) => schedule.next(request(index))?.kind)
    expect(new Set(kinds)).toEqual(new Set(['cut', undefined]))
  })
})

function put(body: string): string {
  return `PUT /a HTTP/1.1\r\nHost: media.example\r\nContent-Length: ${body.length}\r\n\r\n${body}`
}

async function bodyOf(request: IncomingMessage): Promise<{ body: string; whole: boolean }> {
  let body = ''
  try {
    for await (const piece of request) body += String(piece)
    return { body, whole: true }
  } catch {
    return { body, whole: false }
  }
}

async function until(condition: () => boolean): Promise<void> {
  for (let round = 0; round < 1000; round++) {
    if (condition()) return
    await new Promise(resolve => setTimeout(resolve, 2))
  }
  throw new Error('what was waited for did not come')
}

/** A client on a bare socket, which shows how a connection ends. */
class RawClient {
  text = ''
  readonly #socket: ReturnType<typeof connect>
  #how: 'reset' | 'half-close' | undefined

  constructor(target: FaultProxy) {
    const { hostname, port } = new URL(target.endpoint)
    this.#socket = connect({ host: hostname, port: Number(port) })
    this.#socket.on('data', piece => {
      this.text += piece.toString('latin1')
    })
    this.#socket.on('end', () => {
      this.#how = 'half-close'
    })
    this.#socket.on('error', () => {
      this.#how = 'reset'
    })
  }

  send(text: string): void {
    this.#socket.write(text)
  }

  /** All that was received, once it ends in `end`. */
  async until(end: string): Promise<string> {
    await until(() => this.text.endsWith(end))
    return this.text
  }

  async ended(): Promise<{ text: string; how: string | undefined }> {
    await until(() => this.#how !== undefined)
    return { text: this.text, how: this.#how }
  }

  leave(): void {
    this.#socket.destroy()
  }
}

import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer as createHttpServer, type Server as HttpServer, request } from 'node:http'
import { type AddressInfo, connect as connectTcp, createServer, type Server } from 'node:net'
import { createServer as createTlsServer, type TlsOptions } from 'node:tls'
import { fileURLToPath } from 'node:url'
import { inspect } from 'node:util'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { FaultProxy } from '../../../testing/fault-proxy/fault-proxy.ts'
import type { ProxyFault } from '../../../testing/fault-proxy/proxy-fault.ts'
import { S3Server } from '../../../testing/s3-server/s3-server.ts'
import type { S3StorageOptions } from '../options.ts'
import { S3Storage } from '../s3-storage.ts'

const pem = (name: string): string =>
  fileURLToPath(new URL(`../../../../test/fixtures/tls/${name}.pem`, import.meta.url))

let server: S3Server
const closing: (() => Promise<unknown>)[] = []

beforeEach(async () => {
  server = await S3Server.start({ buckets: ['media'] })
  closing.push(() => server.close())
})

afterEach(async () => {
  vi.unstubAllEnvs()
  for (const close of closing.splice(0).reverse()) await close()
})

function connect(options: S3StorageOptions): S3Storage {
  const { accessKey, secretKey } = server
  const retries = { maxAttempts: 1 }
  return new S3Storage({ accessKey, secretKey, bucketName: 'media', retries, ...options })
}

async function portOf(listening: Server | HttpServer): Promise<number> {
  listening.listen(0, '127.0.0.1')
  await once(listening, 'listening')
  const sockets = new Set<{ destroy(): void }>()
  listening.on('connection', socket => sockets.add(socket))
  closing.push(async () => {
    for (const socket of sockets) socket.destroy()
    await new Promise(resolve => listening.close(resolve))
  })
  return (listening.address() as AddressInfo).port
}

/** The server behind TLS. */
async function startTls(options: TlsOptions = {}): Promise<string> {
  const keys = { cert: readFileSync(pem('server')), key: readFileSync(pem('server-key')) }
  const front = createTlsServer({ ...keys, ...options }, socket => {
    const back = connectTcp(Number(new URL(server.endpoint).port), '127.0.0.1')
    socket.on('error', () => back.destroy()).pipe(back)
    back.on('error', () => socket.destroy()).pipe(socket)
  })
  front.on('tlsClientError', () => undefined)
  return `https://127.0.0.1:${await portOf(front)}`
}

/** A forward proxy, for both schemes; `seen` has what was asked of it. */
async function startProxy(seen: string[]): Promise<string> {
  const proxy = createHttpServer((asked, answer) => {
    seen.push(`${asked.method} ${asked.url}`)
    const forward = request(asked.url ?? '', { method: asked.method, headers: asked.headers })
    forward.on('response', response => {
      answer.writeHead(response.statusCode ?? 500, response.headers)
      response.pipe(answer)
    })
    asked.pipe(forward)
  })
  proxy.on('connect', (asked, socket) => {
    seen.push(`CONNECT ${asked.url}`)
    const [host = '', port] = (asked.url ?? '').split(':')
    const back = connectTcp(Number(port), host, () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n')
      socket.on('error', () => back.destroy()).pipe(back)
      back.on('error', () => socket.destroy()).pipe(socket)
    })
  })
  return `http://127.0.0.1:${await portOf(proxy)}`
}

async function roundTrip(storage: S3Storage): Promise<string> {
  const name = await storage.save('a.txt', 'over there')
  return await (await storage.file(name)).text()
}

describe('certificates', () => {
  it('of an unknown authority are refused, and the setting is named', async () => {
    const storage = connect({ endpointUrl: await startTls() })
    await expect(storage.stat('a')).rejects.toMatchObject({
      name: 'ImproperlyConfigured',
      setting: 'verify',
      message: expect.stringContaining('"verify" (AWS_S3_VERIFY)'),
    })
  })

  it('are trusted by the file that verify names', async () => {
    expect(await roundTrip(connect({ endpointUrl: await startTls(), verify: pem('ca') }))).toBe(
      'over there',
    )
  })

  it('are trusted by the file that AWS_CA_BUNDLE names', async () => {
    vi.stubEnv('AWS_CA_BUNDLE', pem('ca'))
    expect(await roundTrip(connect({ endpointUrl: await startTls() }))).toBe('over there')
  })

  it('are not looked at with verify: false', async () => {
    expect(await roundTrip(connect({ endpointUrl: await startTls(), verify: false }))).toBe(
      'over there',
    )
  })

  it('of the client are shown to a service that asks for them', async () => {
    const ca = readFileSync(pem('ca'))
    const endpointUrl = await startTls({ ca, requestCert: true, rejectUnauthorized: true })
    const clientCertificate = { cert: pem('client'), key: pem('client-key') }
    const options = { endpointUrl, verify: pem('ca') }
    expect(await roundTrip(connect({ ...options, clientCertificate }))).toBe('over there')
    await expect(connect(options).stat('a')).rejects.toMatchObject({ name: 'UnavailableError' })
  })

  it.each([
    ['/nowhere/ca.pem', 'there is no such file'],
    [fileURLToPath(import.meta.url).replace('.test', ''), 'it holds no PEM'],
  ])('have to be in a file in PEM: %s', async (verify, problem) => {
    const storage = connect({ endpointUrl: 'https://127.0.0.1:9', verify })
    await expect(storage.stat('a')).rejects.toMatchObject({
      name: 'ImproperlyConfigured',
      setting: 'verify',
      message: expect.stringContaining(problem),
    })
  })
})

describe('proxies', () => {
  it('of the option carry requests to http and to https', async () => {
    const seen: string[] = []
    const url = await startProxy(seen)
    const proxies = { http: url, https: url }
    expect(await roundTrip(connect({ endpointUrl: server.endpoint, proxies }))).toBe('over there')
    const plain = seen.splice(0).length
    const endpointUrl = await startTls()
    expect(await roundTrip(connect({ endpointUrl, proxies, verify: pem('ca') }))).toBe('over there')
    expect([plain > 0, seen.every(line => line.startsWith('CONNECT '))]).toEqual([true, true])
  })

  it.each([
    ['me:p%40ss', 'me:p@ss'],
    ['me', 'me:'],
    ['me:100%', 'me:100%'],
    ['é:日本', 'é:日本'],
  ])('are told who asks: %s', async (user, told) => {
    const seen = new Set<string | undefined>()
    const proxy = createHttpServer()
    proxy.on('connect', (asked, socket) => {
      seen.add(asked.headers['proxy-authorization'])
      socket.end('HTTP/1.1 407 Proxy Authentication Required\r\n\r\n')
    })
    const url = `http://${user}@127.0.0.1:${await portOf(proxy)}`
    for (const scheme of ['http', 'https']) {
      const storage = connect({ endpointUrl: `${scheme}://s3.test`, proxies: { [scheme]: url } })
      const error = await storage.stat('a').catch((thrown: unknown) => thrown)
      expect(error).toMatchObject({ name: 'UnavailableError' })
      expect(inspect(error, { depth: 9 })).not.toContain('@127')
    }
    expect([...seen]).toEqual([`Basic ${Buffer.from(told).toString('base64')}`])
  })

  it.each(['http', 'https'])('that do not answer are a connection that timed out (%s)', async s => {
    const proxy = createHttpServer().on('connect', () => {})
    const url = `http://127.0.0.1:${await portOf(proxy)}`
    const timeouts = { connect: 200, headers: 0, idle: 0 }
    const storage = connect({ endpointUrl: `${s}://s3.test`, proxies: { [s]: url }, timeouts })
    await expect(storage.stat('a')).rejects.toMatchObject({ name: 'UnavailableError' })
  })

  it('that close the connection are asked as often as there are attempts', async () => {
    let asked = 0
    const proxy = createHttpServer()
    proxy.on('connect', (_request, socket) => {
      // Ends a loop that this test is there to find.
      if (++asked < 100) socket.destroy()
      else socket.end('HTTP/1.1 502 Bad Gateway\r\n\r\n')
    })
    const http = `http://127.0.0.1:${await portOf(proxy)}`
    const retries = { maxAttempts: 2, baseDelay: 1 }
    const storage = connect({ endpointUrl: 'http://s3.test', proxies: { http }, retries })
    await expect(storage.stat('a')).rejects.toMatchObject({ name: 'UnavailableError' })
    expect(asked).toBe(2)
  })

  it('of the environment are used, but for the hosts of NO_PROXY and with proxies: null', async () => {
    const seen: string[] = []
    vi.stubEnv('HTTP_PROXY', await startProxy(seen))
    const endpointUrl = server.endpoint
    await roundTrip(connect({ endpointUrl }))
    expect(seen.splice(0).length).toBeGreaterThan(0)
    await roundTrip(connect({ endpointUrl, proxies: null }))
    vi.stubEnv('NO_PROXY', '127.0.0.1')
    await roundTrip(connect({ endpointUrl }))
    expect(seen).toEqual([])
    vi.stubEnv('NO_PROXY', '127.0.0.1:1')
    await roundTrip(connect({ endpointUrl }))
    expect(seen.length).toBeGreaterThan(0)
  })
})

describe('time-outs', () => {
  const timeouts = { connect: 300, headers: 300, idle: 300 }

  async function stalling(at: 'accept' | 'answer' | 'answer-body'): Promise<S3Storage> {
    const proxy = await FaultProxy.start({ target: server.endpoint })
    closing.push(() => proxy.close())
    const storage = connect({ endpointUrl: proxy.endpoint, timeouts })
    await storage.save('a.txt', 'x'.repeat(100_000))
    const fault: ProxyFault = { kind: 'stall', at }
    proxy.begin({ seed: 0, next: () => fault })
    return storage
  }

  it('end a connection that gets no further than TCP', async () => {
    const silent = createServer(socket => socket.on('error', () => undefined))
    const endpointUrl = `https://127.0.0.1:${await portOf(silent)}`
    await expect(connect({ endpointUrl, timeouts }).stat('a')).rejects.toMatchObject({
      name: 'UnavailableError',
      message: expect.stringContaining('the connection timed out'),
    })
  })

  it.each(['accept', 'answer'] as const)('end a request that stalls (%s)', async at => {
    const storage = await stalling(at)
    await expect(storage.stat('a.txt')).rejects.toMatchObject({
      name: 'UnavailableError',
      message: expect.stringContaining('no answer in time'),
    })
  })

  it('end a request that is answered by interim answers without an end', async () => {
    const putting = createServer(socket => {
      const timer = setInterval(() => socket.write('HTTP/1.1 102 Processing\r\n\r\n'), 20)
      socket.on('error', () => undefined).on('close', () => clearInterval(timer))
    })
    const endpointUrl = `http://127.0.0.1:${await portOf(putting)}`
    await expect(connect({ endpointUrl, timeouts }).stat('a')).rejects.toMatchObject({
      name: 'UnavailableError',
      message: expect.stringContaining('no answer in time'),
    })
  })

  it('end an answer that stalls in its middle', async () => {
    const file = await connect({ endpointUrl: server.endpoint }).save('b.txt', 'x')
    const storage = await stalling('answer-body')
    expect(file).toBe('b.txt')
    await expect(storage.open('a.txt', 'r')).rejects.toMatchObject({
      name: 'UnavailableError',
      message: expect.stringContaining('the answer stalled'),
    })
  })
})

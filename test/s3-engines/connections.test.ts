import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer as createHttpServer, type Server as HttpServer } from 'node:http'
import { type AddressInfo, connect as connectTcp, createServer, type Server } from 'node:net'
import { createServer as createTlsServer, type TlsOptions } from 'node:tls'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { S3BotoStorage, type S3BotoStorageOptions } from '../../src/s3-legacy.ts'
import { S3Server } from '../../src/testing/s3-server/s3-server.ts'

const pem = (name: string): string =>
  fileURLToPath(new URL(`../fixtures/tls/${name}.pem`, import.meta.url))

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

function connect(options: S3BotoStorageOptions): S3BotoStorage {
  const { accessKey, secretKey } = server
  const retries = { maxAttempts: 1 }
  return new S3BotoStorage({ accessKey, secretKey, bucketName: 'media', retries, ...options })
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

/** A proxy that tunnels; `seen` has what was asked of it, and with which authorization. */
async function startProxy(seen: string[], status = '200 OK'): Promise<number> {
  const proxy = createHttpServer()
  proxy.on('connect', (asked, socket) => {
    seen.push(`${asked.url} ${asked.headers['proxy-authorization'] ?? ''}`.trim())
    const [host = '', port] = (asked.url ?? '').split(':')
    if (status !== '200 OK') {
      socket.end(`HTTP/1.1 ${status}\r\n\r\n`)
      return
    }
    const back = connectTcp(Number(port), host, () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n')
      socket.on('error', () => back.destroy()).pipe(back)
      back.on('error', () => socket.destroy()).pipe(socket)
    })
  })
  return await portOf(proxy)
}

async function roundTrip(storage: S3BotoStorage): Promise<string> {
  const name = await storage.save('a.txt', 'over there')
  return await (await storage.file(name)).text()
}

describe('certificates, to the older SDK', () => {
  it('of an unknown authority are refused, and the setting is named', async () => {
    const storage = connect({ endpointUrl: await startTls() })
    await expect(storage.stat('a')).rejects.toMatchObject({
      name: 'ImproperlyConfigured',
      setting: 'verify',
      message: expect.stringContaining('"verify" (AWS_S3_VERIFY)'),
    })
  })

  it('are trusted by the file that verify names, and not looked at with false', async () => {
    const endpointUrl = await startTls()
    expect(await roundTrip(connect({ endpointUrl, verify: pem('ca') }))).toBe('over there')
    expect(await roundTrip(connect({ endpointUrl, verify: false }))).toBe('over there')
  })

  it('of the client are shown to a service that asks for them', async () => {
    const ca = readFileSync(pem('ca'))
    const endpointUrl = await startTls({ ca, requestCert: true, rejectUnauthorized: true })
    const clientCertificate = { cert: pem('client'), key: pem('client-key') }
    const options = { endpointUrl, verify: pem('ca'), clientCertificate }
    expect(await roundTrip(connect(options))).toBe('over there')
  })
})

describe('proxies, to the older SDK', () => {
  it('carry requests to http and to https, by the options of either time', async () => {
    const seen: string[] = []
    const proxyPort = await startProxy(seen)
    const proxy = `http://127.0.0.1:${proxyPort}`
    const secure = await startTls()
    const plain = { endpointUrl: server.endpoint, proxies: { http: proxy } }
    expect(await roundTrip(connect(plain))).toBe('over there')
    const old = { endpointUrl: secure, verify: pem('ca'), proxy: '127.0.0.1', proxyPort }
    expect(await roundTrip(connect(old))).toBe('over there')
    const targets = new Set(seen.map(line => `http://${line}`))
    expect(targets).toEqual(new Set([server.endpoint, secure.replace('https:', 'http:')]))
  })

  it('are told who asks, and are passed by for the hosts of NO_PROXY', async () => {
    const seen: string[] = []
    const proxy = `http://me:p%40ss@127.0.0.1:${await startProxy(seen)}`
    vi.stubEnv('HTTP_PROXY', proxy)
    expect(await roundTrip(connect({ endpointUrl: server.endpoint }))).toBe('over there')
    expect(seen[0]).toContain(`Basic ${btoa('me:p@ss')}`)
    seen.length = 0
    vi.stubEnv('NO_PROXY', 'example.com, 127.0.0.1')
    expect(await roundTrip(connect({ endpointUrl: server.endpoint }))).toBe('over there')
    expect(seen).toEqual([])
  })

  it('that refuse are no service that is down for good, and show no password', async () => {
    const proxyPort = await startProxy([], '407 Proxy Authentication Required')
    const proxies = { http: `http://me:hidden@127.0.0.1:${proxyPort}` }
    const storage = connect({ endpointUrl: server.endpoint, proxies })
    const error = await storage.stat('a').catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ name: 'UnavailableError' })
    expect(JSON.stringify([error, String((error as Error).cause)])).not.toContain('hidden')
  })
})

describe('time-outs of the older SDK', () => {
  it('end a request that nobody answers', async () => {
    const silent = createServer(socket => socket.on('error', () => undefined).resume())
    const endpointUrl = `http://127.0.0.1:${await portOf(silent)}`
    const storage = connect({ endpointUrl, timeouts: { headers: 50 } })
    await expect(storage.stat('a')).rejects.toMatchObject({
      name: 'UnavailableError',
      message: expect.stringContaining('no answer in time'),
    })
  })
})

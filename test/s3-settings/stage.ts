import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type RequestOptions,
  request,
  type Server,
  type ServerResponse,
} from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import type { TLSSocket } from 'node:tls'
import { fileURLToPath } from 'node:url'
import { S3Server } from '../../src/testing.ts'

/** A request as it was on the wire. */
export interface Seen {
  readonly method: string
  readonly path: string
  readonly query: string
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
  /** Common name of the client's certificate. */
  readonly peer: string | undefined
}

/** Path of a file in PEM of the fixtures. */
export function pem(name: string): string {
  return fileURLToPath(new URL(`../fixtures/tls/${name}.pem`, import.meta.url))
}

/** The embedded server behind a front that sees the requests as they come, also over TLS. */
export class Stage {
  readonly server: S3Server
  readonly endpoint: string
  readonly tlsEndpoint: string
  readonly seen: Seen[] = []
  readonly #fronts: readonly Server[]

  static async start(options: Parameters<typeof S3Server.start>[0] = {}): Promise<Stage> {
    const server = await S3Server.start({ buckets: ['media', 'other'], ...options })
    const keys = { cert: readFileSync(pem('server')), key: readFileSync(pem('server-key')) }
    const ca = readFileSync(pem('ca'))
    const tls = { ...keys, ca, requestCert: true, rejectUnauthorized: false }
    const seen: Seen[] = []
    const pass = (asked: IncomingMessage, answer: ServerResponse): void =>
      void forward(server, seen, asked, answer)
    const fronts = [createServer(pass), createTlsServer(tls, pass)]
    for (const front of fronts) {
      front.listen(0, '127.0.0.1')
      await once(front, 'listening')
    }
    for (const front of fronts) front.on('connect', (asked, socket) => tunnel(seen, asked, socket))
    return new Stage(server, fronts, seen)
  }

  private constructor(server: S3Server, fronts: readonly Server[], seen: Seen[]) {
    const [http, https] = fronts.map(front => (front.address() as AddressInfo).port)
    this.server = server
    this.seen = seen
    this.endpoint = `http://127.0.0.1:${http}`
    this.tlsEndpoint = `https://127.0.0.1:${https}`
    this.#fronts = fronts
  }

  /** The last request of that method. */
  last(method: string): Seen {
    const found = this.seen.findLast(each => each.method === method)
    if (found === undefined) throw new Error(`no ${method} was seen`)
    return found
  }

  async close(): Promise<void> {
    for (const front of this.#fronts) {
      front.closeAllConnections()
      front.close()
    }
    await this.server.close()
  }
}

/** Passes a request on with all its headers, so that its signature holds. */
async function forward(
  server: S3Server,
  seen: Seen[],
  asked: IncomingMessage,
  answer: ServerResponse,
): Promise<void> {
  try {
    const chunks: Buffer[] = []
    for await (const chunk of asked) chunks.push(chunk)
    const { method = '', url = '', headers } = asked
    const [path = '', query = ''] = url.replace(/^http:\/\/[^/]*/, '').split('?')
    const body = Buffer.concat(chunks)
    seen.push({ method, path, query, headers, body, peer: peerOf(asked) })
    const options: RequestOptions = { method, headers, path: url.replace(/^http:\/\/[^/]*/, '') }
    const passed = request(server.endpoint, options)
    passed.on('error', () => answer.destroy())
    passed.on('response', response => {
      answer.writeHead(response.statusCode ?? 500, response.headers)
      response.on('error', () => answer.destroy()).pipe(answer)
    })
    passed.end(body)
  } catch {
    answer.destroy()
  }
}

/** As a proxy: whatever was asked for, there is nothing but this front. */
function tunnel(
  seen: Seen[],
  { method = '', url = '', headers }: IncomingMessage,
  socket: Duplex,
): void {
  seen.push({ method, path: url, query: '', headers, body: Buffer.alloc(0), peer: undefined })
  socket.end('HTTP/1.1 502 Bad Gateway\r\n\r\n')
}

function peerOf(asked: IncomingMessage): string | undefined {
  const { socket } = asked
  if (!('getPeerCertificate' in socket)) return undefined
  const name = (socket as TLSSocket).getPeerCertificate().subject?.CN
  return Array.isArray(name) ? name[0] : name
}

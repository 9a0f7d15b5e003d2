import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import {
  type Accident,
  closeBody,
  cutBody,
  type HeaderMap,
  type S3Request,
  type S3Response,
} from './message.ts'

/** What a socket's request is given to. */
export interface Front {
  handle(request: S3Request): Promise<S3Response>
}

/**
 * A body may take as long as it needs. A connection waits a minute for its next request: Node's usual
 * five seconds close it under a client that was busy.
 */
const SOCKETS = { requestTimeout: 0, keepAliveTimeout: 60_000, noDelay: true }

/** A server on 127.0.0.1 whose bodies are streamed both ways. */
export class HttpFront {
  /** How many connections were opened. */
  connections = 0
  readonly #server: Server
  readonly #front: Front

  constructor(front: Front) {
    this.#front = front
    this.#server = createServer(SOCKETS, (request, response) => {
      this.#serve(request, response, false).catch(() => response.destroy())
    })
    this.#server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => {
      this.#serve(request, response, true).catch(() => response.destroy())
    })
    this.#server.on('connection', () => {
      this.connections += 1
    })
  }

  /** Starts to listen. @returns the port */
  listen(port: number): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen(port, '127.0.0.1', () => {
        this.#server.off('error', reject)
        resolve((this.#server.address() as AddressInfo).port)
      })
    })
  }

  /** Ends all connections, those in use as well. */
  close(): Promise<void> {
    return new Promise(resolve => {
      this.#server.close(() => resolve())
      this.#server.closeAllConnections()
    })
  }

  async #serve(incoming: IncomingMessage, outgoing: ServerResponse, waits: boolean): Promise<void> {
    const body = new SocketBody(incoming, outgoing, waits)
    const response = await this.#front.handle(requestOf(incoming, body))
    try {
      outgoing.sendDate = false
      // A client that was never told to go on sends nothing more on this connection.
      if (waits && !body.started) outgoing.shouldKeepAlive = false
      if (response.accident !== undefined) await haveAccident(outgoing, response, response.accident)
      else {
        outgoing.writeHead(response.status, response.headers)
        await writeBody(outgoing, response.body)
      }
    } finally {
      closeBody(response.body)
    }
  }
}

/** The body of a socket's request; a client that waits for `100 Continue` gets it at the first read. */
class SocketBody implements AsyncIterable<Uint8Array> {
  started = false
  readonly #incoming: IncomingMessage
  readonly #outgoing: ServerResponse
  readonly #waits: boolean

  constructor(incoming: IncomingMessage, outgoing: ServerResponse, waits: boolean) {
    this.#incoming = incoming
    this.#outgoing = outgoing
    this.#waits = waits
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    if (this.#waits && !this.started) this.#outgoing.writeContinue()
    this.started = true
    // The stream stays usable after an error, so that the answer can still be sent.
    return this.#incoming.iterator({ destroyOnReturn: false })
  }
}

function requestOf(incoming: IncomingMessage, body: AsyncIterable<Uint8Array>): S3Request {
  const url = incoming.url ?? '/'
  const at = url.indexOf('?')
  return {
    method: incoming.method ?? 'GET',
    path: withoutOrigin(at < 0 ? url : url.slice(0, at)),
    search: at < 0 ? '' : url.slice(at + 1),
    headers: headersOf(incoming.rawHeaders),
    body,
  }
}

/** A proxy's client sends the whole URL. */
function withoutOrigin(path: string): string {
  return path.startsWith('/') ? path : path.replace(/^https?:\/\/[^/]*/, '') || '/'
}

/** Node joins repeated headers only where it knows them; a signature needs all of them. */
function headersOf(raw: readonly string[]): HeaderMap {
  const headers: HeaderMap = new Map()
  for (let i = 0; i < raw.length; i += 2) {
    const name = (raw[i] ?? '').toLowerCase()
    const value = raw[i + 1] ?? ''
    const before = headers.get(name)
    headers.set(name, before === undefined ? value : `${before},${value}`)
  }
  return headers
}

async function writeBody(outgoing: ServerResponse, body: S3Response['body']): Promise<void> {
  if (body === undefined || body instanceof Uint8Array) {
    outgoing.end(body)
    return
  }
  for await (const chunk of body.stream()) {
    if (outgoing.destroyed) return
    if (!outgoing.write(chunk)) await drained(outgoing)
  }
  outgoing.end()
}

async function haveAccident(
  outgoing: ServerResponse,
  response: S3Response,
  accident: Accident,
): Promise<void> {
  if (accident === 'reset') {
    outgoing.socket?.resetAndDestroy()
    return
  }
  if (accident === 'stall') {
    await new Promise(resolve => outgoing.on('close', resolve))
    return
  }
  outgoing.writeHead(response.status, response.headers)
  outgoing.flushHeaders()
  for await (const chunk of cutBody(response.body, accident.truncate)) {
    if (!outgoing.write(chunk)) await drained(outgoing)
  }
  // Everything written has to leave before the connection ends.
  outgoing.socket?.end()
}

function drained(outgoing: ServerResponse): Promise<void> {
  return new Promise(resolve => {
    const done = (): void => {
      outgoing.off('drain', done)
      outgoing.off('close', done)
      resolve()
    }
    outgoing.on('drain', done)
    outgoing.on('close', done)
  })
}

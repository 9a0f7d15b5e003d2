import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

const size = 100_000

/**
 * A service with one file that is replaced while it is read: the first body breaks off in its middle,
 * and what is asked for then is that of another version, whatever the condition.
 */
export class CarelessService implements AsyncDisposable {
  readonly #server: Server
  #bodies = 0

  private constructor() {
    this.#server = createServer((request, response) => this.#answer(request, response))
  }

  static async start(): Promise<CarelessService> {
    const service = new CarelessService()
    await once(service.#server.listen(0, '127.0.0.1'), 'listening')
    return service
  }

  get endpoint(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections()
    this.#server.close()
    await once(this.#server, 'close')
  }

  #answer({ method, headers: { range } }: IncomingMessage, response: ServerResponse): void {
    response.setHeader('last-modified', new Date(0).toUTCString())
    if (method === 'HEAD' || this.#bodies++ === 0) {
      response.setHeader('etag', '"old"').setHeader('content-length', size)
      if (method === 'HEAD') response.end()
      else response.write('a'.repeat(size / 2), () => setTimeout(() => response.destroy(), 50))
      return
    }
    const start = Number(/^bytes=(\d+)/.exec(range ?? '')?.[1] ?? 0)
    response
      .writeHead(206, {
        etag: '"new"',
        'content-length': size - start,
        'content-range': `bytes ${start}-${size - 1}/${size}`,
      })
      .end('b'.repeat(size - start))
  }
}

import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import type { MessageHead } from './http-message.ts'
import { ProxiedConnection } from './proxied-connection.ts'
import { describeFault, type ProxyFault, type ProxySchedule } from './proxy-fault.ts'

export interface FaultProxyOptions {
  /** URL of the endpoint, such as an `S3Server`'s. Plain HTTP. */
  readonly target: string
  /** Default: no faults. */
  readonly schedule?: ProxySchedule | undefined
}

/**
 * A proxy between an S3 client and its endpoint that does to both what networks do: it cuts,
 * stalls, slows, corrupts, answers in the endpoint's place and loses answers. It works on sockets:
 * bytes pass unchanged, the `Host` header among them, so signatures (path style) stay valid.
 * It listens on 127.0.0.1 only.
 */
export class FaultProxy {
  /** What clients use as their endpoint. */
  readonly endpoint: string
  readonly #server: Server
  readonly #traffic: Traffic

  private constructor(endpoint: string, server: Server, traffic: Traffic) {
    this.endpoint = endpoint
    this.#server = server
    this.#traffic = traffic
  }

  static async start(options: FaultProxyOptions): Promise<FaultProxy> {
    const { hostname, port } = new URL(options.target)
    const traffic = new Traffic({ host: hostname, port: Number(port || 80) }, options.schedule)
    const server = createServer({ allowHalfOpen: true }, socket => traffic.add(socket))
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(0, '127.0.0.1', () => resolve())
    })
    const { port: own } = server.address() as AddressInfo
    return new FaultProxy(`http://127.0.0.1:${own}`, server, traffic)
  }

  /** Ends all connections and begins another schedule, with an empty story. */
  begin(schedule: ProxySchedule): void {
    this.#traffic.begin(schedule)
  }

  /** Connections that clients have open. */
  get connections(): number {
    return this.#traffic.connections.size
  }

  /** Requests whose answer is not complete and whose client still waits. */
  get pending(): number {
    return [...this.#traffic.connections].filter(connection => connection.busy).length
  }

  /** Requests that came since the schedule began. */
  get requests(): number {
    return this.#traffic.requests
  }

  /** What was done to which request, a line each, since the schedule began. */
  get story(): readonly string[] {
    return this.#traffic.story
  }

  /** Seed and story: what a failed test should print. */
  toString(): string {
    return this.#traffic.toString()
  }

  /** Ends all connections. The proxy goes on listening. */
  closeConnections(): void {
    this.#traffic.close()
  }

  /** Ends all connections and the proxy. */
  close(): Promise<void> {
    return new Promise(resolve => {
      this.#server.close(() => resolve())
      this.#traffic.close()
    })
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

/** The connections of a proxy, and what became of their requests. */
class Traffic {
  readonly target: { readonly host: string; readonly port: number }
  readonly connections = new Set<ProxiedConnection>()
  requests = 0
  story: string[] = []
  #schedule: ProxySchedule | undefined

  constructor(
    target: { readonly host: string; readonly port: number },
    schedule: ProxySchedule | undefined,
  ) {
    this.target = target
    this.#schedule = schedule
  }

  add(socket: Socket): void {
    const connection = new ProxiedConnection(socket, this)
    this.connections.add(connection)
    socket.on('close', () => this.connections.delete(connection))
    connection.serve().catch(() => connection.destroy())
  }

  begin(schedule: ProxySchedule): void {
    this.close()
    this.#schedule = schedule
    this.requests = 0
    this.story = []
  }

  decide(head: MessageHead, size: number | undefined): ProxyFault | undefined {
    const [method, path] = head.start
    const index = this.requests++
    const fault = this.#schedule?.next({ index, method, path, size })
    if (fault !== undefined)
      this.story.push(`#${index} ${method} ${withoutSecrets(path)}: ${describeFault(fault)}`)
    return fault
  }

  close(): void {
    for (const connection of this.connections) connection.destroy()
  }

  toString(): string {
    const seed = this.#schedule?.seed === undefined ? '' : `seed ${this.#schedule.seed}, `
    const told = this.story.length === 0 ? 'no faults' : this.story.join('\n  ')
    return `${seed}${this.requests} requests:\n  ${told}`
  }
}

/** Signed URLs carry their signature in the query. */
function withoutSecrets(path: string): string {
  return path.replaceAll(/((?:Signature|Security-Token)=)[^&]*/gi, '$1…')
}

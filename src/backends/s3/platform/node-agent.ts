import { Agent as HttpAgent, request as httpRequest } from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import type { Duplex } from 'node:stream'
import { type ConnectionOptions, connect as connectTls } from 'node:tls'
import { type ProxySettings, proxyAuthorization, proxyFor } from '../proxies.ts'
import { withoutUndefined } from '../without-undefined.ts'
import type { TlsSettings } from './undici-transport.ts'

export interface AgentSettings {
  readonly tls: TlsSettings
  readonly proxies: ProxySettings | undefined
  /** Connections at a time. */
  readonly maxSockets: number
  /** Milliseconds that a proxy may take to reach the service; 0 for no limit. */
  readonly connectTimeout: number
}

/** What keeps and makes the connections of Node's own HTTP client, for an SDK that uses it. */
export function nodeAgent(origin: string, settings: AgentSettings): HttpAgent {
  const { tls, proxies, maxSockets } = settings
  const options = { keepAlive: true, maxSockets, ...withoutUndefined(tls) }
  const secure = origin.startsWith('https:')
  const agent = secure ? new HttpsAgent(options) : new HttpAgent(options)
  const proxy = proxyFor(new URL(origin), proxies)
  if (proxy === undefined) return agent
  const tunnel = new Tunnel(proxy, settings.connectTimeout)
  return Object.assign(agent, {
    createConnection: (target: Target, done: Connected): void => tunnel.open(target, secure, done),
  })
}

/** What an agent says of a connection that it wants. */
interface Target extends ConnectionOptions {
  readonly host?: string
  readonly port?: number
}

type Connected = (error: Error | null, socket?: Duplex) => void

/** Connections through a proxy (CONNECT; RFC 9110, section 9.3.6), to http as well as to https. */
class Tunnel {
  readonly #proxy: URL
  readonly #timeout: number

  constructor(proxy: URL, timeout: number) {
    this.#proxy = proxy
    this.#timeout = timeout
  }

  open(target: Target, secure: boolean, done: Connected): void {
    const { protocol, hostname, port } = this.#proxy
    const authority = `${target.host}:${target.port}`
    const authorization = proxyAuthorization(this.#proxy)
    const request = (protocol === 'https:' ? httpsRequest : httpRequest)({
      host: hostname,
      port: port === '' ? undefined : Number(port),
      method: 'CONNECT',
      path: authority,
      headers: {
        host: authority,
        ...(authorization === undefined ? {} : { 'proxy-authorization': authorization }),
      },
      agent: false,
    })
    request.setTimeout(this.#timeout, () => request.destroy(timedOut()))
    request.once('error', done)
    request.once('connect', ({ statusCode }, socket) => {
      socket.setTimeout(0)
      if (statusCode === 200) return done(null, secure ? encrypted(socket, target) : socket)
      socket.destroy()
      done(Object.assign(new Error(`The proxy answered ${statusCode}`), { code: 'ECONNREFUSED' }))
    })
    request.end()
  }
}

function encrypted(socket: Duplex, target: Target): Duplex {
  return connectTls({ ...target, socket })
}

function timedOut(): Error {
  return Object.assign(new Error('The proxy did not answer in time'), { code: 'ETIMEDOUT' })
}

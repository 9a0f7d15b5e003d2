import { encodeUtf8 } from '../../core/bytes.ts'

/** Ways out of a network, of the option `proxies` or of the environment. */
export interface ProxySettings {
  /** URLs of the proxies by the scheme of the service. */
  readonly http: string | undefined
  readonly https: string | undefined
  /** Hosts that are reached directly, as in `NO_PROXY`. */
  readonly none: string | undefined
}

/** The proxy for a service; `undefined` where it is reached directly. */
export function proxyFor(origin: URL, proxies: ProxySettings | undefined): URL | undefined {
  const proxy = origin.protocol === 'https:' ? proxies?.https : proxies?.http
  const direct = (proxies?.none ?? '').split(/[\s,]+/).some(entry => isMeant(entry, origin))
  return direct || proxy === undefined ? undefined : new URL(proxy)
}

/** Value of `Proxy-Authorization` for the user that the URL of a proxy names (RFC 7617). */
export function proxyAuthorization({ username, password }: URL): string | undefined {
  if (username === '' && password === '') return undefined
  const user = encodeUtf8(`${decoded(username)}:${decoded(password)}`)
  return `Basic ${btoa(String.fromCharCode(...user))}`
}

/**
 * Whether an entry of `NO_PROXY` means the host, as with curl and Python: `*`, its name or address,
 * or a domain above it, with or without a dot in front; with a port that port only.
 */
function isMeant(entry: string, { hostname, port, protocol }: URL): boolean {
  const [, name = '', onPort] = /^(?:\*?\.)?(.*?)(?::(\d+))?$/.exec(bracketed(entry)) ?? []
  if (name === '') return false
  if (onPort !== undefined && onPort !== (port || defaultPorts[protocol])) return false
  return name === '*' || name === hostname || hostname.endsWith(`.${name}`)
}

const defaultPorts: Readonly<Record<string, string | undefined>> = {
  'http:': '80',
  'https:': '443',
}

/** An address of IPv6 as URLs have it. */
function bracketed(entry: string): string {
  const text = entry.toLowerCase()
  return /^[0-9a-f]*:[0-9a-f:.]*:[0-9a-f:.]*$/.test(text) ? `[${text}]` : text
}

/** A `%` that encodes nothing is meant as it is. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

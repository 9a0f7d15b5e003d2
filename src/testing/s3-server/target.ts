import { decodeUri } from './uri.ts'

/** What a request is about. */
export interface Target {
  /** '' for the service. */
  readonly bucket: string
  /** '' for the bucket. */
  readonly key: string
  /** The bucket stands in the host's name. */
  readonly virtualHost: boolean
}

const AMAZON = /^(.+)\.s3(?:[.-][a-z0-9-]+)*\.amazonaws\.com(?:\.cn)?$/
const R2 = /^(.+)\.[0-9a-f]{32}(?:\.(?:eu|fedramp))?\.r2\.cloudflarestorage\.com$/
const LOCAL = /^(.+)\.localhost$/

/**
 * Finds bucket and key: by the host's name (`bucket.localhost`, `bucket.s3.region.amazonaws.com`),
 * else by the path.
 */
export function findTarget(host: string, path: string): Target {
  const name = host.replace(/:\d+$/, '').toLowerCase()
  const match = LOCAL.exec(name) ?? AMAZON.exec(name) ?? R2.exec(name)
  const decoded = decodeUri(path)
  const rest = decoded.startsWith('/') ? decoded.slice(1) : decoded
  if (match?.[1] !== undefined) return { bucket: match[1], key: rest, virtualHost: true }
  const slash = rest.indexOf('/')
  if (slash < 0) return { bucket: rest, key: '', virtualHost: false }
  return { bucket: rest.slice(0, slash), key: rest.slice(slash + 1), virtualHost: false }
}

import { ImproperlyConfigured } from '../../core/errors.ts'
import { encodeRfc3986 } from './encoding.ts'

/** Where the requests for a bucket go. */
export interface S3Address {
  /** `scheme://host[:port]` */
  readonly origin: string
  /** Value of the `Host` header. */
  readonly host: string
  /** In front of every key's path: of the endpoint, and `/bucket` in path style. No final `/`. */
  readonly prefix: string
  readonly style: 'path' | 'virtual'
}

export interface AddressOptions {
  readonly bucketName: string
  readonly regionName: string | undefined
  readonly endpointUrl: string | undefined
  readonly addressingStyle: 'auto' | 'virtual' | 'path' | null | undefined
  readonly useSsl: boolean
}

/**
 * The address of a bucket: the regional host of AWS, or a custom endpoint with its port and path.
 * The bucket stands in the host (virtual style) on AWS, in the path for custom endpoints, IP
 * addresses, and buckets that no host name or certificate can hold (dots under https, capitals).
 *
 * @throws ImproperlyConfigured for an endpoint that is no http(s) URL or has more than a path
 */
export function resolveAddress(options: AddressOptions): S3Address {
  const { bucketName, endpointUrl, useSsl, regionName } = options
  const endpoint = endpointUrl === undefined ? undefined : parseEndpoint(endpointUrl)
  const base = endpoint ?? {
    scheme: useSsl ? 'https:' : 'http:',
    host: awsHost(regionName),
    path: '',
  }
  const style = chooseStyle(options, base)
  const host = style === 'virtual' ? `${bucketName}.${base.host}` : base.host
  const prefix = style === 'virtual' ? base.path : `${base.path}/${encodeRfc3986(bucketName)}`
  return { origin: `${base.scheme}//${host}`, host, prefix, style }
}

interface Endpoint {
  readonly scheme: string
  readonly host: string
  readonly path: string
}

function parseEndpoint(endpointUrl: string): Endpoint {
  const url = URL.canParse(endpointUrl) ? new URL(endpointUrl) : undefined
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    throw badEndpoint('must be a URL with its scheme, such as https://s3.example.com:9000')
  }
  if (url.username !== '' || url.password !== '') throw badEndpoint('must not hold credentials')
  if (url.search !== '' || url.hash !== '') throw badEndpoint('must not have a query or fragment')
  return { scheme: url.protocol, host: url.host, path: url.pathname.replace(/\/+$/, '') }
}

function badEndpoint(problem: string): ImproperlyConfigured {
  return new ImproperlyConfigured(`Option "endpointUrl" ${problem}.`, { setting: 'endpointUrl' })
}

/** https://docs.aws.amazon.com/general/latest/gr/s3.html */
function awsHost(region: string | undefined): string {
  if (region === undefined || region === 'us-east-1') return 's3.amazonaws.com'
  return `s3.${region}.amazonaws.com${region.startsWith('cn-') ? '.cn' : ''}`
}

function chooseStyle(options: AddressOptions, base: Endpoint): S3Address['style'] {
  const { bucketName, addressingStyle, endpointUrl } = options
  if (addressingStyle === 'path' || isIpAddress(base.host) || !fitsHost(bucketName, base.scheme))
    return 'path'
  if (addressingStyle === 'virtual') return 'virtual'
  return endpointUrl === undefined ? 'virtual' : 'path'
}

/** A wildcard certificate covers one label; a host name knows no capitals and underscores. */
function fitsHost(bucket: string, scheme: string): boolean {
  if (!/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(bucket)) return false
  return !(scheme === 'https:' && bucket.includes('.'))
}

function isIpAddress(host: string): boolean {
  return host.startsWith('[') || /^\d+(\.\d+){3}(:\d+)?$/.test(host)
}

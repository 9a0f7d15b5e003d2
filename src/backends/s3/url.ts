import { ImproperlyConfigured } from '../../core/errors.ts'
import { encodeRfc3986 } from './encoding.ts'

/** Where the requests for a bucket go. */
export interface S3Address {
  /** `scheme://host[:port]`, with the port of the endpoint even where it is the scheme's own. */
  readonly origin: string
  /** Value of the `Host` header: without the scheme's own port. */
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
 * @throws ImproperlyConfigured for an endpoint that is no http(s) URL or has more than a path, and
 *   for a region that cannot stand in a host name
 */
export function resolveAddress(options: AddressOptions): S3Address {
  const { bucketName, endpointUrl, useSsl, regionName } = options
  const base =
    endpointUrl === undefined ? awsEndpoint(regionName, useSsl) : parseEndpoint(endpointUrl)
  const style = chooseStyle(options, base)
  const host = style === 'virtual' ? `${bucketName}.${base.host}` : base.host
  const prefix = style === 'virtual' ? base.path : `${base.path}/${encodeRfc3986(bucketName)}`
  return { origin: `${base.scheme}//${host}${base.ownPort}`, host, prefix, style }
}

interface Endpoint {
  readonly scheme: string
  /** With a port that is not the scheme's. */
  readonly host: string
  /** `:443` or `:80` where it was written, but says nothing. */
  readonly ownPort: string
  /** Without a final `/`. */
  readonly path: string
}

function parseEndpoint(endpointUrl: string): Endpoint {
  const url = URL.canParse(endpointUrl) ? new URL(endpointUrl) : undefined
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    throw badEndpoint('must be a URL with its scheme, such as https://s3.example.com:9000')
  }
  if (url.username !== '' || url.password !== '') throw badEndpoint('must not hold credentials')
  if (/[?#]/.test(endpointUrl)) throw badEndpoint('must not have a query or fragment')
  const written = /^https?:\/\/[^/]*(:\d+)(?:\/|$)/i.exec(endpointUrl)?.[1] ?? ''
  return {
    scheme: url.protocol,
    host: url.host,
    ownPort: url.port === '' ? written : '',
    path: url.pathname.replace(/\/+$/, ''),
  }
}

/** The value is not quoted: it may hold a password where none belongs. */
function badEndpoint(problem: string): ImproperlyConfigured {
  return new ImproperlyConfigured(`Option "endpointUrl" ${problem}.`, { setting: 'endpointUrl' })
}

/** https://docs.aws.amazon.com/general/latest/gr/s3.html */
function awsEndpoint(region: string | undefined, useSsl: boolean): Endpoint {
  return { scheme: useSsl ? 'https:' : 'http:', host: awsHost(region), ownPort: '', path: '' }
}

function awsHost(region: string | undefined): string {
  if (region === undefined || region === 'us-east-1') return 's3.amazonaws.com'
  // Nothing in a region's name may lead to somebody else's host.
  if (!/^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/i.test(region)) {
    throw new ImproperlyConfigured(
      'Option "regionName" (else AWS_REGION) must be the name of a region, such as eu-central-1.',
      { setting: 'regionName' },
    )
  }
  const [, suffix = 'amazonaws.com'] = partitions.find(([start]) => region.startsWith(start)) ?? []
  return `s3.${region}.${suffix}`
}

/** Domains of the parts of AWS that stand alone, by the beginnings of their regions' names. */
const partitions: readonly (readonly [start: string, suffix: string])[] = [
  ['cn-', 'amazonaws.com.cn'],
  ['eusc-', 'amazonaws.eu'],
  ['us-iso-', 'c2s.ic.gov'],
  ['us-isob-', 'sc2s.sgov.gov'],
  ['eu-isoe-', 'cloud.adc-e.uk'],
  ['us-isof-', 'csp.hci.ic.gov'],
]

function chooseStyle(options: AddressOptions, base: Endpoint): S3Address['style'] {
  const { bucketName, addressingStyle, endpointUrl } = options
  if (addressingStyle === 'path' || isIpAddress(base.host)) return 'path'
  if (addressingStyle === 'virtual')
    return fitsHost(bucketName, base.scheme === 'http:') ? 'virtual' : 'path'
  return endpointUrl === undefined && fitsHost(bucketName, false) ? 'virtual' : 'path'
}

/**
 * Whether a bucket can be the front of a host name, which knows no capitals and no underscores.
 * Dots only without TLS: a wildcard certificate covers one label.
 */
function fitsHost(bucket: string, dots: boolean): boolean {
  if (bucket.length < 3 || bucket.length > 63) return false
  const labels = dots ? bucket.split('.') : [bucket]
  return labels.every(label => /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/.test(label))
}

function isIpAddress(host: string): boolean {
  return host.startsWith('[') || /^\d+(\.\d+){3}(:\d+)?$/.test(host)
}

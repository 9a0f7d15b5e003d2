import { readFileSync } from 'node:fs'
import { S3Client } from '@aws-sdk/client-s3'
import { describe, expect, it } from 'vitest'
import { ImproperlyConfigured } from '../../core/errors.ts'
import { type AddressOptions, resolveAddress, type S3Address } from './url.ts'

function address(options: Partial<AddressOptions>): S3Address {
  return resolveAddress({
    bucketName: 'media',
    regionName: undefined,
    endpointUrl: undefined,
    addressingStyle: undefined,
    useSsl: true,
    ...options,
  })
}

/** What stands in front of the `/` of a key. */
function rootOf(options: Partial<AddressOptions>): string {
  const { origin, prefix } = address(options)
  return origin + prefix
}

function errorOf(options: Partial<AddressOptions>): ImproperlyConfigured {
  try {
    address(options)
  } catch (error) {
    if (error instanceof ImproperlyConfigured) return error
    throw error
  }
  throw new Error('nothing was thrown')
}

describe('the address on AWS', () => {
  it.each([
    'eu-west-3',
    'us-gov-west-1',
    'cn-northwest-1',
    'eusc-de-east-1',
    'us-iso-east-1',
    'us-isob-east-1',
    'eu-isoe-west-1',
    'us-isof-south-1',
  ])('in %s is the one that the SDK knows', async regionName => {
    const { endpointProvider } = new S3Client({ region: regionName }).config
    const { url } = endpointProvider({ Bucket: 'media', Region: regionName })
    expect(rootOf({ regionName })).toBe(url.href.replace(/\/$/, ''))
  })

  it.each([
    ['no region', {}, 'https://media.s3.amazonaws.com'],
    ['us-east-1', { regionName: 'us-east-1' }, 'https://media.s3.amazonaws.com'],
    ['a region', { regionName: 'eu-central-1' }, 'https://media.s3.eu-central-1.amazonaws.com'],
    ['China', { regionName: 'cn-north-1' }, 'https://media.s3.cn-north-1.amazonaws.com.cn'],
    ['no TLS', { useSsl: false }, 'http://media.s3.amazonaws.com'],
    [
      'style path',
      { addressingStyle: 'path', regionName: 'eu-west-1' },
      'https://s3.eu-west-1.amazonaws.com/media',
    ],
    ['style null', { addressingStyle: null }, 'https://media.s3.amazonaws.com'],
    ['style virtual', { addressingStyle: 'virtual' }, 'https://media.s3.amazonaws.com'],
  ] as const)('with %s', (_what, options, root) => {
    expect(rootOf(options)).toBe(root)
  })

  it.each(['my.bucket', 'MyBucket', 'my_bucket', '-bucket', 'bucket-', 'ab', 'a'.repeat(64)])(
    'has bucket %s in the path, whatever the style: no certificate or host name holds it',
    bucketName => {
      for (const addressingStyle of ['auto', 'virtual', 'path'] as const)
        expect(rootOf({ bucketName, addressingStyle })).toBe(
          `https://s3.amazonaws.com/${bucketName}`,
        )
    },
  )

  it('has a bucket with dots in the host without TLS where that is asked for', () => {
    const options = { bucketName: 'my.bucket', useSsl: false } as const
    expect(rootOf({ ...options, addressingStyle: 'virtual' })).toBe(
      'http://my.bucket.s3.amazonaws.com',
    )
    expect(rootOf(options)).toBe('http://s3.amazonaws.com/my.bucket')
    expect(rootOf({ ...options, bucketName: 'a..b', addressingStyle: 'virtual' })).toBe(
      'http://s3.amazonaws.com/a..b',
    )
  })

  it.each(['evil.example/', 'eu#', 'a.b', '', '-', 'eu west', 'eu@evil'])(
    'refuses %j, which is no region but a way to another host',
    regionName => {
      expect(errorOf({ regionName }).setting).toBe('regionName')
    },
  )
})

describe('the address at an endpoint', () => {
  const virtual = { addressingStyle: 'virtual' } as const

  it.each([
    ['its port', 'https://minio.local:9000', {}, 'https://minio.local:9000/media'],
    ['its port, virtual', 'https://minio.local:9000', virtual, 'https://media.minio.local:9000'],
    [
      'the port that is the default',
      'https://s3.example.com:443',
      {},
      'https://s3.example.com:443/media',
    ],
    [
      'the default port, virtual',
      'http://s3.example.com:80/',
      virtual,
      'http://media.s3.example.com:80',
    ],
    ['its path', 'https://x.test/storage/v1/s3', {}, 'https://x.test/storage/v1/s3/media'],
    ['its path without the final slash', 'https://x.test/s3/', {}, 'https://x.test/s3/media'],
    ['its path, virtual', 'https://x.test/s3/', virtual, 'https://media.x.test/s3'],
    ['its scheme over useSsl', 'http://x.test', { useSsl: true }, 'http://x.test/media'],
    [
      'its host over the region',
      'https://x.test',
      { regionName: 'eu-west-1' },
      'https://x.test/media',
    ],
    ['an IPv4 address, virtual', 'http://127.0.0.1:7480', virtual, 'http://127.0.0.1:7480/media'],
    ['an IPv6 address, virtual', 'http://[::1]:9000', virtual, 'http://[::1]:9000/media'],
    ['any region name', 'https://x.test', { regionName: 'a.b/c' }, 'https://x.test/media'],
  ] as const)('keeps %s', (_what, endpointUrl, options, root) => {
    expect(rootOf({ endpointUrl, ...options })).toBe(root)
  })

  it('sends a Host header without the default port, as HTTP clients do', () => {
    expect(address({ endpointUrl: 'https://s3.example.com:443' }).host).toBe('s3.example.com')
    expect(address({ endpointUrl: 'https://s3.example.com:80' }).host).toBe('s3.example.com:80')
  })

  it.each([
    's3.example.com',
    'localhost:9000',
    'ftp://s3.example.com',
    'https://',
    '//s3.example.com',
    'https://user:hunter2@s3.example.com',
    'https://hunter2@s3.example.com',
    'https://s3.example.com/?token=hunter2',
    'https://s3.example.com/?',
    'https://s3.example.com/#hunter2',
    'hunter2',
    '',
  ])('refuses %j and does not repeat it', endpointUrl => {
    const error = errorOf({ endpointUrl })
    expect(error.setting).toBe('endpointUrl')
    expect(error.message).toContain('endpointUrl')
    expect(error.message).not.toContain('hunter2')
  })
})

interface UrlCase {
  readonly options: {
    readonly bucketName?: string
    readonly regionName?: string
    readonly endpointUrl?: string
    readonly addressingStyle?: 'auto' | 'virtual' | 'path' | null
    readonly useSsl?: boolean
    readonly customDomain?: string
  }
  readonly expect: { readonly url?: string }
  readonly regional?: string
}

describe('the reference URLs', () => {
  const path = new URL('../../../test/fixtures/vectors/s3-urls.json', import.meta.url)
  const { cases } = JSON.parse(readFileSync(path, 'utf8')) as { cases: readonly UrlCase[] }
  const onS3 = cases.filter(
    ({ options, expect: { url } }) =>
      options.bucketName !== undefined && options.customDomain === undefined && url !== undefined,
  )

  it('are more than a hundred', () => {
    expect(onS3.length).toBeGreaterThan(100)
  })

  it.each(
    onS3.map(vector => [vector.regional ?? vector.expect.url ?? '', vector.options] as const),
  )(
    'begin with the address: %s',
    (url, { bucketName = '', regionName, endpointUrl, addressingStyle, useSsl = true }) => {
      const options = { bucketName, regionName, endpointUrl, addressingStyle, useSsl }
      expect(url.startsWith(`${rootOf(options)}/`)).toBe(true)
    },
  )
})

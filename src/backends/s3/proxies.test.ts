import { describe, expect, it } from 'vitest'
import { proxyFor } from './proxies.ts'

const proxies = { http: 'http://plain:3128', https: 'http://secure:3128', none: undefined }

describe('the proxy for a service', () => {
  it('is that of its scheme', () => {
    expect(proxyFor(new URL('http://s3.test'), proxies)?.host).toBe('plain:3128')
    expect(proxyFor(new URL('https://s3.test'), proxies)?.host).toBe('secure:3128')
    expect(proxyFor(new URL('http://s3.test'), { ...proxies, http: undefined })).toBeUndefined()
    expect(proxyFor(new URL('http://s3.test'), undefined)).toBeUndefined()
  })

  // As curl and Python read the variable.
  it.each<readonly [none: string, endpoint: string, isDirect: boolean]>([
    ['*', 'http://s3.test', true],
    ['a.test, *', 'http://s3.test', true],
    ['s3.test', 'http://s3.test', true],
    ['S3.Test', 'http://s3.test:9000', true],
    ['.test', 'http://s3.test', true],
    ['*.test', 'http://s3.test', true],
    ['test', 'http://s3.test', true],
    ['3.test', 'http://s3.test', false],
    ['a.s3.test', 'http://s3.test', false],
    ['a.test b.test\ts3.test', 'http://s3.test', true],
    [',, ,', 'http://s3.test', false],
    ['.', 'http://s3.test', false],
    ['s3.test:9000', 'http://s3.test:9000', true],
    ['test:9000', 'http://s3.test:9000', true],
    ['s3.test:9000', 'http://s3.test', false],
    ['s3.test:80', 'http://s3.test', true],
    ['s3.test:443', 'https://s3.test', true],
    ['10.0.0.1', 'http://10.0.0.1:9000', true],
    ['::1', 'http://[::1]:9000', true],
    ['[::1]', 'http://[::1]:9000', true],
    ['[::1]:9000', 'http://[::1]:9000', true],
    ['[::1]:9001', 'http://[::1]:9000', false],
    ['fe80::1', 'http://[::1]', false],
  ])('with NO_PROXY %j, to %s: reached directly is %s', (none, endpoint, isDirect) => {
    expect(proxyFor(new URL(endpoint), { ...proxies, none }) === undefined).toBe(isDirect)
  })
})

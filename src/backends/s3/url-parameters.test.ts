import { describe, expect, it } from 'vitest'
import { ValidationError } from '../../core/errors.ts'
import { urlRequest } from './url-parameters.ts'

describe('parameters of a URL', () => {
  it('go into the query by the API’s names and by the wire’s', () => {
    const parameters = {
      ResponseContentType: 'text/plain',
      'response-cache-control': 'no-cache',
      versionId: 'v',
      PartNumber: 2,
    }
    expect(urlRequest('GET', parameters)).toEqual({
      query: [
        ['response-content-type', 'text/plain'],
        ['response-cache-control', 'no-cache'],
        ['versionId', 'v'],
        ['partNumber', '2'],
      ],
      headers: [],
    })
  })

  it('that travel as headers become headers to be signed', () => {
    expect(urlRequest('GET', { Range: 'bytes=0-1' }).headers).toEqual([['range', 'bytes=0-1']])
    const { headers } = urlRequest('PUT', { ContentType: 'image/png', Metadata: { A: 'é' } })
    expect(headers).toEqual([
      ['content-type', 'image/png'],
      ['x-amz-meta-a', '=?UTF-8?B?w6k=?='],
    ])
  })

  it.each([
    ['GET', { Respons: 'x' }],
    ['GET', { ContentType: 'x' }],
    ['PUT', { ResponseContentType: 'x' }],
    ['GET', { VersionId: { a: 'b' } }],
    ['PUT', { Metadata: 'x' }],
    ['GET', { constructor: 'x' }],
    ['PUT', { Metadata: { a: 'x', A: 'y' } }],
  ] as const)('of a %s refuse %j', (method, parameters) => {
    expect(() => urlRequest(method, parameters)).toThrow(ValidationError)
  })

  it('are refused under two names at once', () => {
    const parameters = { ResponseContentType: 'a/b', 'response-content-type': 'c/d' }
    expect(() => urlRequest('GET', parameters)).toThrow(
      'ResponseContentType and response-content-type are one',
    )
  })

  it('are refused with the nearest name', () => {
    expect(() => urlRequest('GET', { ResponseContentTyp: 'x' })).toThrow(
      'Did you mean "ResponseContentType"?',
    )
  })
})

it('a key of the customer brings its algorithm and its MD5 along', () => {
  const key = '0123456789abcdef0123456789abcdef'
  const { headers, query } = urlRequest('GET', { SSECustomerKey: key })
  expect(query).toEqual([])
  expect(headers).toEqual([
    ['x-amz-server-side-encryption-customer-key', btoa(key)],
    ['x-amz-server-side-encryption-customer-algorithm', 'AES256'],
    ['x-amz-server-side-encryption-customer-key-md5', 'hRasmdxgYDKV3nvbahU1MA=='],
  ])
  expect(() => urlRequest('GET', { SSECustomerKey: 'short' })).toThrow(ValidationError)
})

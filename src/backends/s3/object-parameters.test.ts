import { describe, expect, it } from 'vitest'
import { ImproperlyConfigured } from '../../core/errors.ts'
import { checkObjectParameters, copyParameters, parameterHeaders } from './object-parameters.ts'

describe('object parameters', () => {
  it('become headers, metadata by its lower-case names', () => {
    const parameters = {
      CacheControl: 'no-cache',
      StorageClass: 'STANDARD_IA',
      ACL: undefined,
      BucketKeyEnabled: true,
      Metadata: { Author: 'Zoë' },
    }
    expect(parameterHeaders(parameters)).toEqual([
      'cache-control',
      'no-cache',
      'x-amz-storage-class',
      'STANDARD_IA',
      'x-amz-server-side-encryption-bucket-key-enabled',
      'true',
      'x-amz-meta-author',
      '=?UTF-8?B?Wm/Dqw==?=',
    ])
  })

  it('of a copy are those that S3 does not take over', () => {
    const parameters = {
      CacheControl: 'no-cache',
      Metadata: { a: 'b' },
      StorageClass: 'GLACIER',
      ACL: 'private',
    }
    expect(copyParameters(parameters)).toEqual({ StorageClass: 'GLACIER', ACL: 'private' })
  })

  it.each([
    [
      { CacheContrl: 'x' },
      'Option "objectParameters" has no member "CacheContrl". Did you mean "CacheControl"?',
    ],
    [{ 'Cache-Control': 'x' }, 'Did you mean "CacheControl"?'],
    [{ StorageClass: 5 }, 'needs StorageClass as a string, not a number'],
    [null, 'must be an object'],
    ['x', 'must be an object'],
  ])('%j are refused', (parameters, message) => {
    expect(() => checkObjectParameters(parameters)).toThrow(ImproperlyConfigured)
    expect(() => checkObjectParameters(parameters)).toThrow(message)
  })
})

import { inspect } from 'node:util'
import fc from 'fast-check'
import { afterEach, describe, expect, it, vi } from 'vitest'
import {
  FileExistsError,
  FileNotFoundError,
  FileTooLargeError,
  ImproperlyConfigured,
  IntegrityError,
  PermissionDeniedError,
  PreconditionFailedError,
  StorageError,
  SuspiciousFileOperation,
  UnavailableError,
  UnsupportedError,
  ValidationError,
} from '../../core/errors.ts'
import { type ErrorAnswer, type ErrorSubject, s3Error } from './errors.ts'

function errorOf(answer: Partial<ErrorAnswer>, subject: ErrorSubject = 'object'): StorageError {
  return s3Error(
    {
      status: 400,
      method: 'GET',
      code: undefined,
      message: undefined,
      region: undefined,
      requestId: undefined,
      retryAfter: undefined,
      bucketName: 'media',
      ...answer,
    },
    subject,
  )
}

describe('an answer without a reason', () => {
  it('to HEAD says what it is most often about, and where the bucket is', () => {
    const error = errorOf({ method: 'HEAD', region: 'eu-central-1' })
    expect(error.message).toBe(
      'The service refused the request (400) and did not say why: check "accessKey", "secretKey" and "securityToken", and "regionName" (the bucket is in eu-central-1).',
    )
  })
})

describe('an answer with a code', () => {
  it.each([
    [404, 'NoSuchKey', FileNotFoundError],
    [404, 'NoSuchVersion', FileNotFoundError],
    [404, 'NoSuchUpload', FileNotFoundError],
    [404, 'NoSuchBucket', ImproperlyConfigured],
    [400, 'InvalidBucketName', ImproperlyConfigured],
    [409, 'BucketAlreadyExists', ImproperlyConfigured],
    [301, 'PermanentRedirect', ImproperlyConfigured],
    [307, 'TemporaryRedirect', ImproperlyConfigured],
    [400, 'IllegalLocationConstraintException', ImproperlyConfigured],
    [400, 'AccessControlListNotSupported', ImproperlyConfigured],
    [400, 'AuthorizationHeaderMalformed', PermissionDeniedError],
    [403, 'AccessDenied', PermissionDeniedError],
    [403, 'InvalidAccessKeyId', PermissionDeniedError],
    [403, 'SignatureDoesNotMatch', PermissionDeniedError],
    [403, 'RequestTimeTooSkewed', PermissionDeniedError],
    [400, 'ExpiredToken', PermissionDeniedError],
    [400, 'InvalidToken', PermissionDeniedError],
    [403, 'InvalidObjectState', PermissionDeniedError],
    [403, 'SomeNewReason', PermissionDeniedError],
    [412, 'PreconditionFailed', PreconditionFailedError],
    [409, 'ConditionalRequestConflict', PreconditionFailedError],
    [400, 'XMinioParentIsObject', FileExistsError],
    [400, 'BadDigest', IntegrityError],
    [400, 'InvalidDigest', IntegrityError],
    [400, 'IncompleteBody', IntegrityError],
    [400, 'XAmzContentSHA256Mismatch', IntegrityError],
    [400, 'EntityTooLarge', FileTooLargeError],
    [400, 'MetadataTooLarge', ValidationError],
    [400, 'KeyTooLongError', SuspiciousFileOperation],
    [400, 'InvalidObjectName', SuspiciousFileOperation],
    [501, 'NotImplemented', UnsupportedError],
    [405, 'MethodNotAllowed', UnsupportedError],
    [500, 'InternalError', UnavailableError],
    [503, 'SlowDown', UnavailableError],
    [503, 'SomeNewOverload', UnavailableError],
    [400, 'RequestTimeout', UnavailableError],
    [409, 'OperationAborted', UnavailableError],
    [200, 'InternalError', UnavailableError],
    [0, 'AccessDenied', PermissionDeniedError],
    [416, 'InvalidRange', StorageError],
    [400, 'InvalidArgument', StorageError],
    [409, 'BucketNotEmpty', StorageError],
    [400, 'constructor', StorageError],
    [400, '__proto__', StorageError],
  ])('of %i %s is a %o', (status, code, kind) => {
    expect(errorOf({ status, code }).constructor).toBe(kind)
  })
})

describe('an answer without a code', () => {
  it.each([
    [301, ImproperlyConfigured],
    [400, StorageError],
    [401, PermissionDeniedError],
    [403, PermissionDeniedError],
    [404, FileNotFoundError],
    [408, UnavailableError],
    [409, UnavailableError],
    [412, PreconditionFailedError],
    [413, FileTooLargeError],
    [416, StorageError],
    [418, StorageError],
    [429, UnavailableError],
    [500, UnavailableError],
    [501, UnsupportedError],
    [502, UnavailableError],
    [503, UnavailableError],
    [599, UnavailableError],
  ])('of %i is a %o', (status, kind) => {
    expect(errorOf({ status }).constructor).toBe(kind)
    expect(errorOf({ status, code: '' }).constructor).toBe(kind)
    expect(errorOf({ status, code: 'no\ncode' }).constructor).toBe(kind)
  })

  it('says of a 404 what is missing by what was asked for', () => {
    expect(errorOf({ status: 404 }, 'object').message).toContain('object')
    expect(errorOf({ status: 404 }, 'upload').message).toContain('upload')
    const bucket = errorOf({ status: 404 }, 'bucket')
    expect(bucket).toBeInstanceOf(ImproperlyConfigured)
    expect(bucket.message).toContain('"media"')
  })
})

describe('what an error tells to change', () => {
  it.each([
    ['NoSuchBucket', 'bucketName'],
    ['InvalidBucketName', 'bucketName'],
    ['PermanentRedirect', 'regionName'],
    ['AccessControlListNotSupported', 'defaultAcl'],
  ])('of %s is the setting %s', (code, setting) => {
    const error = errorOf({ code })
    expect(error).toMatchObject({ setting })
    expect(error.message).toContain(setting)
  })

  it.each([
    ['InvalidAccessKeyId', /accessKey/],
    ['SignatureDoesNotMatch', /secretKey/],
    ['ExpiredToken', /securityToken/],
    ['InvalidToken', /securityToken/],
    ['RequestTimeTooSkewed', /clock/],
    ['AccessControlListNotSupported', /AWS_DEFAULT_ACL/],
    ['PermanentRedirect', /AWS_S3_REGION_NAME/],
  ])('of %s is in its message', (code, what) => {
    expect(errorOf({ code }).message).toMatch(what)
  })

  it('is the region, where the service names it', () => {
    const region = 'eu-west-1'
    for (const code of ['PermanentRedirect', 'AuthorizationHeaderMalformed']) {
      const error = errorOf({ code, region })
      expect(error).toMatchObject({ name: 'ImproperlyConfigured', setting: 'regionName' })
      expect(error.message).toContain('region eu-west-1')
    }
    expect(errorOf({ code: 'PermanentRedirect', region: 'no "region"' }).message).not.toContain(
      'no ',
    )
  })
})

describe('whether to try again', () => {
  afterEach(() => {
    vi.useRealTimers()
  })

  it.each(['SlowDown', 'InternalError', 'OperationAborted', 'RequestTimeout'])(
    'is yes for %s',
    code => {
      expect(errorOf({ code }).retryable).toBe(true)
    },
  )

  it.each(['ConditionalRequestConflict', 'PreconditionFailed', 'AccessDenied', 'NoSuchKey'])(
    'is no for %s',
    code => {
      expect(errorOf({ code }).retryable).toBe(false)
    },
  )

  it.each([
    ['120', 120],
    ['0', 0],
    ['Wed, 25 Nov 2026 10:00:30 GMT', 30],
    ['Wed, 25 Nov 2026 09:00:00 GMT', 0],
    ['soon', undefined],
    [undefined, undefined],
  ])('says when, from Retry-After %j', (retryAfter, seconds) => {
    vi.useFakeTimers({ now: new Date('2026-11-25T10:00:00Z') })
    expect(errorOf({ status: 503, retryAfter })).toMatchObject({ retryAfter: seconds })
  })
})

describe('what an error shows', () => {
  it('is status, code and request id, for the support of the service', () => {
    const error = errorOf({ status: 403, code: 'AccessDenied', requestId: 'tx0001-a:b/c+=' })
    expect(error.cause).toMatchObject({
      message: 'S3 answered 403 AccessDenied, request tx0001-a:b/c+=',
    })
    expect(errorOf({ status: 0, code: 'AccessDenied' }).cause).toMatchObject({
      message: 'S3 answered AccessDenied',
    })
  })

  it('is the message of the service where the code is not known, on one line and cut', () => {
    const message = `Argument  is\n wrong. ${'word '.repeat(100)}`
    const error = errorOf({ code: 'InvalidArgument', message })
    expect(error.message).toContain('(400 InvalidArgument: Argument is wrong. word word')
    expect(error.message).not.toContain('\n')
    expect(error.message.length).toBeLessThan(300)
  })

  const secrets = [
    'AKIAIOSFODNN7EXAMPLE',
    'aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404',
    'NpgCjnDzrM+WFzoENXmpNDUsSn8=',
    'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
    'FwoGZXIvYXdzEBYaDHJlYWxseXNlY3JldHRva2Vu',
  ]

  it('is no key, token or signature, wherever the service repeats them', () => {
    const frames = [
      '%s',
      'x %s y',
      'Signature=%s',
      'StringToSign: AWS4-HMAC-SHA256\n%s',
      '"%s"',
      'token %s.',
    ]
    const codes = [
      'SignatureDoesNotMatch',
      'InvalidArgument',
      'NotImplemented',
      'Unknown',
      undefined,
    ]
    for (const secret of secrets)
      for (const frame of frames)
        for (const code of codes)
          for (const status of [400, 403, 501]) {
            const text = frame.replace('%s', secret)
            const error = errorOf({ status, code, message: text })
            expect(inspect(error, { depth: 9 }) + error.message).not.toContain(secret)
          }
  })

  it('is no short credential behind its name', () => {
    const message = 'bad X-Amz-Credential=k/20261125/eu-west-1 and signature: abc'
    expect(errorOf({ code: 'InvalidArgument', message }).message).toContain('Credential=…')
    expect(errorOf({ code: 'InvalidArgument', message }).message).not.toMatch(/20261125|abc/)
  })

  it('is a StorageError on one line for any answer', () => {
    const anything = fc.option(fc.string({ unit: 'binary' }), { nil: undefined })
    fc.assert(
      fc.property(
        fc.nat(599),
        fc.record({
          code: anything,
          message: anything,
          region: anything,
          requestId: anything,
          retryAfter: anything,
        }),
        (status, answer) => {
          const error = errorOf({ status, ...answer })
          expect(error).toBeInstanceOf(StorageError)
          expect(error.message).toMatch(/^[^\u0000-\u001f]+\.$/)
        },
      ),
    )
  })
})

import { S3Error } from '../errors.ts'
import {
  ANONYMOUS,
  type Authentication,
  type SignedRequest,
  type Verification,
} from './authentication.ts'
import { verifyHeaderV2, verifyQueryV2 } from './sigv2.ts'
import { verifyHeaderV4, verifyQueryV4 } from './sigv4.ts'

/**
 * Finds out who sent a request.
 * @throws S3Error for a signature that does not hold; a request without one is anonymous
 */
export function authenticate(
  request: SignedRequest,
  on: Verification,
  signatureV2: boolean,
): Authentication {
  const header = request.headers.get('authorization')
  const v4 = request.query.has('X-Amz-Algorithm') || request.query.has('X-Amz-Signature')
  const v2 = request.query.has('AWSAccessKeyId') || request.query.has('Signature')
  if ([header !== undefined, v4, v2].filter(Boolean).length > 1) throw several()
  if (v4) return verifyQueryV4(request, on)
  if (header?.startsWith('AWS4-HMAC-SHA256')) return verifyHeaderV4(request, on)
  if (!v2 && header === undefined) return ANONYMOUS
  if (!v2 && !header?.startsWith('AWS ')) {
    throw new S3Error('InvalidArgument', 'Unsupported Authorization Type', {
      elements: { ArgumentName: 'Authorization', ArgumentValue: header ?? '' },
    })
  }
  if (!signatureV2) throw unsupportedV2()
  return v2 ? verifyQueryV2(request, on) : verifyHeaderV2(request, on)
}

function several(): S3Error {
  return new S3Error(
    'InvalidArgument',
    'Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter or the Authorization header should be specified',
    { elements: { ArgumentName: 'Authorization' } },
  )
}

function unsupportedV2(): S3Error {
  return new S3Error(
    'InvalidRequest',
    'The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.',
  )
}

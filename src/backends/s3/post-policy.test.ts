import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { ValidationError } from '../../core/errors.ts'
import {
  type PostCondition,
  type PostForm,
  signPolicyV2,
  signPolicyV4,
  signPostForm,
  signPostFormV2,
} from './post-policy.ts'
import { resolveAddress } from './url.ts'

interface Vector {
  readonly signatureVersion: 's3' | 's3v4'
  readonly accessKey: string
  readonly secretKey: string
  readonly sessionToken?: string
  readonly region: string
  readonly time: string
  readonly bucket: string
  readonly key: string
  readonly fields?: Record<string, string>
  readonly conditions?: PostCondition[]
  readonly expiresIn: number
  readonly endpoint?: string
  readonly addressingStyle?: 'virtual' | 'path'
  readonly expect: {
    readonly url: string
    readonly fields: Record<string, string>
    readonly policy: { readonly expiration: string; readonly conditions: unknown[] }
  }
}

const { cases } = JSON.parse(
  readFileSync(new URL('../../../test/fixtures/vectors/post-policy.json', import.meta.url), 'utf8'),
) as { cases: readonly Vector[] }

function sign(vector: Vector, changes: Partial<Vector> = {}): PostForm {
  const { bucket, key, fields, conditions, expiresIn, ...model } = { ...vector, ...changes }
  const address = resolveAddress({
    bucketName: bucket,
    regionName: model.region,
    endpointUrl: model.endpoint,
    addressingStyle: model.addressingStyle,
    useSsl: true,
  })
  const request = { bucketName: bucket, key, fields, conditions, expiresIn }
  const credentials = {
    accessKey: model.accessKey,
    secretKey: model.secretKey,
    securityToken: model.sessionToken,
  }
  const now = new Date(model.time)
  if (model.signatureVersion === 's3') return signPostFormV2(request, { address, credentials }, now)
  return signPostForm(request, { address, credentials, region: model.region }, now)
}

/** The host of the region, which botocore leaves out in virtual style; see docs/s3.md. */
function regional({ region, expect: { url } }: Vector): string {
  return url.replace(
    '.s3.amazonaws.com',
    region === 'us-east-1' ? '.s3.amazonaws.com' : `.s3.${region}.amazonaws.com`,
  )
}

function decoded(policy = ''): unknown {
  return JSON.parse(Buffer.from(policy, 'base64').toString('utf8'))
}

describe('a POST policy', () => {
  it.each(cases.map((vector, index) => [`${index} ${vector.signatureVersion}`, vector] as const))(
    'is botocore’s: %s',
    (_, vector) => {
      const { url, fields } = sign(vector)
      expect(url).toBe(regional(vector))
      expect(decoded(fields['policy'])).toEqual(vector.expect.policy)
      const free = { policy: '', signature: '', 'x-amz-signature': '' }
      expect({ ...fields, ...free }).toEqual({ ...vector.expect.fields, ...free })
    },
  )

  it.each(cases.map((vector, index) => [`${index} ${vector.signatureVersion}`, vector] as const))(
    'is signed as botocore signs its own text: %s',
    (_, { secretKey, time, region, signatureVersion, expect: { fields } }) => {
      const { policy = '' } = fields
      const day = time.slice(0, 10).replaceAll('-', '')
      const signature =
        signatureVersion === 's3'
          ? signPolicyV2(policy, secretKey)
          : signPolicyV4(policy, secretKey, day, region)
      expect(signature).toBe(fields['signature'] ?? fields['x-amz-signature'])
    },
  )

  it.each([0, 604_801, Number.NaN])('refuses to be valid for %d seconds', expiresIn => {
    const [vector] = cases
    if (vector === undefined) throw new Error('There are no vectors.')
    expect(() => sign(vector, { expiresIn })).toThrow(ValidationError)
  })
})

import { readFileSync } from 'node:fs'
import S3 from 'aws-sdk/clients/s3.js'
import AWS from 'aws-sdk/global.js'
import { describe, expect, it } from 'vitest'
import { encodeKey } from './encoding.ts'
import { SigV2Signer } from './sigv2.ts'
import { resolveAddress } from './url.ts'
import { urlRequest } from './url-parameters.ts'

interface Vector {
  readonly kind: 'header' | 'query' | 'presign'
  readonly accessKey: string
  readonly secretKey: string
  readonly sessionToken?: string
  readonly time: string
  readonly expiresIn: number
  readonly method: string
  readonly url: string
  readonly authPath: string | null
  readonly headers: Readonly<Record<string, string>>
  readonly operation: string
  readonly params: Readonly<Record<string, string>>
  readonly region: string | null
  readonly endpoint?: string
  readonly addressingStyle?: 'virtual' | 'path'
  readonly useSsl?: boolean
  readonly expect: {
    readonly authorization: string
    readonly date: string
    readonly stringToSign: string
    readonly url: string
    readonly method: string
  }
  readonly regional?: string
}

const { cases } = JSON.parse(
  readFileSync(new URL('../../../test/fixtures/vectors/sigv2.json', import.meta.url), 'utf8'),
) as { cases: readonly Vector[] }

function ofKind(kind: Vector['kind']): [string, Vector][] {
  return cases
    .filter(vector => vector.kind === kind)
    .map((vector, index) => [`${index} ${vector.expect.url ?? vector.url}`, vector])
}

function signerOf({ accessKey, secretKey, sessionToken }: Vector, bucketPath: string): SigV2Signer {
  return new SigV2Signer({ accessKey, secretKey, securityToken: sessionToken }, bucketPath)
}

/** Host, path and query, as on the wire. */
function wireOf(url: string): { path: string; query: string } {
  const [, path = '', query = ''] = /^https?:\/\/[^/]+([^?]*)\??(.*)$/.exec(url) ?? []
  return { path, query }
}

/** A sub-resource means the same with `=` and without. */
function pairs(url: string): { base: string; query: string[] } {
  const [base = '', query = ''] = url.split('?')
  const all = query.split('&').map(pair => (pair.includes('=') ? pair : `${pair}=`))
  return { base, query: all.sort() }
}

/** Operations on an object that `url()` has, with what may stand in a URL. */
function isModel({ operation, params }: Vector): boolean {
  return (
    ['get_object', 'head_object', 'put_object'].includes(operation) &&
    !Object.keys(params).some(name => /^SSECustomer|^RequestPayer/.test(name))
  )
}

describe('signature version 2', () => {
  it.each(ofKind('query'))('signs the query of a URL as botocore: %s', (_, vector) => {
    const { method, time, expiresIn, url, authPath, headers } = vector
    const { path, query } = wireOf(url)
    const bucketPath = authPath === null ? '' : authPath.slice(0, -path.length)
    const request = {
      method,
      host: '',
      path,
      query: query === '' ? [] : query.split('&').map(pairOf),
      signedHeaders: Object.entries(headers).map(([name, value]): [string, string] => [
        name.toLowerCase(),
        value,
      ]),
      expiresIn,
    }
    const signed = signerOf(vector, bucketPath).presign(request, new Date(time))
    expect(pairs(`${url.split('?')[0]}?${signed}`)).toEqual(pairs(vector.expect.url))
  })

  it.each(ofKind('presign').filter(([, vector]) => isModel(vector)))(
    'gives the URLs of botocore: %s',
    (_, vector) => {
      const { Bucket: bucketName = '', Key: key = '', Metadata = {}, ...parameters } = vector.params
      const { region, endpoint, addressingStyle, useSsl = true, time, expiresIn } = vector
      const address = resolveAddress({
        bucketName,
        regionName: region ?? undefined,
        endpointUrl: endpoint,
        addressingStyle,
        useSsl,
      })
      const { method } = vector.expect
      const asked = urlRequest(vector.operation === 'put_object' ? 'PUT' : 'GET', parameters)
      const { query } = asked
      // As it is: ours would be an encoded word, for the two blanks that it has.
      const metadata = Object.entries(Metadata).map(
        ([name, value]) => [`x-amz-meta-${name}`, String(value)] as const,
      )
      const headers = [...asked.headers, ...metadata]
      const path = `${address.prefix}/${encodeKey(key)}`
      const request = { method, host: '', path, query, signedHeaders: headers, expiresIn }
      const bucketPath = address.style === 'virtual' ? `/${bucketName}` : ''
      const signed = signerOf(vector, bucketPath).presign(request, new Date(time))
      expect(pairs(`${address.origin}${path}?${signed}`)).toEqual(
        pairs(vector.regional ?? vector.expect.url),
      )
    },
  )

  it('signs who pays, as if the header had been sent', () => {
    const [, vector] = ofKind('presign').find(([, { params }]) => 'RequestPayer' in params) ?? []
    if (vector === undefined) throw new Error('There is no such vector.')
    const { path } = wireOf(vector.expect.url)
    const request = {
      method: 'GET',
      host: '',
      path,
      query: [['x-amz-request-payer', 'requester']] as const,
      expiresIn: vector.expiresIn,
    }
    const signed = signerOf(vector, '/examplebucket').presign(request, new Date(vector.time))
    expect(pairs(`?${signed}`).query).toEqual(pairs(vector.expect.url).query)
  })

  it('signs a customer’s key as botocore, but leaves it to the sender: URLs are seen', () => {
    const [, vector] = ofKind('presign').find(([, { params }]) => 'SSECustomerKey' in params) ?? []
    if (vector === undefined) throw new Error('There is no such vector.')
    const { path } = wireOf(vector.expect.url)
    const { Bucket, Key, ...parameters } = vector.params
    const { query, headers } = urlRequest('GET', parameters)
    const { expiresIn } = vector
    const request = { method: 'GET', host: '', path, query, signedHeaders: headers, expiresIn }
    const signed = signerOf(vector, '/examplebucket').presign(request, new Date(vector.time))
    const shown = pairs(vector.expect.url).query.filter(pair => !pair.includes('-customer-'))
    expect(headers).toHaveLength(3)
    expect(pairs(`?${signed}`).query).toEqual(shown)
  })
})

/** What requests are signed with is the SDK's own: it has to say the same as botocore. */
describe('the signer of the older SDK', () => {
  interface SdkSigner {
    stringToSign(): string
    sign(secret: string, text: string): string
  }
  type SdkSignerClass = new (request: object) => SdkSigner
  const { S3: Signer } = Reflect.get(AWS, 'Signers') as { readonly S3: SdkSignerClass }

  it('belongs to the client that is used', () => {
    expect(new S3({ signatureVersion: 's3' }).config.signatureVersion).toBe('s3')
  })

  it.each(ofKind('header').filter(([, vector]) => knowsParameters(vector)))(
    'signs the headers of a request as botocore: %s',
    (_, vector) => {
      const { method, url, authPath, sessionToken } = vector
      const { path, query } = wireOf(url)
      const headers = sdkHeaders(vector)
      if (sessionToken !== undefined) headers['x-amz-security-token'] = sessionToken
      // It sends X-Amz-Date instead of Date, and has this place for another time.
      headers['presigned-expires'] = vector.expect.date
      const signer = new Signer({
        method,
        headers,
        path: `${authPath ?? path}${query === '' ? '' : `?${query}`}`,
      })
      expect(signer.stringToSign()).toBe(vector.expect.stringToSign)
      const { accessKey, secretKey, expect: expected } = vector
      const signature = signer.sign(secretKey, signer.stringToSign())
      expect(`AWS ${accessKey}:${signature}`).toBe(expected.authorization)
    },
  )
})

function pairOf(pair: string): [string, string] {
  const [name = '', ...value] = pair.split('=')
  return [name, decodeURIComponent(value.join('='))]
}

/** With the names that the signer looks for. */
function sdkHeaders({ headers }: Vector): Record<string, string> {
  const named: Readonly<Record<string, string>> = {
    'content-type': 'Content-Type',
    'content-md5': 'Content-MD5',
  }
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => {
      const lower = name.toLowerCase()
      return [named[lower] ?? lower, value.trim()]
    }),
  )
}

/** `torrent` came and went: the SDK does not sign it. None of our requests has it. */
function knowsParameters({ url }: Vector): boolean {
  return !/[?&]torrent\b/.test(url)
}

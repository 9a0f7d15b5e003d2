import { createVerify, generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { inspect } from 'node:util'
import { afterAll, describe, expect, it } from 'vitest'
import { ImproperlyConfigured, ValidationError } from '../../core/errors.ts'
import {
  CloudFrontSigner,
  type CloudFrontSignerOptions,
  type CloudFrontTerms,
} from './cloudfront.ts'

interface Vector {
  kind: 'canned' | 'custom' | 'storage'
  keyId: string
  url: string
  dateLessThan: string
  dateGreaterThan?: string
  ipAddress?: string
  resource?: string
  expect: { policy: string; url: string; cookies: Record<string, string> }
}

const vectors: {
  privateKey: string
  privateKeyPkcs8: string
  publicKey: string
  cases: Vector[]
} = JSON.parse(
  readFileSync(new URL('../../../test/fixtures/vectors/cloudfront.json', import.meta.url), 'utf8'),
)
const { privateKey, privateKeyPkcs8, publicKey } = vectors
const url = 'https://d1.cloudfront.net/a.txt?v=1'
const expiresAt = new Date('2026-12-31T23:59:59Z')

const folder = mkdtempSync(join(tmpdir(), 'stowage-cloudfront-'))
afterAll(() => rmSync(folder, { recursive: true }))

function fileWith(content: string): string {
  const path = join(folder, `${Math.random()}.pem`)
  writeFileSync(path, content)
  return path
}

function decoded(text = ''): Buffer {
  return Buffer.from(text.replaceAll('-', '+').replaceAll('_', '=').replaceAll('~', '/'), 'base64')
}

function signed(signer: CloudFrontSigner, terms: Partial<CloudFrontTerms> = {}): URLSearchParams {
  return new URL(signer.signUrl(url, { expiresAt, ...terms })).searchParams
}

/** botocore gives a single IPv6 address the mask of IPv4, which lets in 2^96 addresses. */
const isMaskedAsIpv4 = (vector: Vector): boolean => vector.ipAddress?.includes(':') === true

describe('CloudFrontSigner', () => {
  const cases = vectors.cases.filter(vector => vector.kind !== 'storage')
  it.each(cases.filter(vector => !isMaskedAsIpv4(vector)))(
    'signs as botocore does, to the byte: $kind $url $resource $ipAddress',
    vector => {
      const { keyId, dateLessThan, dateGreaterThan, ipAddress, resource } = vector
      const signer = new CloudFrontSigner({ keyId, key: privateKey })
      const terms: CloudFrontTerms = {
        expiresAt: new Date(dateLessThan),
        startsAt: dateGreaterThan === undefined ? undefined : new Date(dateGreaterThan),
        ipAddress,
        resource: resource ?? (vector.kind === 'custom' ? vector.url : undefined),
      }
      expect(signer.signUrl(vector.url, terms)).toBe(vector.expect.url)
      expect(signer.signCookies(vector.url, terms)).toEqual(vector.expect.cookies)
    },
  )

  it('lets in one IPv6 address alone where one is given', () => {
    const vector = cases.find(isMaskedAsIpv4)
    const signer = new CloudFrontSigner({ keyId: 'K1', key: privateKey })
    const policy = decoded(signed(signer, { ipAddress: vector?.ipAddress }).get('Policy') ?? '')
    expect(vector?.expect.policy).toContain('"2001:db8::1/32"')
    expect(policy.toString()).toContain('"2001:db8::1/128"')
  })

  it('takes the key as text, as bytes, with escaped line ends, in PKCS 8, and from a file', () => {
    const path = fileWith(privateKeyPkcs8)
    const sources = [
      privateKey,
      Buffer.from(privateKey),
      privateKey.replaceAll('\n', '\\n'),
      privateKey.replaceAll(/^/gm, '    '),
      privateKeyPkcs8,
      path,
      pathToFileURL(path).href,
    ]
    const urls = sources.map(key =>
      new CloudFrontSigner({ keyId: 'K1', key }).signUrl(url, { expiresAt }),
    )
    expect(new Set(urls).size).toBe(1)
  })

  it('signs with ECDSA keys', () => {
    const pair = generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
    const key = pair.privateKey.export({ type: 'sec1', format: 'pem' }).toString()
    const query = signed(new CloudFrontSigner({ keyId: 'K1', key }), { resource: '*' })
    const verified = createVerify('SHA1').update(decoded(query.get('Policy') ?? ''))
    expect(verified.verify(pair.publicKey, decoded(query.get('Signature') ?? ''))).toBe(true)
  })

  it('signs with SHA-256 where it is told to, and says so', () => {
    const signer = new CloudFrontSigner({ keyId: 'K1', key: privateKey, hashAlgorithm: 'SHA256' })
    const query = signed(signer, { resource: '*' })
    const verified = createVerify('SHA256').update(decoded(query.get('Policy') ?? ''))
    expect(verified.verify(publicKey, decoded(query.get('Signature') ?? ''))).toBe(true)
    expect(query.get('Hash-Algorithm')).toBe('SHA256')
    const cookies = signer.signCookies(url, { expiresAt })
    expect(cookies['CloudFront-Hash-Algorithm']).toBe('SHA256')
  })

  it('signs with the key of an id, so that one key can follow another', () => {
    const next = generateKeyPairSync('rsa', { modulusLength: 2048 })
    const key = {
      OLD: privateKey,
      NEW: next.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    }
    const signer = new CloudFrontSigner({ keyId: 'NEW', key })
    const query = signed(signer, { resource: url })
    const verified = createVerify('SHA1').update(decoded(query.get('Policy') ?? ''))
    expect(query.get('Key-Pair-Id')).toBe('NEW')
    expect(verified.verify(next.publicKey, decoded(query.get('Signature') ?? ''))).toBe(true)
    const before = new CloudFrontSigner({ keyId: 'OLD', key: privateKey })
    expect(signer.signUrl(url, { expiresAt, keyId: 'OLD' })).toBe(
      before.signUrl(url, { expiresAt }),
    )
    expect(() => signer.signUrl(url, { expiresAt, keyId: 'ALD' })).toThrow(
      'There is no CloudFront key "ALD" (OLD, NEW). Did you mean "OLD"?',
    )
  })

  it.each([
    [{ expiresAt: new Date(Number.NaN) }, /date/],
    [{ expiresAt, startsAt: new Date('2027-01-01') }, /startsAt/],
    [{ expiresAt, ipAddress: 'example.com' }, /ipAddress/],
    [{ expiresAt, ipAddress: '999.1.1.1' }, /ipAddress/],
    [{ expiresAt, ipAddress: '192.0.2.0/33' }, /ipAddress/],
    [{ expiresAt, ipAddress: '2001:db8::/129' }, /ipAddress/],
    [{ expiresAt, ipAddress: '...' }, /ipAddress/],
    [{ expiresAt: '2026-12-31' as never }, /expiresAt/],
    [{ expiresAt: new Map() as never }, /date/],
    [undefined as never, /expiresAt/],
    [{ expiresAt, ipAdress: '192.0.2.1' } as never, /Did you mean "ipAddress"\?/],
  ])('refuses terms that make no sense: %s', (terms, message) => {
    const signer = new CloudFrontSigner({ keyId: 'K1', key: privateKey })
    for (const sign of [
      () => signer.signUrl(url, terms),
      () => signer.signCookies(url, terms),
    ] as const) {
      expect(sign).toThrow(ValidationError)
      expect(sign).toThrow(message)
    }
  })

  it.each<[object, RegExp]>([
    [{ keyId: 'K1', key: null }, /"key" of CloudFrontSigner must be/],
    [{ keyId: 'K1', key: 5 }, /"key" of CloudFrontSigner must be/],
    [{ keyId: 'K1', key: { K1: 5 } }, /must be PEM as text or bytes/],
    [{ keyId: 'K1', key: privateKey, hashAlgorithm: 'MD5' }, /must be SHA1 or SHA256/],
    [{ keyId: 'K1', key: privateKey, hash: 'SHA256' }, /no option "hash"/],
  ])('refuses options that make no sense: %s', (options, message) => {
    const make = (): CloudFrontSigner => new CloudFrontSigner(options as CloudFrontSignerOptions)
    expect(make).toThrow(ImproperlyConfigured)
    expect(make).toThrow(message)
  })

  describe('given a key that is none', () => {
    const body = privateKey.split('\n').slice(1, -2)
    const encrypted = generateKeyPairSync('rsa', {
      modulusLength: 2048,
      publicKeyEncoding: { type: 'spki', format: 'pem' },
      privateKeyEncoding: {
        type: 'pkcs8',
        format: 'pem',
        cipher: 'aes-256-cbc',
        passphrase: 'open sesame',
      },
    }).privateKey
    const otherKind = generateKeyPairSync('ed25519')
      .privateKey.export({ type: 'pkcs8', format: 'pem' })
      .toString()

    it.each([
      ['text', 'pem', 'is no private key in PEM, nor the path of a file with one'],
      ['a key without its frame', body.join('\n'), 'is no private key in PEM'],
      ['a key without its frame in one line', body.join(''), 'is no private key in PEM'],
      ['half a key', privateKey.slice(0, 900), 'is a private key in PEM that cannot be read'],
      [
        'a damaged key',
        privateKey.replace(body[3] ?? '', 'AAAA'),
        'is a private key in PEM that cannot be read',
      ],
      ['a public key', publicKey, 'is PEM, but no private key'],
      ['an encrypted key', encrypted, 'is encrypted with a passphrase'],
      ['a key of another kind', otherKind, 'is neither an RSA key nor an ECDSA key on P-256'],
      ['a file without a key', fileWith(body.join('\n')), 'names a file that holds no private key'],
      ['a folder', folder, 'is no private key in PEM, nor the path of a file with one'],
    ])('names the setting and shows nothing of %s', (_, key, problem) => {
      const error = thrownBy(() => new CloudFrontSigner({ keyId: 'K1', key }))
      expect(error).toBeInstanceOf(ImproperlyConfigured)
      expect(error).toMatchObject({
        setting: 'cloudfrontKey',
        message: expect.stringContaining(`AWS_CLOUDFRONT_KEY) ${problem}`),
      })
      const shown = `${inspect(error, { depth: 9, showHidden: true })}${JSON.stringify(error)}`
      for (const line of key.split('\n').filter(text => text.length > 20 && !/^-----/.test(text)))
        expect(shown).not.toContain(line.slice(0, 20))
    })

    it('names the setting of a wrong id', () => {
      expect(() => new CloudFrontSigner({ keyId: 'a&b', key: privateKey })).toThrow(
        /cloudfrontKeyId.*AWS_CLOUDFRONT_KEY_ID/,
      )
      expect(() => new CloudFrontSigner({ keyId: 'K2', key: { K1: privateKey } })).toThrow(
        /"cloudfrontKeyId".*names none of the keys of "cloudfrontKey" \(K1\)/,
      )
    })
  })

  it('shows no key when it is looked at', () => {
    const signer = new CloudFrontSigner({ keyId: 'K1', key: privateKey })
    const shown = `${inspect(signer, { depth: 9, showHidden: true })}${JSON.stringify(signer)}`
    expect(shown).toContain('K1')
    expect(shown).not.toContain(privateKey.slice(40, 60))
    expect(shown).not.toContain('PRIVATE')
  })
})

function thrownBy(act: () => unknown): Error {
  try {
    act()
  } catch (error) {
    if (error instanceof Error) return error
  }
  throw new Error('Nothing was thrown.')
}

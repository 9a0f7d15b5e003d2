import { ImproperlyConfigured, ValidationError } from '../../core/errors.ts'
import { suggestion } from '../../core/nearest.ts'
import {
  type ArgumentTypes,
  checkArguments,
  type OptionSchema,
  resolveOptions,
} from '../../core/options.ts'
import { type KeySource, PrivateKey, UnusableKey } from './platform/private-key.ts'

export interface CloudFrontSignerOptions {
  /** Id of the public key in CloudFront (`K…`, or `APKA…` of old). */
  readonly keyId: string
  /**
   * The private key: RSA or ECDSA on P-256, in PEM, as text, bytes or the path of a file. Or several
   * by their ids, of which `keyId` signs: while keys are replaced, both are at hand.
   */
  readonly key: CloudFrontKey
  /** Default `SHA1`, which every distribution takes. */
  readonly hashAlgorithm?: 'SHA1' | 'SHA256' | undefined
}

export type CloudFrontKey = KeySource | Readonly<Record<string, KeySource>>

/** What a signed URL or cookie allows. With `expiresAt` alone the policy is canned, else custom. */
export interface CloudFrontTerms {
  readonly expiresAt: Date
  readonly startsAt?: Date | undefined
  /** Address or range in CIDR notation (`192.0.2.0/24`) that may use it. */
  readonly ipAddress?: string | undefined
  /** What may be fetched, with `*` and `?` as wildcards. Default: the URL itself. */
  readonly resource?: string | undefined
  /** Another key than the signer's own, by its id. */
  readonly keyId?: string | undefined
}

/** Cookies by name. They go to the distribution's domain, `Secure` and `HttpOnly`. */
export interface CloudFrontCookies {
  readonly 'CloudFront-Expires'?: string
  readonly 'CloudFront-Policy'?: string
  readonly 'CloudFront-Signature': string
  readonly 'CloudFront-Key-Pair-Id': string
  readonly 'CloudFront-Hash-Algorithm'?: string
}

/**
 * Signs URLs and cookies for private content of CloudFront
 * (https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/PrivateContent.html).
 * Its keys are read once, in the constructor.
 */
export class CloudFrontSigner {
  readonly keyId: string
  readonly #keys: ReadonlyMap<string, PrivateKey>
  readonly #hash: 'SHA1' | 'SHA256'

  /** @throws ImproperlyConfigured for what is no key, naming the setting and nothing of the key */
  constructor(options: CloudFrontSignerOptions) {
    const nowhere = { configured: undefined, environment: {} }
    const { keyId, key, hashAlgorithm } = resolveOptions(
      'CloudFrontSigner',
      signerSchema,
      options,
      nowhere,
    )
    this.keyId = checkKeyId(keyId)
    this.#keys = readKeys(keyId, key)
    this.#hash = hashAlgorithm ?? 'SHA1'
  }

  /**
   * The URL with its signature. It is signed as it stands, with its query: what CloudFront shall
   * accept, it must be asked for.
   */
  signUrl(url: string, terms: CloudFrontTerms): string {
    const { limit, signature, keyId } = this.#sign(url, terms)
    const query = `${limit[0]}=${limit[1]}&Signature=${signature}&Key-Pair-Id=${keyId}`
    const hash = this.#hash === 'SHA1' ? '' : `&Hash-Algorithm=${this.#hash}`
    return `${url}${url.includes('?') ? '&' : '?'}${query}${hash}`
  }

  /** Cookies for `url`, or, with `terms.resource`, for everything that it stands for. */
  signCookies(url: string, terms: CloudFrontTerms): CloudFrontCookies {
    const { limit, signature, keyId } = this.#sign(url, terms)
    return {
      [`CloudFront-${limit[0]}`]: limit[1],
      'CloudFront-Signature': signature,
      'CloudFront-Key-Pair-Id': keyId,
      ...(this.#hash === 'SHA1' ? {} : { 'CloudFront-Hash-Algorithm': this.#hash }),
    }
  }

  #sign(url: string, terms: CloudFrontTerms): Signed {
    checkTerms(url, terms)
    const { expiresAt, startsAt, ipAddress, resource, keyId = this.keyId } = terms
    const key = this.#keys.get(keyId)
    if (key === undefined) throw unknownKey(keyId, [...this.#keys.keys()])
    const policy = policyOf(resource ?? url, terms)
    const signature = urlSafe(key.sign(policy, this.#hash))
    const canned = startsAt === undefined && ipAddress === undefined && resource === undefined
    const limit: Signed['limit'] = canned
      ? ['Expires', String(secondsOf(expiresAt))]
      : ['Policy', urlSafe(btoa(policy))]
    return { limit, signature, keyId }
  }
}

const signerSchema: OptionSchema<CloudFrontSignerOptions> = {
  keyId: { type: 'string', meaning: 'Id of the public key.' },
  key: { type: 'string or object', meaning: 'The private key, or several by their ids.' },
  hashAlgorithm: {
    type: 'string',
    check: (algorithm: string) =>
      algorithm === 'SHA1' || algorithm === 'SHA256' ? undefined : 'must be SHA1 or SHA256',
    meaning: 'Hash that is signed.',
  },
}

const termTypes: ArgumentTypes<CloudFrontTerms> = {
  expiresAt: 'object',
  startsAt: 'object',
  ipAddress: 'string',
  resource: 'string',
  keyId: 'string',
}

/** A term that was misspelt would be a restriction that is not there. */
function checkTerms(url: string, terms: CloudFrontTerms): void {
  if (typeof url !== 'string') throw new ValidationError('What CloudFront shall give is a URL.')
  if (terms === undefined) throw new ValidationError('The terms of CloudFront need expiresAt.')
  checkArguments('signUrl', termTypes, terms)
}

interface Signed {
  readonly limit: readonly ['Expires' | 'Policy', string]
  readonly signature: string
  readonly keyId: string
}

function readKeys(keyId: string, key: CloudFrontKey): ReadonlyMap<string, PrivateKey> {
  if (typeof key === 'string' || key instanceof Uint8Array)
    return new Map([[keyId, readKey(key, '')]])
  const keys = new Map(
    Object.entries(key).map(([id, source]) => [
      checkKeyId(id),
      readKey(source, ` (of ${JSON.stringify(id)})`),
    ]),
  )
  if (keys.has(keyId)) return keys
  throw new ImproperlyConfigured(
    `Option "cloudfrontKeyId" (AWS_CLOUDFRONT_KEY_ID) names none of the keys of "cloudfrontKey" (${[...keys.keys()].join(', ')}).`,
    { setting: 'cloudfrontKeyId' },
  )
}

function readKey(source: KeySource, which: string): PrivateKey {
  try {
    if (typeof source !== 'string' && !(source instanceof Uint8Array))
      throw new UnusableKey('must be PEM as text or bytes, or the path of a file')
    return new PrivateKey(source)
  } catch (error) {
    if (!(error instanceof UnusableKey)) throw error
    throw new ImproperlyConfigured(
      `Option "cloudfrontKey" (AWS_CLOUDFRONT_KEY)${which} ${error.message}.`,
      { setting: 'cloudfrontKey' },
    )
  }
}

/** The id stands in URLs and cookies as it is. */
function checkKeyId(keyId: string): string {
  if (typeof keyId === 'string' && /^[A-Za-z0-9_-]+$/.test(keyId)) return keyId
  throw new ImproperlyConfigured(
    'Option "cloudfrontKeyId" (AWS_CLOUDFRONT_KEY_ID) must be the id of a public key, such as K2JCJMDEHXQW5F.',
    { setting: 'cloudfrontKeyId' },
  )
}

/** In botocore's order and spacing, so that equal terms give equal URLs. */
function policyOf(resource: string, terms: CloudFrontTerms): string {
  const { expiresAt, startsAt, ipAddress } = terms
  const until = secondsOf(expiresAt)
  const conditions = [`"DateLessThan":{"AWS:EpochTime":${until}}`]
  if (ipAddress !== undefined)
    conditions.push(`"IpAddress":{"AWS:SourceIp":${asciiJson(rangeOf(ipAddress))}}`)
  if (startsAt !== undefined) {
    const from = secondsOf(startsAt)
    if (from >= until) throw new ValidationError('startsAt must come before expiresAt.')
    conditions.push(`"DateGreaterThan":{"AWS:EpochTime":${from}}`)
  }
  return `{"Statement":[{"Resource":${asciiJson(resource)},"Condition":{${conditions.join(',')}}}]}`
}

/** Whole seconds since 1970, cut. */
function secondsOf(date: Date): number {
  const seconds = date instanceof Date ? Math.floor(date.getTime() / 1000) : Number.NaN
  if (seconds >= 0) return seconds
  throw new ValidationError('A date of a CloudFront policy is no valid date since 1970.')
}

/** A single address needs its mask: 32 bits, for IPv6, 128. */
function rangeOf(address: string): string {
  const [host = '', mask, ...rest] = address.split('/')
  const bits = host.includes(':') ? 128 : 32
  const isMask = mask === undefined || (/^\d{1,3}$/.test(mask) && Number(mask) <= bits)
  if (!isIpAddress(host) || !isMask || rest.length > 0)
    throw new ValidationError('ipAddress must be an IP address or a range such as 192.0.2.0/24.')
  return mask === undefined ? `${host}/${bits}` : address
}

function isIpAddress(host: string): boolean {
  if (host.includes(':')) return URL.canParse(`http://[${host}]/`)
  return /^\d{1,3}(\.\d{1,3}){3}$/.test(host) && host.split('.').every(part => Number(part) < 256)
}

/** JSON in ASCII alone, as Python writes it. */
function asciiJson(text: string): string {
  return JSON.stringify(text).replaceAll(
    /[\u0080-\uffff]/g,
    unit => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

/** CloudFront's own alphabet, for what stands in a query or a cookie. */
function urlSafe(base64: string): string {
  return base64.replaceAll('+', '-').replaceAll('=', '_').replaceAll('/', '~')
}

function unknownKey(keyId: string, known: readonly string[]): ValidationError {
  return new ValidationError(
    `There is no CloudFront key ${JSON.stringify(keyId)} (${known.join(', ')}).${suggestion(keyId, known)}`,
  )
}

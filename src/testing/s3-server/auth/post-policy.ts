import type { Account } from '../accounts.ts'
import { S3Error } from '../errors.ts'
import type { Verification } from './authentication.ts'
import { asBytes, hmacSha1, hmacSha256, sameSignature } from './hmac.ts'
import { accountOf, type Credential, parseCredential, signingKey } from './sigv4.ts'
import { isoSeconds } from './time.ts'

type Fields = ReadonlyMap<string, string>

/** How many bytes a file of a form may have. */
export interface LengthRange {
  readonly min: number
  readonly max: number
}

/** What a form's policy allows. */
export interface PostPermission {
  readonly account: Account
  readonly range: LengthRange | undefined
}

/**
 * Verifies the signature of a form (version 4 or 2) and that its fields are what the policy allows
 * (https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-HTTPPOSTConstructPolicy.html).
 * @param fields by lower-case name, with `bucket`
 * @returns undefined for a form without a policy, which is anonymous
 * @throws S3Error with the code that S3 gives for what is wrong
 */
export function verifyPost(fields: Fields, on: Verification): PostPermission | undefined {
  const policy = fields.get('policy')
  if (policy === undefined) return undefined
  const v4 = fields.has('x-amz-signature') || fields.has('x-amz-algorithm')
  const account = v4 ? verifyV4(fields, policy, on) : verifyV2(fields, policy, on)
  if (fields.get('x-amz-security-token') !== account.sessionToken) throw new S3Error('InvalidToken')
  return { account, range: checkPolicy(parsePolicy(policy), fields, on.now) }
}

function verifyV4(fields: Fields, policy: string, on: Verification): Account {
  if (required(fields, 'x-amz-algorithm') !== 'AWS4-HMAC-SHA256') {
    throw new S3Error('InvalidRequest', 'The algorithm of the form is not supported')
  }
  const credential = parseCredential(required(fields, 'x-amz-credential'))
  const date = required(fields, 'x-amz-date')
  const signature = required(fields, 'x-amz-signature')
  checkCredential(credential, date, on)
  const account = accountOf(credential.accessKey, on)
  const expected = hmacSha256(signingKey(account, credential), policy).toString('hex')
  if (sameSignature(expected, signature)) return account
  throw mismatch(account, policy, signature)
}

function verifyV2(fields: Fields, policy: string, on: Verification): Account {
  const account = accountOf(required(fields, 'awsaccesskeyid'), on)
  const signature = required(fields, 'signature')
  if (sameSignature(hmacSha1(account.secretKey, policy), signature)) return account
  throw mismatch(account, policy, signature)
}

function required(fields: Fields, name: string): string {
  const value = fields.get(name)
  if (value) return value
  throw new S3Error(
    'InvalidArgument',
    `Bucket POST must contain a field named '${name}'.  If it is specified, please check the order of the fields.`,
    { elements: { ArgumentName: name, ArgumentValue: '' } },
  )
}

function checkCredential(
  credential: Credential | undefined,
  date: string,
  on: Verification,
): asserts credential is Credential {
  const valid =
    credential?.service === 's3' &&
    credential.terminal === 'aws4_request' &&
    date.startsWith(credential.date)
  if (valid && on.regions.includes(credential.region)) return
  const expected = on.regions[0] ?? ''
  throw new S3Error(
    'AuthorizationQueryParametersError',
    `Error parsing the X-Amz-Credential parameter; expecting "<YOUR-AKID>/YYYYMMDD/${expected}/s3/aws4_request"`,
    { elements: { Region: expected } },
  )
}

function mismatch(account: Account, policy: string, signature: string): S3Error {
  return new S3Error('SignatureDoesNotMatch', undefined, {
    elements: {
      AWSAccessKeyId: account.accessKey,
      StringToSign: policy,
      SignatureProvided: signature,
    },
  })
}

interface Policy {
  readonly expiration: Date
  readonly conditions: readonly Condition[]
}

type Condition =
  | { readonly kind: 'eq' | 'starts-with'; readonly field: string; readonly value: string }
  | { readonly kind: 'content-length-range'; readonly range: LengthRange }

function parsePolicy(encoded: string): Policy {
  const document = parseJson(Buffer.from(encoded, 'base64').toString('utf8'))
  const { expiration, conditions } = document
  if (
    typeof expiration !== 'string' ||
    !/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/.test(expiration)
  ) {
    throw invalidPolicy("Invalid Policy: Invalid 'expiration' value")
  }
  if (!Array.isArray(conditions))
    throw invalidPolicy("Invalid Policy: Policy missing 'conditions'.")
  return { expiration: new Date(expiration), conditions: conditions.flatMap(parseCondition) }
}

function parseJson(text: string): { expiration?: unknown; conditions?: unknown } {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === 'object' && value !== null) return value
  } catch {
    throw invalidPolicy('Invalid Policy: Invalid JSON.')
  }
  throw invalidPolicy('Invalid Policy: Invalid JSON.')
}

function parseCondition(condition: unknown): Condition[] {
  if (Array.isArray(condition)) return [parseListCondition(condition)]
  if (typeof condition !== 'object' || condition === null) throw invalidPolicy()
  return Object.entries(condition).map(([field, value]) => {
    if (typeof value !== 'string') throw invalidPolicy()
    return { kind: 'eq', field: field.toLowerCase(), value: asBytes(value) }
  })
}

function parseListCondition(condition: readonly unknown[]): Condition {
  const [kind, first, second] = condition
  if (condition.length !== 3 || typeof kind !== 'string') throw invalidPolicy()
  if (kind.toLowerCase() === 'content-length-range') {
    const range = { min: Number(first), max: Number(second) }
    if (Number.isInteger(range.min) && Number.isInteger(range.max)) {
      return { kind: 'content-length-range', range }
    }
    throw invalidPolicy()
  }
  const test = kind.toLowerCase()
  if (test !== 'eq' && test !== 'starts-with') throw invalidPolicy()
  if (typeof first !== 'string' || typeof second !== 'string' || !first.startsWith('$')) {
    throw invalidPolicy()
  }
  return { kind: test, field: first.slice(1).toLowerCase(), value: asBytes(second) }
}

function invalidPolicy(message = 'Invalid Policy: Invalid conditions'): S3Error {
  return new S3Error('InvalidPolicyDocument', message)
}

/** What the policy does not have to name. */
const UNLISTED = /^(?:x-amz-signature|file|policy|signature|awsaccesskeyid|bucket|x-ignore-.*)$/

function checkPolicy(policy: Policy, fields: Fields, now: Date): LengthRange | undefined {
  if (policy.expiration <= now) {
    throw denied(`Policy expired.`, { Expiration: isoSeconds(policy.expiration) })
  }
  let range: LengthRange | undefined
  const named = new Set<string>()
  for (const condition of policy.conditions) {
    if (condition.kind === 'content-length-range') range = condition.range
    else {
      named.add(condition.field)
      checkCondition(condition, asBytes(fields.get(condition.field) ?? ''))
    }
  }
  const extra = [...fields.keys()].filter(name => !named.has(name) && !UNLISTED.test(name))
  if (extra.length > 0) throw denied(`Extra input fields: ${extra.join(', ')}`)
  return range
}

function checkCondition(
  { kind, field, value }: Exclude<Condition, { kind: 'content-length-range' }>,
  given: string,
): void {
  // A Content-Type may be a list, each of which has to fit.
  const values = field === 'content-type' && kind === 'starts-with' ? given.split(/,\s*/) : [given]
  const holds = values.every(one => (kind === 'eq' ? one === value : one.startsWith(value)))
  if (!holds) throw denied(`Policy Condition failed: ${JSON.stringify([kind, `$${field}`, value])}`)
}

function denied(reason: string, elements: Record<string, string> = {}): S3Error {
  return new S3Error('AccessDenied', `Invalid according to Policy: ${reason}`, { elements })
}

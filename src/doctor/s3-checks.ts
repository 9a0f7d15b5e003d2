import { cleanupSignal } from '../backends/s3/cleanup-signal.ts'
import type { ProbeAnswer, ProbeRequest, S3Probe } from '../backends/s3/probe.ts'
import type { ConditionSupport } from '../backends/s3/profiles.ts'
import { adviceOn, problemOf } from './advice.ts'
import type { Findings, Step } from './diagnosis.ts'
import {
  keyCodes,
  oldUpload,
  regionCodes,
  runCheck,
  type ServiceChecks,
  tellForbiddenListing,
  tellPrivate,
  tellPublic,
  tellUploads,
} from './service-checks.ts'

/** S3 refuses signatures that are older or newer, in milliseconds. */
const skewLimit = 15 * 60_000
/** A clock that is off by this much is worth a word. */
const skewToTell = 60_000
/** What an S3 service is asked by a probe, which gets its answers as they are. */
export class S3Checks implements ServiceChecks {
  readonly #probe: S3Probe
  readonly #findings: Findings
  readonly #signal: AbortSignal
  /** Keys of checks that may have left an object. */
  readonly #keys: string[] = []

  constructor(probe: S3Probe, findings: Findings, signal: AbortSignal) {
    this.#probe = probe
    this.#findings = findings
    this.#signal = signal
  }

  async access(): Promise<boolean> {
    if (!(await this.#haveCredentials())) return false
    // Each answer may tell of one thing that is wrong, and what would be right.
    for (let turn = 0; turn < 4; turn++) {
      const answer = await this.#firstAnswer()
      if (answer === undefined) return false
      if (this.#corrected(answer)) continue
      return await this.#judge(answer)
    }
    this.#findings.fail(
      'region',
      'The service names one region after the other.',
      'Set "regionName" to the region of the bucket.',
    )
    return false
  }

  async acl(): Promise<void> {
    const { defaultAcl, profile } = this.#probe.setup
    await this.#try('acl', 's3:GetBucketOwnershipControls', async () => {
      const sends = defaultAcl !== undefined && defaultAcl !== null
      if (profile.acls === 'refused' || profile.acls === 'ignored')
        return this.#judgeAcl(false, sends, `${profile.title} knows no ACLs of objects`)
      const { status, text } = await this.#ask({ method: 'GET', query: 'ownershipControls=' })
      const enforced = text.includes('BucketOwnerEnforced')
      if (status === 200 && enforced)
        return this.#judgeAcl(false, sends, 'ACLs are off in this bucket (BucketOwnerEnforced)')
      if (status === 200 || status === 404)
        return this.#judgeAcl(true, sends, 'ACLs are on in this bucket')
      this.#findings.skip('acl', 'The service does not say whether the bucket takes ACLs.')
    })
  }

  async cors(): Promise<void> {
    await this.#try('cors', 's3:GetBucketCORS', async () => {
      const { status, text } = await this.#ask({ method: 'GET', query: 'cors=' })
      const rules = text.match(/<CORSRule>/g)?.length ?? 0
      if (status === 200 && rules > 0)
        this.#findings.ok('cors', `The bucket has ${rules} CORS rule${rules === 1 ? '' : 's'}.`)
      else if (status === 404)
        this.#findings.ok(
          'cors',
          'The bucket has no CORS rules: pages of other origins can neither read nor upload.',
        )
      else this.#findings.skip('cors', 'The service does not say which CORS rules there are.')
    })
  }

  async conditions(name: string): Promise<void> {
    await this.#try('conditional write', 's3:PutObject', async () => {
      const { profile } = this.#probe.setup
      const key = this.#key(name, 'conditions')
      await this.#put(key)
      const again = await this.#put(key, { 'if-none-match': '*' })
      this.#compare('If-None-Match on PutObject', profile.conditions.putIfNoneMatch, again)
      const { etag = '""' } = await this.#ask({ method: 'HEAD', key })
      const quoted = await this.#put(key, { 'if-match': etag })
      const bare = await this.#put(key, { 'if-match': etag.replaceAll('"', '') })
      this.#compareQuotes(profile.conditions.quotedIfMatch, quoted.status, bare.status)
    })
  }

  /** An upload in parts, and what becomes of a condition on its completion. */
  async multipart(name: string): Promise<void> {
    await this.#try('multipart', 's3:PutObject and s3:AbortMultipartUpload', async () => {
      const { profile } = this.#probe.setup
      const key = this.#key(name, 'parts')
      const first = await this.#uploadInParts(key, {})
      if (first.status !== 200 || first.code !== '') return this.#failMultipart(first)
      this.#findings.ok('multipart', 'A file can be uploaded in parts.')
      const { completeIfNoneMatch: expected } = profile.conditions
      if (expected === 'refused') return
      const again = await this.#uploadInParts(key, { 'if-none-match': '*' })
      this.#compare('If-None-Match on CompleteMultipartUpload', expected, again)
    })
  }

  async uploads(): Promise<void> {
    await this.#try('uploads', 's3:ListBucketMultipartUploads', async () => {
      const { prefix } = this.#probe.setup
      const query = `${prefix === '' ? '' : `prefix=${encodeURIComponent(prefix)}&`}uploads=`
      const { status, text } = await this.#ask({ method: 'GET', query })
      if (status !== 200)
        return this.#findings.skip('uploads', `Open uploads cannot be listed (status ${status}).`)
      const times = [...text.matchAll(/<Initiated>([^<]+)<\/Initiated>/g)].map(([, time = '']) =>
        Date.parse(time),
      )
      const old = times.filter(time => time < this.#probe.now() - oldUpload)
      tellUploads(this.#findings, old.length)
    })
  }

  async public(name: string): Promise<void> {
    await this.#try('public', 'anything at all', async () => {
      const key = this.#probe.setup.prefix + name
      const { status } = await this.#ask({ method: 'GET', key, signed: false })
      if (status !== 200) return tellPrivate(this.#findings, status)
      const anonymous = await this.#ask({ method: 'GET', query: 'list-type=2', signed: false })
      if (anonymous.status === 200)
        return this.#findings.warn(
          'public',
          'Anybody can read the files of this bucket, and list their names.',
          'Take the permission to list (s3:ListBucket) from everybody, and that to read as well, unless all files are public.',
        )
      tellPublic(this.#findings)
    })
  }

  async remove(signal: AbortSignal): Promise<void> {
    for (const key of this.#keys) {
      // What stays is told by the step `delete`, which deletes in the same folder.
      await this.#probe.ask({ method: 'DELETE', key, signal }).catch(() => undefined)
    }
  }

  async #haveCredentials(): Promise<boolean> {
    try {
      await this.#probe.setup.credentials.get()
      return true
    } catch (error) {
      this.#findings.fail(
        'credentials',
        problemOf(error),
        adviceOn(error, 'the role to be taken on'),
      )
      return false
    }
  }

  async #firstAnswer(): Promise<ProbeAnswer | undefined> {
    try {
      return await this.#ask({ method: 'GET', query: 'list-type=2&max-keys=1' })
    } catch (error) {
      this.#signal.throwIfAborted()
      this.#findings.fail('bucket', problemOf(error), adviceOn(error, 's3:ListBucket'))
      return undefined
    }
  }

  /** Whether the answer told of a wrong clock or region, which is made good for what follows. */
  #corrected(answer: ProbeAnswer): boolean {
    if (!this.#findings.has('clock') && answer.date !== undefined) {
      const skew = answer.date - this.#probe.now()
      this.#judgeClock(skew)
      if (Math.abs(skew) > skewToTell) this.#probe.correct({ clockOffset: skew })
      if (answer.code === 'RequestTimeTooSkewed') return true
    }
    const wrongRegion = regionCodes.has(answer.code) || [301, 307, 308].includes(answer.status)
    if (!wrongRegion || answer.region === undefined || this.#findings.has('region')) return false
    this.#findings.fail(
      'region',
      `The bucket is in region ${answer.region}, and another one is asked for.`,
      `Set "regionName" (AWS_S3_REGION_NAME) to "${answer.region}".`,
    )
    this.#probe.correct({ region: answer.region })
    return true
  }

  #judgeClock(skew: number): void {
    const seconds = Math.round(Math.abs(skew) / 1000)
    const found = `The clock of this machine is ${seconds} s ${skew > 0 ? 'behind' : 'ahead of'} that of the service.`
    const advice =
      'Set the clock (NTP): signatures are refused from 15 minutes on, and signed URLs end at another time.'
    if (Math.abs(skew) > skewLimit) this.#findings.fail('clock', found, advice)
    else if (Math.abs(skew) > skewToTell) this.#findings.warn('clock', found, advice)
    else this.#findings.ok('clock', 'The clock of this machine is right.')
  }

  async #judge(answer: ProbeAnswer): Promise<boolean> {
    const { bucketName } = this.#probe.setup
    if (keyCodes.has(answer.code)) {
      this.#findings.fail(
        'credentials',
        `The service does not take the keys (${answer.code}).`,
        keyAdvice[answer.code] ?? 'Correct "accessKey" and "secretKey".',
      )
      return false
    }
    this.#findings.ok('credentials', 'The service takes the keys.')
    if (!this.#findings.has('region'))
      this.#findings.ok(
        'region',
        `Requests are signed for region ${(await this.#probe.location()).region}.`,
      )
    if (answer.status === 404) {
      this.#findings.fail(
        'bucket',
        `There is no bucket "${bucketName}".`,
        'Create it, or correct "bucketName" (AWS_STORAGE_BUCKET_NAME), "endpointUrl" and "addressingStyle".',
      )
      return false
    }
    if (answer.status === 200) this.#findings.ok('bucket', `The bucket "${bucketName}" is there.`)
    else if (answer.status === 403) tellForbiddenListing(this.#findings, bucketName)
    else return this.#failBucket(answer)
    return true
  }

  #failBucket({ status, code, text }: ProbeAnswer): boolean {
    const said = code === '' ? `, and no document of S3 (${text.length} characters)` : ` (${code})`
    this.#findings.fail(
      'bucket',
      `The service answers with status ${status}${said}.`,
      'Check that "endpointUrl" is that of the S3 service itself, with its path, and no web console or balancer.',
    )
    return false
  }

  #judgeAcl(taken: boolean, sent: boolean, found: string): void {
    if (taken && !sent) this.#findings.ok('acl', `${found}; none is sent.`)
    else if (taken) this.#findings.ok('acl', `${found}, and one is sent with each file.`)
    else if (!sent) this.#findings.ok('acl', `${found}, and none is sent.`)
    else
      this.#findings.fail(
        'acl',
        `${found}, but "defaultAcl" has one sent with each file.`,
        'Set "defaultAcl" (AWS_DEFAULT_ACL) to null, and make files public by a policy of the bucket if they have to be.',
      )
  }

  /** `answer` is that of a write whose condition does not hold. */
  #compare(what: string, expected: ConditionSupport, answer: ProbeAnswer): void {
    const found = supportOf(answer)
    if (found === undefined || found === expected || this.#findings.has('conditional write')) return
    const { profile } = this.#probe.setup
    const trusted = expected === 'honoured'
    const text = `${what} is ${found}, where the profile "${profile.name}" says ${expected}.`
    if (trusted)
      this.#findings.fail(
        'conditional write',
        text,
        'Set "profile" to what the service is (docs/providers.md): saves that may not overwrite can lose files.',
      )
    else if (found === 'refused' && expected !== 'unknown')
      this.#findings.fail(
        'conditional write',
        text,
        'Set "profile" to what the service is (docs/providers.md).',
      )
  }

  #compareQuotes(expected: boolean, quoted: number, bare: number): void {
    const takesQuoted = quoted === 200
    const takesBare = bare === 200
    if (takesQuoted === takesBare || expected === takesQuoted) return
    if (this.#findings.has('conditional write')) return
    this.#findings.fail(
      'conditional write',
      `If-Match is taken ${takesQuoted ? 'with' : 'without'} quotes only, where the profile "${this.#probe.setup.profile.name}" says otherwise.`,
      'Set "profile" to what the service is (docs/providers.md): saves with "ifMatch" fail.',
    )
  }

  #failMultipart({ status, code, message }: ProbeAnswer): void {
    this.#findings.fail(
      'multipart',
      `An upload in parts fails: ${code === '' ? `status ${status}` : code}${message === '' ? '' : `, ${message}`}`,
      status === 403
        ? 'Allow s3:PutObject and s3:AbortMultipartUpload.'
        : 'Files above "multipartThreshold" cannot be saved there: raise it, or look at what the service says.',
    )
  }

  async #uploadInParts(
    key: string,
    conditions: Readonly<Record<string, string>>,
  ): Promise<ProbeAnswer> {
    const started = await this.#ask({ method: 'POST', key, query: 'uploads=' })
    const uploadId = /<UploadId>([^<]+)<\/UploadId>/.exec(started.text)?.[1]
    if (uploadId === undefined) return started
    const id = encodeURIComponent(uploadId)
    let answer: ProbeAnswer | undefined
    try {
      const part = await this.#ask({
        method: 'PUT',
        key,
        query: `partNumber=1&uploadId=${id}`,
        body: 'part',
      })
      if (part.status !== 200) return part
      const etag = part.etag ?? ''
      const body = `<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>${etag}</ETag></Part></CompleteMultipartUpload>`
      const query = `uploadId=${id}`
      answer = await this.#ask({ method: 'POST', key, query, body, headers: conditions })
      return answer
    } finally {
      if (answer?.status !== 200) await this.#abort(key, id)
    }
  }

  /** What stays of a failed upload would be one more leftover. */
  async #abort(key: string, id: string): Promise<void> {
    const signal = cleanupSignal()
    const query = `uploadId=${id}`
    await this.#probe.ask({ method: 'DELETE', key, query, signal }).catch(() => undefined)
  }

  async #put(key: string, headers: Readonly<Record<string, string>> = {}): Promise<ProbeAnswer> {
    return await this.#ask({ method: 'PUT', key, headers, body: 'probe' })
  }

  /** A key beside the file that was written, remembered to be removed. */
  #key(name: string, suffix: string): string {
    const key = `${this.#probe.setup.prefix}${name}.${suffix}`
    this.#keys.push(key)
    return key
  }

  async #ask(request: ProbeRequest): Promise<ProbeAnswer> {
    return await this.#probe.ask({ ...request, signal: this.#signal })
  }

  #try(step: Step, permission: string, work: () => Promise<void>): Promise<void> {
    return runCheck({ findings: this.#findings, signal: this.#signal }, step, permission, work)
  }
}

const keyAdvice: Readonly<Record<string, string | undefined>> = {
  InvalidAccessKeyId:
    'The service does not know "accessKey": correct it, or "endpointUrl" if it is that of another service.',
  SignatureDoesNotMatch:
    'Correct "secretKey"; else something in front of the service changes paths, queries or headers.',
  InvalidToken: 'Correct "securityToken": it belongs to other keys.',
  ExpiredToken: 'Renew "accessKey", "secretKey" and "securityToken" together.',
}

function supportOf({ status, code }: ProbeAnswer): ConditionSupport | undefined {
  if (status === 412) return 'honoured'
  if (status === 200 && code === '') return 'ignored'
  return status === 501 || code === 'NotImplemented' || status === 400 ? 'refused' : undefined
}

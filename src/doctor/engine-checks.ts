import { beginUpload } from '../backends/s3/begin-upload.ts'
import { cleanupSignal } from '../backends/s3/cleanup-signal.ts'
import type { EngineSubject } from '../backends/s3/probe-offer.ts'
import { hasCode } from '../core/errors.ts'
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

/** Of {@link EngineChecks}. */
export interface EngineCheckOptions {
  readonly subject: EngineSubject
  readonly findings: Findings
  readonly fetch: (url: string, init: RequestInit) => Promise<Response>
  readonly signal: AbortSignal
}

/**
 * What can be asked through the engine of a storage itself, where a client of somebody else makes
 * the requests: with its network, its keys and its signature. Answers come as it makes them, so
 * that clock, region, ACLs and CORS rules cannot be looked at.
 */
export class EngineChecks implements ServiceChecks {
  readonly #options: EngineCheckOptions
  /** Keys of checks that may have left an object. */
  readonly #keys: string[] = []

  constructor(options: EngineCheckOptions) {
    this.#options = options
  }

  async access(): Promise<boolean> {
    const { subject, findings, signal } = this.#options
    const { engine, prefix, bucketName } = subject
    try {
      await engine.listObjects({ prefix, delimiter: '/', token: undefined, signal })
    } catch (error) {
      signal.throwIfAborted()
      return this.#judge(error)
    }
    findings.ok('credentials', 'The service takes the keys.')
    findings.ok('bucket', `The bucket "${bucketName}" is there.`)
    this.#leaveOut('clock', 'region')
    return true
  }

  async acl(): Promise<void> {
    this.#leaveOut('acl')
  }

  async cors(): Promise<void> {
    this.#leaveOut('cors')
  }

  /** What a save makes of them is looked at with any storage. */
  async conditions(): Promise<void> {}

  async multipart(name: string): Promise<void> {
    const { subject, findings, signal } = this.#options
    const { engine, prefix, accessOf } = subject
    await this.#check('multipart', 's3:PutObject and s3:AbortMultipartUpload', async () => {
      const key = `${prefix}${name}.parts`
      this.#keys.push(key)
      const parameters = accessOf(`${name}.parts`) ?? {}
      const { uploadId } = await beginUpload(engine, key, { parameters, signal })
      try {
        const part = await engine.uploadPart(key, uploadId, 1, content, { signal })
        await engine.completeUpload(key, uploadId, [part], { condition: undefined, signal })
      } catch (error) {
        // What stays of a failed upload would be one more leftover.
        const last = { signal: cleanupSignal() }
        await engine.abortUpload(key, uploadId, last).catch(() => undefined)
        throw error
      }
      findings.ok('multipart', 'A file can be uploaded in parts.')
    })
  }

  async uploads(): Promise<void> {
    const { subject, findings, signal } = this.#options
    const { engine, prefix } = subject
    await this.#check('uploads', 's3:ListBucketMultipartUploads', async () => {
      let old = 0
      for await (const { key, initiated } of engine.listUploads(prefix, { signal }))
        if (key.startsWith(prefix) && initiated < Date.now() - oldUpload) old++
      tellUploads(findings, old)
    })
  }

  async public(name: string): Promise<void> {
    const { subject, findings, fetch, signal } = this.#options
    const { engine, prefix } = subject
    await this.#check('public', 'anything at all', async () => {
      const plain = { method: 'GET', expiresIn: undefined, query: [], headers: [] } as const
      const response = await fetch(await engine.presign(prefix + name, plain), { signal })
      await response.body?.cancel()
      if (response.ok) tellPublic(findings)
      else tellPrivate(findings, response.status)
    })
  }

  async remove(signal: AbortSignal): Promise<void> {
    const { engine } = this.#options.subject
    for (const key of this.#keys) {
      // What stays is told by the step `delete`, which deletes in the same folder.
      await engine.deleteObject(key, { signal }).catch(() => undefined)
    }
  }

  /** Whether more can be looked at after what the first question came to. */
  #judge(error: unknown): boolean {
    const { findings, subject } = this.#options
    if (hasCode(error, 'ERR_STORAGE_PERMISSION_DENIED') && stepOf(error) === 'bucket') {
      findings.ok('credentials', 'The service takes the keys.')
      tellForbiddenListing(findings, subject.bucketName)
      this.#leaveOut('clock', 'region')
      return true
    }
    findings.fail(stepOf(error), problemOf(error), adviceOn(error, 's3:ListBucket'))
    return false
  }

  #leaveOut(...steps: Step[]): void {
    for (const step of steps)
      this.#options.findings.skip(step, 'Not looked at: an SDK makes the requests.')
  }

  #check(step: Step, permission: string, work: () => Promise<void>): Promise<void> {
    return runCheck(this.#options, step, permission, work)
  }
}

const content = new TextEncoder().encode('part')

/** What an error is about. */
function stepOf(error: unknown): Step {
  const code = error instanceof Error ? codeOf(error.cause) : ''
  if (regionCodes.has(code)) return 'region'
  if (hasCode(error, 'ERR_STORAGE_IMPROPERLY_CONFIGURED'))
    return steps[error.setting ?? ''] ?? 'bucket'
  if (!hasCode(error, 'ERR_STORAGE_PERMISSION_DENIED')) return 'bucket'
  if (keyCodes.has(code)) return 'credentials'
  return code === 'RequestTimeTooSkewed' ? 'clock' : 'bucket'
}

const steps: Readonly<Record<string, Step | undefined>> = {
  accessKey: 'credentials',
  client: 'credentials',
  regionName: 'region',
  secretKey: 'credentials',
  sessionProfile: 'credentials',
}

/** The service's code, where each of the SDKs has it. */
function codeOf(cause: unknown): string {
  if (!(cause instanceof Error)) return ''
  return 'code' in cause && typeof cause.code === 'string' ? cause.code : cause.name
}

import { probeOf, subjectOf } from '../backends/s3/probe-offer.ts'
import { loadedTarget } from '../config/storage-kind.ts'
import type { Storage } from '../core/storage.ts'
import { adviceOn, problemOf } from './advice.ts'
import { type Check, type Diagnosis, Findings, limited, type Step, steps } from './diagnosis.ts'
import { EngineChecks } from './engine-checks.ts'
import { FileChecks, type Permissions } from './file-checks.ts'
import { S3Checks } from './s3-checks.ts'
import type { ServiceChecks } from './service-checks.ts'

export interface DiagnoseOptions {
  /** Called with each finding as it is made. */
  onCheck?(check: Check): void
  /** Fetches the URL of a file. Default: the global `fetch`. */
  fetch?(url: string, init: RequestInit): Promise<Response>
  readonly signal?: AbortSignal | undefined
}

/**
 * Looks at a storage step by step, on the real service: what is wrong, and what to do about it.
 * Changes nothing but files of its own (`stowage-doctor-…`), which it removes. Any storage is
 * written, read, listed, and asked for URLs; S3 is asked for more.
 *
 * Resolves whatever is found, and rejects only with `signal.reason`.
 */
export async function diagnose(
  storage: Storage,
  options: DiagnoseOptions = {},
): Promise<Diagnosis> {
  const findings = new Findings(options.onCheck)
  const signal = limited(options.signal)
  let name = 'not configured'
  try {
    const target = await loadedTarget(storage)
    name = target.backend.name
    await examine(target, findings, signal, options.fetch ?? fetch)
  } catch (error) {
    options.signal?.throwIfAborted()
    findings.fail('bucket', problemOf(error), adviceOn(error, 'the service to be asked'))
  }
  return { storage: name, ok: !findings.failed, checks: findings.checks }
}

async function examine(
  storage: Storage,
  findings: Findings,
  signal: AbortSignal,
  fetchUrl: NonNullable<DiagnoseOptions['fetch']>,
): Promise<void> {
  const s3 = await serviceChecks(storage, findings, signal, fetchUrl)
  if (s3 === 'failed') return skipRest(findings)
  if (s3 !== undefined && !(await s3.access())) return skipRest(findings)
  await s3?.acl()
  await s3?.cors()
  const permissions = s3 === undefined ? onDisk : onS3
  const files = new FileChecks({ storage, findings, permissions, fetch: fetchUrl, signal })
  try {
    if (await files.write()) await examineFile(files, s3)
  } finally {
    // Also after an abort: what was written must not stay.
    const cleanUp = AbortSignal.timeout(30_000)
    await s3?.remove(cleanUp)
    await files.remove(cleanUp)
  }
  await s3?.uploads()
  skipRest(findings, s3 === undefined ? fileSteps : steps)
}

async function examineFile(files: FileChecks, s3: ServiceChecks | undefined): Promise<void> {
  const { name = '' } = files
  await files.read()
  await files.list()
  await s3?.conditions(name)
  await s3?.multipart(name)
  await files.conditionalWrite()
  await files.url()
  await s3?.public(name)
}

/** What the service is asked besides; `undefined`: the storage is no S3. */
async function serviceChecks(
  { backend }: Storage,
  findings: Findings,
  signal: AbortSignal,
  fetch: NonNullable<DiagnoseOptions['fetch']>,
): Promise<ServiceChecks | undefined | 'failed'> {
  try {
    const probe = await probeOf(backend)
    if (probe !== undefined) return new S3Checks(probe, findings, signal)
    const subject = await subjectOf(backend)
    return subject && new EngineChecks({ subject, findings, fetch, signal })
  } catch (error) {
    findings.fail('bucket', problemOf(error), adviceOn(error, 'the service to be asked'))
    return 'failed'
  }
}

/** What a storage that is no S3 is asked. */
const fileSteps: readonly Step[] = ['write', 'read', 'list', 'conditional write', 'url', 'delete']

function skipRest(findings: Findings, wanted: readonly Step[] = steps): void {
  const because = findings.checks.find(({ outcome }) => outcome === 'failed')?.step
  const why = because === undefined ? 'Not looked at.' : `Not looked at: see ${because}.`
  for (const step of wanted) if (!findings.has(step)) findings.skip(step, why)
}

const onS3: Permissions = {
  write: 's3:PutObject',
  read: 's3:GetObject',
  list: 's3:ListBucket',
  delete: 's3:DeleteObject',
}

const onDisk: Permissions = {
  write: 'this process to write to the folder of the storage',
  read: 'this process to read from the folder of the storage',
  list: 'this process to read the folder of the storage',
  delete: 'this process to write to the folder of the storage',
}

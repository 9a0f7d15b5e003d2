import { getEventListeners } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import { expect } from 'vitest'
import type { S3StorageOptions } from '../../src/backends/s3/options.ts'
import { S3Storage } from '../../src/backends/s3/s3-storage.ts'
import { IntegrityError, isStorageError } from '../../src/core/errors.ts'
import type { Storage } from '../../src/core/storage.ts'
import { FaultProxy } from '../../src/testing/fault-proxy/fault-proxy.ts'
import { allFaults, seededFaults } from '../../src/testing/fault-proxy/fault-schedule.ts'
import type {
  ProxiedRequest,
  ProxyFault,
  ProxySchedule,
} from '../../src/testing/fault-proxy/proxy-fault.ts'
import type { S3Server } from '../../src/testing/s3-server/s3-server.ts'

/** How an operation ended. */
export type Outcome<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly error: unknown }

/** A request and what it met. */
interface Met {
  readonly request: ProxiedRequest
  readonly fault: ProxyFault | undefined
}

/** From here on an operation counts as one that hangs, in milliseconds. */
const longest = 30_000
/** How long an impatient caller waits once something stalled, in milliseconds. */
const patience = 100
/** Short, so that 200 schedules take seconds: what they do does not depend on how long it takes. */
const haste = {
  retries: { baseDelay: 1, maxDelay: 20 },
  timeouts: { connect: 1_000, headers: 1_000, idle: 300 },
} as const
/** For contents in parts, which take their time on a busy machine. */
export const lessHaste: S3StorageOptions = { timeouts: { headers: 4_000, idle: 4_000 } }
/** How long what an operation left may take to go. */
const clearing = 5_000

/** Where schedules are played: a bucket, the proxies in front of it, and one schedule at a time. */
export class Stage {
  readonly bucket: string
  readonly #server: S3Server
  readonly #proxy: FaultProxy
  /** Does nothing to what passes, and ends the connections of those that prepare and look. */
  readonly #quiet: FaultProxy
  #uploads = 0
  #seed = 0
  #location = ''
  #met: Met[] = []

  private constructor(server: S3Server, proxy: FaultProxy, quiet: FaultProxy, bucket: string) {
    this.#server = server
    this.#proxy = proxy
    this.#quiet = quiet
    this.bucket = bucket
  }

  static async open(server: S3Server, bucket: string): Promise<Stage> {
    const target = server.endpoint
    const proxies = await Promise.all([FaultProxy.start({ target }), FaultProxy.start({ target })])
    return new Stage(server, ...proxies, bucket)
  }

  get seed(): number {
    return this.#seed
  }

  /** Begins with another seed: what it stores has a place of its own. */
  begin(seed: number, operation: string): void {
    this.#seed = seed
    this.#location = `${operation}/${seed}`
    this.#met = []
    this.#proxy.begin({ seed, next: () => undefined })
    this.#quiet.closeConnections()
    this.#uploads = this.#server.openUploads(this.bucket)
  }

  /** Where a file of the present seed is in the bucket. */
  locate(name: string): string {
    return `${this.#location}/${name}`
  }

  /** A number from 0 to below `limit` that follows from the seed. */
  pick(limit: number, salt = 0): number {
    const mixed = Math.imul(this.#seed * 31 + salt + 1, 0x9e3779b1) >>> 0
    return Math.floor((mixed / 2 ** 32) * limit)
  }

  /** A storage that knows of no faults, to prepare and to look. */
  direct(options: S3StorageOptions = {}): Storage {
    return new S3Storage({ ...this.#options(), endpointUrl: this.#quiet.endpoint, ...options })
  }

  /**
   * Does the work on a storage behind the proxy under the seed's faults. Comes back once nothing
   * is on its way any more: whoever hangs or leaves something behind fails the schedule.
   */
  async meet<T>(
    work: (storage: Storage, signal: AbortSignal) => Promise<T>,
    options: S3StorageOptions = {},
    faults: readonly ProxyFault[] = allFaults,
  ): Promise<Outcome<T>> {
    const caller = new ImpatientCaller()
    this.#proxy.begin(this.#schedule(faults, caller))
    const endpointUrl = this.#proxy.endpoint
    const storage = new S3Storage({ ...this.#options(), endpointUrl, ...haste, ...options })
    const outcome = await within(longest, outcomeOf(work(storage, caller.signal)))
    caller.leave()
    this.#checkError(outcome, caller.signal)
    await this.#checkQuiet(caller.signal)
    return outcome
  }

  /** What the seed's faults were, for the message of a failure. */
  toString(): string {
    return String(this.#proxy)
  }

  async close(): Promise<void> {
    await Promise.all([this.#proxy.close(), this.#quiet.close()])
  }

  #options(): S3StorageOptions {
    const { accessKey, secretKey } = this.#server
    return {
      accessKey,
      secretKey,
      bucketName: this.bucket,
      regionName: 'us-east-1',
      location: this.#location,
    }
  }

  /**
   * One to three faults; every tenth seed is an outage, in which every request meets one, and every
   * fifth caller is impatient.
   */
  #schedule(faults: readonly ProxyFault[], caller: ImpatientCaller): ProxySchedule {
    const seed = this.#seed
    const often =
      seed % 10 === 0 ? { count: 1_000, rate: 1 } : { count: 1 + this.pick(3, 1), rate: 0.6 }
    const schedule = seededFaults({ seed, ...often, faults })
    return {
      seed,
      next: request => {
        const fault = schedule.next(request)
        this.#met.push({ request, fault })
        if (fault?.kind === 'stall' && seed % 5 === 1) caller.waits()
        return fault
      },
    }
  }

  /**
   * A few faults are survived. What an outage or damaged bytes end with is an error of this
   * package, and an impatient caller gets its own.
   */
  #checkError(outcome: Outcome<unknown>, signal: AbortSignal): void {
    if (outcome.ok) return
    const { error } = outcome
    if (signal.aborted && error === signal.reason) return
    expect(isStorageError(error), `not a StorageError: ${String(error)}`).toBe(true)
    expect(String(error)).not.toContain(this.#server.secretKey)
    const damaged = error instanceof IntegrityError && this.#met.some(isDamage)
    if (!this.#isOutage && !damaged)
      throw new Error(`${faultsOf(this.#met)} faults were not survived: ${messageOf(error)}`)
  }

  get #isOutage(): boolean {
    return this.#seed % 10 === 0
  }

  async #checkQuiet(signal: AbortSignal): Promise<void> {
    const uploads = (): number => this.#server.openUploads(this.bucket) - this.#uploads
    await soon('requests on their way', 0, () => this.#proxy.pending)
    await soon('listeners of the signal', 0, () => getEventListeners(signal, 'abort').length)
    const lost = this.#lostUploads()
    await soon('open uploads', 0, () => Math.max(0, uploads() - lost))
    if (uploads() === 0) return
    // Nobody could know of them, or reach the service to abort them: that is what this is for.
    await this.direct().cleanupUploads({ olderThan: 0 })
    expect(uploads(), 'uploads after cleanupUploads').toBe(0)
  }

  /** Uploads whose id was lost with the answer, and whether none of the attempts to abort came through. */
  #lostUploads(): number {
    const created = this.#met.filter(
      ({ request, fault }) =>
        request.method === 'POST' &&
        request.path.endsWith('?uploads=') &&
        fault !== undefined &&
        carriedOut(fault) &&
        harms(fault),
    ).length
    const aborts = this.#met.filter(({ request }) => isAbort(request))
    const unaborted =
      aborts.length > 0 && aborts.every(({ fault }) => fault !== undefined && !carriedOut(fault))
    return created + (unaborted ? 1 : 0)
  }
}

/** Plays the schedules of an operation, some at a time, and fails with the seeds that failed. */
export async function playSchedules(
  server: S3Server,
  buckets: readonly string[],
  operation: string,
  play: (stage: Stage) => Promise<void>,
): Promise<void> {
  const before = activeResources()
  const only = process.env['STOWAGE_FAULT_SEED']
  const seeds = only === undefined ? Array.from({ length: 200 }, (_, n) => n + 1) : [Number(only)]
  const failures: string[] = []
  const stages = await Promise.all(buckets.map(bucket => Stage.open(server, bucket)))
  await Promise.all(
    stages.map(async stage => {
      for (let seed = seeds.shift(); seed !== undefined; seed = seeds.shift()) {
        stage.begin(seed, operation)
        await play(stage).catch(error => failures.push(`${stage}\n  => ${messageOf(error)}`))
      }
      await stage.close()
    }),
  )
  const shown = failures.slice(0, 5).join('\n\n')
  expect(failures.length, `schedules failed, the first:\n${shown}`).toBe(0)
  await soon('more sockets, timers or descriptors than before', [], () => more(before))
}

/** Waits until the value is the expected one: what is still being cleared away may take a moment. */
async function soon<T>(what: string, expected: T, value: () => T): Promise<void> {
  const end = performance.now() + clearing
  while (!isDeepStrictEqual(value(), expected) && performance.now() < end) await sleep(2)
  expect(value(), `${what} left`).toEqual(expected)
}

async function outcomeOf<T>(work: Promise<T>): Promise<Outcome<T>> {
  try {
    return { ok: true, value: await work }
  } catch (error) {
    return { ok: false, error }
  }
}

/** What keeps the process alive, by kind: sockets, servers, timers, requests to the disk. */
function activeResources(): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const kind of process.getActiveResourcesInfo()) counts[kind] = (counts[kind] ?? 0) + 1
  return counts
}

/** Somebody who cancels an operation some time after it met a service that stalls. */
class ImpatientCaller {
  readonly #controller = new AbortController()
  #timer: NodeJS.Timeout | undefined

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  waits(): void {
    const leave = (): void => this.#controller.abort(new Error('The caller lost patience.'))
    this.#timer ??= setTimeout(leave, patience)
  }

  leave(): void {
    clearTimeout(this.#timer)
  }
}

async function within<T>(milliseconds: number, work: Promise<T>): Promise<T> {
  const end = new AbortController()
  const late = sleep(milliseconds, undefined, { signal: end.signal }).then(() => {
    throw new Error(`The operation hangs: nothing came within ${milliseconds} ms.`)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    end.abort()
    late.catch(() => {})
  }
}

/** The kinds of which there are more than there were. */
function more(before: Record<string, number>): string[] {
  return Object.entries(activeResources())
    .filter(([kind, count]) => count > (before[kind] ?? 0))
    .map(([kind, count]) => `${count} ${kind} instead of ${before[kind] ?? 0}`)
}

function harms(fault: ProxyFault): boolean {
  return fault.kind !== 'slow' && fault.kind !== 'close-idle'
}

function isAbort({ method, path }: ProxiedRequest): boolean {
  return method === 'DELETE' && path.includes('uploadId=')
}

function isDamage({ fault }: Met): boolean {
  return fault?.kind === 'corrupt'
}

function faultsOf(met: readonly Met[]): number {
  return met.filter(({ fault }) => fault !== undefined).length
}

/** Whether the endpoint did what was asked. */
function carriedOut(fault: ProxyFault): boolean {
  if (fault.kind === 'answer' || fault.kind === 'garbage') return false
  if (fault.kind === 'cut' || fault.kind === 'stall')
    return fault.at === 'answer' || fault.at === 'answer-body'
  return fault.kind !== 'corrupt' || fault.at === 'answer-body'
}

function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const [place = ''] = /^ +at .*\/test\/.*$/m.exec(error.stack ?? '') ?? []
  return `${error.message}\n${place}`
}

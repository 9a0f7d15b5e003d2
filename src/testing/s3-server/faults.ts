import { setTimeout as sleep } from 'node:timers/promises'
import type { ServerState } from './call.ts'
import { errorResponse, handle } from './core.ts'
import { isErrorCode, S3Error } from './errors.ts'
import type { S3Fault } from './fault.ts'
import { type Accident, closeBody, type S3Request, type S3Response } from './message.ts'

/** The faults that wait for their request. */
export class Faults {
  readonly #waiting: { fault: S3Fault; left: number }[] = []
  readonly #closed = new AbortController()

  /** @throws TypeError for a code that S3 does not have */
  add(fault: S3Fault): void {
    if (fault.code !== undefined && !isErrorCode(fault.code)) {
      throw new TypeError(`S3Server knows no error code '${fault.code}'`)
    }
    this.#waiting.push({ fault, left: fault.times ?? 1 })
  }

  /** The fault that this request is to meet. */
  take(request: S3Request): S3Fault | undefined {
    const index = this.#waiting.findIndex(({ fault }) => matches(fault, request))
    const entry = this.#waiting[index]
    if (entry === undefined) return undefined
    entry.left -= 1
    if (entry.left <= 0) this.#waiting.splice(index, 1)
    return entry.fault
  }

  /** Answers the request in the fault's way. */
  async apply(server: ServerState, request: S3Request, fault: S3Fault): Promise<S3Response> {
    if (fault.delay !== undefined) await this.#wait(fault.delay)
    const accident = accidentOf(fault)
    const isHarmless = accident === undefined && fault.status === undefined
    if (isHarmless || fault.truncate !== undefined) {
      return { ...(await handle(server, request)), accident }
    }
    if (fault.applied) closeBody((await handle(server, request)).body)
    if (accident !== undefined) return { status: 0, headers: {}, accident }
    return errorResponse(server, request, errorOf(fault), fault.status)
  }

  /** Ends all waiting. */
  close(): void {
    this.#closed.abort()
  }

  async #wait(delay: number): Promise<void> {
    try {
      await sleep(delay, undefined, { signal: this.#closed.signal })
    } catch {
      // The server ends: nobody waits any more.
    }
  }
}

function matches({ match }: S3Fault, request: S3Request): boolean {
  if (match?.method !== undefined && match.method !== request.method) return false
  if (match?.path === undefined) return true
  const path = request.search === '' ? request.path : `${request.path}?${request.search}`
  return typeof match.path === 'string' ? path.includes(match.path) : match.path.test(path)
}

function accidentOf(fault: S3Fault): Accident | undefined {
  return fault.truncate === undefined ? fault.connection : { truncate: fault.truncate }
}

function errorOf(fault: S3Fault): S3Error {
  const usual = fault.status === 503 ? 'SlowDown' : 'InternalError'
  const code = fault.code ?? usual
  const details = { headers: fault.headers }
  return new S3Error(isErrorCode(code) ? code : usual, undefined, details)
}

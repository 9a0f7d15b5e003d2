/** What the doctor looks at, in this order. */
export const steps = [
  'credentials',
  'clock',
  'region',
  'bucket',
  'acl',
  'cors',
  'write',
  'read',
  'list',
  'conditional write',
  'multipart',
  'uploads',
  'url',
  'public',
  'delete',
] as const

export type Step = (typeof steps)[number]

/** `ok`: as it should be. `warning`: works, but look at it. `skipped`: could not be looked at. */
export type Outcome = 'ok' | 'warning' | 'failed' | 'skipped'

/** One thing that was looked at. */
export interface Check {
  readonly step: Step
  readonly outcome: Outcome
  /** What was found, as a sentence. Holds no secret. */
  readonly found: string
  /** What to do. */
  readonly advice?: string | undefined
}

/** What a storage can and what it lacks. */
export interface Diagnosis {
  /** Name of the backend, such as `s3(media)`; `not configured` where there is none. */
  readonly storage: string
  /** Whether nothing failed. */
  readonly ok: boolean
  readonly checks: readonly Check[]
}

/** Collects what is found, in the order in which it is. */
export class Findings {
  readonly checks: Check[] = []
  readonly #onCheck: ((check: Check) => void) | undefined

  constructor(onCheck: ((check: Check) => void) | undefined) {
    this.#onCheck = onCheck
  }

  get failed(): boolean {
    return this.checks.some(({ outcome }) => outcome === 'failed')
  }

  ok(step: Step, found: string): void {
    this.#add({ step, outcome: 'ok', found })
  }

  warn(step: Step, found: string, advice: string): void {
    this.#add({ step, outcome: 'warning', found, advice })
  }

  fail(step: Step, found: string, advice: string): void {
    this.#add({ step, outcome: 'failed', found, advice })
  }

  skip(step: Step, found: string): void {
    this.#add({ step, outcome: 'skipped', found })
  }

  has(step: Step): boolean {
    return this.checks.some(check => check.step === step)
  }

  #add(check: Check): void {
    this.checks.push(check)
    this.#onCheck?.(check)
  }
}

/** Rejects with what a check is cut off by; a minute is enough for any answer. */
export function limited(signal: AbortSignal | undefined): AbortSignal {
  const limit = AbortSignal.timeout(60_000)
  return signal === undefined ? limit : AbortSignal.any([signal, limit])
}

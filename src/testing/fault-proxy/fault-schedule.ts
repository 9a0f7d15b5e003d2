import type { ProxiedRequest, ProxyFault, ProxySchedule } from './proxy-fault.ts'

export interface SeededFaultsOptions {
  /** The same seed gives the same faults to requests that come in the same order. */
  readonly seed: number
  /** How many requests meet a fault; `Infinity` for all that are chosen. Default 1. */
  readonly count?: number | undefined
  /** Share of the requests that are chosen until `count` have met a fault, 0 to 1. Default 0.5. */
  readonly rate?: number | undefined
  /** What may happen, and how often each: a fault that is listed twice comes twice as often. */
  readonly faults?: readonly ProxyFault[] | undefined
  /** Whether a fault may meet a request; one that may not passes untouched. Default: always. */
  readonly suits?: ((fault: ProxyFault, request: ProxiedRequest) => boolean) | undefined
}

/** Everything that a network and a service do to a client, short of wrong bytes. */
export const allFaults: readonly ProxyFault[] = [
  { kind: 'cut', at: 'before', how: 'reset' },
  { kind: 'cut', at: 'before', how: 'half-close' },
  { kind: 'cut', at: 'request-body', how: 'reset' },
  { kind: 'cut', at: 'request-body', how: 'half-close' },
  { kind: 'cut', at: 'answer', how: 'reset' },
  { kind: 'cut', at: 'answer', how: 'half-close' },
  { kind: 'cut', at: 'answer-body', how: 'reset' },
  { kind: 'cut', at: 'answer-body', how: 'half-close' },
  { kind: 'stall', at: 'accept' },
  { kind: 'stall', at: 'answer' },
  { kind: 'stall', at: 'answer-body' },
  { kind: 'slow', delay: 5, pieces: 4 },
  { kind: 'answer', status: 500 },
  { kind: 'answer', status: 503, code: 'SlowDown' },
  { kind: 'answer', status: 503, code: 'SlowDown', early: true },
  { kind: 'answer', status: 503, code: 'SlowDown', retryAfter: 0 },
  { kind: 'answer', status: 429, retryAfter: 0 },
  { kind: 'answer', status: 500, body: 'empty' },
  { kind: 'answer', status: 502, body: 'html' },
  { kind: 'answer', status: 503, body: 'garbage' },
  { kind: 'garbage' },
  { kind: 'close-idle', how: 'reset' },
  { kind: 'close-idle', how: 'half-close' },
]

/** A schedule that follows from its seed and the order of the requests alone. */
export function seededFaults(options: SeededFaultsOptions): ProxySchedule {
  return new SeededSchedule(options)
}

class SeededSchedule implements ProxySchedule {
  readonly seed: number
  readonly #options: SeededFaultsOptions
  #left: number

  constructor(options: SeededFaultsOptions) {
    this.seed = options.seed
    this.#options = options
    this.#left = options.count ?? 1
  }

  next(request: ProxiedRequest): ProxyFault | undefined {
    const { rate = 0.5, faults = allFaults, suits } = this.#options
    if (this.#left <= 0 || mixed(this.seed, request.index * 2) >= rate) return undefined
    const pick = Math.floor(mixed(this.seed, request.index * 2 + 1) * faults.length)
    const fault = faults[pick]
    if (fault === undefined || suits?.(fault, request) === false) return undefined
    this.#left--
    return fault
  }
}

/** A number from 0 to below 1 for a seed and a place: a hash, so that no call depends on another. */
function mixed(seed: number, place: number): number {
  let state = (Math.imul(seed, 0x9e3779b1) ^ Math.imul(place + 1, 0x85ebca77)) | 0
  state = Math.imul(state ^ (state >>> 16), 0x21f0aaad)
  state = Math.imul(state ^ (state >>> 15), 0x735a2d97)
  return ((state ^ (state >>> 15)) >>> 0) / 2 ** 32
}

/** How a connection ends: with a TCP reset, or half-closed (its other half stays open). */
export type Ending = 'reset' | 'half-close'

/**
 * What the proxy does to one request and its answer. Where a fault says `before`, nothing was
 * forwarded; where it says `answer`, the request was carried out and only the client does not
 * learn of it.
 */
export type ProxyFault =
  /**
   * Ends the connection: before the request is forwarded, half-way through the request's body
   * (which the endpoint receives that far), or when the answer is there (a lost answer) or
   * half-way through it.
   */
  | {
      readonly kind: 'cut'
      readonly at: 'before' | 'request-body' | 'answer' | 'answer-body'
      readonly how?: Ending | undefined
    }
  /**
   * Keeps the connection open and does nothing any more: `accept` reads nothing of the request,
   * `answer` has it carried out and sends nothing, `answer-body` sends half.
   */
  | { readonly kind: 'stall'; readonly at: 'accept' | 'answer' | 'answer-body' }
  /** Passes the answer on in `pieces` pieces with `delay` milliseconds before each. */
  | { readonly kind: 'slow'; readonly delay: number; readonly pieces: number }
  /** Flips a bit in the middle of the body. A message without one passes as it is. */
  | { readonly kind: 'corrupt'; readonly at: 'request-body' | 'answer-body' }
  /**
   * Answers itself instead of forwarding. `early` answers before it has read the body and then
   * closes, as an overloaded server does.
   */
  | {
      readonly kind: 'answer'
      readonly status: number
      /** Default `xml`: an error document with `code`. */
      readonly body?: 'xml' | 'html' | 'empty' | 'garbage' | undefined
      /** Default `SlowDown` for 503 and 429, else `InternalError`. */
      readonly code?: string | undefined
      /** Seconds, as a header. */
      readonly retryAfter?: number | undefined
      readonly early?: boolean | undefined
    }
  /** Sends bytes that are no HTTP, then closes. */
  | { readonly kind: 'garbage' }
  /** Answers as usual and then ends the idle connection that the client keeps in its pool. */
  | { readonly kind: 'close-idle'; readonly how?: Ending | undefined }

/** A request as it passes, for a schedule to decide about. */
export interface ProxiedRequest {
  /** Requests since the schedule began. */
  readonly index: number
  readonly method: string
  /** With the query. */
  readonly path: string
  /** Bytes of its body; `undefined` if only its end tells. */
  readonly size: number | undefined
}

/** Which requests meet which faults. */
export interface ProxySchedule {
  /** For the story. */
  readonly seed?: number | undefined
  /** `undefined`: the request and its answer pass untouched. */
  next(request: ProxiedRequest): ProxyFault | undefined
}

/** The fault in words. */
export function describeFault(fault: ProxyFault): string {
  switch (fault.kind) {
    case 'cut':
      return `cut (${fault.how ?? 'reset'}) ${places[fault.at]}`
    case 'stall':
      return `stalled ${places[fault.at]}`
    case 'slow':
      return `answered slowly, ${fault.pieces} pieces with ${fault.delay} ms before each`
    case 'corrupt':
      return `a bit flipped in the ${fault.at === 'answer-body' ? 'answer' : 'request'}'s body`
    case 'answer':
      return `answered ${fault.status} (${fault.body ?? 'xml'}${fault.early ? ', early' : ''}${
        fault.retryAfter === undefined ? '' : `, Retry-After: ${fault.retryAfter}`
      }) instead`
    case 'garbage':
      return 'answered with garbage instead'
    case 'close-idle':
      return `carried out, then the idle connection closed (${fault.how ?? 'reset'})`
  }
}

const places: Readonly<Record<string, string>> = {
  before: 'before it was forwarded',
  accept: 'before anything was read',
  'request-body': 'half-way through the request',
  answer: 'after it was carried out, before the answer',
  'answer-body': 'after it was carried out, half-way through the answer',
}

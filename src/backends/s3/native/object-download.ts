import type { ReadBody } from '../../../core/backend.ts'
import { IntegrityError, PreconditionFailedError } from '../../../core/errors.ts'
import type { GetOptions, GetResult } from '../engine.ts'
import { accessHeaders } from '../object-parameters.ts'
import { type BodyChecksum, bodyChecksum } from './checksums.ts'
import type { BodyPlan } from './object-body.ts'
import { contentRange, lengthOf, objectHead } from './object-head.ts'
import { partOfBody } from './part-of-body.ts'
import type { Requester } from './requester.ts'
import type { TransportResponse } from './transport.ts'

/** Status of the answer to a range that begins behind the end. */
export const behindTheEnd = 416

/** What GetObject answered: as `GetResult`, its body not yet guarded. */
export interface FoundObject extends GetResult {
  /** Of the whole object, where the range is that and the service said it. */
  readonly checksum: BodyChecksum | undefined
}

/** The body of an object that was found, taken up again where it breaks off. */
export class ObjectDownload implements BodyPlan {
  readonly start: number
  readonly end: number
  readonly checksum: BodyChecksum | undefined
  readonly #requester: Requester
  readonly #key: string
  readonly #etag: string | undefined
  /** Of the whole object. */
  readonly #size: number
  readonly #options: GetOptions

  constructor(requester: Requester, key: string, found: FoundObject, options: GetOptions) {
    this.start = found.start
    this.end = found.end
    this.checksum = found.checksum
    this.#requester = requester
    this.#key = key
    this.#etag = found.head.etag
    this.#size = found.head.size
    this.#options = options
  }

  get resumable(): boolean {
    return this.#etag !== undefined && this.end > this.start
  }

  async resume(start: number): Promise<ReadBody> {
    const { end } = this
    const { signal, access } = this.#options
    const headers = accessHeaders(access, 'object')
    headers.push('range', `bytes=${start}-${end - 1}`, 'if-match', `"${this.#etag}"`)
    const rest = await this.#requester.run(
      {
        operation: 'GetObject',
        method: 'GET',
        subject: 'object',
        key: this.#key,
        headers,
        signal,
        accepted: behindTheEnd,
      },
      response => readObject(response, { start, end }),
    )
    // Not every service heeds the condition: bytes of two versions must not be mixed.
    if (rest?.head.etag === this.#etag && rest?.head.size === this.#size) return rest.body
    rest?.body.cancel()
    throw new PreconditionFailedError('The object was replaced while it was read.')
  }

  pause(failure: unknown, failures: number): Promise<void> {
    return this.#requester.pauseAfter(failure, failures, this.#options.signal)
  }
}

/** The answer of GetObject; `undefined`: the range begins behind the end. */
export function readObject(
  response: TransportResponse,
  range: GetOptions['range'],
): FoundObject | undefined {
  if (response.status === behindTheEnd) {
    response.body.cancel()
    return undefined
  }
  const { start, end, head, body } =
    response.status === 206 ? partialResult(response, range) : wholeResult(response, range)
  const whole = start === 0 && end === head.size
  const checksum = whole ? bodyChecksum(name => response.header(name)) : undefined
  return { head, start, end, body, checksum }
}

function partialResult(response: TransportResponse, range: GetOptions['range']): GetResult {
  const { start, end, size } = contentRange(response)
  if (start !== range?.start || end > (range.end ?? size)) {
    response.body.cancel()
    throw new IntegrityError('The service sent another part of the object than was asked for.')
  }
  // A body of unknown length may be one without an end.
  const exact = lengthOf(response) === end - start
  const body = exact ? response.body : partOfBody(response.body, 0, end - start)
  return { head: objectHead(response, size), start, end, body }
}

/** The answer to a request without a range, or of a service that ignored the range. */
function wholeResult(response: TransportResponse, range: GetOptions['range']): GetResult {
  const size = Number(response.header('content-length'))
  const head = objectHead(response, size)
  const start = Math.min(range?.start ?? 0, size)
  const end = Math.min(range?.end ?? size, size)
  const body = start === 0 && end === size ? response.body : partOfBody(response.body, start, end)
  return { head, start, end, body }
}

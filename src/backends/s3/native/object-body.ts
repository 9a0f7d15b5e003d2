import type { ReadBody } from '../../../core/backend.ts'
import type { Bytes } from '../../../core/bytes.ts'
import { IntegrityError } from '../../../core/errors.ts'
import type { BodyChecksum } from './checksums.ts'

/** What an object's body has to be, and how to get the rest of it when it breaks off. */
export interface BodyPlan {
  /** Position in the object, and the one behind the last byte. */
  readonly start: number
  readonly end: number
  /** Of these bytes, where the service gave one. */
  readonly checksum: BodyChecksum | undefined
  /** Whether {@link resume} may be called: there is a version to ask for. */
  readonly resumable: boolean
  /** The bytes from a position on, of the same version. */
  resume(start: number): Promise<ReadBody>
  /** Waits before the attempt that follows `failures` in a row; throws when there is none. */
  pause(failure: unknown, failures: number): Promise<void>
}

/**
 * The bytes of an object as they arrive: exactly as many as there have to be, with the checksum that
 * the service gave. A connection that breaks is taken up again at the byte where it broke.
 */
export class ObjectBody implements ReadBody {
  readonly #plan: BodyPlan
  #source: ReadBody

  constructor(source: ReadBody, plan: BodyPlan) {
    this.#source = source
    this.#plan = plan
  }

  async bytes(): Promise<Bytes> {
    const { start, end, checksum } = this.#plan
    for (let failures = 1; ; failures++) {
      try {
        const bytes = await this.#source.bytes()
        checkLength(bytes.byteLength, end - start)
        if (checksum?.isOf(bytes) === false) throw spoilt()
        return bytes
      } catch (error) {
        await this.#takeUp(start, error, failures)
      }
    }
  }

  async *chunks(): AsyncGenerator<Bytes> {
    const { start, end, checksum } = this.#plan
    let at = start
    const running = checksum?.begin()
    for (let failures = 1; ; failures++) {
      try {
        for await (const chunk of this.#source.chunks()) {
          if (at + chunk.byteLength > end) checkLength(at + chunk.byteLength - start, end - start)
          running?.update(chunk)
          at += chunk.byteLength
          failures = 1
          yield chunk
        }
        checkLength(at - start, end - start)
      } catch (error) {
        await this.#takeUp(at, error, failures)
        continue
      }
      // What was delivered cannot be taken back.
      if (running?.matches() === false) throw spoilt()
      return
    }
  }

  cancel(): void {
    this.#source.cancel()
  }

  async #takeUp(at: number, failure: unknown, failures: number): Promise<void> {
    if (!this.#plan.resumable) throw failure
    await this.#plan.pause(failure, failures)
    this.#source = await this.#plan.resume(at)
  }
}

function checkLength(length: number, expected: number): void {
  if (length === expected) return
  throw new IntegrityError(`The service sent ${length} bytes instead of ${expected}.`)
}

function spoilt(): IntegrityError {
  return new IntegrityError('The bytes that arrived do not have the checksum of the object.')
}

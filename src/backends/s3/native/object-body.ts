import type { ReadBody } from '../../../core/backend.ts'
import type { Bytes } from '../../../core/bytes.ts'
import { IntegrityError } from '../../../core/errors.ts'
import { crc32 } from '../platform/hashes.ts'

/** What an object's body has to be, and how to get the rest of it when it breaks off. */
export interface BodyPlan {
  /** Position in the object, and the one behind the last byte. */
  readonly start: number
  readonly end: number
  /** CRC-32 of these bytes, where the service gave it. */
  readonly crc: number | undefined
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
    const { start, end, crc } = this.#plan
    for (let failures = 1; ; failures++) {
      try {
        const bytes = await this.#source.bytes()
        checkLength(bytes.byteLength, end - start)
        if (crc !== undefined) checkCrc(crc32(bytes), crc)
        return bytes
      } catch (error) {
        await this.#takeUp(start, error, failures)
      }
    }
  }

  async *chunks(): AsyncGenerator<Bytes> {
    const { start, end, crc } = this.#plan
    let at = start
    let sum = 0
    for (let failures = 1; ; failures++) {
      try {
        for await (const chunk of this.#source.chunks()) {
          if (at + chunk.byteLength > end) checkLength(at + chunk.byteLength - start, end - start)
          if (crc !== undefined) sum = crc32(chunk, sum)
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
      if (crc !== undefined) checkCrc(sum, crc)
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

function checkCrc(crc: number, expected: number): void {
  if (crc === expected) return
  throw new IntegrityError('The bytes that arrived do not have the checksum of the object.')
}

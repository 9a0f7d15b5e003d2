import type { WriteCondition } from '../../core/backend.ts'
import { FileNotFoundError, PreconditionFailedError } from '../../core/errors.ts'
import type { RequestOptions } from './engine.ts'

/** The entity tag of what is at a key; `undefined` when nothing is. */
export type ReadVersion = (key: string, options: RequestOptions) => Promise<string | undefined>

/** Makes requests under a condition, in the form that the service understands. */
export class WriteConditions {
  /** Set when the service was seen to know versions only without their quotes. */
  #bare: boolean
  readonly #versionAt: ReadVersion

  /** @param quoted whether the service wants versions in If-Match in quotes, as HTTP has them */
  constructor(quoted: boolean, versionAt: ReadVersion) {
    this.#bare = !quoted
    this.#versionAt = versionAt
  }

  /**
   * @param attempt gets the headers of the condition: name, value
   * @throws PreconditionFailedError when it does not hold, also where there is nothing to match
   */
  apply(
    key: string,
    condition: WriteCondition,
    options: RequestOptions,
    attempt: (headers: readonly string[]) => Promise<void>,
  ): Promise<void> {
    if (condition === undefined) return attempt(noHeaders)
    if (condition === 'absent') return attempt(absentHeaders)
    return this.#matching(key, condition.ifMatch, options, attempt)
  }

  async #matching(
    key: string,
    ifMatch: string,
    options: RequestOptions,
    attempt: (headers: readonly string[]) => Promise<void>,
  ): Promise<void> {
    try {
      await attempt(['if-match', this.#bare ? ifMatch : `"${ifMatch}"`])
    } catch (error) {
      // S3 answers 404 where there is nothing to match: that is another version, too.
      if (error instanceof FileNotFoundError) throw anotherVersion(error)
      if (this.#bare || !(error instanceof PreconditionFailedError)) throw error
      if ((await this.#versionAt(key, options)) !== ifMatch) throw error
      // The version is there and was refused all the same: Ceph compares with the quotes.
      await attempt(['if-match', ifMatch])
      this.#bare = true
    }
  }
}

const noHeaders: readonly string[] = []
const absentHeaders: readonly string[] = ['if-none-match', '*']

function anotherVersion(cause: unknown): PreconditionFailedError {
  return new PreconditionFailedError('The file is not the version that "ifMatch" asks for.', {
    cause,
  })
}

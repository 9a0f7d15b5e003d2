import { ImproperlyConfigured, UnavailableError } from '../../core/errors.ts'
import type { CredentialProvider, CredentialSource, ExpiringCredentials } from './credentials.ts'
import type { Credentials } from './sigv4.ts'

/** Keys are renewed so long before they end, in milliseconds; sooner where they live shorter. */
const renewBefore = 5 * 60_000
/** Part of a life after which keys are renewed at the latest. */
const renewAfter = 0.75
/** A request that is signed now has to arrive while the keys are good. In milliseconds. */
const travelTime = 10_000
/** After a renewal that failed, the next one waits so long while the old keys last. */
const pause = 30_000
/** How long a source may take. */
const deadline = 60_000

/** What {@link CredentialCache} has. */
interface Held {
  readonly credentials: Credentials
  readonly renewAt: number
  readonly expiresAt: number
}

/**
 * The present keys. They are renewed behind the requests before they end, once for all that ask;
 * a renewal that fails keeps the old ones while they last. There are no timers: it is requests
 * that set a renewal off, and an idle storage keeps no process alive.
 */
export class CredentialCache implements CredentialSource {
  readonly #provide: CredentialProvider
  readonly #now: () => number
  #held: Held | undefined
  #renewal: Promise<Credentials> | undefined
  #renewNotBefore = 0

  /** @param now milliseconds since 1970, by the same clock as the ends of the keys */
  constructor(provide: CredentialProvider, now: () => number = Date.now) {
    this.#provide = provide
    this.#now = now
  }

  /**
   * The keys at once while they are good, else a promise of new ones.
   *
   * @throws ImproperlyConfigured when no source has keys, and whatever the source throws
   */
  get(): Credentials | Promise<Credentials> {
    const held = this.#held
    if (held === undefined) return this.#renewed()
    const now = this.#now()
    if (now < held.renewAt) return held.credentials
    if (now >= held.expiresAt - travelTime) return this.#renewed()
    if (now >= this.#renewNotBefore) this.#renewed().catch(() => undefined)
    return held.credentials
  }

  /**
   * To be called when the service says that keys are not good any more (`ExpiredToken`). Nothing
   * happens when others have renewed them meanwhile: `used` are those that it did not take.
   */
  invalidate(used: Credentials | undefined = this.#held?.credentials): void {
    if (this.#held?.credentials === used) this.#held = undefined
  }

  /** One renewal for all who wait. */
  #renewed(): Promise<Credentials> {
    this.#renewal ??= this.#renew().finally(() => {
      this.#renewal = undefined
    })
    return this.#renewal
  }

  async #renew(): Promise<Credentials> {
    const old = this.#held
    try {
      const held = heldUntil(await withinDeadline(this.#provide()), this.#now())
      this.#held = held
      return held.credentials
    } catch (error) {
      this.#renewNotBefore = this.#now() + pause
      // Keys that were called bad meanwhile are no way out.
      if (old === undefined || old !== this.#held || this.#now() >= old.expiresAt) throw error
      return old.credentials
    }
  }
}

function heldUntil(found: ExpiringCredentials | undefined, now: number): Held {
  if (found === undefined) {
    throw new ImproperlyConfigured(
      'There are no credentials: set "accessKey" and "secretKey" (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY), or a profile in ~/.aws/credentials.',
      { setting: 'accessKey' },
    )
  }
  const { expiresAt = Number.POSITIVE_INFINITY, ...credentials } = found
  const life = expiresAt - now
  const renewAt = Math.max(expiresAt - renewBefore, now + life * renewAfter)
  return { credentials, renewAt: life > 0 ? renewAt : now, expiresAt }
}

/** A source that never answers must not hold up every request there will be. */
async function withinDeadline<T>(work: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      reject(new UnavailableError(`The source of the keys did not answer in ${deadline / 1000} s.`))
    }, deadline)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}

import { UnavailableError } from '../core/errors.ts'

/** How often a write is tried again that met another one of the same row. */
const maxAttempts = 20

/** What an attempt gives whose condition was not met. */
export const unmet: unique symbol = Symbol('stowage.unmet')

/**
 * Does a write on the condition that the row still has the files that it was seen with, so that each
 * file is replaced by one writer only, which then removes it.
 *
 * @param attempt looks at the row and writes; {@link unmet} when another writer came in between
 * @throws UnavailableError when another one does each time
 */
export async function untilMet<T>(attempt: () => Promise<T | typeof unmet>): Promise<T> {
  for (let count = 0; count < maxAttempts; count++) {
    const result = await attempt()
    if (result !== unmet) return result
  }
  throw new UnavailableError('The row was changed by others at the same time, again and again.', {
    attempts: maxAttempts,
  })
}

import { IntegrityError } from '../../core/errors.ts'

/**
 * Where the pages of a listing go on: tells when they go in circles, which would never end. One place
 * is kept at a time, after twice as many pages each time (R. P. Brent, "An improved Monte Carlo
 * factorization algorithm", 1980).
 */
export class PageCircle {
  readonly #of: string
  #kept: string | undefined
  #pages = 0
  #limit = 1

  /** @param of what is listed, for the message */
  constructor(of: string) {
    this.#of = of
  }

  /** @throws IntegrityError when a page begins where one before it began */
  check(place: string): void {
    if (place === this.#kept)
      throw new IntegrityError(`The service sends the same page of ${this.#of} again and again.`)
    this.#pages++
    if (this.#pages < this.#limit) return
    this.#kept = place
    this.#pages = 0
    this.#limit *= 2
  }
}

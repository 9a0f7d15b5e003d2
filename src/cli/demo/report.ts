import { inspect } from 'node:util'

/** Prints what the demo does, line by line, and remembers whether all of it came out right. */
export class Report {
  readonly #json: boolean
  #section = ''
  #wrong = 0
  #right = 0

  constructor(json: boolean) {
    this.#json = json
  }

  get ok(): boolean {
    return this.#wrong === 0
  }

  section(title: string): void {
    this.#section = title
    if (!this.#json) process.stdout.write(`\n${title}\n`)
  }

  /** A line of which nothing is expected. */
  note(text: string): void {
    if (this.#json)
      process.stdout.write(`${JSON.stringify({ section: this.#section, note: text })}\n`)
    else process.stdout.write(`  ${text}\n`)
  }

  /** An expression with its result, which must be what was expected. */
  check(expression: string, result: unknown, expected: unknown): void {
    const ok = inspect(result) === inspect(expected)
    if (ok) this.#right++
    else this.#wrong++
    if (this.#json) {
      process.stdout.write(
        `${JSON.stringify({ section: this.#section, expression, result, ok })}\n`,
      )
      return
    }
    const mark = ok ? '' : `   <-- WRONG, expected ${inspect(expected)}`
    process.stdout.write(`  > ${expression}\n    ${inspect(result)}${mark}\n`)
  }

  end(seconds: number): void {
    const summary = { right: this.#right, wrong: this.#wrong, seconds: Number(seconds.toFixed(1)) }
    if (this.#json) process.stdout.write(`${JSON.stringify(summary)}\n`)
    else
      process.stdout.write(`\n${this.#right} right, ${this.#wrong} wrong, ${summary.seconds} s\n`)
  }
}

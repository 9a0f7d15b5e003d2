import type { TestRunner } from '../../src/testing/contract/harness.ts'

/** A test that was registered, under the names of its groups and its own. */
export interface CollectedTest {
  readonly name: string
  run(): Promise<void>
}

/** Collects what a suite registers instead of running it. */
export class CollectingRunner implements TestRunner {
  readonly tests: CollectedTest[] = []
  readonly #groups: string[] = []

  describe(name: string, body: () => void): void {
    this.#groups.push(name)
    body()
    this.#groups.pop()
  }

  it(name: string, body: () => Promise<void>): void {
    this.tests.push({ name: [...this.#groups, name].join(' > '), run: body })
  }
}

/** What a test failed with; `undefined` if it passed. One that does not end fails, too. */
export async function failureOf(test: CollectedTest, milliseconds: number): Promise<unknown> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<Error>(resolve => {
    timer = setTimeout(() => resolve(new Error('The test does not end.')), milliseconds)
  })
  const outcome = test.run().then(
    () => undefined,
    (error: unknown) => error,
  )
  try {
    return await Promise.race([outcome, late])
  } finally {
    clearTimeout(timer)
  }
}

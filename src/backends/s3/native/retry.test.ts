import { describe, expect, it } from 'vitest'
import { delayBefore, RetryBudget, type RetryHint } from './retry.ts'

const limits = { maxAttempts: 5, baseDelay: 100, maxDelay: 5000 }
const lost: RetryHint = { retryAfter: undefined, overloaded: false }
const many = Array.from({ length: 500 }, (_, index) => index)

/** The shortest and the longest of many pauses. */
function pauses(attempts: number, hint: RetryHint): readonly [number, number] {
  const all = many.map(() => delayBefore(attempts, hint, limits) ?? Number.NaN)
  return [Math.min(...all), Math.max(...all)]
}

describe('the pause before another attempt', () => {
  it.each([1, 2, 3, 4, 9])('is a random part of a time that doubles (%i)', attempts => {
    const longest = Math.min(limits.maxDelay, limits.baseDelay * 2 ** (attempts - 1))
    const [least, most] = pauses(attempts, lost)
    expect(least).toBeLessThan(longest / 4)
    expect(most).toBeGreaterThan((longest * 3) / 4)
    expect(most).toBeLessThanOrEqual(longest)
  })

  it('is longer for a service that gets too many requests', () => {
    expect(pauses(1, { ...lost, overloaded: true })[1]).toBeGreaterThan(limits.baseDelay)
  })

  it('is no shorter than the service asks for, as far as that is waited for', () => {
    expect(pauses(1, { ...lost, retryAfter: 2 })[0]).toBe(2000)
    expect(delayBefore(1, { ...lost, retryAfter: 6 }, limits)).toBeUndefined()
  })
})

describe('the budget', () => {
  it('is spent by attempts, and refilled by successes to where it was', () => {
    const budget = new RetryBudget()
    const spent = (): number => many.filter(() => budget.spend()).length
    expect(spent()).toBe(100)
    for (let success = 0; success < 10; success++) budget.refill()
    expect(spent()).toBeLessThanOrEqual(1)
    for (let success = 0; success < 5000; success++) budget.refill()
    expect(spent()).toBe(100)
  })
})

import { describe, expect, it } from 'vitest'
import { RequestWindow } from './request-window.ts'

/** Takes as many places as are free. */
function fill(window: RequestWindow): Promise<void>[] {
  const waiting: Promise<void>[] = []
  for (let i = 0; i < 1000; i++) {
    const turn = window.enter(undefined)
    if (turn === undefined) continue
    waiting.push(turn)
    if (waiting.length === 10) break
  }
  return waiting
}

describe('the window of requests', () => {
  it('lets as many pass as its limit, and one more for each that leaves', async () => {
    const window = new RequestWindow(4)
    const waiting = fill(window)
    expect(window.inFlight).toBe(4)
    let passed = 0
    for (const turn of waiting) void turn.then(() => passed++)
    window.leave(false, 0)
    window.leave(false, 0)
    await Promise.resolve()
    expect([passed, window.inFlight]).toEqual([2, 4])
  })

  it('is halved by a refusal, once for all that were on their way', () => {
    const window = new RequestWindow(100)
    void fill(window)
    for (let i = 0; i < 20; i++) window.leave(true, 0)
    expect([window.limit, window.cuts]).toEqual([32, 1])
  })

  it('is halved again by a request that went with the new limit, however soon', () => {
    const window = new RequestWindow(100)
    void fill(window)
    window.leave(true, 0)
    window.leave(true, 1)
    expect(window.limit).toBe(16)
  })

  it('never closes', () => {
    const window = new RequestWindow(1)
    expect(window.enter(undefined)).toBeUndefined()
    window.leave(true, 0)
    expect([window.limit, window.enter(undefined)]).toEqual([1, undefined])
  })

  it('widens while it is full and requests are answered, to its maximum', async () => {
    const window = new RequestWindow(200)
    for (let i = 0; i < 3000; i++) {
      fill(window).forEach(turn => void turn.catch(() => undefined))
      while (window.inFlight > 0) window.leave(false, 0)
    }
    expect(window.limit).toBeGreaterThan(64)
    expect(window.limit).toBeLessThanOrEqual(200)
  })

  it('keeps no place for a request that was cancelled while it waited', async () => {
    const window = new RequestWindow(1)
    const controller = new AbortController()
    expect(window.enter(undefined)).toBeUndefined()
    const cancelled = window.enter(controller.signal)
    const next = window.enter(undefined)
    controller.abort('enough')
    await expect(cancelled).rejects.toBe('enough')
    await expect(Promise.resolve(window.enter(AbortSignal.abort('before')))).rejects.toBe('before')
    window.leave(false, 0)
    await next
    expect(window.inFlight).toBe(1)
  })
})

import { describe, expect, it } from 'vitest'
import { type RequestKind, RequestWindow } from './request-window.ts'

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

  it('gives streamed requests half of the places, and all together no more than there are', () => {
    const window = new RequestWindow(4)
    const enter = (kind: RequestKind): boolean => window.enter(undefined, kind) === undefined
    expect([enter('streamed'), enter('streamed'), enter('streamed')]).toEqual([true, true, false])
    expect([enter('plain'), enter('plain'), enter('plain')]).toEqual([true, true, false])
    expect(window.inFlight).toBe(4)
    // Of those that wait, the plain one can go, and the streamed one before it cannot.
    window.leave(false, 0, 'plain')
    expect([window.inFlight, enter('plain')]).toEqual([4, false])
    window.leave(false, 0, 'streamed')
    expect([window.inFlight, enter('streamed')]).toEqual([4, false])
  })

  it.each([
    ['there is one place', 1, 0],
    ['the window was halved', 4, 2],
  ])('lets a plain request pass streamed ones when %s', (_when, max, cuts) => {
    const window = new RequestWindow(max)
    const streams = Math.max(1, max >> 1)
    for (let i = 0; i < streams; i++) void window.enter(undefined, 'streamed')
    for (let i = 0; i < cuts; i++) {
      void window.enter(undefined)
      window.leave(true, i)
    }
    expect(window.limit).toBeLessThanOrEqual(streams)
    expect(window.enter(undefined)).toBeUndefined()
    expect(window.enter(undefined)).toBeInstanceOf(Promise)
    window.leave(false, window.cuts)
    expect(window.inFlight).toBe(streams + 1)
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

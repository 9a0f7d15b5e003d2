import { getEventListeners } from 'node:events'
import { describe, expect, it } from 'vitest'
import { itemsUntilAborted, linkSignals, untilAborted } from './abort.ts'

const never = (): Promise<never> => new Promise(() => {})

function listeners(signal: AbortSignal): number {
  return getEventListeners(signal, 'abort').length
}

describe('itemsUntilAborted', () => {
  it('takes items that come without a promise, as a loop does', async () => {
    let count = 0
    const next = (): IteratorResult<number> => ({ value: count, done: count++ === 2 })
    const source = { [Symbol.asyncIterator]: () => ({ next }) } as never
    const items: unknown[] = []
    for await (const item of itemsUntilAborted(source, new AbortController().signal))
      items.push(item)
    expect(items).toEqual([0, 1])
  })
})

describe('a source that is left early', () => {
  it.each([
    ['never ends', never],
    [
      'fails as it ends',
      () => {
        throw new RangeError('no end')
      },
    ],
  ])('holds nobody up when it %s', async (_, end) => {
    const source = {
      [Symbol.asyncIterator]: () => ({
        next: async () => ({ value: 1, done: false as const }),
        return: end,
      }),
    }
    const read = async (): Promise<void> => {
      for await (const item of itemsUntilAborted(source, undefined))
        throw new Error(`enough: ${item}`)
    }
    await expect(read()).rejects.toThrow('enough: 1')
  })

  it('has ended when its reader goes on', async () => {
    let ended = false
    async function* source(): AsyncGenerator<number> {
      try {
        yield 1
      } finally {
        await new Promise(resolve => setTimeout(resolve, 5))
        ended = true
      }
    }
    for await (const _ of itemsUntilAborted(source(), undefined)) break
    expect(ended).toBe(true)
  })
})

describe('linkSignals', () => {
  it('aborts with the reason of the first that does', () => {
    const [first, second] = [new AbortController(), new AbortController()]
    const linked = linkSignals(first.signal, undefined, second.signal)
    expect(linked.signal.aborted).toBe(false)
    second.abort('enough')
    first.abort('too late')
    expect(linked.signal.reason).toBe('enough')
    expect(linkSignals(undefined, first.signal).signal.reason).toBe('too late')
  })

  it('leaves no listener once it is released, and aborts no more', () => {
    const controller = new AbortController()
    const linked = linkSignals(controller.signal)
    expect(listeners(controller.signal)).toBe(1)
    linked.release()
    expect(listeners(controller.signal)).toBe(0)
    controller.abort()
    expect(linked.signal.aborted).toBe(false)
  })
})

describe('untilAborted', () => {
  it('is the work itself while nothing is aborted', async () => {
    const { signal } = new AbortController()
    expect(await untilAborted(Promise.resolve(1), signal)).toBe(1)
    await expect(untilAborted(Promise.reject(new RangeError('x')), signal)).rejects.toThrow('x')
    const work = Promise.resolve(2)
    expect(untilAborted(work, undefined)).toBe(work)
  })

  it.each([[new RangeError('enough')], ['text'], [0], [null], [{ code: 7 }]])(
    'rejects with the very reason %j',
    async reason => {
      const controller = new AbortController()
      const work = untilAborted(never(), controller.signal)
      controller.abort(reason)
      await expect(work).rejects.toBe(reason)
      await expect(untilAborted(never(), controller.signal)).rejects.toBe(reason)
    },
  )

  it('leaves no listener on the signal', async () => {
    const { signal } = new AbortController()
    const works = [Promise.resolve(1), Promise.reject(new Error('x')), Promise.resolve(2)]
    await Promise.allSettled(works.map(work => untilAborted(work, signal)))
    await Promise.resolve()
    expect(listeners(signal)).toBe(0)
  })

  it('leaves no listener with a signal that was aborted before, also for work without an end', async () => {
    const signal = AbortSignal.abort('enough')
    await expect(untilAborted(never(), signal)).rejects.toBe('enough')
    expect(listeners(signal)).toBe(0)
  })

  it('swallows a later failure of the work', async () => {
    const controller = new AbortController()
    let fail = (_error: Error): void => {}
    const work = new Promise<void>((_resolve, reject) => {
      fail = reject
    })
    const result = untilAborted(work, controller.signal)
    controller.abort('enough')
    await expect(result).rejects.toBe('enough')
    fail(new Error('too late'))
    await new Promise(resolve => setTimeout(resolve, 1))
  })
})

describe('itemsUntilAborted', () => {
  it('passes on the items and ends with them', async () => {
    const { signal } = new AbortController()
    const items = (async function* () {
      yield* [1, 2, 3]
    })()
    const seen: number[] = []
    for await (const item of itemsUntilAborted(items, signal)) seen.push(item)
    expect(seen).toEqual([1, 2, 3])
    expect(listeners(signal)).toBe(0)
  })

  it('ends the source when its reader leaves', async () => {
    let ended = false
    const items = (async function* () {
      try {
        yield* [1, 2, 3]
      } finally {
        ended = true
      }
    })()
    for await (const item of itemsUntilAborted(items, undefined)) {
      expect(item).toBe(1)
      break
    }
    expect(ended).toBe(true)
  })

  it('cancels a source that hangs', async () => {
    const controller = new AbortController()
    const cancelled: unknown[] = []
    const items = (async function* () {
      yield 1
      await never()
    })()
    const reading = (async () => {
      const all = itemsUntilAborted(items, controller.signal, reason => cancelled.push(reason))
      for await (const item of all) queueMicrotask(() => controller.abort(`after ${item}`))
    })()
    await expect(reading).rejects.toBe('after 1')
    expect(cancelled).toEqual(['after 1'])
  })
})

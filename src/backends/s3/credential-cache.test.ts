import { inspect } from 'node:util'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { CredentialCache } from './credential-cache.ts'
import type { ExpiringCredentials } from './credentials.ts'

const minute = 60_000

afterEach(() => {
  vi.useRealTimers()
})

/** A source whose answers the test gives, under a clock that the test turns. */
class Source {
  time = 0
  asked = 0
  readonly #waiting: PromiseWithResolvers[] = []
  readonly cache = new CredentialCache(
    () => {
      this.asked++
      return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }))
    },
    () => this.time,
  )

  async give(accessKey: string, expiresAt?: number): Promise<void> {
    this.#next().resolve({ accessKey, secretKey: 'hunter2', expiresAt })
    await settle()
  }

  async fail(error: Error): Promise<void> {
    this.#next().reject(error)
    await settle()
  }

  #next(): PromiseWithResolvers {
    const next = this.#waiting.shift()
    if (next === undefined) throw new Error('nobody asked for keys')
    return next
  }
}

interface PromiseWithResolvers {
  resolve(value: ExpiringCredentials | undefined): void
  reject(error: Error): void
}

async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve()
}

/** The key that `get` gives at once. */
function keyNow({ cache }: Source): string {
  const found = cache.get()
  if (found instanceof Promise) throw new Error('the keys are not there yet')
  return found.accessKey
}

describe('CredentialCache', () => {
  it('asks once for all who wait, and answers at once from then on', async () => {
    const source = new Source()
    const waiting = [source.cache.get(), source.cache.get(), source.cache.get()]
    await source.give('first')
    const found = await Promise.all(waiting)
    expect(found.map(({ accessKey }) => accessKey)).toEqual(['first', 'first', 'first'])
    expect(keyNow(source)).toBe('first')
    expect(source.cache.get()).toBe(found[0])
    expect(source.asked).toBe(1)
  })

  it('never asks again for keys that do not end', async () => {
    const source = new Source()
    void source.cache.get()
    await source.give('first')
    source.time = 1000 * 365 * 24 * 60 * minute
    expect(keyNow(source)).toBe('first')
    expect(source.asked).toBe(1)
  })

  it('renews keys behind the requests five minutes before they end', async () => {
    const source = new Source()
    void source.cache.get()
    await source.give('first', 60 * minute)
    source.time = 55 * minute - 1
    expect(keyNow(source)).toBe('first')
    expect(source.asked).toBe(1)
    source.time = 55 * minute
    expect(keyNow(source)).toBe('first')
    expect(keyNow(source)).toBe('first')
    expect(source.asked).toBe(2)
    await source.give('second', 120 * minute)
    expect(keyNow(source)).toBe('second')
  })

  it('renews keys of a short life in its last quarter', async () => {
    const source = new Source()
    void source.cache.get()
    await source.give('first', 4 * minute)
    source.time = 3 * minute - 1
    keyNow(source)
    expect(source.asked).toBe(1)
    source.time = 3 * minute
    keyNow(source)
    expect(source.asked).toBe(2)
  })

  it('lets requests wait when the keys would not last until they arrive', async () => {
    const source = new Source()
    void source.cache.get()
    await source.give('first', 60 * minute)
    source.time = 60 * minute - 9_000
    const waiting = source.cache.get()
    expect(waiting).toBeInstanceOf(Promise)
    await source.give('second')
    expect((await waiting).accessKey).toBe('second')
  })

  it('keeps the old keys while they last when a renewal fails, and tries again later', async () => {
    const source = new Source()
    void source.cache.get()
    await source.give('first', 60 * minute)
    source.time = 56 * minute
    keyNow(source)
    await source.fail(new Error('down'))
    source.time += 29_999
    expect(keyNow(source)).toBe('first')
    expect(source.asked).toBe(2)
    source.time += 1
    expect(keyNow(source)).toBe('first')
    expect(source.asked).toBe(3)
    await source.fail(new Error('down'))
    source.time = 60 * minute - 1
    const waiting = source.cache.get()
    await source.fail(new Error('down'))
    expect((await waiting).accessKey).toBe('first')
  })

  it('tells why there are no keys once the old ones have ended', async () => {
    const source = new Source()
    void source.cache.get()
    await source.give('first', 60 * minute)
    source.time = 60 * minute
    const waiting = source.cache.get()
    const error = new Error('down')
    const failed = expect(waiting).rejects.toBe(error)
    await source.fail(error)
    await failed
  })

  it('asks again after a first failure', async () => {
    const source = new Source()
    const failed = expect(source.cache.get()).rejects.toThrow('down')
    await source.fail(new Error('down'))
    await failed
    const waiting = source.cache.get()
    await source.give('first')
    expect((await waiting).accessKey).toBe('first')
  })

  it('drops keys that the service refused, once for all who were refused with them', async () => {
    const source = new Source()
    const first = source.cache.get()
    await source.give('first', 60 * minute)
    const refused = await first
    source.cache.invalidate(refused)
    const waiting = source.cache.get()
    expect(waiting).toBeInstanceOf(Promise)
    await source.give('second', 60 * minute)
    // Others learn late that the first keys are no good.
    source.cache.invalidate(refused)
    expect(keyNow(source)).toBe('second')
    source.cache.invalidate()
    expect(source.cache.get()).toBeInstanceOf(Promise)
    expect(source.asked).toBe(3)
  })

  it('does not go back to refused keys when the renewal fails', async () => {
    const source = new Source()
    const first = source.cache.get()
    await source.give('first', 60 * minute)
    source.time = 56 * minute
    // A renewal is under way when the service refuses the keys.
    keyNow(source)
    source.cache.invalidate(await first)
    const failed = expect(source.cache.get()).rejects.toThrow('down')
    await source.fail(new Error('down'))
    await failed
  })

  it('says what to set when no source has keys', async () => {
    const cache = new CredentialCache(async () => undefined)
    await expect(cache.get()).rejects.toMatchObject({
      name: 'ImproperlyConfigured',
      setting: 'accessKey',
    })
  })

  it('gives up a source that does not answer within a minute', async () => {
    vi.useFakeTimers()
    const cache = new CredentialCache(() => new Promise(() => undefined))
    const failed = expect(cache.get()).rejects.toMatchObject({ name: 'UnavailableError' })
    await vi.advanceTimersByTimeAsync(minute)
    await failed
    expect(vi.getTimerCount()).toBe(0)
  })

  it('shows no keys to inspect or JSON', async () => {
    const source = new Source()
    void source.cache.get()
    await source.give('first')
    expect(inspect(source.cache, { depth: 9, showHidden: true })).not.toMatch(/hunter2|first/)
    expect(JSON.stringify(source.cache)).toBe('{}')
  })
})

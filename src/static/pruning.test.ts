import { describe, expect, it } from 'vitest'
import { MemoryStorage } from '../backends/memory/memory-storage.ts'
import { emptyManifest, formatManifest, type Manifest } from './manifest.ts'
import { type Clock, prune, readSettled } from './pruning.ts'
import { StaticManifest } from './static-manifest.ts'

/** A clock that goes on when somebody sleeps by it, and by hand. */
class HandClock implements Clock {
  readonly #timeouts: { readonly at: number; readonly controller: AbortController }[] = []
  readonly #onSleep: (clock: HandClock) => Promise<void> | void
  #now = 0

  constructor(onSleep: (clock: HandClock) => Promise<void> | void = () => {}) {
    this.#onSleep = onSleep
  }

  now(): number {
    return this.#now
  }

  async sleep(time: number, signal: AbortSignal | undefined): Promise<void> {
    await this.#onSleep(this)
    signal?.throwIfAborted()
    this.goOn(time)
  }

  timeout(time: number): AbortSignal {
    const controller = new AbortController()
    this.#timeouts.push({ at: this.#now + time, controller })
    return controller.signal
  }

  goOn(time: number): void {
    this.#now += time
    for (const { at, controller } of this.#timeouts) if (at <= this.#now) controller.abort()
  }
}

class Site {
  readonly files: MemoryStorage
  readonly place: StaticManifest

  constructor(files: MemoryStorage = new MemoryStorage()) {
    this.files = files
    this.place = new StaticManifest(files, {})
  }

  /** Puts a manifest in force whose run is deleting, or has done so. */
  async put(created: string, running: boolean): Promise<Manifest> {
    const manifest = { ...emptyManifest, created, pruning: { names: ['old.txt'], running } }
    await this.files.save('staticfiles.json', formatManifest(manifest), { overwrite: true })
    return manifest
  }
}

describe('a run that finds another one deleting', () => {
  it('waits a minute for one that died, and goes on with what it left', async () => {
    const site = new Site()
    await site.put('2026-01-01', true)
    const clock = new HandClock()
    let waits = 0
    const stored = await readSettled(site.place, undefined, () => waits++, clock)
    expect(stored.manifest.pruning).toEqual({ names: ['old.txt'], running: true })
    expect(waits).toBe(1)
    expect(clock.now()).toBeGreaterThan(60_000)
    expect(clock.now()).toBeLessThanOrEqual(61_000)
  })

  it('goes on as soon as that one is done', async () => {
    const site = new Site()
    await site.put('2026-01-01', true)
    const clock = new HandClock(async () => {
      if (clock.now() === 10_000) await site.put('2026-01-01', false)
    })
    const stored = await readSettled(site.place, undefined, () => {}, clock)
    expect(stored.manifest.pruning?.running).toBe(false)
    expect(clock.now()).toBe(10_500)
  })

  it('waits a minute from the moment in which a further one began to delete', async () => {
    const site = new Site()
    await site.put('2026-01-01', true)
    const clock = new HandClock(async () => {
      if (clock.now() === 50_000) await site.put('2026-01-02', true)
    })
    const stored = await readSettled(site.place, undefined, () => {}, clock)
    expect(stored.manifest.created).toBe('2026-01-02')
    expect(clock.now()).toBeGreaterThan(110_000)
    expect(clock.now()).toBeLessThanOrEqual(112_000)
  })

  it('ends its wait when it is cancelled', async () => {
    const site = new Site()
    await site.put('2026-01-01', true)
    const controller = new AbortController()
    const clock = new HandClock(() => controller.abort('enough'))
    await expect(readSettled(site.place, controller.signal, () => {}, clock)).rejects.toBe('enough')
  })
})

describe('a run that deletes', () => {
  it('gives up before others do that wait for it, and leaves word of what is open', async () => {
    const clock = new HandClock()
    const site = new Site(new SlowDeletion(clock))
    const manifest = await site.put('2026-01-01', true)
    await expect(prune(site.files, site.place, manifest, undefined, clock)).rejects.toMatchObject({
      name: 'UnavailableError',
      message: expect.stringContaining('could not be deleted within 45 s'),
    })
    expect((await site.place.read()).manifest.pruning).toEqual({
      names: ['old.txt'],
      running: true,
    })
    const next = new HandClock()
    await readSettled(site.place, undefined, () => {}, next)
    expect(next.now()).toBeGreaterThan(clock.now())
  })
})

/** Deletes nothing for as long as anybody waits. */
class SlowDeletion extends MemoryStorage {
  readonly #clock: HandClock

  constructor(clock: HandClock) {
    super()
    this.#clock = clock
  }

  override async deleteMany(...[, options]: Parameters<MemoryStorage['deleteMany']>) {
    while (options?.signal?.aborted === false) this.#clock.goOn(1000)
    options?.signal?.throwIfAborted()
  }
}

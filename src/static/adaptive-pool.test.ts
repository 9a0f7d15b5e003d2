import { describe, expect, it } from 'vitest'
import { StorageError, UnavailableError } from '../core/errors.ts'
import { type Job, runAdaptively } from './adaptive-pool.ts'

const options = { signal: undefined, pause: 1 }

/** Jobs that note how many of them run at a time. */
class Load {
  running = 0
  most = 0
  done = 0

  jobs(count: number, work: () => Promise<void>, weight = 0): Job[] {
    return Array.from({ length: count }, (_, index) => ({
      name: `job ${index}`,
      weight,
      run: async () => {
        this.most = Math.max(this.most, ++this.running)
        try {
          await work()
          this.done++
        } finally {
          this.running--
        }
      },
    }))
  }
}

const moment = (): Promise<void> => new Promise(resolve => setTimeout(resolve, 1))

describe('runAdaptively', () => {
  it('does more at a time as long as all goes well, up to the limit', async () => {
    const load = new Load()
    await runAdaptively(load.jobs(1000, moment), { ...options, start: 4, most: 32 })
    expect(load).toMatchObject({ done: 1000, most: 32 })
  })

  it('does less at a time when the service is overloaded, and finishes', async () => {
    const load = new Load()
    const capacity = 6
    let refused = 0
    const work = async (): Promise<void> => {
      const over = load.running > capacity
      await moment()
      if (!over) return
      refused++
      throw new UnavailableError('Slow down')
    }
    const jobs = load.jobs(400, work)
    await runAdaptively(jobs, { ...options, start: 16 })
    expect(load.done).toBe(400)
    // Had it gone on as it began, ten of sixteen would have been refused again and again.
    expect(refused).toBeLessThan(400)
  })

  it('names what failed for good, and begins no more after ten of them', async () => {
    const load = new Load()
    const run = runAdaptively(
      load.jobs(500, async () => {
        throw new Error('no')
      }),
      { ...options, start: 1, most: 1 },
    )
    const failure = await run.then(
      () => undefined,
      (error: unknown) => error,
    )
    expect(failure).toBeInstanceOf(StorageError)
    expect(failure).toMatchObject({ errors: { length: 10 } })
    expect(String(failure)).toContain('job 3')
  })

  it('gives up a job that the service refuses eight times', async () => {
    let attempts = 0
    const job = {
      name: 'x',
      weight: 0,
      run: async () => {
        attempts++
        throw new UnavailableError('down')
      },
    }
    await expect(runAdaptively([job], options)).rejects.toThrow('down')
    expect(attempts).toBe(8)
  })

  it('holds no more than 64 MiB in memory, and still does what is larger', async () => {
    const load = new Load()
    await runAdaptively(load.jobs(20, moment, 20 * 1024 * 1024), { ...options, start: 16 })
    expect(load).toMatchObject({ done: 20, most: 3 })
    await runAdaptively(load.jobs(2, moment, 200 * 1024 * 1024), options)
    expect(load.done).toBe(22)
  })

  it('begins nothing more after an abort', async () => {
    const load = new Load()
    const controller = new AbortController()
    const work = async (): Promise<void> => {
      await moment()
      if (load.done === 20) controller.abort(new Error('enough'))
    }
    await expect(
      runAdaptively(load.jobs(500, work), { ...options, signal: controller.signal }),
    ).rejects.toThrow('enough')
    expect(load.done).toBeLessThan(100)
  })
})

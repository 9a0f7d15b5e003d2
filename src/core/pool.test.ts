import { describe, expect, it } from 'vitest'
import { batches, pool } from './pool.ts'

async function* counting(end: number, taken: number[] = []): AsyncGenerator<number> {
  for (let n = 0; n < end; n++) {
    taken.push(n)
    yield n
  }
}

describe('pool', () => {
  it('does all, at most so many at a time, in order', async () => {
    let running = 0
    let most = 0
    const begun: number[] = []
    await pool(counting(50), 4, async (item, index) => {
      expect(index).toBe(item)
      begun.push(item)
      most = Math.max(most, ++running)
      await new Promise(resolve => setTimeout(resolve, item % 3))
      running--
    })
    expect(begun).toEqual(Array.from({ length: 50 }, (_, n) => n))
    expect(most).toBe(4)
  })

  it('takes no further items after an error, and throws it when all have settled', async () => {
    const taken: number[] = []
    let settled = 0
    const error = new RangeError('third')
    const working = pool(counting(100, taken), 3, async item => {
      await new Promise(resolve => setTimeout(resolve, item === 2 ? 0 : 10))
      if (item === 2) throw error
      settled++
    })
    await expect(working).rejects.toBe(error)
    expect(taken.length).toBeLessThan(6)
    expect(settled).toBe(taken.length - 2)
  })

  it('throws the error of the items', async () => {
    const items = async function* (): AsyncGenerator<number> {
      yield 1
      throw new RangeError('no more')
    }
    await expect(pool(items(), 2, async () => {})).rejects.toThrow('no more')
  })

  it('has nothing to do for no items', async () => {
    await pool([], 2, () => Promise.reject(new Error('never called')))
  })
})

describe('batches', () => {
  it.each([
    [0, []],
    [1, [1]],
    [3, [3]],
    [4, [3, 1]],
    [7, [3, 3, 1]],
  ])('groups %d items', async (count, sizes) => {
    const found: number[] = []
    for await (const batch of batches(counting(count), 3)) found.push(batch.length)
    expect(found).toEqual(sizes)
  })
})

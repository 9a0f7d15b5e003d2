import { describe, expect, it } from 'vitest'
import { copyPartSize } from './native/copy-in-parts.ts'
import { knownPartSize, openPartSize, PartBuffers, partsInFlight } from './part-buffers.ts'

const mebibyte = 2 ** 20
const partSize = 8 * mebibyte
/** S3's limits (https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html). */
const maxParts = 10_000
const maxPartSize = 5 * 2 ** 30

describe('the parts of a content of unknown length', () => {
  const sizes = Array.from({ length: maxParts }, (_, index) =>
    openPartSize(index + 1, partSize, maxParts),
  )

  it('stay as configured for 50 GiB', () => {
    expect(sizes.slice(0, 6400).every(size => size === partSize)).toBe(true)
    expect(6400 * partSize).toBe(50 * 2 ** 30)
  })

  it('never shrink, and never pass the largest part of S3', () => {
    expect(sizes.every((size, index) => size >= (sizes[index - 1] ?? 0))).toBe(true)
    expect(Math.max(...sizes)).toBeLessThanOrEqual(maxPartSize)
  })

  it('reach 3 TiB with 10,000 of them', () => {
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBeGreaterThan(3 * 2 ** 40)
  })

  it('grow sooner where a service takes fewer', () => {
    const few = Array.from({ length: 1000 }, (_, index) => openPartSize(index + 1, partSize, 1000))
    expect(few.slice(0, 640).every(size => size === partSize)).toBe(true)
    expect(few.reduce((sum, size) => sum + size, 0)).toBeGreaterThan(300 * 2 ** 30)
  })
})

describe('the parts of a content of known length', () => {
  it.each([
    [1, partSize],
    [maxParts * partSize, partSize],
    [maxParts * partSize + 1, 9 * mebibyte],
    [5 * 2 ** 40, 525 * mebibyte],
  ])('of %i bytes are %i bytes, so that 10,000 suffice', (size, expected) => {
    expect(knownPartSize(size, partSize, maxParts)).toBe(expected)
    expect(Math.ceil(size / expected)).toBeLessThanOrEqual(maxParts)
  })
})

it('a service that takes 1,000 parts gets 1,000 of a large file, stored or copied', () => {
  const size = 100 * 2 ** 30
  for (const each of [knownPartSize(size, partSize, 1000), copyPartSize(size, 1000, 5 * 2 ** 20)])
    expect(Math.ceil(size / each)).toBeLessThanOrEqual(1000)
})

describe('parts in flight', () => {
  it.each([
    [5 * mebibyte, 4, 4],
    [partSize, 4, 4],
    [partSize, 16, 5],
    [16 * mebibyte, 4, 2],
    [2 ** 30, 4, 1],
  ])(
    'of %i bytes and a concurrency of %i are %i: the buffers stay within 48 MiB',
    (size, concurrency, expected) => {
      expect(partsInFlight(size, concurrency)).toBe(expected)
    },
  )
})

describe('part buffers', () => {
  it('are used again, if their size fits', () => {
    const buffers = new PartBuffers()
    const first = buffers.take(10)
    buffers.giveBack(first)
    expect(buffers.take(10)).toBe(first)
    buffers.giveBack(first)
    expect(buffers.take(20).byteLength).toBe(20)
  })
})

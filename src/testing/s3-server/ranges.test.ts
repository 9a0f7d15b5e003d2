import { describe, expect, it } from 'vitest'
import { parseCopyRange, parseRange } from './ranges.ts'

describe('a Range header', () => {
  it.each([
    ['bytes=0-0', { start: 0, end: 1 }],
    ['bytes=3-', { start: 3, end: 10 }],
    ['bytes=8-99', { start: 8, end: 10 }],
    ['bytes=-3', { start: 7, end: 10 }],
    ['bytes=-99', { start: 0, end: 10 }],
  ])('%s names bytes of ten', (header, range) => {
    expect(parseRange(header, 10)).toEqual(range)
  })

  it.each([undefined, 'bytes=3-1', 'bytes=a-b', 'bytes=0-1,3-4', 'chapters=1-2'])(
    '%s is ignored',
    header => {
      expect(parseRange(header, 10)).toBeUndefined()
    },
  )

  it.each([
    ['bytes=10-', 10],
    ['bytes=-0', 10],
    ['bytes=0-', 0],
    ['bytes=-5', 0],
  ])('%s is not satisfiable of %i bytes', (header, size) => {
    expect(() => parseRange(header, size)).toThrow('The requested range is not satisfiable')
  })
})

describe('the range of a copied part', () => {
  it('has a first and a last byte inside the source', () => {
    expect(parseCopyRange('bytes=1-9', 10)).toEqual({ start: 1, end: 10 })
    for (const header of ['bytes=1-10', 'bytes=-3', 'bytes=3-', 'bytes=3-1']) {
      expect(() => parseCopyRange(header, 10)).toThrow()
    }
  })
})

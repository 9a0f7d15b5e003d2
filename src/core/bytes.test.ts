import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { compareUtf8, concatBytes, copyBytes, ownBytes, plainBytes, utf8Length } from './bytes.ts'

const text = fc.string({ unit: 'binary', maxLength: 6 })

describe('compareUtf8', () => {
  it('orders texts as their bytes', () => {
    fc.assert(
      fc.property(text, text, (a, b) => {
        const bytes = Buffer.compare(Buffer.from(a), Buffer.from(b))
        expect(Math.sign(compareUtf8(a, b))).toBe(bytes)
      }),
    )
  })

  it('puts U+E000 to U+FFFF before what lies above them', () => {
    const sorted = ['a', '\ud7ff', '\ue000', '\uff5e', '\uffff', '\u{10000}', '\u{10ffff}']
    expect([...sorted].reverse().sort(compareUtf8)).toEqual(sorted)
  })
})

describe('utf8Length', () => {
  it('counts the bytes without making them', () => {
    fc.assert(
      fc.property(text, one => {
        expect(utf8Length(one)).toBe(Buffer.byteLength(one))
      }),
    )
  })
})

describe('bytes of others', () => {
  const buffer = Buffer.from('0123456789').subarray(2, 5)

  it('are copied, where slice of a Buffer would not', () => {
    const copy = copyBytes(buffer)
    copy.fill(0)
    expect(String(buffer)).toBe('234')
    expect(copy.buffer.byteLength).toBe(3)
  })

  it('become plain over the same memory', () => {
    const plain = plainBytes(buffer)
    expect(plain.constructor).toBe(Uint8Array)
    expect([plain.buffer, plain.byteOffset, plain.byteLength]).toEqual([
      buffer.buffer,
      buffer.byteOffset,
      3,
    ])
    const already = new Uint8Array(1)
    expect(plainBytes(already)).toBe(already)
  })

  it('are copied out of shared memory only', () => {
    const own = new Uint8Array(3)
    expect(ownBytes(own)).toBe(own)
    const shared = new Uint8Array(new SharedArrayBuffer(3)).fill(7)
    const copy = ownBytes(shared)
    expect(copy.buffer).toBeInstanceOf(ArrayBuffer)
    expect([...copy]).toEqual([7, 7, 7])
  })
})

describe('concatBytes', () => {
  it('joins pieces, and gives back a single one', () => {
    expect([...concatBytes([new Uint8Array([1]), new Uint8Array([2, 3])], 3)]).toEqual([1, 2, 3])
    const one = new Uint8Array(2)
    expect(concatBytes([one], 2)).toBe(one)
    expect(concatBytes([], 0).byteLength).toBe(0)
  })
})

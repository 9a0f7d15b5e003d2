import { describe, expect, it } from 'vitest'
import { hmacSha256, md5Base64, sha256Binary, sha256Hex } from './hashes.ts'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const hexOf = (data: Uint8Array): string => Buffer.from(data).toString('hex')

describe('hashes', () => {
  it('gives the SHA-256 of the standard (FIPS 180, "abc")', () => {
    const expected = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'
    expect(sha256Hex('abc')).toBe(expected)
    expect(sha256Hex(bytes('abc'))).toBe(expected)
    expect(Buffer.from(sha256Binary('abc'), 'latin1').toString('hex')).toBe(expected)
  })

  it('hashes text as UTF-8', () => {
    expect(sha256Hex('é日😀')).toBe(sha256Hex(bytes('é日😀')))
  })

  it('hashes a view without the bytes around it', () => {
    expect(sha256Hex(bytes('xabcx').subarray(1, 4))).toBe(sha256Hex('abc'))
  })

  it('gives the MD5 of RFC 1321 in base64', () => {
    const expected = Buffer.from('900150983cd24fb0d6963f7d28e17f72', 'hex').toString('base64')
    expect(md5Base64('abc')).toBe(expected)
  })

  it('gives the HMAC of RFC 4231, case 2', () => {
    expect(hexOf(hmacSha256(bytes('Jefe'), 'what do ya want for nothing?'))).toBe(
      '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843',
    )
  })
})

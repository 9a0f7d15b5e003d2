import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  crc32,
  hmacSha256,
  md5Base64,
  Sha256,
  sha256Base64,
  sha256Binary,
  sha256Hex,
} from './hashes.ts'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const hexOf = (data: Uint8Array): string => Buffer.from(data).toString('hex')

describe('hashes', () => {
  it('gives the SHA-256 of the standard (FIPS 180, "abc")', () => {
    const expected = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'
    expect(sha256Hex('abc')).toBe(expected)
    expect(sha256Hex(bytes('abc'))).toBe(expected)
    expect(Buffer.from(sha256Binary('abc'), 'latin1').toString('hex')).toBe(expected)
    expect(sha256Base64('abc')).toBe(Buffer.from(expected, 'hex').toString('base64'))
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

  it('gives the check value of CRC-32, whole and continued', () => {
    expect(crc32(bytes('123456789'))).toBe(0xcbf43926)
    expect(crc32(bytes('6789'), crc32(bytes('12345')))).toBe(0xcbf43926)
  })

  it('hashes pieces as it does their whole', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array()), pieces => {
        const hash = new Sha256()
        for (const piece of pieces) hash.update(piece)
        expect(hash.hex()).toBe(sha256Hex(Buffer.concat(pieces)))
      }),
    )
  })
})

import { crc32 } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { profileOf } from '../profiles.ts'
import { checksumOf, checksumPlan, combineCrc32, crc32Base64, parseCrc32 } from './checksums.ts'

describe('checksums', () => {
  it('combine to the one of the whole, wherever it is cut', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 5000 }), fc.nat(5000), (bytes, at) => {
        const [first, second] = [bytes.subarray(0, at), bytes.subarray(at)]
        const combined = combineCrc32(crc32(first), crc32(second), second.byteLength)
        expect(combined).toBe(crc32(bytes))
      }),
    )
  })

  it('combine over more than 4 GiB of what follows', () => {
    // Zeros behind a text: by halves, as a CRC of so many bytes takes too long to compute.
    let zeros = crc32(new Uint8Array(2 ** 20))
    let length = 2 ** 20
    for (; length < 2 ** 33; length *= 2) zeros = combineCrc32(zeros, zeros, length)
    const text = crc32('text')
    const half = combineCrc32(text, crc32Of(2 ** 32), 2 ** 32)
    expect(combineCrc32(text, zeros, length)).toBe(combineCrc32(half, crc32Of(2 ** 32), 2 ** 32))
  })

  it('are read as they are written', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 0xffffffff }), crc => {
        expect(parseCrc32(crc32Base64(crc))).toBe(crc)
      }),
    )
  })

  it.each(['AAAAAA==-2', '', 'AAAA', 'AAAAAAAA', undefined])(
    'are none of a whole object: %s',
    text => {
      expect(parseCrc32(text)).toBeUndefined()
    },
  )

  it('are those of the documentation', () => {
    // The check value of CRC-32/ISO-HDLC, and the SHA-256 of FIPS 180-2.
    expect(checksumOf('crc32', Buffer.from('123456789'))).toBe('y/Q5Jg==')
    expect(checksumOf('sha256', Buffer.from('abc'))).toBe(
      'ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=',
    )
  })

  it('are sent where a service is known to verify them, or asked for', () => {
    expect(checksumPlan(profileOf({}), undefined)).toEqual({
      put: 'crc32',
      parts: 'crc32',
      copies: 'crc32',
      fullObject: true,
      returned: true,
    })
    const unknown = profileOf({ endpointUrl: 'https://s3.example.com' })
    expect(checksumPlan(unknown, undefined)).toMatchObject({ put: undefined, parts: undefined })
    expect(checksumPlan(unknown, 'sha256')).toMatchObject({ put: 'sha256', fullObject: false })
    expect(checksumPlan(profileOf({}), null)).toMatchObject({ put: undefined, parts: undefined })
    expect(checksumPlan(profileOf({ profile: 'r2' }), undefined)).toMatchObject({
      parts: 'crc32',
      copies: undefined,
      fullObject: false,
    })
  })
})

function crc32Of(zeros: number): number {
  let crc = crc32(new Uint8Array(2 ** 20))
  for (let length = 2 ** 20; length < zeros; length *= 2) crc = combineCrc32(crc, crc, length)
  return crc
}

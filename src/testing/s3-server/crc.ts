import { crc32 as zlibCrc32 } from 'node:zlib'

/** A running checksum of bytes. */
export interface RunningCrc {
  update(bytes: Uint8Array): void
  digest(): Buffer
}

/** The reflected polynomials: CRC-32 (IEEE 802.3), CRC-32C (RFC 3720), CRC-64/NVME. */
const POLYNOMIALS = {
  crc32: { width: 32, polynomial: 0xedb88320n },
  crc32c: { width: 32, polynomial: 0x82f63b78n },
  crc64nvme: { width: 64, polynomial: 0x9a6c9329ac4bc9b5n },
} as const

/** The checksums that can be combined from those of their parts. */
export type CrcName = keyof typeof POLYNOMIALS

/** Whether the word names a CRC. */
export function isCrc(name: string): name is CrcName {
  return Object.hasOwn(POLYNOMIALS, name)
}

/** A new running CRC. */
export function createCrc(name: CrcName): RunningCrc {
  if (name === 'crc32') return new ZlibCrc()
  return name === 'crc32c' ? new Crc32c() : new Crc64()
}

/**
 * The CRC of two runs of bytes from the CRC of each and the length of the second, by multiplying in
 * GF(2): crc(a ‖ b) = crc(a) · x^(8·|b|) + crc(b), all modulo the polynomial.
 */
export function combineCrc(
  name: CrcName,
  first: Buffer,
  second: Buffer,
  secondSize: number,
): Buffer {
  const { width, polynomial } = POLYNOMIALS[name]
  const top = 1n << BigInt(width - 1)
  let power = top >> 1n
  let shift = top
  for (let bits = BigInt(secondSize) * 8n; bits > 0n; bits >>= 1n) {
    if (bits & 1n) shift = multiply(shift, power, polynomial, top)
    power = multiply(power, power, polynomial, top)
  }
  const combined = multiply(shift, toBigInt(first), polynomial, top) ^ toBigInt(second)
  return Buffer.from(combined.toString(16).padStart(width / 4, '0'), 'hex')
}

/** The product of two reflected polynomials; `top` stands for 1. */
function multiply(a: bigint, b: bigint, polynomial: bigint, top: bigint): bigint {
  let product = 0n
  let factor = b
  for (let bit = top; bit > 0n; bit >>= 1n) {
    if (a & bit) product ^= factor
    factor = factor & 1n ? (factor >> 1n) ^ polynomial : factor >> 1n
  }
  return product
}

function toBigInt(bytes: Buffer): bigint {
  return BigInt(`0x${bytes.toString('hex')}`)
}

class ZlibCrc implements RunningCrc {
  #value = 0

  update(bytes: Uint8Array): void {
    this.#value = zlibCrc32(bytes, this.#value)
  }

  digest(): Buffer {
    return bigEndian(this.#value)
  }
}

function bigEndian(...words: number[]): Buffer {
  const bytes = Buffer.alloc(words.length * 4)
  words.forEach((word, index) => {
    bytes.writeUInt32BE(word >>> 0, index * 4)
  })
  return bytes
}

/** Eight tables of 256 entries, so that eight bytes are taken at once ("slicing by eight"). */
const TABLE_32C = table32(0x82f63b78)

class Crc32c implements RunningCrc {
  #value = 0xffffffff

  update(bytes: Uint8Array): void {
    const t = TABLE_32C
    let crc = this.#value
    let i = 0
    for (const end = bytes.length - 7; i < end; i += 8) {
      crc ^=
        at(bytes, i) | (at(bytes, i + 1) << 8) | (at(bytes, i + 2) << 16) | (at(bytes, i + 3) << 24)
      crc =
        word(t, 1792 + (crc & 255)) ^
        word(t, 1536 + ((crc >>> 8) & 255)) ^
        word(t, 1280 + ((crc >>> 16) & 255)) ^
        word(t, 1024 + (crc >>> 24)) ^
        word(t, 768 + at(bytes, i + 4)) ^
        word(t, 512 + at(bytes, i + 5)) ^
        word(t, 256 + at(bytes, i + 6)) ^
        word(t, at(bytes, i + 7))
    }
    for (; i < bytes.length; i += 1) crc = word(t, (crc ^ at(bytes, i)) & 255) ^ (crc >>> 8)
    this.#value = crc
  }

  digest(): Buffer {
    return bigEndian(~this.#value)
  }
}

function table32(polynomial: number): Uint32Array {
  const table = new Uint32Array(2048)
  for (let n = 0; n < 256; n += 1) {
    let crc = n
    for (let k = 0; k < 8; k += 1) crc = crc & 1 ? (crc >>> 1) ^ polynomial : crc >>> 1
    table[n] = crc
  }
  for (let n = 256; n < 2048; n += 1) {
    const before = word(table, n - 256)
    table[n] = word(table, before & 255) ^ (before >>> 8)
  }
  return table
}

/** The same eight tables for 64 bits, each entry as a high and a low half. */
const TABLE_64 = table64(0x9a6c9329, 0xac4bc9b5)

class Crc64 implements RunningCrc {
  #high = 0xffffffff
  #low = 0xffffffff

  update(bytes: Uint8Array): void {
    const { high: h, low: l } = TABLE_64
    let high = this.#high
    let low = this.#low
    let i = 0
    for (const end = bytes.length - 7; i < end; i += 8) {
      low ^=
        at(bytes, i) | (at(bytes, i + 1) << 8) | (at(bytes, i + 2) << 16) | (at(bytes, i + 3) << 24)
      high ^=
        at(bytes, i + 4) |
        (at(bytes, i + 5) << 8) |
        (at(bytes, i + 6) << 16) |
        (at(bytes, i + 7) << 24)
      const a = 1792 + (low & 255)
      const b = 1536 + ((low >>> 8) & 255)
      const c = 1280 + ((low >>> 16) & 255)
      const d = 1024 + (low >>> 24)
      const e = 768 + (high & 255)
      const f = 512 + ((high >>> 8) & 255)
      const g = 256 + ((high >>> 16) & 255)
      const j = high >>> 24
      high =
        word(h, a) ^
        word(h, b) ^
        word(h, c) ^
        word(h, d) ^
        word(h, e) ^
        word(h, f) ^
        word(h, g) ^
        word(h, j)
      low =
        word(l, a) ^
        word(l, b) ^
        word(l, c) ^
        word(l, d) ^
        word(l, e) ^
        word(l, f) ^
        word(l, g) ^
        word(l, j)
    }
    for (; i < bytes.length; i += 1) {
      const index = (low ^ at(bytes, i)) & 255
      low = word(l, index) ^ ((low >>> 8) | (high << 24))
      high = word(h, index) ^ (high >>> 8)
    }
    this.#high = high
    this.#low = low
  }

  digest(): Buffer {
    return bigEndian(~this.#high, ~this.#low)
  }
}

function table64(polyHigh: number, polyLow: number): { high: Uint32Array; low: Uint32Array } {
  const high = new Uint32Array(2048)
  const low = new Uint32Array(2048)
  for (let n = 0; n < 256; n += 1) {
    let h = 0
    let l = n
    for (let k = 0; k < 8; k += 1) {
      const odd = l & 1
      l = (l >>> 1) | (h << 31)
      h >>>= 1
      if (odd) {
        h ^= polyHigh
        l ^= polyLow
      }
    }
    high[n] = h
    low[n] = l
  }
  for (let n = 256; n < 2048; n += 1) {
    const h = word(high, n - 256)
    const l = word(low, n - 256)
    high[n] = word(high, l & 255) ^ (h >>> 8)
    low[n] = word(low, l & 255) ^ ((l >>> 8) | (h << 24))
  }
  return { high, low }
}

function at(bytes: Uint8Array, index: number): number {
  return bytes[index] ?? 0
}

function word(table: Uint32Array, index: number): number {
  return table[index] ?? 0
}

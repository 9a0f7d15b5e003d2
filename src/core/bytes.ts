/** Bytes that come out of this package. What goes in is any `Uint8Array`. */
export type Bytes = Uint8Array<ArrayBuffer>

const encoder = new TextEncoder()

/** UTF-8 bytes of `text`. */
export function encodeUtf8(text: string): Bytes {
  return encoder.encode(text)
}

/** Number of UTF-8 bytes of `text`, without making them. */
export function utf8Length(text: string): number {
  let length = text.length
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code < 0x80) continue
    // A surrogate counts two here, so that a pair makes the four bytes of its code point.
    length += code < 0x800 || (code >= 0xd800 && code < 0xe000) ? 1 : 2
  }
  return length
}

/**
 * Order of the UTF-8 bytes of two texts, which is the order of their code points. JavaScript's `<`
 * compares UTF-16 units and puts U+FF5E behind an emoji.
 */
export function compareUtf8(a: string, b: string): number {
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i)
    const y = b.charCodeAt(i)
    if (x !== y) return rank(x) - rank(y)
  }
  return a.length - b.length
}

/** Puts the surrogates (code points above U+FFFF) behind U+E000 to U+FFFF. */
function rank(unit: number): number {
  if (unit < 0xd800) return unit
  return unit < 0xe000 ? unit + 0x2000 : unit - 0x800
}

/** One piece out of many; a single piece is given back as it is. */
export function concatBytes(pieces: readonly Uint8Array[], length: number): Bytes {
  const [first] = pieces
  if (pieces.length === 1 && first !== undefined && first.byteLength === length)
    return ownBytes(first)
  const whole = new Uint8Array(length)
  let at = 0
  for (const piece of pieces) {
    whole.set(piece, at)
    at += piece.byteLength
  }
  return whole
}

/** The same bytes over an `ArrayBuffer`: copied only if they lie in shared memory. */
export function ownBytes(bytes: Uint8Array): Bytes {
  return isOwn(bytes) ? bytes : new Uint8Array(bytes)
}

/** A copy. (`slice` of a Node `Buffer` is none: it shares the memory.) */
export function copyBytes(bytes: Uint8Array): Bytes {
  return new Uint8Array(bytes)
}

/**
 * The same memory as a plain `Uint8Array`: what comes out of this package is no `Buffer`, whose
 * `slice` and `toString` do something else.
 */
export function plainBytes(bytes: Bytes): Bytes {
  if (bytes.constructor === Uint8Array) return bytes
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/**
 * Whether the memory was given away (`postMessage`, `structuredClone` with `transfer`): such bytes
 * look empty. (`ArrayBuffer.prototype.detached` came with Node 21.)
 */
export function isDetached(buffer: ArrayBufferLike): boolean {
  if (buffer.byteLength > 0) return false
  try {
    new Uint8Array(buffer)
    return false
  } catch {
    return true
  }
}

function isOwn(bytes: Uint8Array): bytes is Bytes {
  return bytes.buffer instanceof ArrayBuffer
}

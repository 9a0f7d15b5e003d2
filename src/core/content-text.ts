import { type Bytes, encodeUtf8 } from './bytes.ts'
import { ValidationError } from './errors.ts'

/**
 * Text as it is stored. A lone surrogate has no UTF-8 form and would silently become U+FFFD.
 *
 * @throws ValidationError for a lone surrogate
 */
export function encodeContent(text: string): Bytes {
  if (!text.isWellFormed()) {
    throw new ValidationError(
      'The text holds a lone surrogate (half of a UTF-16 pair), which UTF-8 cannot store; pass bytes, or text.toWellFormed().',
    )
  }
  return encodeUtf8(text)
}

/** Text that arrives in pieces; a pair that is split between two of them is put together. */
export class TextPieces {
  #half = ''

  /** Bytes of the piece, without a first half at its end. A piece that is refused changes nothing. */
  encode(piece: string): Bytes {
    const text = this.#half + piece
    const half = /[\ud800-\udbff]$/.test(text) ? text.slice(-1) : ''
    const bytes = encodeContent(half === '' ? text : text.slice(0, -1))
    this.#half = half
    return bytes
  }

  /** @throws ValidationError when the text ends in half a pair */
  end(): void {
    encodeContent(this.#half)
  }
}

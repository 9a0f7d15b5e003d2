import { encodeUtf8, utf8Length } from '../../core/bytes.ts'
import { ValidationError } from '../../core/errors.ts'

/**
 * Percent-encodes everything but RFC 3986's unreserved characters.
 *
 * @throws ValidationError for a lone surrogate, which has no UTF-8 form
 */
export function encodeRfc3986(text: string): string {
  if (/^[\w.~-]*$/.test(text)) return text
  return encodeURIComponent(wellFormed(text)).replaceAll(
    /[!'()*]/g,
    char => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  )
}

/** A key as the path of a URL: as {@link encodeRfc3986}, but `/` stays. */
export function encodeKey(key: string): string {
  if (/^[\w.~/-]*$/.test(key)) return key
  return encodeRfc3986(key).replaceAll('%2F', '/')
}

/** Bytes of text in one encoded word, whose 75 characters hold 45 bytes in base64 (RFC 2047). */
const wordBytes = 45

/**
 * A metadata value as a header. Visible ASCII stays as it is; anything else, and what a service
 * could take for an encoded word or trim, becomes RFC 2047 words, the form in which S3 itself
 * answers such values
 * (https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html).
 *
 * @throws ValidationError for a lone surrogate, which has no UTF-8 form
 */
export function encodeMetadata(value: string): string {
  const plain = value === '' || /^[\u0021-\u007e]+( [\u0021-\u007e]+)*$/.test(value)
  return plain && !value.includes('=?') ? value : encodedWords(wellFormed(value))
}

function encodedWords(value: string): string {
  const words: string[] = []
  let word = ''
  let length = 0
  for (const character of value) {
    const added = utf8Length(character)
    if (length + added > wordBytes) {
      words.push(word)
      word = ''
      length = 0
    }
    word += character
    length += added
  }
  return [...words, word].map(text => `=?UTF-8?B?${toBase64(encodeUtf8(text))}?=`).join(' ')
}

const encodedWord = /=\?utf-8\?([bq])\?([^?\s]*)\?=/gi
/** Encoded words and the blanks between them, which are no part of the text. */
const onlyEncodedWords = /^=\?utf-8\?[bq]\?[^?\s]*\?=(?:\s*=\?utf-8\?[bq]\?[^?\s]*\?=)*$/i

/**
 * A metadata value as it was meant: base64 and quoted words decoded, also where a character is
 * split between two of them. What is not wholly encoded words stays as it is: some services keep
 * the words that they are sent, others (S3) decode them, and what those answer must not be decoded
 * once more.
 */
export function decodeMetadata(header: string): string {
  return onlyEncodedWords.test(header) ? (decodeWords(header) ?? header) : header
}

function decodeWords(run: string): string | undefined {
  try {
    const bytes = [...run.matchAll(encodedWord)].map(([, kind = '', text = '']) =>
      kind.toLowerCase() === 'b' ? atob(text) : fromQuotedPrintable(text),
    )
    return strictDecoder.decode(Uint8Array.from(bytes.join(''), byte => byte.charCodeAt(0)))
  } catch {
    return undefined
  }
}

const strictDecoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function toBase64(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes))
}

/** RFC 2047, section 4.2: one character for each byte. */
function fromQuotedPrintable(text: string): string {
  return text
    .replaceAll('_', ' ')
    .replaceAll(/=([0-9a-f]{2})/gi, (_all, hex: string) =>
      String.fromCharCode(Number.parseInt(hex, 16)),
    )
}

/**
 * `Content-Disposition` that downloads under `filename` (RFC 6266): an ASCII fallback for old
 * clients, and the name itself in RFC 8187's form where it needs one.
 *
 * @throws ValidationError for a lone surrogate, which has no UTF-8 form
 */
export function contentDisposition(filename: string): string {
  const fallback = filename.replaceAll(/[^\u0020-\u007e]/gu, '_').replaceAll(/["\\%]/g, '_')
  const quoted = `attachment; filename="${fallback}"`
  if (fallback === filename) return quoted
  return `${quoted}; filename*=UTF-8''${encodeRfc3986(filename)}`
}

/** Never a replacement character in place of what was meant. */
function wellFormed(text: string): string {
  if (text.isWellFormed()) return text
  throw new ValidationError('A text has a lone surrogate, which cannot be sent.')
}

/** Percent-encodes everything but RFC 3986's unreserved characters. */
export function encodeRfc3986(text: string): string {
  if (/^[\w.~-]*$/.test(text)) return text
  return encodeURIComponent(text).replaceAll(
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
 * A metadata value as a header: visible ASCII as it is, anything else as RFC 2047 words, the form
 * in which S3 itself answers such values
 * (https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html).
 */
export function encodeMetadata(value: string): string {
  const plain = /^[\u0021-\u007e]+( [\u0021-\u007e]+)*$/.test(value) || value === ''
  return plain && !value.includes('=?') ? value : encodedWords(value)
}

function encodedWords(value: string): string {
  const words: string[] = []
  let word = ''
  for (const character of value) {
    if (encoder.encode(word + character).byteLength > wordBytes) {
      words.push(word)
      word = ''
    }
    word += character
  }
  return [...words, word].map(text => `=?UTF-8?B?${base64(encoder.encode(text))}?=`).join(' ')
}

const encodedWord = /=\?utf-8\?([bq])\?([^?]*)\?=/gi

/** A metadata value as it was meant. Blanks between two encoded words are not part of it. */
export function decodeMetadata(header: string): string {
  if (!header.includes('=?')) return header
  const joined = header.replaceAll(/(\?=)\s+(?==\?)/g, '$1')
  return joined.replaceAll(encodedWord, (_word, kind: string, text: string) => {
    const bytes = kind.toLowerCase() === 'b' ? fromBase64(text) : fromQuotedPrintable(text)
    return bytes === undefined ? _word : new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes)
  })
}

const encoder = new TextEncoder()

function base64(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes))
}

function fromBase64(text: string): Uint8Array | undefined {
  try {
    return Uint8Array.from(atob(text), char => char.charCodeAt(0))
  } catch {
    return undefined
  }
}

function fromQuotedPrintable(text: string): Uint8Array {
  const plain = text
    .replaceAll('_', ' ')
    .replaceAll(/=([0-9a-f]{2})/gi, (_all, hex: string) =>
      String.fromCharCode(Number.parseInt(hex, 16)),
    )
  return Uint8Array.from(plain, char => char.charCodeAt(0))
}

/**
 * `Content-Disposition` that downloads under `filename` (RFC 6266): an ASCII fallback for old
 * clients, and the name itself in RFC 8187's form where it needs one.
 */
export function contentDisposition(filename: string): string {
  const fallback = filename.replaceAll(/[^\u0020-\u007e]/gu, '_').replaceAll(/["\\%]/g, '_')
  const quoted = `attachment; filename="${fallback}"`
  if (fallback === filename) return quoted
  return `${quoted}; filename*=UTF-8''${encodeRfc3986(filename)}`
}

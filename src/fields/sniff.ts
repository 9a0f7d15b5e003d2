import type { Bytes } from '../core/bytes.ts'

/** How many first bytes {@link sniffType} wants to see. */
export const sniffLength = 1024

/** At `at`, these bytes (a blank stands for any) mean this type. */
interface Signature {
  readonly type: string
  readonly at: number
  readonly bytes: string
}

/** From the WHATWG standard "MIME Sniffing" and the formats' own specifications. Latin-1 text. */
const signatures: readonly Signature[] = [
  { type: 'image/png', at: 0, bytes: '\x89PNG\r\n\x1a\n' },
  { type: 'image/jpeg', at: 0, bytes: '\xff\xd8\xff' },
  { type: 'image/gif', at: 0, bytes: 'GIF87a' },
  { type: 'image/gif', at: 0, bytes: 'GIF89a' },
  { type: 'image/webp', at: 8, bytes: 'WEBPVP' },
  { type: 'image/avif', at: 4, bytes: 'ftypavi' },
  { type: 'image/heic', at: 4, bytes: 'ftyphe' },
  { type: 'image/heic', at: 4, bytes: 'ftypmif1' },
  { type: 'image/jxl', at: 0, bytes: '\xff\x0a' },
  { type: 'image/jxl', at: 4, bytes: 'JXL ' },
  { type: 'image/tiff', at: 0, bytes: 'II*\0' },
  { type: 'image/tiff', at: 0, bytes: 'MM\0*' },
  { type: 'image/vnd.microsoft.icon', at: 0, bytes: '\0\0\x01\0' },
  { type: 'image/bmp', at: 0, bytes: 'BM' },
  { type: 'application/pdf', at: 0, bytes: '%PDF-' },
  { type: 'application/zip', at: 0, bytes: 'PK\x03\x04' },
  { type: 'application/zip', at: 0, bytes: 'PK\x05\x06' },
  { type: 'application/gzip', at: 0, bytes: '\x1f\x8b' },
  { type: 'application/x-7z-compressed', at: 0, bytes: "7z\xbc\xaf'\x1c" },
  { type: 'application/vnd.rar', at: 0, bytes: 'Rar!\x1a\x07' },
  { type: 'application/x-msdownload', at: 0, bytes: 'MZ' },
  { type: 'application/x-elf', at: 0, bytes: '\x7fELF' },
  { type: 'audio/wav', at: 8, bytes: 'WAVE' },
  { type: 'video/x-msvideo', at: 8, bytes: 'AVI ' },
  { type: 'audio/mpeg', at: 0, bytes: 'ID3' },
  { type: 'audio/mpeg', at: 0, bytes: '\xff\xfb' },
  { type: 'audio/flac', at: 0, bytes: 'fLaC' },
  { type: 'audio/ogg', at: 0, bytes: 'OggS\0' },
  { type: 'video/webm', at: 0, bytes: '\x1a\x45\xdf\xa3' },
  { type: 'video/quicktime', at: 4, bytes: 'ftypqt' },
  { type: 'audio/mp4', at: 4, bytes: 'ftypM4A' },
  { type: 'video/mp4', at: 4, bytes: 'ftyp' },
  { type: 'font/woff2', at: 0, bytes: 'wOF2' },
  { type: 'font/woff', at: 0, bytes: 'wOFF' },
]

/**
 * MIME type by content: a signature, `text/html`, `image/svg+xml`, `application/xml`, `text/plain`
 * for text, else `application/octet-stream`.
 */
export function sniffType(head: Bytes): string {
  const start = latin1(head.subarray(0, sniffLength))
  const found = signatures.find(({ at, bytes }) => start.startsWith(bytes, at))
  return found?.type ?? textType(head, start)
}

/** Latin-1 as the standard has it, not Windows-1252, which `TextDecoder` would take. */
/** Each byte as a character. */
export function latin1(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes)
}

function textType(head: Bytes, start: string): string {
  if (/[\0-\x08\x0e-\x1a\x1c-\x1f]/.test(start) || !isUtf8(head)) return 'application/octet-stream'
  if (/<svg[\s/>]/i.test(start)) return 'image/svg+xml'
  if (
    /^\s*(<!doctype html|<(html|head|body|script|iframe|h1|div|a|style|title|table|p|br)[\s>])/i.test(
      start,
    )
  )
    return 'text/html'
  return /^\s*<\?xml/.test(start.replace(/^\xef\xbb\xbf/, '')) ? 'application/xml' : 'text/plain'
}

/** A character may be cut in two at the end of what was read. */
function isUtf8(bytes: Bytes): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(0, sniffLength), {
      stream: true,
    })
    return true
  } catch {
    return false
  }
}

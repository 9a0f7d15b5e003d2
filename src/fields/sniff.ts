import type { Bytes } from '../core/bytes.ts'

/** How many first bytes {@link sniffType} wants to see. */
export const sniffLength = 1024

/** At `at`, these bytes (a blank stands for any) mean this type. */
interface Signature {
  readonly type: string
  readonly at: number
  readonly bytes: string
  /** Whether a text may begin so as well, such as `BMW` and `ID3`: it is one if all of it is text. */
  readonly isWord?: boolean
}

/** Of Microsoft's compound files, in which older documents of Office are. */
const oleType = 'application/x-ole-storage'

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
  { type: 'image/bmp', at: 0, bytes: 'BM', isWord: true },
  { type: 'application/pdf', at: 0, bytes: '%PDF-' },
  { type: 'application/zip', at: 0, bytes: 'PK\x03\x04' },
  { type: 'application/zip', at: 0, bytes: 'PK\x05\x06' },
  { type: 'application/gzip', at: 0, bytes: '\x1f\x8b' },
  { type: 'application/x-7z-compressed', at: 0, bytes: "7z\xbc\xaf'\x1c" },
  { type: 'application/vnd.rar', at: 0, bytes: 'Rar!\x1a\x07' },
  { type: 'application/x-msdownload', at: 0, bytes: 'MZ', isWord: true },
  { type: 'application/x-elf', at: 0, bytes: '\x7fELF' },
  { type: 'audio/wav', at: 8, bytes: 'WAVE' },
  { type: 'video/x-msvideo', at: 8, bytes: 'AVI ' },
  { type: 'audio/mpeg', at: 0, bytes: 'ID3', isWord: true },
  { type: 'audio/mpeg', at: 0, bytes: '\xff\xfb' },
  { type: 'audio/mpeg', at: 0, bytes: '\xff\xfa' },
  { type: 'audio/mpeg', at: 0, bytes: '\xff\xf3' },
  { type: 'audio/mpeg', at: 0, bytes: '\xff\xf2' },
  { type: 'audio/aac', at: 0, bytes: '\xff\xf1' },
  { type: 'audio/aac', at: 0, bytes: '\xff\xf9' },
  { type: 'audio/flac', at: 0, bytes: 'fLaC' },
  { type: 'audio/ogg', at: 0, bytes: 'OggS\0' },
  { type: 'video/webm', at: 0, bytes: '\x1a\x45\xdf\xa3' },
  { type: 'video/quicktime', at: 4, bytes: 'ftypqt' },
  { type: 'audio/mp4', at: 4, bytes: 'ftypM4A' },
  { type: 'video/mp4', at: 4, bytes: 'ftyp' },
  { type: 'font/woff2', at: 0, bytes: 'wOF2' },
  { type: 'font/woff', at: 0, bytes: 'wOFF' },
  { type: 'font/ttf', at: 0, bytes: '\0\x01\0\0' },
  { type: 'font/otf', at: 0, bytes: 'OTTO', isWord: true },
  { type: 'font/collection', at: 0, bytes: 'ttcf', isWord: true },
  { type: 'video/quicktime', at: 4, bytes: 'wide', isWord: true },
  { type: 'video/quicktime', at: 4, bytes: 'mdat', isWord: true },
  { type: 'video/quicktime', at: 4, bytes: 'moov', isWord: true },
  { type: 'application/x-tar', at: 257, bytes: 'ustar', isWord: true },
  { type: 'application/rtf', at: 0, bytes: '{\\rtf' },
  { type: 'application/postscript', at: 0, bytes: '%!PS' },
  { type: oleType, at: 0, bytes: '\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1' },
]

/** An AVIF may be of the general kind first of all (`mif1`), and say what it is among its further brands. */
const avifBrands = /^.{4}ftypmif1.{4}(.{4}){0,8}?avif/s

/**
 * MIME type by content: a signature, `text/html`, `image/svg+xml`, `application/xml`, `text/plain`
 * for text, else `application/octet-stream`.
 */
export function sniffType(head: Bytes): string {
  const start = latin1(head.subarray(0, sniffLength))
  const text = textType(start)
  const found = signatures.find(({ at, bytes }) => start.startsWith(bytes, at))
  if (found?.type === 'image/heic' && avifBrands.test(start)) return 'image/avif'
  return found === undefined || (found.isWord === true && text !== binaryType) ? text : found.type
}

/** Where an SVG document may begin behind its comments and entities, in bytes. */
export const svgLength = 65_536

/** Whether a text is an SVG document, as far as it is given. */
export function isSvg(head: Bytes): boolean {
  return /<svg[\s/>]/i.test(latin1(head.subarray(0, svgLength)))
}

/** Of the same content under names of several types, the one that `sniffType` finds. */
const aliases: Readonly<Record<string, string>> = {
  'application/javascript': 'text/javascript',
  'application/x-gzip': 'application/gzip',
  'application/x-javascript': 'text/javascript',
  'application/x-rar-compressed': 'application/vnd.rar',
  'application/x-yaml': 'application/yaml',
  'application/x-zip-compressed': 'application/zip',
  'audio/mp3': 'audio/mpeg',
  'audio/wave': 'audio/wav',
  'audio/x-flac': 'audio/flac',
  'audio/x-m4a': 'audio/mp4',
  'audio/x-wav': 'audio/wav',
  'image/apng': 'image/png',
  'image/heif': 'image/heic',
  'image/jpg': 'image/jpeg',
  'image/pjpeg': 'image/jpeg',
  'image/x-icon': 'image/vnd.microsoft.icon',
  'text/rtf': 'application/rtf',
  'text/x-vcard': 'text/vcard',
  'text/xml': 'application/xml',
  'text/yaml': 'application/yaml',
}

/** The name that {@link sniffType} has for a MIME type. */
export function plainType(type: string): string {
  const lower = type.toLowerCase()
  return aliases[lower] ?? lower
}

/** Types of which `sniffType` finds no more than this one; the name of the file tells which it is. */
const containers: Readonly<Record<string, RegExp>> = {
  'text/plain':
    /^text\/|^message\/rfc822$|[/+](x-)?(json|javascript|yaml|toml|sql|sh|subrip)$|^(application|model)\/(?!xhtml)(.*[+])?xml$/,
  'application/xml': /^(application|model|text)\/(?!xhtml)(.*[+])?xml$/,
  'application/zip':
    /openxml|opendocument|epub|java-archive|android\.package|macroenabled|visio|xpsdocument|kmz|apple\.(pages|numbers|keynote)|\+zip$/,
  [oleType]: /^application\/(msword|vnd\.ms-|vnd\.visio)/,
  'audio/ogg': /^(audio|video|application)\/ogg$/,
  'audio/mp4': /^(audio|video)\/(mp4|x-m4[av]|3gpp2?|quicktime)$/,
  'video/mp4': /^(audio|video)\/(mp4|x-m4[av]|3gpp2?|quicktime)$/,
  'video/webm': /^(audio|video)\/(webm|x-matroska)$/,
}

/** Whether a content of the type that was found may be one of `named`. */
export function mayBe(found: string, named: string): boolean {
  return named === found || containers[found]?.test(named) === true
}

/** Whether a file can be of this type at all, by its content and its name. */
export function isKnownType(type: string): boolean {
  if (!/^[\w.+-]+\/[\w.+-]+$/.test(type)) return false
  return (
    [binaryType, 'image/svg+xml'].includes(type) ||
    signatures.some(signature => signature.type === type) ||
    Object.keys(containers).some(found => mayBe(found, type))
  )
}

/** Each byte as a character: Latin-1 as the standard has it, not Windows-1252, which `TextDecoder` would take. */
export function latin1(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes)
}

const binaryType = 'application/octet-stream'

/** In any encoding, as the standard has it, but for UTF-16 without a mark. */
function textType(start: string): string {
  if (/^(\xff\xfe|\xfe\xff)/.test(start)) return 'text/plain'
  if (/[\0-\x08\x0e-\x1a\x1c-\x1f]/.test(start)) return binaryType
  if (
    /^\s*(<!doctype html|<(html|head|body|script|iframe|h1|div|a|style|title|table|p|br)[\s>])/i.test(
      start,
    )
  )
    return 'text/html'
  if (/<svg[\s/>]/i.test(start)) return 'image/svg+xml'
  return /^\s*<\?xml/.test(start.replace(/^\xef\xbb\xbf/, '')) ? 'application/xml' : 'text/plain'
}

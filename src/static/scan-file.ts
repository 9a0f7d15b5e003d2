import { isAscii, isUtf8 } from 'node:buffer'
import { scanCss } from './references/css.ts'
import { scanMarkup } from './references/markup.ts'
import { scanScript, scriptWords } from './references/modules.ts'
import type { Scan } from './references/reference.ts'
import { scanWebManifest } from './references/web-manifest.ts'
import type { Language } from './source-file.ts'

/** Bytes up to which a file is searched for references. */
const searchLimit = 64 * 1024 * 1024

/** The text of a file that is to be searched; `undefined` where it is none, or too much. */
export function decodeText(bytes: Uint8Array): string | undefined {
  if (bytes.byteLength > searchLimit) return undefined
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  // Ten times as fast as decoding, and most scripts are.
  if (isAscii(buffer)) return buffer.toString('latin1')
  return isUtf8(buffer) ? buffer.toString('utf8') : undefined
}

/** The references of a file. */
export function scanFile(bytes: Uint8Array, language: Language): Scan {
  const isScript = language === 'script' || language === 'module'
  if (isScript && !mayRefer(bytes)) return { references: [], problems: [] }
  const text = decodeText(bytes)
  if (text === undefined) {
    const message = 'it is no UTF-8, or too large to be searched, and was left as it is'
    return { references: [], problems: [{ line: 1, message }] }
  }
  switch (language) {
    case 'css':
      return scanCss(text)
    case 'script':
    case 'module':
      return scanScript(text, language === 'module')
    case 'html':
    case 'svg':
      return scanMarkup(text, language)
    default:
      return scanWebManifest(text)
  }
}

/** Without decoding: most of a site's bytes are scripts that name no file. */
function mayRefer(bytes: Uint8Array): boolean {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return scriptWords.some(word => buffer.includes(word))
}

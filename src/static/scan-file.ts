import { isUtf8 } from 'node:buffer'
import { scanCss } from './references/css.ts'
import { scanMarkup } from './references/markup.ts'
import { scanScript } from './references/modules.ts'
import type { Scan } from './references/reference.ts'
import { scanWebManifest } from './references/web-manifest.ts'
import type { Language } from './source-file.ts'

/** Bytes up to which a file is searched for references. */
const searchLimit = 64 * 1024 * 1024

/** The text of a file that is to be searched; `undefined` where it is none, or too much. */
export function decodeText(bytes: Uint8Array): string | undefined {
  if (bytes.byteLength > searchLimit || !isUtf8(bytes)) return undefined
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8')
}

/** The references of a file. */
export function scanText(text: string | undefined, language: Language): Scan {
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

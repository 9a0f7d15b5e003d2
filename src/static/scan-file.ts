import { isAscii, isUtf8 } from 'node:buffer'
import { scanCss } from './references/css.ts'
import { scanMarkup } from './references/markup.ts'
import { scanScript } from './references/modules.ts'
import { inBytes, type Scan, type ScanProblem } from './references/reference.ts'
import { findMapComments, mayImport } from './references/script-bytes.ts'
import { scanWebManifest } from './references/web-manifest.ts'
import type { Language } from './source-file.ts'

/** Bytes up to which a file is searched for references. */
export const searchLimit: number = 64 * 1024 * 1024

/** Problems of a file that are told one by one. */
const maxProblems = 100

/** What is known of a file that was not searched. */
export const unsearched: Scan = {
  references: [],
  problems: [
    { line: 1, message: 'it is no UTF-8, or too large to be searched, and was left as it is' },
  ],
}

/** The references of a file, with offsets that count bytes. */
export function scanFile(bytes: Uint8Array, language: Language): Scan {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (buffer.byteLength > searchLimit || !isUtf8(buffer)) return unsearched
  const { references, problems } = scanBytes(buffer, language)
  return { references, problems: firstOf(problems) }
}

/** A file with a million problems is named as one that has many: a manifest holds them all. */
function firstOf(problems: readonly ScanProblem[]): readonly ScanProblem[] {
  const next = problems[maxProblems]
  if (next === undefined) return problems
  const message = `and ${problems.length - maxProblems} more problems from here on`
  return [...problems.slice(0, maxProblems), { line: next.line, message }]
}

function scanBytes(bytes: Buffer, language: Language): Scan {
  if (language === 'script' || language === 'module')
    return scanScriptBytes(bytes, language === 'module')
  // Ten times as fast as decoding, and most are.
  const text = bytes.toString(isAscii(bytes) ? 'latin1' : 'utf8')
  return inBytes(text, bytes.byteLength, scanText(text, language))
}

function scanText(text: string, language: Exclude<Language, 'script' | 'module'>): Scan {
  switch (language) {
    case 'css':
      return scanCss(text)
    case 'html':
    case 'svg':
      return scanMarkup(text, language)
    default:
      return scanWebManifest(text)
  }
}

/** Bytes up to which a script is always read by the lexer, so that a broken one is reported. */
const smallScript = 32 * 1024

function scanScriptBytes(bytes: Buffer, modules: boolean): Scan {
  if (bytes.byteLength > smallScript && !(modules && mayImport(bytes))) {
    const references = findMapComments(bytes)
    if (references !== undefined) return { references, problems: [] }
  }
  // A character for each byte is enough to find what is written in ASCII, and takes half the
  // memory of text that is not.
  const scan = scanScript(withoutMark(bytes.toString('latin1'), '\u00ef\u00bb\u00bf'), modules)
  if (isPlain(scan)) return scan
  const text = withoutMark(bytes.toString('utf8'), '\ufeff')
  return inBytes(text, bytes.byteLength, scanScript(text, modules))
}

/** Blanks for the three bytes of a byte order mark, behind which the lexer would see no keyword. */
function withoutMark(text: string, mark: string): string {
  return text.startsWith(mark) ? `   ${text.slice(mark.length)}` : text
}

function isPlain({ references, problems }: Scan): boolean {
  return (
    references.every(({ url }) => isAsciiText(url)) &&
    problems.every(({ message }) => isAsciiText(message))
  )
}

function isAsciiText(text: string): boolean {
  return !/[^\u0000-\u007f]/.test(text)
}

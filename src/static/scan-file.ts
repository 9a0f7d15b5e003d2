import { isAscii, isUtf8 } from 'node:buffer'
import { scanCss } from './references/css.ts'
import { scanMarkup } from './references/markup.ts'
import { scanScript, scriptWords } from './references/modules.ts'
import type { Scan, ScanProblem } from './references/reference.ts'
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
  if (text === undefined) return unsearched
  const { references, problems } = scanText(text, language)
  return { references, problems: firstOf(problems) }
}

/** A file with a million problems is named as one that has many: a manifest holds them all. */
function firstOf(problems: readonly ScanProblem[]): readonly ScanProblem[] {
  const next = problems[maxProblems]
  if (next === undefined) return problems
  const message = `and ${problems.length - maxProblems} more problems from here on`
  return [...problems.slice(0, maxProblems), { line: next.line, message }]
}

function scanText(text: string, language: Language): Scan {
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

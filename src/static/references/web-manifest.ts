import { LineCounter, type Reference, type Scan } from './reference.ts'

/**
 * The references of a web application manifest: every `src` (icons, screenshots, icons of
 * shortcuts; W3C Web Application Manifest, "ManifestImageResource"). What is no JSON has none.
 */
export function scanWebManifest(text: string): Scan {
  try {
    JSON.parse(text)
  } catch {
    return {
      references: [],
      problems: [{ line: 1, message: 'it is no JSON, and was left as it is' }],
    }
  }
  const lines = new LineCounter(text)
  const references: Reference[] = []
  // Valid JSON has quotes around strings alone, so that this finds exactly its strings.
  for (let start = text.indexOf('"'); start >= 0; ) {
    const end = endOfString(text, start)
    const value = isKeyOfSource(text, start, end) ? text.indexOf('"', end) : -1
    if (value < 0 || text.slice(end, value).trim() !== ':') {
      start = text.indexOf('"', end)
      continue
    }
    const valueEnd = endOfString(text, value)
    references.push({
      start: value,
      end: valueEnd,
      url: String(JSON.parse(text.slice(value, valueEnd))),
      line: lines.lineOf(value),
      form: 'json-string',
      weight: 'required',
    })
    start = text.indexOf('"', valueEnd)
  }
  return { references, problems: [] }
}

function isKeyOfSource(text: string, start: number, end: number): boolean {
  return end - start === '"src"'.length && text.startsWith('"src"', start)
}

/** Position behind a string of valid JSON. (An expression would need a stack as long as the string.) */
function endOfString(text: string, start: number): number {
  for (let at = start + 1; ; ) {
    const quote = text.indexOf('"', at)
    if (quote < 0) return text.length
    let backslashes = 0
    while (text[quote - 1 - backslashes] === '\\') backslashes++
    if (backslashes % 2 === 0) return quote + 1
    at = quote + 1
  }
}

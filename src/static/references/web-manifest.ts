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
  for (const match of text.matchAll(/"((?:[^"\\]|\\.)*)"(\s*:\s*"((?:[^"\\]|\\.)*)")?/g)) {
    const [whole, key, rest, value] = match
    if (key !== 'src' || rest === undefined || value === undefined) continue
    const end = match.index + whole.length
    const start = end - value.length - 2
    const url: unknown = JSON.parse(`"${value}"`)
    if (typeof url !== 'string') continue
    references.push({
      start,
      end,
      url,
      line: lines.lineOf(start),
      form: 'json-string',
      weight: 'required',
    })
  }
  return { references, problems: [] }
}

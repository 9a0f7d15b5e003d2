/**
 * The headers of a response as undici's parser leaves them: name, value, name, value, as bytes. A
 * response has a dozen or more and we want three to eight of them, so texts are made of those only.
 */
export class RawHeaders {
  readonly #raw: readonly Buffer[]

  constructor(raw: readonly Buffer[]) {
    this.#raw = raw
  }

  /** Value of a header by its lower-case name. Of several, the last. */
  get(name: string): string | undefined {
    const raw = this.#raw
    for (let i = raw.length - 2; i >= 0; i -= 2) {
      const candidate = raw[i]
      if (candidate?.length === name.length && startsWith(candidate, name))
        return String(raw[i + 1])
    }
    return undefined
  }

  /** All headers whose names start with the lower-case `prefix`, without it, in lower case. */
  withPrefix(prefix: string): Record<string, string> {
    const raw = this.#raw
    const found: [name: string, value: string][] = []
    for (let i = 0; i + 1 < raw.length; i += 2) {
      const name = raw[i]
      if (name === undefined || !startsWith(name, prefix)) continue
      found.push([String(name).slice(prefix.length).toLowerCase(), String(raw[i + 1])])
    }
    // Not by assignment: a name may be `__proto__`.
    return found.length === 0 ? {} : Object.fromEntries(found)
  }
}

/** Whether `name` begins with `text` (lower-case letters, digits and `-`), whatever its case. */
function startsWith(name: Buffer, text: string): boolean {
  if (name.length < text.length) return false
  for (let i = 0; i < text.length; i++) {
    // The bit 0x20 makes capitals small; digits and `-` have it already.
    if (((name[i] ?? 0) | 0x20) !== text.charCodeAt(i)) return false
  }
  return true
}

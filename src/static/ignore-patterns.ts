/** What Django ignores unless `--no-default-ignore` is given. */
export const defaultIgnorePatterns: readonly string[] = ['CVS', '.*', '*~']

/**
 * Whether one of the patterns fits: the last part of the path, or the path itself, as Django's
 * `matches_patterns`. Patterns are Python's `fnmatch`, with case: `*` also crosses `/`.
 */
export function isIgnored(path: string, patterns: readonly RegExp[]): boolean {
  const base = path.slice(path.lastIndexOf('/') + 1)
  return patterns.some(pattern => pattern.test(base) || pattern.test(path))
}

/** A pattern of Python's `fnmatch`: `*`, `?`, `[seq]`, `[!seq]`. */
export function compilePattern(pattern: string): RegExp {
  // Neighbouring stars mean no more than one, and would take the engine an age to find that out.
  const source = pattern
    .replaceAll(/\*+/g, '*')
    .replaceAll(/\[(!?)(\]?[^\]]*)\]|[\s\S]/gu, (token, negated?: string, set?: string) => {
      if (set !== undefined) return characterSet(negated === '!', set)
      if (token === '*') return '[^]*'
      return token === '?' ? '[^]' : escapeChar(token)
    })
  return new RegExp(`^(?:${source})$`, 'u')
}

function characterSet(negated: boolean, set: string): string {
  const members = set.replaceAll(/[\\[\]^&~|]/g, char => `\\${char}`)
  try {
    new RegExp(`[${members}]`, 'u')
  } catch {
    // A range that runs backwards holds nothing.
    return negated ? '[^]' : '[]'
  }
  return `[${negated ? '^' : ''}${members}]`
}

function escapeChar(char: string): string {
  return /[\\^$.*+?()[\]{}|/]/.test(char) ? `\\${char}` : char
}

/**
 * A line of results on standard output. A terminal gets no control characters: a name may hold the
 * sequence that rewrites what was printed. A pipe or a file gets names as they are.
 */
export function print(line: string): void {
  process.stdout.write(`${process.stdout.isTTY ? visible(line) : line}\n`)
}

/** What is no result, on standard error, which people read: it may have several lines. */
export function say(text: string): void {
  process.stderr.write(`${text.split('\n').map(visible).join('\n')}\n`)
}

/** Control characters (C0, DEL and C1) as JSON writes them. */
export function visible(text: string): string {
  return text.replaceAll(
    /[\u0000-\u001f\u007f-\u009f]/g,
    character => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

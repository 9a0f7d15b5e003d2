/** A name in a message: quoted, on one line, at most 200 characters of it. */
export function quoteName(name: string): string {
  return JSON.stringify(name.length > 200 ? `${name.slice(0, 200)}…` : name)
}

/** Hex digits of the MD5 that a hashed name holds, as Django's. */
const hashLength = 12

/** The hash that stands in a name, of a whole MD5 in hex. */
export function shortHash(digest: string): string {
  return digest.slice(0, hashLength)
}

/**
 * `name.<hash>.ext`: the hash stands before the last suffix, as in Django's
 * `HashedFilesMixin.hashed_name`. Suffixes are Python's: the dots that a name starts with make
 * none, and a final dot is an empty one.
 */
export function hashedName(name: string, hash: string): string {
  const start = name.lastIndexOf('/') + 1
  const file = name.slice(start)
  const leading = /^\.*/.exec(file)?.[0].length ?? 0
  const dot = file.lastIndexOf('.')
  const end = dot < leading ? file.length : dot
  return `${name.slice(0, start)}${file.slice(0, end)}.${hash}${file.slice(end)}`
}

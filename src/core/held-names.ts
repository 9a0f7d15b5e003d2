/** In no name that a storage lists, as good as: S3 takes it, but nobody sends it. */
const separator = '\u0000'

/**
 * The same names for whoever keeps them. A name that a backend lists may be a slice of its page,
 * and V8 keeps the whole text alive for it (some 500 bytes a key): a copy of the names alone is a
 * tenth of that.
 */
export function heldNames(names: readonly string[]): readonly string[] {
  const copies = names.join(separator).split(separator)
  return copies.length === names.length ? copies : names
}

/** Who owns what others write into a bucket, and whether ACLs count at all. */
export type Ownership = 'ObjectWriter' | 'BucketOwnerPreferred' | 'BucketOwnerEnforced'

/** Reads an ownership; undefined if it is none. */
export function parseOwnership(text: string): Ownership | undefined {
  const known: Ownership[] = ['ObjectWriter', 'BucketOwnerPreferred', 'BucketOwnerEnforced']
  return known.find(ownership => ownership === text)
}

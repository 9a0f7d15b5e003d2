import { randomHex } from './platform/random.ts'

/** In front of what a save keeps in the bucket until it may take its name. */
const start = '.stowage-'

/** A key for content on its way, directly below the location. Nobody else will choose it. */
export function temporaryKey(prefix: string): string {
  return `${prefix}${start}${randomHex(16)}.tmp`
}

/** What the keys of {@link temporaryKey} begin with. */
export function temporaryPrefix(prefix: string): string {
  return prefix + start
}

/** Whether a key is one of {@link temporaryKey}: no file, and not to be listed. */
export function isTemporaryKey(key: string, prefix: string): boolean {
  return (
    key.startsWith(prefix + start) &&
    /^[0-9a-f]{32}\.tmp$/.test(key.slice(prefix.length + start.length))
  )
}

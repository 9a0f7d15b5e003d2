import type { BigIntStats } from 'node:fs'
import { contentTypeOf } from '../../core/content-type.ts'
import type { FileStat } from '../../core/file-stat.ts'

/** What the file system knows of a file, as a storage tells it. */
export function fileStatOf(name: string, stat: BigIntStats): FileStat {
  return {
    name,
    size: Number(stat.size),
    modifiedTime: stat.mtime,
    etag: etagOf(stat),
    contentType: contentTypeOf(name),
    // As Django's: the time of the last change of the inode.
    createdTime: stat.ctime,
    accessedTime: stat.atime,
  }
}

/**
 * Version of a file without reading it: inode, size and time of the last change of the bytes in
 * nanoseconds. Every save makes a new inode with a {@link versionTime} of its own.
 */
export function etagOf(stat: BigIntStats): string {
  return `${stat.ino.toString(36)}-${stat.size.toString(36)}-${stat.mtimeNs.toString(36)}`
}

/**
 * Now, in seconds, for the modification time of a new file. The kernel's own stamps move in steps
 * of 4 to 10 ms, and a freed inode is given out again at once: without finer stamps the third
 * version of a file could carry the etag of the first.
 */
export function versionTime(): number {
  // Scaled, not cut: what comes within one millisecond stays apart. At least a microsecond, so that
  // rounding never falls into the millisecond before.
  const nanoseconds = 1000 + Number(process.hrtime.bigint() % 1_000_000n) * 0.998
  return Date.now() / 1000 + nanoseconds / 1e9
}

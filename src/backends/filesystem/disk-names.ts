import { SuspiciousFileOperation } from '../../core/errors.ts'
import { quoteName } from '../../core/quote.ts'

/** Where the rules for names differ; everything but Windows is `posix`. */
export type NamePlatform = 'posix' | 'windows'

export const hostPlatform: NamePlatform = process.platform === 'win32' ? 'windows' : 'posix'

/** Longest file name of the file systems in use (ext4, XFS, Btrfs, APFS, NTFS), in UTF-8 bytes. */
export const maxSegmentBytes = 255

/** Names of our own temporary and lock files. Any case: some file systems do not tell it apart. */
const reserved = /^\.stowage-[a-z0-9]{20}\.(?:tmp|lock)$/i

/** Whether a segment of a name is one that only this backend makes. Such files are never shown. */
export function isReserved(segment: string): boolean {
  return reserved.test(segment)
}

/** A name for a temporary file that nobody else chooses. */
export function temporaryName(): string {
  return `.stowage-${crypto().randomBytes(10).toString('hex')}.tmp`
}

/**
 * The name of the lock file that stands for `subject`. Spellings that a file system may take for
 * one (case, Unicode normalisation) share a lock, which is harmless.
 */
export function lockName(subject: string): string {
  const folded = subject.normalize('NFC').toLowerCase()
  const digest = crypto().createHash('sha256').update(folded).digest('hex')
  return `.stowage-${digest.slice(0, 20)}.lock`
}

/**
 * The rules for every name, read or written: nothing that a platform takes for another place than
 * a path below the root.
 *
 * @throws SuspiciousFileOperation naming the rule
 */
export function checkDiskName(name: string, platform: NamePlatform = hostPlatform): void {
  const problem = findDiskProblem(name, platform)
  if (problem !== undefined) throw refusal(name, problem)
}

/**
 * The further rule for names to be written: they are none of our own.
 *
 * @throws SuspiciousFileOperation naming the rule
 */
export function checkWritableName(name: string, platform: NamePlatform = hostPlatform): void {
  checkDiskName(name, platform)
  if (hasReservedSegment(name)) {
    throw refusal(name, 'names such as ".stowage-….tmp" are kept for temporary files')
  }
}

/**
 * Whether a name cannot be a file on disk though it may be an object in a bucket: a file system
 * would take `a//b` and `dir/` for another spelling of `a/b` and `dir`.
 */
export function isNoFile(name: string): boolean {
  return name.endsWith('/') || name.includes('//') || hasReservedSegment(name)
}

/** The problem with `name` on a platform, as the end of a sentence; `undefined` if there is none. */
export function findDiskProblem(name: string, platform: NamePlatform): string | undefined {
  if (name.includes('\\')) return 'it contains a backslash'
  if (/^[A-Za-z]:/.test(name)) return 'it starts with a drive letter'
  return platform === 'windows' ? findWindowsProblem(name) : undefined
}

/**
 * Devices answer to these names in every folder, with any extension (Microsoft, "Naming Files,
 * Paths, and Namespaces"); the superscript digits count as digits there.
 */
const device = /^(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$) *(?:\.|$)/i

function findWindowsProblem(name: string): string | undefined {
  if (name.includes(':')) return 'it contains a colon, which names a stream on Windows'
  if (/[<>"|?*]/.test(name)) return 'it contains a character that Windows does not take'
  for (const segment of name.split('/')) {
    if (device.test(segment)) return 'a part of it is the name of a device on Windows'
    if (/[. ]$/.test(segment)) return 'a part of it ends with a dot or a blank, which Windows drops'
  }
  return undefined
}

function hasReservedSegment(name: string): boolean {
  return name.includes('.') && name.split('/').some(isReserved)
}

/** Folder of a name (without its final `/`, `''` for the root) and its last segment. */
export function splitPath(name: string): readonly [folder: string, last: string] {
  const slash = name.lastIndexOf('/')
  return [name.slice(0, Math.max(0, slash)), name.slice(slash + 1)]
}

function refusal(name: string, problem: string): SuspiciousFileOperation {
  return new SuspiciousFileOperation(`File name ${quoteName(name)} is refused: ${problem}.`, {
    file: name,
  })
}

/** Loaded at the first use: importing a storage costs nothing. */
function crypto(): typeof import('node:crypto') {
  return process.getBuiltinModule('node:crypto')
}

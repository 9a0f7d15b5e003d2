import type { BigIntStats } from 'node:fs'
import type { WriteCondition } from '../../core/backend.ts'
import { PreconditionFailedError } from '../../core/errors.ts'
import { errnoOf } from './fs-errors.ts'
import { withLock } from './lock-file.ts'
import { fs } from './node.ts'
import type { HeldPath } from './root.ts'
import { etagOf } from './version.ts'

/** Where a file is to appear: a folder that is held, and a name in it. */
export interface Target {
  readonly folder: HeldPath
  readonly last: string
}

/** What is to appear there; a {@link TemporaryFile}, or a file that moves. */
export interface Committed {
  /** @throws the system's error: `EEXIST` when the name is taken */
  link(path: string): void
  rename(path: string): void
}

/**
 * Gives a finished file its name, in one step: readers see the old file or the new one.
 *
 * - Without a condition it replaces what file is there.
 * - `absent`: by a hard link, which fails where anything has the name, a dead symbolic link
 *   included. On file systems without hard links (FAT, some network shares) under a lock, which
 *   every save with that condition takes there.
 * - `ifMatch`: under the same lock, so that of several saves for one version only one wins.
 *
 * @throws PreconditionFailedError when the condition does not hold
 */
export async function commit(
  file: Committed,
  target: Target,
  condition: WriteCondition,
  signal?: AbortSignal | undefined,
): Promise<void> {
  target.folder.check()
  const path = target.folder.child(target.last)
  if (condition === undefined) file.rename(path)
  else if (condition === 'absent') await commitAbsent(file, target, path, signal)
  else await commitMatching(file, target, path, condition.ifMatch, signal)
}

async function commitAbsent(
  file: Committed,
  target: Target,
  path: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  try {
    file.link(path)
  } catch (error) {
    const code = errnoOf(error) ?? ''
    if (code === 'EEXIST') throw taken(error)
    if (!withoutLinks.has(code)) throw error
    await withLock(target.folder, target.last, () => renameToFree(file, target, path), signal)
  }
}

/** What file systems say that have no hard links, or no more of them for this file. */
const withoutLinks: ReadonlySet<string> = new Set([
  'EPERM',
  'EOPNOTSUPP',
  'ENOTSUP',
  'ENOSYS',
  'EMLINK',
])

function renameToFree(file: Committed, target: Target, path: string): void {
  if (statOf(path) !== undefined) throw taken()
  target.folder.check()
  file.rename(path)
}

async function commitMatching(
  file: Committed,
  target: Target,
  path: string,
  ifMatch: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  const replace = (): void => {
    checkVersion(statOf(path), ifMatch)
    target.folder.check()
    file.rename(path)
  }
  await withLock(target.folder, target.last, replace, signal)
}

/** @throws PreconditionFailedError unless `stat` is that of a file of this version */
export function checkVersion(stat: BigIntStats | undefined, ifMatch: string | undefined): void {
  if (ifMatch === undefined) return
  if (stat?.isFile() === true && etagOf(stat) === ifMatch) return
  throw new PreconditionFailedError('The file is not the version that "ifMatch" asks for.')
}

/** Of the entry itself, not of what it links to; `undefined` if there is none. */
export function statOf(path: string): BigIntStats | undefined {
  return fs.lstatSync(path, { bigint: true, throwIfNoEntry: false })
}

/**
 * A stored file that gets another name: `link` and then the old name goes, or `rename`. Dying in
 * between leaves both names of the one file.
 */
export class MovingFile implements Committed {
  readonly #path: string

  constructor(path: string) {
    this.#path = path
  }

  link(path: string): void {
    fs.linkSync(this.#path, path)
    fs.unlinkSync(this.#path)
  }

  rename(path: string): void {
    const before = statOf(this.#path)
    fs.renameSync(this.#path, path)
    // Renaming one hard link of a file to another does nothing (POSIX): both would stay.
    if (before !== undefined && before.nlink > 1n && statOf(this.#path)?.ino === before.ino)
      fs.unlinkSync(this.#path)
  }
}

function taken(cause?: unknown): PreconditionFailedError {
  return new PreconditionFailedError('The name is taken.', { cause })
}

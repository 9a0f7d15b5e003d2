import { dirname } from 'node:path'
import { FileExistsError } from '../../core/errors.ts'
import { quoteName } from '../../core/quote.ts'
import { splitPath } from './disk-names.ts'
import { errnoOf } from './fs-errors.ts'
import { fs } from './node.ts'
import type { HeldPath, Root } from './root.ts'

/** A folder, and which folders had to be made for it (the outer one first). */
export interface MadeFolder {
  readonly folder: HeldPath
  readonly made: readonly string[]
}

/** How often somebody else may remove a folder that was just made. */
const maxAttempts = 10_000
/** How often a folder may be missing although nothing could be made: a link that leads nowhere. */
const maxIdleAttempts = 100

/**
 * Holds a folder (`''` is the root), made with its parents if it is missing.
 *
 * @param mode permission bits of each new folder, `undefined` or `null`: left to the umask
 * @throws SuspiciousFileOperation when it lies outside the root
 * @throws FileExistsError when a parent is a link that leads nowhere
 * @throws the system's error: `ENOTDIR` when a parent is a file
 */
export function makeFolder(root: Root, name: string, mode: number | null | undefined): MadeFolder {
  const made = new Set<string>()
  let idle = 0
  for (let attempt = 1; ; attempt++) {
    try {
      return { folder: root.hold(name, 'folder'), made: [...made] }
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') throw error
      if (attempt === maxAttempts || idle === maxIdleAttempts) throw leadsNowhere(name, error)
    }
    if (!makeLevels(root, name, mode, made)) idle++
  }
}

/** Removes those of the folders that are still empty, the inner ones first. */
export function removeEmptyFolders(root: Root, names: readonly string[]): void {
  for (const name of names.toReversed()) {
    const [parent, last] = splitPath(name)
    try {
      const folder = root.hold(parent, 'folder')
      try {
        fs.rmdirSync(folder.child(last))
      } finally {
        folder.close()
      }
    } catch {
      // Somebody else uses it or removed it.
      return
    }
  }
}

/**
 * One level after the other, each in the folder that was checked before: links cannot come in.
 *
 * @returns whether any was made
 */
function makeLevels(
  root: Root,
  name: string,
  mode: number | null | undefined,
  made: Set<string>,
): boolean {
  makeRoot(root.location, mode)
  let parent = ''
  let progress = false
  for (const segment of name === '' ? [] : name.split('/')) {
    const level = parent === '' ? segment : `${parent}/${segment}`
    try {
      if (makeLevel(root, parent, segment)) {
        made.add(level)
        progress = true
      }
      if (made.has(level)) setMode(root, level, mode)
    } catch (error) {
      // Removed by somebody else meanwhile: the next attempt starts from the root.
      if (errnoOf(error) === 'ENOENT') return progress
      throw error
    }
    parent = level
  }
  return progress
}

function makeRoot(location: string, mode: number | null | undefined): void {
  const first = fs.mkdirSync(location, { recursive: true })
  if (first === undefined || mode === undefined || mode === null) return
  for (let path = location; path.startsWith(first); path = dirname(path)) fs.chmodSync(path, mode)
}

function makeLevel(root: Root, parent: string, segment: string): boolean {
  const folder = root.hold(parent, 'folder')
  try {
    fs.mkdirSync(folder.child(segment))
    return true
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') return false
    throw error
  } finally {
    folder.close()
  }
}

/** After the fact, because `mkdir` takes the umask off. */
function setMode(root: Root, name: string, mode: number | null | undefined): void {
  if (mode === undefined || mode === null) return
  const folder = root.hold(name, 'folder')
  try {
    fs.chmodSync(folder.path, mode)
  } finally {
    folder.close()
  }
}

function leadsNowhere(name: string, cause: unknown): FileExistsError {
  return new FileExistsError(
    `The folder ${quoteName(name)} cannot be made: a link that leads nowhere has this name or a parent's, or it is removed again and again.`,
    { cause },
  )
}

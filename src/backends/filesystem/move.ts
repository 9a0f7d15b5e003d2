import type { CopyOptions } from '../../core/backend.ts'
import { noSuchFile } from '../../core/errors.ts'
import type { Name } from '../../core/names.ts'
import { commit, MovingFile, statOf } from './commit.ts'
import { splitPath } from './disk-names.ts'
import { syncFolder } from './durability.ts'
import { errnoOf } from './fs-errors.ts'
import type { Root } from './root.ts'
import type { SaveSettings } from './save.ts'
import { WriteTarget } from './target.ts'

/**
 * Renames a file; keeps its permissions and times. Resolves to false when that cannot be done
 * and the file must be copied: it is a link, whose target may be relative to its folder, or the
 * new name lies on another file system.
 */
export async function moveFile(
  root: Root,
  from: Name,
  to: Name,
  settings: SaveSettings,
  options: CopyOptions,
): Promise<boolean> {
  const [folderName, last] = splitPath(from)
  const folder = root.find(folderName, 'folder')
  if (folder === undefined) throw noSuchFile(from)
  try {
    const path = folder.child(last)
    const stat = statOf(path)
    if (stat?.isSymbolicLink() === true) return false
    if (stat?.isFile() !== true) throw noSuchFile(from)
    const moved = await renameFile(root, from, path, to, settings, options)
    if (moved && settings.durable) await syncFolder(folder.path)
    return moved
  } finally {
    folder.close()
  }
}

async function renameFile(
  root: Root,
  from: Name,
  path: string,
  to: Name,
  settings: SaveSettings,
  options: CopyOptions,
): Promise<boolean> {
  const target = WriteTarget.open(root, to, options.condition, settings.folderMode)
  let moved = false
  try {
    await commit(new MovingFile(path), target, options.condition, options.signal)
    moved = true
    if (settings.durable) await target.sync()
    return true
  } catch (error) {
    if (moved) throw error
    if (errnoOf(error) === 'EXDEV') return false
    throw errnoOf(error) === 'ENOENT' && statOf(path) === undefined
      ? noSuchFile(from, error)
      : error
  } finally {
    if (moved) target.close()
    else target.abandon()
  }
}

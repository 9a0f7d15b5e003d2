import { compareUtf8 } from '../../core/bytes.ts'
import { statOf } from './commit.ts'
import { isReserved } from './disk-names.ts'
import { explainReadError, isMissing } from './fs-errors.ts'
import { fs } from './node.ts'
import type { HeldPath, Root } from './root.ts'

/** What a clean-up is told. */
export interface CleanupRequest {
  /** Seconds since the file was last written. */
  readonly olderThan: number
  readonly signal?: AbortSignal | undefined
}

/**
 * Removes temporary and lock files that dead processes left behind, in all folders below the root
 * (links are not followed: what they lead to is visited anyway or lies outside). Resolves to
 * their names, sorted.
 *
 * @throws StorageError for the first folder that it may not look into or change, after the others
 */
export async function removeLeftovers(root: Root, request: CleanupRequest): Promise<string[]> {
  const before = Date.now() - request.olderThan * 1000
  const removed: string[] = []
  const failures: unknown[] = []
  const folders = ['']
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    request.signal?.throwIfAborted()
    const prefix = folder === '' ? '' : `${folder}/`
    try {
      const found = await visit(root, folder, before)
      for (const name of found.removed) removed.push(prefix + name)
      for (const name of found.folders) folders.push(prefix + name)
    } catch (error) {
      failures.push(explainReadError(error, prefix))
    }
  }
  if (failures.length > 0) throw failures[0]
  return removed.sort(compareUtf8)
}

interface Visit {
  readonly removed: readonly string[]
  readonly folders: readonly string[]
}

async function visit(root: Root, name: string, before: number): Promise<Visit> {
  const folder = root.find(name, 'folder')
  if (folder === undefined) return { removed: [], folders: [] }
  try {
    const entries = await fs.promises.readdir(folder.path, { withFileTypes: true })
    const names = entries.filter(entry => entry.isDirectory()).map(entry => entry.name)
    const leftovers = entries.filter(entry => isReserved(entry.name)).map(entry => entry.name)
    return {
      removed: leftovers.filter(leftover => removeOld(folder, leftover, before)),
      folders: names,
    }
  } catch (error) {
    if (isMissing(error)) return { removed: [], folders: [] }
    throw error
  } finally {
    folder.close()
  }
}

function removeOld(folder: HeldPath, name: string, before: number): boolean {
  const path = folder.child(name)
  const stat = statOf(path)
  if (stat === undefined || stat.isDirectory() || Number(stat.mtimeMs) > before) return false
  try {
    fs.unlinkSync(path)
    return true
  } catch (error) {
    if (isMissing(error)) return false
    throw error
  }
}

import type { WriteCondition } from '../../core/backend.ts'
import { FileExistsError } from '../../core/errors.ts'
import type { Name } from '../../core/names.ts'
import { quoteName } from '../../core/quote.ts'
import { checkVersion, type Target } from './commit.ts'
import { splitPath } from './disk-names.ts'
import { syncFolder } from './durability.ts'
import { makeFolder, removeEmptyFolders } from './folders.ts'
import type { Root } from './root.ts'

/** The place of a file to be written: its folder is held, and made if it was missing. */
export class WriteTarget implements Target {
  readonly folder: Target['folder']
  readonly last: string
  readonly #root: Root
  readonly #made: readonly string[]

  /**
   * Finds the place of `name`. Replacing goes through a link to the file that it leads to, as
   * writing to a path does; a link that leads nowhere is itself replaced.
   *
   * @throws FileExistsError when something that is no file is to be replaced
   * @throws PreconditionFailedError when the version that `ifMatch` asks for is not there
   */
  static open(
    root: Root,
    name: Name,
    condition: WriteCondition,
    mode: number | null | undefined,
  ): WriteTarget {
    const place = condition === 'absent' ? name : placeToReplace(root, name, condition)
    const [folder, last] = splitPath(place)
    return new WriteTarget(root, makeFolder(root, folder, mode), last)
  }

  constructor(root: Root, made: ReturnType<typeof makeFolder>, last: string) {
    this.#root = root
    this.folder = made.folder
    this.#made = made.made
    this.last = last
  }

  close(): void {
    this.folder.close()
  }

  /** Waits until the disk has the file's name, and those of the folders that were made for it. */
  async sync(): Promise<void> {
    await syncFolder(this.folder.path)
    for (const name of this.#made) {
      const parent = this.#root.hold(splitPath(name)[0], 'folder')
      try {
        await syncFolder(parent.path)
      } finally {
        parent.close()
      }
    }
  }

  /** After a failure: also the folders that were made for it go, as far as they are empty. */
  abandon(): void {
    this.close()
    removeEmptyFolders(this.#root, this.#made)
  }
}

/** Name of the file that is replaced: `name`, or what it links to. */
function placeToReplace(root: Root, name: Name, condition: WriteCondition): string {
  const ifMatch = typeof condition === 'object' ? condition.ifMatch : undefined
  const held = root.find(name)
  if (held === undefined) {
    checkVersion(undefined, ifMatch)
    return name
  }
  try {
    const stat = held.stat()
    if (!stat.isFile()) throw occupied(name)
    checkVersion(stat, ifMatch)
    return root.followLink(name)
  } finally {
    held.close()
  }
}

function occupied(name: Name): FileExistsError {
  return new FileExistsError(
    `${quoteName(name)} cannot be stored: a folder or something else that is no file has this name.`,
  )
}

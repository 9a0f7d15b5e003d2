import type { Dirent } from 'node:fs'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { ListOptions, ListPage } from '../../core/backend.ts'
import { compareUtf8 } from '../../core/bytes.ts'
import { SuspiciousFileOperation } from '../../core/errors.ts'
import type { FileStat } from '../../core/file-stat.ts'
import type { Folder } from '../../core/names.ts'
import { statOf } from './commit.ts'
import { findDiskProblem, hostPlatform, isReserved } from './disk-names.ts'
import { errnoOf, explainReadError, isMissing } from './fs-errors.ts'
import { fs } from './node.ts'
import type { HeldPath, Root } from './root.ts'
import { fileStatOf } from './version.ts'

/** Entries of a page. */
const pageSize = 1000
/** Files that are looked at before others have their turn of the event loop: half a millisecond. */
const filesPerTurn = 100

/** A folder whose names were read, and how far the listing has come in it. */
interface Level {
  /** `''`, or its name with a final `/`. */
  readonly folder: Folder
  /** Device and inode: a linked folder may be one that the listing is in already. */
  readonly identity: string
  /** Sorted; a folder's name ends in `/`. */
  readonly names: readonly string[]
  next: number
}

/**
 * The pages of a listing. Names of one folder after the other are read, as they are needed; no
 * descriptor is held from one page to the next.
 */
export class FolderWalk {
  readonly #root: Root
  readonly #options: ListOptions
  /** The folders that the listing is in, the outermost first. */
  readonly #levels: Level[] = []
  #seen = 0

  constructor(root: Root, options: ListOptions) {
    this.#root = root
    this.#options = options
  }

  async *pages(): AsyncGenerator<ListPage> {
    await this.#enter(this.#options.folder)
    while (this.#levels.length > 0) {
      const page = await this.#page()
      if (page.files.length + page.folders.length > 0) yield page
    }
  }

  async #page(): Promise<ListPage> {
    const files: FileStat[] = []
    const folders: Folder[] = []
    for (;;) {
      const level = this.#levels.at(-1)
      if (level === undefined) return { files, folders }
      const room = pageSize - files.length - folders.length
      if (room === 0) return { files, folders }
      const below = await this.#take(level, room, files, folders)
      if (below !== undefined) await this.#enterLinked(below)
      else if (level.next === level.names.length) this.#levels.pop()
    }
  }

  /** Adds at most `room` entries of a level; stops at a folder that is to be entered, and gives it. */
  async #take(
    level: Level,
    room: number,
    files: FileStat[],
    folders: Folder[],
  ): Promise<Folder | undefined> {
    const held = this.#hold(level.folder)
    if (held === undefined) {
      level.next = level.names.length
      return undefined
    }
    try {
      for (let left = room; left > 0 && level.next < level.names.length; ) {
        const name = level.names[level.next++] ?? ''
        const full = level.folder + name
        if (isFolder(full)) {
          if (this.#options.recursive) return full
          folders.push(full)
          left--
        } else if (this.#add(held, name, full, files)) left--
        if (++this.#seen % filesPerTurn === 0) await this.#giveWay()
      }
      return undefined
    } catch (error) {
      throw explainReadError(error, level.folder)
    } finally {
      held.close()
    }
  }

  #add(folder: HeldPath, name: string, full: string, files: FileStat[]): boolean {
    const stat = statOf(folder.child(name))
    if (stat?.isFile() === true) files.push(fileStatOf(full, stat))
    else if (stat?.isSymbolicLink() !== true) return false
    else return this.#addLinked(full, files)
    return true
  }

  #addLinked(full: string, files: FileStat[]): boolean {
    const held = findInside(this.#root, full)
    if (held === undefined) return false
    try {
      const stat = held.stat()
      if (stat.isFile()) files.push(fileStatOf(full, stat))
      return stat.isFile()
    } finally {
      held.close()
    }
  }

  async #giveWay(): Promise<void> {
    await nextTurn()
    this.#options.signal?.throwIfAborted()
  }

  /** A folder below the first: one that left the root or vanished since its name was read is none. */
  async #enterLinked(folder: Folder): Promise<void> {
    try {
      await this.#enter(folder)
    } catch (error) {
      if (!(error instanceof SuspiciousFileOperation)) throw error
    }
  }

  async #enter(folder: Folder): Promise<void> {
    const held = this.#hold(folder)
    if (held === undefined) return
    try {
      const { dev, ino } = held.stat()
      const identity = `${dev}-${ino}`
      // A link to a folder that the listing is in would go round for ever.
      if (this.#levels.some(level => level.identity === identity)) return
      const names = await namesOf(this.#root, held, folder)
      this.#levels.push({ folder, identity, names, next: 0 })
    } catch (error) {
      if (!isMissing(error)) throw explainReadError(error, folder)
    } finally {
      held.close()
    }
  }

  /** @throws StorageError that names this folder, whichever the listing began with */
  #hold(folder: Folder): HeldPath | undefined {
    try {
      return this.#root.find(folder.slice(0, -1), 'folder')
    } catch (error) {
      throw explainReadError(error, folder)
    }
  }
}

/** What a listing shows of a folder, sorted, folders with a final `/`. */
async function namesOf(root: Root, folder: HeldPath, prefix: Folder): Promise<readonly string[]> {
  const entries = await fs.promises.readdir(folder.path, { withFileTypes: true })
  const names = new Set<string>()
  for (const entry of entries) {
    const kind = isNameable(folder, prefix, entry.name) ? kindOf(root, prefix, entry) : 'neither'
    if (kind === 'file') names.add(entry.name)
    if (kind === 'folder') names.add(`${entry.name}/`)
  }
  return [...names].sort(compareUtf8)
}

/**
 * Whether a file can be asked for by the name that its folder shows. A name that is not UTF-8
 * comes with U+FFFD in it, and then nothing has it.
 */
function isNameable(folder: HeldPath, prefix: Folder, name: string): boolean {
  if (isReserved(name) || findDiskProblem(prefix + name, hostPlatform) !== undefined) return false
  return !name.includes('\ufffd') || statOf(folder.child(name)) !== undefined
}

function kindOf(root: Root, prefix: Folder, entry: Dirent): 'file' | 'folder' | 'neither' {
  if (entry.isFile()) return 'file'
  if (entry.isDirectory()) return 'folder'
  return entry.isSymbolicLink() ? kindOfLinked(root, prefix + entry.name) : 'neither'
}

function kindOfLinked(root: Root, name: string): 'file' | 'folder' | 'neither' {
  const held = findInside(root, name)
  if (held === undefined) return 'neither'
  try {
    const stat = held.stat()
    if (stat.isFile()) return 'file'
    return stat.isDirectory() ? 'folder' : 'neither'
  } finally {
    held.close()
  }
}

/** What a link leads to; `undefined` if that is nothing, itself, or outside of the root. */
function findInside(root: Root, name: string): HeldPath | undefined {
  try {
    return root.find(name)
  } catch (error) {
    if (error instanceof SuspiciousFileOperation || errnoOf(error) === 'ELOOP') return undefined
    throw error
  }
}

function isFolder(name: string): name is Folder {
  return name.endsWith('/')
}

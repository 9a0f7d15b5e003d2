import type { BigIntStats, Stats } from 'node:fs'
import { dirname, join, relative, resolve, sep } from 'node:path'
import { SuspiciousFileOperation } from '../../core/errors.ts'
import { quoteName } from '../../core/quote.ts'
import { errnoOf, isMissing } from './fs-errors.ts'
import { fs } from './node.ts'

/**
 * A file or folder below the root, found and checked. Everything is done through `path`, so that
 * a link that is swapped in after the check leads nowhere. Close it.
 */
export interface HeldPath {
  /** For calls of the file system: means what was found, whatever has that name by now. */
  readonly path: string
  stat(): BigIntStats
  /** For calls of the file system: an entry of this folder. */
  child(name: string): string
  /** Opens the file for reading; never anything else than what was found. */
  open(): number
  /**
   * @throws SuspiciousFileOperation when it does not lie below the root any more
   * @throws the system's `ENOENT` when the root is gone
   */
  check(): void
  close(): void
}

/** `O_PATH` of Linux (the same on all architectures of Node), which Node does not name. */
const openPath = 0o10000000
const noFollow = (fs.constants.O_NOFOLLOW ?? 0) | (fs.constants.O_NONBLOCK ?? 0)
/** How often the root may be replaced while one name is looked up. */
const maxRootChanges = 5
/** How often a file may be replaced while it is opened. */
const maxReplacements = 20

/** Whether `/proc/self/fd` gives paths of descriptors, as on Linux. */
const hasDescriptorPaths = process.platform === 'linux' && fs.existsSync('/proc/self/fd')

/**
 * The folder that holds a storage's files, and the one door to what lies in it: see
 * decisions/0004-confinement-on-disk.md.
 */
export class Root {
  /** Absolute; may be a link. */
  readonly location: string
  readonly #descriptors: boolean

  /** @param descriptors whether to hold files by descriptor; default: where the system can */
  constructor(location: string, descriptors: boolean = hasDescriptorPaths) {
    this.location = location
    this.#descriptors = descriptors
  }

  /**
   * Finds a file or folder (`''` is the root itself), following links that stay below the root.
   *
   * @throws SuspiciousFileOperation when it lies elsewhere
   * @throws the system's error when there is none
   */
  hold(name: string, kind: 'any' | 'folder' = 'any'): HeldPath {
    for (let changes = 0; ; changes++) {
      const root = realPath(this.location)
      const held = this.#find(name, root, kind)
      if (held !== undefined) return held
      // A deployment may point the root elsewhere between the two looks.
      if (changes === maxRootChanges || realPath(this.location) === root) throw leaves(name)
    }
  }

  /** As {@link hold}; `undefined` when there is nothing. */
  find(name: string, kind: 'any' | 'folder' = 'any'): HeldPath | undefined {
    try {
      return this.hold(name, kind)
    } catch (error) {
      if (!isMissing(error)) throw error
      this.#checkDeadLink(name)
      return undefined
    }
  }

  /**
   * The name itself, or if it is a link, the name of what it leads to. Only a name: what is done
   * with it is checked again.
   *
   * @throws SuspiciousFileOperation when that lies outside
   */
  followLink(name: string): string {
    const path = join(this.location, name)
    if (fs.lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() !== true) return name
    const root = realPathText(this.location)
    const target = realPathText(path)
    if (!isBelow(target, root)) throw leaves(name)
    return relative(root, target).replaceAll(sep, '/')
  }

  /**
   * What is wrong with the location itself, as the end of a sentence, where the system refused to
   * make or to enter it with `error`; `undefined` when the name is to blame.
   */
  findProblem(error: unknown): string | undefined {
    const code = errnoOf(error) ?? ''
    if (!['ENOENT', 'ENOTDIR', 'EEXIST', 'ELOOP'].includes(code)) return undefined
    const stat = lookAt(() => fs.statSync(this.location))
    if (stat !== undefined) return stat.isDirectory() ? undefined : 'is a file'
    const link = lookAt(() => fs.lstatSync(this.location))
    if (link !== undefined) return 'is a link that leads nowhere'
    return code === 'ENOTDIR' ? 'lies below a file' : undefined
  }

  /** A link that leads out of the root is refused, also while there is nothing at its end. */
  #checkDeadLink(name: string): void {
    const path = join(this.location, name)
    let target: string
    let root: string
    try {
      if (!fs.lstatSync(path).isSymbolicLink()) return
      target = resolve(realPathText(dirname(path)), fs.readlinkSync(path))
      root = realPathText(this.location)
    } catch {
      return
    }
    if (!isBelow(target, root)) throw leaves(name)
  }

  #find(name: string, root: string, kind: 'any' | 'folder'): HeldPath | undefined {
    const path = join(this.location, name)
    return this.#descriptors
      ? HeldDescriptor.open(path, name, root, kind)
      : CheckedPath.find(path, name, root, kind)
  }
}

/**
 * Linux: a descriptor opened with `O_PATH`, which opens neither pipes nor devices. The kernel says
 * where it lies (`/proc/self/fd/N` as a link), and calls through it start there, as `openat` does.
 */
class HeldDescriptor implements HeldPath {
  readonly path: string
  readonly #fd: number
  readonly #name: string
  readonly #root: string

  static open(
    path: string,
    name: string,
    root: string,
    kind: 'any' | 'folder',
  ): HeldDescriptor | undefined {
    const fd = fs.openSync(path, kind === 'folder' ? openPath | fs.constants.O_DIRECTORY : openPath)
    const held = new HeldDescriptor(fd, name, root)
    if (held.#isBelowRoot()) return held
    held.close()
    return undefined
  }

  constructor(fd: number, name: string, root: string) {
    this.path = `/proc/self/fd/${fd}`
    this.#fd = fd
    this.#name = name
    this.#root = root
  }

  stat(): BigIntStats {
    return fs.fstatSync(this.#fd, { bigint: true })
  }

  child(name: string): string {
    return `${this.path}/${name}`
  }

  open(): number {
    return fs.openSync(this.path, fs.constants.O_RDONLY)
  }

  check(): void {
    if (this.#isBelowRoot()) return
    // Of a root that was removed the kernel says "ROOT (deleted)": it is nowhere, not elsewhere.
    fs.lstatSync(fs.readlinkSync(this.path))
    throw leaves(this.#name)
  }

  close(): void {
    fs.closeSync(this.#fd)
  }

  #isBelowRoot(): boolean {
    return isBelow(fs.readlinkSync(this.path, 'latin1'), this.#root)
  }
}

/** Elsewhere: the real path, checked when it is found, again after opening and before a commit. */
class CheckedPath implements HeldPath {
  readonly path: string
  readonly #wanted: string
  readonly #name: string
  readonly #found: BigIntStats

  static find(
    wanted: string,
    name: string,
    root: string,
    kind: 'any' | 'folder',
  ): CheckedPath | undefined {
    const path = realPathText(kind === 'folder' ? wanted + sep : wanted)
    const rootPath = Buffer.from(root, 'latin1').toString()
    return isBelow(path, rootPath) ? new CheckedPath(path, wanted, name) : undefined
  }

  constructor(path: string, wanted: string, name: string) {
    this.path = path
    this.#wanted = wanted
    this.#name = name
    this.#found = fs.lstatSync(path, { bigint: true })
  }

  stat(): BigIntStats {
    return fs.lstatSync(this.path, { bigint: true })
  }

  child(name: string): string {
    return join(this.path, name)
  }

  open(): number {
    for (let attempt = 1; ; attempt++) {
      const fd = fs.openSync(this.path, fs.constants.O_RDONLY | noFollow)
      try {
        this.check()
        // The file may have been replaced since it was found, by another one or by a link.
        if (isSame(fs.fstatSync(fd, { bigint: true }), this.stat())) return fd
        if (attempt === maxReplacements) throw leaves(this.#name)
      } catch (error) {
        fs.closeSync(fd)
        throw error
      }
      fs.closeSync(fd)
    }
  }

  check(): void {
    const now = this.stat()
    const moved = now.isDirectory() && !isSame(now, this.#found)
    if (moved || realPathText(this.#wanted) !== this.path) throw leaves(this.#name)
  }

  close(): void {}
}

function lookAt(stat: () => Stats): Stats | undefined {
  try {
    return stat()
  } catch {
    return undefined
  }
}

function isSame(a: BigIntStats, b: BigIntStats): boolean {
  return a.dev === b.dev && a.ino === b.ino
}

/** Byte for byte: a folder's name need not be UTF-8, and two such names may decode to the same. */
function realPath(path: string): string {
  return fs.realpathSync.native(path, 'latin1')
}

function realPathText(path: string): string {
  return fs.realpathSync.native(path)
}

function isBelow(path: string, root: string): boolean {
  return path === root || path.startsWith(root.endsWith(sep) ? root : root + sep)
}

function leaves(name: string): SuspiciousFileOperation {
  return new SuspiciousFileOperation(
    `File name ${quoteName(name)} is refused: a link on its way leads out of the storage's location.`,
    { file: name },
  )
}

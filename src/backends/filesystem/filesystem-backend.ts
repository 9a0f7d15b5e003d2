import type { BigIntStats } from 'node:fs'
import { join, resolve } from 'node:path'
import type {
  Backend,
  BackendUrlOptions,
  Capabilities,
  CopyOptions,
  ListOptions,
  ListPage,
  OperationOptions,
  ReadOptions,
  ReadResult,
  WriteOptions,
} from '../../core/backend.ts'
import type { ContentSource } from '../../core/content.ts'
import { ImproperlyConfigured, noSuchFile, SuspiciousFileOperation } from '../../core/errors.ts'
import type { FileStat } from '../../core/file-stat.ts'
import { type Folder, maxKeyBytes, type Name } from '../../core/names.ts'
import { publicUrl } from '../../core/public-url.ts'
import { quoteName } from '../../core/quote.ts'
import { checkVersion, statOf } from './commit.ts'
import {
  checkDiskName,
  checkWritableName,
  isNoFile,
  maxSegmentBytes,
  splitPath,
} from './disk-names.ts'
import { openBody } from './file-body.ts'
import { FolderWalk } from './folder-walk.ts'
import { errnoOf, explainReadError, explainWriteError, isMissing } from './fs-errors.ts'
import { removeLeftovers } from './leftovers.ts'
import { moveFile } from './move.ts'
import { fs } from './node.ts'
import type { FileSystemStorageOptions } from './options.ts'
import { type HeldPath, Root } from './root.ts'
import { type SaveSettings, saveFile } from './save.ts'
import { fileStatOf } from './version.ts'

const capabilities: Capabilities = {
  properties: false,
  acl: false,
  ifMatch: true,
  createdTime: true,
  accessedTime: true,
  overlappingFolders: false,
  absentFolder: 'missing',
  maxNameBytes: maxKeyBytes,
  maxSegmentBytes,
}

/** How often a content that can be read again is written when its folder is removed meanwhile. */
const maxWrites = 5

/** What of a storage's options the backend needs. */
export type FileSystemBackendOptions = Omit<
  FileSystemStorageOptions,
  'fileOverwrite' | 'maxNameLength'
>

/**
 * Files below a folder of the local file system. How they are kept inside it is told in
 * decisions/0004-confinement-on-disk.md, what holds on which file system in docs/filesystem.md.
 *
 * The calls that find, name and remove files, and those that move no more than 64 KiB, are
 * synchronous: through the thread pool they cost eight times as much. Larger contents, whole
 * folders and the waiting for the disk are not.
 */
export class FileSystemBackend implements Backend {
  readonly name: string
  readonly capabilities: Capabilities = capabilities
  readonly #rootFolder: Root | undefined
  readonly #baseUrl: string | null | undefined
  readonly #settings: SaveSettings

  /** @param options as {@link FileSystemStorageOptions}, without defaults but that of `fsync` */
  constructor(options: FileSystemBackendOptions) {
    const location = options.location === undefined ? undefined : resolve(options.location)
    this.name = `filesystem(${location ?? ''})`
    this.#rootFolder = location === undefined ? undefined : new Root(location)
    this.#baseUrl = options.baseUrl
    this.#settings = {
      fileMode: options.filePermissionsMode ?? null,
      folderMode: options.directoryPermissionsMode,
      durable: options.fsync ?? false,
    }
  }

  async head(name: Name, _options: OperationOptions): Promise<FileStat> {
    return this.#reading(name, file => fileStatOf(name, file.stat()))
  }

  async read(name: Name, options: ReadOptions): Promise<ReadResult> {
    return this.#reading(name, file => openRange(file.open(), name, options))
  }

  async write(name: Name, content: ContentSource, options: WriteOptions): Promise<Name> {
    const root = this.#writable(name)
    for (let attempt = 1; ; attempt++) {
      try {
        return await saveFile(root, name, this.#settings, options, file =>
          file.fill(content, options),
        )
      } catch (error) {
        if (content.failure !== undefined && content.failure.error === error) throw error
        const again = errnoOf(error) === 'ENOENT' && content.replayable && attempt < maxWrites
        if (!again) throw explainSave(root, error, name)
      }
    }
  }

  async delete(name: Name, _options: OperationOptions): Promise<void> {
    const root = this.#root()
    checkDiskName(name)
    if (isNoFile(name)) return
    try {
      deleteFile(root, name)
    } catch (error) {
      if (!isMissing(error)) throw explainReadError(error, name)
    }
  }

  async *list(options: ListOptions): AsyncGenerator<ListPage> {
    const root = this.#root()
    const { folder } = options
    checkDiskName(folder)
    if (isNoFile(folder.slice(0, -1))) return
    yield* new FolderWalk(root, options).pages()
  }

  async folderExists(folder: Folder, _options: OperationOptions): Promise<boolean> {
    const root = this.#root()
    checkDiskName(folder)
    const name = folder.slice(0, -1)
    if (isNoFile(name)) return false
    try {
      const held = root.find(name, 'folder')
      held?.close()
      return held !== undefined
    } catch (error) {
      throw explainReadError(error, folder)
    }
  }

  /** Shares the bytes where the file system can (Btrfs, XFS, APFS, ReFS). */
  async copy(from: Name, to: Name, options: CopyOptions): Promise<void> {
    const root = this.#writable(to)
    const source = this.#hold(from)
    try {
      await saveFile(root, to, this.#settings, { ...options, nextName: undefined }, async file => {
        await file.copyFrom(source.path)
        source.check()
      })
    } catch (error) {
      throw explainSave(root, error, to)
    } finally {
      source.close()
    }
  }

  /** A rename within a file system, else a copy and a removal. */
  async move(from: Name, to: Name, options: CopyOptions): Promise<void> {
    const root = this.#writable(to)
    // Checks the source, too: a link must not lead outside.
    this.#hold(from).close()
    try {
      if (await moveFile(root, from, to, this.#settings, options)) return
    } catch (error) {
      throw explainSave(root, error, to)
    }
    await this.copy(from, to, options)
    await this.delete(from, options)
  }

  async url(name: Name, options: BackendUrlOptions): Promise<string> {
    checkDiskName(name)
    return publicUrl(this.#baseUrl, name, options, 'FileSystemStorage')
  }

  path(name: Name): string {
    const root = this.#root()
    checkDiskName(name)
    if (isNoFile(name)) throw noPath(name)
    return join(root.location, name)
  }

  async cleanupUploads(
    options: OperationOptions & { readonly olderThan: number },
  ): Promise<readonly string[]> {
    return await removeLeftovers(this.#root(), options)
  }

  #root(): Root {
    if (this.#rootFolder !== undefined) return this.#rootFolder
    throw new ImproperlyConfigured(
      'FileSystemStorage does not know where its files are: give it a "location" (or set MEDIA_ROOT).',
      { setting: 'location' },
    )
  }

  #writable(name: Name): Root {
    const root = this.#root()
    checkWritableName(name)
    return root
  }

  #reading<T>(name: Name, work: (file: HeldPath) => T): T {
    const file = this.#hold(name)
    try {
      return work(file)
    } catch (error) {
      throw explainReadError(error, name)
    } finally {
      file.close()
    }
  }

  /** @throws FileNotFoundError for what is no file, such as a folder or a pipe */
  #hold(name: Name): HeldPath {
    const root = this.#root()
    checkDiskName(name)
    if (isNoFile(name)) throw noSuchFile(name)
    const held = holdFile(root, name)
    if (held === undefined) throw noSuchFile(name)
    return held
  }
}

/** Where the location itself is what stands in the way, no name can be stored. */
function explainSave(root: Root, error: unknown, name: Name): unknown {
  const problem = root.findProblem(error)
  if (problem === undefined) return explainWriteError(error, name)
  return new ImproperlyConfigured(
    `The "location" of FileSystemStorage ${problem}: ${root.location}. Give it a folder, or a place where one can be made.`,
    { setting: 'location', cause: error },
  )
}

function holdFile(root: Root, name: Name): HeldPath | undefined {
  try {
    const held = root.find(name)
    if (held === undefined || held.stat().isFile()) return held
    held.close()
    return undefined
  } catch (error) {
    throw explainReadError(error, name)
  }
}

/** Takes over the descriptor. */
function openRange(fd: number, name: Name, options: ReadOptions): ReadResult {
  const stat = fileStatOf(name, versionOf(fd, options.ifMatch))
  const start = Math.min(options.start ?? 0, stat.size)
  const end = Math.max(start, Math.min(options.end ?? stat.size, stat.size))
  return { stat, start, end, body: openBody({ fd, name, start, end, signal: options.signal }) }
}

/** What is known of an open file, which is closed again if it is another version. */
function versionOf(fd: number, ifMatch: string | undefined): BigIntStats {
  try {
    const stat = fs.fstatSync(fd, { bigint: true })
    checkVersion(stat, ifMatch)
    return stat
  } catch (error) {
    fs.closeSync(fd)
    throw error
  }
}

function deleteFile(root: Root, name: Name): void {
  const [folderName, last] = splitPath(name)
  const folder = root.find(folderName, 'folder')
  if (folder === undefined) return
  try {
    const path = folder.child(last)
    if (isRemovable(root, name, path)) fs.unlinkSync(path)
  } finally {
    folder.close()
  }
}

/** A link is removed itself, if what it leads to is a file inside of the root or nothing. */
function isRemovable(root: Root, name: Name, path: string): boolean {
  const stat = statOf(path)
  if (stat?.isSymbolicLink() !== true) return stat?.isFile() === true
  const held = root.find(name)
  if (held === undefined) return true
  try {
    return held.stat().isFile()
  } finally {
    held.close()
  }
}

function noPath(name: Name): SuspiciousFileOperation {
  return new SuspiciousFileOperation(
    `File name ${quoteName(name)} has no path: the file system would take it for another name.`,
    { file: name },
  )
}

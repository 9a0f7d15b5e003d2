import { lstatSync, mkdirSync, readlinkSync, renameSync, rmSync, symlinkSync } from 'node:fs'
import { dirname } from 'node:path'
import { UnsupportedError } from '../core/errors.ts'
import type { Storage } from '../core/storage.ts'
import type { SourceFile } from './source-file.ts'

/**
 * Links instead of copies.
 *
 * @throws UnsupportedError where files have no local path
 */
export class FileLinks {
  readonly #storage: Storage

  constructor(storage: Storage) {
    this.#storage = storage
    try {
      storage.path('probe')
    } catch (cause) {
      throw new UnsupportedError("Can't symlink to a remote destination.", {
        operation: 'collectStatic',
        cause,
      })
    }
  }

  isLinked(file: SourceFile): boolean {
    const path = this.#storage.path(file.name)
    try {
      return lstatSync(path).isSymbolicLink() && readlinkSync(path) === file.path
    } catch {
      return false
    }
  }

  /** Puts the link in the place of whatever file is there, in one step. */
  link(file: SourceFile): void {
    const path = this.#storage.path(file.name)
    const temporary = `${path}.${process.pid}.link`
    mkdirSync(dirname(path), { recursive: true })
    rmSync(temporary, { force: true })
    symlinkSync(file.path, temporary)
    renameSync(temporary, path)
  }
}

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

/** Whether a link stands under a name, as an earlier run with links left it. */
export function isLink(storage: Storage, name: string): boolean {
  if (storage.backend.path === undefined) return false
  try {
    return lstatSync(storage.path(name)).isSymbolicLink()
  } catch {
    return false
  }
}

/** Puts a stored file in the place of a link, which storages refuse to write through. */
export function replaceLink(storage: Storage, stored: string, name: string): void {
  renameSync(storage.path(stored), storage.path(name))
}

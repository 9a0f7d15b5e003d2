import type { CopyOptions, OperationOptions, WriteOptions } from '../../../core/backend.ts'
import type { ContentSource } from '../../../core/content.ts'
import { noSuchFile } from '../../../core/errors.ts'
import type { FileStat } from '../../../core/file-stat.ts'
import type { Folder, Name } from '../../../core/names.ts'
import { S3Backend } from '../s3-backend.ts'

/** Everything below the location. */
const root = '' as Folder

/**
 * A backend that lists all its files at the first question about one, and answers from that what is
 * there, how large and how old it is: for collections of files that nobody else changes. A listing
 * has no content types and no metadata. What this storage itself writes, copies or deletes is asked
 * for anew. Reading and the conditions of writes never rely on it.
 */
export class PreloadedBackend extends S3Backend {
  #files: Promise<Map<Name, FileStat>> | undefined
  /** Names that the listing is no longer right about. */
  readonly #changed = new Set<Name>()

  override async head(name: Name, options: OperationOptions): Promise<FileStat> {
    if (this.#changed.has(name)) return await super.head(name, options)
    this.#files ??= this.#load().catch(error => {
      this.#files = undefined
      throw error
    })
    const stat = (await this.#files).get(name)
    if (stat === undefined) throw noSuchFile(name)
    return stat
  }

  override async write(name: Name, content: ContentSource, options: WriteOptions): Promise<Name> {
    this.#changed.add(name)
    const stored = await super.write(name, content, options)
    this.#changed.add(stored)
    return stored
  }

  override async delete(name: Name, options: OperationOptions): Promise<void> {
    this.#changed.add(name)
    await super.delete(name, options)
  }

  override async deleteMany(
    names: readonly Name[],
    options: OperationOptions,
  ): Promise<ReadonlyMap<Name, unknown>> {
    for (const name of names) this.#changed.add(name)
    return await super.deleteMany(names, options)
  }

  override async copy(from: Name, to: Name, options: CopyOptions): Promise<void> {
    this.#changed.add(to)
    await super.copy(from, to, options)
  }

  /** For all who ask, so that none of them cancels it. */
  async #load(): Promise<Map<Name, FileStat>> {
    const files = new Map<Name, FileStat>()
    const pages = this.list({ folder: root, recursive: true })
    for await (const page of pages)
      for (const stat of page.files) files.set(stat.name as Name, stat)
    return files
  }
}

import type { Storage } from '../core/storage.ts'
import { md5Hash } from './digest.ts'
import type { Manifest } from './manifest.ts'
import { SourceReader } from './source-file.ts'

/** What a stored file has to be. */
export interface Wanted {
  readonly name: string
  /** MD5 of its bytes; `undefined`: a hashed name, which says it. */
  readonly digest: string | undefined
  readonly size: number | undefined
}

/** What is kept of each entry of a listing: of tens of thousands every further word counts. */
interface StoredFile {
  readonly size: number
  /** Without quotes; '' where there is none. */
  readonly etag: string
}

/**
 * What a storage holds, by one listing. Whether a file is what it has to be is told by its etag
 * where that is an MD5 (S3), by reading it where that is cheap (disk, memory), and else by what
 * the manifest says was stored.
 */
export class StoredFiles {
  readonly #storage: Storage
  readonly #stats: ReadonlyMap<string, StoredFile>
  readonly #manifest: Manifest
  readonly #reader = new SourceReader()
  /** Whether etags of this storage are digests of the contents: with KMS they only look like it. */
  readonly #digests: boolean

  static async list(
    storage: Storage,
    manifest: Manifest,
    signal: AbortSignal | undefined,
  ): Promise<StoredFiles> {
    const stats = new Map<string, StoredFile>()
    for await (const { name, size, etag } of storage.list('', { recursive: true, signal }))
      stats.set(name, { size, etag: etag?.replaceAll('"', '') ?? '' })
    return new StoredFiles(storage, stats, manifest)
  }

  constructor(storage: Storage, stats: ReadonlyMap<string, StoredFile>, manifest: Manifest) {
    this.#storage = storage
    this.#stats = stats
    this.#manifest = manifest
    this.#digests = this.#haveDigests()
  }

  names(): IterableIterator<string> {
    return this.#stats.keys()
  }

  has(name: string): boolean {
    return this.#stats.has(name)
  }

  /** Whether a hashed file is there: its name says what it holds. */
  hasHashed(name: string, size: number | undefined, known: boolean): boolean {
    const stat = this.#stats.get(name)
    if (stat === undefined) return false
    // What no manifest names may be another program's, or half of something.
    return known || size === undefined || stat.size === size
  }

  /** Whether a file under a plain name is what it has to be. */
  async isCurrent(wanted: Wanted, remembered: boolean, signal?: AbortSignal): Promise<boolean> {
    const stat = this.#stats.get(wanted.name)
    if (stat === undefined || (wanted.size !== undefined && stat.size !== wanted.size)) return false
    const { digest } = wanted
    if (digest === undefined) return remembered
    const { etag } = stat
    if (!looksLikeS3(etag)) return (await this.#read(wanted.name, signal)) === digest
    if (etag === digest) return true
    return remembered && (etag.includes('-') || !this.#digests)
  }

  async #read(name: string, signal: AbortSignal | undefined): Promise<string | undefined> {
    // On disk without a reader, which is made for services.
    if (this.#storage.backend.path !== undefined)
      return await this.#reader.digest(this.#storage.path(name))
    const hash = md5Hash()
    const reader = await this.#storage.open(name, 'rb', { signal })
    try {
      for await (const chunk of reader.chunks()) hash.update(chunk)
    } finally {
      await reader.close()
    }
    return hash.digest('hex')
  }

  #haveDigests(): boolean {
    for (const stored of this.#manifest.paths.values()) {
      const etag = this.#stats.get(stored)?.etag ?? ''
      if (/^[0-9a-f]{32}$/.test(etag) && stored.includes(`.${etag.slice(0, 12)}`)) return true
    }
    return this.#manifest.paths.size === 0
  }
}

/** An MD5, or that of the parts of an upload with their number. */
function looksLikeS3(etag: string): boolean {
  return /^[0-9a-f]{32}(?:-\d+)?$/.test(etag)
}

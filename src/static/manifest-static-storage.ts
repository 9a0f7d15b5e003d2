import {
  FileSystemStorage,
  type FileSystemStorageOptions,
} from '../backends/filesystem/filesystem-storage.ts'
import type { Backend, OperationOptions } from '../core/backend.ts'
import type { Content } from '../core/content.ts'
import { ImproperlyConfigured } from '../core/errors.ts'
import type { FileStat } from '../core/file-stat.ts'
import type { OpenFiles } from '../core/open-file.ts'
import { checkOptionsObject, resolveOptions } from '../core/options.ts'
import {
  type CleanupOptions,
  type ListOptions,
  type OpenOptions,
  type SaveOptions,
  Storage,
  type UrlOptions,
} from '../core/storage.ts'
import type { StoredFile } from '../core/stored-file.ts'
import { manifestSchema } from './manifest-options.ts'
import {
  isForStorage,
  manifestKey,
  StaticManifest,
  type StaticManifestOptions,
} from './static-manifest.ts'
import { isStorageLike } from './storage-like.ts'

/**
 * A storage whose `url` leads to the hashed file of a name, as the manifest says that
 * `collectStatic` wrote. Everything else is the storage's own: names are those that files are
 * stored under.
 */
export class ManifestStaticStorage extends Storage {
  readonly [manifestKey]: StaticManifest
  /** The backend of the storage below. */
  declare readonly backend: Backend
  readonly #files: Storage

  /** @throws ImproperlyConfigured for unknown options and wrong types */
  constructor(storage: Storage, options: StaticManifestOptions = {}) {
    // The base class keeps it in a property of the instance, which the next lines replace.
    super({} as Backend)
    if (!isStorageLike(storage))
      throw new ImproperlyConfigured(
        'ManifestStaticStorage stands over another storage: give it one, such as new S3StaticStorage({ … }).',
      )
    const resolved = resolveOptions(new.target.name, manifestSchema, options)
    Object.defineProperty(this, 'backend', { get: () => storage.backend, enumerable: false })
    this.#files = storage
    this[manifestKey] = new StaticManifest(storage, resolved)
  }

  /**
   * URL of the hashed file; a query and a fragment behind the name are kept.
   *
   * @throws FileNotFoundError for a name that the manifest lacks, unless `strict` is off
   */
  override async url(name: string, options: UrlOptions = {}): Promise<string> {
    if (isForStorage(name, options)) return await this.#files.url(name, options)
    return await this[manifestKey].url(name, options)
  }

  override async open<M extends keyof OpenFiles = 'rb'>(
    name: string,
    mode?: M,
    options?: OpenOptions,
  ): Promise<OpenFiles[M]> {
    return await this.#files.open(name, mode, options)
  }

  override async file(name: string, options?: OperationOptions): Promise<StoredFile> {
    return await this.#files.file(name, options)
  }

  override async save(
    name: string | null,
    content: Content,
    options?: SaveOptions,
  ): Promise<string> {
    return await this.#files.save(name, content, options)
  }

  override async delete(name: string, options?: OperationOptions): Promise<void> {
    await this.#files.delete(name, options)
  }

  override async deleteMany(
    names: Iterable<string> | AsyncIterable<string>,
    options?: OperationOptions,
  ): Promise<void> {
    await this.#files.deleteMany(names, options)
  }

  override async exists(name: string, options?: OperationOptions): Promise<boolean> {
    return await this.#files.exists(name, options)
  }

  override async stat(name: string, options?: OperationOptions): Promise<FileStat> {
    return await this.#files.stat(name, options)
  }

  override async size(name: string, options?: OperationOptions): Promise<number> {
    return await this.#files.size(name, options)
  }

  override async listdir(
    path: string,
    options?: OperationOptions,
  ): Promise<[directories: string[], files: string[]]> {
    return await this.#files.listdir(path, options)
  }

  override async *list(folder?: string, options?: ListOptions): AsyncGenerator<FileStat> {
    yield* this.#files.list(folder, options)
  }

  override path(name: string): string {
    return this.#files.path(name)
  }

  override async getModifiedTime(name: string, options?: OperationOptions): Promise<Date> {
    return await this.#files.getModifiedTime(name, options)
  }

  override async getCreatedTime(name: string, options?: OperationOptions): Promise<Date> {
    return await this.#files.getCreatedTime(name, options)
  }

  override async getAccessedTime(name: string, options?: OperationOptions): Promise<Date> {
    return await this.#files.getAccessedTime(name, options)
  }

  override async copy(from: string, to: string, options?: OperationOptions): Promise<string> {
    return await this.#files.copy(from, to, options)
  }

  override async move(from: string, to: string, options?: OperationOptions): Promise<string> {
    return await this.#files.move(from, to, options)
  }

  override async cleanupUploads(options?: CleanupOptions): Promise<readonly string[]> {
    return await this.#files.cleanupUploads(options)
  }

  override getValidName(name: string): string {
    return this.#files.getValidName(name)
  }

  override async getAvailableName(
    name: string,
    options?: OperationOptions & { readonly maxLength?: number | undefined },
  ): Promise<string> {
    return await this.#files.getAvailableName(name, options)
  }

  override getAlternativeName(root: string, extension: string): string {
    return this.#files.getAlternativeName(root, extension)
  }

  override generateFilename(name: string): string {
    return this.#files.generateFilename(name)
  }
}

export interface ManifestStaticFilesStorageOptions
  extends FileSystemStorageOptions,
    StaticManifestOptions {}

/**
 * A folder on disk with a manifest, under Django's name: {@link ManifestStaticStorage} over a
 * `FileSystemStorage`, made from options alone so that a configuration can name it.
 */
export class ManifestStaticFilesStorage extends ManifestStaticStorage {
  /** @throws ImproperlyConfigured for unknown options and wrong types */
  constructor(options: ManifestStaticFilesStorageOptions = {}) {
    checkOptionsObject(new.target.name, options)
    const { manifestName, strict, keepGenerations, manifestStorage, refresh, ...files } = options
    super(new FileSystemStorage(files), {
      manifestName,
      strict,
      keepGenerations,
      manifestStorage,
      refresh,
    })
  }
}

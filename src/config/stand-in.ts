import { untilAborted } from '../core/abort.ts'
import type { Backend, OperationOptions } from '../core/backend.ts'
import { type Content, toContent } from '../core/content.ts'
import type { FileStat } from '../core/file-stat.ts'
import type { OpenFiles } from '../core/open-file.ts'
import {
  type CleanupOptions,
  type ListOptions,
  type OpenOptions,
  type SaveOptions,
  Storage,
  type UrlOptions,
} from '../core/storage.ts'
import type { StoredFile } from '../core/stored-file.ts'
import { configuredStorage, loadedStorage } from './configured-storage.ts'
import { standInBrand } from './storage-kind.ts'

/**
 * Stands for whatever storage is configured under an alias when a method is called: it may be made
 * before anything is configured, and follows every later `configure`. The first asynchronous call
 * loads the configuration and imports the class.
 */
export class StorageStandIn extends Storage {
  readonly alias: string
  /** The backend of the storage in place. @throws ImproperlyConfigured while it is not loaded */
  declare readonly backend: Backend

  constructor(alias: string) {
    // The base class keeps it in a property of the instance, which the next lines replace.
    super({} as Backend)
    this.alias = alias
    Object.defineProperty(this, 'backend', {
      get: () => loadedStorage(alias).backend,
      enumerable: false,
    })
    Object.defineProperty(this, standInBrand, { value: () => configuredStorage(alias) })
  }

  override async open<M extends keyof OpenFiles = 'rb'>(
    name: string,
    mode?: M,
    options?: OpenOptions,
  ): Promise<OpenFiles[M]> {
    const storage = await this.#storage(options)
    return await storage.open(name, mode, options)
  }

  override async file(name: string, options?: OperationOptions): Promise<StoredFile> {
    const storage = await this.#storage(options)
    return await storage.file(name, options)
  }

  override async save(
    name: string | null,
    content: Content,
    options?: SaveOptions,
  ): Promise<string> {
    const storage = await this.#storageFor(content, options)
    return await storage.save(name, content, options)
  }

  override async delete(name: string, options?: OperationOptions): Promise<void> {
    const storage = await this.#storage(options)
    await storage.delete(name, options)
  }

  override async deleteMany(
    names: Iterable<string> | AsyncIterable<string>,
    options?: OperationOptions,
  ): Promise<void> {
    const storage = await this.#storage(options)
    await storage.deleteMany(names, options)
  }

  override async exists(name: string, options?: OperationOptions): Promise<boolean> {
    const storage = await this.#storage(options)
    return await storage.exists(name, options)
  }

  override async stat(name: string, options?: OperationOptions): Promise<FileStat> {
    const storage = await this.#storage(options)
    return await storage.stat(name, options)
  }

  override async size(name: string, options?: OperationOptions): Promise<number> {
    const storage = await this.#storage(options)
    return await storage.size(name, options)
  }

  override async listdir(
    path: string,
    options?: OperationOptions,
  ): Promise<[directories: string[], files: string[]]> {
    const storage = await this.#storage(options)
    return await storage.listdir(path, options)
  }

  override async *list(folder?: string, options?: ListOptions): AsyncGenerator<FileStat> {
    const storage = await this.#storage(options)
    yield* storage.list(folder, options)
  }

  override async url(name: string, options?: UrlOptions): Promise<string> {
    const storage = await this.#storage(options)
    return await storage.url(name, options)
  }

  override path(name: string): string {
    return loadedStorage(this.alias).path(name)
  }

  override async getModifiedTime(name: string, options?: OperationOptions): Promise<Date> {
    const storage = await this.#storage(options)
    return await storage.getModifiedTime(name, options)
  }

  override async getCreatedTime(name: string, options?: OperationOptions): Promise<Date> {
    const storage = await this.#storage(options)
    return await storage.getCreatedTime(name, options)
  }

  override async getAccessedTime(name: string, options?: OperationOptions): Promise<Date> {
    const storage = await this.#storage(options)
    return await storage.getAccessedTime(name, options)
  }

  override async copy(from: string, to: string, options?: OperationOptions): Promise<string> {
    const storage = await this.#storage(options)
    return await storage.copy(from, to, options)
  }

  override async move(from: string, to: string, options?: OperationOptions): Promise<string> {
    const storage = await this.#storage(options)
    return await storage.move(from, to, options)
  }

  override async cleanupUploads(options?: CleanupOptions): Promise<readonly string[]> {
    const storage = await this.#storage(options)
    return await storage.cleanupUploads(options)
  }

  override getValidName(name: string): string {
    return loadedStorage(this.alias).getValidName(name)
  }

  override async getAvailableName(
    name: string,
    options?: OperationOptions & { readonly maxLength?: number | undefined },
  ): Promise<string> {
    const storage = await this.#storage(options)
    return await storage.getAvailableName(name, options)
  }

  override getAlternativeName(root: string, extension: string): string {
    return loadedStorage(this.alias).getAlternativeName(root, extension)
  }

  override generateFilename(name: string): string {
    return loadedStorage(this.alias).generateFilename(name)
  }

  #storage(options: OperationOptions | undefined): Promise<Storage> {
    const signal = options?.signal
    // What is no signal is left to the storage's own checks.
    return untilAborted(
      configuredStorage(this.alias),
      signal instanceof AbortSignal ? signal : undefined,
    )
  }

  /** A stream that fails while nobody reads it yet must not end the process. */
  async #storageFor(content: Content, options: SaveOptions | undefined): Promise<Storage> {
    if (isEmitter(content)) content.on('error', ignore)
    try {
      return await this.#storage(options)
    } catch (error) {
      destroyContent(content, error)
      throw error
    }
  }
}

interface Emitter {
  on(event: 'error', listener: () => void): unknown
}

function isEmitter(content: unknown): content is Emitter {
  return (
    typeof content === 'object' &&
    content !== null &&
    'on' in content &&
    typeof content.on === 'function'
  )
}

function ignore(): void {}

function destroyContent(content: Content, error: unknown): void {
  try {
    toContent(content).destroy(error)
  } catch {
    // What is no content holds nothing open.
  }
}

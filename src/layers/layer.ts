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
} from '../core/backend.ts'
import type { ContentSource } from '../core/content.ts'
import type { FileStat } from '../core/file-stat.ts'
import type { Folder, Name } from '../core/names.ts'

/** The methods of a backend that do I/O; each page of a listing is a `list` of its own. */
export type BackendOperation =
  | 'head'
  | 'read'
  | 'write'
  | 'delete'
  | 'list'
  | 'folderExists'
  | 'copy'
  | 'move'
  | 'deleteMany'
  | 'url'
  | 'cleanupUploads'

/** One call of a backend, as a layer sees it. */
export interface BackendCall {
  readonly operation: BackendOperation
  /** The file or folder; the source of a copy; `''` where there is no single one. */
  readonly name: string
}

/**
 * A backend over another one: forwards every call, each through {@link around}. It has the
 * optional methods that the one below has, so that a layer changes nothing but what it overrides.
 */
export class Layer implements Backend {
  readonly name: string
  readonly capabilities: Capabilities
  readonly folderExists?: NonNullable<Backend['folderExists']>
  readonly copy?: NonNullable<Backend['copy']>
  readonly move?: NonNullable<Backend['move']>
  readonly deleteMany?: NonNullable<Backend['deleteMany']>
  readonly url?: NonNullable<Backend['url']>
  readonly path?: NonNullable<Backend['path']>
  readonly compresses?: NonNullable<Backend['compresses']>
  readonly cleanupUploads?: NonNullable<Backend['cleanupUploads']>
  /** The backend below. */
  protected readonly inner: Backend

  constructor(inner: Backend) {
    this.inner = inner
    this.name = inner.name
    this.capabilities = inner.capabilities
    const { folderExists, copy, move, deleteMany, url, path, cleanupUploads } = inner
    if (folderExists !== undefined) this.folderExists = this.#folderExists(folderExists)
    if (copy !== undefined) this.copy = this.#transfer('copy', copy)
    if (move !== undefined) this.move = this.#transfer('move', move)
    if (deleteMany !== undefined) this.deleteMany = this.#deleteMany(deleteMany)
    if (url !== undefined) this.url = this.#url(url)
    if (path !== undefined) this.path = name => path.call(inner, name)
    const { compresses } = inner
    if (compresses !== undefined)
      this.compresses = (name, properties) => compresses.call(inner, name, properties)
    if (cleanupUploads !== undefined) this.cleanupUploads = this.#cleanupUploads(cleanupUploads)
  }

  head(name: Name, options: OperationOptions): Promise<FileStat> {
    return this.around({ operation: 'head', name }, options, () => this.inner.head(name, options))
  }

  read(name: Name, options: ReadOptions): Promise<ReadResult> {
    return this.around({ operation: 'read', name }, options, () => this.inner.read(name, options))
  }

  write(name: Name, content: ContentSource, options: WriteOptions): Promise<Name> {
    return this.around({ operation: 'write', name }, options, () =>
      this.inner.write(name, content, options),
    )
  }

  delete(name: Name, options: OperationOptions): Promise<void> {
    return this.around({ operation: 'delete', name }, options, () =>
      this.inner.delete(name, options),
    )
  }

  async *list(options: ListOptions): AsyncGenerator<ListPage> {
    const pages = this.inner.list(options)[Symbol.asyncIterator]()
    const call: BackendCall = { operation: 'list', name: options.folder }
    try {
      for (;;) {
        const page = await this.around(call, options, () => pages.next())
        if (page.done === true) return
        yield page.value
      }
    } finally {
      await pages.return?.()
    }
  }

  /** What every call goes through. `work` carries it out; the default does just that. */
  protected around<T>(
    _call: BackendCall,
    _options: OperationOptions,
    work: () => Promise<T>,
  ): Promise<T> {
    return work()
  }

  #folderExists(
    method: NonNullable<Backend['folderExists']>,
  ): (folder: Folder, options: OperationOptions) => Promise<boolean> {
    return (folder, options) =>
      this.around({ operation: 'folderExists', name: folder }, options, () =>
        method.call(this.inner, folder, options),
      )
  }

  #transfer(
    operation: 'copy' | 'move',
    method: NonNullable<Backend['copy']>,
  ): (from: Name, to: Name, options: CopyOptions) => Promise<void> {
    return (from, to, options) =>
      this.around({ operation, name: from }, options, () =>
        method.call(this.inner, from, to, options),
      )
  }

  #deleteMany(
    method: NonNullable<Backend['deleteMany']>,
  ): (names: readonly Name[], options: OperationOptions) => Promise<ReadonlyMap<Name, unknown>> {
    return (names, options) =>
      this.around({ operation: 'deleteMany', name: '' }, options, () =>
        method.call(this.inner, names, options),
      )
  }

  #url(
    method: NonNullable<Backend['url']>,
  ): (name: Name, options: BackendUrlOptions) => Promise<string> {
    return (name, options) =>
      this.around({ operation: 'url', name }, options, () => method.call(this.inner, name, options))
  }

  #cleanupUploads(
    method: NonNullable<Backend['cleanupUploads']>,
  ): NonNullable<Backend['cleanupUploads']> {
    return options =>
      this.around({ operation: 'cleanupUploads', name: '' }, options, () =>
        method.call(this.inner, options),
      )
  }
}

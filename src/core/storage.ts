import { linkSignals, untilAborted } from './abort.ts'
import type { Backend, OperationOptions, WriteOptions } from './backend.ts'
import { compareUtf8 } from './bytes.ts'
import { type Content, type ContentSource, toContent } from './content.ts'
import { copyThrough } from './copy.ts'
import { deleteNames } from './delete-many.ts'
import {
  FileExistsError,
  FileNotFoundError,
  hasCode,
  ImproperlyConfigured,
  isStorageError,
  SuspiciousFileOperation,
  UnsupportedError,
  ValidationError,
  withContext,
} from './errors.ts'
import type { FileStat } from './file-stat.ts'
import type { Commit } from './file-writer.ts'
import { heldNames } from './held-names.ts'
import {
  type CleanupOptions,
  checkCondition,
  checkMethodOptions,
  checkReadingOptions,
  checkUrlOptions,
  conditionOf,
  type ListOptions,
  type OpenOptions,
  progressOf,
  type SaveOptions,
  signalOf,
  type UrlOptions,
} from './method-options.ts'
import {
  alternativeName,
  fitsLimits,
  generateFilename,
  type Name,
  type NameLimits,
  nameLength,
  nextName,
  noLimits,
  parseFolder,
  parseReadName,
  parseWriteName,
  truncateName,
  validName,
} from './names.ts'
import type { OpenFiles } from './open-file.ts'
import type { OpenHandles } from './open-handles.ts'
import { kindOf, type OptionSchema, resolveOptions, showArgument } from './options.ts'
import { checkProperties } from './properties.ts'
import { quoteName } from './quote.ts'
import { fileOverwriteOption, maxNameLengthOption } from './storage-options.ts'
import { StoredFile } from './stored-file.ts'

export type { CleanupOptions, ListOptions, OpenOptions, SaveOptions, UrlOptions }

/** What every storage can be told. */
export interface StorageOptions {
  /** Whether `save`, `copy` and `move` replace a file of that name. Default false. */
  readonly fileOverwrite?: boolean | undefined
  /** `maxLength` where a call gives none. Code points; default: no limit but the backend's. */
  readonly maxNameLength?: number | undefined
}

/** How often `save` tries another name before it gives up; each try has 62⁷ names to choose from. */
const maxNameAttempts = 100
/** Age in seconds from which an upload is taken as given up: a day. */
const defaultCleanupAge = 86_400

/**
 * What applications hold: files by name, whatever stores them. Names are `/`-separated and
 * relative; every method checks them before any I/O, and everything rejects with a
 * `StorageError`, except a cancellation (`signal.reason`) and an error that a content's own
 * source threw.
 */
export class Storage {
  /** Implements the service. Layers wrap it: `new Storage(faulty(storage.backend, …))`. */
  readonly backend: Backend
  #handles: OpenHandles | undefined
  readonly #fileOverwrite: boolean
  readonly #maxNameLength: number | undefined

  /** @throws ImproperlyConfigured for what is no backend, for unknown options and wrong types */
  constructor(backend: Backend, options: StorageOptions = {}) {
    // A subclass has checked its options, which are more than these.
    const { fileOverwrite, maxNameLength } =
      new.target === Storage ? checkedOptions(backend, options) : options
    this.backend = backend
    this.#fileOverwrite = fileOverwrite ?? false
    this.#maxNameLength = maxNameLength
  }

  /**
   * Opens a file. Reading (`r` text, `rb` bytes) costs one request that brings the first bytes
   * along. Writing (`w`, `wb`) replaces the file at `close`; with `overwrite: false` a file of
   * that name is a `FileExistsError`.
   *
   * @throws FileNotFoundError when reading a missing file
   * @throws UnsupportedError for another mode
   */
  async open<M extends keyof OpenFiles = 'rb'>(
    name: string,
    mode?: M,
    options?: OpenOptions,
  ): Promise<OpenFiles[M]>
  async open(
    name: string,
    mode: keyof OpenFiles = 'rb',
    options: OpenOptions = {},
  ): Promise<OpenFiles[keyof OpenFiles]> {
    if (mode === 'w' || mode === 'wb') return await this.#openWriter(name, mode, options)
    if (mode === 'r' || mode === 'rb') return await this.#openReader(name, mode, options)
    throw new UnsupportedError(
      `open() has the modes 'r', 'rb', 'w' and 'wb', not ${showArgument(mode)}.`,
      {
        operation: 'open',
        file: name,
        backend: this.backend.name,
      },
    )
  }

  /**
   * The file at its present version; nothing is read yet.
   *
   * @throws FileNotFoundError
   */
  async file(name: string, options: OperationOptions = {}): Promise<StoredFile> {
    const stat = await this.#stat('file', name, options)
    return new StoredFile(this.backend, stat, { signal: options.signal })
  }

  /**
   * Stores the content and resolves to the name that it was stored under: another one if
   * overwriting is off and the name is taken (`root_XXXXXXX.ext`), or if it is longer than
   * `maxLength`. A failure leaves nothing behind, and the old file as it was.
   *
   * @param name `null`: the content's own name
   * @throws PreconditionFailedError when `ifMatch` is another version
   */
  async save(name: string | null, content: Content, options: SaveOptions = {}): Promise<string> {
    const signal = signalOf(options)
    let source: ContentSource | undefined
    try {
      // Before everything that may fail, so that a stream is ended whatever the reason.
      source = toContent(content, signal)
      checkMethodOptions('save', options)
      signal?.throwIfAborted()
      const target = this.#target(name ?? nameOf(source), options)
      return await untilAborted(this.#store(target, source, options), signal)
    } catch (error) {
      source?.destroy(error)
      throw this.#explain(error, 'save', name ?? undefined, signal, source)
    }
  }

  /** Removes the file; a missing one is no error. Never removes a folder. */
  async delete(name: string, options: OperationOptions = {}): Promise<void> {
    await this.#run('delete', name, options, existing => this.backend.delete(existing, options))
  }

  /**
   * Removes many files with as few requests as the service allows. All are tried.
   *
   * @throws StorageError whose `errors` has one per name that failed
   */
  async deleteMany(
    names: Iterable<string> | AsyncIterable<string>,
    options: OperationOptions = {},
  ): Promise<void> {
    await this.#guard('deleteMany', undefined, options, () =>
      deleteNames(this.backend, names, options),
    )
  }

  /** Whether there is a file of that name; false for folders. */
  async exists(name: string, options: OperationOptions = {}): Promise<boolean> {
    try {
      await this.#stat('exists', name, options)
      return true
    } catch (error) {
      if (hasCode(error, 'ERR_STORAGE_FILE_NOT_FOUND')) return false
      throw error
    }
  }

  /** @throws FileNotFoundError */
  async stat(name: string, options: OperationOptions = {}): Promise<FileStat> {
    return await this.#stat('stat', name, options)
  }

  /** Bytes, as stored. @throws FileNotFoundError */
  async size(name: string, options: OperationOptions = {}): Promise<number> {
    return (await this.#stat('size', name, options)).size
  }

  /**
   * Names of one level, sorted by their UTF-8 bytes, without the path. `''` is the root.
   *
   * @throws FileNotFoundError on disk and in memory for a folder that does not exist; a bucket
   *   has no folders, there it is empty
   */
  async listdir(
    path: string,
    options: OperationOptions = {},
  ): Promise<[directories: string[], files: string[]]> {
    return await this.#guard('listdir', path, options, () => this.#listdir(path, options))
  }

  /**
   * The files of a folder (`''` is the root) in the order of their names' UTF-8 bytes. Lazy:
   * leaving the loop stops the requests. A missing folder has no files.
   */
  async *list(folder = '', options: ListOptions = {}): AsyncGenerator<FileStat> {
    const signal = signalOf(options)
    try {
      checkMethodOptions('list', options)
      signal?.throwIfAborted()
      const recursive = options.recursive ?? false
      const pages = this.backend
        .list({ folder: parseFolder(folder), recursive, signal })
        [Symbol.asyncIterator]()
      try {
        for (;;) {
          const page = await untilAborted(pages.next(), signal)
          if (page.done === true) return
          for (const stat of page.value.files) {
            signal?.throwIfAborted()
            yield stat
          }
        }
      } finally {
        await untilAborted(Promise.resolve(pages.return?.()), signal)
      }
    } catch (error) {
      throw this.#explain(error, 'list', folder, signal)
    }
  }

  /**
   * A URL for the file, without asking whether it exists.
   *
   * @throws UnsupportedError for what the storage's URLs cannot do
   * @throws ImproperlyConfigured when a setting is missing that URLs need (`baseUrl`)
   */
  url(name: string, options: UrlOptions = {}): Promise<string> {
    return this.#run('url', name, options, existing => {
      checkUrlOptions(options)
      if (this.backend.url === undefined) throw new UnsupportedError('This storage has no URLs.')
      const { method = 'GET', expiresIn, parameters, download, signal } = options
      return this.backend.url(existing, { method, expiresIn, parameters, download, signal })
    })
  }

  /**
   * Path of the file in the local file system.
   *
   * @throws UnsupportedError where there is none
   */
  path(name: string): string {
    try {
      const existing = parseReadName(name)
      if (this.backend.path === undefined)
        throw new UnsupportedError('Files of this storage have no local path.')
      return this.backend.path(existing)
    } catch (error) {
      throw this.#explain(error, 'path', name, undefined)
    }
  }

  async getModifiedTime(name: string, options: OperationOptions = {}): Promise<Date> {
    return (await this.#stat('getModifiedTime', name, options)).modifiedTime
  }

  /** @throws UnsupportedError where the service does not keep it */
  async getCreatedTime(name: string, options: OperationOptions = {}): Promise<Date> {
    return await this.#time('getCreatedTime', 'createdTime', name, options)
  }

  /** @throws UnsupportedError where the service does not keep it */
  async getAccessedTime(name: string, options: OperationOptions = {}): Promise<Date> {
    return await this.#time('getAccessedTime', 'accessedTime', name, options)
  }

  /**
   * Copies a file with its properties, on the server where the service can. Chooses the name as
   * `save` does and resolves to it; `from === to` changes nothing.
   *
   * @throws FileNotFoundError
   */
  async copy(from: string, to: string, options: OperationOptions = {}): Promise<string> {
    return await this.#run('copy', from, options, source =>
      this.#transfer(source, to, options, (target, condition) =>
        this.#copy(source, target, condition, options),
      ),
    )
  }

  /**
   * Renames a file where the service can, else copies and then deletes it: dying in between leaves
   * both. Chooses the name as `save` does and resolves to it; `from === to` changes nothing.
   *
   * @throws FileNotFoundError
   */
  async move(from: string, to: string, options: OperationOptions = {}): Promise<string> {
    return await this.#run('move', from, options, source =>
      this.#transfer(source, to, options, (target, condition) =>
        this.#move(source, target, condition, options),
      ),
    )
  }

  /**
   * Removes what killed processes left behind: open multipart uploads, temporary files. Resolves
   * to what was removed, a line each. `olderThan` is in seconds, default 86,400: what is younger
   * may still be in use.
   */
  async cleanupUploads(options: CleanupOptions = {}): Promise<readonly string[]> {
    return await this.#guard('cleanupUploads', undefined, options, async () => {
      const { olderThan = defaultCleanupAge, signal } = options
      if (!(olderThan >= 0))
        throw new ValidationError(
          `olderThan is a number of seconds of at least 0, not ${olderThan}.`,
        )
      return (await this.backend.cleanupUploads?.({ olderThan, signal })) ?? []
    })
  }

  /** One segment of a name, made fit: see {@link validName}. */
  getValidName(name: string): string {
    return validName(name)
  }

  /**
   * The name, if it is free and short enough, else an alternative that is. An overwriting storage
   * only shortens. Between this answer and a write the name may be taken: `save` does not ask, it
   * lets the write decide.
   */
  async getAvailableName(
    name: string,
    options: OperationOptions & { readonly maxLength?: number | undefined } = {},
  ): Promise<string> {
    return await this.#guard('getAvailableName', name, options, () =>
      this.#availableName(name, options),
    )
  }

  /** `root`, `_` and seven random letters or digits, `extension`. */
  getAlternativeName(root: string, extension: string): string {
    return alternativeName(root, extension)
  }

  /** What a user sent as a file name, made fit for `save`: see {@link generateFilename}. */
  generateFilename(name: string): string {
    return generateFilename(name, segment => this.getValidName(segment))
  }

  async #availableName(
    name: string,
    options: OperationOptions & { readonly maxLength?: number | undefined },
  ): Promise<string> {
    const wanted = this.#target(name, { maxLength: options.maxLength })
    if (this.#fileOverwrite) return wanted
    const maxLength = this.#maxLength(options)
    let candidate = wanted
    for (let attempt = 0; attempt < maxNameAttempts; attempt++) {
      if (
        this.#fits(candidate, maxLength) &&
        !(await this.exists(candidate, { signal: options.signal }))
      )
        return candidate
      candidate = this.#nextName(wanted, maxLength)
    }
    throw outOfNames(wanted)
  }

  #openReader(
    name: string,
    mode: 'r' | 'rb',
    options: OpenOptions,
  ): Promise<OpenFiles['r' | 'rb']> {
    return this.#run('open', name, options, async existing => {
      checkReadingOptions(options)
      const { openReader } = this.#handles ?? (await this.#loadHandles())
      return await openReader(this.backend, existing, mode, options.signal)
    })
  }

  async #openWriter(
    name: string,
    mode: 'w' | 'wb',
    options: OpenOptions,
  ): Promise<OpenFiles['w' | 'wb']> {
    const signal = signalOf(options)
    try {
      checkMethodOptions('open', options)
      signal?.throwIfAborted()
      checkCondition(options, this.backend.capabilities)
      const target = this.#target(name, { ...options, overwrite: true })
      const exclusive = options.overwrite === false
      if (exclusive && (await this.exists(target, { signal }))) throw nameTaken(target)
      const commit: Commit = (content, own) => {
        const both = linkSignals(signal, own)
        const work = this.#commit(target, content, { ...options, signal: both.signal }, exclusive)
        return untilAborted(work, signal).finally(() => both.release())
      }
      const { openWriter } = this.#handles ?? (await this.#loadHandles())
      return openWriter({ name: target, mode, backend: this.backend.name }, commit, signal)
    } catch (error) {
      throw this.#explain(error, 'open', name, signal)
    }
  }

  async #loadHandles(): Promise<OpenHandles> {
    this.#handles = await import('./open-handles.ts')
    return this.#handles
  }

  async #commit(
    name: Name,
    content: ContentSource,
    options: OpenOptions,
    exclusive: boolean,
  ): Promise<unknown> {
    const condition = exclusive ? 'absent' : conditionOf(options)
    try {
      const commit = { condition, nextName: undefined, asIs: true } as const
      return await this.#write(name, content, options, commit)
    } catch (error) {
      const taken = exclusive && hasCode(error, 'ERR_STORAGE_PRECONDITION_FAILED')
      throw taken ? nameTaken(name) : error
    }
  }

  // What only hands on a promise is not `async`: it would add a promise of its own to every call.
  #stat(operation: string, name: string, options: OperationOptions): Promise<FileStat> {
    return this.#run(operation, name, options, existing => this.backend.head(existing, options))
  }

  async #time(
    operation: string,
    time: 'createdTime' | 'accessedTime',
    name: string,
    options: OperationOptions,
  ): Promise<Date> {
    return await this.#run(operation, name, options, async existing => {
      const value = this.backend.capabilities[time]
        ? (await this.backend.head(existing, options))[time]
        : undefined
      if (value === undefined)
        throw new UnsupportedError(`This storage keeps no ${time.replace('Time', '')} time.`)
      return value
    })
  }

  async #listdir(path: string, options: OperationOptions): Promise<[string[], string[]]> {
    const folder = parseFolder(path)
    const directories: string[] = []
    const files: string[] = []
    const { signal } = options
    for await (const page of this.backend.list({ folder, recursive: false, signal })) {
      for (const name of heldNames(page.files.map(({ name }) => name.slice(folder.length))))
        files.push(name)
      for (const name of heldNames(page.folders.map(name => name.slice(folder.length, -1))))
        directories.push(name)
    }
    const found =
      directories.length > 0 || files.length > 0 || (await this.#folderExists(folder, options))
    if (!found)
      throw new FileNotFoundError(`There is no folder ${quoteName(path)}.`, { file: path })
    return [directories.sort(compareUtf8), files]
  }

  async #folderExists(
    folder: ReturnType<typeof parseFolder>,
    options: OperationOptions,
  ): Promise<boolean> {
    if (folder === '' || this.backend.capabilities.absentFolder === 'empty') return true
    return (await this.backend.folderExists?.(folder, options)) ?? false
  }

  /** Writes under the name, or the next one that is free. */
  #store(target: Name, source: ContentSource, options: SaveOptions): Promise<string> {
    if (this.#overwrites(options)) {
      return this.#write(target, source, options, {
        condition: conditionOf(options),
        nextName: undefined,
      })
    }
    const names = this.#alternatives(target, this.#maxLength(options))
    const first = names()
    return this.#write(first, source, options, { condition: 'absent', nextName: names })
  }

  /**
   * The name (if it is short enough) at the first call, an alternative at each later one. The
   * service decides which is free (a condition on the write), so no two calls get the same.
   */
  #alternatives(name: Name, maxLength: number | undefined): () => Name {
    let count = 0
    return () => {
      if (++count > maxNameAttempts) throw outOfNames(name)
      return count === 1 && this.#fits(name, maxLength) ? name : this.#nextName(name, maxLength)
    }
  }

  #fits(name: string, maxLength: number | undefined): boolean {
    if (maxLength === undefined) return true
    return nameLength(name) <= maxLength && fitsLimits(name, this.#limits())
  }

  #write(
    name: Name,
    source: ContentSource,
    options: SaveOptions,
    commit: Pick<WriteOptions, 'condition' | 'nextName' | 'asIs'>,
  ): Promise<Name> {
    return this.backend.write(name, source, {
      signal: options.signal,
      contentType: options.contentType,
      contentEncoding: options.contentEncoding,
      cacheControl: options.cacheControl,
      contentDisposition: options.contentDisposition,
      metadata: options.metadata,
      acl: options.acl,
      condition: commit.condition,
      nextName: commit.nextName,
      asIs: commit.asIs,
      onProgress: progressOf(source, options.onProgress),
    })
  }

  async #transfer(
    from: Name,
    to: string,
    options: OperationOptions,
    attempt: (target: Name, condition: 'absent' | undefined) => Promise<void>,
  ): Promise<string> {
    if (from === to) {
      await this.backend.head(from, options)
      return to
    }
    const target = this.#target(to, {})
    if (this.#fileOverwrite) {
      await attempt(target, undefined)
      return target
    }
    const names = this.#alternatives(target, this.#maxLength({}))
    for (;;) {
      const name = names()
      try {
        await attempt(name, 'absent')
        return name
      } catch (error) {
        if (!hasCode(error, 'ERR_STORAGE_PRECONDITION_FAILED')) throw error
      }
    }
  }

  async #copy(
    from: Name,
    to: Name,
    condition: 'absent' | undefined,
    options: OperationOptions,
  ): Promise<void> {
    const request = { condition, signal: options.signal }
    if (this.backend.copy !== undefined) await this.backend.copy(from, to, request)
    else await copyThrough(this.backend, from, to, request)
  }

  async #move(
    from: Name,
    to: Name,
    condition: 'absent' | undefined,
    options: OperationOptions,
  ): Promise<void> {
    if (this.backend.move !== undefined) {
      await this.backend.move(from, to, { condition, signal: options.signal })
      return
    }
    await this.#copy(from, to, condition, options)
    await this.backend.delete(from, options)
  }

  /** The name to write, checked together with the options that depend on the backend. */
  #target(name: string, options: SaveOptions): Name {
    const maxLength = this.#maxLength(options)
    // Who says how long a name may be wants a longer one to be shortened.
    const target = parseWriteName(name, maxLength === undefined ? this.#limits() : noLimits)
    checkProperties(options, this.backend.capabilities, target)
    checkCondition(options, this.backend.capabilities)
    if (!this.#overwrites(options)) return target
    // Once more through the door: what is left of `a/..b` may be `a/..`.
    return parseWriteName(truncateName(target, maxLength), this.#limits())
  }

  #overwrites(options: SaveOptions): boolean {
    return options.overwrite ?? (options.ifMatch !== undefined || this.#fileOverwrite)
  }

  #maxLength(options: { readonly maxLength?: number | undefined }): number | undefined {
    const maxLength = options.maxLength ?? this.#maxNameLength
    if (maxLength !== undefined && !(Number.isSafeInteger(maxLength) && maxLength >= 0)) {
      throw new ValidationError(`maxLength is a whole number of at least 0, not ${maxLength}.`)
    }
    return maxLength === 0 ? undefined : maxLength
  }

  #limits(): NameLimits {
    return this.backend.capabilities
  }

  #nextName(name: Name, maxLength: number | undefined): Name {
    const { maxNameBytes, maxSegmentBytes } = this.#limits()
    const next = nextName(name, { maxNameBytes, maxSegmentBytes, maxLength }, (root, extension) =>
      this.getAlternativeName(root, extension),
    )
    return parseWriteName(next, this.#limits())
  }

  /** Checks the name, runs the work, and gives its errors their context. */
  #run<T>(
    operation: string,
    name: string,
    options: OperationOptions,
    work: (name: Name) => Promise<T>,
  ): Promise<T> {
    return this.#guard(operation, name, options, () => work(parseReadName(name)))
  }

  /** Does the work until the signal aborts, and gives its errors their context. */
  async #guard<T>(
    operation: string,
    file: string | undefined,
    options: OperationOptions,
    work: () => Promise<T>,
  ): Promise<T> {
    const signal = signalOf(options)
    try {
      checkMethodOptions(operation, options)
      signal?.throwIfAborted()
      return await untilAborted(work(), signal)
    } catch (error) {
      throw this.#explain(error, operation, file, signal)
    }
  }

  #explain(
    error: unknown,
    operation: string,
    file: string | undefined,
    signal: AbortSignal | undefined,
    source?: ContentSource | undefined,
  ): unknown {
    if (signal?.aborted === true) return signal.reason
    // What the source threw is the caller's own error; one of this package's gets its context.
    const failure = source?.failure
    if (failure !== undefined && !isStorageError(failure.error)) return failure.error
    return withContext(error, { operation, file, backend: this.backend.name })
  }
}

const storageSchema: OptionSchema<StorageOptions> = {
  fileOverwrite: fileOverwriteOption,
  maxNameLength: maxNameLengthOption,
}

function checkedOptions(backend: unknown, options: unknown): StorageOptions {
  const isBackend = typeof backend === 'object' && backend !== null && 'head' in backend
  if (!isBackend)
    throw new ImproperlyConfigured(
      `new Storage() takes a backend, not ${kindOf(backend)}; for files on disk use FileSystemStorage.`,
    )
  return resolveOptions('Storage', storageSchema, options)
}

function nameOf(source: ContentSource): string {
  if (source.name !== undefined) return source.name
  throw new SuspiciousFileOperation(
    'The content has no name of its own: give save() a name instead of null.',
  )
}

function nameTaken(name: string): FileExistsError {
  return new FileExistsError(
    `There is a file ${quoteName(name)} already, and "overwrite" is false.`,
  )
}

function outOfNames(name: string): SuspiciousFileOperation {
  return new SuspiciousFileOperation(
    `Storage can not find an available filename for ${quoteName(name)}: ${maxNameAttempts} names were taken.`,
  )
}

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
  WriteCondition,
  WriteOptions,
} from '../../core/backend.ts'
import { type Bytes, concatBytes, copyBytes } from '../../core/bytes.ts'
import type { ContentSource } from '../../core/content.ts'
import { contentTypeOf } from '../../core/content-type.ts'
import { FileExistsError, noSuchFile, PreconditionFailedError } from '../../core/errors.ts'
import type { FileStat } from '../../core/file-stat.ts'
import { maxKeyBytes, type Name } from '../../core/names.ts'
import { lowerCaseNames } from '../../core/properties.ts'
import { publicUrl } from '../../core/public-url.ts'
import { SortedNames } from './sorted-names.ts'

/** A stored version. Never changed: a new version is a new object, so readers keep theirs. */
interface StoredVersion {
  readonly bytes: Bytes
  readonly stat: FileStat
}

const capabilities: Capabilities = {
  properties: true,
  acl: false,
  ifMatch: true,
  createdTime: true,
  accessedTime: true,
  overlappingFolders: false,
  absentFolder: 'missing',
  maxNameBytes: maxKeyBytes,
  maxSegmentBytes: undefined,
}

/** Entries of a page of a listing. */
const pageSize = 1000
/** Bytes that a reader gets at a time. */
const chunkSize = 64 * 1024

/**
 * Files in memory: the reference of what a backend promises. As on disk, a name cannot be a file
 * and a folder at once; unlike there, a folder exists only as long as it holds files.
 */
export class MemoryBackend implements Backend {
  readonly name = 'memory'
  readonly capabilities: Capabilities = capabilities
  readonly #files = new Map<Name, StoredVersion>()
  readonly #names = new SortedNames()
  readonly #accessed = new Map<Name, Date>()
  readonly #baseUrl: string | null | undefined
  #versions = 0

  constructor(options: { readonly baseUrl?: string | null | undefined } = {}) {
    this.#baseUrl = options.baseUrl
  }

  async head(name: Name, _options: OperationOptions): Promise<FileStat> {
    return this.#statOf(name, this.#version(name))
  }

  async read(name: Name, options: ReadOptions): Promise<ReadResult> {
    const version = this.#version(name)
    checkVersion(version, options.ifMatch)
    const { bytes } = version
    this.#accessed.set(name, new Date())
    const start = Math.min(options.start ?? 0, bytes.byteLength)
    const end = Math.max(start, Math.min(options.end ?? bytes.byteLength, bytes.byteLength))
    return {
      stat: this.#statOf(name, version),
      start,
      end,
      body: new MemoryBody(bytes.subarray(start, end)),
    }
  }

  async write(name: Name, content: ContentSource, options: WriteOptions): Promise<Name> {
    const bytes = await collect(content, options)
    options.signal?.throwIfAborted()
    const target = this.#commitName(name, options)
    const contentType = options.contentType ?? content.type ?? contentTypeOf(target)
    this.#store(target, bytes, { ...options, contentType })
    return target
  }

  async delete(name: Name, _options: OperationOptions): Promise<void> {
    this.#delete(name)
  }

  async *list(options: ListOptions): AsyncGenerator<ListPage> {
    let after: string | undefined
    for (;;) {
      const { names, folders, last } = this.#names.page(
        options.folder,
        options.recursive,
        after,
        pageSize,
      )
      if (last === undefined) return
      yield { files: names.flatMap(name => this.#listed(name)), folders }
      after = last
    }
  }

  async copy(from: Name, to: Name, options: CopyOptions): Promise<void> {
    this.#copy(from, to, options)
  }

  async move(from: Name, to: Name, options: CopyOptions): Promise<void> {
    // In one go: what is saved under the old name in between would be deleted.
    this.#copy(from, to, options)
    this.#delete(from)
  }

  async url(name: Name, options: BackendUrlOptions): Promise<string> {
    return publicUrl(this.#baseUrl, name, options, 'MemoryStorage')
  }

  #copy(from: Name, to: Name, { condition }: CopyOptions): void {
    const { bytes, stat } = this.#version(from)
    this.#check(to, condition)
    this.#store(to, bytes, stat)
  }

  #delete(name: Name): void {
    if (!this.#files.delete(name)) return
    this.#accessed.delete(name)
    this.#names.delete(name)
  }

  #version(name: Name): StoredVersion {
    const version = this.#files.get(name)
    if (version === undefined) throw noSuchFile(name)
    return version
  }

  #listed(name: Name): FileStat[] {
    const version = this.#files.get(name)
    return version === undefined ? [] : [this.#statOf(name, version)]
  }

  #statOf(name: Name, { stat }: StoredVersion): FileStat {
    // Copies, since both dates and objects can be changed by whoever gets them.
    return {
      ...stat,
      metadata: { ...stat.metadata },
      modifiedTime: new Date(stat.modifiedTime),
      createdTime: new Date(stat.modifiedTime),
      accessedTime: new Date(this.#accessed.get(name) ?? stat.modifiedTime),
    }
  }

  /** The first free name under the condition `absent`, else the name itself. */
  #commitName(name: Name, options: WriteOptions): Name {
    for (let candidate = name; ; ) {
      try {
        this.#check(candidate, options.condition)
        return candidate
      } catch (error) {
        if (!(error instanceof PreconditionFailedError) || options.nextName === undefined)
          throw error
        candidate = options.nextName()
      }
    }
  }

  #check(name: Name, condition: WriteCondition): void {
    this.#checkParents(name)
    const version = this.#files.get(name)
    const isFolder = this.#names.hasFolder(`${name}/`)
    if (condition === 'absent') {
      if (version !== undefined || isFolder) throw new PreconditionFailedError('The name is taken.')
      return
    }
    if (isFolder) throw new FileExistsError('The name is that of a folder.')
    if (condition !== undefined) checkVersion(version, condition.ifMatch)
  }

  #checkParents(name: Name): void {
    for (let slash = name.indexOf('/'); slash !== -1; slash = name.indexOf('/', slash + 1)) {
      const parent = name.slice(0, slash) as Name
      if (this.#files.has(parent))
        throw new FileExistsError(`Its folder ${JSON.stringify(parent)} is a file.`)
    }
  }

  #store(
    name: Name,
    bytes: Bytes,
    properties: Pick<WriteOptions, keyof FileStat & keyof WriteOptions>,
  ): void {
    const { contentType, contentEncoding, cacheControl, contentDisposition, metadata } = properties
    const now = new Date()
    const etag = String(++this.#versions)
    const kept = { contentType, contentEncoding, cacheControl, contentDisposition }
    const stat = {
      name,
      size: bytes.byteLength,
      modifiedTime: now,
      etag,
      ...kept,
    }
    if (!this.#files.has(name)) this.#names.add(name)
    this.#accessed.delete(name)
    this.#files.set(name, { bytes, stat: { ...stat, metadata: lowerCaseNames(metadata ?? {}) } })
  }
}

async function collect(content: ContentSource, options: WriteOptions): Promise<Bytes> {
  if (content.bytes !== undefined) {
    options.onProgress?.(content.bytes.byteLength)
    return copyBytes(content.bytes)
  }
  const pieces: Uint8Array[] = []
  let length = 0
  for await (const chunk of content.chunks()) {
    pieces.push(copyBytes(chunk))
    length += chunk.byteLength
    options.onProgress?.(length)
  }
  return concatBytes(pieces, length)
}

function checkVersion(version: StoredVersion | undefined, ifMatch: string | undefined): void {
  if (ifMatch === undefined || version?.stat.etag === ifMatch) return
  throw new PreconditionFailedError('The file is not the version that "ifMatch" asks for.')
}

class MemoryBody {
  readonly #bytes: Bytes

  constructor(bytes: Bytes) {
    this.#bytes = bytes
  }

  async bytes(): Promise<Bytes> {
    return this.#bytes.slice()
  }

  async *chunks(): AsyncGenerator<Bytes> {
    for (let at = 0; at < this.#bytes.byteLength; at += chunkSize) {
      yield this.#bytes.slice(at, at + chunkSize)
    }
  }

  cancel(): void {}
}

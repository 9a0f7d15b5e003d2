import type { Bytes } from './bytes.ts'
import type { ContentSource } from './content.ts'
import type { FileStat } from './file-stat.ts'
import type { Folder, Name } from './names.ts'

/** Last argument of everything that does I/O. */
export interface OperationOptions {
  /** Cancels the operation; its promise then rejects with `signal.reason`, within 100 ms. */
  readonly signal?: AbortSignal | undefined
}

/** Half-open like `Blob.slice`: `start` is included, `end` is not. */
export interface ReadOptions extends OperationOptions {
  /** First byte, default 0. */
  readonly start?: number | undefined
  /** Byte after the last, default the end of the file. A larger one than the file is cut. */
  readonly end?: number | undefined
  /** Version that must still be there (as `FileStat.etag` gave it). */
  readonly ifMatch?: string | undefined
}

/** Bytes on their way from a backend. Exactly one of its methods is called, once. */
export interface ReadBody {
  /** All of them in one piece. For ranges of a bounded size. */
  bytes(): Promise<Bytes>
  /** As they arrive, with back-pressure; leaving the loop early frees the socket or descriptor. */
  chunks(): AsyncIterable<Bytes>
  /** Gives up the bytes and frees the socket or descriptor at once. */
  cancel(): void
}

export interface ReadResult {
  /** Of the whole file, whatever the range. */
  readonly stat: FileStat
  /** The range that `body` delivers, resolved against the file's size. */
  readonly start: number
  readonly end: number
  readonly body: ReadBody
}

/** What is stored beside the bytes. */
export interface FileProperties {
  /** Default: what the content itself carries, else what the name's suffix stands for. */
  readonly contentType?: string | undefined
  readonly contentEncoding?: string | undefined
  readonly cacheControl?: string | undefined
  readonly contentDisposition?: string | undefined
  readonly metadata?: Readonly<Record<string, string>> | undefined
}

/**
 * What must hold at the moment of the commit: `absent` a free name, `{ ifMatch }` that version,
 * `undefined` nothing (the old file is replaced).
 */
export type WriteCondition = 'absent' | { readonly ifMatch: string } | undefined

export interface WriteOptions extends OperationOptions, FileProperties {
  readonly acl?: string | undefined
  readonly condition: WriteCondition
  /**
   * Only with the condition `absent`: another name to try when the one before is taken, so that
   * the content is not read again (disk links the finished file, S3 repeats the request with the
   * buffered bytes). Throws when there are no more. `undefined`: a taken name is a
   * `PreconditionFailedError`.
   */
  readonly nextName: (() => Name) | undefined
  /**
   * Set for what is not saved as a file from outside: written through an open file, or copied.
   * A storage that compresses files when they are saved stores such bytes as they are.
   */
  readonly asIs?: true | undefined
  /** Called with the number of bytes that the service has taken so far. */
  readonly onProgress?: ((loaded: number) => void) | undefined
}

export interface CopyOptions extends OperationOptions {
  /** As for a write; `ifMatch` does not occur. */
  readonly condition: 'absent' | undefined
}

export interface ListOptions extends OperationOptions {
  /** `''` or a name that ends in `/`. */
  readonly folder: Folder
  /** Whether what lies in folders below is listed too, instead of the folders' names. */
  readonly recursive: boolean
}

/**
 * A piece of a listing. `files` and `folders` are in ascending order of their UTF-8 bytes, within
 * a page and from page to page (a folder counts as its name with `/`).
 */
export interface ListPage {
  readonly files: readonly FileStat[]
  /** Full names, ending in `/`. Empty when the listing is recursive. */
  readonly folders: readonly Folder[]
}

/** What `url` is asked for, after `Storage` has checked it. */
export interface BackendUrlOptions extends OperationOptions {
  /** Seconds; `undefined`: the backend's default. */
  readonly expiresIn?: number | undefined
  readonly parameters?:
    | Readonly<Record<string, string | number | Readonly<Record<string, string>>>>
    | undefined
  readonly method: 'GET' | 'HEAD' | 'PUT'
  /** Name to download under; `true`: the file's own. */
  readonly download?: string | true | undefined
}

/**
 * What a backend can keep. `Storage` refuses with `UnsupportedError`, before any I/O, whatever is
 * asked for and cannot be kept.
 */
export interface Capabilities {
  /** Content type, encoding, disposition, cache control and metadata are stored and come back. */
  readonly properties: boolean
  readonly acl: boolean
  /** `ifMatch` on writes. */
  readonly ifMatch: boolean
  readonly createdTime: boolean
  readonly accessedTime: boolean
  /** A file and a folder may have the same name (`a` and `a/b`), as in a bucket. */
  readonly overlappingFolders: boolean
  /** Listing a folder that has no files: `empty` as in a bucket, `missing` as on disk. */
  readonly absentFolder: 'empty' | 'missing'
  /** Longest name in UTF-8 bytes, the location in front of it not counted. */
  readonly maxNameBytes: number
  /** Longest part between two `/` in UTF-8 bytes; `undefined`: no limit of its own. */
  readonly maxSegmentBytes: number | undefined
}

/**
 * One storage service. Applications do not call it: `Storage` checks names and options before,
 * and gives errors their context after. So a backend need not be defensive: names passed the door
 * in `names.ts`, options are complete, `signal` has not been aborted yet.
 *
 * It throws the errors of `errors.ts` by kind and lets through what it cannot classify.
 */
export interface Backend {
  /** For messages and logs, such as `s3(media)`. Never holds credentials. */
  readonly name: string
  readonly capabilities: Capabilities
  /** Bytes of a file opened for reading that may be held in memory; default 8 MiB. */
  readonly maxMemorySize?: number | undefined

  /** Rejects with `FileNotFoundError` for a missing file, also where a folder has that name. */
  head(name: Name, options: OperationOptions): Promise<FileStat>

  /**
   * Rejects with `FileNotFoundError` before any byte is delivered, and with
   * `PreconditionFailedError` if `ifMatch` is another version. A `start` at or behind the end
   * gives an empty body.
   */
  read(name: Name, options: ReadOptions): Promise<ReadResult>

  /**
   * Stores the whole content, or nothing: a reader sees the old file or the new one. When the
   * content fails, the signal aborts or the condition does not hold, the old file stays and
   * nothing is left behind. A condition that does not hold is a `PreconditionFailedError`; a
   * parent that is a file, or a folder in the place of the name, is a `FileExistsError` (a folder
   * counts as taken under the condition `absent`). Resolves to the name it was stored under.
   */
  write(name: Name, content: ContentSource, options: WriteOptions): Promise<Name>

  /** Resolves also when there was nothing, and never removes a folder. */
  delete(name: Name, options: OperationOptions): Promise<void>

  /** Lazy: a page is asked for when the one before was taken. A missing folder has no pages. */
  list(options: ListOptions): AsyncIterable<ListPage>

  /**
   * Whether a folder exists that no file shows (an empty one on disk). Only asked where
   * `absentFolder` is `missing` and a listing gave nothing.
   */
  folderExists?(folder: Folder, options: OperationOptions): Promise<boolean>

  /** Without it, `Storage` reads and writes the bytes. Keeps the properties. */
  copy?(from: Name, to: Name, options: CopyOptions): Promise<void>

  /** Without it, `Storage` copies and deletes. Atomic. */
  move?(from: Name, to: Name, options: CopyOptions): Promise<void>

  /**
   * At most 1,000 names. Tries all; resolves to the names that could not be deleted with their
   * errors. Without it, `Storage` calls {@link delete} for each.
   */
  deleteMany?(
    names: readonly Name[],
    options: OperationOptions,
  ): Promise<ReadonlyMap<Name, unknown>>

  /** Without it, `url` is an `UnsupportedError`. */
  url?(name: Name, options: BackendUrlOptions): Promise<string>

  /**
   * Whether {@link write} compresses a file with these properties by itself, with gzip, so that
   * other bytes are stored than those that are given. Without it, nothing is compressed.
   */
  compresses?(name: Name, properties: FileProperties): boolean

  /** Path in the local file system. Without it, `path` is an `UnsupportedError`. */
  path?(name: Name): string

  /**
   * Removes what dead processes left behind (open multipart uploads, temporary files) and is
   * older than `olderThan` seconds. Resolves to what was removed, in words for a log.
   */
  cleanupUploads?(
    options: OperationOptions & { readonly olderThan: number },
  ): Promise<readonly string[]>
}

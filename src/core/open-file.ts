import type { Bytes } from './bytes.ts'
import { UnsupportedError } from './errors.ts'

/** `r` and `w` read and write text (UTF-8), `rb` and `wb` bytes. */
export type OpenMode = 'r' | 'rb' | 'w' | 'wb'

/** Where `seek` counts from. */
export type SeekOrigin = 'start' | 'current' | 'end'

/** What both kinds of readers have. Positions and sizes are in bytes. */
export interface Reader extends AsyncDisposable {
  readonly name: string
  readonly mode: string
  readonly closed: boolean
  /** Of the version that was opened. */
  size(): Promise<number>
  /** Resolves to the new position, which may lie behind the end. */
  seek(offset: number, whence?: SeekOrigin): Promise<number>
  tell(): number
  /** Harmless when repeated. */
  close(): Promise<void>
}

/** A file opened with `rb`. Every method but `close` rejects with `ClosedFileError` after it. */
export interface BinaryReader extends Reader, AsyncIterable<Bytes> {
  /** At most `n` bytes from where the reader stands, all that remain without `n`; empty at the end. */
  read(n?: number): Promise<Bytes>
  /** Up to and including the next `\n`, `\r\n` or `\r`; empty at the end of the file. */
  readline(): Promise<Bytes>
  /** From where the reader stands; `chunkSize` is in bytes, default 65,536. */
  chunks(chunkSize?: number): AsyncIterable<Bytes>
  /** Lines without their ends. */
  lines(): AsyncIterable<Bytes>
  readable(): ReadableStream<Bytes>
}

/** A file opened with `r`: as {@link BinaryReader}, decoded as UTF-8; nothing else is translated. */
export interface TextReader extends Reader, AsyncIterable<string> {
  /** At most `n` characters (code points). */
  read(n?: number): Promise<string>
  readline(): Promise<string>
  /** `chunkSize` is in characters, default 65,536. */
  chunks(chunkSize?: number): AsyncIterable<string>
  lines(): AsyncIterable<string>
  readable(): ReadableStream<string>
}

/**
 * A file opened for writing. Nothing shows before `close`; disposing one that was not closed
 * aborts it, since `await using` cannot see an exception.
 */
export interface Writer<T> extends AsyncDisposable {
  readonly name: string
  readonly mode: string
  readonly closed: boolean
  /**
   * Resolves to the number of bytes when `data` was taken (and may be changed again), which is
   * later than at once when the service is slower than the caller.
   */
  write(data: T): Promise<number>
  /** Bytes written so far. */
  tell(): number
  /** Closing the stream closes the file, aborting it aborts the file. */
  writable(): WritableStream<T>
  /** Commits. When it rejects, the old file is still there. Harmless when repeated. */
  close(): Promise<void>
  /** Gives up: the old file stays, nothing is left behind. */
  abort(): Promise<void>
}

/** A file opened with `wb`. Text is written as UTF-8. */
export interface BinaryWriter extends Writer<Uint8Array | string> {
  writable(): WritableStream<Uint8Array>
}

/** A file opened with `w`: text as UTF-8. */
export interface TextWriter extends Writer<string> {}

export interface OpenFiles {
  readonly r: TextReader
  readonly rb: BinaryReader
  readonly w: TextWriter
  readonly wb: BinaryWriter
}

/** Chunk size of `chunks` and of iteration, in bytes or characters; Django's `File` has the same. */
export const defaultChunkSize: number = 65_536

const readMethods = ['read', 'readline', 'seek', 'size', 'chunks', 'lines', 'readable'] as const
const writeMethods = ['write', 'writable', 'abort'] as const

/**
 * Gives a reader the writers' methods and the other way round, each throwing the error that
 * names the mode: a caller from JavaScript learns more than `… is not a function`.
 */
export function refuseOtherMode(prototype: object, kind: 'reader' | 'writer'): void {
  const methods = kind === 'reader' ? writeMethods : readMethods
  const needed = kind === 'reader' ? `'w' or 'wb'` : `'r' or 'rb'`
  for (const method of methods) {
    const value = function (this: { readonly name: string; readonly mode: string }): never {
      throw new UnsupportedError(
        `${method}() needs a file that was opened with ${needed}; this one was opened with '${this.mode}'.`,
        { operation: method, file: this.name },
      )
    }
    Object.defineProperty(prototype, method, { value, configurable: true, writable: true })
  }
}

import {
  closeSync,
  constants,
  createReadStream,
  fstatSync,
  openSync,
  readFileSync,
  readSync,
  type Stats,
  statSync,
} from 'node:fs'
import { setImmediate } from 'node:timers/promises'
import { FileChangedError, isStorageError, StorageError } from '../core/errors.ts'
import { quoteName } from '../core/quote.ts'
import { md5, md5Hash } from './digest.ts'
import type { FoundFile } from './finders.ts'

/** A file that is collected, with what its bytes are named by. */
export interface SourceFile extends FoundFile {
  readonly size: number
  /** MD5 of its bytes. */
  readonly digest: string
  readonly language: Language | undefined
  /** Tells whether it was written to since. */
  readonly version: string
}

/** What a file is searched for references as. */
export type Language = 'css' | 'script' | 'module' | 'html' | 'svg' | 'web-manifest'

/** Which files are searched for references, besides style sheets. */
export interface LanguageOptions {
  readonly modules: boolean
  readonly html: boolean
  readonly svg: boolean
  readonly webManifests: boolean
}

/** Bytes below which a file is read in one go; larger ones are read in pieces, here and on their way. */
export const wholeLimit: number = 8 * 1024 * 1024

/** What a name is searched as. By lower-case suffix alone, as Django. */
export function languageOf(name: string, options: LanguageOptions): Language | undefined {
  const suffix = /\.[^./]+$/.exec(name)?.[0]
  if (suffix === '.css') return 'css'
  if (suffix === '.js') return options.modules ? 'module' : 'script'
  if (suffix === '.mjs' && options.modules) return 'module'
  if ((suffix === '.html' || suffix === '.htm') && options.html) return 'html'
  if (suffix === '.svg' && options.svg) return 'svg'
  return suffix === '.webmanifest' && options.webManifests ? 'web-manifest' : undefined
}

/** Reads and hashes one file after another, into the same memory. */
export class SourceReader {
  readonly #buffer = Buffer.allocUnsafeSlow(wholeLimit)

  /**
   * Reads and hashes a file.
   *
   * @returns its bytes, too, unless it is large; they are gone at the next call
   * @throws StorageError naming a file that cannot be read
   */
  async read(
    found: FoundFile,
    language: Language | undefined,
  ): Promise<{ readonly file: SourceFile; readonly bytes: Uint8Array | undefined }> {
    try {
      const fd = openFile(found.path)
      try {
        return await this.#read(fd, found, language)
      } finally {
        closeSync(fd)
      }
    } catch (error) {
      throw unreadable(found, error)
    }
  }

  /**
   * The bytes of a file that was read before; they are gone at the next call.
   *
   * @throws FileChangedError if they are others now
   */
  readAgain(file: SourceFile): Uint8Array {
    if (file.size >= wholeLimit) return readAgain(file)
    return readAgainInto(file, this.#buffer)
  }

  /** MD5 of a file; `undefined` for one that cannot be read. */
  async digest(path: string): Promise<string | undefined> {
    try {
      const fd = openFile(path)
      try {
        const size = this.#fill(fd)
        if (size < wholeLimit) return md5(this.#buffer.subarray(0, size))
        return (await this.#hashAll(fd)).digest
      } finally {
        closeSync(fd)
      }
    } catch {
      return undefined
    }
  }

  async #read(
    fd: number,
    found: FoundFile,
    language: Language | undefined,
  ): Promise<{ readonly file: SourceFile; readonly bytes: Uint8Array | undefined }> {
    const { name, path, root } = found
    const version = versionOf(fstatSync(fd))
    const size = this.#fill(fd)
    const bytes = this.#buffer.subarray(0, size)
    if (size < wholeLimit)
      return { file: { name, path, root, language, size, version, digest: md5(bytes) }, bytes }
    const rest = await this.#hashAll(fd)
    return { file: { name, path, root, language, version, ...rest }, bytes: undefined }
  }

  /** Reads as much as there is room for. Synchronous: the pool takes ten times as long. */
  #fill(fd: number): number {
    return fill(fd, this.#buffer)
  }

  /** Goes on with what is in the buffer already. */
  async #hashAll(fd: number): Promise<{ readonly size: number; readonly digest: string }> {
    const hash = md5Hash()
    let size = 0
    for (let read = wholeLimit; read > 0; read = this.#fill(fd)) {
      hash.update(this.#buffer.subarray(0, read))
      size += read
      await setImmediate()
    }
    return { size, digest: hash.digest('hex') }
  }
}

/**
 * The bytes of a file that was read before.
 *
 * @throws FileChangedError if they are others now
 */
export function readAgain(file: SourceFile): Uint8Array {
  return readUnchanged(file, fd => readFileSync(fd))
}

/** The same in memory that is there, larger than the file by at least a byte. */
export function readAgainInto(file: SourceFile, buffer: Uint8Array): Uint8Array {
  return readUnchanged(file, fd => buffer.subarray(0, fill(fd, buffer)))
}

function fill(fd: number, buffer: Uint8Array): number {
  let size = 0
  for (;;) {
    const read = readSync(fd, buffer, size, buffer.byteLength - size, null)
    size += read
    if (read === 0 || size === buffer.byteLength) return size
  }
}

function readUnchanged(file: SourceFile, read: (fd: number) => Uint8Array): Uint8Array {
  let bytes: Uint8Array
  let version: string
  try {
    const fd = openFile(file.path)
    try {
      bytes = read(fd)
      version = versionOf(fstatSync(fd))
    } finally {
      closeSync(fd)
    }
  } catch (error) {
    throw unreadable(file, error)
  }
  // What was only touched is the same file still.
  if (version !== file.version && md5(bytes) !== file.digest) throw changed(file)
  return bytes
}

/** Opens what was a file before: a pipe that has taken its place would be waited for without end. */
function openFile(path: string): number {
  return openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0))
}

/** Whether bytes were written since: every write and every rename over it shows in one of these. */
function versionOf(stat: Stats): string {
  if (!stat.isFile()) throw new Error('it is no file any more')
  const { ino, size, mtimeMs, ctimeMs } = stat
  return `${ino}-${size}-${mtimeMs}-${ctimeMs}`
}

/** The same for a large file, piece by piece: the last piece is held back until all are right. */
export async function* streamAgain(file: SourceFile): AsyncGenerator<Uint8Array> {
  let last: Uint8Array | undefined
  let same: boolean
  try {
    // What was touched since has to be hashed again to be known.
    const hash = versionOf(statSync(file.path)) === file.version ? undefined : md5Hash()
    for await (const chunk of createReadStream(file.path, { highWaterMark: 1024 * 1024 })) {
      if (!(chunk instanceof Uint8Array)) continue
      hash?.update(chunk)
      if (last !== undefined) yield last
      last = chunk
    }
    same =
      hash === undefined
        ? versionOf(statSync(file.path)) === file.version
        : hash.digest('hex') === file.digest
  } catch (error) {
    throw unreadable(file, error)
  }
  if (!same) throw changed(file)
  if (last !== undefined) yield last
}

function unreadable(file: FoundFile, error: unknown): StorageError {
  if (isStorageError(error)) return error
  const reason = error instanceof Error ? error.message : String(error)
  return new StorageError(`${quoteName(file.name)} cannot be read: ${reason}`, {
    operation: 'collectStatic',
    file: file.name,
    cause: error,
  })
}

function changed(file: FoundFile): FileChangedError {
  return new FileChangedError(
    `${quoteName(file.name)} (${file.path}) was changed while it was collected.`,
    { operation: 'collectStatic', file: file.name },
  )
}

import type { ContentSource } from '../../core/content.ts'
import { temporaryName } from './disk-names.ts'
import { syncFile } from './durability.ts'
import { errnoOf } from './fs-errors.ts'
import { fs, promisify } from './node.ts'
import type { HeldPath } from './root.ts'
import { versionTime } from './version.ts'

const copyFileAsync = promisify(fs.copyFile)

/**
 * Bytes up to which a write blocks the event loop instead of going through the thread pool. Of the
 * time of a 4 KiB save the pool takes nine tenths (86 against 690 µs), of 256 KiB half; 64 KiB are
 * copied to the page cache in some 20 µs.
 */
export const syncLimit: number = 64 * 1024
/** Bytes that are gathered before each write, and the most that is written between two looks at the signal. */
const bufferSize = 1024 * 1024

/** What a file that is being written takes part in. */
export interface FillOptions {
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: ((loaded: number) => void) | undefined
}

/** A new file of a reserved name, in the folder of the name that it will get. */
export class TemporaryFile {
  readonly path: string
  readonly #fd: number
  #open = true
  #named = true
  #loaded = 0

  /** @param mode permission bits that it will get, `null`: left to the umask */
  static create(folder: HeldPath, mode: number | null): TemporaryFile {
    const path = folder.child(temporaryName())
    const flags = fs.constants.O_CREAT | fs.constants.O_EXCL | fs.constants.O_WRONLY
    // Nobody else reads what is not finished.
    return new TemporaryFile(path, fs.openSync(path, flags, mode === null ? 0o666 : 0o600))
  }

  constructor(path: string, fd: number) {
    this.path = path
    this.#fd = fd
  }

  /** Writes all of the content. A failure of the source rejects as it is. */
  async fill(content: ContentSource, options: FillOptions): Promise<void> {
    const { bytes } = content
    if (bytes === undefined) return await this.#fillFromChunks(content, options)
    await this.#fillFromBytes(bytes, options)
    // Memory that was given away or resized meanwhile was written short: asking for it again throws.
    void content.bytes
  }

  /** Takes over the bytes of another file, sharing them where the file system can. */
  async copyFrom(path: string): Promise<void> {
    const { mode } = fs.fstatSync(this.#fd)
    await copyFileAsync(path, this.path, fs.constants.COPYFILE_FICLONE)
    // The copy came with the other file's permissions.
    fs.fchmodSync(this.#fd, mode & 0o7777)
  }

  /** Permissions and version; `durable`: waits until the disk has the bytes. */
  async finish(mode: number | null, durable: boolean): Promise<void> {
    if (mode !== null) fs.fchmodSync(this.#fd, mode)
    const time = versionTime()
    fs.futimesSync(this.#fd, time, time)
    if (durable) await syncFile(this.#fd)
    this.#close()
  }

  /**
   * Gives the file its name if nothing has it.
   *
   * @throws the system's error: `EEXIST` when the name is taken
   */
  link(path: string): void {
    try {
      fs.linkSync(this.path, path)
    } catch (error) {
      // An answer of NFS that was lost is asked for again, and then the name is our own (man 2 open).
      if (errnoOf(error) !== 'EEXIST' || fs.lstatSync(this.path).nlink === 1) throw error
    }
  }

  /** Gives the file its name, whatever file has it. */
  rename(path: string): void {
    fs.renameSync(this.path, path)
    this.#named = false
  }

  /** Removes what is left of it: after a failure the file, after a {@link link} its first name. */
  discard(): void {
    this.#close()
    if (!this.#named) return
    this.#named = false
    try {
      fs.unlinkSync(this.path)
    } catch {
      // Its folder is gone, or cleanupUploads has to find it.
    }
  }

  async #fillFromBytes(bytes: Uint8Array, options: FillOptions): Promise<void> {
    if (bytes.byteLength <= syncLimit) {
      writeAllSync(this.#fd, bytes)
      this.#advance(bytes.byteLength, options)
      return
    }
    for (let at = 0; at < bytes.byteLength; at += bufferSize) {
      await this.#write([bytes.subarray(at, at + bufferSize)], options)
    }
  }

  /** A chunk is only ours until the next is asked for, so small ones are copied together. */
  async #fillFromChunks(content: ContentSource, options: FillOptions): Promise<void> {
    let buffer = new Uint8Array(0)
    let filled = 0
    for await (const chunk of content.chunks()) {
      if (filled + chunk.byteLength > bufferSize) {
        await this.#write([buffer.subarray(0, filled), chunk], options)
        filled = 0
        continue
      }
      buffer = grown(buffer, filled, filled + chunk.byteLength)
      buffer.set(chunk, filled)
      filled += chunk.byteLength
    }
    if (filled > syncLimit) await this.#write([buffer.subarray(0, filled)], options)
    else await this.#fillFromBytes(buffer.subarray(0, filled), options)
  }

  async #write(pieces: readonly Uint8Array[], options: FillOptions): Promise<void> {
    options.signal?.throwIfAborted()
    await writeAll(this.#fd, pieces)
    let length = 0
    for (const piece of pieces) length += piece.byteLength
    this.#advance(length, options)
  }

  #advance(length: number, options: FillOptions): void {
    this.#loaded += length
    options.onProgress?.(this.#loaded)
  }

  #close(): void {
    if (!this.#open) return
    this.#open = false
    fs.closeSync(this.#fd)
  }
}

/** `buffer`, or a larger one with its first `filled` bytes: small contents need no megabyte. */
function grown(
  buffer: Uint8Array<ArrayBuffer>,
  filled: number,
  needed: number,
): Uint8Array<ArrayBuffer> {
  if (needed <= buffer.byteLength) return buffer
  const size = Math.min(bufferSize, Math.max(needed, buffer.byteLength * 4, syncLimit))
  const larger = new Uint8Array(size)
  larger.set(buffer.subarray(0, filled))
  return larger
}

function writeAllSync(fd: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.byteLength; ) at += fs.writeSync(fd, bytes, at)
}

/** A disk that fills up, a signal or a very large piece makes a write stop short. */
async function writeAll(fd: number, pieces: readonly Uint8Array[]): Promise<void> {
  let rest = pieces.filter(piece => piece.byteLength > 0)
  while (rest.length > 0) rest = behind(rest, await writePieces(fd, rest))
}

function behind(pieces: readonly Uint8Array[], written: number): Uint8Array[] {
  let skip = written
  const rest: Uint8Array[] = []
  for (const piece of pieces) {
    if (skip < piece.byteLength) rest.push(piece.subarray(skip))
    skip = Math.max(0, skip - piece.byteLength)
  }
  return rest
}

function writePieces(fd: number, pieces: readonly Uint8Array[]): Promise<number> {
  return new Promise((resolve, reject) => {
    fs.writev(fd, pieces, (error, written) => {
      if (error === null) resolve(written)
      else reject(error)
    })
  })
}

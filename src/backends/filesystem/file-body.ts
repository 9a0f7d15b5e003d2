import { whenAborted } from '../../core/abort.ts'
import type { ReadBody } from '../../core/backend.ts'
import type { Bytes } from '../../core/bytes.ts'
import { FileChangedError } from '../../core/errors.ts'
import { explainReadError } from './fs-errors.ts'
import { fs } from './node.ts'
import { syncLimit } from './temporary-file.ts'

/** Bytes that a reader gets at a time: where a read from the page cache reaches its full speed. */
const chunkSize = 256 * 1024

/** A part of an open file that is to be read. */
export interface FileRange {
  readonly fd: number
  readonly name: string
  readonly start: number
  readonly end: number
  readonly signal?: AbortSignal | undefined
}

/**
 * The bytes of a range, as they are wanted. Takes over the descriptor: small ranges are read and
 * closed at once, larger ones when the reader has done with them.
 */
export function openBody(range: FileRange): ReadBody {
  if (range.end - range.start > syncLimit) return new FileBody(range)
  try {
    return new BufferedBody(readRangeSync(range))
  } finally {
    fs.closeSync(range.fd)
  }
}

/** A body whose bytes are here already. */
class BufferedBody implements ReadBody {
  readonly #bytes: Bytes

  constructor(bytes: Bytes) {
    this.#bytes = bytes
  }

  async bytes(): Promise<Bytes> {
    return this.#bytes
  }

  async *chunks(): AsyncGenerator<Bytes> {
    if (this.#bytes.byteLength > 0) yield this.#bytes
  }

  cancel(): void {}
}

/** A body that holds a descriptor until it is read, left, cancelled or aborted. */
class FileBody implements ReadBody {
  readonly #range: FileRange
  #release: (() => void) | undefined
  #state: 'open' | 'reading' | 'ending' | 'closed' = 'open'

  constructor(range: FileRange) {
    this.#range = range
    this.#release = whenAborted(range.signal, () => this.cancel())
  }

  async bytes(): Promise<Bytes> {
    const { start, end } = this.#range
    try {
      return await this.#read(start, end - start)
    } finally {
      this.cancel()
    }
  }

  async *chunks(): AsyncGenerator<Bytes> {
    const { start, end } = this.#range
    try {
      for (let at = start; at < end; ) {
        const chunk = await this.#read(at, Math.min(chunkSize, end - at))
        at += chunk.byteLength
        yield chunk
      }
    } finally {
      this.cancel()
    }
  }

  /** A read on its way ends first: its descriptor must not become another file's. */
  cancel(): void {
    if (this.#state === 'reading') this.#state = 'ending'
    if (this.#state !== 'open') return
    this.#state = 'closed'
    this.#release?.()
    fs.closeSync(this.#range.fd)
  }

  async #read(position: number, length: number): Promise<Bytes> {
    const { fd, name, signal } = this.#range
    signal?.throwIfAborted()
    if (this.#state !== 'open') throw new Error('The body was cancelled.')
    this.#state = 'reading'
    try {
      return await readFully(fd, position, length, name)
    } catch (error) {
      throw explainReadError(error, name)
    } finally {
      const ended = this.#isEnding()
      this.#state = 'open'
      if (ended) this.cancel()
    }
  }

  #isEnding(): boolean {
    return this.#state === 'ending'
  }
}

function readRangeSync({ fd, name, start, end }: FileRange): Bytes {
  const bytes = newBytes(end - start)
  for (let filled = 0; filled < bytes.byteLength; ) {
    const count = fs.readSync(fd, bytes, filled, bytes.byteLength - filled, start + filled)
    if (count === 0) throw shortened(name)
    filled += count
  }
  return bytes
}

async function readFully(
  fd: number,
  position: number,
  length: number,
  name: string,
): Promise<Bytes> {
  const bytes = newBytes(length)
  for (let filled = 0; filled < length; ) {
    const count = await readSome(fd, bytes, filled, position + filled)
    if (count === 0) throw shortened(name)
    filled += count
  }
  return bytes
}

function readSome(fd: number, bytes: Bytes, offset: number, position: number): Promise<number> {
  return new Promise((resolve, reject) => {
    fs.read(fd, bytes, offset, bytes.byteLength - offset, position, (error, count) => {
      if (error === null) resolve(count)
      else reject(error)
    })
  })
}

/** Not cleared: every byte is read or the whole is thrown away. */
function newBytes(length: number): Bytes {
  return new Uint8Array(Buffer.allocUnsafeSlow(length).buffer)
}

function shortened(name: string): FileChangedError {
  return new FileChangedError(
    'The file became shorter while it was read: something else than a storage wrote into it.',
    { file: name },
  )
}

import type { Bytes } from './bytes.ts'
import { type ContentSource, MemoryContent, present } from './content.ts'
import { TextPieces } from './content-text.ts'
import { ClosedFileError, ValidationError, withContext } from './errors.ts'
import { refuseOtherMode, type Writer } from './open-file.ts'
import { kindOf } from './options.ts'
import { UnclosedWriters } from './unclosed-writers.ts'

/** Bytes gathered before they go on to the backend, so that small writes cost little. */
const bufferSize = 256 * 1024

/**
 * Stores the content under the name of the file; as `Backend.write`. `signal` is the writer's own:
 * it aborts what is on its way when the writer is aborted.
 */
export type Commit = (content: ContentSource, signal?: AbortSignal) => Promise<unknown>

/**
 * A file opened for writing. What is written goes into a content of unknown length that the
 * backend reads while writing goes on; a file that fits the buffer is stored in one piece.
 */
export class FileWriter<T extends Uint8Array | string> implements Writer<T> {
  static readonly #unclosed = new UnclosedWriters()
  readonly name: string
  readonly mode: string
  readonly #backend: string
  readonly #commit: Commit
  readonly #signal: AbortSignal | undefined
  readonly #text = new TextPieces()
  #buffer = new Uint8Array(0)
  #filled = 0
  #written = 0
  readonly #pipe = new Pipe()
  #storing: Promise<unknown> | undefined
  #closing: Promise<void> | undefined
  #aborted: ClosedFileError | undefined
  readonly #cancel = new AbortController()
  #turn: Promise<unknown> = Promise.resolve()

  constructor(
    file: { readonly name: string; readonly mode: string; readonly backend: string },
    commit: Commit,
    signal: AbortSignal | undefined,
  ) {
    this.name = file.name
    this.mode = file.mode
    this.#backend = file.backend
    this.#commit = commit
    this.#signal = signal
    this.#watch()
  }

  get closed(): boolean {
    return this.#closing !== undefined
  }

  tell(): number {
    this.#check('tell')
    return this.#written
  }

  write(data: T): Promise<number> {
    if (this.closed) return Promise.reject(this.#closedError('write'))
    const result = this.#turn.then(() => this.#guarded(data))
    this.#turn = result.catch(() => {})
    return result
  }

  writable(): WritableStream<T> {
    this.#check('writable')
    return new WritableStream<T>({
      // The stream itself would first wait for a write that may hang.
      start: controller => {
        controller.signal.addEventListener('abort', () => void this.abort(), { once: true })
      },
      write: async chunk => {
        await this.write(chunk)
      },
      close: () => this.close(),
      abort: () => this.abort(),
    })
  }

  close(): Promise<void> {
    if (this.#closing !== undefined) return this.#closing
    FileWriter.#unclosed.forget(this)
    this.#closing = this.#turn.then(() => this.#finish())
    return this.#closing
  }

  abort(): Promise<void> {
    if (this.#closing !== undefined) return Promise.resolve()
    FileWriter.#unclosed.forget(this)
    this.#aborted = new ClosedFileError('The file was aborted.', this.#context('abort'))
    this.#pipe.fail(this.#aborted)
    this.#cancel.abort(this.#aborted)
    this.#closing = (this.#storing ?? Promise.resolve()).then(
      () => {},
      () => {},
    )
    return this.#closing
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.abort()
  }

  #watch(): void {
    const pipe = this.#pipe
    const cancel = this.#cancel
    FileWriter.#unclosed.watch(this, {
      name: this.name,
      backend: this.#backend,
      opened: new Error('opened').stack,
      signal: this.#signal,
      abandon(reason) {
        pipe.fail(reason)
        cancel.abort(reason)
      },
    })
  }

  async #guarded(data: T): Promise<number> {
    try {
      this.#signal?.throwIfAborted()
      return await this.#write(data)
    } catch (error) {
      if (this.#signal?.aborted === true) throw this.#signal.reason
      throw withContext(error, this.#context('write'))
    }
  }

  async #write(data: T): Promise<number> {
    const bytes = this.#encode(data)
    for (let at = 0; at < bytes.byteLength; ) {
      const taken = await this.#take(bytes, at)
      at += taken
      this.#written += taken
    }
    return bytes.byteLength
  }

  #encode(data: unknown): Uint8Array {
    if (typeof data === 'string') return this.#text.encode(data)
    if (data instanceof Uint8Array && this.mode === 'wb') {
      this.#text.end()
      return present(data)
    }
    const accepted =
      this.mode === 'wb' ? 'bytes or a string' : `a string (the file was opened with 'w')`
    throw new ValidationError(
      `write() takes ${accepted}, not ${kindOf(data)}.`,
      this.#context('write'),
    )
  }

  /** Copies what fits into the buffer; a full one goes on to the backend first. */
  async #take(bytes: Uint8Array, at: number): Promise<number> {
    // An abort does not wait for the writes before it: nothing may be begun after it.
    if (this.#aborted !== undefined) throw this.#aborted
    if (this.#filled === bufferSize) await this.#flush()
    const length = Math.min(bytes.byteLength - at, bufferSize - this.#filled)
    if (this.#buffer.byteLength < this.#filled + length) this.#grow(this.#filled + length)
    this.#buffer.set(bytes.subarray(at, at + length), this.#filled)
    this.#filled += length
    return length
  }

  #grow(length: number): void {
    const size = Math.min(bufferSize, Math.max(length, this.#buffer.byteLength * 4, 4096))
    const buffer = new Uint8Array(size)
    buffer.set(this.#buffer.subarray(0, this.#filled))
    this.#buffer = buffer
  }

  async #flush(): Promise<void> {
    const full = this.#buffer.subarray(0, this.#filled)
    this.#buffer = new Uint8Array(bufferSize)
    this.#filled = 0
    await this.#start().push(full)
  }

  /** Lets the backend begin. Its failure shows at the next `write` or at `close`. */
  #start(): Pipe {
    if (this.#storing !== undefined) return this.#pipe
    const pipe = this.#pipe
    // What waits here for the next bytes must not hold the writer: see `UnclosedWriters`.
    this.#storing = this.#commit(pipe, this.#cancel.signal).catch(error => {
      pipe.stop(error)
      throw error
    })
    this.#storing.catch(() => {})
    return pipe
  }

  async #finish(): Promise<void> {
    const rest = this.#buffer.subarray(0, this.#filled)
    this.#buffer = new Uint8Array(0)
    try {
      this.#signal?.throwIfAborted()
      await this.#endText()
      if (this.#storing === undefined) {
        await this.#commit(new MemoryContent(rest))
        return
      }
      await this.#pipe.push(rest)
      this.#pipe.end()
      await this.#storing
    } catch (error) {
      if (this.#signal?.aborted === true) throw this.#signal.reason
      throw withContext(error, this.#context('close'))
    }
  }

  /** @throws ValidationError for half a character at the end: then nothing is stored */
  async #endText(): Promise<void> {
    try {
      this.#text.end()
    } catch (error) {
      this.#pipe.fail(error)
      this.#cancel.abort(error)
      await this.#storing?.catch(() => {})
      throw error
    }
  }

  #check(operation: string): void {
    if (this.closed) throw this.#closedError(operation)
  }

  #closedError(operation: string): ClosedFileError {
    return new ClosedFileError('The file is closed.', this.#context(operation))
  }

  #context(operation: string): { operation: string; file: string; backend: string } {
    return { operation, file: this.name, backend: this.#backend }
  }
}

refuseOtherMode(FileWriter.prototype, 'writer')

/** Content that is pushed by a writer and pulled by a backend, one chunk at a time. */
class Pipe implements ContentSource {
  readonly size = undefined
  readonly replayable = false
  readonly type = undefined
  readonly name = undefined
  readonly bytes = undefined
  readonly failure = undefined
  #chunk: Bytes | undefined
  #ended = false
  #failed: { readonly error: unknown } | undefined
  #stopped: { readonly error: unknown } | undefined
  #wake: (() => void) | undefined

  /**
   * Resolves when the backend asks for more than this chunk. Rejects once the backend gave up, or
   * the writer: a backend that hangs does not ask.
   */
  async push(chunk: Bytes): Promise<void> {
    if (chunk.byteLength > 0) this.#chunk = chunk
    this.#signalChange()
    for (;;) {
      const end = this.#stopped ?? this.#failed
      if (end !== undefined) throw end.error
      if (this.#chunk === undefined) return
      await this.#change()
    }
  }

  end(): void {
    this.#ended = true
    this.#signalChange()
  }

  fail(error: unknown): void {
    this.#failed = { error }
    this.#signalChange()
  }

  /** The backend failed: nobody will read any more. */
  stop(error: unknown): void {
    this.#stopped = { error }
    this.#signalChange()
  }

  async *chunks(): AsyncGenerator<Uint8Array> {
    for (;;) {
      if (this.#failed !== undefined) throw this.#failed.error
      // Also after a cancellation, of which the backend may only learn here.
      if (this.#stopped !== undefined) throw this.#stopped.error
      const chunk = this.#chunk
      if (chunk === undefined && this.#ended) return
      if (chunk === undefined) {
        await this.#change()
        continue
      }
      yield chunk
      this.#chunk = undefined
      this.#signalChange()
    }
  }

  destroy(reason: unknown): void {
    this.stop(reason)
  }

  #changed: Promise<void> | undefined

  #change(): Promise<void> {
    this.#changed ??= new Promise(resolve => {
      this.#wake = resolve
    })
    return this.#changed
  }

  #signalChange(): void {
    this.#wake?.()
    this.#wake = undefined
    this.#changed = undefined
  }
}

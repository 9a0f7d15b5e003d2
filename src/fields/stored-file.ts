import type { Bytes } from '../core/bytes.ts'
import { ClosedFileError } from '../core/errors.ts'
import type { BinaryReader, TextReader } from '../core/open-file.ts'
import type { Storage } from '../core/storage.ts'

type Reader = BinaryReader | TextReader

/** The stored file of a row as it is read: opened by the first `read`, and closed until it is opened again. */
export class StoredFile {
  readonly name: string
  readonly #storage: Storage
  #reader: Reader | undefined
  #opening: Promise<Reader> | undefined
  #isClosed = false

  constructor(storage: Storage, name: string) {
    this.#storage = storage
    this.name = name
  }

  get closed(): boolean {
    return this.#reader?.closed ?? true
  }

  async open(mode: 'r' | 'rb'): Promise<void> {
    this.#isClosed = false
    // Of two that are opened at once nobody would close the first.
    while (this.#opening !== undefined) await this.#opening.catch(() => {})
    const reader = this.#reader
    if (reader?.mode === mode && !reader.closed) await reader.seek(0)
    else {
      await reader?.close()
      await this.#openedOnce(mode)
    }
  }

  /** @throws ClosedFileError after {@link close} */
  async read(n: number | undefined): Promise<Bytes | string> {
    if (this.#isClosed) throw this.#closedError()
    return await (this.#reader ?? (await this.#openedOnce('rb'))).read(n)
  }

  /** The whole file, wherever `read` stands. */
  async text(): Promise<string> {
    return await (await this.#storage.file(this.name)).text()
  }

  async bytes(): Promise<Bytes> {
    return await (await this.#storage.file(this.name)).bytes()
  }

  async *chunks(chunkSize?: number, signal?: AbortSignal): AsyncGenerator<Bytes> {
    const reader = await this.#storage.open(this.name, 'rb', { signal })
    try {
      yield* reader.chunks(chunkSize)
    } finally {
      await reader.close()
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true
    const reader = this.#reader
    this.#reader = undefined
    await reader?.close()
  }

  /** For all who read at once, each what follows. */
  async #openedOnce(mode: 'r' | 'rb'): Promise<Reader> {
    this.#opening ??= this.#opened(mode).finally(() => {
      this.#opening = undefined
    })
    return await this.#opening
  }

  async #opened(mode: 'r' | 'rb'): Promise<Reader> {
    const reader = await this.#storage.open(this.name, mode)
    if (this.#isClosed) {
      await reader.close()
      throw this.#closedError()
    }
    this.#reader = reader
    return reader
  }

  #closedError(): ClosedFileError {
    return new ClosedFileError('The file is closed; open() opens it again.', {
      operation: 'read',
      file: this.name,
    })
  }
}

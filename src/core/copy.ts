import type { Backend, CopyOptions, ReadResult } from './backend.ts'
import type { ContentSource } from './content.ts'
import type { Name } from './names.ts'

/**
 * Copies by reading and writing, for backends that cannot copy by themselves (under the given
 * condition). Keeps the properties; memory stays bounded.
 */
export async function copyThrough(
  backend: Backend,
  from: Name,
  to: Name,
  options: CopyOptions,
): Promise<void> {
  const { signal, condition } = options
  const read = await backend.read(from, { signal })
  const { contentType, contentEncoding, cacheControl, contentDisposition, metadata } = read.stat
  const content = new ReadContent(read)
  try {
    await backend.write(to, content, {
      ...(backend.capabilities.properties
        ? { contentType, contentEncoding, cacheControl, contentDisposition, metadata }
        : {}),
      signal,
      condition,
      nextName: undefined,
      onProgress: undefined,
      asIs: true,
    })
  } finally {
    // A write that is refused has not read the body, which holds a socket or a descriptor.
    content.destroy()
  }
}

/** What a read delivers, as content of a write. */
class ReadContent implements ContentSource {
  readonly size: number
  readonly replayable = false
  readonly type = undefined
  readonly name = undefined
  readonly bytes = undefined
  readonly failure = undefined
  readonly #read: ReadResult
  #started = false

  constructor(read: ReadResult) {
    this.size = read.end - read.start
    this.#read = read
  }

  async *chunks(): AsyncGenerator<Uint8Array> {
    this.#started = true
    yield* this.#read.body.chunks()
  }

  destroy(): void {
    if (!this.#started) this.#read.body.cancel()
  }
}

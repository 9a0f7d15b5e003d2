/**
 * A web stream as an async iterable whose end can be forced while a chunk is awaited. (The
 * iterator of `ReadableStream` itself queues `return` behind the pending `next`.)
 */
export class WebStreamChunks implements AsyncIterableIterator<Uint8Array> {
  readonly #stream: ReadableStream<Uint8Array>
  #reader: ReadableStreamDefaultReader<Uint8Array> | undefined

  constructor(stream: ReadableStream<Uint8Array>) {
    this.#stream = stream
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async next(): Promise<IteratorResult<Uint8Array>> {
    this.#reader ??= this.#stream.getReader()
    const result = await this.#reader.read()
    if (!result.done) return result
    this.#reader.releaseLock()
    return { done: true, value: undefined }
  }

  async return(): Promise<IteratorResult<Uint8Array>> {
    this.destroy(undefined)
    return { done: true, value: undefined }
  }

  destroy(reason: unknown): void {
    const cancelled = this.#reader?.cancel(reason) ?? this.#stream.cancel(reason)
    cancelled.catch(() => {})
  }
}

/**
 * Chunks as a web stream: produced when asked for, ended when the reader cancels.
 *
 * @param chunks gets a signal that aborts then: a chunk that is awaited may never come
 */
export function toWebStream<T>(
  chunks: (cancelled: AbortSignal) => AsyncIterable<T>,
): ReadableStream<T> {
  const cancel = new AbortController()
  let iterator: AsyncIterator<T> | undefined
  return new ReadableStream<T>(
    {
      async pull(controller) {
        iterator ??= chunks(cancel.signal)[Symbol.asyncIterator]()
        const result = await iterator.next()
        if (result.done === true) controller.close()
        else controller.enqueue(result.value)
      },
      async cancel(reason) {
        cancel.abort(reason)
        await iterator?.return?.()
      },
    },
    { highWaterMark: 0 },
  )
}

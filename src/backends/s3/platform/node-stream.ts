import { Readable } from 'node:stream'

/**
 * Chunks as a stream of Node, read as far as it is taken from. What ends it early is given to
 * `onError`, since a request that reads from the stream may not look.
 */
export function nodeStream(
  chunks: AsyncIterable<Uint8Array>,
  onError: (error: unknown) => void,
): Readable {
  const stream = Readable.from(chunks, { objectMode: false })
  stream.on('error', onError)
  return stream
}

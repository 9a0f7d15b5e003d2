import { promisify } from 'node:util'
import { createGzip, gzip } from 'node:zlib'
import { copyBytes } from '../../../core/bytes.ts'

/** As django-storages: files are compressed once and served often. */
const options = { level: 9 }

/** Where the header (RFC 1952) names the system, and the value that Python writes: Unix. */
const systemByte = 9
const unix = 3

const compress = promisify(gzip)

/**
 * Bytes that are given to the thread pool at a time, as a copy: Node ends the process when it finds
 * memory on its way through zlib given away or resized by somebody else.
 */
const pieceSize = 256 * 1024

/**
 * The bytes compressed, in a thread of the pool. Equal bytes give equal ones at every time and on
 * every system, so that entity tags and hashed names do not change.
 */
export async function gzipBytes(bytes: Uint8Array): Promise<Uint8Array<ArrayBuffer>> {
  const compressed = await compress(copyBytes(bytes), options)
  return withoutSystem(new Uint8Array(compressed.buffer, compressed.byteOffset, compressed.length))
}

/** The same piece by piece, in the memory of a few of them. Ends the source when it is left early. */
export async function* gzipChunks(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const stream = createGzip(options)
  const feeding = feed(source, stream).catch(error => {
    stream.destroy(error)
  })
  let first = true
  try {
    for await (const chunk of stream) {
      yield first ? withoutSystem(chunk) : chunk
      first = false
    }
  } finally {
    stream.destroy()
    await feeding
  }
}

/** A chunk of the source is ours until we ask for the next: the stream has to be done with it. */
async function feed(
  source: AsyncIterable<Uint8Array>,
  stream: ReturnType<typeof createGzip>,
): Promise<void> {
  for await (const chunk of source) {
    for (let at = 0; at < chunk.byteLength; at += pieceSize) {
      if (stream.destroyed) return
      await written(stream, copyBytes(chunk.subarray(at, at + pieceSize)))
    }
  }
  stream.end()
}

function written(stream: ReturnType<typeof createGzip>, chunk: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    // A stream that is destroyed calls back no write that it did not begin.
    const close = (): void => resolve()
    stream.once('close', close)
    stream.write(chunk, error => {
      stream.off('close', close)
      if (error) reject(error)
      else resolve()
    })
  })
}

function withoutSystem<T extends Uint8Array>(bytes: T): T {
  bytes[systemByte] = unix
  return bytes
}

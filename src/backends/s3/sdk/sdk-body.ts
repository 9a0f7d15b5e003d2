import { itemsUntilAborted } from '../../../core/abort.ts'
import type { ReadBody } from '../../../core/backend.ts'
import { type Bytes, concatBytes, ownBytes, plainBytes } from '../../../core/bytes.ts'

/** What an SDK gives as a body: a stream of Node, or of the web. */
export interface SdkStream extends AsyncIterable<Uint8Array> {
  destroy?(): unknown
  cancel?(): unknown
  on?(event: 'error', listener: () => void): unknown
}

export function isSdkStream(body: unknown): body is SdkStream {
  return typeof body === 'object' && body !== null && Symbol.asyncIterator in body
}

/**
 * The bytes of a stream.
 *
 * @param explain what an error means that the stream ends with
 */
export function streamBody(
  stream: SdkStream,
  signal: AbortSignal | undefined,
  explain: (error: unknown) => unknown,
): ReadBody {
  const cancel = (): void => close(stream)
  const chunks = (): AsyncGenerator<Bytes> => read(stream, signal, explain)
  return { chunks, bytes: () => join(chunks()), cancel }
}

async function* read(
  stream: SdkStream,
  signal: AbortSignal | undefined,
  explain: (error: unknown) => unknown,
): AsyncGenerator<Bytes> {
  try {
    for await (const chunk of itemsUntilAborted(stream, signal, () => close(stream)))
      yield plainBytes(ownBytes(chunk))
  } catch (error) {
    throw signal?.aborted === true ? signal.reason : explain(error)
  } finally {
    close(stream)
  }
}

async function join(chunks: AsyncGenerator<Bytes>): Promise<Bytes> {
  const pieces: Bytes[] = []
  let length = 0
  for await (const piece of chunks) {
    pieces.push(piece)
    length += piece.byteLength
  }
  return concatBytes(pieces, length)
}

/** Frees the socket. What a stream says of its own end that we caused is of no interest. */
function close(stream: SdkStream): void {
  stream.on?.('error', () => undefined)
  if (stream.destroy !== undefined) stream.destroy()
  else void Promise.resolve(stream.cancel?.()).catch(() => undefined)
}

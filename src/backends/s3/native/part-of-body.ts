import type { ReadBody } from '../../../core/backend.ts'
import { type Bytes, concatBytes } from '../../../core/bytes.ts'

/** The bytes from `start` to `end` of a body that brings more: of a service that ignores ranges. */
export function partOfBody(body: ReadBody, start: number, end: number): ReadBody {
  const chunks = (): AsyncGenerator<Bytes> => cutChunks(body, start, end)
  return {
    chunks,
    async bytes() {
      const pieces: Bytes[] = []
      for await (const chunk of chunks()) pieces.push(chunk)
      return concatBytes(
        pieces,
        pieces.reduce((length, piece) => length + piece.byteLength, 0),
      )
    },
    cancel: () => body.cancel(),
  }
}

async function* cutChunks(body: ReadBody, start: number, end: number): AsyncGenerator<Bytes> {
  let at = 0
  for await (const chunk of body.chunks()) {
    const piece = chunk.subarray(Math.max(0, start - at), Math.max(0, end - at))
    at += chunk.byteLength
    if (piece.byteLength > 0) yield piece
    if (at >= end) return
  }
}

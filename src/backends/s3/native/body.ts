import type { ReadBody } from '../../../core/backend.ts'
import { concatBytes } from '../../../core/bytes.ts'
import { IntegrityError } from '../../../core/errors.ts'

/**
 * A document as text.
 *
 * @throws IntegrityError when it is longer than `limit` bytes
 */
export async function readBounded(body: ReadBody, limit: number): Promise<string> {
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of body.chunks()) {
    length += chunk.byteLength
    if (length > limit)
      throw new IntegrityError(`The service sent a document of more than ${limit} bytes.`)
    chunks.push(chunk)
  }
  return new TextDecoder().decode(concatBytes(chunks, length))
}

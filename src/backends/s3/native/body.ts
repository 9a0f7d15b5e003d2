import type { ReadBody } from '../../../core/backend.ts'
import { IntegrityError } from '../../../core/errors.ts'

/**
 * A document as text.
 *
 * @throws IntegrityError when it is longer than `limit` bytes
 */
export async function readBounded(body: ReadBody, limit: number): Promise<string> {
  // Decoded piece by piece: a page of a listing is large enough that its copy costs page faults.
  const decoder = new TextDecoder()
  let text = ''
  let length = 0
  for await (const chunk of body.chunks()) {
    length += chunk.byteLength
    if (length > limit)
      throw new IntegrityError(`The service sent a document of more than ${limit} bytes.`)
    text += decoder.decode(chunk, { stream: true })
  }
  return text + decoder.decode()
}

import type { ReadBody } from '../../../core/backend.ts'
import { IntegrityError } from '../../../core/errors.ts'

/**
 * A document as text.
 *
 * @param encoding `strict` for documents that name keys: a byte that is no UTF-8 would give the
 *   name of another key. Documents of errors may come from anybody, and are read as far as it goes
 * @throws IntegrityError when it is longer than `limit` bytes, or strictly read and no UTF-8
 */
export async function readBounded(
  body: ReadBody,
  limit: number,
  encoding: 'strict' | 'lenient' = 'lenient',
): Promise<string> {
  // Decoded piece by piece: a page of a listing is large enough that its copy costs page faults.
  const decoder = new TextDecoder('utf-8', { fatal: encoding === 'strict' })
  let text = ''
  let length = 0
  for await (const chunk of body.chunks()) {
    length += chunk.byteLength
    if (length > limit)
      throw new IntegrityError(`The service sent a document of more than ${limit} bytes.`)
    text += decode(decoder, chunk)
  }
  return text + decode(decoder)
}

function decode(decoder: TextDecoder, chunk?: Uint8Array): string {
  try {
    return decoder.decode(chunk, { stream: chunk !== undefined })
  } catch (error) {
    throw new IntegrityError('The service sent a document that is no UTF-8.', { cause: error })
  }
}

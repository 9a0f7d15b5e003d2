import type { ObjectHead, StreamContent, UploadedPart } from '../engine.ts'
import { md5Hex, RunningHash } from '../platform/hashes.ts'
import { combineCrc32, crc32Base64, parseCrc32 } from './checksums.ts'
import type { StreamBody } from './transport.ts'

/**
 * Whether an object is the content that was sent: by its entity tag, which is the MD5 of what came
 * with one request (not with a key of AWS KMS or of the customer's own: then nothing is known).
 * https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html
 */
export function matchesContent(head: ObjectHead, content: Uint8Array): boolean {
  return head.size === content.byteLength && head.etag === md5Hex(content)
}

/** The entity tag of an object of parts: the MD5 of theirs one after the other, and their number. */
export function compositeETag(parts: readonly UploadedPart[]): string | undefined {
  const digests = parts.map(({ etag }) => etag.replaceAll('"', ''))
  if (!digests.every(digest => /^[0-9a-f]{32}$/i.test(digest))) return undefined
  const bytes = digests.join('').match(/../g) ?? []
  return `${md5Hex(Uint8Array.from(bytes, byte => Number.parseInt(byte, 16)))}-${parts.length}`
}

/** The CRC-32 of the object out of those of its parts; `undefined` where one has none. */
export function wholeChecksum(parts: readonly UploadedPart[]): string | undefined {
  let whole = 0
  for (const { checksum, size } of parts) {
    const crc = parseCrc32(checksum)
    if (crc === undefined) return undefined
    whole = combineCrc32(whole, crc, size)
  }
  return crc32Base64(whole)
}

/** A content that is hashed while it is sent, so that its object can be told from another one. */
export class HashedStream implements StreamBody {
  readonly #content: StreamContent
  #md5: string | undefined

  constructor(content: StreamContent) {
    this.#content = content
  }

  get size(): number {
    return this.#content.size
  }

  get replayable(): boolean {
    return this.#content.replayable
  }

  async *chunks(): AsyncGenerator<Uint8Array> {
    const md5 = new RunningHash('md5')
    for await (const chunk of this.#content.chunks()) {
      md5.update(chunk)
      yield chunk
    }
    this.#md5 = md5.digest('hex')
  }

  isIn(head: ObjectHead): boolean {
    return head.size === this.size && head.etag !== undefined && head.etag === this.#md5
  }
}

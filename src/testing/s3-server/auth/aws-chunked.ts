import { createHash } from 'node:crypto'
import { S3Error } from '../errors.ts'
import type { ChunkSigning } from './authentication.ts'
import { hmacSha256, sameSignature, sha256Hex } from './hmac.ts'

/** All chunks but the last hold at least 8 KiB. */
const MIN_CHUNK = 8192
/** A size, a signature and the separators; what is longer is no chunk header. */
const MAX_LINE = 8192
const EMPTY_SHA256 = sha256Hex('')
const CRLF = Buffer.from('\r\n')

/** How one body is framed. */
export interface Framing {
  readonly trailer: boolean
  readonly signing: ChunkSigning | undefined
  /** `x-amz-decoded-content-length` */
  readonly length: number
}

/**
 * Takes the framing off an aws-chunked body and verifies each chunk's signature and the trailer's
 * (https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html and
 * sigv4-streaming-trailers.html). A chunk is passed on before its signature is known, so nothing of
 * the body may count before `decode` has ended.
 */
export class AwsChunkedDecoder {
  readonly trailers: Map<string, string> = new Map<string, string>()
  readonly #framing: Framing
  readonly #input: ByteReader
  #previous: string
  #decoded = 0

  constructor(source: AsyncIterable<Uint8Array>, framing: Framing) {
    this.#framing = framing
    this.#input = new ByteReader(source)
    this.#previous = framing.signing?.seed ?? ''
  }

  async *decode(): AsyncGenerator<Uint8Array> {
    let size = -1
    let short = false
    while (size !== 0) {
      const header = await this.#header()
      size = header.size
      if (short && size > 0) throw new S3Error('InvalidChunkSizeError')
      short = size < MIN_CHUNK
      yield* this.#chunk(header)
    }
    if (this.#decoded !== this.#framing.length) throw incomplete()
    await this.#end()
  }

  async #header(): Promise<{ size: number; signature: string }> {
    const line = await this.#input.line()
    const match = /^([0-9a-fA-F]{1,12})(?:;chunk-signature=([0-9a-f]{64}))?$/.exec(line ?? '')
    if (match === null) throw incomplete()
    const signature = match[2] ?? ''
    if ((this.#framing.signing !== undefined) !== (signature !== '')) throw incomplete()
    return { size: Number.parseInt(match[1] ?? '', 16), signature }
  }

  async *#chunk(header: { size: number; signature: string }): AsyncGenerator<Uint8Array> {
    const { signing } = this.#framing
    const hash = signing && createHash('sha256')
    this.#decoded += header.size
    if (this.#decoded > this.#framing.length) throw incomplete()
    let left = header.size
    while (left > 0) {
      const bytes = await this.#input.upTo(left)
      if (bytes === undefined) throw incomplete()
      hash?.update(bytes)
      left -= bytes.byteLength
      yield bytes
    }
    // The last chunk has no line end of its own: what follows are the trailers and an empty line.
    if (header.size > 0 && (await this.#input.line()) !== '') throw incomplete()
    if (signing !== undefined && hash !== undefined) {
      this.#check(signing, 'PAYLOAD', [EMPTY_SHA256, hash.digest('hex')], header.signature)
    }
  }

  async #end(): Promise<void> {
    const lines = []
    for (let line = await this.#input.line(); line; line = await this.#input.line())
      lines.push(line)
    if (!this.#framing.trailer) {
      if (lines.length > 0) throw new S3Error('MalformedTrailerError')
      return
    }
    for (const line of lines) this.#addTrailer(line)
    const signature = this.trailers.get('x-amz-trailer-signature')
    this.trailers.delete('x-amz-trailer-signature')
    if (this.#framing.signing !== undefined) this.#checkTrailer(this.#framing.signing, signature)
  }

  #addTrailer(line: string): void {
    const at = line.indexOf(':')
    if (at < 1) throw new S3Error('MalformedTrailerError')
    this.trailers.set(line.slice(0, at).trim().toLowerCase(), line.slice(at + 1).trim())
  }

  #checkTrailer(signing: ChunkSigning, signature: string | undefined): void {
    if (signature === undefined) throw new S3Error('MalformedTrailerError')
    const names = [...this.trailers.keys()].sort()
    const canonical = names.map(name => `${name}:${this.trailers.get(name)}\n`).join('')
    this.#check(signing, 'TRAILER', [sha256Hex(canonical)], signature)
  }

  #check(signing: ChunkSigning, what: string, hashes: string[], signature: string): void {
    const head = [`AWS4-HMAC-SHA256-${what}`, signing.time, signing.scope, this.#previous]
    const toSign = [...head, ...hashes].join('\n')
    const expected = hmacSha256(signing.key, toSign).toString('hex')
    if (!sameSignature(expected, signature)) {
      throw new S3Error('SignatureDoesNotMatch', undefined, {
        elements: { StringToSign: toSign, SignatureProvided: signature },
      })
    }
    this.#previous = expected
  }
}

function incomplete(): S3Error {
  return new S3Error(
    'IncompleteBody',
    'The request body terminated unexpectedly or did not match x-amz-decoded-content-length',
  )
}

/** Reads lines and runs of bytes from a stream of buffers without copying the runs. */
class ByteReader {
  readonly #source: AsyncIterator<Uint8Array>
  #buffer: Buffer = Buffer.alloc(0)

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]()
  }

  /** What is there of the next `count` bytes, at least one; undefined at the end. */
  async upTo(count: number): Promise<Uint8Array | undefined> {
    if (this.#buffer.byteLength === 0 && !(await this.#fill())) return undefined
    const bytes = this.#buffer.subarray(0, count)
    this.#buffer = this.#buffer.subarray(bytes.byteLength)
    return bytes
  }

  /** The next line without its CRLF; undefined at the end of the stream. */
  async line(): Promise<string | undefined> {
    for (;;) {
      const at = this.#buffer.indexOf(CRLF)
      if (at >= 0) {
        const line = this.#buffer.toString('latin1', 0, at)
        this.#buffer = this.#buffer.subarray(at + 2)
        return line
      }
      if (this.#buffer.byteLength > MAX_LINE || !(await this.#fill())) return undefined
    }
  }

  async #fill(): Promise<boolean> {
    const next = await this.#source.next()
    if (next.done) return false
    const { buffer, byteOffset, byteLength } = next.value
    const added = Buffer.from(buffer, byteOffset, byteLength)
    const rest = this.#buffer
    this.#buffer = rest.byteLength === 0 ? added : Buffer.concat([rest, added])
    return true
  }
}

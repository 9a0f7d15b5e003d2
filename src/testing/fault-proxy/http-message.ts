import type { ByteStream } from './byte-stream.ts'

/** Longest start line with headers that is taken. */
const maxHeadBytes = 64 * 1024

/** A start line with its headers, as bytes and taken apart. */
export interface MessageHead {
  /** With the empty line. */
  readonly bytes: Buffer
  /** Of the start line: method, path, version; or version, status, reason. */
  readonly start: readonly [string, string, string]
  /** Value of a header by its lower-case name; repeated ones joined by commas. */
  header(name: string): string | undefined
}

/** Where the body of a message ends (RFC 9112, section 6.3). */
export type Framing =
  | { readonly kind: 'length'; readonly length: number }
  | { readonly kind: 'chunked' }
  | { readonly kind: 'until-close' }

/** The next head; `undefined` when the stream ends before one is complete. */
export async function readHead(stream: ByteStream): Promise<MessageHead | undefined> {
  let bytes = Buffer.alloc(0)
  for (;;) {
    const piece = await stream.read()
    if (piece === undefined) return undefined
    bytes = Buffer.concat([bytes, piece])
    const end = bytes.indexOf('\r\n\r\n')
    if (end >= 0) {
      stream.unread(bytes.subarray(end + 4))
      return new Head(bytes.subarray(0, end + 4))
    }
    if (bytes.byteLength > maxHeadBytes) return undefined
  }
}

/** How the body of a request is framed. */
export function requestFraming(head: MessageHead): Framing {
  return declared(head) ?? { kind: 'length', length: 0 }
}

/** How the body of an answer is framed; it depends on what was asked. */
export function answerFraming(head: MessageHead, method: string): Framing {
  const status = Number(head.start[1])
  if (method === 'HEAD' || status < 200 || status === 204 || status === 304)
    return { kind: 'length', length: 0 }
  return declared(head) ?? { kind: 'until-close' }
}

/** The bytes of a body as they are on the wire, piece by piece; shorter if the stream ends early. */
export async function* bodyPieces(stream: ByteStream, framing: Framing): AsyncGenerator<Buffer> {
  if (framing.kind === 'chunked') yield* chunkedPieces(stream)
  else yield* pieces(stream, framing.kind === 'length' ? framing.length : Number.POSITIVE_INFINITY)
}

class Head implements MessageHead {
  readonly bytes: Buffer
  readonly start: readonly [string, string, string]
  readonly #headers = new Map<string, string>()

  constructor(bytes: Buffer) {
    this.bytes = bytes
    const [first = '', ...lines] = bytes.toString('latin1').split('\r\n')
    const [a = '', b = '', ...rest] = first.split(' ')
    this.start = [a, b, rest.join(' ')]
    for (const line of lines) this.#add(line)
  }

  header(name: string): string | undefined {
    return this.#headers.get(name)
  }

  #add(line: string): void {
    const colon = line.indexOf(':')
    if (colon < 1) return
    const name = line.slice(0, colon).toLowerCase()
    const value = line.slice(colon + 1).trim()
    const before = this.#headers.get(name)
    this.#headers.set(name, before === undefined ? value : `${before}, ${value}`)
  }
}

function declared(head: MessageHead): Framing | undefined {
  if (/\bchunked\b/i.test(head.header('transfer-encoding') ?? '')) return { kind: 'chunked' }
  const length = head.header('content-length')
  return length === undefined ? undefined : { kind: 'length', length: Number(length) }
}

async function* pieces(stream: ByteStream, length: number): AsyncGenerator<Buffer> {
  for (let left = length; left > 0; ) {
    const piece = await stream.read(left)
    if (piece === undefined) return
    left -= piece.byteLength
    yield piece
  }
}

/** Chunks with their sizes, and the trailers (RFC 9112, section 7.1). */
async function* chunkedPieces(stream: ByteStream): AsyncGenerator<Buffer> {
  for (;;) {
    const line = await readLine(stream)
    if (line === undefined) return
    yield line
    const size = Number.parseInt(line.toString('latin1'), 16)
    if (!(size > 0)) break
    yield* pieces(stream, size + 2)
  }
  for (;;) {
    const line = await readLine(stream)
    if (line === undefined) return
    yield line
    if (line.byteLength === 2) return
  }
}

async function readLine(stream: ByteStream): Promise<Buffer | undefined> {
  let line = Buffer.alloc(0)
  for (;;) {
    const piece = await stream.read()
    if (piece === undefined) return undefined
    line = Buffer.concat([line, piece])
    const end = line.indexOf('\r\n')
    if (end < 0) continue
    stream.unread(line.subarray(end + 2))
    return line.subarray(0, end + 2)
  }
}

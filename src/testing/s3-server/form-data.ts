import { S3Error } from './errors.ts'

/** https://docs.aws.amazon.com/AmazonS3/latest/API/RESTObjectPOST.html: fields hold 20 KB at most */
const MAX_FIELDS = 20 * 1024
const HEAD_END = Buffer.from('\r\n\r\n')

/** The fields that stand before the file, and the file. */
export interface UploadForm {
  /** By lower-case name; the text as it was sent. */
  readonly fields: ReadonlyMap<string, string>
  readonly filename: string
  /** The file's bytes; to be read to the end. */
  readonly file: AsyncIterable<Uint8Array>
}

/**
 * Reads multipart/form-data (RFC 7578) up to its file, which is then streamed. Fields after the file
 * are ignored, as S3 does.
 * @throws S3Error for another type, for a form without a file and for fields that are too large
 */
export async function readForm(
  contentType: string | undefined,
  body: AsyncIterable<Uint8Array>,
): Promise<UploadForm> {
  const match = /^multipart\/form-data;.*boundary=(?:"([^"]+)"|([^;\s]+))/i.exec(contentType ?? '')
  if (match === null) {
    throw new S3Error(
      'PreconditionFailed',
      'Bucket POST must be of the enclosure-type multipart/form-data',
      { elements: { Condition: 'Bucket POST must be of the enclosure-type multipart/form-data' } },
    )
  }
  const parts = new PartReader(match[1] ?? match[2] ?? '', body)
  const fields = new Map<string, string>()
  for (let size = 0; size <= MAX_FIELDS; ) {
    const head = await parts.next()
    if (head === undefined) throw noFile()
    const name = parameter(head, 'name')?.toLowerCase()
    if (name === undefined) throw new S3Error('MalformedPOSTRequest')
    if (name === 'file') {
      return {
        fields,
        filename: baseName(parameter(head, 'filename') ?? ''),
        file: parts.content(),
      }
    }
    const value = await text(parts.content(), MAX_FIELDS - size)
    size += name.length + value.length
    fields.set(name, value)
  }
  throw new S3Error('MaxPostPreDataLengthExceeded')
}

function noFile(): S3Error {
  return new S3Error('InvalidArgument', 'POST requires exactly one file upload per request.', {
    elements: { ArgumentName: 'file', ArgumentValue: '0' },
  })
}

async function text(content: AsyncIterable<Uint8Array>, limit: number): Promise<string> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of content) {
    chunks.push(chunk)
    size += chunk.byteLength
    if (size > limit) throw new S3Error('MaxPostPreDataLengthExceeded')
  }
  return Buffer.concat(chunks).toString('utf8')
}

/** A parameter of Content-Disposition; browsers write `"` as `%22` in it. */
function parameter(head: string, name: string): string | undefined {
  const match = new RegExp(`^content-disposition:.*[;\\s]${name}="([^"]*)"`, 'im').exec(head)
  return match?.[1]?.replaceAll('%22', '"')
}

/** Old browsers sent a whole path. */
function baseName(filename: string): string {
  return filename.slice(Math.max(filename.lastIndexOf('/'), filename.lastIndexOf('\\')) + 1)
}

/** Splits a stream at its boundaries, holding back only what may be the start of one. */
class PartReader {
  readonly #source: AsyncIterator<Uint8Array>
  readonly #boundary: Buffer
  /** A line end before the body lets its first boundary be like the others. */
  #buffer: Buffer = Buffer.from('\r\n')
  #ended = false

  constructor(boundary: string, body: AsyncIterable<Uint8Array>) {
    this.#boundary = Buffer.from(`\r\n--${boundary}`)
    this.#source = body[Symbol.asyncIterator]()
  }

  /** Goes to the next part. @returns its head, undefined after the last */
  async next(): Promise<string | undefined> {
    for await (const _ of this.content()) {
      // What stands before the first boundary, or was not read of the part before, is passed over.
    }
    this.#ended = false
    while (this.#buffer.byteLength < this.#boundary.byteLength + 2) await this.#need()
    this.#buffer = this.#buffer.subarray(this.#boundary.byteLength)
    if (this.#buffer.toString('latin1', 0, 2) === '--') return undefined
    let at = this.#buffer.indexOf(HEAD_END)
    for (; at < 0; at = this.#buffer.indexOf(HEAD_END)) {
      if (this.#buffer.byteLength > MAX_FIELDS) throw new S3Error('MalformedPOSTRequest')
      await this.#need()
    }
    const head = this.#buffer.toString('utf8', 2, at)
    this.#buffer = this.#buffer.subarray(at + HEAD_END.byteLength)
    return head
  }

  /** The bytes up to the next boundary, which stays in the buffer. */
  async *content(): AsyncGenerator<Uint8Array> {
    while (!this.#ended) {
      const at = this.#buffer.indexOf(this.#boundary)
      this.#ended = at >= 0
      const end = this.#ended ? at : this.#buffer.byteLength - this.#boundary.byteLength + 1
      if (end > 0) {
        const bytes = this.#buffer.subarray(0, end)
        this.#buffer = this.#buffer.subarray(end)
        yield bytes
      }
      if (!this.#ended) await this.#need()
    }
  }

  async #need(): Promise<void> {
    const next = await this.#source.next()
    if (next.done) throw new S3Error('MalformedPOSTRequest')
    this.#buffer = Buffer.concat([this.#buffer, next.value])
  }
}

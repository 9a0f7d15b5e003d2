import { randomFillSync } from 'node:crypto'
import { mkdtemp, open as openFile, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { promisify } from 'node:util'
import { afterEach, describe, expect, it } from 'vitest'
import yauzl, { type Entry, type ZipFile } from 'yauzl'
import yazl from 'yazl'
import { S3Storage } from '../../src/backends/s3/s3-storage.ts'
import type { BinaryReader } from '../../src/core/open-file.ts'
import { S3Server } from '../../src/testing/s3-server/s3-server.ts'
import { byteAt, SyntheticEndpoint, type SyntheticOptions } from './synthetic-endpoint.ts'

const kibi = 1024
const mebi = 1024 * kibi
const gibi = 1024 * mebi

let endpoint: SyntheticEndpoint | undefined

afterEach(async () => {
  await endpoint?.close()
  endpoint = undefined
})

async function synthetic(options: SyntheticOptions): Promise<S3Storage> {
  endpoint = await SyntheticEndpoint.start(options)
  return storageAt(endpoint.url, { accessKey: 'key', secretKey: 'secret' })
}

function storageAt(
  endpointUrl: string,
  { accessKey, secretKey }: { readonly accessKey: string; readonly secretKey: string },
): S3Storage {
  const place = { bucketName: 'media', regionName: 'us-east-1', endpointUrl }
  return new S3Storage({ ...place, accessKey, secretKey })
}

async function sentBytes(): Promise<number> {
  const bytes = (await endpoint?.close()) ?? Number.NaN
  endpoint = undefined
  return bytes
}

describe('an open reader on S3', () => {
  it('reads the last three bytes of 10 GiB with less than 64 KiB on the wire', async () => {
    const storage = await synthetic({ size: 10 * gibi })
    const reader = await storage.open('huge.bin')
    await reader.seek(-3, 'end')
    const end = 10 * gibi
    expect([...(await reader.read())]).toEqual([byteAt(end - 3), byteAt(end - 2), byteAt(end - 1)])
    expect(endpoint?.requests).toBe(2)
    await reader.close()
    expect(await sentBytes()).toBeLessThanOrEqual(64 * kibi)
  })

  it.each(['iteration', 'chunks', 'readable', 'read'] as const)(
    'reads a file in sequence (%s) with no more than 1 percent beside its bytes',
    async way => {
      const size = 40 * mebi + 12_345
      const storage = await synthetic({ size })
      const reader = await storage.open('large.bin')
      let length = 0
      let wrong = 0
      for await (const piece of sequence(reader, way)) {
        for (let at = 0; at < piece.byteLength; at += 997)
          if (piece[at] !== byteAt(length + at)) wrong++
        length += piece.byteLength
      }
      expect([length, wrong]).toEqual([size, 0])
      await reader.close()
      expect(await sentBytes()).toBeLessThanOrEqual(size * 1.01)
    },
  )

  it('does not read on where nobody reads', async () => {
    const storage = await synthetic({ size: 10 * gibi })
    const reader = await storage.open('huge.bin')
    for await (const piece of reader) {
      expect(piece.byteLength).toBeGreaterThan(0)
      break
    }
    await reader.seek(5 * gibi)
    await reader.read(10)
    await new Promise(resolve => setTimeout(resolve, 50))
    expect(endpoint?.ranges).toEqual([
      'bytes=0-32767',
      `bytes=${5 * gibi}-${5 * gibi + 32 * kibi - 1}`,
    ])
    await reader.close()
  })

  it('reads right bytes from a service that ignores ranges', async () => {
    const size = 3 * mebi
    const storage = await synthetic({ size, ignoresRanges: true })
    const reader = await storage.open('large.bin')
    await reader.seek(2 * mebi + 5)
    expect([...(await reader.read(3))]).toEqual([5, 6, 7].map(n => byteAt(2 * mebi + n)))
    await reader.seek(0)
    expect((await reader.read()).byteLength).toBe(size)
    await reader.close()
  })

  it('gives a ZIP library the directory and a file of it for a few requests', async () => {
    await using server = await S3Server.start({ buckets: ['media'] })
    const storage = storageAt(server.endpoint, server)
    await storage.save('many.zip', zipOf(400))
    const reader = await storage.open('many.zip')
    const before = server.requests.length

    const zip = await openZip(reader)
    const entries: Entry[] = []
    for await (const entry of zip.eachEntry()) entries.push(entry)
    expect(entries.map(({ fileName }) => fileName)).toEqual(
      Array.from({ length: 400 }, (_, n) => nameOf(n)),
    )
    expect(server.requests.length - before).toBeLessThanOrEqual(3)

    const wanted = entries.find(({ fileName }) => fileName === nameOf(123))
    const stream = await promisify<Entry, Readable>(zip.openReadStream.bind(zip))(wanted as Entry)
    const pieces: Uint8Array[] = []
    for await (const piece of stream) pieces.push(piece)
    expect(Buffer.compare(Buffer.concat(pieces), contentOf(123))).toBe(0)
    expect(server.requests.length - before).toBeLessThanOrEqual(6)
    await reader.close()
  })
})

describe('a stored file', () => {
  it('is downloaded in parallel ranges with a few lines', async () => {
    await using server = await S3Server.start({ buckets: ['media'] })
    const storage = storageAt(server.endpoint, server)
    const content = randomFillSync(new Uint8Array(3 * mebi + 17))
    await storage.save('large.bin', content)
    const folder = await mkdtemp(join(tmpdir(), 'stowage-download-'))
    const path = join(folder, 'large.bin')

    const file = await storage.file('large.bin')
    const part = 256 * kibi
    const lanes = 4
    const handle = await openFile(path, 'w')
    await Promise.all(
      Array.from({ length: lanes }, async (_, lane) => {
        for (let at = lane * part; at < file.size; at += lanes * part)
          await handle.write(await file.slice(at, at + part).bytes(), 0, undefined, at)
      }),
    )
    await handle.close()

    expect(Buffer.compare(await readFile(path), content)).toBe(0)
    await rm(folder, { recursive: true })
  })
})

function sequence(
  reader: BinaryReader,
  way: 'iteration' | 'chunks' | 'readable' | 'read',
): AsyncIterable<Uint8Array> {
  if (way === 'chunks') return reader.chunks(100_000)
  if (way === 'readable') return reader.readable()
  return way === 'iteration' ? reader : reads(reader)
}

async function* reads(reader: BinaryReader): AsyncGenerator<Uint8Array> {
  for (;;) {
    const piece = await reader.read(1_500_000)
    if (piece.byteLength === 0) return
    yield piece
  }
}

/** What yauzl wants of a place to read from, over an open reader. */
class ReaderOfZip extends yauzl.RandomAccessReader {
  readonly #reader: BinaryReader

  constructor(reader: BinaryReader) {
    super()
    this.#reader = reader
  }

  override _readStreamForRange(start: number, end: number): Readable {
    return Readable.from(this.#range(start, end))
  }

  async *#range(start: number, end: number): AsyncGenerator<Uint8Array> {
    await this.#reader.seek(start)
    for (let left = end - start; left > 0; ) {
      const piece = await this.#reader.read(Math.min(left, 64 * kibi))
      left -= piece.byteLength
      yield piece
    }
  }
}

async function openZip(
  reader: BinaryReader,
): Promise<ZipFile & { eachEntry(): AsyncIterable<Entry> }> {
  const size = await reader.size()
  return await new Promise((resolve, reject) => {
    const options = { autoClose: false, lazyEntries: true }
    yauzl.fromRandomAccessReader(new ReaderOfZip(reader), size, options, (error, zip) => {
      if (error) reject(error)
      else resolve(Object.assign(zip, { eachEntry: () => entriesOf(zip) }))
    })
  })
}

async function* entriesOf(zip: ZipFile): AsyncGenerator<Entry> {
  for (;;) {
    const entry = await new Promise<Entry | undefined>((resolve, reject) => {
      zip.once('entry', resolve)
      zip.once('end', () => resolve(undefined))
      zip.once('error', reject)
      zip.readEntry()
    })
    zip.removeAllListeners()
    if (entry === undefined) return
    yield entry
  }
}

function zipOf(count: number): AsyncIterable<Uint8Array | string> {
  const zip = new yazl.ZipFile()
  for (let n = 0; n < count; n++) zip.addBuffer(contentOf(n), nameOf(n), { compress: false })
  zip.end()
  return Readable.from(zip.outputStream)
}

function nameOf(n: number): string {
  return `folder/file-${n}.bin`
}

function contentOf(n: number): Buffer {
  return Buffer.alloc(5_000 + n, n)
}

import { createReadStream, createWriteStream } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable, Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGzip, gunzipSync } from 'node:zlib'
import busboy from 'busboy'
import multer from 'multer'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { FileSystemStorage } from '../../src/backends/filesystem/filesystem-storage.ts'
import { MemoryStorage } from '../../src/backends/memory/memory-storage.ts'
import { S3Storage } from '../../src/backends/s3/s3-storage.ts'
import type { Content } from '../../src/core/content.ts'
import type { Storage } from '../../src/core/storage.ts'
import { pattern } from '../../src/testing/contract/contents.ts'
import { S3Server } from '../../src/testing/s3-server/s3-server.ts'

/** More than a window of a reader, and than the buffers of any stream. */
const bytes = pattern(700_000)

let folder: string
let servers: Server[] = []

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'stowage-web-'))
})

afterEach(async () => {
  for (const server of servers) server.close()
  servers = []
  await rm(folder, { recursive: true })
})

async function isStored(storage: Storage, name: string): Promise<boolean> {
  return Buffer.compare(await (await storage.file(name)).bytes(), bytes) === 0
}

describe('a stored file', () => {
  let storage: MemoryStorage

  beforeEach(async () => {
    storage = new MemoryStorage()
    await storage.save('a.bin', bytes)
  })

  it('is the body of a response', async () => {
    const file = await storage.file('a.bin')
    const response = new Response(file.stream(), {
      headers: { 'content-type': file.type, 'content-length': String(file.size) },
    })
    expect(Buffer.compare(await response.bytes(), bytes)).toBe(0)
    expect(response.headers.get('content-type')).toBe('application/octet-stream')
  })

  it('goes through a pipeline into a file on disk', async () => {
    const file = await storage.file('a.bin')
    const path = join(folder, 'plain')
    await pipeline(file.stream(), createWriteStream(path))
    expect(Buffer.compare(await readFile(path), bytes)).toBe(0)
    await pipeline(await storage.open('a.bin'), createGzip(), createWriteStream(path))
    expect(Buffer.compare(gunzipSync(await readFile(path)), bytes)).toBe(0)
    await pipeline(Readable.fromWeb(file.stream() as never), createWriteStream(path))
    expect(Buffer.compare(await readFile(path), bytes)).toBe(0)
  })

  it('goes through web streams', async () => {
    const packed = (await storage.file('a.bin')).stream().pipeThrough(new CompressionStream('gzip'))
    await storage.save('a.gz', packed)
    const unpacked = (await storage.file('a.gz'))
      .stream()
      .pipeThrough(new DecompressionStream('gzip'))
    const writer = await storage.open('b.bin', 'wb')
    await unpacked.pipeTo(writer.writable())
    expect(await isStored(storage, 'b.bin')).toBe(true)
  })

  it('is a part of a form', async () => {
    const file = await storage.file('a.bin')
    const form = new FormData()
    form.set('upload', new File([await file.bytes()], file.name, { type: file.type }))
    const read = await new Response(form).formData()
    const part = read.get('upload')
    expect(part).toBeInstanceOf(File)
    if (!(part instanceof File)) return
    expect([part.name, part.type, part.size]).toEqual([file.name, file.type, file.size])
    await storage.save('b.bin', part)
    expect(await isStored(storage, 'b.bin')).toBe(true)
  })

  it('is what a writer of Node is fed with, and a writer of ours is fed by Node', async () => {
    const path = join(folder, 'source')
    await writeFile(path, bytes)
    const writer = await storage.open('b.bin', 'wb')
    await pipeline(createReadStream(path), writer.writable() as never)
    expect(writer.closed).toBe(true)
    expect(await isStored(storage, 'b.bin')).toBe(true)
  })
})

describe.each(['memory', 'disk', 'S3'])('an upload is stored in %s', kind => {
  let storage: Storage
  let s3: S3Server | undefined

  beforeEach(async () => {
    if (kind === 'S3') s3 = await S3Server.start({ buckets: ['media'] })
    storage =
      s3 === undefined
        ? kind === 'disk'
          ? new FileSystemStorage({ location: join(folder, 'files') })
          : new MemoryStorage()
        : new S3Storage({
            bucketName: 'media',
            endpointUrl: s3.endpoint,
            accessKey: s3.accessKey,
            secretKey: s3.secretKey,
          })
  })

  afterEach(async () => {
    await s3?.close()
    s3 = undefined
  })

  /** Sends a form of one file to a handler. */
  async function send(handle: (request: IncomingMessage) => Promise<void>): Promise<string> {
    const server = createServer((request: IncomingMessage, response: ServerResponse) => {
      handle(request).then(
        () => response.end('stored'),
        error => response.writeHead(500).end(String(error)),
      )
    })
    servers.push(server)
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    const form = new FormData()
    form.set('title', 'x')
    form.set('upload', new File([bytes], 'photo.bin'))
    const { port } = server.address() as AddressInfo
    const response = await fetch(`http://127.0.0.1:${port}/`, { method: 'POST', body: form })
    return await response.text()
  }

  async function withMulter(
    request: IncomingMessage,
    options: multer.Options,
  ): Promise<Express.Multer.File> {
    const take = multer(options).single('upload')
    await new Promise<void>((resolve, reject) => {
      take(request as never, {} as never, error => (error ? reject(error) : resolve()))
    })
    return (request as unknown as { file: Express.Multer.File }).file
  }

  it('from the memory of multer', async () => {
    const said = await send(async request => {
      const { buffer, originalname } = await withMulter(request, {
        storage: multer.memoryStorage(),
      })
      await storage.save(storage.generateFilename(originalname), buffer)
    })
    expect([said, await isStored(storage, 'photo.bin')]).toEqual(['stored', true])
  })

  it('from a file of multer on disk', async () => {
    const said = await send(async request => {
      const { path } = await withMulter(request, { dest: join(folder, 'multer') })
      await storage.save('photo.bin', createReadStream(path))
    })
    expect([said, await isStored(storage, 'photo.bin')]).toEqual(['stored', true])
  })

  it('from the stream of multer, as its engines get it', async () => {
    const engine: multer.StorageEngine = {
      _handleFile(_request, file, callback) {
        storage.save(file.originalname, file.stream).then(
          name => callback(null, { filename: name }),
          error => callback(error),
        )
      },
      _removeFile(_request, file, callback) {
        storage.delete(file.filename).then(() => callback(null), callback)
      },
    }
    const said = await send(async request => {
      expect((await withMulter(request, { storage: engine })).filename).toBe('photo.bin')
    })
    expect([said, await isStored(storage, 'photo.bin')]).toEqual(['stored', true])
  })

  it('from the stream of busboy', async () => {
    const said = await send(async request => {
      const saves: Promise<string>[] = []
      const parser = busboy({ headers: request.headers })
      parser.on('file', (_field, stream, { filename }) => {
        saves.push(storage.save(filename ?? null, stream))
      })
      await pipeline(request, parser)
      expect(await Promise.all(saves)).toEqual(['photo.bin'])
    })
    expect([said, await isStored(storage, 'photo.bin')]).toEqual(['stored', true])
  })

  it('not from a stream of busboy that was cut off at its limit', async () => {
    const said = await send(async request => {
      const outcomes: Promise<string>[] = []
      const parser = busboy({ headers: request.headers, limits: { fileSize: 100_000 } })
      parser.on('file', (_field, stream, { filename }) => {
        outcomes.push(storage.save(filename ?? null, stream).catch(({ name }) => name))
      })
      await pipeline(request, parser)
      expect(await Promise.all(outcomes)).toEqual(['FileTooLargeError'])
    })
    expect([said, await storage.exists('photo.bin')]).toEqual(['stored', false])
  })

  it('from a web request: its form, its body, its Blob', async () => {
    const form = new FormData()
    form.set('upload', new File([bytes], 'form.bin'))
    const request = new Request('http://localhost/', { method: 'POST', body: form })
    await storage.save(null, (await request.formData()).get('upload') as File)
    expect(await isStored(storage, 'form.bin')).toBe(true)

    const post = () => new Request('http://localhost/', { method: 'POST', body: bytes })
    const contents: readonly Content[] = [
      post().body ?? '',
      await post().blob(),
      await post().arrayBuffer(),
    ]
    for (const [n, content] of contents.entries()) {
      const name = await storage.save(`body-${n}.bin`, content)
      expect(await isStored(storage, name)).toBe(true)
    }
  })

  it('from a request of Node, and its body from any stream in between', async () => {
    const said = await send(async request => {
      const counted = request.pipe(
        new Transform({ transform: (chunk, _encoding, done) => done(null, chunk) }),
      )
      await storage.save('raw.bin', counted)
    })
    expect(said).toBe('stored')
    expect(await storage.size('raw.bin')).toBeGreaterThan(bytes.byteLength)
  })

  it('not at all when the client goes away half-way', async () => {
    const failure = new Promise<unknown>(resolve => {
      const controller = new AbortController()
      const server = createServer(request => {
        storage.save('half.bin', request).then(resolve, resolve)
        setTimeout(() => controller.abort(), 20)
      })
      servers.push(server)
      server.listen(0, '127.0.0.1', () => {
        const { port } = server.address() as AddressInfo
        const body = new ReadableStream<Uint8Array>({
          async pull(stream) {
            stream.enqueue(bytes)
            await new Promise(next => setTimeout(next, 20))
          },
        })
        const options = { method: 'POST', body, duplex: 'half', signal: controller.signal } as const
        fetch(`http://127.0.0.1:${port}/`, options as RequestInit).catch(() => {})
      })
    })
    expect(await failure).toMatchObject({ code: 'ECONNRESET' })
    expect(await storage.exists('half.bin')).toBe(false)
  })
})

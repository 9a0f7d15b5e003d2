import { randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import { gunzipSync } from 'node:zlib'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { S3Storage, type S3StorageOptions } from '../../src/s3.ts'
import { Stage } from './stage.ts'

let stage: Stage

beforeAll(async () => {
  stage = await Stage.start()
})

beforeEach(() => {
  stage.seen.length = 0
})

afterAll(() => stage.close())

function connect(options: S3StorageOptions = {}): S3Storage {
  const { accessKey, secretKey } = stage.server
  return new S3Storage({
    endpointUrl: stage.endpoint,
    accessKey,
    secretKey,
    bucketName: 'media',
    gzip: true,
    ...options,
  })
}

/** What the bucket holds, as any HTTP client gets it that does not unpack. */
async function stored(name: string): Promise<Buffer> {
  const plain = connect({ gzip: false })
  return Buffer.from(await (await plain.file(name)).bytes())
}

const css = 'a{color:red}\n'.repeat(1000)

async function* pieces(text: string): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < text.length; at += 1000)
    yield new TextEncoder().encode(text.slice(at, at + 1000))
}

describe('gzip', () => {
  it.each([
    ['a string', () => css],
    ['bytes', () => new TextEncoder().encode(css)],
    ['a Blob', () => new Blob([css])],
    ['a stream', () => pieces(css)],
    ['a Node stream', () => Readable.from([css])],
  ])('compresses %s, with the length of what is sent', async (_kind, content) => {
    await connect().save('site.css', content())
    const { headers, body } = stage.last('PUT')
    expect(headers).toMatchObject({
      'content-type': 'text/css',
      'content-encoding': 'gzip',
      'content-length': String(body.byteLength),
    })
    expect(gunzipSync(body).toString()).toBe(css)
    expect(body.byteLength).toBeLessThan(css.length / 10)
  })

  it('gives equal bytes each time, on every system, however the content comes', async () => {
    await connect().save('a.css', css)
    const first = stage.last('PUT').body
    await connect().save('a.css', pieces(css))
    const second = stage.last('PUT').body
    // No time, the best compression, and the system that Python names (RFC 1952).
    expect(first.subarray(0, 10).toString('hex')).toBe('1f8b0800000000000203')
    expect(second.subarray(0, 10).toString('hex')).toBe('1f8b0800000000000203')
    await connect().save('a.css', css)
    expect(stage.last('PUT').body.equals(first)).toBe(true)
  })

  it('compresses in parts what is large, in constant memory', async () => {
    const large = randomBytes(9 * 1024 * 1024)
    async function* noise(): AsyncGenerator<Uint8Array> {
      for (let at = 0; at < large.length; at += 65_536) yield large.subarray(at, at + 65_536)
    }
    const transferConfig = { partSize: 5 * 1024 * 1024 }
    await connect({ transferConfig }).save('large.css', noise())
    expect(stage.seen[0]?.headers['content-encoding']).toBe('gzip')
    const sizes = stage.seen
      .filter(({ query }) => query.includes('partNumber='))
      .map(seen => seen.body.byteLength)
    expect(sizes[0]).toBe(5 * 1024 * 1024)
    expect(gunzipSync(await stored('large.css')).equals(large)).toBe(true)
  })

  it('keeps what a save promises: no name is taken twice', async () => {
    const storage = connect({ fileOverwrite: false })
    const names = await Promise.all(
      [1, 2, 3].map(n => storage.save('same.css', pieces(`${n}${css}`))),
    )
    expect(new Set(names).size).toBe(3)
    const contents = await Promise.all(
      names.map(async name => gunzipSync(await stored(name)).toString()),
    )
    expect(new Set(contents.map(text => text[0]))).toEqual(new Set(['1', '2', '3']))
  })

  it('tells of progress in bytes of the file', async () => {
    const heard: { loaded: number; total?: number }[] = []
    await connect().save('site.css', css, { onProgress: progress => heard.push(progress) })
    expect(heard.at(-1)).toEqual({ loaded: css.length, total: css.length })
  })

  it('hands the failure of a source on, and stores nothing', async () => {
    const failure = new Error('the disk is gone')
    async function* failing(): AsyncGenerator<Uint8Array> {
      yield new TextEncoder().encode(css)
      throw failure
    }
    await expect(connect().save('failed.css', failing())).rejects.toBe(failure)
    expect(await connect().exists('failed.css')).toBe(false)
    expect(stage.server.openUploads()).toBe(0)
  })

  it.each([1_000_000, 20_000_000])(
    'compresses none of %i bytes when they are given away meanwhile, or all',
    async size => {
      const bytes = new Uint8Array(randomBytes(size))
      const saving = connect()
        .save('given.css', bytes)
        .catch((error: Error) => error.name)
      await new Promise(resolve => setTimeout(resolve, 20))
      structuredClone(bytes.buffer, { transfer: [bytes.buffer] })
      // Node itself would end the process here.
      if ((await saving) === 'given.css')
        expect(gunzipSync(await stored('given.css'))).toHaveLength(size)
      else expect(await saving).toBe('ValidationError')
    },
  )

  it('ends with a cancellation, and lets go of the source', async () => {
    let ended = false
    async function* endless(): AsyncGenerator<Uint8Array> {
      try {
        for (;;) {
          yield randomBytes(65_536)
          await new Promise(resolve => setTimeout(resolve, 5))
        }
      } finally {
        ended = true
      }
    }
    const reason = new Error('enough')
    const controller = new AbortController()
    setTimeout(() => controller.abort(reason), 100)
    const saving = connect().save('endless.css', endless(), { signal: controller.signal })
    await expect(saving).rejects.toBe(reason)
    await expect.poll(() => ended).toBe(true)
  })

  it('leaves alone what has an encoding, what another type has, and what is no save', async () => {
    const storage = connect()
    await storage.save('own.css', css, { contentEncoding: 'identity' })
    await storage.save('plain.txt', css)
    await storage.save('typed.css', css, { contentType: 'text/plain' })
    await storage.save('drawing.svgz', css)
    const writer = await storage.open('written.css', 'w')
    await writer.write(css)
    await writer.close()
    for (const name of ['own.css', 'plain.txt', 'typed.css', 'drawing.svgz', 'written.css'])
      expect((await stored(name)).toString()).toBe(css)
  })

  it('takes the type without its parameters', async () => {
    await connect().save('site', css, { contentType: 'text/css; charset=utf-8' })
    expect(stage.last('PUT').headers['content-encoding']).toBe('gzip')
  })

  it('does not compress a copy', async () => {
    await connect({ gzip: false }).save('plain.css', css)
    const storage = connect({ fileOverwrite: false })
    const copy = await storage.copy('plain.css', 'copy.css')
    expect((await stored(copy)).toString()).toBe(css)
    await connect().save('packed.css', css)
    const packed = await storage.copy('packed.css', 'packed-copy.css')
    expect(gunzipSync(await stored(packed)).toString()).toBe(css)
    expect((await storage.stat(packed)).contentEncoding).toBe('gzip')
  })
})

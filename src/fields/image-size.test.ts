import { describe, expect, it } from 'vitest'
import { ContentFile } from '../core/content-file.ts'
import { readImage } from './image-size.ts'
import { Upload } from './upload.ts'

type Part = string | readonly number[]

/** Latin-1 texts and bytes in a row. */
function bytesOf(...parts: readonly Part[]): Uint8Array {
  return Uint8Array.from(
    parts.flatMap(part =>
      typeof part === 'string' ? [...part].map(letter => letter.charCodeAt(0)) : part,
    ),
  )
}

const u16 = (value: number): number[] => [value >> 8, value & 255]
const u32 = (value: number): number[] => [...u16(value >>> 16), ...u16(value & 65_535)]

function png(width: number, height: number): Uint8Array {
  return bytesOf('\x89PNG\r\n\x1a\n', u32(13), 'IHDR', u32(width), u32(height), [8, 2, 0, 0, 0])
}

/** A JPEG of 40 × 30 whose header is all there is; `before` stands in front of the size. */
function jpeg(before: readonly Part[] = []): Uint8Array {
  const quantisation = [0xff, 0xdb, ...u16(67), ...Array.from({ length: 65 }, () => 1)]
  const frame = [0xff, 0xc0, ...u16(17), 8, ...u16(30), ...u16(40), 3]
  return bytesOf([0xff, 0xd8], ...before, quantisation, frame, [1, 34, 0, 2, 17, 1, 3, 17, 1])
}

function exif(orientation: number): Part[] {
  const entry = [...u16(274), ...u16(3), ...u32(1), ...u16(orientation), 0, 0]
  const tiff = ['MM\0*', u32(8), u16(1), entry, u32(0)]
  const body = bytesOf('Exif\0\0', ...tiff)
  return [[0xff, 0xe1], u16(body.length + 2), [...body]]
}

function box(type: string, ...parts: readonly Part[]): number[] {
  const body = bytesOf(...parts)
  return [...u32(body.length + 8), ...bytesOf(type), ...body]
}

function heic(...properties: readonly number[][]): Uint8Array {
  const size = box('ispe', u32(0), u32(40), u32(30))
  const container = box('ipco', size, ...properties)
  return bytesOf(
    box('ftyp', 'heic', u32(0), 'mif1heic'),
    box('meta', u32(0), box('iprp', container)),
  )
}

async function sizeOf(content: Uint8Array | string, name = 'image', maxPixels?: number) {
  return await readImage(new Upload(name, new ContentFile(content, name)), { maxPixels })
}

describe('the size of an image', () => {
  it.each<[string, Uint8Array, string]>([
    ['PNG', png(40, 30), 'image/png'],
    ['JPEG', jpeg(), 'image/jpeg'],
    ['GIF', bytesOf('GIF89a', [40, 0, 30, 0, 0, 0, 0]), 'image/gif'],
    [
      'WebP',
      bytesOf('RIFF', u32(22), 'WEBPVP8X', u32(0), [0, 0, 0, 0, 39, 0, 0, 29, 0, 0]),
      'image/webp',
    ],
    [
      'BMP',
      bytesOf('BM', u32(0), u32(0), u32(0), [40, 0, 0, 0, 40, 0, 0, 0, 30, 0, 0, 0]),
      'image/bmp',
    ],
    ['HEIC', heic(), 'image/heic'],
  ])('is read from the header of a %s', async (_format, content, type) => {
    expect(await sizeOf(content)).toEqual({ width: 40, height: 30, type })
  })

  it.each([1, 2, 3, 4])('is as it is declared under the EXIF orientation %i', async orientation => {
    expect(await sizeOf(jpeg(exif(orientation)))).toMatchObject({ width: 40, height: 30 })
  })

  it.each([5, 6, 7, 8])('is turned as the EXIF orientation %i says', async orientation => {
    expect(await sizeOf(jpeg(exif(orientation)))).toMatchObject({ width: 30, height: 40 })
  })

  it.each([0, 9, 65_535])(
    'is not turned by the orientation %i, which says nothing',
    async orientation => {
      expect(await sizeOf(jpeg(exif(orientation)))).toMatchObject({ width: 40, height: 30 })
    },
  )

  it('is turned as the image of a HEIC is', async () => {
    expect(await sizeOf(heic(box('irot', [1])))).toMatchObject({ width: 30, height: 40 })
    expect(await sizeOf(heic(box('irot', [2])))).toMatchObject({ width: 40, height: 30 })
    expect(await sizeOf(heic(box('irot', [3])))).toMatchObject({ width: 30, height: 40 })
  })

  it('is found behind large blocks of metadata', async () => {
    const block = [[0xff, 0xe2], u16(65_000), Array.from({ length: 64_998 }, () => 7)]
    const blocks = Array.from({ length: 8 }, () => block).flat()
    expect(await sizeOf(jpeg(blocks))).toMatchObject({ width: 40, height: 30 })
  })

  it('is taken from the first kilobytes of a stream, which goes on whole', async () => {
    let given = 0
    async function* stream() {
      yield png(40, 30)
      for (; given < 100; given++) yield new Uint8Array(16_384)
    }
    const upload = new Upload('a.png', stream())
    expect(await readImage(upload)).toMatchObject({ width: 40, height: 30 })
    expect(given).toBeLessThan(3)
    let length = 0
    for await (const chunk of upload.content() as AsyncIterable<Uint8Array>) length += chunk.length
    expect(length).toBe(png(40, 30).length + 100 * 16_384)
  })
})

describe('an image is refused', () => {
  it.each<[string, Uint8Array]>([
    ['PNG', png(30_000, 30_000)],
    ['PNG of 2³¹ pixels a side', png(2 ** 31, 2 ** 31)],
    ['GIF', bytesOf('GIF89a', [255, 255, 255, 255, 0, 0, 0])],
  ])('if it declares more than it may: a %s', async (_format, content) => {
    await expect(sizeOf(content)).rejects.toMatchObject({ name: 'InvalidImageError' })
  })

  it('at one pixel more than was said', async () => {
    await expect(sizeOf(png(11, 10), 'a.png', 100)).rejects.toThrow('11 × 10 pixels, more than 100')
    expect(await sizeOf(png(10, 10), 'a.png', 100)).toMatchObject({ width: 10 })
  })

  it.each<[string, Uint8Array | string, string]>([
    ['an SVG document', '<svg xmlns="http://www.w3.org/2000/svg"/>', 'a.png'],
    ['an SVG document behind a comment', `<?xml version="1.0"?><!-- x --><svg>`, 'a.svg'],
    ['an SVG document in capitals behind a byte order mark', '\ufeff<SVG onload="x()">', 'a.svg'],
    ['an SVG document that begins late', `<!--${' '.repeat(4000)}--><svg>`, 'a.svg'],
    ['a raster image under the name of an SVG', png(1, 1), 'a.svg'],
    ['a page under the name of an image', '<!doctype html><script>x()</script>', 'a.png'],
    ['an image under the name of a page', png(1, 1), 'a.html'],
    ['an image under the name of a script', png(1, 1), 'a.js'],
    ['an empty file', '', 'a.png'],
    ['text', 'no image', 'a.png'],
    ['an image that is cut off', png(40, 30).slice(0, 18), 'a.png'],
    ['an image without a size', png(0, 30), 'a.png'],
    ['a JPEG without a frame', bytesOf([0xff, 0xd8, 0xff, 0xe0, 0, 4, 0, 0]), 'a.jpg'],
  ])('if it is %s', async (_what, content, name) => {
    await expect(sizeOf(content, name)).rejects.toMatchObject({
      name: 'InvalidImageError',
      file: name,
    })
  })

  it('soon, however many boxes were made to be walked through', async () => {
    const one = box('ispe', u32(0), u32(0), u32(0))
    const many = Array.from({ length: 50_000 }, () => one).flat()
    const content = Uint8Array.from([
      ...box('ftyp', 'heic', u32(0)),
      ...u32(many.length + 28),
      ...bytesOf('meta', u32(0)),
      ...u32(many.length + 16),
      ...bytesOf('iprp'),
      ...u32(many.length + 8),
      ...bytesOf('ipco'),
    ])
    const whole = new Uint8Array(content.length + many.length)
    whole.set(content)
    whole.set(many, content.length)
    const upload = new Upload('a.heic', new ContentFile(whole, 'a.heic'))
    let read = 0
    const { name, size, type } = upload
    const head = async (bytes: number) => {
      read = Math.max(read, bytes)
      return await upload.head(bytes)
    }
    await expect(readImage({ name, size, type, head })).rejects.toThrow('its size cannot be read')
    expect(read).toBeLessThanOrEqual(65_536)
  })
})

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

const le32 = (value: number): number[] => u32(value).toReversed()

function png(width: number, height: number): Uint8Array {
  return bytesOf('\x89PNG\r\n\x1a\n', u32(13), 'IHDR', u32(width), u32(height), [8, 2, 0, 0, 0])
}

/** A JPEG of 40 × 30 whose header is all there is; `before` stands in front of the size. */
function jpeg(before: readonly Part[] = []): Uint8Array {
  const quantisation = [0xff, 0xdb, ...u16(67), ...Array.from({ length: 65 }, () => 1)]
  const frame = [0xff, 0xc0, ...u16(17), 8, ...u16(30), ...u16(40), 3]
  return bytesOf([0xff, 0xd8], ...before, quantisation, frame, [1, 34, 0, 2, 17, 1, 3, 17, 1])
}

function tiff(orientation: number, directory = 8): Uint8Array {
  const entry = [...u16(274), ...u16(3), ...u32(1), ...u16(orientation), 0, 0]
  return bytesOf('MM\0*', u32(directory), u16(1), entry, u32(0))
}

function pngChunk(type: string, data: number | readonly number[]): number[] {
  const bytes = typeof data === 'number' ? Array.from({ length: data }, () => 7) : data
  return [...u32(bytes.length), ...bytesOf(type), ...bytes, 0, 0, 0, 0]
}

/** A PNG of 40 × 30 with these behind its header. */
function pngWith(chunks: readonly number[][]): Uint8Array {
  return bytesOf([...png(40, 30)], u32(0), ...chunks)
}

/** A WebP of 40 × 30 that says that it has EXIF, behind so many bytes of pixels. */
function webp(exif: Uint8Array | undefined, pixels: number): Uint8Array {
  const chunk = (type: string, bytes: ArrayLike<number>): Part[] => [
    type,
    le32(bytes.length),
    Array.from(bytes),
    bytes.length % 2 === 1 ? [0] : [],
  ]
  const header = chunk('VP8X', [0b1000, 0, 0, 0, 39, 0, 0, 29, 0, 0])
  const image = chunk('VP8 ', new Uint8Array(pixels))
  const body = bytesOf('WEBP', ...header, ...image, ...(exif ? chunk('EXIF', exif) : []))
  return bytesOf('RIFF', le32(body.length), [...body])
}

function exif(orientation: number): Part[] {
  const body = bytesOf('Exif\0\0', [...tiff(orientation)])
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

  it.each([1, 3, 6, 8])('is turned as EXIF of a PNG says: %i', async orientation => {
    const size = orientation > 4 ? { width: 30, height: 40 } : { width: 40, height: 30 }
    const chunks = [pngChunk('iCCP', 20_000), pngChunk('eXIf', [...tiff(orientation)])]
    expect(await sizeOf(pngWith(chunks))).toMatchObject(size)
    // Behind the pixels browsers do not look for it.
    const late = pngWith([pngChunk('IDAT', 70_000), pngChunk('eXIf', [...tiff(orientation)])])
    expect(await sizeOf(late)).toMatchObject({ width: 40, height: 30 })
  })

  it.each([1, 3, 6, 8])('is turned as EXIF of a WebP says, behind the pixels: %i', async turn => {
    const size = turn > 4 ? { width: 30, height: 40 } : { width: 40, height: 30 }
    expect(await sizeOf(webp(tiff(turn), 60_001))).toMatchObject(size)
    expect(await sizeOf(webp(bytesOf('Exif\0\0', [...tiff(turn)]), 10))).toMatchObject(size)
  })

  it('is turned as EXIF of a WebP says, however far behind', async () => {
    const start = bytesOf(
      ...['RIFF', le32(1_200_000), 'WEBP'],
      ...['VP8X', le32(10), [0b1000, 0, 0, 0, 39, 0, 0, 29, 0, 0], 'VP8 ', le32(1_100_000)],
    )
    const far = (end: Uint8Array): Blob =>
      new Blob([start, new Uint8Array(1_100_000), end] as Uint8Array<ArrayBuffer>[])
    const end = bytesOf('EXIF', le32(tiff(6).length), [...tiff(6)])
    const size = async (content: Blob) => await readImage(new Upload('a.webp', content))
    expect(await size(far(end))).toMatchObject({ width: 30, height: 40 })
    expect(await size(far(bytesOf()))).toMatchObject({ width: 40, height: 30 })
  })

  it.each([0, 500, 2_000_000])(
    'is read from the directory of a TIFF, behind %i bytes',
    async gap => {
      const place = 8 + gap
      const entry = (tag: number, value: number) => [
        ...u16(tag),
        ...u16(3),
        ...u32(1),
        ...u16(value),
        0,
        0,
      ]
      const directory = [
        ...u16(3),
        ...entry(256, 40),
        ...entry(257, 30),
        ...entry(274, 6),
        ...u32(0),
      ]
      const content = new Uint8Array(place + directory.length)
      content.set(bytesOf('MM\0*', u32(place)))
      content.set(directory, place)
      const shown = { width: 30, height: 40, type: 'image/tiff' }
      expect(await sizeOf(content)).toEqual(shown)
      expect(await readImage(new Upload('a.tif', new Blob([content]).stream()))).toEqual(shown)
      await expect(sizeOf(content.subarray(0, place + 1))).rejects.toThrow('cannot be read')
    },
  )

  it('is read from a JPEG that fills up its markers', async () => {
    const segment = [0xff, 0xff, 0xff, 0xe0, ...u16(4), 0, 0]
    expect(await sizeOf(jpeg([segment, segment]))).toMatchObject({ width: 40, height: 30 })
  })

  it.each<[string, Uint8Array]>([
    ['a PNG whose EXIF points behind its end', pngWith([pngChunk('eXIf', [...tiff(6, 4000)])])],
    ['a PNG whose EXIF is empty', pngWith([pngChunk('eXIf', 0)])],
    ['a PNG whose EXIF never ends', pngWith([[...u32(2 ** 31), ...bytesOf('eXIf')]])],
    ['a PNG whose chunks are none', pngWith([[0, 0, 0, 0, 0, 0, 0, 0]])],
    ['a WebP that promises EXIF and has none', webp(undefined, 10)],
    ['a WebP whose EXIF is text', webp(bytesOf('no structure at all'), 10)],
  ])('is as declared in %s', async (_what, content) => {
    expect(await sizeOf(content)).toMatchObject({ width: 40, height: 30 })
  })

  it('is that of the largest image of an icon, whatever its directory says of a PNG', async () => {
    const entry = (side: number, offset: number): number[] => [
      ...[side, side, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
      ...le32(offset),
    ]
    const icon = (...entries: number[][]): Uint8Array =>
      bytesOf([0, 0, 1, 0, entries.length, 0], ...entries, Array(20_000).fill(0), [
        ...png(512, 300),
      ])
    // Behind the first kilobytes that are looked at.
    const behind = (entries: number): number => 6 + entries * 16 + 20_000
    expect(await sizeOf(icon(entry(0, behind(2)), entry(48, 100)))).toMatchObject({
      width: 512,
      height: 300,
    })
    expect(await sizeOf(icon(entry(16, 100), entry(48, 9000)))).toMatchObject({ width: 48 })
    expect(await sizeOf(icon(entry(0, 100)))).toMatchObject({ width: 256, height: 256 })
    await expect(sizeOf(icon(entry(16, behind(1))), 'a.ico', 512 * 300 - 1)).rejects.toThrow(
      '512 × 300 pixels',
    )
    await expect(sizeOf(icon(entry(16, 100), entry(16, 2 ** 31)))).rejects.toThrow(
      'its size cannot be read',
    )
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

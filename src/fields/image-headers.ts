import { latin1 } from './sniff.ts'

/**
 * Orientation that EXIF gives a PNG (chunk `eXIf`, https://www.w3.org/TR/png-3/#eXIf, in front of the
 * pixels, where browsers heed it) or a WebP (chunk `EXIF` of the extended format,
 * https://developers.google.com/speed/webp/docs/riff_container#metadata, behind them): the library
 * that reads sizes knows that of JPEG only.
 *
 * @returns 1 to 8; `undefined` when what tells it may stand behind these bytes
 */
export function exifOrientation(head: Uint8Array, type: string): number | undefined {
  if (type === 'image/png') return orientationAmong(pngChunks(head), 'eXIf', 'IDAT')
  if (type === 'image/webp' && hasExif(head)) return orientationAmong(webpChunks(head), 'EXIF')
  return unturned
}

/**
 * Largest size of the images in an icon, each of which may be a whole PNG: what the directory says of
 * it is another matter then.
 *
 * @returns `undefined` for none
 * @throws RangeError when an image begins behind these bytes
 */
export function iconSize(head: Uint8Array): Size | undefined {
  const view = viewOf(head)
  let largest: Size | undefined
  const count = view.getUint16(4, true)
  for (let entry = 6; entry < 6 + count * 16; entry += 16) {
    const side = (at: number): number => view.getUint8(at) || 256
    const declared = { width: side(entry), height: side(entry + 1) }
    const image = view.getUint32(entry + 12, true)
    if (image + pngHeader > head.byteLength) throw new RangeError('an image lies further behind')
    const size = pngSize(head.subarray(image)) ?? declared
    if (largest === undefined || size.width * size.height > largest.width * largest.height)
      largest = size
  }
  return largest
}

/** Reads bytes from anywhere in an image; fewer where it ends. */
export type Part = (start: number, end: number) => Promise<Uint8Array>

/** Chunks of a WebP that are walked over: an animation has one for each frame. */
const maxChunks = 256
/** Entries of a TIFF's directory that are looked at; size and orientation are among the first. */
const maxEntries = 512

/** Orientation of a WebP whose EXIF stands far behind: what is between is not read. */
export async function webpOrientation(part: Part): Promise<number> {
  let at = 12
  for (let count = 0; count < maxChunks; count++) {
    const header = await part(at, at + 8)
    if (header.byteLength < 8) break
    const length = viewOf(header).getUint32(4, true)
    if (textAt(header, 0, 4) === 'EXIF')
      return orientationOf(await part(at + 8, at + 8 + Math.min(length, 65_536)))
    at += 8 + length + (length % 2)
  }
  return unturned
}

/**
 * Size and orientation of a TIFF by its first directory, which most programs write behind the pixels.
 *
 * @returns `undefined` for none
 */
export async function tiffSize(
  part: Part,
): Promise<(Size & { readonly orientation: number }) | undefined> {
  const header = await part(0, 8)
  if (header.byteLength < 8) return undefined
  const isLittle = textAt(header, 0, 2) === 'II'
  const start = viewOf(header).getUint32(4, isLittle)
  const view = viewOf(await part(start, start + 2 + maxEntries * 12))
  const values = new Map<number, number>()
  const count = view.byteLength < 2 ? 0 : view.getUint16(0, isLittle)
  const end = Math.min(2 + count * 12, view.byteLength - 11)
  for (let entry = 2; entry < end; entry += 12) {
    const isShort = view.getUint16(entry + 2, isLittle) === 3
    const value = isShort
      ? view.getUint16(entry + 8, isLittle)
      : view.getUint32(entry + 8, isLittle)
    values.set(view.getUint16(entry, isLittle), value)
  }
  const [width, height] = [values.get(256), values.get(257)]
  if (width === undefined || height === undefined) return undefined
  return { width, height, orientation: values.get(274) ?? unturned }
}

/** A JPEG without the fill bytes that may stand in front of each marker (ITU-T T.81, B.1.1.2). */
export function withoutFill(head: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const kept: number[] = []
  let at = 2
  let from = 0
  while (head[at] === 0xff && head[at + 1] !== 0xda && at + 4 <= head.byteLength) {
    if (head[at + 1] === 0xff) {
      kept.push(from, at)
      from = ++at
    } else at += 2 + viewOf(head).getUint16(at + 2)
  }
  if (kept.length === 0) return head
  const result = new Uint8Array(head.byteLength - kept.length / 2)
  let length = 0
  for (let i = 0; i < kept.length; i += 2) {
    const piece = head.subarray(kept[i], kept[i + 1])
    result.set(piece, length)
    length += piece.byteLength
  }
  result.set(head.subarray(from), length)
  return result
}

/** In pixels. */
interface Size {
  readonly width: number
  readonly height: number
}

interface Chunk {
  readonly type: string
  /** `undefined` when they go on behind the end of what was read. */
  readonly bytes: Uint8Array | undefined
}

const unturned = 1
const pngSignature = '\x89PNG\r\n\x1a\n'

/** Bytes up to the end of the size. */
const pngHeader = 24

function pngSize(image: Uint8Array): Size | undefined {
  if (textAt(image, 0, 8) !== pngSignature) return undefined
  const view = viewOf(image)
  return { width: view.getUint32(16), height: view.getUint32(20) }
}

/** In order; ends without a value behind the last, and where a chunk is none. */
function* pngChunks(head: Uint8Array): Generator<Chunk, 'cut' | undefined> {
  const view = viewOf(head)
  let at = pngSignature.length
  while (at + 8 <= head.byteLength) {
    const type = textAt(head, at + 4, 4)
    if (!/^[A-Za-z]{4}$/.test(type)) return undefined
    const end = at + 8 + view.getUint32(at)
    yield { type, bytes: part(head, at + 8, end) }
    // The checksum follows.
    at = end + 4
  }
  return 'cut'
}

function* webpChunks(head: Uint8Array): Generator<Chunk, 'cut' | undefined> {
  const view = viewOf(head)
  let at = 12
  while (at + 8 <= head.byteLength) {
    const type = textAt(head, at, 4)
    const end = at + 8 + view.getUint32(at + 4, true)
    yield { type, bytes: part(head, at + 8, end) }
    at = end + (end % 2)
  }
  return at < 8 + view.getUint32(4, true) ? 'cut' : undefined
}

/** What the header of the extended format says. */
function hasExif(head: Uint8Array): boolean {
  return textAt(head, 12, 4) === 'VP8X' && ((head[20] ?? 0) & 0b1000) !== 0
}

function orientationAmong(
  chunks: Generator<Chunk, 'cut' | undefined>,
  wanted: string,
  last?: string,
): number | undefined {
  for (;;) {
    const { done, value } = chunks.next()
    if (done === true) return value === 'cut' ? undefined : unturned
    if (value.type === wanted) return value.bytes && orientationOf(value.bytes)
    if (value.type === last) return unturned
  }
}

/** Of the first directory of a TIFF structure: tag 274, a number of 16 bits (EXIF 2.32, 4.6.4). */
function orientationOf(exif: Uint8Array): number {
  // Some writers put the marker of JPEG in front.
  const tiff = textAt(exif, 0, 6) === 'Exif\0\0' ? exif.subarray(6) : exif
  const isLittle = textAt(tiff, 0, 2) === 'II'
  const view = viewOf(tiff)
  try {
    const directory = view.getUint32(4, isLittle)
    const count = view.getUint16(directory, isLittle)
    for (let entry = directory + 2; entry < directory + 2 + count * 12; entry += 12) {
      if (view.getUint16(entry, isLittle) === 274) return view.getUint16(entry + 8, isLittle)
    }
  } catch (error) {
    // A structure that points behind its end says nothing.
    if (!(error instanceof RangeError)) throw error
  }
  return unturned
}

function part(bytes: Uint8Array, start: number, end: number): Uint8Array | undefined {
  return end <= bytes.byteLength ? bytes.subarray(start, end) : undefined
}

function textAt(bytes: Uint8Array, at: number, length: number): string {
  return latin1(bytes.subarray(at, at + length))
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

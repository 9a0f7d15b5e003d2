import { imageSize } from 'image-size'
import type { Bytes } from '../core/bytes.ts'
import { InvalidImageError } from '../core/errors.ts'
import { quoteName } from '../core/quote.ts'
import {
  exifOrientation,
  iconSize,
  type Part,
  tiffSize,
  webpOrientation,
  withoutFill,
} from './image-headers.ts'
import { sniffLength, sniffType } from './sniff.ts'
import { namedTypes, type UploadedFile } from './upload.ts'

/** An image as it is shown: width and height in pixels after its EXIF orientation. */
export interface ImageSize {
  readonly width: number
  readonly height: number
  /** MIME type by content. */
  readonly type: string
}

/**
 * Most pixels that an image may declare: what decodes to a quarter of a gibibyte at three bytes
 * each, the limit of Python's Pillow.
 */
export const defaultMaxPixels: number = 89_478_485

/** How much is read, in bytes, until the size is found: large EXIF blocks stand in front of it. */
const longestHead = 1_048_576
const headLengths = [16_384, 131_072, longestHead]
/**
 * Of HEIF. The library walks to the end from each of its boxes: a mebibyte of them, made for it, would
 * take a quarter of a minute.
 */
const boxedHeadLengths = [16_384, 65_536]
const boxedTypes: readonly string[] = ['image/heic', 'image/avif']

/**
 * Size of a raster image from its first bytes; the rest is not read and nothing is decoded.
 *
 * @throws InvalidImageError for what is no image of a known format, for SVG (a document that can
 *   hold scripts), for a name of another kind, and for more than `maxPixels`
 */
export async function readImage(
  file: UploadedFile,
  options: { readonly maxPixels?: number | undefined } = {},
): Promise<ImageSize> {
  const type = sniffType(await file.head(sniffLength))
  checkType(file, type)
  const size = await (type === 'image/tiff' ? readTiff(file, type) : readSize(file, type))
  const maxPixels = options.maxPixels ?? defaultMaxPixels
  if (size.width * size.height > maxPixels) {
    throw refusal(file, `it has ${size.width} × ${size.height} pixels, more than ${maxPixels}`)
  }
  return size
}

function checkType(file: UploadedFile, type: string): void {
  if (type === 'image/svg+xml')
    throw refusal(file, 'it is an SVG document, which can hold scripts; keep it in a FileField')
  if (!type.startsWith('image/')) throw refusal(file, 'its content is no image of a known format')
  for (const named of namedTypes(file)) {
    // Served under such a name, the same bytes would be a page or a script.
    if (!named.startsWith('image/') || named === 'image/svg+xml')
      throw refusal(file, `its name is one of ${named}, its content of ${type}`)
  }
}

async function readSize(file: UploadedFile, type: string): Promise<ImageSize> {
  let read = -1
  let failure: unknown
  let found: DeclaredSize | undefined
  for (const length of boxedTypes.includes(type) ? boxedHeadLengths : headLengths) {
    const head = await file.head(length)
    if (head.byteLength === read) break
    read = head.byteLength
    try {
      found = declaredSize(head, type)
    } catch (error) {
      // Perhaps only because the size stands further behind.
      failure = error
      continue
    }
    const orientation = orientationIn(head, type, found)
    if (orientation !== undefined) return shownSize(found, orientation, type)
  }
  if (found === undefined) throw refusal(file, 'its size cannot be read', failure)
  const isBehind = type === 'image/webp' && found.orientation === undefined
  return shownSize(found, isBehind ? await webpOrientation(partsOf(file)) : unturned, type)
}

/** Its directory may stand anywhere, and the library that reads sizes does not tell its orientation. */
async function readTiff(file: UploadedFile, type: string): Promise<ImageSize> {
  const size = await tiffSize(partsOf(file))
  if (size === undefined || size.width === 0 || size.height === 0)
    throw refusal(file, 'its size cannot be read')
  return shownSize(size, size.orientation, type)
}

function partsOf(file: UploadedFile): Part {
  return async (start, end) =>
    (await file.part?.(start, end)) ?? (await file.head(Math.min(end, longestHead))).subarray(start)
}

const iconType = 'image/vnd.microsoft.icon'

/** As the library gives it. */
interface DeclaredSize {
  readonly width: number
  readonly height: number
  readonly orientation?: number | undefined
}

/** @throws TypeError for what has none */
function declaredSize(head: Bytes, type: string): DeclaredSize {
  const size = imageSize(type === 'image/jpeg' ? withoutFill(head) : head)
  const { width, height } = (type === iconType ? iconSize(head) : undefined) ?? size
  if (!(Number.isSafeInteger(width) && Number.isSafeInteger(height) && width > 0 && height > 0))
    throw new TypeError('the declared size is none')
  return { width, height, orientation: size.orientation }
}

/** `undefined` when it may stand behind these bytes. */
function orientationIn(head: Bytes, type: string, size: DeclaredSize): number | undefined {
  if (boxedTypes.includes(type) && isTurned(head)) return turned
  return size.orientation ?? exifOrientation(head, type)
}

/** EXIF's orientations that lie on the side: from this one to the last. */
const turned = 5
const lastOrientation = 8
const unturned = 1

function shownSize({ width, height }: DeclaredSize, orientation: number, type: string): ImageSize {
  const isTurned = orientation >= turned && orientation <= lastOrientation
  return isTurned ? { width: height, height: width, type } : { width, height, type }
}

/** Size and type of the box in front of a number of quarter turns. */
const turnBox = '\0\0\0\x09irot'

/** Whether HEIF's property `irot` (ISO 23008-12, 6.5.10) turns the image by 90° or 270°. */
function isTurned(head: Uint8Array): boolean {
  const box = Buffer.from(head.buffer, head.byteOffset, head.byteLength)
  const at = box.indexOf(turnBox, 0, 'latin1')
  return at !== -1 && ((box[at + turnBox.length] ?? 0) & 1) === 1
}

function refusal(file: UploadedFile, problem: string, cause?: unknown): InvalidImageError {
  return new InvalidImageError(`${quoteName(file.name)} is refused as an image: ${problem}.`, {
    file: file.name,
    cause,
  })
}

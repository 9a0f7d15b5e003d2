import { FileTooLargeError, ValidationError } from '../core/errors.ts'
import { baseName } from '../core/names.ts'
import { quoteName } from '../core/quote.ts'
import { readImage } from './image-size.ts'
import { isKnownType, isSvg, mayBe, plainType, sniffLength, sniffType, svgLength } from './sniff.ts'
import { namedTypes, type UploadedFile } from './upload.ts'

/** Looks at a file before anything of it is stored, and throws `ValidationError` to refuse it. */
export type FileValidator = (file: UploadedFile) => void | Promise<void>

/** A validator whose limit also ends a stream that turns out to be longer. */
export type SizeValidator = FileValidator & { readonly maxSize: number }

/**
 * Only names whose last suffix is one of these, of any case (Django's `FileExtensionValidator`).
 *
 * @param extensions without the dot
 */
export function allowExtensions(...extensions: readonly string[]): FileValidator {
  const allowed = extensions.map(extension => extension.toLowerCase().replace(/^\./, ''))
  return ({ name }) => {
    const extension = extensionOf(name)
    if (allowed.includes(extension)) return
    const shown = quoteName(extension).slice(1, -1)
    throw new ValidationError(
      `File extension “${shown}” is not allowed. Allowed extensions are: ${allowed.join(', ')}.`,
      { file: name },
    )
  }
}

/** As Python's `splitext`: leading dots begin no suffix. */
function extensionOf(name: string): string {
  const file = baseName(name.replaceAll('\\', '/')).replace(/^\.+/, '')
  const dot = file.lastIndexOf('.')
  return dot === -1 ? '' : file.slice(dot + 1).toLowerCase()
}

/**
 * Only files of at most so many bytes. A stream is ended where it exceeds them, and nothing of it
 * stays stored.
 *
 * @throws FileTooLargeError from the validator
 */
export function maxSize(bytes: number): SizeValidator {
  if (!(Number.isSafeInteger(bytes) && bytes >= 0))
    throw new ValidationError(`maxSize() takes a whole number of bytes, not ${bytes}.`)
  const validator: FileValidator = ({ name, size }) => {
    if (size === undefined || size <= bytes) return
    throw new FileTooLargeError(`The file has ${size} bytes; at most ${bytes} are allowed.`, {
      file: name,
    })
  }
  return Object.assign(validator, { maxSize: bytes })
}

/**
 * Only files whose content is of one of these MIME types, whatever the name and the browser say.
 * `image/*` stands for all images but SVG, which can hold scripts and has to be named. A content that
 * is of another type than its name, or the name that it will be stored under, is refused too.
 * Types that no signature tells apart (plain text, CSV, JSON, …) pass if the name says so and the
 * content is text.
 *
 * @throws ValidationError for a type that cannot be told by content, also from the validator
 */
export function allowTypes(...types: readonly string[]): FileValidator {
  const allowed = types.map(plainType)
  for (const [index, type] of allowed.entries()) {
    if (/^[^/*]+\/\*$/.test(type) || isKnownType(type)) continue
    throw new ValidationError(
      `allowTypes() cannot tell by content what is of the type ${quoteName(types[index] ?? '')}; allowExtensions() goes by names.`,
    )
  }
  return async file => {
    const sniffed = sniffType(await file.head(sniffLength))
    const named = namedTypes(file)
    for (const name of named.length === 0 ? [undefined] : named) {
      const found = await typeOf(file, sniffed, name && plainType(name))
      if (found.some(type => allowed.some(pattern => covers(pattern, type)))) continue
      throw new ValidationError(
        `${quoteName(file.name)} is of the type ${found.at(-1) ?? sniffed}; allowed are ${types.join(', ')}, under a name that fits.`,
        { file: file.name },
      )
    }
  }
}
/** What a content may be taken for under a name of this type; nothing if that is of another kind. */
async function typeOf(
  file: UploadedFile,
  sniffed: string,
  named: string | undefined,
): Promise<readonly string[]> {
  if (named === undefined) return [sniffed]
  const isLateSvg = named === 'image/svg+xml' && /^(application\/xml|text\/plain)$/.test(sniffed)
  if (isLateSvg && isSvg(await file.head(svgLength))) return [named]
  const isRecording = family.test(named) && family.test(sniffed)
  // A container's members decide, and the name tells which: .docx is a ZIP.
  if (mayBe(sniffed, named)) return isRecording ? [sniffed, named] : [named]
  return isRecording || withoutPrefix(named) === withoutPrefix(sniffed) ? [sniffed] : []
}

const family = /^(audio|video)\//

function withoutPrefix(type: string): string {
  return type.replace(/\/(x-|vnd\.)?/, '/')
}

function covers(pattern: string, type: string): boolean {
  if (!pattern.endsWith('/*')) return pattern === type
  return type !== 'image/svg+xml' && type.startsWith(pattern.slice(0, -1))
}

/**
 * Only raster images of a known format within `maxPixels`; the content decides, not the name.
 *
 * @throws InvalidImageError from the validator
 */
export function allowImages(
  options: { readonly maxPixels?: number | undefined } = {},
): FileValidator {
  return async file => {
    await readImage(file, options)
  }
}

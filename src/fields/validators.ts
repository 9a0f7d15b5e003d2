import { contentTypeOf } from '../core/content-type.ts'
import { FileTooLargeError, ValidationError } from '../core/errors.ts'
import { baseName } from '../core/names.ts'
import { quoteName } from '../core/quote.ts'
import { readImage } from './image-size.ts'
import { sniffLength, sniffType } from './sniff.ts'
import type { UploadedFile } from './upload.ts'

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
    throw new ValidationError(
      `File extension “${extension}” is not allowed. Allowed extensions are: ${allowed.join(', ')}.`,
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
 * `image/*` stands for all images but SVG, which can hold scripts and has to be named. A content that is of another type than its name is refused too.
 * Types that no signature tells apart (plain text, CSV, JSON, …) pass if the name says so and the
 * content is text.
 */
export function allowTypes(...types: readonly string[]): FileValidator {
  return async file => {
    const found = await typeOf(file)
    const named = contentTypeOf(file.name)
    const matches = types.some(type => covers(type, found))
    if (matches && (named === undefined || sameKind(named, found))) return
    throw new ValidationError(
      `${quoteName(file.name)} is of the type ${found}; allowed are ${types.join(', ')}, under a name that fits.`,
      { file: file.name },
    )
  }
}

async function typeOf(file: UploadedFile): Promise<string> {
  const head = await file.head(sniffLength)
  const type = sniffType(head)
  const named = contentTypeOf(file.name)
  // Text has no signature; what its name says about it is as good as any.
  if (type === 'text/plain' && named !== undefined && isText(named)) return named
  // A container's members decide, and the name tells which: .docx is a ZIP.
  if (
    type === 'application/zip' &&
    named !== undefined &&
    /openxml|opendocument|epub|java-archive/.test(named)
  )
    return named
  return type
}

function isText(type: string): boolean {
  return type.startsWith('text/') || /[/+](json|javascript|yaml|toml|sql)$/.test(type)
}

function covers(pattern: string, type: string): boolean {
  if (!pattern.endsWith('/*')) return pattern === type
  return type !== 'image/svg+xml' && type.startsWith(pattern.slice(0, -1))
}

function sameKind(named: string, found: string): boolean {
  const plain = (type: string): string => type.replace(/\/(x-|vnd\.)?/, '/')
  const family = /^(audio|video)\//
  return plain(named) === plain(found) || (family.test(named) && family.test(found))
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

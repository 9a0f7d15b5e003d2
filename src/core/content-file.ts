import { type Bytes, ownBytes } from './bytes.ts'
import { encodeContent } from './content-text.ts'
import { ValidationError } from './errors.ts'
import { kindOf } from './options.ts'

/** On every content file, whichever installed copy of the package made it. */
const brand = Symbol.for('stowage.ContentFile')

/** Content in memory with a name, as Django's `ContentFile`. */
export class ContentFile {
  readonly name: string | undefined
  /** Bytes, also for text (Django counts characters there). */
  readonly size: number
  readonly bytes: Bytes

  /** @throws ValidationError for anything but text (without lone surrogates) or bytes */
  constructor(content: string | Uint8Array, name?: string | undefined) {
    if (name !== undefined && typeof name !== 'string') {
      throw new ValidationError(`The name of a ContentFile is a string, not ${kindOf(name)}.`)
    }
    this.bytes = toBytes(content)
    this.size = this.bytes.byteLength
    this.name = name
    Object.defineProperty(this, brand, { value: true })
  }
}

/** Whether `value` is a content file, also one of another installed copy of the package. */
export function isContentFile(value: unknown): value is ContentFile {
  return typeof value === 'object' && value !== null && brand in value
}

function toBytes(content: string | Uint8Array): Bytes {
  if (typeof content === 'string') return encodeContent(content)
  if (content instanceof Uint8Array) return ownBytes(content)
  throw new ValidationError(
    `The content of a ContentFile is a string or bytes, not ${kindOf(content)}.`,
  )
}

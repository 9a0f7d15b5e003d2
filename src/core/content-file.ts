import { type Bytes, ownBytes } from './bytes.ts'
import { encodeContent } from './content-text.ts'
import { ValidationError } from './errors.ts'

/** Content in memory with a name, as Django's `ContentFile`. */
export class ContentFile {
  readonly name: string | undefined
  /** Bytes, also for text (Django counts characters there). */
  readonly size: number
  readonly bytes: Bytes

  /** @throws ValidationError for anything but text (without lone surrogates) or bytes */
  constructor(content: string | Uint8Array, name?: string | undefined) {
    if (name !== undefined && typeof name !== 'string') {
      throw new ValidationError(`The name of a ContentFile is a string, not ${typeof name}.`)
    }
    this.bytes = toBytes(content)
    this.size = this.bytes.byteLength
    this.name = name
  }
}

function toBytes(content: string | Uint8Array): Bytes {
  if (typeof content === 'string') return encodeContent(content)
  if (content instanceof Uint8Array) return ownBytes(content)
  throw new ValidationError(
    `The content of a ContentFile is a string or bytes, not ${typeof content}.`,
  )
}

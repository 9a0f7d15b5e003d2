import { promisify } from 'node:util'
import { brotliCompress, constants, gzip } from 'node:zlib'
import type { StaticCompression } from '../config/configuration.ts'
import { contentTypeOf } from '../core/content-type.ts'
import { compilePattern } from './ignore-patterns.ts'

export type Encoding = 'gzip' | 'br'

export interface DeliveryOptions {
  /** Of files under hashed names. Default: a year, immutable. */
  readonly hashedCacheControl: string
  /** Of others. Default: five minutes. */
  readonly cacheControl: string | Readonly<Record<string, string>>
  readonly compress: StaticCompression | undefined
  /** Whether the storage compresses a file of this name that is given to it as it is. */
  readonly isCompressedByStorage: (name: string) => boolean
}

/** A file under a hashed name never changes (RFC 8246). */
export const immutable = 'public, max-age=31536000, immutable'
/** Others change at the next run. */
export const shortLived = 'public, max-age=300'

/** Bytes up to which a file is compressed: it is held in memory for it. */
const compressionLimit = 64 * 1024 * 1024
const suffixes: Readonly<Record<Encoding, string>> = { gzip: '.gz', br: '.br' }
const gzipAsync = promisify(gzip)
const brotliAsync = promisify(brotliCompress)

/** Types that are text, or as large as text. */
const compressible =
  /^(?:text\/|application\/(?:javascript|json|manifest\+json|xml|wasm|rtf|[\w.-]+\+(?:json|xml)|vnd\.ms-fontobject)|image\/(?:svg\+xml|bmp|x-icon|vnd\.microsoft\.icon)|font\/(?:ttf|otf|collection))/

/** A form in which a file is stored, under its name with a suffix. */
export interface StoredForm {
  readonly suffix: string
  readonly encoding: Encoding | undefined
}

/** How files are delivered: headers and compressed forms. */
export class Delivery {
  readonly #options: DeliveryOptions
  readonly #patterns: readonly { readonly pattern: RegExp; readonly value: string }[]

  constructor(options: DeliveryOptions) {
    this.#options = options
    const { cacheControl } = options
    this.#patterns =
      typeof cacheControl === 'string'
        ? []
        : Object.entries(cacheControl).map(([glob, value]) => ({
            pattern: compilePattern(glob),
            value,
          }))
  }

  cacheControlOf(name: string, hashed: boolean): string {
    if (hashed) return this.#options.hashedCacheControl
    const { cacheControl } = this.#options
    if (typeof cacheControl === 'string') return cacheControl
    return this.#patterns.find(({ pattern }) => pattern.test(name))?.value ?? shortLived
  }

  /** Suffixes and encodings of the forms that a file gets; suffix '' is the file itself. */
  formsOf(name: string, size: number): readonly StoredForm[] {
    const { compress, isCompressedByStorage } = this.#options
    if (size > compressionLimit) return [{ suffix: '', encoding: undefined }]
    // Compressed here instead, so that it is known what is stored.
    const encodingOfPlain = isCompressedByStorage(name) ? 'gzip' : undefined
    const plain: StoredForm = { suffix: '', encoding: encodingOfPlain }
    if (compress === undefined) return [plain]
    if (size < (compress.minSize ?? 1024)) return [plain]
    if (isCompressed(name) || !compressible.test(contentTypeOf(name) ?? '')) return [plain]
    if (compress.as === 'encoding') {
      const [encoding = 'gzip'] = compress.encodings ?? []
      return [{ suffix: '', encoding }]
    }
    const encodings = compress.encodings ?? ['br', 'gzip']
    return [plain, ...encodings.map(encoding => ({ suffix: suffixes[encoding], encoding }))]
  }
}

/** The one type of text that is compressed already. */
function isCompressed(name: string): boolean {
  return /\.svgz$/i.test(name)
}

/** The file beside which a compressed form of that name may lie; another name as it is. */
export function withoutForm(name: string): string {
  const suffix = Object.values(suffixes).find(each => name.endsWith(each))
  return suffix === undefined ? name : name.slice(0, -suffix.length)
}

/** The same bytes give the same result: no time, no name. */
export async function compressBytes(bytes: Uint8Array, encoding: Encoding): Promise<Uint8Array> {
  if (encoding === 'gzip') return await gzipAsync(bytes, { level: 9 })
  // Level 11 takes twenty times as long as 9 for a few percent.
  const params = {
    [constants.BROTLI_PARAM_QUALITY]: 9,
    [constants.BROTLI_PARAM_SIZE_HINT]: bytes.byteLength,
  }
  return await brotliAsync(bytes, { params })
}

import { ValidationError } from '../core/errors.ts'
import { fileCodec, isFileOrRow } from './codec.ts'

/** What Keyv's two generations ask for. */
export interface KeyvSerialization {
  serialize(value: unknown): string
  deserialize<T>(text: string): T
  stringify(value: unknown): string
  parse<T>(text: string): T
}

/**
 * For Keyv, whose caches then keep files of fields and rows of the adapters:
 * `new Keyv({ store, ...keyvSerialization })` up to version 5,
 * `new Keyv({ store, serialization: keyvSerialization })` from version 6.
 */
export const keyvSerialization: KeyvSerialization = {
  serialize: fileCodec.encode,
  deserialize: decodeAs,
  stringify: fileCodec.encode,
  parse: decodeAs,
}

/** Files of fields and rows of the adapters as one text each, for `superjson`. */
export interface SuperjsonTransformer {
  isApplicable(value: unknown): value is object
  serialize(value: object): string
  deserialize(text: string): object
}

/** For superjson: `superjson.registerCustom(superjsonFiles, 'stowage')`. */
export const superjsonFiles: SuperjsonTransformer = {
  isApplicable: isFileOrRow,
  serialize: fileCodec.encode,
  deserialize: decodeObject,
}

/** Reducers and revivers for `devalue`. */
export interface DevalueFiles {
  readonly reducers: { readonly stowage: (value: unknown) => string | undefined }
  readonly revivers: { readonly stowage: (text: string) => object }
}

/** For devalue: `stringify(value, devalueFiles.reducers)`, `parse(text, devalueFiles.revivers)`. */
export const devalueFiles: DevalueFiles = {
  reducers: {
    stowage: value => (isFileOrRow(value) ? fileCodec.encode(value) : undefined),
  },
  revivers: { stowage: decodeObject },
}

function decodeAs<T>(text: string): T {
  return fileCodec.decode(text) as T
}

function decodeObject(text: string): object {
  const value = fileCodec.decode(text)
  if (typeof value === 'object' && value !== null) return value
  throw new ValidationError('The text holds no file and no row.', { operation: 'decode' })
}

export { type FileCodec, fileCodec } from './fields/codec.ts'
export { FieldFile, type FileInput } from './fields/field-file.ts'
export type { FieldHost } from './fields/field-host.ts'
export { FileField, type FileFieldOptions, type StoredUpload } from './fields/file-field.ts'
export { collectGarbage, type GarbageFinding, type GarbageOptions } from './fields/garbage.ts'
export { ImageField, ImageFieldFile, type ImageFieldOptions } from './fields/image-field.ts'
export { defaultMaxPixels, type ImageSize } from './fields/image-size.ts'
export { fileTransaction } from './fields/lifecycle.ts'
export {
  type DevalueFiles,
  devalueFiles,
  type KeyvSerialization,
  keyvSerialization,
  type SuperjsonTransformer,
  superjsonFiles,
} from './fields/serializers.ts'
export type { UploadedFile } from './fields/upload.ts'
export type { UploadTo } from './fields/upload-to.ts'
export {
  allowExtensions,
  allowImages,
  allowTypes,
  type FileValidator,
  maxSize,
  type SizeValidator,
} from './fields/validators.ts'

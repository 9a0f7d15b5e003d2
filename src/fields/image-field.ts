import { isStorageError } from '../core/errors.ts'
import { FieldFile } from './field-file.ts'
import type { FieldHost } from './field-host.ts'
import type { OptionCheck } from './field-options.ts'
import { fileFieldChecks, isCount, isName } from './field-options.ts'
import { FileField, type FileFieldOptions, type StoredUpload } from './file-field.ts'
import { type ImageSize, readImage } from './image-size.ts'
import { Upload } from './upload.ts'

/** Of a stored file that has no size to be kept: the row may name it all the same. */
const unmeasurable: readonly string[] = [
  'ERR_STORAGE_FILE_NOT_FOUND',
  'ERR_STORAGE_INVALID_IMAGE',
  'ERR_STORAGE_SUSPICIOUS_FILE_OPERATION',
]

/** Options of an image field; all are optional. */
export interface ImageFieldOptions<Row extends object> extends FileFieldOptions<Row> {
  /** Column that holds the width in pixels; empty while there is no image. */
  readonly widthColumn?: string | undefined
  readonly heightColumn?: string | undefined
  /** Most pixels that an image may declare. Default 89,478,485, as Pillow's. */
  readonly maxPixels?: number | undefined
}

/**
 * A file field that takes raster images only (the content decides), and keeps their width and
 * height, as they are shown, in columns of the row. SVG documents are refused: they can hold scripts
 * and would be run where they are shown.
 */
export class ImageField<Row extends object = object> extends FileField<Row> {
  readonly #maxPixels: number | undefined
  readonly #widthColumn: string | undefined
  readonly #heightColumn: string | undefined

  /** @throws ImproperlyConfigured as {@link FileField} */
  constructor(options: ImageFieldOptions<Row> = {}) {
    super(options)
    this.#maxPixels = options.maxPixels
    this.#widthColumn = options.widthColumn
    this.#heightColumn = options.heightColumn
  }

  override file(name: string | null, host?: FieldHost | undefined): ImageFieldFile {
    return new ImageFieldFile(this, host, name)
  }

  override async columnsOf(upload: Upload): Promise<StoredUpload['columns']> {
    return this.#columns(await this.measure(upload))
  }

  /** Empty for a file that is missing, or no image that could be measured. */
  override async columnsOfStored(name: string): Promise<StoredUpload['columns']> {
    if (Object.keys(this.emptyColumns).length === 0) return {}
    try {
      return await this.columnsOf(new Upload(name, await this.storage.file(name)))
    } catch (error) {
      if (!isStorageError(error) || !unmeasurable.includes(error.code)) throw error
      return this.emptyColumns
    }
  }

  override get emptyColumns(): StoredUpload['columns'] {
    return this.#columns({ width: null, height: null })
  }

  /** @throws InvalidImageError */
  async measure(upload: Upload): Promise<ImageSize> {
    return await readImage(upload, { maxPixels: this.#maxPixels })
  }

  protected override get kind(): string {
    return 'ImageField'
  }

  protected override get checks(): Readonly<Record<string, OptionCheck>> {
    return { ...fileFieldChecks, widthColumn: isName, heightColumn: isName, maxPixels: isCount }
  }

  #columns(size: Record<'width' | 'height', number | null>): StoredUpload['columns'] {
    const columns: Record<string, number | null> = {}
    if (this.#widthColumn !== undefined) columns[this.#widthColumn] = size.width
    if (this.#heightColumn !== undefined) columns[this.#heightColumn] = size.height
    return columns
  }
}

/** The image of a row. */
export class ImageFieldFile extends FieldFile {
  /**
   * Width and height as shown, in pixels, read from the first bytes: one request. Rows with
   * dimension columns have them at hand.
   *
   * @throws InvalidImageError
   */
  async dimensions(): Promise<ImageSize> {
    const name = this.requireFile()
    const upload = new Upload(name, this.pendingContent() ?? (await this.storage.file(name)))
    const { field } = this
    if (field instanceof ImageField) return await field.measure(upload)
    return await readImage(upload)
  }
}

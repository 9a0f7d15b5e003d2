import { defaultStorage } from '../config/registry.ts'
import { isStorage, loadedTarget } from '../config/storage-kind.ts'
import type { Content } from '../core/content.ts'
import { ImproperlyConfigured } from '../core/errors.ts'
import type { Storage } from '../core/storage.ts'
import { FieldFile } from './field-file.ts'
import type { FieldHost } from './field-host.ts'
import { checkFieldOptions, fileFieldChecks, type OptionCheck } from './field-options.ts'
import {
  callerOf,
  type FieldOrigin,
  fieldOf,
  registerColumn,
  registerDefault,
  registerDefaultId,
  registerId,
} from './registry.ts'
import { Upload } from './upload.ts'
import { checkUploadName, datedName, type UploadTo } from './upload-to.ts'
import type { FileValidator } from './validators.ts'

/** Options of a file field; all are optional. */
export interface FileFieldOptions<Row extends object> {
  /** Where files go; a function is asked once, at the first use. Default: `defaultStorage`. */
  readonly storage?: Storage | (() => Storage) | undefined
  /**
   * Folder, in which `strftime`'s directives stand for the local time (`uploads/%Y/%m/%d/`), or a
   * function that makes the whole name. Default: the storage's root.
   */
  readonly uploadTo?: string | UploadTo<Row> | undefined
  /** Identifies the field in caches. Default: `Table.column`. */
  readonly id?: string | undefined
  /** Name of a file that rows without one of their own show; it must be there already. */
  readonly default?: string | undefined
  /** Longest name in code points, with its folder; longer ones are shortened. Default 100. */
  readonly maxLength?: number | undefined
  /** Whether a file goes with its row, unless another row uses it. Default `cleanup`. */
  readonly onDelete?: 'cleanup' | 'keep' | undefined
  /** Whether a file goes when its row gets another one. Default `cleanup`. */
  readonly onReplace?: 'cleanup' | 'keep' | undefined
  /** Whether a new file may replace another one of the same name. Default false. */
  readonly overwrite?: boolean | undefined
  /** Each looks at a file before anything of it is stored. */
  readonly validators?: readonly FileValidator[] | undefined
}

/** Django's default; a column of that length fits every index of every database. */
const defaultMaxLength = 100

/** What was stored, and what is known about it. */
export interface StoredUpload {
  readonly name: string
  /** Further columns of the row that follow from the file. */
  readonly columns: Readonly<Record<string, number | null>>
}

/**
 * A column that holds the name of a file, as Django's `FileField`. It belongs to a model through
 * one of the ORM adapters; `file()` makes one by hand.
 */
export class FileField<Row extends object = object> {
  readonly default: string | null
  readonly maxLength: number
  readonly onDelete: 'cleanup' | 'keep'
  readonly onReplace: 'cleanup' | 'keep'
  readonly overwrite: boolean
  readonly validators: readonly FileValidator[]
  readonly #storage: Storage | (() => Storage)
  readonly #uploadTo: string | UploadTo<Row>
  readonly #origin: FieldOrigin
  #found: Storage | undefined
  #id: string | undefined
  #attribute = 'file'

  /** @throws ImproperlyConfigured for an unknown option, a wrong value, an `id` that is taken */
  constructor(options: FileFieldOptions<Row> = {}) {
    checkFieldOptions(this.kind, this.checks, options)
    this.default = options.default ?? null
    this.maxLength = options.maxLength ?? defaultMaxLength
    this.onDelete = options.onDelete ?? 'cleanup'
    this.onReplace = options.onReplace ?? 'cleanup'
    this.overwrite = options.overwrite ?? false
    this.validators = options.validators ?? []
    this.#storage = options.storage ?? defaultStorage
    this.#uploadTo = options.uploadTo ?? ''
    this.#id = options.id
    this.#origin = { file: callerOf(new.target), storage: this.#storage }
    if (options.id !== undefined) registerId(options.id, this, this.#origin)
    if (this.default !== null) registerDefault(this)
  }

  /** The storage of the field's files. @throws ImproperlyConfigured if the function gives none */
  get storage(): Storage {
    if (this.#found !== undefined) return this.#found
    const storage = typeof this.#storage === 'function' ? this.#storage() : this.#storage
    if (!isStorage(storage)) {
      throw new ImproperlyConfigured(`The function "storage" of a ${this.kind} gives no Storage.`, {
        setting: 'storage',
      })
    }
    this.#found = storage
    return storage
  }

  /** @throws ImproperlyConfigured for a field that has no id, or shares it with another one */
  get id(): string {
    if (this.#id === undefined) {
      throw new ImproperlyConfigured(
        `This ${this.kind} belongs to no model: give it an "id" to let its files into a cache.`,
        { setting: 'id' },
      )
    }
    fieldOf(this.#id)
    return this.#id
  }

  /** Name of the property that shows the field's files, for messages about those of no row. */
  get attribute(): string {
    return this.#attribute
  }

  /**
   * Tells the field its column; adapters do, and the first one names the field in caches.
   *
   * @throws ImproperlyConfigured for an id that was another column's
   */
  attach(table: string, column: string, attribute: string = column): this {
    this.#attribute = attribute
    const name = `${table}.${column}`
    if (this.#id !== undefined) registerColumn(this.#id, this, name)
    else {
      this.#id = name
      registerDefaultId(name, this, this.#origin)
    }
    return this
  }

  /** A file of this field: of a row, or, without a host, one that can only be read. */
  file(name: string | null, host?: FieldHost | undefined): FieldFile {
    return new FieldFile(this, host, name)
  }

  /** Whether the name of a file may depend on its row. */
  get looksAtRow(): boolean {
    const isOwn = this.generateFilename !== FileField.prototype.generateFilename
    return isOwn || typeof this.#uploadTo === 'function'
  }

  /** The name for a file that came as `filename`. @throws SuspiciousFileOperation */
  async generateFilename(row: object | null, filename: string): Promise<string> {
    const wanted =
      typeof this.#uploadTo === 'function'
        ? await this.#uploadTo((row ?? {}) as Row, filename)
        : datedName(this.#uploadTo, filename, new Date())
    const storage = await loadedTarget(this.storage)
    return storage.generateFilename(checkUploadName(wanted))
  }

  /** Checks a file, chooses its name and stores it. A file that is refused leaves nothing behind. */
  async store(row: object | null, filename: string, content: Content): Promise<StoredUpload> {
    const upload = new Upload(filename, content)
    try {
      const name = await this.generateFilename(row, filename)
      upload.target = name
      await this.#validate(upload)
      const columns = await this.columnsOf(upload)
      const { maxLength, overwrite } = this
      const stored = await this.storage.save(name, upload.content(), { maxLength, overwrite })
      return { name: stored, columns }
    } catch (error) {
      await upload.discard().catch(() => {})
      throw error
    }
  }

  /** Further columns of the row that follow from the file. */
  async columnsOf(_upload: Upload): Promise<StoredUpload['columns']> {
    return {}
  }

  /** The same of a file that is stored already, and whose name a row was given. */
  async columnsOfStored(_name: string): Promise<StoredUpload['columns']> {
    return {}
  }

  /** Columns of a row without a file. */
  get emptyColumns(): StoredUpload['columns'] {
    return {}
  }

  protected get kind(): string {
    return 'FileField'
  }

  protected get checks(): Readonly<Record<string, OptionCheck>> {
    return fileFieldChecks
  }

  async #validate(upload: Upload): Promise<void> {
    for (const validator of this.validators) {
      if ('maxSize' in validator && typeof validator.maxSize === 'number')
        upload.limit(validator.maxSize)
      await validator(upload)
    }
  }
}

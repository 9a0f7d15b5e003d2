import { BaseEntity, Column, type ObjectLiteral, type ValueTransformer } from 'typeorm'
import { ImproperlyConfigured } from '../../core/errors.ts'
import type { FileInput } from '../../fields/field-file.ts'
import { checkField } from '../../fields/field-options.ts'
import type { FileField } from '../../fields/file-field.ts'
import type { FileScope } from '../../fields/lifecycle.ts'
import { FileProperty, PropertyHost, rowFields } from '../../fields/rows.ts'
import {
  columnsKey,
  lastManager,
  managersKey,
  type Property,
  type Prototype,
  type Registration,
  sourcesKey,
} from './registration.ts'
import { reloadNames } from './rows.ts'
import { nameIn } from './values.ts'

/**
 * Makes a property a file column: `@FileColumn(field) declare avatar: FieldFile`. The column is a
 * `varchar` that is never null; `''` stands for no file. `declare` is needed: a property that the
 * constructor defines would hide the accessor.
 */
export function FileColumn(field: FileField): PropertyDecorator {
  checkField('@FileColumn()', field)
  return (prototype: Prototype & object, key) => {
    const property = String(key)
    if (prototype[columnsKey] === undefined) completeMethods(prototype)
    const column: Property = new EntityFile(property, field, (row, of) => new EntityHost(row, of))
    prototype[columnsKey] = new Map([...(prototype[columnsKey] ?? []), [property, column]])
    prototype[rowFields] = { ...prototype[rowFields], [property]: field }
    prototype[managersKey] ??= new WeakMap()
    column.defineOn(prototype, { configurable: true })
    const transformer: ValueTransformer = {
      from: value => value,
      to: value => nameIn(column, value),
    }
    const options = { length: field.maxLength, default: field.default ?? '', transformer }
    Column({ type: 'varchar', ...options })(prototype, key)
  }
}

/** The accessor of a file is no property of its row: `JSON.stringify()` and `BaseEntity.reload()` pass it by. */
function completeMethods(prototype: Prototype & object): void {
  if (prototype instanceof BaseEntity) {
    const { reload } = prototype
    define(prototype, 'reload', async function (this: BaseEntity) {
      await reload.call(this)
      await reloadNames(this)
    })
  }
  if ('toJSON' in prototype) return
  define(prototype, 'toJSON', function (this: Prototype & ObjectLiteral) {
    const json: ObjectLiteral = { ...this }
    for (const [property, column] of this[columnsKey] ?? [])
      if (!column.isUntold(this)) json[property] = column.get(this)
    return json
  })
}

/** As methods of a class are. */
function define(prototype: object, key: string, value: unknown): void {
  Object.defineProperty(prototype, key, { value, writable: true, configurable: true })
}

/**
 * TypeORM writes whatever differs from the database. A name that somebody has set is told from one that was
 * read, which may be an old one by then.
 */
class EntityFile extends FileProperty<ObjectLiteral> {
  override set(row: ObjectLiteral, value: FileInput | undefined): void {
    const isName = typeof value === 'string' || value === null
    if (isName && this.peek(row) === undefined && value !== this.column(row))
      this.get(row).assign(value)
    else super.set(row, value)
  }
}

/** A row as its files see it. */
class EntityHost extends PropertyHost<ObjectLiteral> {
  /** On the one connection that SQLite's drivers have. */
  get sharesTransactions(): boolean {
    return this.#registered()?.isSqlite ?? false
  }

  get line(): object | undefined {
    return this.#registered()?.managerOf(this.owner).queryRunner
  }

  protected override get isStored(): boolean {
    const source = this.#registered()?.source
    return source?.getMetadata(this.owner.constructor).hasId(this.owner) ?? false
  }

  async persist(): Promise<void> {
    await this.#files().managerOf(this.owner).save(this.owner)
  }

  scope(): FileScope | undefined {
    const files = this.#registered()
    return files?.scopeOf(files.managerOf(this.owner).queryRunner)
  }

  /** Rows of one class may name a file in several databases. */
  async uses(name: string, storage: unknown): Promise<number> {
    let total = 0
    for (const files of new Set([this.#files(), ...this.#open()]))
      total += await files.uses(storage, name)
    return total
  }

  #open(): Registration[] {
    const { [sourcesKey]: sources }: Prototype = this.owner
    return [...(sources ?? [])].filter(({ source }) => source.isInitialized)
  }

  /** Of the data source that the row is from; a new row may be for any. */
  #registered(): Registration | undefined {
    const open = this.#open()
    const source = lastManager(this.owner)?.dataSource
    const own = open.find(files => files.source === source)
    if (own !== undefined || open.length <= 1) return own ?? open[0]
    throw new ImproperlyConfigured(
      `Several data sources know the files of ${this.owner.constructor.name}: save() the row with the manager of one, or make it by its create().`,
      { setting: 'registerFiles' },
    )
  }

  #files(): Registration {
    const files = this.#registered()
    if (files !== undefined) return files
    throw new ImproperlyConfigured(
      `No open data source knows the files of ${this.owner.constructor.name}: call registerFiles(dataSource).`,
      { setting: 'registerFiles' },
    )
  }
}

import {
  Column,
  type DataSource,
  type EntityManager,
  type ObjectLiteral,
  type QueryRunner,
} from 'typeorm'
import { ImproperlyConfigured } from '../../core/errors.ts'
import { checkField } from '../../fields/field-options.ts'
import type { FileField } from '../../fields/file-field.ts'
import type { FileScope } from '../../fields/lifecycle.ts'
import { FileProperty, PropertyHost, rowFields } from '../../fields/rows.ts'

export type Property = FileProperty<ObjectLiteral>

/** File columns of an entity class, kept on its prototype. */
export const columnsKey: unique symbol = Symbol('stowage.typeorm.columns')
/** Data sources that an entity class is registered with. */
export const sourcesKey: unique symbol = Symbol('stowage.typeorm.sources')

export interface Prototype {
  [columnsKey]?: ReadonlyMap<string, Property>
  [sourcesKey]?: ReadonlySet<Registration>
  [rowFields]?: Readonly<Record<string, FileField>>
}

/** What the files of a row need of its data source. */
export interface Registration {
  readonly source: DataSource
  readonly isSqlite: boolean
  managerOf(row: object): EntityManager
  scopeOf(runner: QueryRunner | undefined): FileScope | undefined
  uses(storage: unknown, name: string): Promise<number>
}

/**
 * Makes a property a file column: `@FileColumn(field) declare avatar: FieldFile`. The column is a
 * `varchar` that is never null; `''` stands for no file. `declare` is needed: a property that the
 * constructor defines would hide the accessor.
 */
export function FileColumn(field: FileField): PropertyDecorator {
  checkField('@FileColumn()', field)
  return (prototype: Prototype & object, key) => {
    const property = String(key)
    const column: Property = new FileProperty(property, field, (row, of) => new EntityHost(row, of))
    prototype[columnsKey] = new Map([...(prototype[columnsKey] ?? []), [property, column]])
    prototype[rowFields] = { ...prototype[rowFields], [property]: field }
    column.defineOn(prototype, { configurable: true })
    Column({ type: 'varchar', length: field.maxLength, default: field.default ?? '' })(
      prototype,
      key,
    )
  }
}

/** A row as its files see it. */
class EntityHost extends PropertyHost<ObjectLiteral> {
  /** On the one connection that SQLite's drivers have. */
  get sharesTransactions(): boolean {
    return this.#registered()?.isSqlite ?? false
  }

  async persist(): Promise<void> {
    await this.#files().managerOf(this.owner).save(this.owner)
  }

  scope(): FileScope | undefined {
    const files = this.#registered()
    return files?.scopeOf(files.managerOf(this.owner).queryRunner)
  }

  async uses(name: string, storage: unknown): Promise<number> {
    return await this.#files().uses(storage, name)
  }

  #registered(): Registration | undefined {
    const prototype: Prototype = Object.getPrototypeOf(this.owner)
    const open = [...(prototype[sourcesKey] ?? [])].filter(files => files.source.isInitialized)
    return open.at(-1)
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
